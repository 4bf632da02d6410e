/** Describes what user code, or a program, has failed with. */
import * as Formatter from "effect/Formatter"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"

const maxLength = 2_000

/**
 * The message if there is one, otherwise the tag and the fields as JSON: no stack, and nothing that is `Redacted`. Never throws,
 * whatever the getters, traps or depth of the error.
 */
export const describe = (error: unknown): string => {
  const description = Result.getOrElse(
    Result.try(() => describeUnsafe(error)),
    () => "an error that cannot be described"
  )
  return description.length > maxLength ? `${description.slice(0, maxLength)}…` : description
}

const describeUnsafe = (error: unknown): string => {
  if (!Predicate.isObject(error)) return String(error)
  if ("message" in error && typeof error.message === "string" && error.message !== "") return error.message
  return Formatter.formatJson(error)
}
