/** JSON that is sent. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"

/**
 * A value as JSON without lone surrogates, in keys and in texts: U+FFFD stands in their place. Texts that were cut in the middle
 * of an emoji hold them, and servers refuse a whole body for one.
 */
export const wellFormedJson = (value: unknown): string => {
  const json = JSON.stringify(value ?? null)
  // `JSON.stringify` escapes lone surrogates, and no others.
  return json.includes("\\ud")
    ? json.replace(/\\(?:ud[89a-f][\da-f]{2}|.)/g, (escape) => escape.length === 6 ? "\uFFFD" : escape)
    : json
}

/** JSON that another library will stringify, without lone surrogates. */
export const wellFormed = (json: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(json).map(([key, value]) => [wellFormedText(key), wellFormedValue(value)]))

const wellFormedValue = (value: unknown): unknown =>
  typeof value === "string"
    ? wellFormedText(value)
    : Array.isArray(value)
    ? value.map(wellFormedValue)
    : Predicate.isObject(value)
    ? wellFormed(value)
    : value

// Of a pair, neither half is a code point.
const wellFormedText = (text: string): string => text.replace(/\p{Surrogate}/gu, "\uFFFD")

/** The JSON body of a request. */
export const jsonBody = (body: unknown): Effect.Effect<string, AiError.InvalidRequestError> =>
  Effect.try({
    try: () => wellFormedJson(body),
    catch: (error) => new AiError.InvalidRequestError({ description: `The arguments are not JSON: ${String(error)}` })
  })
