/** A model for a program that is not written in Effect. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Calling, NormalizedResponse, StreamPart } from "../Calling.ts"
import type { CreateOptions, InvokeOptions, Model, ResponseOf, StreamOptions } from "../Model.ts"
import type { Arguments } from "../ServiceBackend.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface Abortable {
  /** Ends the call when it is aborted, down to the socket. What waits for it is rejected with the signal's reason. */
  readonly signal?: AbortSignal | undefined
}

/**
 * A model in promises. What a method of `Model` fails with, its promise is rejected with: a `TimeoutError`, a
 * `PermissionDenied`, a `BackendError`; or why the model could not be made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Promised<in Args = Arguments, out Data = unknown> extends AsyncDisposable {
  /** See `Model.invoke`. */
  readonly invoke: (args: Args, options?: InvokeOptions & CreateOptions & Abortable) => Promise<Calling<Data>>
  /** See `Model.respond`. */
  readonly respond: (
    args: Args,
    options?: InvokeOptions & CreateOptions & Abortable
  ) => Promise<NormalizedResponse<Data>>
  /** See `Model.respondAs`. */
  readonly respondAs: <A>(
    schema: Schema.ConstraintCodec<A, unknown>,
    args: Args,
    options?: InvokeOptions & CreateOptions & Abortable
  ) => Promise<ResponseOf<Data, A>>
  /**
   * See `Model.stream`. The call begins with the first part that is asked for, and ends when nobody reads on. Each loop over it is a
   * call of its own.
   */
  readonly stream: (args: Args, options?: StreamOptions & Abortable) => AsyncIterable<StreamPart>
  /** Ends the model and all that it runs. What is asked of it after that is rejected. */
  readonly dispose: () => Promise<void>
}

export const promised = <Self, Args, Data, E>(
  layer: Layer.Layer<Self, E>,
  tag: Effect.Effect<Model<Args, Data>, never, Self>
): Promised<Args, Data> => {
  const runtime = ManagedRuntime.make(layer)
  let isDisposed = false
  const over = () => new Error("The model was disposed of, and takes no more calls")
  const dispose = () => {
    isDisposed = true
    return runtime.dispose()
  }

  const run = <A, E>(
    use: (model: Model<Args, Data>) => Effect.Effect<A, E>,
    signal: AbortSignal | undefined
  ): Promise<A> => {
    if (isDisposed) return Promise.reject(over())
    if (signal?.aborted) return Promise.reject(signal.reason)
    const answer = runtime.runPromise(Effect.flatMap(tag, use), { signal })
    return signal === undefined
      ? answer
      : answer.catch((error: unknown) => Promise.reject(signal.aborted ? signal.reason : error))
  }

  return {
    invoke: (args, { signal, ...options } = {}) => run((model) => model.invoke(args, options), signal),
    respond: (args, { signal, ...options } = {}) => run((model) => model.respond(args, options), signal),
    respondAs: (schema, args, { signal, ...options } = {}) =>
      run((model) => model.respondAs(schema, args, options), signal),
    stream: (args, { signal, ...options } = {}) => {
      const its = Stream.unwrap(Effect.map(tag, (model) => model.stream(args, options)))
      const stream = Stream.unwrap(
        Effect.suspend(() =>
          isDisposed
            ? Effect.die(over())
            : Effect.map(runtime.contextEffect, (context) => Stream.provideContext(its, context))
        )
      )
      return Stream.toAsyncIterable(
        signal === undefined
          ? stream
          : Stream.unwrap(Effect.as(begin(signal), Stream.interruptWhen(stream, aborted(signal))))
      )
    },
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

// A reason can be anything. It is what a promise is rejected with, as it is.

/** What was aborted before does not begin. */
const begin = (signal: AbortSignal): Effect.Effect<void> =>
  Effect.suspend(() => signal.aborted ? Effect.die(signal.reason) : Effect.void)

const aborted = (signal: AbortSignal): Effect.Effect<never> =>
  Effect.callback((resume) => {
    const abort = () => resume(Effect.die(signal.reason))
    signal.addEventListener("abort", abort, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })
