/**
 * What a response says, as the parts of an answer. Each part has in its metadata the `item` that it comes from, as far as the
 * part does not say it itself, so that a prompt made of the parts gives the provider its items back.
 */
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import * as AiResponse from "effect/ai/Response"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Part } from "../../../Calling.ts"
import { type CallId, type CallIds, callIdsOfPrompt, uniqueCallIds } from "../../chat/callIds.ts"
import { promptOfMessages } from "../../chat/schema.ts"
import { normalizeChat, toolParams } from "../../chat/arguments.ts"
import { urlSource } from "../../chat/partWriter.ts"
import { usageOf as usageOfChat } from "../usage.ts"
import type { OutputContent } from "./content.ts"
import type { FunctionCall, Message, OutputItem, Reasoning } from "./items.ts"
import { isTemplate, type Response, type ResponseRequest } from "./schema.ts"

type Data = typeof Response.Type
type Content = typeof OutputContent.Type
type Parts = ReadonlyArray<Part>

export const normalize = (provider: string, data: Data, payload: ResponseRequest["Type"]) => {
  const content = contentOf(data, callIdsFor(provider, payload))
  // What a model says on its way is not what was asked for.
  const isComment = (item: OutputItem) => item.type === "message" && item.phase === "commentary"
  const answer = data.output.some(isComment)
    ? contentOf({ ...data, output: data.output.filter((item) => !isComment(item)) }, callIdsFor(provider, payload))
    : content
  return Effect.map(
    normalizeChat(answer, data.model ?? undefined, payload.response_format, toCodecOpenAI),
    (told) => ({ ...told, content })
  )
}

const contentOf = (data: Data, idOf: CallIds): Parts => [
  metadataOf(data),
  ...data.output.flatMap((item, index) => partsOfItem(item, index, idOf)),
  finishOf(data)
]

/** What the arguments of a call say of the calls of tools until now. */
export type Asked = Pick<ResponseRequest["Type"], "input" | "messages" | "prompt">

/** Makes the ids of the calls. Those of the conversation until now are taken. */
export const callIdsFor = (provider: string, { input, messages, prompt }: Asked): CallIds =>
  uniqueCallIds(provider, () => [
    ...(prompt == null || isTemplate(prompt) ? [] : callIdsOfPrompt(prompt)),
    ...callIdsOfPrompt(promptOfMessages(messages ?? [])),
    ...(typeof input === "string" ? [] : input ?? []).flatMap((item) =>
      "call_id" in item && "name" in item && typeof item.call_id === "string" ? [item.call_id] : []
    )
  ])

export const metadataOf = (
  { created_at, id, model }: Pick<Data, "created_at" | "id" | "model">
): AiResponse.ResponseMetadataPart =>
  AiResponse.makePart("response-metadata", {
    id: id ?? undefined,
    modelId: model ?? undefined,
    timestamp: created_at == null ? undefined : Option.getOrUndefined(DateTime.make(created_at * 1000))
  })

// -----------------------------------------------------------------------------
// Items
// -----------------------------------------------------------------------------

/** The parts of an item, given where it is in the output. */
export const partsOfItem = (item: OutputItem, index: number, idOf: CallIds): Parts => {
  switch (item.type) {
    case "message":
      return item.content.flatMap((content, i) => partsOfContent(item, content, `${index}.${i}`))
    case "reasoning":
      return reasoningParts(item)
    case "function_call":
      return [callersCall(idOf(item.call_id), item.name, toolParams(item.arguments), { item: itemOfCall(item) })]
    case "custom_tool_call":
      return [callersCall(idOf(item.call_id), item.name, item.input, { item })]
    case "computer_call": {
      const { action, actions, pending_safety_checks } = item
      return [toolCall(item.call_id, "computer", { action, actions, pending_safety_checks }, { item })]
    }
    case "local_shell_call":
      return [toolCall(item.call_id, "local_shell", item.action, { item })]
    case "apply_patch_call":
      return [toolCall(item.call_id, "apply_patch", item.operation, { item })]
    case "shell_call":
      return [toolCall(item.call_id, "shell", item.action, { item }, !isForCaller(item))]
    case "shell_call_output":
      return [toolResult(item.call_id, "shell", item.output, { item })]
    case "tool_search_call": {
      const id = item.call_id ?? item.id ?? String(index)
      return [toolCall(id, "tool_search", item.arguments, { item }, !isForCaller(item))]
    }
    case "web_search_call":
      return hosted(item, index, "web_search", item.action)
    case "file_search_call":
      return hosted(item, index, "file_search", { queries: item.queries }, item.results)
    case "code_interpreter_call": {
      const { code, container_id } = item
      return hosted(item, index, "code_interpreter", { code, container_id }, item.outputs)
    }
    case "image_generation_call":
      return [...hosted(item, index, "image_generation", {}), ...imageOf(item)]
    case "mcp_call":
      return hosted(item, index, item.name, toolParams(item.arguments), item.output, item.error)
    case "mcp_approval_request":
      return [
        toolCall(item.id, item.name, toolParams(item.arguments), { item }, true),
        AiResponse.makePart("tool-approval-request", { approvalId: item.id, toolCallId: item.id })
      ]
    default:
      return [reasoning("", { item })]
  }
}

