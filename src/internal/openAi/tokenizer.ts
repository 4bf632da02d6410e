/**
 * The tokenizers of OpenAI's models, from the package `gpt-tokenizer` if it is installed. It is loaded when this is run, not
 * before: it takes 0.2 s and 20 MB.
 */
import * as Effect from "effect/Effect"
import { knownModel } from "../chat/catalogue.ts"
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

const loaders = { o200k: loadO200k, cl100k: loadCl100k }

export const tokenizerOf = (model: string): Effect.Effect<Tokenizer | undefined> => {
  const { tokenizer } = knownModel(model)
  const load = tokenizer && loaders[tokenizer]
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
