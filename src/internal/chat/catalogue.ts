/**
 * The models that providers document: one entry for each. A model or a field that is not here is unknown, and what is
 * unknown is taken to be possible. Compiled on 28 November 2026 from:
 *
 * - OpenAI: https://developers.openai.com/api/docs/models, https://developers.openai.com/api/docs/pricing
 * - Anthropic: https://platform.claude.com/docs/en/about-claude/pricing, and the page and migration guide of each model
 * - Gemini: https://ai.google.dev/gemini-api/docs/pricing, https://ai.google.dev/gemini-api/docs/models
 * - DeepSeek: https://api-docs.deepseek.com/quick_start/pricing
 * - xAI: https://docs.x.ai/docs/models
 * - for all of them, LiteLLM's `model_prices_and_context_window.json` of July 2026
 */
import type { Capabilities } from "../../ServiceBackend.ts"
import { baseModel, lookUpModel } from "./modelName.ts"
import type { Price } from "./price.ts"

export interface KnownModel extends Capabilities {
  /** The most tokens of an answer. */
  readonly maxOutput?: number
  /** The encoding of OpenAI's tokenizer, https://github.com/openai/tiktoken/blob/main/tiktoken/model.py */
  readonly tokenizer?: "o200k" | "cl100k"
  /**
   * Whether an OpenAI model reasons before it answers: it takes `max_completion_tokens` for `max_tokens`, and no `temperature`,
   * https://platform.openai.com/docs/guides/reasoning
   */
  readonly reasoning?: boolean
  /** `undefined` where it is not known. */
  readonly price?: Price
  /** The price of a model that was fine-tuned from this one. */
  readonly fineTunedPrice?: Price
}

const of = (contextWindow: number, maxOutput: number | undefined, price?: Price, more?: KnownModel): KnownModel => ({
  contextWindow,
  ...(maxOutput !== undefined && { maxOutput }),
  ...(price !== undefined && { price }),
  ...more
})

const embedding = (contextWindow: number, input: number): KnownModel =>
  of(contextWindow, undefined, { input, output: 0, cacheRead: input, tiers: { batch: 0.5 } })

const textOnly = { images: false }

// -----------------------------------------------------------------------------
// OpenAI
// -----------------------------------------------------------------------------

const openai = (input: number, output: number, cacheRead = input, tiers: Price["tiers"] = {}): Price => ({
  input,
  output,
  cacheRead,
  tiers: { batch: 0.5, ...tiers }
})

/** Of models with the tiers flex and priority, which has the name `fast` as well. */
const tiered = (input: number, output: number, cacheRead: number, priority = 2): Price =>
  openai(input, output, cacheRead, { flex: 0.5, priority, fast: priority })

const priority = (factor: number): Price["tiers"] => ({ priority: factor, fast: factor })

const above272k = { longPrompt: { above: 272_000, input: 2, output: 1.5 } }

/** Of models with a window of a million, whose writes to the cache cost more than input. */
const cachedOnWrite = (input: number, output: number): Price => ({
  ...tiered(input, output, input / 10),
  cacheWrite: input * 1.25,
  ...above272k
})

const fineTunedPrice = (input: number, output: number, cacheRead?: number) => ({
  fineTunedPrice: openai(input, output, cacheRead)
})

