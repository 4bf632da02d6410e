/** The types of hooks and of their options. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Calling, NormalizedResponse, StreamPart } from "../../Calling.ts"
import type { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import type * as Instance from "./instance.ts"

export const TypeId = "~effect-imodel/Hook"

/**
 * A hook. It is instantiated once for each model, while the model is made: `E` is the error of that, and `R` the services that it
 * requires. `A` is the `data` of answers that the hook gives in place of the backend, and becomes part of the model's `Data`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hook<out E = never, out R = never, out A = never> {
  readonly [TypeId]: (host: Instance.Host) => Effect.Effect<Instance.HookInstance<A>, E, R>
}

/**
 * Any hook.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Any = Hook<unknown, unknown, unknown>

/**
 * The error of instantiating a hook.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Error<H> = H extends Hook<infer E, infer _R, infer _A> ? E : never

/**
 * The services that a hook requires.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Services<H> = H extends Hook<infer _E, infer R, infer _A> ? R : never

/**
 * The `data` of answers that a hook gives itself.
 *
 * @category utility types
 * @since 0.1.0
 */
export type Data<H> = H extends Hook<infer _E, infer _R, infer A> ? A : never

/**
 * A function from the Effect that answers a calling to another one.
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
 * Options of `Hook.make`: a function for each phase of a calling, all optional.
 *
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
  /** The name of the hook in errors, logs and events. @default "hook" */
  readonly name?: string | undefined
  /**
   * The time limit of each function. Beyond it the function fails with a `TimeoutError` of phase `"hook"`.
   * @default 10 seconds before creation, 30 seconds around invocation
   */
  readonly timeout?: Duration.Input | undefined
  /** Whether a failure of `postInvocation` or `onPart`, or a timeout of `onError`, fails the call. @default false */
  readonly exit?: boolean | undefined
  /**
   * Runs before a calling is created. Answers with other arguments, which are validated as usual, or with nothing. A failure
   * rejects the call. A `cost` option of the model gets the arguments as they were before.
   */
  readonly preEventCreate?:
    | ((args: Instance.Args) => Effect.Effect<Instance.Args | void, unknown, R1>)
    | undefined
  /** Runs before the calling is admitted. A failure rejects it. */
  readonly preInvocation?: ((calling: Calling) => Effect.Effect<unknown, unknown, R2>) | undefined
  /**
   * Runs with every outcome, interruption included, unless this hook rejected the calling itself. The outcome is the `exit`; the
   * `execution` of the calling is not settled yet, since outer hooks may still change it. A calling that another hook answered
   * without the backend has no `attempts`. A failure is logged; with `exit: true` it fails a call that had succeeded.
   */
  readonly postInvocation?:
    | ((
      calling: Calling,
      exit: Exit.Exit<NormalizedResponse, TimeoutError | PermissionDenied | BackendError>
    ) => Effect.Effect<unknown, unknown, R3>)
    | undefined
  /** Runs with an error. Answers with a response in its place, fails with another error, or answers with nothing to keep it. */
  readonly onError?:
    | ((
      calling: Calling,
      error: TimeoutError | PermissionDenied | BackendError
    ) => Effect.Effect<NormalizedResponse<A> | void, BackendError | BackendErrorReason, R4>)
    | undefined
  /**
   * Runs for each part of a stream before the reader gets it. Answers with the part or parts to emit in its place, with `[]` to
   * drop it, or with nothing to keep it. Changes are also made in the `content`, `text` and `toolCalls` of the settled response,
   * though not in its `data` and `rawResponse`. A failure is logged and the part is kept; with `exit: true` it fails the stream.
   */
  readonly onPart?:
    | ((
      part: StreamPart,
      calling: Calling
    ) => Effect.Effect<StreamPart | ReadonlyArray<StreamPart> | void, unknown, R5>)
    | undefined
}
