/** What a mock answers with beside its text, in the words of a normalized response. */
import type * as Response from "effect/ai/Response"
import type { ToolCall } from "../../Calling.ts"

/**
 * What an answer holds beside its text.
 *
 * @category options
 * @since 0.1.0
 */
export interface MockOptions {
  /** Tools that the model asks the caller to call. @default none */
  readonly toolCalls?: ReadonlyArray<MockToolCall> | undefined
  /** What the model thought. @default nothing */
  readonly reasoning?: string | undefined
  /** @default the provider reports no usage */
  readonly usage?: Response.Usage | undefined
  /** @default "tool-calls" where there are tool calls, otherwise "stop" */
  readonly finishReason?: "stop" | "length" | "tool-calls" | "content-filter" | undefined
  /** The model that answered. @default "mock" */
  readonly model?: string | undefined
  /** @default "mock" */
  readonly id?: string | undefined
}

/**
 * A call of a tool.
 *
 * @category options
 * @since 0.1.0
 */
export interface MockToolCall extends Omit<ToolCall, "id"> {
  /** @default "call_1", "call_2" and so on */
  readonly id?: string | undefined
}

type FinishReason = NonNullable<MockOptions["finishReason"]>

/** The options with their defaults. */
export const completed = (
  { finishReason, id = "mock", model = "mock", reasoning, toolCalls = [], usage }: MockOptions
) => ({
  id,
  model,
  reasoning,
  usage,
  toolCalls: toolCalls.map((call, i): ToolCall => ({ ...call, id: call.id ?? `call_${i + 1}` })),
  finishReason: finishReason ?? (toolCalls.length === 0 ? "stop" : "tool-calls") satisfies FinishReason
})