const openAiModels: Readonly<Record<string, KnownModel>> = {
  "gpt-3.5-turbo": of(16_385, 4_096, openai(0.5, 1.5), { ...textOnly, ...fineTunedPrice(3, 6) }),
  "gpt-4": of(8_192, 8_192, openai(30, 60), textOnly),
  "gpt-4-0125-preview": of(128_000, 4_096, openai(10, 30), textOnly),
  "gpt-4-1106-preview": of(128_000, 4_096, openai(10, 30), textOnly),
  "gpt-4-turbo-preview": of(128_000, 4_096, openai(10, 30), textOnly),
  "gpt-4-turbo": of(128_000, 4_096, openai(10, 30)),
  "gpt-4o": of(128_000, 16_384, openai(2.5, 10, 1.25, priority(1.7)), fineTunedPrice(3.75, 15, 1.875)),
  "gpt-4o-2024-05-13": of(128_000, 4_096, openai(5, 15, 5, priority(1.75))),
  "gpt-4o-mini": of(128_000, 16_384, openai(0.15, 0.6, 0.075, priority(5 / 3)), fineTunedPrice(0.3, 1.2, 0.15)),
  "gpt-4o-mini-audio": of(128_000, 16_384, undefined, textOnly),
  "gpt-audio-mini": of(128_000, 16_384, undefined, textOnly),
  "gpt-4.1": of(1_047_576, 32_768, openai(2, 8, 0.5, priority(1.75)), fineTunedPrice(3, 12, 0.75)),
  "gpt-4.1-mini": of(1_047_576, 32_768, openai(0.4, 1.6, 0.1, priority(1.75)), fineTunedPrice(0.8, 3.2, 0.2)),
  "gpt-4.1-nano": of(1_047_576, 32_768, openai(0.1, 0.4, 0.025, priority(2)), fineTunedPrice(0.2, 0.8, 0.05)),
  "o1": of(200_000, 100_000, openai(15, 60, 7.5)),
  "o3": of(200_000, 100_000, tiered(2, 8, 0.5, 1.75)),
  "o3-mini": of(200_000, 100_000, openai(1.1, 4.4, 0.55), textOnly),
  "o3-pro": of(200_000, 100_000, openai(20, 80)),
  "o4-mini": of(200_000, 100_000, tiered(1.1, 4.4, 0.275, 2 / 1.1), fineTunedPrice(4, 16, 1)),
  "gpt-5": of(400_000, 128_000, tiered(1.25, 10, 0.125)),
  "gpt-5-mini": of(400_000, 128_000, tiered(0.25, 2, 0.025, 1.8)),
  "gpt-5-nano": of(400_000, 128_000, tiered(0.05, 0.4, 0.005)),
  "gpt-5-pro": of(400_000, 128_000, openai(15, 120)),
  "gpt-5.1": of(400_000, 128_000, tiered(1.25, 10, 0.125)),
  "gpt-5.2": of(400_000, 128_000, tiered(1.75, 14, 0.175)),
  "gpt-5.4": of(1_050_000, 128_000, { ...tiered(2.5, 15, 0.25), ...above272k }),
  "gpt-5.4-mini": of(400_000, 128_000, tiered(0.75, 4.5, 0.075)),
  "gpt-5.4-nano": of(400_000, 128_000, tiered(0.2, 1.25, 0.02)),
  "gpt-5.5": of(1_050_000, 128_000, { ...tiered(5, 30, 0.5), ...above272k }),
  "gpt-5.6-sol": of(1_050_000, 128_000, cachedOnWrite(4, 20)),
  "gpt-5.6-terra": of(1_050_000, 128_000, cachedOnWrite(2, 12)),
  "gpt-5.6-luna": of(1_050_000, 128_000, cachedOnWrite(0.2, 1.2)),
  "gpt-6-astra": { price: cachedOnWrite(10, 50) },
  "gpt-6-sol": { price: cachedOnWrite(2, 10) },
  "gpt-6-luna": of(1_050_000, undefined, cachedOnWrite(0.1, 0.5)),
  "text-embedding-3-small": embedding(8_192, 0.02),
  "text-embedding-3-large": embedding(8_192, 0.13),
  "text-embedding-ada-002": embedding(8_192, 0.1)
}

/** What all models of a family have in common, those among them that are not in the catalogue. */
const families: ReadonlyArray<readonly [name: RegExp, shared: KnownModel]> = [
  [/^(o\d|gpt-[5-9](?!.*chat))/, { tokenizer: "o200k", reasoning: true }],
  [/^(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-[5-9]|chatgpt-4o)/, { tokenizer: "o200k" }],
  [/^(gpt-4|gpt-3\.5|text-embedding-)/, { tokenizer: "cl100k" }]
]

