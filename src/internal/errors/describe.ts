/** Describes what user code, or a program, has failed with. */
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
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

/**
 * The value as it is if it can be encoded, otherwise its description: a getter, a `toJSON` or a trap that throws would fail the
 * program wherever the error is logged, traced or stored.
 */
export const encodableCause = (cause: unknown): unknown =>
  Option.getOrElse(isEncodable(cause), () => false) ? cause : describe(cause)

const isEncodable = Option.liftThrowable((cause: unknown): boolean => {
  if (!Predicate.isObject(cause)) return true
  // Errors are encoded by their message, with their causes.
  for (let error: unknown = cause, n = 0; error instanceof Error; error = error.cause, n++) {
    if (n > maxDepth || typeof error.message !== "string" || typeof error.name !== "string") return false
  }
  return isShallow(cause) && typeof Formatter.formatJson(cause) === "string" && typeof String(cause) === "string"
})

const maxDepth = 100

/** Whether no value is nested deeper than the JSON of an error may be. A circle ends where it is met again. */
const isShallow = (value: unknown, within = new Set<unknown>()): boolean => {
  if (!Predicate.isObjectOrArray(value) || within.has(value)) return true
  if (within.size >= maxDepth) return false
  within.add(value)
  const parts = value instanceof Error ? [value.cause, ...Object.values(value)] : Object.values(value)
  const shallow = parts.every((part) => isShallow(part, within))
  within.delete(value)
  return shallow
}
