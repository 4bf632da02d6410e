/** Converts values to JSON, to store or show them. What is no data is left out, and so are fields whose names say that they are secret. */
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describeTool, isTool } from "../chat/arguments.ts"
import { maxDepth } from "./depth.ts"

type Keep = (key: string) => boolean

/** `undefined` for what is no data, is nested too deep, or contains itself. */
export const toJson = (value: unknown, keep: Keep = everything): Schema.Json | undefined => jsonOf(value, keep, [])

/** The fields of an object as JSON. */
export const toJsonObject = (value: object, keep: Keep = everything): Schema.JsonObject => fieldsOf(value, keep, [])

const everything: Keep = () => true

/** Whether a field is named unlike the credentials of requests, tools and metadata. */
export const isNoCredential: Keep = (key) => !credential.test(key.replace(/(?<=[a-z\d])(?=[A-Z])/g, "_"))

/** With any prefix: `api_key`, `openai_api_key`, `x-goog-api-key`, `extraHeaders`. */
const credential = new RegExp(
  "(^|[-_])(api[-_]?key|(access|auth|bearer|id|refresh)[-_]?token|(private|secret)[-_]?key|(client|domain)?secrets?|" +
    "(proxy)?authorization|bearer|(set)?cookie|credentials?|headers|password)$",
  "i"
)

const jsonOf = (value: unknown, keep: Keep, above: ReadonlyArray<object>): Schema.Json | undefined => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return value
    case "number":
      return Number.isFinite(value) ? value : null
    case "bigint":
      return String(value)
    case "function":
    case "object":
      if (value === null) return null
      if (above.length > maxDepth || above.includes(value)) return undefined
      return Schema.isSchema(value) ? schemaOf(value) : objectOf(value, keep, [...above, value])
    default:
      return undefined
  }
}

const objectOf = (value: object, keep: Keep, above: ReadonlyArray<object>): Schema.Json | undefined => {
  if (typeof value === "function") return undefined
  if (isTool(value)) return jsonOf(describeTool(value), keep, above)
  if (Prompt.isPrompt(value)) return jsonOf(Option.getOrUndefined(encodePrompt(value)), keep, above)
  if (value instanceof Uint8Array) return Base64.encode(value)
  if ("toJSON" in value && Predicate.isFunction(value.toJSON)) return jsonOf(value.toJSON(), keep, above)
  if (Predicate.isIterable(value)) return Array.from(value, (item) => jsonOf(item, keep, above) ?? null)
  return fieldsOf(value, keep, above)
}

const fieldsOf = (value: object, keep: Keep, above: ReadonlyArray<object>): Schema.JsonObject =>
  Object.fromEntries(
    Object.entries(value).flatMap(([key, field]) => {
      const json = keep(key) ? jsonOf(field, keep, above) : undefined
      return json === undefined ? [] : [[key, json]]
    })
  )

const encodePrompt = Schema.encodeOption(Prompt.Prompt)

const schemaOf = (schema: Schema.Top): Schema.Json | undefined =>
  Result.getOrUndefined(
    Result.try(() => toJson(LanguageModel.defaultCodecTransformer(Schema.toCodecJson(schema)).jsonSchema))
  )

/** Without fields that are named like credentials, at any depth. The headers of requests and answers are emptied. */
export const withoutCredentials = (json: Schema.Json): Schema.Json => {
  if (typeof json !== "object" || json === null) return json
  if (Array.isArray(json)) return json.map(withoutCredentials)
  return Object.fromEntries(
    Object.entries(json).flatMap(([key, value]) =>
      key === "headers" ? [[key, {}]] : isNoCredential(key) ? [[key, withoutCredentials(value)]] : []
    )
  )
}