// -----------------------------------------------------------------------------
// Anthropic
// -----------------------------------------------------------------------------

/** A write to the cache costs a quarter more than input, one for an hour twice as much. */
const anthropic = (input: number, output: number, cacheRead = input / 10): Price => ({
  input,
  output,
  cacheRead,
  cacheWrite: input * 1.25,
  cacheWriteHour: input * 2,
  tiers: { batch: 0.5 }
})

const noPrefill = { prefill: false }

/** Of models that take a prompt of a million tokens in beta only. */
const above200k = { longPrompt: { above: 200_000, input: 2, output: 1.5 } }

const anthropicModels: Readonly<Record<string, KnownModel>> = {
  "claude-3-opus": of(200_000, 4_096, anthropic(15, 75)),
  "claude-3-sonnet": of(200_000, 4_096, anthropic(3, 15)),
  "claude-3-haiku": of(200_000, 4_096, { ...anthropic(0.25, 1.25, 0.03), cacheWrite: 0.3 }),
  "claude-3-5-sonnet": of(200_000, 8_192, anthropic(3, 15)),
  "claude-3-5-haiku": of(200_000, 8_192, anthropic(0.8, 4)),
  "claude-3-7-sonnet": of(200_000, 64_000, anthropic(3, 15)),
  "claude-opus-4": of(200_000, 32_000, anthropic(15, 75)),
  "claude-opus-4-0": of(200_000, 32_000, anthropic(15, 75)),
  "claude-opus-4-1": of(200_000, 32_000, anthropic(15, 75)),
  "claude-opus-4-5": of(200_000, 64_000, anthropic(5, 25)),
  "claude-opus-4-6": of(1_000_000, 128_000, anthropic(5, 25), noPrefill),
  "claude-opus-4-7": of(1_000_000, 128_000, anthropic(5, 25), noPrefill),
  "claude-opus-4-8": of(1_000_000, 128_000, anthropic(5, 25), noPrefill),
  "claude-opus-5": of(1_000_000, 128_000, anthropic(5, 25), noPrefill),
  "claude-opus-5-5": of(1_000_000, 128_000, anthropic(4, 20, 0.2), noPrefill),
  "claude-sonnet-4": of(200_000, 64_000, { ...anthropic(3, 15), ...above200k }),
  "claude-sonnet-4-0": of(200_000, 64_000, { ...anthropic(3, 15), ...above200k }),
  "claude-sonnet-4-5": of(200_000, 64_000, { ...anthropic(3, 15), ...above200k }),
  "claude-sonnet-4-6": of(1_000_000, 64_000, anthropic(3, 15), noPrefill),
  "claude-sonnet-5": of(1_000_000, 128_000, anthropic(2, 10), noPrefill),
  "claude-sonnet-5-5": of(1_000_000, 128_000, anthropic(2, 10, 0.1), noPrefill),
  "claude-haiku-4-5": of(200_000, 64_000, anthropic(1, 5)),
  "claude-haiku-5-5": of(1_000_000, undefined, {
    ...anthropic(0.1, 0.5),
    longPrompt: { above: 100_000, input: 5, output: 5 }
  }),
  "claude-fable-5": of(1_000_000, 128_000, anthropic(10, 50), noPrefill),
  "claude-fable-5-1": of(1_000_000, 128_000, anthropic(10, 50, 0.25), noPrefill),
  "claude-fable-5-2": of(1_000_000, 128_000, undefined, noPrefill),
  "claude-mythos-5": of(1_000_000, 128_000, anthropic(10, 50), noPrefill),
  "claude-mythos-5-1": of(1_000_000, 128_000, anthropic(10, 50, 0.25), noPrefill)
}

