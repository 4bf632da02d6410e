/** Arguments as a text that no other arguments have, to remember an answer by. */
import * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { describeTool, isTool } from "../chat/arguments.ts"

/** `undefined` for what cannot be told from everything else: a function, an iterator, an object of a class that is not known. */
export const keyOf = (value: unknown): string | undefined => Option.getOrUndefined(encode(value, []))

/** Each kind of value begins with a character of its own. */
const encode = (value: unknown, above: ReadonlyArray<object>): Option.Option<string> => {
  if (Schema.isSchema(value)) return encodeSchema(value)
  switch (typeof value) {
    case "string":
    case "boolean":
      return Option.some(JSON.stringify(value))
    case "number":
      return Option.some(`#${value}`)
    case "bigint":
      return Option.some(`n${value}`)
    case "undefined":
      return Option.some("-")
    case "object":
      return value === null ? Option.some("null") : above.includes(value)
        ? Option.none()
        : encodeObject(value, [...above, value])
    default:
      return Option.none()
  }
}

const encodeObject = (value: object, above: ReadonlyArray<object>): Option.Option<string> => {
  if (Array.isArray(value)) {
    return Option.map(Option.all(value.map((item) => encode(item, above))), (items) => `[${items.join()}]`)
  }
  if (value instanceof Uint8Array) return Option.some(`b${Base64.encode(value)}`)
  if (value instanceof URL) return Option.some(`u${JSON.stringify(value.href)}`)
  if (value instanceof Date) return Option.some(`d${value.getTime()}`)
  if (Prompt.isPrompt(value)) return tagged("p", value.content, above)
  if (isTool(value)) return tagged("t", describeTool(value), above)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return Option.none()
  if (Object.getOwnPropertySymbols(value).length > 0) return Option.none()
  // A field that is undefined is the same as none to whoever is asked.
  const fields = Object.entries(value).flatMap(([key, field]) => field === undefined ? [] : [[key, field] as const])
  return Option.map(
    Option.all(
      fields.map(([key, field]) => Option.map(encode(field, above), (text) => `${JSON.stringify(key)}:${text}`))
    ),
    (texts) => `{${texts.join()}}`
  )
}

/** What it describes, and its name: an answer that is remembered is decoded by the schema of the call itself. */
const encodeSchema = (schema: Schema.Top): Option.Option<string> =>
  Option.map(
    Result.getSuccess(Result.try(() => JSON.stringify(Schema.toJsonSchemaDocument(Schema.toCodecJson(schema))))),
    (document) => `s${JSON.stringify(SchemaAST.resolveIdentifier(schema.ast) ?? null)}${document}`
  )

const tagged = (tag: string, value: unknown, above: ReadonlyArray<object>): Option.Option<string> =>
  Option.map(encode(value, above), (text) => `${tag}${text}`)
