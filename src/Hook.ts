/**
 * Middleware for the callings of a model: rewrite arguments, reject, observe, recover from errors, answer without the backend,
 * and transform the parts of a stream.
 *
 * A hook wraps a calling as a whole, with its wait for admission and all of its attempts. It runs once for each calling, however
 * many fibers wait for it. A calling that a hook rejects or answers takes no quota and no place in the queue. Interrupting the
 * caller interrupts its hooks. A calling with invalid arguments fails when it is created, before `preInvocation` and middleware.
 *
 * **Example** (Rejecting calls without a user)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hook, iModel } from "effect-imodel"
 *
 * const signedIn = Hook.make({
 *   name: "signed-in",
 *   preInvocation: (calling) => calling.metadata["user"] === undefined ? Effect.fail("no user") : Effect.void
 * })
 *
 * const model = iModel.layer({ limitRequests: 500, hooks: [signedIn, Hook.logging()] })
 * ```
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Calling, StreamPart } from "./Calling.ts"
import * as internal from "./internal/hooks/make.ts"
import * as internalParams from "./internal/hooks/params.ts"
import {
  type Any,
  type Data,
  type Error,
  type Hook,
  type Middleware,
  type Options,
  type Services,
  TypeId as HookTypeId
} from "./internal/hooks/hook.ts"

export type { Event } from "./internal/hooks/event.ts"
export type { Any, Data, Error, Hook, Middleware, Options, Services } from "./internal/hooks/hook.ts"

/**
 * Identifies hooks.
 *
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: typeof HookTypeId = HookTypeId

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * Parameters for hooks, set for a region of a program with `Effect.provideService`. They are part of the key of
 * {@link cache}, and calls with different ones are not shared by `iModel.share`. @default `{}`
 *
 * **Example** (Requiring a tenant)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hook, iModel } from "effect-imodel"
 *
 * const perTenant = Hook.make({
 *   name: "tenant",
 *   preInvocation: Effect.fnUntraced(function*() {
 *     const { tenant } = yield* Hook.Params
 *     if (tenant === undefined) return yield* Effect.fail("no tenant")
 *   })
 * })
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(Effect.provideService(Hook.Params, { tenant: "acme" }))
 * ```
 *
 * @category references
 * @since 0.1.0
 */
