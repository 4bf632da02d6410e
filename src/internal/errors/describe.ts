/** Says in words what somebody failed with. */
import * as Formatter from "effect/Formatter"
import * as Predicate from "effect/Predicate"

/**
 * The message if there is one, otherwise the tag and the fields as JSON. That is what the error holds and no more: no stack, and
 * nothing of what is `Redacted`.
 */
export const describe = (error: unknown): string => {
  if (!Predicate.isObject(error)) return String(error)
  if ("message" in error && typeof error.message === "string" && error.message !== "") return error.message
  return Formatter.formatJson(error)
}
