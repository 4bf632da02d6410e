/** Embeddings: https://platform.openai.com/docs/api-reference/embeddings. */
import * as Encoding from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { vendor } from "./openAi.ts"
import { countTokens, type Operation, reader, strict } from "./wire.ts"

const EmbeddingsBody = Schema.Struct({
  model: Schema.String,
  input: Schema.Union([
    Schema.NonEmptyString,
    Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(2048)),
    Schema.Array(Schema.Int).check(Schema.isMinLength(1), Schema.isMaxLength(2048)),
    Schema.Array(Schema.Array(Schema.Int)).check(Schema.isMinLength(1), Schema.isMaxLength(2048))
  ]),
  dimensions: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
  encoding_format: Schema.optional(Schema.Literals(["float", "base64"])),
  user: Schema.optional(Schema.String)
})

/** Of `text-embedding-3-small`. */
const defaultDimensions = 1536

export const embeddings: Operation = {
  vendor,
  path: /\/embeddings$/,
  read: strict(
    EmbeddingsBody,
    reader(EmbeddingsBody, ({ dimensions = defaultDimensions, encoding_format: format, input, model }) => {
      const inputs = typeof input === "string"
        ? [input]
        : input.every((item) => typeof item === "number")
        ? [input.join(" ")]
        : input.map((item) => typeof item === "string" ? item : String(item))
      return Result.succeed({
        model,
        prompt: inputs.join("\n"),
        maxTokens: undefined,
        stream: false,
        want: {
          _tag: "Embedding",
          inputs,
          dimensions,
          write: (vectors) => {
            const tokens = inputs.reduce((sum, text) => sum + countTokens(text), 0)
            return {
              object: "list",
              data: vectors.map((vector, index) => ({
                object: "embedding",
                index,
                embedding: format === "base64" ? base64Of(vector) : vector
              })),
              model,
              usage: { prompt_tokens: tokens, total_tokens: tokens }
            }
          }
        }
      })
    })
  )
}

/** Floats of 32 bits, the least significant byte first. */
const base64Of = (vector: ReadonlyArray<number>): string => {
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  vector.forEach((x, i) => view.setFloat32(i * 4, x, true))
  return Encoding.encode(new Uint8Array(view.buffer))
}
