/** A bound on the nesting of foreign values, so that walking them never overflows the stack. */
import * as Prompt from "effect/ai/Prompt"

/** How many levels of arrays and plain objects are walked. Deeper values are refused or cut. */
export const maxDepth = 256

/** For a message about a value that is nested too deep. */
export const tooDeep = `nested more than ${maxDepth} levels deep`

/** Whether arrays and plain objects are nested deeper than `maxDepth` within a value, or contain themselves. */
export const isTooDeep = (value: unknown): boolean => exceeds(value, maxDepth)

const exceeds = (value: unknown, left: number): boolean => {
  if (typeof value !== "object" || value === null) return false
  if (Prompt.isPrompt(value)) return exceeds(value.content, left)
  if (!Array.isArray(value) && !isPlain(value)) return false
  return left === 0 || Object.values(value).some((item) => exceeds(item, left - 1))
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
