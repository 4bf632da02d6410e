/** What tokens cost. */
import type * as Response from "effect/ai/Response"
import type { Billing } from "./billing.ts"

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
  /** Of input that the provider put into its cache for an hour. @default `cacheWrite` */
  readonly cacheWriteHour?: number | undefined
  /** By what all of it is multiplied in a service tier: `{ flex: 0.5, priority: 2 }`. @default by 1 */
  readonly tiers?: Readonly<Record<string, number>> | undefined
}

/**
 * Prices by the name of the model, or the beginning of it: the longest that fits is taken.
 *
 * @category models
 * @since 0.1.0
 */
export type Prices = Readonly<Record<string, Price>>

const openai = (input: number, output: number, cacheRead: number, priority = 2): Price => ({
  input,
  output,
  cacheRead,
  tiers: { flex: 0.5, batch: 0.5, priority }
})

const anthropic = (input: number, output: number): Price => ({
  input,
  output,
  cacheRead: input / 10,
  cacheWrite: input * 1.25,
  cacheWriteHour: input * 2,
  tiers: { batch: 0.5 }
})

const gemini = (input: number, output: number): Price => ({
  input,
  output,
  cacheRead: input / 10,
  tiers: { flex: 0.5, batch: 0.5, priority: 1.8 }
})

/**
 * Prices of common models as they were published in March 2026, for prompts of at most 200,000 tokens.
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
  "gpt-5": openai(1.25, 10, 0.125),
  "gpt-5-mini": openai(0.25, 2, 0.025, 1.8),
  "gpt-5-nano": openai(0.05, 0.4, 0.005),
  // It has no cache.
  "gpt-5-pro": openai(15, 120, 15),
  "gpt-5.4": openai(2.5, 15, 0.25),
  "gpt-4.1": openai(2, 8, 0.5, 1.75),
  "gpt-4.1-mini": openai(0.4, 1.6, 0.1, 1.75),
  "gpt-4.1-nano": openai(0.1, 0.4, 0.025),
  "gpt-4o": openai(2.5, 10, 1.25, 1.7),
  "gpt-4o-mini": openai(0.15, 0.6, 0.075, 5 / 3),
  "o3": openai(2, 8, 0.5, 1.75),
  "o3-mini": openai(1.1, 4.4, 0.55),
  "o4-mini": openai(1.1, 4.4, 0.275, 2 / 1.1),
  "claude-opus-4": anthropic(15, 75),
  "claude-opus-4-5": anthropic(5, 25),
  "claude-opus-4-6": anthropic(5, 25),
  "claude-sonnet-4": anthropic(3, 15),
  "claude-haiku-4-5": anthropic(1, 5),
  "claude-3-5-haiku": anthropic(0.8, 4),
  "gemini-2.5-pro": gemini(1.25, 10),
  "gemini-2.5-flash": gemini(0.3, 2.5),
  "gemini-2.5-flash-lite": gemini(0.1, 0.4)
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
export const costOf = (
  price: Price,
  { inputTokens, outputTokens }: Response.Usage,
  { cacheWriteHour: keptForHour, tier }: Billing
): number => {
  const read = inputTokens.cacheRead ?? 0
  const written = inputTokens.cacheWrite ?? 0
  const forHour = Math.min(keptForHour, written)
  const rest = Math.max(0, (inputTokens.total ?? 0) - read - written)
  const { cacheRead = price.input, cacheWrite = price.input } = price
  const cost = rest * price.input + read * cacheRead + (written - forHour) * cacheWrite +
    forHour * (price.cacheWriteHour ?? cacheWrite) + (outputTokens.total ?? 0) * price.output
  return cost * (tier === undefined ? 1 : price.tiers?.[tier] ?? 1) / 1e6
}