/** Whether it is the call of a tool that the provider does not run itself. */
const isForCaller = (item: OutputItem): boolean => {
  switch (item.type) {
    case "function_call":
    case "custom_tool_call":
    case "computer_call":
    case "local_shell_call":
    case "apply_patch_call":
      return true
    case "shell_call":
      return item.environment?.["type"] !== "container_reference"
    case "tool_search_call":
      return item.execution === "client"
    default:
      return false
  }
}

/** The parts of a message's content, given where it is in the answer. */
export const partsOfContent = (message: typeof Message.Type, content: Content, at: string): Parts => {
  const item = itemOfMessage(message)
  if (content.type === "refusal") {
    return [AiResponse.makePart("text", { text: "", metadata: openAi({ item, content }) })]
  }
  if (content.type !== "output_text") {
    const text = plainTextOf(content)
    return text === "" ? [] : [AiResponse.makePart("text", { text, metadata: openAi({ item }) })]
  }
  if (content.text === "") return []
  const { text, ...rest } = content
  return [
    AiResponse.makePart("text", { text, metadata: openAi({ item, content: rest }) }),
    ...(rest.annotations ?? []).flatMap(({ title, url }, i) => urlSource(`${at}.${i}`, url, title))
  ]
}

/** The text of a content as it is called in chat completions, which some servers send here. */
const plainTextOf = (content: unknown): string =>
  Predicate.isObject(content) && content["type"] === "text" && typeof content["text"] === "string"
    ? content["text"]
    : ""

export const itemOfMessage = (
  { content: _content, role: _role, status: _status, ...item }: typeof Message.Type
): Schema.JsonObject => item

export const itemOfCall = (
  { arguments: _arguments, call_id: _id, name: _name, ...item }: typeof FunctionCall.Type
): Schema.JsonObject => item

type Thoughts = typeof Reasoning.Type

/** What there is to read of a reasoning, given where it is in it. */
export const thoughtsOf = ({ content, summary }: Thoughts) =>
  [
    ...(summary ?? []).map(({ text, type }, i) => ({ at: `summary.${i}`, text, type })),
    ...(content ?? []).map(({ text, type }, i) => ({ at: `content.${i}`, text, type }))
  ].filter(({ text }) => text !== "")

/** Where a thought comes from, as far as that is known before its item is done. */
export const originOfThought = ({ id = null, type }: Thoughts, kind: string): Origin => ({
  item: { type, id },
  content: { type: kind }
})

/** Where nothing but a whole reasoning comes from. */
export const originOfThoughts = ({ content: _content, summary: _summary, ...item }: Thoughts): Origin => ({ item })

// What is encrypted is known when the item is done, so that the last of its parts has it.
const reasoningParts = (item: Thoughts): Parts => {
  const thoughts = thoughtsOf(item)
  const whole = originOfThoughts(item)
  if (thoughts.length === 0) return [reasoning("", whole)]
  return thoughts.map(({ text, type }, i) =>
    reasoning(text, { ...originOfThought(item, type), ...(i === thoughts.length - 1 && whole) })
  )
}

// -----------------------------------------------------------------------------
// Parts
// -----------------------------------------------------------------------------

