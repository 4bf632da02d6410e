/** A bound on the nesting of foreign values, so that walking them never overflows the stack. */
import * as Predicate from "effect/Predicate"

/** How many levels of arrays and objects are walked. Deeper values are refused or cut. */
export const maxDepth = 256

/** For a message about a value that is nested too deep. */
export const tooDeep = `nested more than ${maxDepth} levels deep`

/** Whether arrays and objects are nested deeper than `maxDepth` within a value, or contain themselves. */
export const isTooDeep = (value: unknown): boolean => exceeds(value, maxDepth)

const exceeds = (value: unknown, left: number): boolean => {
  if (!Predicate.isObjectOrArray(value)) return false
  return left === 0 || Object.values(value).some((item) => exceeds(item, left - 1))
}
