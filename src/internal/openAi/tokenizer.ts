/**
 * The tokenizers of OpenAI's models, from the package `gpt-tokenizer` if it is installed. It is loaded when this is run, not
 * before: it takes 0.2 s and 20 MB.
 *
 * Which model has which: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
 */
import * as Effect from "effect/Effect"
import type { Tokenizer } from "../chat/estimate.ts"

// Each bundler takes a missing package for an optional one by another sign: all of them by an import of a literal name that stands
// in a `try` and is caught there.
const loadO200k = async () => {
  try {
    return await import("gpt-tokenizer/encoding/o200k_base")
  } catch {
    return undefined
  }
}

const loadCl100k = async () => {
  try {
    return await import("gpt-tokenizer/encoding/cl100k_base")
  } catch {
    return undefined
  }
}

export const tokenizerOf = (model: string): Effect.Effect<Tokenizer | undefined> => {
  const load = /^(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|chatgpt-4o|o\d)/.test(model)
    ? loadO200k
    : /^(gpt-4|gpt-3\.5|text-embedding-)/.test(model)
    ? loadCl100k
    : undefined
  if (load === undefined) return Effect.undefined
  return Effect.flatMap(Effect.promise(load), (encoding) =>
    encoding === undefined
      ? Effect.as(
        Effect.logDebug(
          `Tokens of ${model} are estimated at four characters each; install gpt-tokenizer to count them`
        ),
        undefined
      )
      : Effect.succeed((text: string) => encoding.countTokens(text)))
}
