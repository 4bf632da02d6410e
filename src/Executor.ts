/**
 * Admits callings under request and token limits, and runs them on a pool of fibers.
 *
 * Callings wait in a priority queue. One dispatcher fiber takes the cost of the first calling from all limits, or from none, and
 * starts it. While it cannot start, the dispatcher sleeps until its tokens are available, a place in the pool is free, or the
 * queue has changed; it does not poll. Limits are corrected by the usage of each answer and by the provider's rate-limit headers.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import * as Effect from "effect/Effect"
import * as internal from "./internal/executor/executor.ts"
import { Executor, type Options } from "./internal/executor/options.ts"
import * as Settings from "./internal/executor/settings.ts"

export { Executor, TypeId } from "./internal/executor/options.ts"
export type { Counts, Options, QueueOptions, Snapshot, SubmitOptions } from "./internal/executor/options.ts"

export { Key, Priority } from "./internal/executor/references.ts"

/**
 * Makes an executor. Closing its scope interrupts running callings and rejects queued ones.
 *
 * Fails with `IllegalArgumentError` for an invalid option, and with `RateLimiterError` when the store of a bucket fails.
 *
 * **Example** (Limits shared by several models)
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
  Effect.flatMap(Settings.make(options), internal.make)

/**
 * Provides an executor to all models built over it that state no limits of their own.
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
