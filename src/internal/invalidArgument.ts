/** Says which argument a request schema refused, and why. */
import * as AiError from "effect/ai/AiError"
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

export const invalidArgument = (error: Schema.SchemaError): AiError.InvalidRequestError => {
  const issue = describeIssue(error)
  return new AiError.InvalidRequestError({
    ...(issue.path === "" ? {} : { parameter: issue.path }),
    description: issue.message
  })
}

/**
 * The issue that is deepest, which of the variants of a union is the one that was meant: where it is, as a path such as
 * `messages[0].content`, and what is expected there.
 */
export const describeIssue = (error: Schema.SchemaError): { readonly path: string; readonly message: string } => {
  const { issues } = format(error.issue)
  const [first] = issues
  const issue = issues.reduce((deepest, issue) => depthOf(issue) > depthOf(deepest) ? issue : deepest, first)
  const path = (issue?.path ?? []).map((key) => typeof key === "object" ? key.key : key)
  return {
    path: path.map((key, i) => typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`).join(
      ""
    ),
    message: issue?.message.replace(/^Expected no excess property$/, "There is no such parameter") ?? error.message
  }
}

const depthOf = (issue: { readonly path?: ReadonlyArray<unknown> | undefined } | undefined): number =>
  issue?.path?.length ?? 0

const format = SchemaIssue.makeFormatterStandardSchemaV1()