// -----------------------------------------------------------------------------
// Google, DeepSeek, xAI
// -----------------------------------------------------------------------------

const gemini = (input: number, output: number, cacheRead = input / 10): Price => ({
  input,
  output,
  cacheRead,
  tiers: { flex: 0.5, batch: 0.5, priority: 1.8 }
})

const geminiModels: Readonly<Record<string, KnownModel>> = {
  "gemini-2.0-flash": of(1_048_576, 8_192, gemini(0.1, 0.4, 0.025)),
  "gemini-2.0-flash-lite": of(1_048_576, 8_192, gemini(0.075, 0.3, 0.075)),
  "gemini-2.5-pro": of(1_048_576, 65_536, { ...gemini(1.25, 10), ...above200k }),
  "gemini-2.5-flash": of(1_048_576, 65_536, gemini(0.3, 2.5)),
  "gemini-2.5-flash-lite": of(1_048_576, 65_536, gemini(0.1, 0.4)),
  "gemini-3-flash": of(1_048_576, 65_536, gemini(0.5, 3)),
  "gemini-3-pro": of(1_048_576, 65_536, { ...gemini(2, 12), ...above200k }),
  "gemini-3.1-pro": of(1_048_576, 65_536, { ...gemini(2, 12), ...above200k }),
  "gemini-3.1-flash-lite": of(1_048_576, 65_536, gemini(0.25, 1.5)),
  "gemini-3.5-flash": of(1_048_576, 65_536, gemini(1.5, 9)),
  "gemini-3.5-flash-lite": of(1_048_576, 65_536, gemini(0.3, 2.5)),
  "gemini-3.6-flash": of(1_048_576, 65_536, gemini(1.5, 7.5)),
  // Until the end of 2026.
  "gemini-3.7-flash": of(1_048_576, 65_536, gemini(0.75, 3.75)),
  "gemini-3.8-flash": of(1_048_576, 65_536, gemini(0.75, 3.75)),
  "gemini-4-argon": of(1_048_576, undefined),
  "gemini-embedding-001": embedding(2_048, 0.15)
}

const otherModels: Readonly<Record<string, KnownModel>> = {
  "deepseek-flash": of(1_000_000, undefined),
  "deepseek-v4-flash": of(1_000_000, 384_000, { input: 0.14, output: 0.28, cacheRead: 0.0028 }),
  "deepseek-v4-pro": of(1_000_000, 384_000, { input: 0.435, output: 0.87, cacheRead: 0.003625 }, textOnly),
  "grok-4.3": of(1_000_000, undefined, { input: 1.25, output: 2.5, cacheRead: 0.2 }),
  "grok-4.5": of(500_000, undefined, { input: 2, output: 6, cacheRead: 0.5 })
}

// -----------------------------------------------------------------------------
// Lookup
// -----------------------------------------------------------------------------

/** The entries, by the names of their models without vendor, date and variant. */
export const catalogue: Readonly<Record<string, KnownModel>> = {
  ...openAiModels,
  ...anthropicModels,
  ...geminiModels,
  ...otherModels
}

/** The entry of a model. A fine-tuned model has that of its base model, which has a `fineTunedPrice`. */
export const knownModel = (model: string): KnownModel => {
  const base = baseModel(model)
  const entry = lookUpModel(catalogue, base)
  const name = base.slice(base.lastIndexOf("/") + 1).toLowerCase()
  const shared = families.find(([family]) => family.test(name))?.[1]
  return { ...shared, ...entry }
}

/** The capabilities of a model that are known by its name. */
export const capabilitiesOf = (model: string): Capabilities => {
  const { contextWindow, images, prefill, tools } = knownModel(model)
  return {
    ...(contextWindow !== undefined && { contextWindow }),
    ...(images !== undefined && { images }),
    ...(prefill !== undefined && { prefill }),
    ...(tools !== undefined && { tools })
  }
}
