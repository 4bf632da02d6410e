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

/** The first issue: where it is, as a path such as `messages[0].content`, and what is expected there. */
export const describeIssue = (error: Schema.SchemaError): { readonly path: string; readonly message: string } => {
  const [issue] = format(error.issue).issues
  const path = (issue?.path ?? []).map((key) => typeof key === "object" ? key.key : key)
  return {
    path: path.map((key, i) => typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`).join(
      ""
    ),
    message: issue?.message.replace(/^Expected no excess property$/, "There is no such parameter") ?? error.message
  }
}

const format = SchemaIssue.makeFormatterStandardSchemaV1()
