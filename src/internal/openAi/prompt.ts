/** An `effect/ai` prompt as chat messages. What the wire cannot carry is refused. */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import { Unsupported } from "../../Errors.ts"
import { resultText } from "../chat.ts"
import type { ChatMessage } from "./schema.ts"

type Message = typeof ChatMessage.Type
type UserPart = Exclude<Extract<Message, { readonly role: "user" }>["content"], string>[number]

export const messagesOfPrompt = (
  provider: string,
  input: Prompt.RawInput
): Effect.Effect<ReadonlyArray<Message>, Unsupported> =>
  typeof input === "string"
    ? Effect.succeed([{ role: "user", content: input }])
    : Effect.map(
      Effect.forEach(Prompt.make(input).content, (message) => messagesOf(provider, message)),
      (messages) => messages.flat()
    )

const messagesOf = Effect.fnUntraced(function*(
  provider: string,
  message: Prompt.Message
): Effect.fn.Return<ReadonlyArray<Message>, Unsupported> {
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
      for (const part of message.content) {
        if (part.type === "text") texts.push(part.text)
        else if (part.type === "tool-call") calls.push(part)
        else return yield* new Unsupported({ provider, feature: `prompt: a ${part.type} part of an assistant message` })
      }
      return [{
        role: "assistant",
        content: texts.length === 0 ? null : texts.join(""),
        ...(calls.length === 0 ? {} : {
          tool_calls: calls.map(({ id, name, params }) => ({
            id,
            type: "function" as const,
            function: { name, arguments: JSON.stringify(params ?? {}) }
          }))
        })
      }]
    }
    case "tool":
      return yield* Effect.forEach(message.content, (part) =>
        part.type === "tool-result"
          ? Effect.succeed({
            role: "tool" as const,
            tool_call_id: part.id,
            content: resultText(part)
          })
          : Effect.fail(new Unsupported({ provider, feature: `prompt: a ${part.type} part of a tool message` })))
  }
})

const audioFormats = new Map<string, "wav" | "mp3">([
  ["audio/wav", "wav"],
  ["audio/x-wav", "wav"],
  ["audio/mp3", "mp3"],
  ["audio/mpeg", "mp3"]
])

const userPart = (provider: string, part: Prompt.UserMessagePart): Effect.Effect<UserPart, Unsupported> => {
  if (part.type === "text") return Effect.succeed({ type: "text", text: part.text })
  const { data, mediaType } = part
  if (mediaType.startsWith("image/")) {
    return Effect.succeed({ type: "image_url", image_url: { url: urlOf(mediaType, data) } })
  }
  const format = audioFormats.get(mediaType)
  if (format !== undefined && !(data instanceof URL)) {
    return Effect.succeed({ type: "input_audio", input_audio: { data: base64(data), format } })
  }
  if (mediaType === "application/pdf" && !(data instanceof URL)) {
    return Effect.succeed({
      type: "file",
      file: { filename: part.fileName ?? "document.pdf", file_data: urlOf(mediaType, data) }
    })
  }
  const where = data instanceof URL ? ", given as a URL" : ""
  return Effect.fail(new Unsupported({ provider, feature: `prompt: a file of type ${mediaType}${where}` }))
}

const base64 = (data: string | Uint8Array): string => typeof data === "string" ? data : Base64.encode(data)

/** The address of a file: its own, or one that holds it. */
export const urlOf = (mediaType: string, data: string | Uint8Array | URL): string =>
  data instanceof URL
    ? data.href
    : typeof data === "string" && /^(https?|data):/.test(data)
    ? data
    : `data:${mediaType};base64,${base64(data)}`
