/** Says which argument a request schema refused, and why. */
import * as AiError from "effect/ai/AiError"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { didYouMean } from "./suggest.ts"

export const invalidArgument = (error: Schema.SchemaError, request: Schema.Top): AiError.InvalidRequestError => {
  const { isUnknown, keys: [name, ...inside] } = deepestIssue(error)
  const { message, path } = describeIssue(error)
  const hint = isUnknown && typeof name === "string" && inside.length === 0
    ? didYouMean(name, parametersOf(request))
    : ""
  return new AiError.InvalidRequestError({
    ...(path === "" ? {} : { parameter: path }),
    description: `${message}${hint}`
  })
}

/** The names of the arguments that a request takes. */
const parametersOf = (request: Schema.Top): ReadonlyArray<string> => {
  const encoded = SchemaAST.toEncoded(request.ast)
  return SchemaAST.isObjects(encoded) ? encoded.propertySignatures.map(({ name }) => String(name)) : []
}

/** The issue that is deepest: where it is, as a path such as `messages[0].content`, and what is expected there. */
export const describeIssue = (error: Schema.SchemaError): { readonly path: string; readonly message: string } => {
  const { isUnknown, keys, message } = deepestIssue(error)
  return { path: pathOf(keys), message: isUnknown ? "There is no such parameter" : message }
}

const pathOf = (keys: ReadonlyArray<PropertyKey>): string =>
  keys.map((key, i) => typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`).join("")

/**
 * The issue that is deepest, which of the variants of a union is the one that was meant; and whether it is that nothing is known
 * by that name.
 */
export const deepestIssue = (
  error: Schema.SchemaError
): { readonly keys: ReadonlyArray<PropertyKey>; readonly message: string; readonly isUnknown: boolean } => {
  const { issues } = format(error.issue)
  const [first] = issues
  const issue = issues.reduce((deepest, issue) => depthOf(issue) > depthOf(deepest) ? issue : deepest, first)
  return {
    keys: (issue?.path ?? []).map((key) => typeof key === "object" ? key.key : key),
    message: issue?.message ?? error.message,
    isUnknown: issue?.message === "Expected no excess property"
  }
}

const depthOf = (issue: { readonly path?: ReadonlyArray<unknown> | undefined } | undefined): number =>
  issue?.path?.length ?? 0

const format = SchemaIssue.makeFormatterStandardSchemaV1()
