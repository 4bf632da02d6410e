/** The cost of tokens. */
import type * as Response from "effect/ai/Response"
import { catalogue, type KnownModel } from "../chat/catalogue.ts"
import { lookUpModel } from "../chat/modelName.ts"
import type { Price } from "../chat/price.ts"
import type { Billing } from "./billing.ts"

export type { Price } from "../chat/price.ts"

/**
 * Prices by the names of models. A model is found by its whole name, or by its name without vendor (`openai/`), variant (`:free`),
 * and date or version (`-2024-08-06`): the most exact name counts.
 *
 * @category models
 * @since 0.1.0
 */
export type Prices = Readonly<Record<string, Price>>

/**
 * Prices of common models as their providers published them, compiled on 28 November 2026. A name with `ft:` before it is that
 * of models which were fine-tuned from it.
 *
 * **Gotchas**
 *
 * Providers change prices, and contracts differ: state your own where money depends on it.
 *
 * - OpenAI: https://developers.openai.com/api/docs/pricing
 * - Anthropic: https://platform.claude.com/docs/en/about-claude/pricing
 * - Gemini: https://ai.google.dev/gemini-api/docs/pricing
 *
 * @category constants
 * @since 0.1.0
 */
export const prices: Prices = pricesOf(catalogue)

/** The price of a model; `undefined` when it is not known. */
export const priceOf = (prices: Prices, model: string): Price | undefined => lookUpModel(prices, model)

/** The cost of the tokens of a call, in dollars. */
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
  const { longPrompt } = price
  const isLong = longPrompt !== undefined && (inputTokens.total ?? 0) > longPrompt.above
  const inputCost = rest * price.input + read * cacheRead + (written - forHour) * cacheWrite +
    forHour * (price.cacheWriteHour ?? cacheWrite)
  const cost = inputCost * (isLong ? longPrompt.input : 1) +
    (outputTokens.total ?? 0) * price.output * (isLong ? longPrompt.output : 1)
  return cost * (tier === undefined ? 1 : price.tiers?.[tier] ?? 1) / 1e6
}

function pricesOf(models: Readonly<Record<string, KnownModel>>): Prices {
  const prices: Record<string, Price> = {}
  for (const [name, { fineTunedPrice, price }] of Object.entries(models)) {
    if (price !== undefined) prices[name] = price
    if (fineTunedPrice !== undefined) prices[`ft:${name}`] = fineTunedPrice
  }
  return prices
}
