/** A model for a program that is not written in Effect. */
import type * as Prompt from "effect/ai/Prompt"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Result from "effect/Result"
import * as Predicate from "effect/Predicate"
import * as Stream from "effect/Stream"
import type { Calling, NormalizedResponse, StreamPart } from "../Calling.ts"
import { type Conversation, type ConverseOptions, converseWith } from "../Conversation.ts"
import type { PermissionDenied, TimeoutError } from "../Errors.ts"
import type {
  BatchOptions,
  CreateOptions,
  InvokeOptions,
  InvokeStreamOptions,
  Model,
  ResponseOf,
  StreamOptions
} from "../Model.ts"
import type { Arguments } from "../ServiceBackend.ts"
import { type AnySchema, toSchema } from "./chat/standardSchema.ts"
import * as Many from "./invokeMany.ts"
import * as Models from "./model.ts"
import { illegal } from "./util/options.ts"
import { type PromisedTool, ToolTypeId } from "./promisedTool.ts"

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
  /** See `Model.respondAs`. The schema is one of Effect, or of another library: see `StandardSchema`. */
  readonly respondAs: <A>(
    schema: AnySchema<A>,
    args: Args,
    options?: InvokeOptions & CreateOptions & Abortable
  ) => Promise<ResponseOf<Data, A>>
  /**
   * See `Model.stream`. The call begins with the first part that is asked for, and ends when nobody reads on. Each loop over it is a
   * call of its own.
   */
  readonly stream: (args: Args, options?: StreamOptions & Abortable) => AsyncIterable<StreamPart>
  /** See `iModel.invokeAll`. */
  readonly invokeAll: {
    (
      args: Iterable<Args>,
      options: BatchOptions & Abortable & { readonly mode: "result" }
    ): Promise<Array<Result.Result<Calling<Data>, TimeoutError | PermissionDenied>>>
    (
      args: Iterable<Args>,
      options?: BatchOptions & Abortable & { readonly mode?: "default" | undefined }
    ): Promise<Array<Calling<Data>>>
  }
  /** See `iModel.invokeStream`. The arguments are read as calls can start, and each loop over it reads them again. */
  readonly invokeStream: (
    args: Iterable<Args> | AsyncIterable<Args>,
    options?: InvokeStreamOptions & Abortable
  ) => AsyncIterable<Result.Result<Calling<Data>, TimeoutError | PermissionDenied>>
  /** See `iModel.converse`. Its tools are those of `iModel.tool`. */
  readonly converse: (
    prompt: Prompt.RawInput,
    options: Omit<ConverseOptions, "tools"> & Abortable & { readonly tools?: ReadonlyArray<PromisedTool> | undefined }
  ) => Promise<Conversation>
  /** The model itself, for functions that take one. It ends with this one. */
  readonly model: () => Promise<Model<Args, Data>>
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

  const iterate = <A, E>(
    use: (model: Model<Args, Data>) => Stream.Stream<A, E>,
    signal: AbortSignal | undefined
  ): AsyncIterable<A> => {
    const its = Stream.unwrap(Effect.map(tag, use))
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
  }

  function invokeAll(
    args: Iterable<Args>,
    options: BatchOptions & Abortable & { readonly mode: "result" }
  ): Promise<Array<Result.Result<Calling<Data>, TimeoutError | PermissionDenied>>>
  function invokeAll(
    args: Iterable<Args>,
    options?: BatchOptions & Abortable & { readonly mode?: "default" | undefined }
  ): Promise<Array<Calling<Data>>>
  function invokeAll(args: Iterable<Args>, { signal, ...options }: BatchOptions & Abortable = {}) {
    return run(
      (model): Effect.Effect<Array<unknown>, TimeoutError | PermissionDenied | Cause.IllegalArgumentError> =>
        !Predicate.isIterable(args)
          ? illegal("the arguments of invokeAll must be iterable, such as an array of { prompt }")
          : options.mode === "result"
          ? Many.invokeAllResults(model, args, options)
          : Many.invokeAll(model, args, options),
      signal
    )
  }

  return {
    invoke: (args, { signal, ...options } = {}) => run((model) => model.invoke(args, options), signal),
    respond: (args, { signal, ...options } = {}) => run((model) => model.respond(args, options), signal),
    respondAs: (schema, args, { signal, ...options } = {}) =>
      run((model) => Effect.suspend(() => model.respondAs(toSchema(schema), args, options)), signal),
    stream: (args, { signal, ...options } = {}) => iterate((model) => model.stream(args, options), signal),
    invokeAll,
    invokeStream: (args, { signal, ...options } = {}) =>
      iterate(
        (model) => Stream.map(Many.mapStream(model, streamOf(args), (args) => args, options), ([, result]) => result),
        signal
      ),
    converse: (prompt, { signal, tools = [], ...options }) =>
      run((model) =>
        Effect.scoped(Effect.gen(function*() {
          const models = yield* Effect.forEach(tools, (tool) => Effect.flatMap(tool[ToolTypeId], Models.make))
          return yield* converseWith(model, prompt, { ...options, tools: models })
        })), signal),
    model: () => run(Effect.succeed, undefined),
    dispose,
    [Symbol.asyncDispose]: dispose
  }
}

/** An error of an iterable of the caller ends the loop as it is. */
const streamOf = <A>(items: Iterable<A> | AsyncIterable<A>): Stream.Stream<A> =>
  Symbol.asyncIterator in items
    ? Stream.orDie(Stream.fromAsyncIterable(items, (error) => error))
    : Stream.fromIterable(items)

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
