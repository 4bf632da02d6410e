/**
 * Admits callings, under request and token limits, and runs them on a pool of fibers.
 *
 * Submitted callings stand in one line. One dispatcher fiber looks at whose turn it is, takes what that costs from all limits
 * or from none, and starts it. When it cannot start yet, the dispatcher sleeps until its tokens are due, a fiber of the pool
 * is free, or the line has changed: nothing polls. What a call really used, and what the provider says of its limits, goes
 * back into the limits.
 *
 * Until a provider has answered for the first time, half of each limit is kept back, for a second at most.
 *
 * **Details** (Metrics)
 *
 * `imodel_queued`, `imodel_running`, `imodel_wait_millis`, `imodel_admitted_requests`, `imodel_admitted_tokens`, `imodel_denials`,
 * `imodel_retries`, `imodel_pauses` and `imodel_store_away`, by the attributes `executor` and `model`. In a program that traces,
 * each wait is a span `iModel.wait`.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import * as Effect from "effect/Effect"
import * as Dispatcher from "./internal/executor/dispatcher.ts"
import { Executor, type Options } from "./internal/executor/options.ts"
import * as Settings from "./internal/executor/settings.ts"

export { Executor, TypeId } from "./internal/executor/options.ts"
export type { Counts, Options, Snapshot, SubmitOptions } from "./internal/executor/options.ts"

export { Key, Priority } from "./internal/executor/references.ts"

/**
 * Makes an executor that lives in the current scope: closing the scope interrupts what runs and refuses what waits.
 *
 * Fails with `IllegalArgumentError` when an option is wrong, and with `RateLimiterError` when a bucket that is to be made
 * cannot be, since its store fails.
 *
 * **Example** (An executor of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Executor } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const executor = yield* Executor.make({ requests: { capacity: 500, window: "1 minute" }, concurrency: 20 })
 *   const { limits, running } = yield* executor.snapshot
 *   return { requests: limits.requests, running }
 * })
 *
 * console.log(await Effect.runPromise(Effect.scoped(program))) // => { requests: { available: 500, capacity: 500 }, running: 0 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options
): Effect.Effect<Executor, Cause.IllegalArgumentError | RateLimiter.RateLimiterError, Scope.Scope> =>
  Effect.flatMap(Settings.make(options), Dispatcher.make)

/**
 * Provides one executor to all models that are built over it and state no limits of their own.
 *
 * **Example** (Two models of one account)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Executor, iModel, OpenAi } from "effect-imodel"
 *
 * class Small extends iModel.Service<Small>()("app/Small", { backend: OpenAi.makeChat({ model: "gpt-4o-mini" }) }) {}
 * class Large extends iModel.Service<Large>()("app/Large", { backend: OpenAi.makeChat({ model: "gpt-4o" }) }) {}
 *
 * const models = Layer.mergeAll(Small.layer, Large.layer).pipe(
 *   Layer.provide(Executor.layer({ requests: { capacity: 500, window: "1 minute", headroom: "150 millis" } })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options
): Layer.Layer<Executor, Cause.IllegalArgumentError | RateLimiter.RateLimiterError> =>
  Layer.effect(Executor, make(options))
