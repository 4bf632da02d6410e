/**
 * The interface and options of a model, and the service tag. All of it is exported by `iModel`.
 *
 * @since 0.1.0
 */
import type * as Tool from "effect/ai/Tool"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Equal from "effect/Equal"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Calling, NormalizedResponse, StreamPart } from "./Calling.ts"
import type { Circuit } from "./Circuit.ts"
import type { BackendError, PermissionDenied, TimeoutError } from "./Errors.ts"
import type * as Executor from "./Executor.ts"
import type * as Hook from "./Hook.ts"
import { ModelTypeId } from "./internal/util/identity.ts"
import type { Sink } from "./internal/calling/streaming.ts"
import type { Submission } from "./internal/calling/submission.ts"
import type { Arguments, Cost, ProviderMetadata } from "./ServiceBackend.ts"
import type { TokenBucket } from "./TokenBucket.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: typeof ModelTypeId = ModelTypeId

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * A model. It takes `Args` and answers with `Data`, the types of its backend. Models with the same `id` are `Equal`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Model<in Args = Arguments, out Data = unknown> extends Equal.Equal {
  readonly [TypeId]: {
    /** Makes a calling. One whose arguments are refused has failed. */
    readonly create: (args: Args) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
    /** A reader of a streamed answer, with the model's time limits where it states none. */
    readonly makeSink: (take: Sink["take"], limits: Pick<Sink, "firstPartTimeout" | "idleTimeout"> | undefined) => Sink
    /** Invokes a calling, as a model of several asks for it. */
    readonly submit: <A>(
      calling: Calling<A>,
      submission: Submission
    ) => Effect.Effect<Calling<A>, TimeoutError | PermissionDenied>
    /** That of its backend. */
    readonly fingerprint: string
    /** The models that may answer, as their providers name them. */
    readonly models: ReadonlyArray<string>
    /** What it was made of. */
    readonly configuration: Schema.JsonObject
  }
  /** A UUID, fresh for every construction. */
  readonly id: string
  readonly createdAt: DateTime.Utc
  readonly metadata: Readonly<Record<string, unknown>>
  readonly name: string
  readonly provider: string
  readonly version: string
  readonly tags: ReadonlySet<string>
  /** The circuit breaker of the backend, if it has one. */
  readonly circuit: Circuit | undefined
  /** State that the backend keeps between calls, such as the session of Claude Code. */
  readonly providerMetadata: ProviderMetadata
  /** The tool definition shown to models that can call this one, or `undefined`. */
  readonly tool: Tool.Any | undefined
  /** The executor that admits its calls, or `undefined` for a model without limits. */
  readonly executor: Executor.Executor | undefined
  /** The number of callings that it can run and queue: its `concurrency` and its `queueCapacity`, or 100 without limits. */
  readonly capacity: number
  /** Context window in tokens, the largest for a model of several; `undefined` if unknown. */
  readonly contextWindow: number | undefined
  /** Events of its hooks from now on. The stream ends with the model. */
  readonly events: Stream.Stream<Hook.Event>
  /**
   * Makes a calling to be invoked later. Its `response` waits until then. Fails with a `BackendError` of reason
   * `InvalidRequestError` for invalid arguments, and of reason `Unsupported` for a feature that the model lacks.
   */
  readonly createCalling: (
    args: Args,
    options?: CreateOptions
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied | BackendError>
  /**
   * Invokes the model and returns the settled calling. Its `response` has the answer, or fails with the backend's error.
   *
   * Given a calling, invokes that one: a settled calling is returned as it is, and a running one is joined. Interruption
   * cancels the calling, down to the socket, unless another fiber waits for it.
   */
  readonly invoke: {
    <A>(calling: Calling<A>, options?: InvokeOptions): Effect.Effect<Calling<A>, TimeoutError | PermissionDenied>
    (
      args: Args,
      options?: InvokeOptions & CreateOptions
    ): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  }
  /** Invokes the model with arguments of unknown type, such as from a file. Invalid arguments fail the calling. */
  readonly invokeUnknown: (
    args: unknown,
    options?: InvokeOptions & CreateOptions
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  /** Invokes the model and returns its response, or fails with the backend's error. */
  readonly respond: (
    args: Args,
    options?: InvokeOptions & CreateOptions
  ) => Effect.Effect<NormalizedResponse<Data>, TimeoutError | PermissionDenied | BackendError>
  /**
   * Invokes the model for a JSON answer of this schema and returns the response with the decoded `value`. Fails with a
   * `BackendError` of reason `InvalidOutputError` if the answer does not decode. It sets `response_format`.
   */
  readonly respondAs: <A>(
    schema: Schema.ConstraintCodec<A, unknown>,
    args: Args,
    options?: InvokeOptions & CreateOptions
  ) => Effect.Effect<ResponseOf<Data, A>, TimeoutError | PermissionDenied | BackendError>
  /**
   * Invokes the model and emits the parts of its answer as they come, with back pressure. The stream ends when the answer is
   * complete. An answer that breaks off fails with a `BackendError` of reason `StreamInterrupted`, which has the text so far.
   * Interruption closes the connection.
   *
   * Failed attempts are retried until the first part is emitted, and not after.
   */
  readonly stream: (
    args: Args,
    options?: StreamOptions
  ) => Stream.Stream<StreamPart, TimeoutError | PermissionDenied | BackendError>
}

/**
 * A response with a decoded value.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResponseOf<out Data, out A> extends NormalizedResponse<Data> {
  readonly value: A
}

/**
 * Options for making a calling.
 *
 * @category options
 * @since 0.1.0
 */
export interface CreateOptions {
  /** The `metadata` of the calling. @default none */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Options for invoking a model.
 *
 * @category options
 * @since 0.1.0
 */
export interface InvokeOptions {
  /** Maximum time from submission until the calling has settled, time in the queue included. @default the model's `timeout` */
  readonly timeout?: Duration.Input | undefined
  /** Maximum time in the queue. @default the model's `queueTimeout` */
  readonly queueTimeout?: Duration.Input | undefined
  /** Lower numbers go first. @default the reference `Executor.Priority`, which is 0 */
  readonly priority?: number | undefined
  /**
   * How often a structured answer that does not decode is requested again, with the error shown to the model. Each is an attempt
   * of the calling, under its limits. A streamed, refused or truncated answer is not requested again. @default the model's
   */
  readonly repair?: number | undefined
  /** The tenant. Tenants of the same priority take turns. @default the reference `Executor.Key` */
  readonly key?: string | undefined
}

/**
 * Options for streaming an answer.
 *
 * @category options
 * @since 0.1.0
 */
export interface StreamOptions extends InvokeOptions, CreateOptions {
  /** Maximum time from the start of an attempt to its first part. @default the model's */
  readonly firstPartTimeout?: Duration.Input | undefined
  /** Maximum time between two parts. @default the model's */
  readonly idleTimeout?: Duration.Input | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface BatchOptions extends InvokeOptions, CreateOptions {
  /** Whether one that times out or is denied fails all, or is a `Result` among the others. @default "default": it fails all */
  readonly mode?: "default" | "result" | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface InvokeStreamOptions extends InvokeOptions, CreateOptions {
  /** Whether results are emitted as they come, and not in the order of the stream. @default false */
  readonly unordered?: boolean | undefined
}

/**
 * The limits of a model. A limit starts full and refills evenly over its window.
 *
 * @category options
 * @since 0.1.0
 */
export interface LimitOptions {
  /** Requests per window. @default no limit */
  readonly limitRequests?: number | undefined
  /** Tokens per window, input and output together. @default no limit */
  readonly limitTokens?: number | undefined
  /** Input tokens per window, for providers that count them separately. @default no limit */
  readonly limitInputTokens?: number | undefined
  /** Output tokens per window, for providers that count them separately. @default no limit */
  readonly limitOutputTokens?: number | undefined
  /** The window: the time in which an empty limit refills. @default "1 minute" */
  readonly capacityRefreshTime?: Duration.Input | undefined
  /**
   * Safety margin subtracted from the window, for latency and clock skew: the provider counts requests when they arrive. At
   * most a twentieth of the window. @default the backend's: 150 milliseconds over HTTP, none for a local backend
   */
  readonly headroom?: Duration.Input | undefined
}

/**
 * The options of a model.
 *
 * **Details**
 *
 * A limit, a `concurrency` or a `queueCapacity` gives the model its own `Executor`. Without any of them its calls go to the
 * `Executor` in context, or directly to the backend if there is none.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<in Args = Arguments, out H = never> extends LimitOptions, Executor.QueueOptions {
  /** Tokens that a call will cost, in place of the backend's estimate. */
  readonly cost?: ((args: Args) => Cost) | undefined
  /** Output tokens reserved for a call without `max_tokens`. @default 0 */
  readonly expectedOutputTokens?: number | undefined
  /** Maximum time from submission to settlement, unless the call states its own. @default no limit */
  readonly timeout?: Duration.Input | undefined
  /** Maximum time in the queue, unless the call states its own. @default no limit */
  readonly queueTimeout?: Duration.Input | undefined
  /** How often a structured answer that does not decode is requested again, unless the call states its own. @default 1 */
  readonly repair?: number | undefined
  /** Priority of calls that state none. Lower numbers go first. @default the reference `Executor.Priority`, which is 0 */
  readonly priority?: number | undefined
  /**
   * An executor in place of limits of its own, to share limits with other models.
   * @default the `Executor` in context, for a model without limits
   */
  readonly executor?: Executor.Executor | undefined
  /**
   * A single bucket in place of an executor: each attempt takes one from it, first come first served. A call that cannot start
   * within `queueTimeout`, by default 30 seconds, fails with a `TimeoutError`.
   * @default none
   */
  readonly rateLimiter?: TokenBucket | undefined
  /**
   * Maximum time from the start of a streamed attempt to its first part. After that the attempt fails with
   * `StreamInterrupted`. @default no limit
   */
  readonly firstPartTimeout?: Duration.Input | undefined
  /**
   * Maximum time between two parts of a streamed answer. After that the attempt fails with `StreamInterrupted`.
   * @default the backend's: 2 minutes over HTTP, no limit for a local backend
   */
  readonly idleTimeout?: Duration.Input | undefined
  /** Middleware for its calls. The first hook is outermost. @default none */
  readonly hooks?: ReadonlyArray<H> | undefined
  /** The name of the model. @default the backend's name */
  readonly name?: string | undefined
  /** @default none */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Failures of making a model: an invalid option, or a store of limits that fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type OptionsError = Cause.IllegalArgumentError | RateLimiter.RateLimiterError

/**
 * The program's model, as a service: `iModel.iModel`.
 *
 * @category services
 * @since 0.1.0
 */
export class iModel extends Context.Service<iModel, Model>()("effect-imodel/iModel") {}
