/**
 * An `effect/ai` prompt as the items of a request. Parts that come from an answer of this provider give back the items that
 * they come from, see `answer.ts`; an `item` of one's own in `options.openai` is sent as it is. What the wire cannot carry is
 * refused.
 */
import type * as Prompt from "effect/ai/Prompt"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type BackendErrorReason, Unsupported } from "../../../Errors.ts"
import { withOwnCallIds } from "../../chat/callIds.ts"
import { paramsText, resultText } from "../../chat/arguments.ts"
import { withoutForeign } from "../../chat/origin.ts"
import { addressOf, urlOf } from "../prompt.ts"
import { type InputContent, Json } from "./content.ts"
import type { InputItem } from "./items.ts"

/** What comes from the options of a part is not looked into. */
export type Item = typeof InputItem.Type | Schema.JsonObject

type Content = typeof InputContent.Type | Schema.JsonObject

export const itemsOfPrompt = Effect.fnUntraced(function*(
  provider: string,
  prompt: Exclude<Prompt.RawInput, string>
): Effect.fn.Return<ReadonlyArray<Item>, BackendErrorReason> {
  const items: Array<Item> = []
  /** The items that calls of tools come from, by the ids of the calls. */
  const calls = new Map<string, Schema.JsonObject>()
  for (const message of withOwnCallIds(withoutForeign(prompt, "openai", provider), provider).content) {
    switch (message.role) {
      case "system":
        items.push({ role: "system", content: message.content })
        break
      case "user": {
        const content = yield* Effect.forEach(message.content, (part) => contentOf(provider, part))
        const [only] = message.content
        const isText = message.content.length === 1 && only?.type === "text" && !("openai" in only.options)
        items.push({ role: "user", content: isText ? only.text : content })
        break
      }
      case "assistant": {
        const pieces = yield* Effect.forEach(message.content, (part) => piecesOf(provider, part, calls))
        items.push(...assembled(pieces.flat()))
        break
      }
      case "tool":
        for (const part of message.content) {
          items.push(part.type === "tool-result" ? yield* resultOf(provider, part, calls) : approvalOf(part))
        }
    }
  }
  return items
})

const unsupported = (provider: string, what: string) =>
  Effect.fail(new Unsupported({ provider, feature: `prompt: ${what}` }))

// -----------------------------------------------------------------------------
// Messages of the user
// -----------------------------------------------------------------------------

const decodeNative = Schema.decodeUnknownOption(Schema.Struct({ openai: Json }))

