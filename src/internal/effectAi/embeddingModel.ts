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
import { toAiError } from "./errors.ts"

/** What is needed of a model. */
interface Embedder {
  readonly respond: (
    args: { readonly input: ReadonlyArray<string> }
  ) => Effect.Effect<NormalizedResponse, TimeoutError | PermissionDenied | BackendError>
}

export const makeEmbeddingModel = (model: Embedder): Effect.Effect<EmbeddingModel.EmbeddingModel> =>
  EmbeddingModel.make({
    batchKey: regionOf,
    embedMany: Effect.fnUntraced(function*({ inputs }) {
      const response = yield* Effect.mapError(
        model.respond({ ...yield* CallArguments, input: inputs }),
        toAiError("embedMany")
      )
      const vectors = decodeVectors(response.value)
      if (Option.isNone(vectors)) return yield* noVectors
      return { results: vectors.value, usage: { inputTokens: response.usage.inputTokens.total } }
    })
  })

const decodeVectors = Schema.decodeUnknownOption(
  Schema.mutable(Schema.Array(Schema.mutable(Schema.Array(Schema.Finite))))
)

const noVectors = Effect.fail(AiError.make({
  module: "iModel",
  method: "embedMany",
  reason: new AiError.InvalidOutputError({
    description: "The value of the answer is not vectors: is it a backend of embeddings?"
  })
}))

/** A call is made with the settings of one region: what another region asks goes into another call. */
const regionOf = (context: Context.Context<never>): unknown => [
  Context.get(context, Priority),
  Context.get(context, Key),
  Context.get(context, CallArguments)
]
