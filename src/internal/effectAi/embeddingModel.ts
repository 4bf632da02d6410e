/** A model as an `EmbeddingModel` of Effect AI. */
import * as AiError from "effect/ai/AiError"
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { NormalizedResponse } from "../../Calling.ts"
import type { BackendError, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { CallArguments, Key, Priority } from "../executor/references.ts"
import { batchesOf } from "./embeddingBatches.ts"
import { toAiError } from "./errors.ts"

/** What is needed of a model. */
interface Embedder {
  readonly provider: string
  readonly respond: (
    args: { readonly input: ReadonlyArray<string> }
  ) => Effect.Effect<NormalizedResponse, TimeoutError | PermissionDenied | BackendError>
}

/** How many batches are embedded at once. */
const concurrency = 8

export const makeEmbeddingModel = (model: Embedder): Effect.Effect<EmbeddingModel.EmbeddingModel> => {
  const embed = Effect.fnUntraced(function*(input: ReadonlyArray<string>) {
    const response = yield* Effect.mapError(
      model.respond({ ...yield* CallArguments, input }),
      toAiError("embedMany")
    )
    const vectors = decodeVectors(response.value)
    if (Option.isNone(vectors)) {
      return yield* invalid("The value of the answer is not vectors: is it a backend of embeddings?")
    }
    if (vectors.value.length !== input.length) {
      return yield* invalid(`There are ${vectors.value.length} vectors for ${input.length} texts`)
    }
    return { vectors: vectors.value, tokens: response.usage.inputTokens.total }
  })
  return EmbeddingModel.make({
    batchKey: regionOf,
    embedMany: ({ inputs }) =>
      Effect.map(
        Effect.forEach(batchesOf(model.provider, inputs), embed, { concurrency }),
        (answers) => ({
          results: answers.flatMap(({ vectors }) => vectors),
          usage: { inputTokens: answers.reduce<number | undefined>(plus, 0) }
        })
      )
  })
}

/** Not known as long as one of them is not. */
const plus = (sum: number | undefined, { tokens }: { readonly tokens: number | undefined }): number | undefined =>
  sum === undefined || tokens === undefined ? undefined : sum + tokens

const decodeVectors = Schema.decodeUnknownOption(
  Schema.mutable(Schema.Array(Schema.mutable(Schema.Array(Schema.Finite))))
)

const invalid = (description: string) =>
  Effect.fail(AiError.make({
    module: "iModel",
    method: "embedMany",
    reason: new AiError.InvalidOutputError({ description })
  }))

/** A call is made with the settings of one region: what another region asks goes into another call. */
const regionOf = (context: Context.Context<never>): unknown => [
  Context.get(context, Priority),
  Context.get(context, Key),
  Context.get(context, CallArguments)
]
