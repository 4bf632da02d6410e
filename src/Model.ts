/**
 * What a model is to those who use it: its interface, its options, and the service of the program. `iModel` has all of it.
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
 * A model: it takes `Args` and answers with `Data`, both of its backend's own types. Two are `Equal` when they have the
 * same `id`.
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
  /** Keeps calls away from the backend while it is down; `undefined` when nothing does. */
  readonly circuit: Circuit | undefined
  /** What the backend keeps from one call to the next, for example the session that it continues. */
  readonly providerMetadata: ProviderMetadata
  /** What it is to a model that may call it; `undefined` for one that is no tool. */
  readonly tool: Tool.Any | undefined
  /** Admits the callings of this model. `undefined` for a model without limits. */
  readonly executor: Executor.Executor | undefined
  /** The number of callings that it can run and queue: its `concurrency` and its `queueCapacity`, or 100 without limits. */
  readonly capacity: number
  /** How much it takes in at once, in tokens; of one of several models the largest. `undefined` when it is not known. */
  readonly contextWindow: number | undefined
  /** What its hooks do, from now on. It ends with the model. */
  readonly events: Stream.Stream<Hook.Event>
  /**
   * Makes a calling, to be invoked later; its `response` waits until it has been. Fails with a `BackendError` of reason `InvalidRequestError` when the arguments
   * are wrong, and of reason `Unsupported` when they ask for what the model cannot do.
   */
  readonly createCalling: (
    args: Args,
    options?: CreateOptions
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied | BackendError>
  /**
   * Invokes the model, and settles the calling: what the backend answered, a failure too, is in `calling.response`.
   *
   * Given a calling, invokes that one: a settled calling is returned as it is, and one that is under way is joined.
   * Interrupting it takes the calling back, down to the socket, when nobody else waits for it.
   */
  readonly invoke: {
    <A>(calling: Calling<A>, options?: InvokeOptions): Effect.Effect<Calling<A>, TimeoutError | PermissionDenied>
    (
      args: Args,
      options?: InvokeOptions & CreateOptions
    ): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  }
  /** Invokes the model with arguments of whatever type, as they come from a file or from a model. What is wrong with them fails the calling. */
  readonly invokeUnknown: (
    args: unknown,
    options?: InvokeOptions & CreateOptions
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  /** Invokes the model, and answers with its response or fails with the backend's error. */
  readonly respond: (
    args: Args,
    options?: InvokeOptions & CreateOptions
  ) => Effect.Effect<NormalizedResponse<Data>, TimeoutError | PermissionDenied | BackendError>
  /**
   * Invokes the model for an answer in JSON that the schema decodes, and answers with its response and the decoded `value`. What
   * does not decode is a `BackendError` of reason `InvalidOutputError`. The arguments have no `response_format` then.
   */
  readonly respondAs: <A>(
    schema: Schema.ConstraintCodec<A, unknown>,
    args: Args,
    options?: InvokeOptions & CreateOptions
  ) => Effect.Effect<ResponseOf<Data, A>, TimeoutError | PermissionDenied | BackendError>
  /**
   * Invokes the model, and hands out the parts of its answer as they come, as fast as they are read. It ends when the answer is
   * whole, and fails with a `BackendError` of reason `StreamInterrupted`, which has the text until then, when it breaks off.
   * Interrupting it closes the connection at once.
   *
   * A failed attempt is made again until the first part is out, and not after.
   */
  readonly stream: (
    args: Args,
    options?: StreamOptions
  ) => Stream.Stream<StreamPart, TimeoutError | PermissionDenied | BackendError>
}

/**
 * A response whose text was decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResponseOf<out Data, out A> extends NormalizedResponse<Data> {
  readonly value: A
}

/**
 * @category options
 * @since 0.1.0
 */
export interface CreateOptions {
  /** Put on the calling. @default none */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface InvokeOptions {
  /**
   * The longest time from submission until the calling has settled, its waiting included.
   * @default the model's `timeout`
   */
  readonly timeout?: Duration.Input | undefined
  /** The longest time that it waits to be admitted. @default the model's `queueTimeout` */
  readonly queueTimeout?: Duration.Input | undefined
  /** A lower number goes first. @default the reference `Executor.Priority`, which is 0 */
  readonly priority?: number | undefined
  /**
   * How often an answer that the schema of `respondAs` or `response_format` does not decode is asked for again, with the answer
   * and the error shown to the model. Each is an attempt of the calling, under its limits. An answer that was streamed, refused or
   * cut at its token limit is not asked for again.
   * @default the model's `repair`
   */
  readonly repair?: number | undefined
  /** On whose behalf (a tenant): the keys of one priority take turns. @default the reference `Executor.Key` */
  readonly key?: string | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface StreamOptions extends InvokeOptions, CreateOptions {
  /** The longest time from the start of an attempt to the first part of its answer. @default the model's */
  readonly firstPartTimeout?: Duration.Input | undefined
  /** The longest silence of the provider in the middle of an answer. @default the model's */
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
 * The options of a model. A limit, a `concurrency` or a `queueCapacity` gives it an `Executor` of its own; without any of
 * them its calls go to the `Executor` in context, and if there is none straight to the backend.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<in Args = Arguments, out H = never> {
  /**
   * Calls a window: so many at once, when the limit is whole, and as many again in the time of a window.
   * @default no limit
   */
  readonly limitRequests?: number | undefined
  /** Tokens a window, likewise. @default no limit */
  readonly limitTokens?: number | undefined
  /** Input tokens a window, where the provider counts them apart. @default no limit */
  readonly limitInputTokens?: number | undefined
  /** Output tokens a window, where the provider counts them apart. @default no limit */
  readonly limitOutputTokens?: number | undefined
  /** The window: the time in which an exhausted limit is whole again. @default "1 minute" */
  readonly capacityRefreshTime?: Duration.Input | undefined
  /**
   * How much of the window is kept back, so that the provider, who counts by its own clock, never sees us early. At most
   * a twentieth of the window. @default the backend's: 150 milliseconds over HTTP, none for a local one
   */
  readonly headroom?: Duration.Input | undefined
  /**
   * The name under which the limits are shared with all models that state the same limits, in whatever process, by a
   * `LimitStore` or a `RateLimiter` in context.
   * @default nothing is shared
   */
  readonly key?: string | undefined
  /**
   * What happens while the store of shared limits fails or does not answer: calls wait, and fail by their own `timeout`; or
   * they are admitted by a tenth of the limits; or without limits.
   * @default "closed"
   */
  readonly onStoreFailure?: "closed" | "local" | "open" | undefined
  /** How many callings may wait in the queue. @default 100 */
  readonly queueCapacity?: number | undefined
  /** How many callings run at once. @default 100 */
  readonly concurrency?: number | undefined
  /**
   * What happens to a call that cannot start at once: it waits its turn, or it is tried again after a second, then after
   * two, and so on, and denied after `maxDenials` tries.
   * @default "wait"
   */
  readonly onLimit?: "wait" | "deny" | undefined
  /** @default 3 */
  readonly maxDenials?: number | undefined
  /** What happens when the queue is full: the call waits outside, in its order, or it is denied. @default "suspend" */
  readonly onFull?: "suspend" | "deny" | undefined
  /** The tokens that arguments will cost, in place of the backend's estimate. */
  readonly cost?: ((args: Args) => Cost) | undefined
  /** The output tokens to reserve for a call that states no `max_tokens`. @default 0 */
  readonly expectedOutputTokens?: number | undefined
  /** The longest time from submission to settlement, unless a call states its own. @default for ever */
  readonly timeout?: Duration.Input | undefined
  /** The longest time that a call waits to be admitted, unless it states its own. @default for ever */
  readonly queueTimeout?: Duration.Input | undefined
  /** How often invalid structured output is asked for again, unless a call states its own. 0 for never. @default 1 */
  readonly repair?: number | undefined
  /** The priority of its calls, where they state none: a lower number goes first. @default the reference `Executor.Priority` */
  readonly priority?: number | undefined
  /**
   * An executor made elsewhere, which several models may have in common; in place of limits of its own.
   * @default the `Executor` in context, for a model that states no limits
   */
  readonly executor?: Executor.Executor | undefined
  /**
   * A bucket in place of an executor: every attempt of a call takes one of it, first come first served, and gives up after
   * `queueTimeout`, or 30 seconds.
   * @default none
   */
  readonly rateLimiter?: TokenBucket | undefined
  /**
   * The longest time from the start of a streamed attempt to the first part of its answer. Then it has broken off
   * (`StreamInterrupted`). @default for ever
   */
  readonly firstPartTimeout?: Duration.Input | undefined
  /**
   * The longest silence of the provider in the middle of a streamed answer. Then it has broken off (`StreamInterrupted`).
   * @default the backend's: 2 minutes over HTTP, for ever for a local one
   */
  readonly idleTimeout?: Duration.Input | undefined
  /** What stands around its callings, the first outermost. @default none */
  readonly hooks?: ReadonlyArray<H> | undefined
  /** @default the backend's name */
  readonly name?: string | undefined
  /** @default none */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Why a model cannot be made: a wrong option, or a `RateLimiter` whose store fails.
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
