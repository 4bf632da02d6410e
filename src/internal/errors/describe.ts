/** Describes the values that user code fails with. They may be of any kind, so nothing here throws. */
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"

/** Longer descriptions are cut: they are shown to models, logged and stored. */
const maxLength = 10_000

const unreadable = "a value that cannot be read"

/**
 * The message if there is one, otherwise the tag and the fields as JSON. The stack and the values that are `Redacted` are left
 * out.
 */
export const describe = (error: unknown): string => {
  const text = Option.getOrElse(describeUnsafe(error), () => unreadable)
  return text.length > maxLength ? `${text.slice(0, maxLength)}…` : text
}

const describeUnsafe = Option.liftThrowable((error: unknown): string => {
  if (!Predicate.isObject(error)) return String(error)
  if ("message" in error && typeof error.message === "string" && error.message !== "") return error.message
  return isShallow(error) ? Formatter.formatJson(error) : "a value that is nested too deeply"
})

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
