/**
 * The schemas of OpenAI's embeddings.
 *
 * Source: https://platform.openai.com/docs/api-reference/embeddings
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { NormalizedResponse } from "../../Calling.ts"
import { nullable } from "../chat/arguments.ts"

const Tokens = Schema.Array(Schema.Int).check(Schema.isMinLength(1))

/** The arguments of a call. */
export const embeddingRequest = (model: string) =>
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
  })

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
  model: Schema.String,
  data: Schema.Array(Schema.Struct({
    object: Schema.optional(Schema.String),
    index: Schema.Int,
    /** Decoded, in whichever format it came. */
    embedding: Schema.Union([Schema.Array(Schema.Finite), FloatsFromBase64])
  })),
  usage: nullable(Schema.Struct({
    prompt_tokens: Schema.Int,
    total_tokens: Schema.optional(Schema.Int)
  }))
})

export const normalize = (
  { data, model, usage }: typeof Embeddings.Type
): Effect.Effect<Partial<NormalizedResponse<typeof Embeddings.Type>>> =>
  Effect.succeed({
    value: data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding),
    usage: { inputTokens: { total: usage?.prompt_tokens }, outputTokens: {} },
    metadata: { model }
  })
