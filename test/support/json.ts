/** JSON to be drawn at random. */
import { Schema } from "effect"

/**
 * Whether the engine reads what was written. V8 may read a name that is a single escaped character as a backslash, once it has read
 * an object with that for a name: https://github.com/nodejs/node/issues/63785
 */
export const isReadable = Schema.makeFilter((value: unknown) => !singleEscape.test(JSON.stringify(value)), {
  expected: "no name of a single escaped character"
})

const singleEscape = /"\\(?:u[0-9a-f]{4}|[^u])":/
