/**
 * What providers send with an answer and want back with it, beyond what OpenAI documents. It is kept in `metadata.openai` of the
 * parts, as it came, and goes to the same vendor alone.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { nullable } from "../chat/arguments.ts"

/** The fields for the thinking of a model: https://api-docs.deepseek.com/guides/thinking_mode */
export const thinking = { reasoning_content: nullable(Schema.String), reasoning: nullable(Schema.String) }

export const ReasoningField = Schema.Literals(Struct.keys(thinking))
export type ReasoningField = typeof ReasoningField.Type

/**
 * Fields of a tool call.
 *
 * - `extra_content`: Google's signatures of thoughts, https://ai.google.dev/gemini-api/docs/thought-signatures
 */
export const callExtras = { extra_content: Schema.optionalKey(Schema.Json) }

/**
 * Fields of a message.
 *
 * - `reasoning_details`: OpenRouter's thoughts with their signatures, or encrypted,
 *   https://openrouter.ai/docs/guides/best-practices/reasoning-tokens
 */
export const messageExtras = { reasoning_details: Schema.optionalKey(Schema.Json), ...callExtras }

const CallExtras = Schema.Struct(callExtras)
const MessageExtras = Schema.Struct(messageExtras)

export type CallExtras = typeof CallExtras.Type
export type MessageExtras = typeof MessageExtras.Type

/** The metadata of a part. */
export const Origin = Schema.Struct({
  reasoningField: Schema.optionalKey(ReasoningField),
  call: Schema.optionalKey(CallExtras),
  message: Schema.optionalKey(MessageExtras)
})

/** `undefined` where there are none. */
export const callExtrasOf = ({ extra_content }: CallExtras): CallExtras | undefined =>
  extra_content == null ? undefined : { extra_content }

/** `undefined` where there are none. */
export const messageExtrasOf = ({ extra_content, reasoning_details }: MessageExtras): MessageExtras | undefined =>
  extra_content == null && (reasoning_details == null || isEmpty(reasoning_details)) ? undefined : {
    ...(reasoning_details != null && { reasoning_details }),
    ...(extra_content != null && { extra_content })
  }

const isEmpty = (json: Schema.Json): boolean => Array.isArray(json) && json.length === 0

/** The fields of a message so far, and of what comes next of it. */
export const joinedExtras = (
  before: MessageExtras,
  { extra_content, reasoning_details }: MessageExtras
): MessageExtras =>
  extra_content == null && reasoning_details == null ? before : {
    ...before,
    ...(reasoning_details != null && { reasoning_details: joined(before.reasoning_details, reasoning_details) }),
    ...(extra_content != null && { extra_content })
  }

const joined = (before: Schema.Json | undefined, next: Schema.Json): Schema.Json => {
  if (!Array.isArray(before) || !Array.isArray(next)) return next
  const details: Array<Schema.Json> = [...before]
  for (const detail of next) {
    const last = details.at(-1)
    const continued = last === undefined ? undefined : continuedBy(last, detail)
    if (continued === undefined) details.push(detail)
    else details[details.length - 1] = continued
  }
  return details
}

const Detail = Schema.StructWithRest(
  Schema.Struct({
    type: Schema.String,
    index: Schema.Finite,
    text: Schema.optionalKey(Schema.String),
    summary: Schema.optionalKey(Schema.String),
    signature: Schema.optionalKey(Schema.NullOr(Schema.String))
  }),
  [Schema.Record(Schema.String, Schema.Json)]
)

const decodeDetails = Schema.decodeUnknownOption(Schema.Tuple([Detail, Detail]))

/** A detail that is continued in the next chunk has the same type and index. An encrypted one comes whole. */
const continuedBy = (last: Schema.Json, next: Schema.Json): Schema.Json | undefined => {
  const details = Option.getOrUndefined(decodeDetails([last, next]))
  if (details === undefined) return undefined
  const [one, other] = details
  const { signature, summary, text } = other
  if (one.type !== other.type || one.index !== other.index) return undefined
  if (text === undefined && summary === undefined && signature === undefined) return undefined
  return {
    ...one,
    ...other,
    ...(text !== undefined && { text: (one.text ?? "") + text }),
    ...(summary !== undefined && { summary: (one.summary ?? "") + summary }),
    ...(signature == null && one.signature != null && { signature: one.signature })
  }
}
