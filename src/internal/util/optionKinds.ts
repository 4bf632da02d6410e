/** What kind of value an option is: programs without types give texts for numbers, one hook for a list, and misspelt names. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { illegal, onlyKnown, shown } from "./options.ts"

export interface Kind {
  readonly is: (value: unknown) => boolean
  /** Such as `"a function"`. */
  readonly words: string
}

export const text: Kind = { is: Predicate.isString, words: "a string" }
export const nonEmptyText: Kind = { is: (u) => typeof u === "string" && u.trim() !== "", words: "a string, not empty" }
export const flag: Kind = { is: Predicate.isBoolean, words: "true or false" }
export const fn: Kind = { is: Predicate.isFunction, words: "a function" }
export const object: Kind = { is: Predicate.isObject, words: "an object" }
export const number: Kind = { is: (u) => typeof u === "number" && !Number.isNaN(u), words: "a number" }
export const positiveInteger: Kind = {
  is: (u) => Number.isSafeInteger(u) && Number(u) > 0,
  words: "a whole number above zero"
}

/** What has a check of its own; `null` is no value. */
export const given = (words: string): Kind => ({ is: (u) => u !== null, words })

export const branded = (typeId: string, words: string): Kind => ({ is: (u) => Predicate.hasProperty(u, typeId), words })

export const listOf = (typeId: string, words: string): Kind => ({
  is: (u) => Array.isArray(u) && u.every(branded(typeId, words).is),
  words
})

export const recordOf = (kind: Kind): Kind => ({
  is: (u) => Predicate.isObject(u) && Object.values(u).every(kind.is),
  words: `an object, each value of it ${kind.words}`
})

export const oneOf = (...values: ReadonlyArray<string>): Kind => ({
  is: (u) => typeof u === "string" && values.includes(u),
  words: values.map((value) => `"${value}"`).join(" or ")
})

/** Fails for the first option that is not known, or of another kind. What is `undefined` is not given. */
export const check = Effect.fnUntraced(function*(
  owner: string,
  options: object,
  kinds: Readonly<Record<string, Kind>>,
  /** Of the names in messages. */
  prefix = ""
): Effect.fn.Return<void, Cause.IllegalArgumentError> {
  if (!Predicate.isObject(options)) return yield* illegal(`the options of ${owner} must be an object`)
  yield* onlyKnown(options, Object.keys(kinds))
  for (const [name, value] of Object.entries(options)) {
    const kind = kinds[name]
    if (value !== undefined && kind !== undefined && !kind.is(value)) {
      return yield* illegal(
        `${prefix}${name} must be ${kind.words}, got ${
          Predicate.isObjectOrArray(value) ? describe(value) : shown(value)
        }`
      )
    }
  }
})

// What it holds may be a secret.
const describe = (value: object): string => Array.isArray(value) ? "an array" : "an object"
