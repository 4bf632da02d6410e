/** A response as an answer: its parts, its end, and its usage. */
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import * as AiResponse from "effect/ai/Response"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Part } from "../../../Calling.ts"
import { type CallIds, callIdsOfPrompt, uniqueCallIds } from "../../chat/callIds.ts"
import { promptOfMessages } from "../../chat/schema.ts"
import { normalizeChat } from "../../chat/arguments.ts"
import { usageOf as usageOfChat } from "../usage.ts"
import type { OutputItem } from "./items.ts"
import { isForCaller, partsOfItem } from "./parts.ts"
import { isTemplate, type Response, type ResponseRequest } from "./schema.ts"

type Data = typeof Response.Type
type Parts = ReadonlyArray<Part>

export const normalize = (provider: string, data: Data, payload: ResponseRequest["Type"]) => {
  const content = contentOf(data, callIdsFor(provider, payload))
  // Commentary is not part of the requested output.
  const isComment = (item: OutputItem) => item.type === "message" && item.phase === "commentary"
  const answer = data.output.some(isComment)
    ? contentOf({ ...data, output: data.output.filter((item) => !isComment(item)) }, callIdsFor(provider, payload))
    : content
  return Effect.map(
    normalizeChat(answer, data.model ?? undefined, payload.response_format, toCodecOpenAI),
    (normalized) => ({ ...normalized, content })
  )
}

const contentOf = (data: Data, idOf: CallIds): Parts => [
  metadataOf(data),
  ...data.output.flatMap((item, index) => partsOfItem(item, index, idOf)),
  finishOf(data)
]

/** The arguments that hold earlier calls of tools. */
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
