/** How much providers take in one request of embeddings, as they document it. */

export interface EmbeddingLimits {
  readonly inputs: number
  /** Of all inputs together. */
  readonly tokens: number
}

const openai: EmbeddingLimits = { inputs: 2_048, tokens: 300_000 }
const unlimited: EmbeddingLimits = { inputs: Number.POSITIVE_INFINITY, tokens: Number.POSITIVE_INFINITY }

/** By the provider of a model. */
export const embeddingLimits: ReadonlyMap<string, EmbeddingLimits> = new Map([
  // https://platform.openai.com/docs/api-reference/embeddings/create
  ["openai", openai],
  ["azure", openai],
  // https://ai.google.dev/gemini-api/docs/embeddings, batchEmbedContents
  ["gemini", { inputs: 100, tokens: Number.POSITIVE_INFINITY }],
  // https://docs.mistral.ai/capabilities/embeddings
  ["mistral", { inputs: 512, tokens: 16_384 }],
  ["ollama", unlimited],
  ["vllm", unlimited]
])

/** What is wrong with so many inputs of one request; `undefined` if nothing is. */
export const tooManyInputs = (provider: string, count: number): string | undefined => {
  const { inputs } = embeddingLimits.get(provider) ?? unlimited
  return count > inputs
    ? `${provider} takes at most ${inputs} inputs in one request, got ${count}. Split them, ` +
      "or call embedMany of the EmbeddingModel of iModel.layerEmbeddingModel, which splits and joins"
    : undefined
}
