/** Recognizes that a request is longer than the context window of its model, in the words of many providers. */
import { ContextLengthExceeded } from "../../Errors.ts"
import type { ErrorDescription } from "./errorBody.ts"

const codes = new Set([
  "context_length_exceeded", // OpenAI, Groq
  "context_window_exceeded",
  "exceed_context_size_error", // llama.cpp
  "model_context_window_exceeded", // Z.ai
  "model_max_prompt_tokens_exceeded" // GitHub Copilot
])

/** No pattern repeats without a bound: the text is foreign. */
const patterns: ReadonlyArray<RegExp> = [
  // OpenAI, vLLM, OpenRouter, DeepSeek, Fireworks, Mistral
  /maximum context length|context[ _](length|window|size) (has been |was |is )?exceeded/i,
  // OpenAI's Responses, llama.cpp, vLLM, MiniMax, Ollama
  /exceed(s|ed)? (the |this )?(model'?s? |max(imum)? |available |configured )?context (length|window|size|limit)/i,
  /context window exceeds limit/i,
  // Anthropic, Ollama
  /prompt (is )?too long/i,
  // LM Studio: https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/546
  /context length of only|context the overflows|context overflows|(greater|longer) than the (model'?s )?context (length|window|size)/i,
  /context length is only/i,
  // vLLM, SGLang
  /maximum (model|input) length (of|is)|maximum allowed input length/i,
  // xAI, Bedrock, Moonshot
  /maximum prompt length is|input is too long|exceeded model token limit/i,
  // Gemini
  /token count( \(\d{1,12}\))? exceeds the maximum number of tokens/i,
  // Groq, Cerebras
  /reduce the length of the (messages|prompt|input)/i,
  // GitHub Copilot, gateways
  /prompt token count( of \d{1,12})? exceeds the limit|tokens in request more than max tokens allowed|configured context size is/i,
  // text-generation-inference, Together
  /inputs` tokens \+ `max_new_tokens` must be|inputs` must have less than \d{1,12} tokens/i,
  // DashScope, Cohere
  /range of input length should be|total number of tokens in the prompt cannot exceed/i
]

const number = /(\d[\d,]{0,15})/.source

/** The first that matches captures the context window. */
const windows: ReadonlyArray<RegExp> = [
  new RegExp(`with ${number} maximum context`, "i"),
  new RegExp(
    `(?:context|prompt|model|input) (?:length|window|size)(?: of| is|:| limit of)?(?: only)? ?\\(?${number}`,
    "i"
  ),
  new RegExp(`> ${number}`),
  new RegExp(`tokens allowed:? \\(?${number}`, "i"),
  new RegExp(`limit(?: is| of|:) ?${number}`, "i"),
  new RegExp(`(?:must be <=|less than|cannot exceed) ${number}`, "i"),
  new RegExp(`input length should be \\[\\d{1,3}, ?${number}\\]`, "i")
]

export const isContextLengthError = (error: ErrorDescription): boolean =>
  error.codes.some((code) => codes.has(code)) || patterns.some((pattern) => pattern.test(error.message))

export const contextLengthExceeded = (description: string, error: ErrorDescription): ContextLengthExceeded => {
  const contextWindow = error.contextWindow ?? windowOf(error.message)
  return new ContextLengthExceeded({ description, ...(contextWindow !== undefined && { contextWindow }) })
}

const windowOf = (message: string): number | undefined => {
  for (const pattern of windows) {
    const window = Number(pattern.exec(message)?.[1]?.replaceAll(",", ""))
    if (window > 0 && Number.isSafeInteger(window)) return window
  }
  return undefined
}