export const Params: Context.Reference<Readonly<Record<string, unknown>>> = internalParams.Params

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes a hook from functions for the phases of a calling.
 *
 * **When to use**
 *
 * For one phase at a time. A hook that spans several phases, such as a retry, is a {@link middleware}.
 *
 * **Details**
 *
 * A failure of `preEventCreate` or `preInvocation` rejects the calling: it is `aborted` without cost, and the failure is the `cause`
 * of a `PermissionDenied` of reason `HookRejected`. A calling that `onError` recovers before its first attempt is `skipped`.
 *
 * A function that throws, dies, or returns a value that its type does not allow has failed. If it fails before the backend is
 * called, the calling is rejected. After that, the failure is logged and published as an event, and the answer or the error stays
 * as it was, unless `exit` is set.
 *
 * **Gotchas**
 *
 * An error in the middle of a stream is not recovered: the reader has parts of the answer already.
 *
 * A `timeout` that is not positive fails the model that the hook is for, with an `IllegalArgumentError`.
 *
 * **Example** (Answering with a default while the provider is down)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Calling, Hook } from "effect-imodel"
 *
 * const apology = Hook.make({
 *   name: "apology",
 *   onError: (_calling, error) =>
 *     error._tag === "BackendError" && error.isRetryable
 *       ? Effect.succeed(Calling.makeResponse({ data: null, text: "Please come back later." }))
 *       : Effect.void
 * })
 * ```
 *
 * **Example** (Logging the outcome)
 *
 * ```ts
 * import { Effect, Exit } from "effect"
 * import { Hook } from "effect-imodel"
 *
 * const audit = Hook.make({
 *   name: "audit",
 *   postInvocation: ({ attempts, id }, exit) =>
 *     Exit.isFailure(exit)
 *       ? Effect.logWarning(`${id} has no answer`, exit.cause)
 *       : attempts.length === 0
 *       ? Effect.log(`${id} was answered by a hook, and cost nothing`)
 *       : Effect.log(`${id} took ${exit.value.usage.outputTokens.total} tokens of output`)
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: <A = never, R1 = never, R2 = never, R3 = never, R4 = never, R5 = never>(
  options: Options<A, R1, R2, R3, R4, R5>
) => Hook<Cause.IllegalArgumentError, R1 | R2 | R3 | R4 | R5, A> = internal.make

/**
 * Makes a hook from a function between Effects: `next` answers the calling, and the result takes its place. The other hooks are
 * made of it.
 *
 * **Details**
 *
 * A failure that is a `TimeoutError`, a `PermissionDenied`, a `BackendError` or a reason of it stays as it is. Any other failure is
 * the `cause` of a `PermissionDenied` of reason `HookRejected`. A middleware that answers itself states the type of its data:
 * `Hook.middleware<never, never, string>(…)`.
 *
 * **Gotchas**
 *
 * Each run of `next` is admitted and paid anew. Of several runs, the reader of a stream gets the parts of one.
 *
 * A middleware that throws, dies or answers with no response rejects the calling. If `next` had answered by then, that answer is
 * kept, and the bug is logged.
 *
 * **Example** (Retrying once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hook } from "effect-imodel"
 *
 * const again = Hook.middleware((next) => () => Effect.retry(next, { times: 1, while: ({ _tag }) => _tag === "BackendError" }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const middleware: <E = never, R = never, A = never>(
  wrap: Middleware<E, R, A>,
  options?: { readonly name?: string | undefined }
) => Hook<never, R, A> = internal.middleware

/**
 * Makes a hook from an Effect, which runs once for each model. Use it for a hook with state.
 *
 * **Example** (At most ten calls)
 *
 * ```ts
 * import { Effect, Ref } from "effect"
 * import { Hook } from "effect-imodel"
 *
 * const ten = Hook.unwrap(Effect.gen(function*() {
 *   const count = yield* Ref.make(0)
 *   return Hook.make({
 *     name: "ten",
 *     preInvocation: () =>
 *       Effect.filterOrFail(Ref.updateAndGet(count, (n) => n + 1), (n) => n <= 10, () => "more than ten calls")
 *   })
 * }))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const unwrap: <E1, R1, A, E, R>(
  hook: Effect.Effect<Hook<E1, R1, A>, E, R>
) => Hook<E | E1, R | R1, A> = internal.unwrap

/**
 * The hook that changes nothing: the unit of {@link all}.
 *
 * @category constructors
 * @since 0.1.0
 */
export const identity: Hook = internal.identity

/**
 * Combines hooks into one. The first is outermost: it is the first to see arguments and callings, and the last to see outcomes and
 * the parts of a stream.
 *
 * **Example** (Sharing a set of hooks)
 *
 * ```ts
 * import { Hook, iModel } from "effect-imodel"
 *
 * const observed = Hook.all([Hook.logging(), Hook.metrics()])
 *
 * const model = iModel.layer({ hooks: [observed, Hook.budget({ tokens: 1_000_000, per: "1 day" })] })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: <const Hooks extends ReadonlyArray<Any>>(
  hooks: Hooks
) => Hook<Error<Hooks[number]>, Services<Hooks[number]>, Data<Hooks[number]>> = internal.all

/**
 * Makes an `onPart` for parts of one type. Other parts pass unchanged.
 *
 * **Example** (Upper-casing the text)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hook } from "effect-imodel"
 *
 * const loud = Hook.make({
 *   onPart: Hook.partsOf("text-delta", (part) => Effect.succeed({ ...part, delta: part.delta.toUpperCase() }))
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const partsOf = <const Type extends StreamPart["type"], B, E, R>(
  type: Type,
  onPart: (part: Extract<StreamPart, { readonly type: Type }>, calling: Calling) => Effect.Effect<B, E, R>
): (part: StreamPart, calling: Calling) => Effect.Effect<B | void, E, R> => {
  const isOfType = (part: StreamPart): part is Extract<StreamPart, { readonly type: Type }> => part.type === type
  return (part, calling) => isOfType(part) ? onPart(part, calling) : Effect.void
}

// -----------------------------------------------------------------------------
// Hooks
// -----------------------------------------------------------------------------

export { budget, type BudgetOptions, BudgetSpent, PriceUnknown } from "./internal/hooks/budget.ts"
export { cache, type CacheOptions } from "./internal/hooks/cache.ts"
export { logging, metrics } from "./internal/hooks/observe.ts"
export { type Price, type Prices, prices } from "./internal/hooks/prices.ts"
export { redact } from "./internal/hooks/redact.ts"
