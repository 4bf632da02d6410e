/**
 * One backend of several models: a primary with those that stand in for it, or equals that share the load. `iModel.fallback` and
 * `iModel.balance` make models of them.
 *
 * Each model keeps its own limits, queue and retries; here it is settled who is asked, for how long, and who is asked next.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Model } from "./Model.ts"
import { composed } from "./internal/configuration/json.ts"
import * as Order from "./internal/routing/order.ts"
import * as internal from "./internal/routing/route.ts"
import type { Backend } from "./ServiceBackend.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * Several models, of any types.
 *
 * @category models
 * @since 0.1.0
 */
export type Models = Arr.NonEmptyReadonlyArray<Model<never>>

/**
 * The arguments that all of the models take: those that they have in common.
 *
 * @category models
 * @since 0.1.0
 */
export type ArgsOf<Several extends ReadonlyArray<Model<never>>> = Several extends
  readonly [Model<infer Args>, ...infer Rest extends Models] ? Common<Args, ArgsOf<Rest>>
  : Several extends ReadonlyArray<Model<infer Args>> ? Args
  : never

// What only one of them knows the others would refuse.
type Common<A, B> = [A, B] extends [B, A] ? A : Pick<A & B, keyof A & keyof B>

/**
 * What one of the models answers with.
 *
 * @category models
 * @since 0.1.0
 */
export type DataOf<Several extends ReadonlyArray<Model<never>>> = Several[number] extends Model<never, infer Data> ?
  Data
  : never

/**
 * @category options
 * @since 0.1.0
 */
export interface CommonOptions {
  /** How many attempts a call makes at one model, if its backend makes more than one at all. @default 3 */
  readonly attempts?: number | undefined
  /**
   * The longest rest before another attempt at the same model. When a provider asks for a longer one (`retry-after`), the next
   * model is asked. The last one is waited for as long as its backend's `retry` says.
   * @default 10 seconds
   */
  readonly patience?: Duration.Input | undefined
  /**
   * How long a model is left alone after it was given up: after its last attempt or its silence, unless others were answered by
   * it meanwhile, or after a limit that it told of, which may be longer. Then one call tries it, once, while the others go on
   * without it. When all others fail it is asked all the same.
   * @default 10 seconds
   */
  readonly cooldown?: Duration.Input | undefined
  /**
   * How long a model has for an answer, or for the first part of one that streams, its queue included, before the next one is
   * asked; and, where `restart` keeps the parts, how long it may be silent in the middle. The last one has what is left.
   * @default 2 minutes, or its even share of what is left of the `timeout` of the call if that is less
   */
  readonly answerTimeout?: Duration.Input | undefined
  /**
   * Whether an answer that breaks off in the middle of a stream is begun again, by the next model. The parts are kept until the
   * answer is whole then, so that nobody reads the beginning of one and the end of another.
   * @default false: the stream fails with what came until then (`StreamInterrupted`)
   */
  readonly restart?: boolean | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface BalanceOptions<Several extends ReadonlyArray<Model<never>> = Models> extends CommonOptions {
  /**
   * Who is asked first:
   *
   * - `"capacity"`: the one with the most left of its limits, less what waits in its line already; among those without limits,
   *   the least busy
   * - `"least-busy"`: the one with the fewest callings that wait or run
   * - `{ weights }`: in turn, each as often as its weight says
   *
   * @default "capacity"
   */
  readonly strategy?:
    | "capacity"
    | "least-busy"
    | { readonly weights: { readonly [Index in keyof Several]: number } }
    | undefined
}

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes a backend that asks the first model, and the next one when that fails; for the program's own `ServiceBackend`. See
 * `iModel.fallback` for a model.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
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
  Effect.suspend(() => {
    const routes = internal.routesOf<ArgsOf<Several>, DataOf<Several>>(models)
    return Effect.map(
      internal.make("fallback", routes, () => Effect.succeed(routes), options),
      (backend) => composed(backend, "fallback", models, options)
    )
  })

/**
 * Makes a backend that spreads calls over models; for the program's own `ServiceBackend`. See `iModel.balance` for a model.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const balance = <const Several extends Models>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<ArgsOf<Several>, DataOf<Several>>>,
  options: BalanceOptions<Several> = {}
): Effect.Effect<Backend<ArgsOf<Several>, DataOf<Several>>, Cause.IllegalArgumentError> =>
  Effect.suspend(() => {
    const routes = internal.routesOf<ArgsOf<Several>, DataOf<Several>>(models)
    const { strategy = "capacity" } = options
    const order = strategy === "capacity"
      ? Order.capacity(routes)
      : strategy === "least-busy"
      ? Order.leastBusy(routes)
      : Order.weighted(routes, strategy.weights)
    return Effect.map(
      Effect.flatMap(order, (order) => internal.make("balance", routes, Order.apart(order), options)),
      (backend) => composed(backend, "balance", models, options)
    )
  })
