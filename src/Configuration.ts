/**
 * Models as data: written as JSON, and made again from it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Schema from "effect/Schema"
import type { ConfigurationError } from "./Errors.ts"
import * as internal from "./internal/configuration/json.ts"
import { readModel } from "./internal/configuration/read.ts"
import { restore } from "./internal/configuration/restore.ts"
import { iModel, type Model } from "./Model.ts"

/**
 * A model as JSON: its backend, its limits and its other options, to be made again by `layerFromJson`. The key is there by the name
 * of its environment variable alone. What was given and is no data is `null`: functions, hooks, an executor made elsewhere, a key
 * by its value, and a backend other than those of `Provider`. What `fallback` and `balance` made has its models in it; one that was
 * given twice is there twice, and will be two models.
 *
 * **Example** (What a model was made of)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.log(iModel.toJson(yield* iModel.iModel))
 * })
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const toJson: (model: Model<never>) => Schema.JsonObject = internal.toJson

/**
 * Provides `iModel` from JSON, as `toJson` writes it or as people write it. The model is new: it has a fresh `id` and full limits.
 * Durations are milliseconds or strings such as `"1 minute"`.
 *
 * Fails with `ConfigurationError`, which has the path of the field, for
 *
 * - an unknown field, an invalid value, or another version
 * - an unknown provider
 * - a key in place of the name of its environment variable, or a variable that is not set
 * - a `null`, which stands for a part that could not be written
 *
 * Fails with `RateLimiterError` when the store of a `RateLimiter` in context fails.
 *
 * `ServiceRegistry.layerFromFile` has several models by name, from one file.
 *
 * **Example** (A model that is written down)
 *
 * ```ts
 * import { iModel } from "effect-imodel"
 *
 * const model = iModel.layerFromJson({
 *   version: 1,
 *   backend: { provider: "openai", endpoint: "chat", model: "gpt-4o-mini", apiKey: "OPENAI_API_KEY" },
 *   limitRequests: 500,
 *   timeout: "10 minutes"
 * })
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const layerFromJson = (
  json: unknown
): Layer.Layer<iModel, ConfigurationError | RateLimiter.RateLimiterError, HttpClient.HttpClient> =>
  Layer.effect(iModel, Effect.flatMap(readModel(json), (model) => restore(model, [], new Map())))