/** What is sent back of a part. */
interface Origin {
  /** The item, without what the part itself says. */
  readonly item: Schema.JsonObject
  /** Of a part that is but a piece of its item: that piece. */
  readonly content?: Schema.JsonObject
}

export const openAi = ({ content, item }: Origin): AiResponse.ProviderMetadata => ({
  openai: content === undefined ? { item } : { item, content }
})

export const reasoning = (text: string, origin: Origin): Part =>
  AiResponse.makePart("reasoning", { text, metadata: openAi(origin) })

const toolCall = (id: string, name: string, params: unknown, origin: Origin, providerExecuted = false): Part =>
  AiResponse.toolCallPart({ id, name, params, providerExecuted, metadata: openAi(origin) })

const callersCall = ({ id, metadata }: CallId, name: string, params: unknown, origin: Origin): Part =>
  AiResponse.toolCallPart({
    id,
    name,
    params,
    providerExecuted: false,
    metadata: { ...openAi(origin), ...metadata }
  })

const toolResult = (id: string, name: string, result: unknown, origin?: Origin, isFailure = false): Part => {
  const part = {
    id,
    name,
    result,
    encodedResult: result,
    providerExecuted: true,
    preliminary: false,
    ...(origin !== undefined && { metadata: openAi(origin) })
  }
  return isFailure
    ? AiResponse.toolResultPart({ ...part, isFailure: true })
    : AiResponse.toolResultPart({ ...part, isFailure: false })
}

/** The call of a tool that the provider has run, and the result if it tells it. */
const hosted = (
  item: Schema.JsonObject,
  index: number,
  name: string,
  params: unknown,
  result?: unknown,
  error?: unknown
): Parts => {
  const id = typeof item["id"] === "string" ? item["id"] : String(index)
  const call = toolCall(id, name, params, { item }, true)
  if (error != null) return [call, toolResult(id, name, error, undefined, true)]
  return result == null ? [call] : [call, toolResult(id, name, result)]
}

const imageOf = (
  { id = null, output_format = "png", result, type }: Extract<OutputItem, { readonly type: "image_generation_call" }>
): Parts => {
  const data = Base64.decode(result ?? "")
  if (Result.isFailure(data) || data.success.length === 0) return []
  const metadata = openAi({ item: { type, id } })
  return [AiResponse.makePart("file", { mediaType: `image/${output_format}`, data: data.success, metadata })]
}

// -----------------------------------------------------------------------------
// The end
// -----------------------------------------------------------------------------

export const finishOf = (data: Data): AiResponse.FinishPart => {
  const refusal = data.output.flatMap((item) => item.type === "message" ? item.content : [])
    .flatMap((content) => content.type === "refusal" ? [content.refusal] : [])
    .join("")
  return AiResponse.makePart("finish", {
    reason: finishReasonOf(data),
    usage: usageOf(data.usage),
    response: undefined,
    metadata: { openai: refusal === "" ? {} : { refusal } }
  })
}

const finishReasonOf = (data: Data): AiResponse.FinishReason => {
  switch (data.status) {
    case "incomplete":
      return incompleteReasons.get(data.incomplete_details?.reason ?? "") ?? "other"
    case "completed":
    case null:
    case undefined:
      return data.output.some(isForCaller) ? "tool-calls" : "stop"
    // It works in the background, and has no end yet.
    case "queued":
    case "in_progress":
      return "unknown"
    case "failed":
      return "error"
    default:
      return "other"
  }
}

const incompleteReasons = new Map<string, AiResponse.FinishReason>([
  ["max_output_tokens", "length"],
  ["content_filter", "content-filter"]
])

// Cached tokens are part of the input's, and reasoning tokens part of the output's, as with chat completions.
// https://platform.openai.com/docs/api-reference/responses/object#responses-object-usage
export const usageOf = (usage: Data["usage"]): AiResponse.Usage =>
  usageOfChat(
    usage && {
      prompt_tokens: usage.input_tokens,
      completion_tokens: usage.output_tokens,
      total_tokens: usage.total_tokens,
      prompt_tokens_details: usage.input_tokens_details,
      completion_tokens_details: usage.output_tokens_details
    }
  )
