/**
 * The parts of an answer, made of the items of a response. Each part has in its metadata the `item` that it comes from, as far as
 * the part does not say it itself, so that a prompt made of the parts gives the provider its items back.
 */
import * as AiResponse from "effect/ai/Response"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type { Part } from "../../../Calling.ts"
import { toolParams } from "../../chat/arguments.ts"
import type { CallId, CallIds } from "../../chat/callIds.ts"
import { urlSource } from "../../chat/partWriter.ts"
import type { OutputContent } from "./content.ts"
import type { FunctionCall, Message, OutputItem, Reasoning } from "./items.ts"

type Content = typeof OutputContent.Type
type Parts = ReadonlyArray<Part>

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
export const isForCaller = (item: OutputItem): boolean => {
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

// The encrypted content is known when the item is done: the last of its parts has it.
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

/** The metadata of a part that is sent back. */
interface Origin {
  /** The item, without the fields that the part itself has. */
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

/** The call of a tool that the provider ran, and its result if the item has it. */
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
