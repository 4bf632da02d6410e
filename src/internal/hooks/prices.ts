/** What tokens cost. */
import type * as Response from "effect/ai/Response"

/**
 * The price of a model, in US dollars a million tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Price {
  readonly input: number
  readonly output: number
  /** Of input that the provider had in its cache. @default `input` */
  readonly cacheRead?: number | undefined
  /** Of input that the provider put into its cache. @default `input` */
  readonly cacheWrite?: number | undefined
}

/**
 * Prices by the name of the model, or the beginning of it: the longest that fits is taken.
 *
 * @category models
 * @since 0.1.0
 */
export type Prices = Readonly<Record<string, Price>>

const anthropic = (input: number, output: number): Price => ({
  input,
  output,
  cacheRead: input / 10,
  cacheWrite: input * 1.25
})

/**
 * Prices of common models as they were published in March 2026, for standard service and prompts of at most 200,000 tokens.
 * Providers change them: state those of your contract where money depends on it.
 *
 * - OpenAI: https://platform.openai.com/docs/pricing
 * - Anthropic: https://docs.anthropic.com/en/docs/about-claude/pricing
 * - Gemini: https://ai.google.dev/gemini-api/docs/pricing
 *
 * @category constants
 * @since 0.1.0
 */
export const prices: Prices = {
  "gpt-5": { input: 1.25, output: 10 },
  "gpt-5-mini": { input: 0.25, output: 2 },
  "gpt-5-nano": { input: 0.05, output: 0.4 },
  "gpt-5-pro": { input: 15, output: 120 },
  "gpt-5.4": { input: 2.5, output: 15 },
  "gpt-4.1": { input: 2, output: 8 },
  "gpt-4.1-mini": { input: 0.4, output: 1.6 },
  "gpt-4.1-nano": { input: 0.1, output: 0.4 },
  "gpt-4o": { input: 2.5, output: 10, cacheRead: 1.25 },
  "gpt-4o-mini": { input: 0.15, output: 0.6, cacheRead: 0.075 },
  "o3": { input: 2, output: 8 },
  "o3-mini": { input: 1.1, output: 4.4 },
  "o4-mini": { input: 1.1, output: 4.4 },
  "claude-opus-4": anthropic(15, 75),
  "claude-opus-4-5": anthropic(5, 25),
  "claude-opus-4-6": anthropic(5, 25),
  "claude-sonnet-4": anthropic(3, 15),
  "claude-haiku-4-5": anthropic(1, 5),
  "claude-3-5-haiku": anthropic(0.8, 4),
  "gemini-2.5-pro": { input: 1.25, output: 10 },
  "gemini-2.5-flash": { input: 0.3, output: 2.5 },
  "gemini-2.5-flash-lite": { input: 0.1, output: 0.4 }
}

/** The price of a model: by its name, or with a date or a version after it. */
export const priceOf = (prices: Prices, model: string): Price | undefined => {
  let longest: string | undefined
  for (const name of Object.keys(prices)) {
    const rest = model.startsWith(name) ? model.slice(name.length) : undefined
    if (rest !== undefined && /^($|[-@:])/.test(rest) && name.length > (longest?.length ?? 0)) longest = name
  }
  return longest === undefined ? undefined : prices[longest]
}

/** What so many tokens cost, in dollars. */
export const costOf = (price: Price, { inputTokens, outputTokens }: Response.Usage): number => {
  const read = inputTokens.cacheRead ?? 0
  const written = inputTokens.cacheWrite ?? 0
  const rest = Math.max(0, (inputTokens.total ?? 0) - read - written)
  const cost = rest * price.input + read * (price.cacheRead ?? price.input) +
    written * (price.cacheWrite ?? price.input) + (outputTokens.total ?? 0) * price.output
  return cost / 1e6
}
