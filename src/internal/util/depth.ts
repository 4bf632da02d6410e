/** A bound on the nesting of foreign values, so that walking them never overflows the stack. */
import * as Prompt from "effect/ai/Prompt"

/** How many levels of arrays and plain objects are walked. Deeper values are refused or cut. */
export const maxDepth = 256

/** For a message about a value that is nested too deep. */
export const tooDeep = `nested more than ${maxDepth} levels deep`

/** Whether arrays and plain objects are nested deeper than `maxDepth` within a value. A value that contains itself is not. */
export const isTooDeep = (value: unknown): boolean => exceeds(value, [])

const exceeds = (value: unknown, above: ReadonlyArray<object>): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (Prompt.isPrompt(value)) return exceeds(value.content, above)
  if ((!Array.isArray(value) && !isPlain(value)) || above.includes(value)) return false
  if (above.length >= maxDepth) return true
  const inner = [...above, value]
  return Object.values(value).some((item) => exceeds(item, inner))
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
