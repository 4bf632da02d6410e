/** What a chat completion says, as the parts of an answer. */
import * as Response from "effect/ai/Response"
import * as DateTime from "effect/DateTime"
import type { Part } from "../../Calling.ts"
import { toolParams } from "../chat/arguments.ts"
import { urlSource } from "../chat/partWriter.ts"
import type { ChatChunk, ChatCompletion, ReasoningField } from "./schema.ts"

type Completion = typeof ChatCompletion.Type
type Usage = NonNullable<Completion["usage"]>
type Annotations = NonNullable<NonNullable<Completion["choices"][number]["message"]["annotations"]>>

export const contentOf = (data: Completion): ReadonlyArray<Part> => {
  const choice = data.choices[0]
  const content: Array<Part> = [metadataOf(data)]
  if (choice !== undefined) {
    const { message } = choice
    const { metadata, text: thoughts } = reasoningOf(message)
    if (thoughts !== "") content.push(Response.makePart("reasoning", { text: thoughts, metadata }))
    const text = message.content ?? ""
    if (text !== "") content.push(Response.makePart("text", { text }))
    content.push(...sourcesOf(message.annotations ?? [], 0))
    for (const { function: { arguments: written, name }, id } of message.tool_calls ?? []) {
      content.push(
        Response.makePart("tool-call", { id, name, params: toolParams(written), providerExecuted: false })
      )
    }
  }
  content.push(finishOf(choice?.finish_reason, data.usage, choice?.message.refusal))
  return content
}

/** The model's thinking, and that it is to be sent back in the field that it came in. */
export const reasoningOf = ({ reasoning, reasoning_content }: {
  readonly [Field in ReasoningField]?: string | null | undefined
}) => {
  const reasoningField: ReasoningField = reasoning_content ? "reasoning_content" : "reasoning"
  return { text: reasoning_content || reasoning || "", reasoningField, metadata: { openai: { reasoningField } } }
}

export const metadataOf = (data: Completion | typeof ChatChunk.Type): Response.ResponseMetadataPart =>
  Response.makePart("response-metadata", {
    id: data.id ?? undefined,
    modelId: data.model ?? undefined,
    timestamp: data.created == null ? undefined : DateTime.makeUnsafe(data.created * 1000)
  })

/** Sources, numbered from `first` on. */
export const sourcesOf = (annotations: Annotations, first: number): ReadonlyArray<Response.UrlSourcePart> =>
  annotations.flatMap(({ url_citation }, i) => urlSource(String(first + i), url_citation?.url, url_citation?.title))

export const finishOf = (
  reason: string | null | undefined,
  usage: Usage | null | undefined,
  refusal: string | null | undefined
): Response.FinishPart =>
  Response.makePart("finish", {
    reason: finishReasons.get(reason ?? "") ?? "other",
    usage: usageOf(usage),
    response: undefined,
    metadata: { openai: { ...(usage != null && audioOf(usage)), ...(refusal != null && { refusal }) } }
  })

const finishReasons = new Map<string, Response.FinishReason>([
  ["", "unknown"],
  ["stop", "stop"],
  ["length", "length"],
  ["content_filter", "content-filter"],
  ["tool_calls", "tool-calls"],
  ["function_call", "tool-calls"]
])

// Cached tokens are part of the prompt's, and reasoning tokens part of the completion's.
// https://platform.openai.com/docs/api-reference/chat/object#chat-object-usage
export const usageOf = (usage: Usage | null | undefined): Response.Usage => {
  if (usage == null) return { inputTokens: {}, outputTokens: {} }
  const cacheRead = usage.prompt_tokens_details?.cached_tokens ?? undefined
  const cacheWrite = usage.prompt_tokens_details?.cache_write_tokens ?? undefined
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? undefined
  return {
    inputTokens: {
      total: usage.prompt_tokens,
      ...(cacheRead !== undefined && { cacheRead, uncached: usage.prompt_tokens - cacheRead }),
      ...(cacheWrite !== undefined && { cacheWrite })
    },
    outputTokens: {
      total: usage.completion_tokens,
      ...(reasoning !== undefined && { reasoning, text: usage.completion_tokens - reasoning })
    }
  }
}

const audioOf = (usage: Usage) => {
  const input = usage.prompt_tokens_details?.audio_tokens ?? 0
  const output = usage.completion_tokens_details?.audio_tokens ?? 0
  return input + output > 0 ? { audioTokens: { input, output } } : {}
}
