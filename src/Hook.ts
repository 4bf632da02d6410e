/**
 * What stands around the callings of a model: middleware that changes arguments, says no, watches, recovers, answers in the
 * backend's place, and sees every part of a stream.
 *
 * A hook stands around the whole way of a calling, its wait for admission and all its attempts, once, however many fibers wait
 * for it. So what a hook refuses or answers itself costs no quota and no place in the queue, and who is interrupted interrupts
 * the hooks too. A calling whose arguments are wrong has failed when it is created: hooks around invocation do not see it.
 *
 * **Example** (Who may ask)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hook, iModel } from "effect-imodel"
 *
 * const signedIn = Hook.make({
 *   name: "signed-in",
 *   preInvocation: (calling) => calling.metadata["user"] === undefined ? Effect.fail("who are you?") : Effect.void
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
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: typeof HookTypeId = HookTypeId

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * What a region of a program has to say to the hooks of its calls.
 *
 * **Example** (A tenant of a call)
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
 * Makes a hook of functions for the stations of a calling's way.
 *
 * **Details**
 *
 * What `preEventCreate` and `preInvocation` fail with is the `cause` of a `PermissionDenied` of reason `HookRejected`; the calling
 * is `aborted`, and nothing was spent. A calling that `onError` recovers before the backend was asked is `skipped`. Once a part of
 * its stream is out, an error is not recovered any more, since nobody can take the part back.
 *
 * **Example** (An answer for bad days)
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
 * **Example** (What became of it)
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
 * Makes a hook of a function: the primitive of which the others are made.
 *
 * **Details**
 *
 * What it fails with stays as it is, if it is one of the three errors or a reason of `BackendError`; all else is the `cause` of a
 * `PermissionDenied` of reason `HookRejected`. An answer of its own has data of type `A`, which is stated then:
 * `Hook.middleware<never, never, string>(…)`. Each time that `next` runs, the backend is asked again, through admission.
 *
 * **Example** (Once more)
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
 * The hook of an Effect that makes one, for each model anew.
 *
 * **Example** (At most ten)
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
 *       Effect.filterOrFail(Ref.updateAndGet(count, (n) => n + 1), (n) => n <= 10, () => "that was enough")
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
 * The hook that does nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const identity: Hook = internal.identity

/**
 * One hook of several. The first is outermost: it is the first to see arguments and callings, and the last to see outcomes and
 * the parts of a stream.
 *
 * @category constructors
 * @since 0.1.0
 */
export const all: <const Hooks extends ReadonlyArray<Any>>(
  hooks: Hooks
) => Hook<Error<Hooks[number]>, Services<Hooks[number]>, Data<Hooks[number]>> = internal.all

/**
 * For an `onPart` that sees the parts of one type only.
 *
 * **Example** (Text in capitals)
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
