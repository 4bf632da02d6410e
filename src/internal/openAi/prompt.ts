/** An `effect/ai` prompt as chat messages. What the wire cannot carry is refused. */
import type * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type BackendErrorReason, Unsupported } from "../../Errors.ts"
import { withOwnCallIds } from "../chat/callIds.ts"
import { paramsText, resultText } from "../chat/arguments.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { withoutForeign } from "../chat/origin.ts"
import { unsendable } from "../errors/neverSent.ts"
import { type ChatMessage, ImageDetail } from "./schema.ts"
import { joinedExtras, type MessageExtras, Origin, type ReasoningField } from "./sentBack.ts"

type Message = typeof ChatMessage.Type
type UserPart = Exclude<Extract<Message, { readonly role: "user" }>["content"], string>[number]

export const messagesOfPrompt = (
  provider: string,
  input: Prompt.RawInput
): Effect.Effect<ReadonlyArray<Message>, BackendErrorReason> =>
  typeof input === "string"
    ? Effect.succeed([{ role: "user", content: input }])
    : Effect.map(
      Effect.forEach(withOwnCallIds(withoutForeign(input, "openai", provider), provider).content, (message) =>
        messagesOf(provider, message)),
      (messages) =>
        messages.flat()
    )

const messagesOf = Effect.fnUntraced(function*(
  provider: string,
  message: Prompt.Message
): Effect.fn.Return<ReadonlyArray<Message>, BackendErrorReason> {
  switch (message.role) {
    case "system":
      return [{ role: "system", content: message.content }]
    case "user": {
      const parts = yield* Effect.forEach(message.content, (part) => userPart(provider, part))
      const [only] = parts
      return [{ role: "user", content: parts.length === 1 && only?.type === "text" ? only.text : parts }]
    }
    case "assistant": {
      const texts: Array<string> = []
      const calls: Array<Prompt.ToolCallPart> = []
      const thoughts: { [Field in ReasoningField]?: string } = {}
      let extras: MessageExtras = {}
      for (const part of message.content) {
        if (part.type === "text") texts.push(part.text)
        else if (part.type === "tool-call" && !part.providerExecuted) calls.push(part)
        else if (part.type === "reasoning" && "openai" in part.options) {
          const { message = {}, reasoningField: field } = originOf(part)
          if (field !== undefined && part.text !== "") thoughts[field] = (thoughts[field] ?? "") + part.text
          extras = joinedExtras(extras, message)
        } else {return yield* new Unsupported({
            provider,
            feature: `prompt: a ${part.type} part of an assistant message`
          })}
      }
      const tool_calls = yield* Effect.forEach(calls, (call) =>
        Effect.map(paramsText(call), (written) => ({
          id: call.id,
          type: "function" as const,
          function: { name: call.name, arguments: written },
          ...originOf(call).call
        })))
      return [{
        role: "assistant",
        content: texts.length === 0 ? null : texts.join(""),
        ...thoughts,
        ...extras,
        ...(tool_calls.length > 0 && { tool_calls })
      }]
    }
    case "tool":
      return yield* Effect.forEach(message.content, (part) => toolMessage(provider, part))
  }
})

const toolMessage = (provider: string, part: Prompt.ToolMessagePart): Effect.Effect<Message, BackendErrorReason> => {
  if (part.type !== "tool-result") {
    return Effect.fail(new Unsupported({ provider, feature: `prompt: a ${part.type} part of a tool message` }))
  }
  if (part.modelOutput?.some(({ type }) => type === "file")) {
    return Effect.fail(new Unsupported({ provider, feature: "prompt: a file in the result of a tool" }))
  }
  return Effect.map(resultText(part), (content) => ({ role: "tool" as const, tool_call_id: part.id, content }))
}

const decodeOrigin = Schema.decodeUnknownOption(Schema.Struct({ openai: Origin }))

/** What a part has to send back; nothing for one that did not come over this wire. */
const originOf = ({ options }: Prompt.ReasoningPart | Prompt.ToolCallPart): typeof Origin.Type =>
  Option.match(decodeOrigin(options), { onNone: () => ({}), onSome: ({ openai }) => openai })

const audioFormats = new Map<string, "wav" | "mp3">([
  ["audio/wav", "wav"],
  ["audio/x-wav", "wav"],
  ["audio/mp3", "mp3"],
  ["audio/mpeg", "mp3"]
])

const userPart = Effect.fnUntraced(function*(
  provider: string,
  part: Prompt.UserMessagePart
): Effect.fn.Return<UserPart, BackendErrorReason> {
  if (part.type === "file" && part.mediaType.startsWith("image/")) {
    const options = yield* imageOptions(part)
    return { type: "image_url", image_url: { url: urlOf(part.mediaType, part.data), ...options } }
  }
  yield* noOptions(part)
  if (part.type === "text") return { type: "text", text: part.text }
  const { data, mediaType } = part
  const isHere = addressOf(data) === undefined
  const format = audioFormats.get(mediaType)
  if (format !== undefined && isHere) {
    return { type: "input_audio", input_audio: { data: base64(data), format } }
  }
  if (mediaType === "application/pdf" && isHere) {
    return { type: "file", file: { filename: part.fileName ?? "document.pdf", file_data: urlOf(mediaType, data) } }
  }
  const where = isHere ? "" : ", given as a URL"
  return yield* new Unsupported({ provider, feature: `prompt: a file of type ${mediaType}${where}` })
})

/** Reads `options.openai` of a part of the user. Excess fields are refused, as those of any argument are. */
const optionsReader = <A>(schema: Schema.ConstraintDecoder<A>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })
  return ({ options, type }: Prompt.UserMessagePart): Effect.Effect<A, AiError.InvalidRequestError> => {
    const decoded = decode(options["openai"] ?? {})
    if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
    const { message, path } = describeIssue(decoded.failure)
    const description = `The options of a ${type} part are wrong: openai.${path}: ${message}`
    return Effect.fail(unsendable("prompt", description))
  }
}

const imageOptions = optionsReader(Schema.Struct({ detail: ImageDetail }))
const noOptions = optionsReader(Schema.Record(Schema.String, Schema.Never))

type FileData = Prompt.FilePart["data"]

/** Where the data of a file is, if it is not here. In a prompt that was stored, a URL has become a string. */
export const addressOf = (data: FileData): string | undefined => {
  if (data instanceof URL) return data.protocol === "data:" ? undefined : data.href
  return typeof data === "string" && /^https?:/.test(data) ? data : undefined
}

const base64 = (data: FileData): string =>
  data instanceof Uint8Array ? Base64.encode(data) : String(data).replace(/^data:[^,]*,/, "")

/** The address of a file: its own, or one that holds it. */
export const urlOf = (mediaType: string, data: FileData): string =>
  data instanceof URL
    ? data.href
    : typeof data === "string" && /^(https?|data):/.test(data)
    ? data
    : `data:${mediaType};base64,${base64(data)}`
