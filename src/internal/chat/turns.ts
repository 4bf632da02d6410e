/** Whether a conversation goes on without its user: answers that a provider paused, and those that their model did not finish. */
import * as Prompt from "effect/ai/Prompt"
import type { Part, ToolCall } from "../../Calling.ts"
import { excerptOf } from "../http/failure.ts"

interface Answer {
  readonly content: ReadonlyArray<Part>
  readonly toolCalls: ReadonlyArray<ToolCall>
  readonly finishReason: string
}

/** How often in a row an answer that broke off is asked for again. */
export const maxRepeats = 2

/**
 * The messages that ask for the rest of an answer; `undefined` for one that is complete.
 *
 * - `"pause"`: the provider paused in the middle of its own tools (Anthropic's `pause_turn`), and goes on from its last answer
 * - `"error"` without a call: the model wrote a call that the provider could not read (Gemini's `MALFORMED_FUNCTION_CALL`). What
 *   it wrote is left out, and a message describes its mistake.
 */
export const continuationOf = ({ content, finishReason, toolCalls }: Answer): Continuation | undefined => {
  if (toolCalls.length > 0) return undefined
  if (finishReason === "pause") return { _tag: "Paused", messages: Prompt.fromResponseParts(content) }
  return finishReason === "error" ? { _tag: "Repeated", messages: correction } : undefined
}

export interface Continuation {
  readonly _tag: "Paused" | "Repeated"
  readonly messages: Prompt.Prompt
}

const correction = Prompt.make(
  "Your last answer ended with an error and was discarded; a tool call in it may have been malformed. Answer again. " +
    "Call tools only with arguments that are valid JSON, and split up arguments that are very long."
)

/** The message to a model about a call that cannot be run; `undefined` for one that can. */
export const mistakeIn = ({ content, finishReason }: Answer, { id, params }: ToolCall): string | undefined => {
  const last = content.findLast((part) => part.type !== "finish")
  // Truncated arguments may be valid JSON.
  if (finishReason === "length" && last?.type === "tool-call" && last.id === id) {
    return "The answer reached its token limit inside this call, which was not run. Call again with shorter arguments, " +
      "or in several calls."
  }
  if (typeof params === "string") {
    return `The arguments of this call are not valid JSON, so it was not run. Call again with valid JSON. The arguments were: ${
      excerptOf(params)
    }`
  }
  return params != null && (Array.isArray(params) || typeof params !== "object")
    ? "The arguments of this call are not a JSON object, so it was not run. Call again with a JSON object."
    : undefined
}