// Which files there are: https://platform.openai.com/docs/guides/file-inputs
const contentOf = (provider: string, part: Prompt.UserMessagePart): Effect.Effect<Content, Unsupported> => {
  const native = Option.getOrElse(decodeNative(part.options), () => ({ openai: {} })).openai
  if (part.type === "text") return Effect.succeed({ type: "input_text", text: part.text, ...native })
  const { data, fileName, mediaType } = part
  if (/^(audio|video)\//.test(mediaType)) return unsupported(provider, `a file of type ${mediaType}`)
  if (mediaType.startsWith("image/")) {
    return Effect.succeed({ type: "input_image", image_url: urlOf(mediaType, data), detail: "auto", ...native })
  }
  const file_url = addressOf(data)
  if (file_url !== undefined) return Effect.succeed({ type: "input_file", file_url, ...native })
  const filename = fileName ?? (mediaType === "application/pdf" ? "document.pdf" : "document")
  return Effect.succeed({ type: "input_file", filename, file_data: urlOf(mediaType, data), ...native })
}

// -----------------------------------------------------------------------------
// Messages of the assistant
// -----------------------------------------------------------------------------

const decodeOrigin = Schema.decodeUnknownOption(
  Schema.Struct({ openai: Schema.Struct({ item: Json, content: Schema.optional(Json) }) })
)

/** What a part of this provider's answers comes from. */
const originOf = (part: { readonly options: Prompt.ProviderOptions }) =>
  Option.match(decodeOrigin(part.options), { onNone: () => undefined, onSome: ({ openai }) => openai })

/** What a part becomes: an item, or a piece of one that the parts beside it belong to as well. */
interface Piece {
  readonly item: Schema.JsonObject
  readonly content?: Schema.JsonObject
}

const piecesOf = (
  provider: string,
  part: Prompt.AssistantMessagePart,
  calls: Map<string, Schema.JsonObject>
): Effect.Effect<ReadonlyArray<Piece>, BackendErrorReason> => {
  const origin = originOf(part)
  const foreign = () => unsupported(provider, `a ${part.type} part of an assistant message that OpenAI did not make`)
  switch (part.type) {
    case "text":
    case "reasoning": {
      if (origin === undefined) {
        if (part.type === "text") return one({ item: { role: "assistant" }, content: { text: part.text } })
        // A thought that came over the wire of chat completions has nothing to send back here.
        return "openai" in part.options ? none : foreign()
      }
      const { content, item } = origin
      if (content === undefined) return one({ item })
      return one({ item, content: content["type"] === "refusal" ? content : { ...content, text: part.text } })
    }
    case "tool-call": {
      if (origin === undefined && part.providerExecuted) return foreign()
      const { id: call_id, name } = part
      const item = origin?.item ?? { type: "function_call" }
      calls.set(call_id, item)
      if (item["type"] !== "function_call") return one({ item })
      return Effect.map(paramsText(part), (written) => [{ item: { ...item, call_id, name, arguments: written } }])
    }
    case "tool-result":
      return origin === undefined && part.providerExecuted
        ? calls.has(part.id) ? none : foreign()
        : Effect.map(resultOf(provider, part, calls), (item) => [{ item }])
    case "tool-approval-request":
      return calls.has(part.toolCallId) ? none : foreign()
    case "file":
      return calls.has(String(origin?.item["id"])) ? none : foreign()
  }
}

const one = (piece: Piece): Effect.Effect<ReadonlyArray<Piece>> => Effect.succeed([piece])

/** Of a part that is in the item of the call it belongs to. */
const none: Effect.Effect<ReadonlyArray<Piece>> = Effect.succeed([])

const belongTogether = ({ item: one }: Piece, { item: next }: Piece): boolean =>
  one["type"] === next["type"] && one["id"] === next["id"] && isInPieces(one["type"])

const isInPieces = (type: unknown): boolean => type === undefined || type === "message" || type === "reasoning"

const assembled = (pieces: ReadonlyArray<Piece>): ReadonlyArray<Item> =>
  Arr.isReadonlyArrayNonEmpty(pieces)
    ? Arr.groupWith(pieces, belongTogether).map((group) =>
      itemOf(
        Object.fromEntries(group.flatMap(({ item }) => Object.entries(item))),
        group.flatMap(({ content }) => content === undefined ? [] : [content])
      )
    )
    : []

const itemOf = (item: Schema.JsonObject, contents: ReadonlyArray<Schema.JsonObject>): Item => {
  if (contents.length === 0) return item["type"] === "reasoning" ? { summary: [], ...item } : item
  switch (item["type"]) {
    case undefined:
      return { ...item, content: contents.map(({ text }) => text).join("") }
    case "message":
      return { ...item, role: "assistant", status: "completed", content: contents.map(withAnnotations) }
    case "reasoning": {
      const summary = contents.filter(({ type }) => type === "summary_text")
      const content = contents.filter(({ type }) => type === "reasoning_text")
      return { ...item, summary, ...(content.length > 0 && { content }) }
    }
    default:
      return item
  }
}

// They are required of a text that is sent back.
const withAnnotations = (content: Schema.JsonObject): Schema.JsonObject =>
  content["type"] === "output_text" ? { annotations: [], ...content } : content

// -----------------------------------------------------------------------------
// Results of tools
// -----------------------------------------------------------------------------

const resultOf = Effect.fnUntraced(function*(
  provider: string,
  part: Prompt.ToolResultPart,
  calls: ReadonlyMap<string, Schema.JsonObject>
): Effect.fn.Return<Schema.JsonObject, BackendErrorReason> {
  const own = originOf(part)
  if (own !== undefined) return own.item
  const { caller, type = "function_call" } = calls.get(part.id) ?? {}
  if (type !== "function_call" && type !== "custom_tool_call") {
    return yield* unsupported(provider, `the result of a ${String(type)}, but as an item in options.openai`)
  }
  const seen = part.modelOutput ?? []
  const output = seen.some(({ type }) => type === "file")
    ? yield* Effect.forEach(seen, (part) => contentOf(provider, part))
    : yield* resultText(part)
  // The result names the program that made the call.
  return { type: `${type}_output`, call_id: part.id, output, ...(caller != null && { caller }) }
})

const approvalOf = ({ approvalId, approved, reason }: Prompt.ToolApprovalResponsePart): Schema.JsonObject => ({
  type: "mcp_approval_response",
  approval_request_id: approvalId,
  approve: approved,
  ...(reason !== undefined && { reason })
})
