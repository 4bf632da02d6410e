/** Messages as Anthropic would send them, for mocks. */
import { completed, type MockOptions } from "../mock/options.ts"
import type { Answer } from "./schema.ts"

const stopReasons = {
  "stop": "end_turn",
  "length": "max_tokens",
  "tool-calls": "tool_use",
  "content-filter": "refusal"
} as const

export const messageOf = (text: string, options: MockOptions): typeof Answer.Type => {
  const { finishReason, id, model, reasoning, toolCalls, usage } = completed(options)
  return {
    id,
    type: "message",
    role: "assistant",
    model,
    content: [
      ...(reasoning === undefined ? [] : [{ type: "thinking" as const, thinking: reasoning, signature: "" }]),
      ...(text === "" ? [] : [{ type: "text" as const, text }]),
      ...toolCalls.map(({ id, name, params }) => ({ type: "tool_use" as const, id, name, input: params }))
    ],
    stop_reason: stopReasons[finishReason],
    stop_sequence: null,
    ...(usage && {
      usage: {
        input_tokens: uncachedOf(usage.inputTokens),
        cache_read_input_tokens: usage.inputTokens.cacheRead,
        cache_creation_input_tokens: usage.inputTokens.cacheWrite,
        output_tokens: usage.outputTokens.total,
        output_tokens_details: { thinking_tokens: usage.outputTokens.reasoning }
      }
    })
  }
}

/** Anthropic counts cached tokens apart from the others. */
const uncachedOf = (
  { cacheRead = 0, cacheWrite = 0, total, uncached }: NonNullable<MockOptions["usage"]>["inputTokens"]
): number | undefined => uncached ?? (total === undefined ? undefined : total - cacheRead - cacheWrite)
