/**
 * The schemas of OpenAI's embeddings.
 *
 * Source: https://platform.openai.com/docs/api-reference/embeddings
 */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { NormalizedResponse } from "../../Calling.ts"
import { nullable, TokenCount } from "../chat/arguments.ts"
import { tooManyInputs } from "../chat/embeddingLimits.ts"
import type { Tolerance } from "../http/tolerantDecoder.ts"

const Tokens = Schema.Array(Schema.Int).check(Schema.isMinLength(1))

/** The arguments of a call. */
export const embeddingRequest = (provider: string, model: string) =>
  Schema.Struct({
    model: Schema.String.pipe(Schema.withDecodingDefault(Effect.succeed(model))),
    input: Schema.Union([
      Schema.String,
      Schema.Array(Schema.String).check(Schema.isMinLength(1)),
      Tokens,
      Schema.Array(Tokens).check(Schema.isMinLength(1))
    ]),
    dimensions: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
    // Less than half of the bytes, as OpenAI's own SDK asks for it, too.
    encoding_format: Schema.Literals(["float", "base64"]).pipe(Schema.withDecodingDefault(Effect.succeed("base64"))),
    user: Schema.optional(Schema.String)
  }).check(Schema.makeFilter(({ input }) => {
    const issue = tooManyInputs(provider, inputsIn(input))
    return issue === undefined ? undefined : { path: ["input"], issue }
  }))

export type EmbeddingRequest = ReturnType<typeof embeddingRequest>

/** A call that is made of tokens costs as many; one of texts is estimated. */
export const tokensOf = ({ input }: EmbeddingRequest["Type"]): number | undefined =>
  typeof input === "string" || input.some((item) => typeof item === "string")
    ? undefined
    : input.reduce<number>((sum, item) => sum + (Array.isArray(item) ? item.length : 1), 0)

const bytesPerFloat = 4

/** Numbers of 32 bits, the lowest byte first. */
const FloatsFromBase64 = Schema.Uint8ArrayFromBase64.check(
  Schema.makeFilter(({ length }) => length % bytesPerFloat === 0 || "whole numbers of 32 bits")
).pipe(
  Schema.decodeTo(Schema.Array(Schema.Finite), {
    decode: SchemaGetter.transform(({ buffer, byteLength, byteOffset }) => {
      const view = new DataView(buffer, byteOffset, byteLength)
      return Array.from(
        { length: byteLength / bytesPerFloat },
        (_, i) => view.getFloat32(i * bytesPerFloat, true)
      )
    }),
    encode: SchemaGetter.forbidden(() => "Embeddings are only decoded")
  })
)

export const Embeddings = Schema.Struct({
  object: Schema.optional(Schema.String),
  model: nullable(Schema.String),
  data: Schema.Array(Schema.Struct({
    object: nullable(Schema.String),
    /** Zero is left out by servers that answer in the JSON of protocol buffers. */
    index: nullable(Schema.Int),
    /** Decoded, in whichever format it came. */
    embedding: Schema.Union([Schema.Array(Schema.Finite), FloatsFromBase64])
  })),
  usage: nullable(Schema.Struct({
    prompt_tokens: nullable(TokenCount),
    total_tokens: nullable(TokenCount)
  }))
})

/** The fields that are the answer itself. */
export const tolerance: Tolerance = { essential: new Set(["data", "embedding", "index"]) }

type Vector = (typeof Embeddings.Type)["data"][number]

export const normalize = Effect.fnUntraced(function*(
  { data, model, usage }: typeof Embeddings.Type,
  { input }: EmbeddingRequest["Type"]
): Effect.fn.Return<Partial<NormalizedResponse<typeof Embeddings.Type>>, AiError.InvalidResponseError> {
  const ordered = inOrder(data)
  const count = inputsIn(input)
  if (ordered === undefined || ordered.length !== count) {
    const indexes = data.map(({ index }) => index ?? 0).join(", ")
    const description = data.length > 20 ? `${data.length} vectors` : `vectors with the indexes ${indexes}`
    return yield* new AiError.InvalidResponseError({
      description: `${description} for ${count} inputs: some are missing`
    })
  }
  return {
    value: ordered.map(({ embedding }) => embedding),
    usage: { inputTokens: { total: usage?.prompt_tokens ?? usage?.total_tokens ?? undefined }, outputTokens: {} },
    metadata: { ...(model != null && { model }) }
  }
})

/** By their indexes, or as they came where they have none or all have zero; `undefined` where some are missing or there twice. */
const inOrder = (data: ReadonlyArray<Vector>): ReadonlyArray<Vector> | undefined => {
  if (data.every(({ index }) => (index ?? 0) === 0)) return data
  const ordered = data.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0))
  return ordered.every(({ index }, i) => (index ?? 0) === i) ? ordered : undefined
}

/** A list of numbers is one input, in tokens. */
const inputsIn = (input: string | ReadonlyArray<unknown>): number =>
  typeof input === "string" || typeof input[0] === "number" ? 1 : input.length
