/**
 * One backend of several models: failover and load balancing. `iModel.fallback` and `iModel.balance` make models of them.
 *
 * Each model keeps its own limits, queue and retries.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Model } from "./Model.ts"
import { composed } from "./internal/configuration/json.ts"
import { checkBalance, checkFallback, checkModels } from "./internal/routing/options.ts"
import * as Order from "./internal/routing/order.ts"
import * as internal from "./internal/routing/route.ts"
import type { Backend } from "./ServiceBackend.ts"
import type { ArgsOf, BalanceOptions, CommonOptions, DataOf, Models } from "./internal/routing/options.ts"

export type { ArgsOf, BalanceOptions, CommonOptions, DataOf, Models } from "./internal/routing/options.ts"

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes a backend that calls the first model, and the next one when that fails.
 *
 * **When to use**
 *
 * Use to provide the program's `ServiceBackend`. Use `iModel.fallback` for a model.
 *
 * Fails with `IllegalArgumentError` for an invalid option.
 *
 * **Example** (The program's model)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Anthropic, iModel, OpenAi, Route, ServiceBackend } from "effect-imodel"
 *
 * const either = Effect.gen(function*() {
 *   const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o" }), { limitRequests: 500 })
 *   const claude = yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-sonnet-4-5" }))
 *   return yield* Route.fallback([gpt, claude])
 * })
 *
 * const model = iModel.layer({ timeout: "1 minute" }).pipe(
 *   Layer.provide(ServiceBackend.layer(either)),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(Effect.provide(model))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fallback = <const Several extends Models>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<ArgsOf<Several>, DataOf<Several>>>,
  options: CommonOptions = {}
): Effect.Effect<Backend<ArgsOf<Several>, DataOf<Several>>, Cause.IllegalArgumentError> =>
  Effect.gen(function*() {
    yield* checkModels("a fallback", models)
    yield* checkFallback(options)
    const routes = internal.routesOf<ArgsOf<Several>, DataOf<Several>>(models)
    const backend = yield* internal.make("fallback", routes, () => Effect.succeed(routes), options)
    return composed(backend, "fallback", models, options)
  })

/**
 * Makes a backend that distributes calls over models.
 *
 * **When to use**
 *
 * Use to provide the program's `ServiceBackend`. Use `iModel.balance` for a model.
 *
 * Fails with `IllegalArgumentError` for an invalid option.
 *
 * @category constructors
 * @since 0.1.0
 */
export const balance = <const Several extends Models>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<ArgsOf<Several>, DataOf<Several>>>,
  options: BalanceOptions<Several> = {}
): Effect.Effect<Backend<ArgsOf<Several>, DataOf<Several>>, Cause.IllegalArgumentError> =>
  Effect.gen(function*() {
    yield* checkModels("a balance", models)
    yield* checkBalance(options)
    const routes = internal.routesOf<ArgsOf<Several>, DataOf<Several>>(models)
    const { strategy = "capacity" } = options
    const order = strategy === "capacity"
      ? Order.capacity(routes)
      : strategy === "least-busy"
      ? Order.leastBusy(routes)
      : Order.weighted(routes, strategy.weights)
    const backend = yield* internal.make("balance", routes, Order.apart(yield* order), options)
    return composed(backend, "balance", models, options)
  })
