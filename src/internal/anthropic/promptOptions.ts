/** The options of messages and parts for Anthropic alone: `options.anthropic`. */
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { nullable } from "../chat/arguments.ts"
import { unsendable } from "../errors/neverSent.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import {
  CacheControl,
  Caller,
  Citation,
  CitationsConfig,
  JsonRecord,
  ProviderToolResultType,
  ProviderToolUseType
} from "./blocks.ts"

const cache = { cacheControl: nullable(CacheControl) }

/** Reads `options.anthropic` of a part or a message. Excess fields are refused, as those of any argument are. */
const optionsReader = <A>(schema: Schema.ConstraintDecoder<A>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return (options: Prompt.ProviderOptions) => {
    const decoded = decode(options["anthropic"] ?? {})
    if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
    const { message, path } = describeIssue(decoded.failure)
    return Effect.fail(unsendable("prompt", `options.anthropic${path === "" ? "" : `.${path}`}: ${message}`))
  }
}

export const messageOptions = optionsReader(Schema.Struct(cache))

export const textFields = { ...cache, citations: nullable(Schema.Array(Citation)) }

export const textOptions = optionsReader(Schema.Struct(textFields))

export const answeredTextOptions = optionsReader(Schema.Struct({ ...textFields, block: nullable(JsonRecord) }))

export const reasoningOptions = optionsReader(Schema.Struct({
  signature: nullable(Schema.String),
  redactedData: nullable(Schema.String)
}))

export const fileOptions = optionsReader(Schema.Struct({
  ...cache,
  citations: nullable(CitationsConfig),
  documentTitle: nullable(Schema.String),
  documentContext: nullable(Schema.String)
}))

export const callOptions = optionsReader(Schema.Struct({
  ...cache,
  caller: nullable(Caller),
  toolsetName: nullable(Schema.String),
  serverName: nullable(Schema.String),
  type: nullable(ProviderToolUseType)
}))

export const resultOptions = optionsReader(Schema.Struct({
  ...cache,
  caller: nullable(Caller),
  toolsetName: nullable(Schema.String),
  isError: nullable(Schema.Boolean),
  type: nullable(ProviderToolResultType)
}))

export type CacheControl = typeof CacheControl.Type

export const caching = (cacheControl: CacheControl | null | undefined) =>
  cacheControl == null ? {} : { cache_control: cacheControl }
