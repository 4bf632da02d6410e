/** Texts to be embedded, in batches that a provider takes in one request. */
import { type EmbeddingLimits, embeddingLimits } from "../chat/embeddingLimits.ts"

/** Of a provider that is not known, and of several models that are asked in turn. */
const least: EmbeddingLimits = { inputs: 100, tokens: 16_384 }

/** More than there are: English has about four bytes a token, other scripts three, digits and code fewer than four. */
const bytesPerToken = 3

const encoder = new TextEncoder()

/** In the order of the texts. A text that alone has more tokens than a batch may have is a batch of its own. */
export const batchesOf = (provider: string, texts: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => {
  const { inputs, tokens } = embeddingLimits.get(provider) ?? least
  const batches: Array<ReadonlyArray<string>> = []
  let batch: Array<string> = []
  let taken = 0
  for (const text of texts) {
    const size = tokens === Number.POSITIVE_INFINITY ? 0 : encoder.encode(text).length / bytesPerToken
    if (batch.length > 0 && (batch.length === inputs || taken + size > tokens)) {
      batches.push(batch)
      batch = []
      taken = 0
    }
    batch.push(text)
    taken += size
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
