/** Answers of `generateContent` as Gemini would send them, for mocks. */
import { completed, type MockOptions } from "../mock/options.ts"
import type { GenerateContentResponse } from "./answerSchema.ts"

const finishReasons = {
  "stop": "STOP",
  "length": "MAX_TOKENS",
  "tool-calls": "STOP",
  "content-filter": "SAFETY"
} as const

export const answerOf = (text: string, options: MockOptions): typeof GenerateContentResponse.Type => {
  const { finishReason, id, model, reasoning, toolCalls, usage } = completed(options)
  return {
    responseId: id,
    modelVersion: model,
    candidates: [{
      index: 0,
      finishReason: finishReasons[finishReason],
      content: {
        role: "model",
        parts: [
          ...(reasoning === undefined ? [] : [{ text: reasoning, thought: true }]),
          ...(text === "" ? [] : [{ text }]),
          ...toolCalls.map(({ id, name, params }) => ({ functionCall: { id, name, args: params } }))
        ]
      }
    }],
    ...(usage && {
      usageMetadata: {
        promptTokenCount: usage.inputTokens.total,
        cachedContentTokenCount: usage.inputTokens.cacheRead,
        candidatesTokenCount: textTokensOf(usage.outputTokens),
        thoughtsTokenCount: usage.outputTokens.reasoning,
        totalTokenCount: (usage.inputTokens.total ?? 0) + (usage.outputTokens.total ?? 0)
      }
    })
  }
}

/** Gemini counts thoughts apart from the answer. */
const textTokensOf = (
  { reasoning = 0, text, total }: NonNullable<MockOptions["usage"]>["outputTokens"]
): number | undefined => text ?? (total === undefined ? undefined : total - reasoning)
