/**
 * The tokenizers of OpenAI's models, from the package `gpt-tokenizer` if it is installed. It is loaded when this is run, not
 * before: it takes 0.2 s and 20 MB.
 *
 * Which model has which: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
 */
import * as Effect from "effect/Effect"
import type { Tokenizer } from "../chat/countTokens.ts"

// Bundlers take a missing package for an optional one by different signs. All of them accept an import of a literal name that
// stands in a `try` and is caught there.
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

/** The marks of special tokens are text where a user writes them. */
const asText = { disallowedSpecial: new Set<string>() }

export const tokenizerOf = (model: string): Effect.Effect<Tokenizer | undefined> => {
  const name = baseNameOf(model)
  const load = /^(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|gpt-oss|chatgpt-4o|o\d)/.test(name)
    ? loadO200k
    : /^(gpt-4|gpt-3\.?5|text-embedding-)/.test(name)
    ? loadCl100k
    : undefined
  if (load === undefined) return Effect.undefined
  return Effect.flatMap(Effect.promise(load), (encoding) => {
    if (encoding === undefined) {
      const message = `Tokens of ${model} are estimated; install gpt-tokenizer to count them`
      return Effect.as(Effect.logDebug(message), undefined)
    }
    const tokenizer: Tokenizer = (text) => encoding.countTokens(text, asText)
    // The first count is slow.
    tokenizer("A few words, so that no call waits for the compilation of patterns.")
    return Effect.succeed(tokenizer)
  })
}

/** The name without a vendor (`openai/gpt-4o`) and without the marks of a fine-tuned model (`ft:gpt-4o:company::id`). */
const baseNameOf = (model: string): string => {
  const name = model.slice(model.lastIndexOf("/") + 1).toLowerCase()
  return name.startsWith("ft:") ? name.slice("ft:".length) : name
}
