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
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Calling, NormalizedResponse, StreamPart } from "./Calling.ts"
import type { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "./Errors.ts"
import type * as Built from "./internal/hooks/instance.ts"
import * as internal from "./internal/hooks/make.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * A hook. `E` is why it cannot be made and `R` what it needs: both are in the types of the layer that uses it, and are taken
 * while that is built, for each model anew. `A` is the data of the answers that it gives in place of the backend; the model's
 * own data may be that then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hook<out E = never, out R = never, out A = never> {
  readonly [TypeId]: (host: Built.Host) => Effect.Effect<Built.Built<A>, E, R>
}

/**
 * @category utility types
 * @since 0.1.0
 */
export type Any = Hook<unknown, unknown, unknown>

/**
 * Why a hook cannot be made.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<H> = H extends Hook<infer E, infer _R, infer _A> ? E : never

/**
 * What a hook needs.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<H> = H extends Hook<infer _E, infer R, infer _A> ? R : never

/**
 * The data of a hook's own answers.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Data<H> = H extends Hook<infer _E, infer _R, infer A> ? A : never

/**
 * What a hook did. Events are for observers: a calling never waits for them, and of those that nobody takes the oldest of a
 * thousand are dropped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  /** The name of the hook. */
  readonly hook: string
  readonly phase: "preEventCreate" | "preInvocation" | "middleware" | "onError" | "onPart" | "postInvocation"
  readonly callingId: string
  readonly at: DateTime.Utc
  /** How long it took. */
  readonly duration: Duration.Duration
  /**
   * `"passed"`: it went on as it was. `"changed"`: its arguments, or a part of its stream. `"answered"`: without the backend.
   * `"recovered"`: an error became an answer. `"rejected"`: it was denied. `"failed"` and `"timed-out"`: what it did went wrong,
   * or an error became another.
   */
  readonly outcome: "passed" | "changed" | "answered" | "recovered" | "rejected" | "failed" | "timed-out"
  /** What it failed with. */
  readonly error: unknown
  /** How many events of the model were dropped until now. */
  readonly dropped: number
}

/**
 * A function from the way to an answer to another way: an Effect around an Effect.
 *
 * @category models
 * @since 0.1.0
 */
export type Middleware<out E, out R = never, out A = never> = <Data>(
  next: Effect.Effect<NormalizedResponse<Data>, TimeoutError | PermissionDenied | BackendError>
) => (
  calling: Calling
) => Effect.Effect<NormalizedResponse<Data | NoInfer<A>>, TimeoutError | PermissionDenied | BackendError | E, R>

/**
 * @category options
 * @since 0.1.0
 */
export interface Options<
  out A = never,
  out R1 = never,
  out R2 = never,
  out R3 = never,
  out R4 = never,
  out R5 = never
> {
  /** Names the hook in errors and events. @default "hook" */
  readonly name?: string | undefined
  /**
   * The longest time that each of its functions may take: `TimeoutError` of phase `"hook"`.
   * @default 10 seconds before creation, 30 seconds around invocation
   */
  readonly timeout?: Duration.Input | undefined
  /** Whether a call fails when `postInvocation` or `onPart` does, or `onError` takes too long. @default false */
  readonly exit?: boolean | undefined
  /**
   * Sees the arguments before there is a calling. Answers with others, or with nothing to leave them as they are; fails to deny
   * the calling. What it answers with is checked as all arguments are. A `cost` option is asked of the arguments as they were.
   */
  readonly preEventCreate?:
    | ((args: Built.Args) => Effect.Effect<Built.Args | void, unknown, R1>)
    | undefined
  /** Comes before the calling waits to be admitted. Fails to deny it. */
  readonly preInvocation?: ((calling: Calling) => Effect.Effect<unknown, unknown, R2>) | undefined
  /**
   * Comes when there is an outcome, whatever it is, an interruption too, unless this hook itself denied the calling. The outcome is
   * the `exit`: the calling settles when all hooks are through, since those outside of this one may still change it, and until then
   * its `execution` says nothing of it. What another hook answered without the backend has no `attempts`. Its own failure is
   * logged, and with `exit: true` fails a call that had succeeded.
   */
  readonly postInvocation?:
    | ((
      calling: Calling,
      exit: Exit.Exit<NormalizedResponse, TimeoutError | PermissionDenied | BackendError>
    ) => Effect.Effect<unknown, unknown, R3>)
    | undefined
  /** Sees an error. Answers in its place, fails with another one, or answers with nothing to leave it as it is. */
  readonly onError?:
    | ((
      calling: Calling,
      error: TimeoutError | PermissionDenied | BackendError
    ) => Effect.Effect<NormalizedResponse<A> | void, BackendError | BackendErrorReason, R4>)
    | undefined
  /**
   * Sees each part of a stream on its way to who reads it. Answers with the part or parts that go on in its place, with `[]` to
   * drop it, or with nothing to leave it as it is. What it changes is changed in the `content`, `text` and `toolCalls` of the
   * settled response as well, though not in its `data` and `rawResponse`. Its own failure is logged and the part goes on as it
   * is, or with `exit` the stream fails.
   */
  readonly onPart?:
    | ((
      part: StreamPart,
      calling: Calling
    ) => Effect.Effect<StreamPart | ReadonlyArray<StreamPart> | void, unknown, R5>)
    | undefined
}

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
export const Params = Context.Reference<Readonly<Record<string, unknown>>>("effect-imodel/Hook/Params", {
  defaultValue: () => ({})
})

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
