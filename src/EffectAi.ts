/**
 * A model as the `LanguageModel` and the `EmbeddingModel` of Effect AI. `ServiceBackend.fromLanguageModel` and
 * `ServiceBackend.fromEmbeddingModel` go the other way.
 *
 * @since 0.1.0
 */
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as AiModel from "effect/ai/Model"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { makeEmbeddingModel as embedding } from "./internal/effectAi/embeddingModel.ts"
import { makeLanguageModel as language } from "./internal/effectAi/languageModel.ts"
import { iModel, type Model } from "./Model.ts"
import type { ChatArguments } from "./ServiceBackend.ts"

/**
 * Makes a `LanguageModel` of Effect AI from a model with a chat backend. See `layerLanguageModel`.
 *
 * **Example** (A model with its own tag)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { LanguageModel } from "effect/ai"
 * import { Anthropic, iModel } from "effect-imodel"
 *
 * class Claude extends iModel.Service<Claude>()("app/Claude", {
 *   backend: Anthropic.makeMessages({ model: "claude-sonnet-4-5" }),
 *   limitRequests: 50
 * }) {}
 *
 * const layer = Layer.effect(LanguageModel.LanguageModel, Effect.flatMap(Claude, iModel.makeLanguageModel)).pipe(
 *   Layer.provide(Claude.layer)
 * )
 * ```
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const makeLanguageModel: (model: Model<ChatArguments>) => Effect.Effect<LanguageModel.LanguageModel> = language

/**
 * Provides the program's model as the `LanguageModel` of Effect AI, so that `generateText`, `generateObject`, `streamText`, `Chat`
 * and `Toolkit` run under its limits.
 *
 * **Details**
 *
 * An answer that the provider paused continues in further calls, and one that ended with an error is requested again, at most
 * twice in a row. Its usage is the sum of all calls.
 *
 * The spans of the wait and of each attempt are children of the span of Effect AI; only the attempt has the usage. Objects are
 * requested in the JSON schema dialect of the provider (OpenAI's has no optional properties, for example); the returned text is
 * plain JSON.
 *
 * Priority, key and `CallArguments` are those of the caller's region. Errors are an `AiError` of the same reason. Others become the
 * following reasons, from which `fromAiError` returns the original:
 *
 * - `RateLimitError`: `TimeoutError` in the queue, `LimitExceeded`, `QueueFull`
 * - `InternalProviderError`: `TimeoutError` of a running call
 * - `InvalidRequestError`: `CostExceedsCapacity`, `ContextLengthExceeded`, `Unsupported`
 * - `InvalidResponseError`: `StreamInterrupted`
 * - `UnknownError`: everything else
 *
 * **Example** (A conversation under a limit)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Chat } from "effect/ai"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const chat = yield* Chat.empty
 *   yield* chat.generateText({ prompt: "My name is Ada." })
 *   return yield* chat.generateText({ prompt: "What is my name?" })
 * }).pipe(
 *   Effect.provide(iModel.layerLanguageModel.pipe(
 *     Layer.provide(iModel.layer({ limitRequests: 500 })),
 *     Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini" }))
 *   ))
 * )
 * ```
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const layerLanguageModel: Layer.Layer<
  LanguageModel.LanguageModel | AiModel.ProviderName | AiModel.ModelName,
  never,
  iModel
> = Layer.effectContext(Effect.gen(function*() {
  const model = yield* iModel
  return Context.add(named(model), LanguageModel.LanguageModel, yield* makeLanguageModel(model))
}))

/**
 * Makes an `EmbeddingModel` of Effect AI from a model with an embeddings backend. See `layerEmbeddingModel`.
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const makeEmbeddingModel: (
  model: Model<{ readonly input: ReadonlyArray<string> }>
) => Effect.Effect<EmbeddingModel.EmbeddingModel> = embedding

/**
 * Provides the program's model as the `EmbeddingModel` of Effect AI. Texts that are embedded one by one at the same time are
 * batched into one call, if their priority, key and `CallArguments` are the same. Batches are split by the provider's maximum per
 * request (OpenAI 2,048 texts and 300,000 tokens, Gemini 100 texts). Errors are those of `layerLanguageModel`.
 *
 * **Example** (Two texts, one call)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { EmbeddingModel } from "effect/ai"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const model = yield* EmbeddingModel.EmbeddingModel
 *   return yield* Effect.all([model.embed("blue"), model.embed("red")], { concurrency: "unbounded" })
 * }).pipe(
 *   Effect.provide(iModel.layerEmbeddingModel.pipe(
 *     Layer.provide(iModel.layer({ limitRequests: 3_000 })),
 *     Layer.provide(OpenAi.layerEmbeddings({ model: "text-embedding-3-small" }))
 *   ))
 * )
 * ```
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const layerEmbeddingModel: Layer.Layer<
  EmbeddingModel.EmbeddingModel | AiModel.ProviderName | AiModel.ModelName,
  never,
  iModel
> = Layer.effectContext(Effect.gen(function*() {
  const model = yield* iModel
  return Context.add(named(model), EmbeddingModel.EmbeddingModel, yield* makeEmbeddingModel(model))
}))

const named = ({ name, provider }: Model) =>
  Context.add(AiModel.ProviderName.context(provider), AiModel.ModelName, name)

export { fromAiError } from "./internal/effectAi/errors.ts"
