/** Finish reasons of all servers that speak the protocol. Gateways pass on those of other providers. */
import type * as Response from "effect/ai/Response"

const stopped: Readonly<Record<string, Response.FinishReason>> = {
  stop: "stop",
  length: "length",
  content_filter: "content-filter",
  tool_calls: "tool-calls",
  function_call: "tool-calls",
  // Anthropic
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  tool_use: "tool-calls",
  refusal: "content-filter",
  model_context_window_exceeded: "length",
  // Gemini
  safety: "content-filter",
  recitation: "content-filter",
  prohibited_content: "content-filter",
  blocklist: "content-filter",
  // Cohere, Together, Mistral, Zhipu
  complete: "stop",
  eos: "stop",
  eos_token: "stop",
  model_length: "length",
  sensitive: "content-filter"
}

/** Reasons that tell of a failure, and the status that it has. */
const failed: Readonly<Record<string, number>> = {
  error: 500,
  // SGLang, vLLM
  abort: 500,
  // https://api-docs.deepseek.com/api/create-chat-completion
  insufficient_system_resource: 503,
  // Zhipu
  network_error: 502
}

const lookUp = <A>(table: Readonly<Record<string, A>>, reason: string): A | undefined => {
  const name = reason.toLowerCase()
  return Object.hasOwn(table, name) ? table[name] : undefined
}

export const finishReasonOf = (reason: string | null | undefined): Response.FinishReason =>
  reason ? lookUp(stopped, reason) ?? "other" : "unknown"

/** The status of the failure that a finish reason means; `undefined` when it means none. */
export const failureStatusOf = (reason: string): number | undefined => lookUp(failed, reason)
