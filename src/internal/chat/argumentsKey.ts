/** Arguments as a text that no other arguments have, to find equal calls by. */
import * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { maxDepth } from "../util/depth.ts"
import { describeTool, isTool } from "./arguments.ts"

export interface ArgumentsKey {
  /** Without secrets: of each `Redacted` it has the number. */
  readonly text: string
  /** The values that are `Redacted`, in their order. They must be hashed before they are stored. */
  readonly secrets: ReadonlyArray<string>
}

/**
 * The key of a value, or `undefined` for a value that cannot be told from all others: a function, an iterator, an object of an
 * unknown class, one that contains itself or is nested too deep.
 */
export const keyOf = (value: unknown, schemaKey: SchemaKey = describeSchema): ArgumentsKey | undefined => {
  const secrets: Array<string> = []
  const encoder: Encoder = { secrets, schemaKey }
  return Result.match(Result.try(() => encode(value, encoder, [])), {
    onFailure: () => undefined,
    onSuccess: (text) => ({ text, secrets })
  })
}

type SchemaKey = (schema: Schema.Top) => string

interface Encoder {
  readonly secrets: Array<string>
  readonly schemaKey: SchemaKey
}

/** Thrown where there is no encoding, and caught above. */
const notEncodable = new TypeError("not encodable")

/** The text of each kind of value begins with a character of its own. */
const encode = (value: unknown, encoder: Encoder, above: ReadonlyArray<object>): string => {
  if (Schema.isSchema(value)) return `s${encoder.schemaKey(value)}`
  switch (typeof value) {
    case "string":
    case "boolean":
      return JSON.stringify(value)
    case "number":
      return `#${value}`
    case "bigint":
      return `n${value}`
    case "undefined":
      return "-"
    case "object":
      if (value === null) return "null"
      if (above.length > maxDepth || above.includes(value)) throw notEncodable
      return encodeObject(value, encoder, [...above, value])
    default:
      throw notEncodable
  }
}

const encodeObject = (value: object, encoder: Encoder, above: ReadonlyArray<object>): string => {
  const list = (items: Iterable<unknown>) => `[${Array.from(items, (item) => encode(item, encoder, above)).join()}]`
  if (Array.isArray(value)) return list(value)
  if (Redacted.isRedacted(value)) {
    const secret = encode(Redacted.value(value), encoder, above)
    return `r${encoder.secrets.push(secret)}`
  }
  if (ArrayBuffer.isView(value)) {
    const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength)
    return `b${value.constructor.name} ${Base64.encode(bytes)}`
  }
  if (value instanceof ArrayBuffer) return `B${Base64.encode(new Uint8Array(value))}`
  if (value instanceof URL) return `u${JSON.stringify(value.href)}`
  if (value instanceof URLSearchParams) return `q${JSON.stringify(String(value))}`
  if (value instanceof RegExp) return `x${JSON.stringify(String(value))}`
  if (value instanceof Date) return `d${value.getTime()}`
  if (value instanceof Map) return `m${list([...value.entries()].flat())}`
  if (value instanceof Set) return `e${list(value)}`
  if (Prompt.isPrompt(value)) return `p${encode(value.content, encoder, above)}`
  if (isTool(value)) return `t${encode(describeTool(value), encoder, above)}`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw notEncodable
  if (Object.getOwnPropertySymbols(value).length > 0) throw notEncodable
  // A field that is undefined is the same as none to a provider.
  const fields = Object.entries(value).flatMap(([key, field]) =>
    field === undefined ? [] : [`${JSON.stringify(key)}:${encode(field, encoder, above)}`]
  )
  return `{${fields.join()}}`
}

/** What a schema describes, and its name. An answer that is found by it is decoded by the schema of the call itself. */
const describeSchema: SchemaKey = (schema) =>
  JSON.stringify([
    SchemaAST.resolveIdentifier(schema.ast) ?? null,
    Schema.toJsonSchemaDocument(Schema.toCodecJson(schema))
  ])
