/** Chat completions and responses as OpenAI would send them, for mocks. */
import type * as AiResponse from "effect/ai/Response"
import { completed, type MockOptions } from "../mock/options.ts"
import type { Response } from "./responses/schema.ts"
import type { ChatCompletion } from "./schema.ts"

const chatFinish = {
  "stop": "stop",
  "length": "length",
  "tool-calls": "tool_calls",
  "content-filter": "content_filter"
} as const

export const completionOf = (text: string, options: MockOptions): typeof ChatCompletion.Type => {
  const { finishReason, id, model, reasoning, toolCalls, usage } = completed(options)
  return {
    id,
    model,
    choices: [{
      index: 0,
      finish_reason: chatFinish[finishReason],
      message: {
        role: "assistant",
        content: text === "" && toolCalls.length > 0 ? null : text,
        refusal: null,
        ...(reasoning !== undefined && { reasoning_content: reasoning }),
        ...(toolCalls.length > 0 && {
          tool_calls: toolCalls.map(({ id, name, params }) => ({
            id,
            type: "function",
            function: { name, arguments: JSON.stringify(params) }
          }))
        })
      }
    }],
    ...(usage && {
      usage: {
        prompt_tokens: usage.inputTokens.total,
        completion_tokens: usage.outputTokens.total,
        total_tokens: totalOf(usage),
        prompt_tokens_details: {
          cached_tokens: usage.inputTokens.cacheRead,
          cache_write_tokens: usage.inputTokens.cacheWrite
        },
        completion_tokens_details: { reasoning_tokens: usage.outputTokens.reasoning }
      }
    })
  }
}

export const responseOf = (text: string, options: MockOptions): typeof Response.Type => {
  const { finishReason, id, model, reasoning, toolCalls, usage } = completed(options)
  const isWhole = finishReason === "stop" || finishReason === "tool-calls"
  return {
    id,
    object: "response",
    model,
    status: isWhole ? "completed" : "incomplete",
    ...(!isWhole && {
      incomplete_details: { reason: finishReason === "length" ? "max_output_tokens" : "content_filter" }
    }),
    output: [
      ...(reasoning === undefined
        ? []
        : [{
          type: "reasoning" as const,
          id: `rs_${id}`,
          summary: [{ type: "summary_text" as const, text: reasoning }]
        }]),
      ...(text === ""
        ? []
        : [{
          type: "message" as const,
          id: `msg_${id}`,
          role: "assistant" as const,
          status: "completed",
          content: [{ type: "output_text" as const, text, annotations: [] }]
        }]),
      ...toolCalls.map((call) => ({
        type: "function_call" as const,
        call_id: call.id,
        name: call.name,
        arguments: JSON.stringify(call.params)
      }))
    ],
    ...(usage && {
      usage: {
        input_tokens: usage.inputTokens.total,
        output_tokens: usage.outputTokens.total,
        total_tokens: totalOf(usage),
        input_tokens_details: {
          cached_tokens: usage.inputTokens.cacheRead,
          cache_write_tokens: usage.inputTokens.cacheWrite
        },
        output_tokens_details: { reasoning_tokens: usage.outputTokens.reasoning }
      }
    })
  }
}

const totalOf = ({ inputTokens, outputTokens }: AiResponse.Usage): number =>
  (inputTokens.total ?? 0) + (outputTokens.total ?? 0)
