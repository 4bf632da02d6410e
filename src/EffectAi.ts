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
 * Makes a `LanguageModel` of Effect AI out of a model whose backend is one of chat. See `layerLanguageModel`.
 *
 * **Example** (Of a model with a tag of its own)
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
 * Provides the program's model as the `LanguageModel` of Effect AI, so that what is written for that (`generateText`,
 * `generateObject`, `streamText`, `Chat`, `Toolkit`) runs under its limits.
 *
 * An answer that its provider pauses goes on in further calls, and one that ended with an error is asked for again, twice in a
 * row at most; its usage is that of all of them.
 *
 * Below the span of Effect AI are those of the wait and of each attempt, and only the attempt has the usage. An object is asked for
 * in the dialect of the provider (OpenAI's knows nothing optional, for example); the text that is handed on is plain JSON.
 *
 * Priority, key and `CallArguments` are those of the region that calls. An error is an `AiError` of the same reason; what Effect
 * AI has no word for is found by `fromAiError`, in
 *
 * - `RateLimitError`: out of time in the queue, `LimitExceeded`, `QueueFull`
 * - `InternalProviderError`: out of time while it ran
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
 * Makes an `EmbeddingModel` of Effect AI out of a model whose backend is one of embeddings. See `layerEmbeddingModel`.
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const makeEmbeddingModel: (
  model: Model<{ readonly input: ReadonlyArray<string> }>
) => Effect.Effect<EmbeddingModel.EmbeddingModel> = embedding

/**
 * Provides the program's model as the `EmbeddingModel` of Effect AI. Texts that are embedded one by one at the same moment go
 * together in one call, if their priority, key and `CallArguments` are the same; more texts or tokens than the provider takes in one
 * request (of OpenAI 2,048 and 300,000, of Gemini 100 texts) go in several. Its errors are those of `layerLanguageModel`.
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
