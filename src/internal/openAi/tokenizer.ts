/**
 * The tokenizers of OpenAI's models, from the package `gpt-tokenizer` if it is installed. It is loaded when this is run, not
 * before: it takes 0.2 s and 20 MB.
 *
 * Which model has which: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py
 */
import * as Effect from "effect/Effect"
import type { Tokenizer } from "../chat/estimate.ts"

export const tokenizerOf = (model: string): Effect.Effect<Tokenizer | undefined> => {
  const load = /^(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|chatgpt-4o|o\d)/.test(model)
    ? () => import("gpt-tokenizer/encoding/o200k_base")
    : /^(gpt-4|gpt-3\.5|text-embedding-)/.test(model)
    ? () => import("gpt-tokenizer/encoding/cl100k_base")
    : undefined
  if (load === undefined) return Effect.undefined
  return Effect.matchEffect(Effect.tryPromise(load), {
    onSuccess: ({ countTokens }) => Effect.succeed((text: string) => countTokens(text)),
    onFailure: () =>
      Effect.as(
        Effect.logDebug(
          `Tokens of ${model} are estimated at four characters each; install gpt-tokenizer to count them`
        ),
        undefined
      )
  })
}
