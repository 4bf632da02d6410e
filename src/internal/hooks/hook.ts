/** A hook, its options, and the events that it publishes. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Calling, NormalizedResponse, StreamPart } from "../../Calling.ts"
import type { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import type * as Instance from "./instance.ts"

export const TypeId = "~effect-imodel/Hook"

/**
 * A hook. `E` is why it cannot be made and `R` what it needs: both are in the types of the layer that uses it, and are taken
 * while that is built, for each model anew. `A` is the data of the answers that it gives in place of the backend; the model's
 * own data may be that then.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hook<out E = never, out R = never, out A = never> {
  readonly [TypeId]: (host: Instance.Host) => Effect.Effect<Instance.HookInstance<A>, E, R>
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
    | ((args: Instance.Args) => Effect.Effect<Instance.Args | void, unknown, R1>)
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
