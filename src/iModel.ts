/**
 * The service a program uses: one typed front of a model provider or a local tool, under limits, settled as callings.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import { defaultCodecTransformer } from "effect/ai/LanguageModel"
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Equal from "effect/Equal"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import {
  type Calling,
  isCalling,
  type NormalizedResponse,
  type StreamPart,
  TypeId as CallingTypeId
} from "./Calling.ts"
import type { Circuit } from "./Circuit.ts"
import { BackendError, type PermissionDenied, type TimeoutError } from "./Errors.ts"
import * as Executor from "./Executor.ts"
import * as Blocking from "./internal/blocking.ts"
import { decodeOutput } from "./internal/chat.ts"
import * as Hedge from "./internal/hedge.ts"
import { identify, ModelTypeId } from "./internal/identity.ts"
import { illegal, positive, positiveDuration } from "./internal/options.ts"
import * as Pool from "./internal/pool.ts"
import { CaptureContent } from "./internal/references.ts"
import * as Share from "./internal/share.ts"
import { makeSink, type Sink } from "./internal/streaming.ts"
import * as Route from "./Route.ts"
import { type Arguments, type Backend, type Cost, type ProviderMetadata, ServiceBackend } from "./ServiceBackend.ts"
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
    /** Makes a calling, whose answer is handed out in parts where there is somebody to take them. */
    readonly prepare: (args: Args, take?: Sink["take"], options?: StreamOptions) => Effect.Effect<Calling<Data>>
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
  /** Admits the callings of this model. `undefined` for a model without limits. */
  readonly executor: Executor.Executor | undefined
  /** How many callings can usefully be under way at once: as many as run and wait in its line, or 100 without limits. */
  readonly capacity: number
  /**
   * Makes a calling, to be invoked later; its `response` waits until it has been. Fails with a `BackendError` of reason `InvalidRequestError` when the arguments
   * are wrong.
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
 * The options of a model. A limit, a `concurrency` or a `queueCapacity` gives it an `Executor` of its own; without any of
 * them its calls go to the `Executor` in context, and if there is none straight to the backend.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<in Args = Arguments> {
  /** Calls a window. @default no limit */
  readonly limitRequests?: number | undefined
  /** Tokens a window. @default no limit */
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
  /** @default the backend's name */
  readonly name?: string | undefined
  /** @default none */
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/**
 * The program's model, as a service: `iModel.iModel`.
 *
 * @category services
 * @since 0.1.0
 */
export class iModel extends Context.Service<iModel, Model>()("effect-imodel/iModel") {}

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes a model of a backend, of the backend's own types. It lives in the current scope: closing it interrupts what runs.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<Args, Data>(
  backend: Backend<Args, Data>,
  options: Options<Args> = {}
): Effect.fn.Return<Model<Args, Data>, OptionsError, Scope.Scope> {
  const defaultTimeout = options.timeout === undefined ? undefined : yield* positiveDuration("timeout", options.timeout)
  const defaultQueueTimeout = options.queueTimeout === undefined
    ? undefined
    : yield* positiveDuration("queueTimeout", options.queueTimeout)
  const { cost, priority } = options
  const defaults = (defaultTimeout ?? defaultQueueTimeout ?? priority) === undefined
    ? undefined
    : { timeout: defaultTimeout, queueTimeout: defaultQueueTimeout, priority }
  const firstPartTimeout = options.firstPartTimeout === undefined
    ? undefined
    : yield* positiveDuration("firstPartTimeout", options.firstPartTimeout)
  const idleTimeout = options.idleTimeout === undefined
    ? backend.idleTimeout
    : yield* positiveDuration("idleTimeout", options.idleTimeout)
  const executor = yield* findExecutor(backend, options)
  const direct = yield* Pool.makeDirect
  const blocking = options.rateLimiter && (yield* Blocking.make(options.rateLimiter))
  const now = yield* Clock.currentTimeMillis
  const countsTokens = executor?.countsTokens ?? false

  if (countsTokens && cost === undefined) yield* backend.loadTokenizer

  const create = (args: Args, createOptions?: CreateOptions) =>
    backend.createCalling(args, {
      metadata: createOptions?.metadata,
      expectedOutput: options.expectedOutputTokens,
      cost: !countsTokens ? () => 0 : cost === undefined ? undefined : () => cost(args)
    })

  const { circuit } = backend
  // What would be refused when its turn has come need not wait for it.
  const submit = <A>(calling: Calling<A>, invokeOptions?: InvokeOptions) =>
    circuit === undefined
      ? admit(calling, invokeOptions)
      : Effect.flatMap(circuit.refusal, (refusal) => {
        if (refusal !== undefined) calling[CallingTypeId].refuse(refusal)
        return admit(calling, invokeOptions)
      })

  const admit = <A>(calling: Calling<A>, invokeOptions?: InvokeOptions) => {
    const timeout = invokeOptions?.timeout ?? defaultTimeout
    if (executor !== undefined) {
      return executor.submit(
        calling,
        invokeOptions === undefined
          ? defaults
          : {
            ...invokeOptions,
            timeout,
            queueTimeout: invokeOptions.queueTimeout ?? defaultQueueTimeout,
            priority: invokeOptions.priority ?? priority
          }
      )
    }
    const runner = blocking === undefined
      ? direct
      : blocking(invokeOptions?.queueTimeout ?? defaultQueueTimeout ?? Duration.seconds(30))
    const joined = timeout === undefined
      ? calling[CallingTypeId].join(runner)
      : Effect.suspend(() => calling[CallingTypeId].joinWithin(runner, Duration.fromInputUnsafe(timeout)))
    return backend.capacity === undefined
      ? joined
      : placed(joined, invokeOptions?.priority ?? priority, invokeOptions?.key)
  }

  function invoke<A>(
    calling: Calling<A>,
    options?: InvokeOptions
  ): Effect.Effect<Calling<A>, TimeoutError | PermissionDenied>
  function invoke(
    args: Args,
    options?: InvokeOptions & CreateOptions
  ): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  function invoke(argsOrCalling: Calling | Args, options?: InvokeOptions & CreateOptions) {
    return isCalling(argsOrCalling)
      ? submit(argsOrCalling, options)
      : Effect.flatMap(create(argsOrCalling, options), (calling) => submit(calling, options))
  }

  const prepare = (args: Args, take?: Sink["take"], streamOptions?: StreamOptions) =>
    Effect.map(create(args, streamOptions), (calling) => {
      if (take !== undefined) {
        calling[CallingTypeId].sink = makeSink(take, {
          firstPartTimeout: limitOr(streamOptions?.firstPartTimeout, firstPartTimeout),
          idleTimeout: limitOr(streamOptions?.idleTimeout, idleTimeout)
        })
      }
      return calling
    })

  const stream = (args: Args, streamOptions?: StreamOptions) =>
    Stream.fromChannel(
      Channel.callback<Arr.NonEmptyReadonlyArray<StreamPart>, TimeoutError | PermissionDenied | BackendError>(
        Effect.fnUntraced(function*(queue) {
          const calling = yield* prepare(args, (parts) => Queue.offer(queue, parts), streamOptions)
          yield* (yield* submit(calling, streamOptions)).response
          yield* Queue.end(queue)
        }),
        { bufferSize: 1, strategy: "suspend" }
      )
    )

  const settled = (args: Args, respondOptions?: InvokeOptions & CreateOptions) =>
    Effect.flatMap(create(args, respondOptions), (calling) => submit(calling, respondOptions))

  const respondAs = Effect.fnUntraced(function*<A>(
    schema: Schema.ConstraintCodec<A, unknown>,
    args: Args,
    respondOptions?: InvokeOptions & CreateOptions
  ) {
    const calling = yield* settled({ ...args, response_format: schema }, respondOptions)
    const response = yield* calling.response
    const { text, toolCalls, value: decoded } = response
    if (decoded !== undefined && Schema.is(schema)(decoded)) return { ...response, value: decoded }
    const called = toolCalls.map(({ name }) => name).join(", ")
    // A mock, or a backend of one's own, may leave the decoding to us.
    const value = yield* Effect.mapError(
      called === ""
        ? decodeOutput(schema, defaultCodecTransformer, text)
        : Effect.fail(
          new AiError.InvalidOutputError({ description: `The model has called ${called}, and not answered` })
        ),
      (reason) => new BackendError({ reason, callingId: calling.id })
    )
    return { ...response, value }
  })

  return {
    [TypeId]: { prepare },
    ...identify(now, options.metadata),
    name: options.name ?? backend.name,
    provider: backend.provider,
    version: backend.version,
    tags: backend.tags,
    circuit,
    providerMetadata: backend.providerMetadata,
    executor,
    capacity: executor?.capacity ?? backend.capacity ?? 100,
    createCalling: (args, createOptions) =>
      Effect.tap(
        create(args, createOptions),
        ({ execution }) => execution.status === "failed" ? Effect.fail(execution.error) : Effect.void
      ),
    invoke,
    respond: (args, respondOptions) => Effect.flatMap(settled(args, respondOptions), (calling) => calling.response),
    respondAs,
    stream
  }
})

/**
 * Makes one model of several: the first is asked, and when it fails the next one. It takes the arguments that all of them take.
 *
 * **Details**
 *
 * - A failed attempt is made again at the same model where its backend makes it again, up to three attempts, and the next model
 *   is asked then. A `retry-after` within the `patience` (10 seconds) is waited for.
 * - The next model is asked at once when one is silent, does not know the model, has no quota left, cannot do what is asked
 *   (`Unsupported`), or has too small a context window (`ContextLengthExceeded`): name the model with the larger one after it.
 * - A rejection for its content (`ContentPolicyError`) is the answer, whoever else might have answered. So is an
 *   `InvalidRequestError` of the first model that is asked.
 * - A stream turns to the next model until its first part is out, which has 10 seconds (`firstPartTimeout`) where there is a
 *   next model. After that it fails, unless `restart` keeps its parts until they are whole.
 * - A model that was given up is left alone for the `cooldown`, and then tried by one call.
 * - The `timeout` of a call covers all of it.
 *
 * The response is that of the model that answered, which is `metadata.model`, with its usage alone. Every attempt is in
 * `calling.attempts`, with its `model`. When all have failed the reason is `AllFailed`, with each one's.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * **Example** (Another provider stands in)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Anthropic, iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o" }), { limitRequests: 500 })
 *   const claude = yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-sonnet-4-5" }))
 *   const either = yield* iModel.fallback([gpt, claude], { timeout: "1 minute" })
 *   const response = yield* either.respond({ prompt: "Name a colour." })
 *   return { text: response.text, from: response.metadata.model }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fallback = <const Several extends Route.Models>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>>,
  options?: Route.CommonOptions & Options<Route.ArgsOf<Several>>
): Effect.Effect<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>, OptionsError, Scope.Scope> =>
  Effect.flatMap(Route.fallback<Several>(models, options), (backend) => make(backend, options))

/**
 * Makes one model of several that are equals, and spreads calls over them, each within its own limits: ten keys give ten times
 * the limit. It goes to the next one as `iModel.fallback` does.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * **Example** (Two keys, twice the limit)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const limits = { limitRequests: 500, limitTokens: 200_000 }
 *
 * const program = Effect.gen(function*() {
 *   const one = yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: "OPENAI_API_KEY" })
 *   const two = yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: "SECOND_API_KEY" })
 *   const both = yield* iModel.balance([
 *     yield* iModel.make(one, { ...limits, name: "first key" }),
 *     yield* iModel.make(two, { ...limits, name: "second key" })
 *   ])
 *   return yield* both.respond({ prompt: "Name a colour." })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const balance = <const Several extends Route.Models>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>>,
  options?: Route.BalanceOptions<Several> & Options<Route.ArgsOf<Several>>
): Effect.Effect<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>, OptionsError, Scope.Scope> =>
  Effect.flatMap(Route.balance<Several>(models, options), (backend) => make(backend, options))

/**
 * @category options
 * @since 0.1.0
 */
export interface HedgeOptions {
  /**
   * A call is made a second time when it takes longer than this percentage of the last hundred answers did; of a stream, its
   * first part. The first twenty calls are made once.
   * @default 95
   */
  readonly percentile?: number | undefined
}

/**
 * Makes a model that asks another one a second time when it takes longer than most, and answers with what comes first. The other
 * attempt is interrupted, and gives back what it had not used. It costs one call in twenty, and saves the longest waits.
 *
 * **When to use**
 *
 * Where a late answer is worth little. Over an `iModel.balance` the second attempt is made with another key.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * **Example** (The slowest in twenty)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini" }))
 *   const quick = yield* iModel.hedge(gpt, { percentile: 95 })
 *   return yield* quick.respond({ prompt: "Name a colour." })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const hedge = <Args, Data>(
  model: Model<Args, Data>,
  options: HedgeOptions & Options<Args> = {}
): Effect.Effect<Model<Args, Data>, OptionsError, Scope.Scope> =>
  Effect.flatMap(Hedge.make(model, options), (backend) => make(backend, options))

/**
 * Makes a model that asks another one once for calls with equal arguments that run at the same time: they have one answer. It
 * goes on while any of them waits for it. Streams are not shared.
 *
 * **Example** (Asked once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini" }))
 *   const shared = yield* iModel.share(gpt)
 *   const ask = shared.respond({ prompt: "Name a colour." })
 *   return yield* Effect.all([ask, ask], { concurrency: "unbounded" })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const share = <Args, Data>(
  model: Model<Args, Data>,
  options?: Options<Args>
): Effect.Effect<Model<Args, Data>, OptionsError, Scope.Scope> =>
  Effect.flatMap(Share.make(model), (backend) => make(backend, options))

/** With its place in the lines of whoever it is admitted by. */
const placed = <A, E>(joined: Effect.Effect<A, E>, priority: number | undefined, key: string | undefined) =>
  Effect.updateContext(joined, (context: Context.Context<never>) => {
    const prioritized = priority === undefined ? context : Context.add(context, Executor.Priority, priority)
    return key === undefined ? prioritized : Context.add(prioritized, Executor.Key, key)
  })

const limitOr = (input: Duration.Input | undefined, otherwise: Duration.Duration | undefined) =>
  input === undefined ? otherwise : Duration.fromInputUnsafe(input)

/**
 * Why a model cannot be made: a wrong option, or a `RateLimiter` whose store fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type OptionsError = Cause.IllegalArgumentError | RateLimiter.RateLimiterError

const findExecutor = Effect.fnUntraced(function*<Args, Data>(backend: Backend<Args, Data>, options: Options<Args>) {
  const { concurrency, limitInputTokens, limitOutputTokens, limitRequests, limitTokens, queueCapacity } = options
  const given = { limitRequests, limitTokens, limitInputTokens, limitOutputTokens, concurrency, queueCapacity }
  const [own] = Object.entries(given).flatMap(([name, option]) => option === undefined ? [] : [name])
  const others = (["executor", "rateLimiter"] as const).filter((name) => options[name] !== undefined)
  const [first, second] = own === undefined ? others : [...others, own]
  if (first !== undefined && second !== undefined) return yield* illegal(`a model has ${first} or ${second}, not both`)
  if (own !== undefined) return yield* makeExecutor(backend, options)
  return options.executor ?? (options.rateLimiter === undefined && backend.capacity === undefined
    ? Option.getOrUndefined(yield* Effect.serviceOption(Executor.Executor))
    : undefined)
})

const makeExecutor = Effect.fnUntraced(function*<Args, Data>(
  { headroom, name }: Backend<Args, Data>,
  options: Options<Args>
) {
  const { limitRequests } = options
  const window = yield* positiveDuration("capacityRefreshTime", options.capacityRefreshTime ?? Duration.minutes(1))
  const bucket = (name: string, limit: number | undefined) =>
    limit === undefined
      ? Effect.undefined
      : Effect.map(positive(name, limit), (capacity) => ({ capacity, window, headroom: options.headroom ?? headroom }))
  if (limitRequests !== undefined && limitRequests < 1) {
    return yield* illegal(
      `limitRequests must be at least 1, got ${limitRequests}: for less, lengthen capacityRefreshTime`
    )
  }
  return yield* Executor.make({
    name: options.name ?? name,
    model: options.name ?? name,
    key: options.key,
    requests: yield* bucket("limitRequests", limitRequests),
    tokens: yield* bucket("limitTokens", options.limitTokens),
    inputTokens: yield* bucket("limitInputTokens", options.limitInputTokens),
    outputTokens: yield* bucket("limitOutputTokens", options.limitOutputTokens),
    concurrency: options.concurrency,
    queueCapacity: options.queueCapacity,
    onLimit: options.onLimit,
    maxDenials: options.maxDenials,
    onFull: options.onFull,
    onStoreFailure: options.onStoreFailure
  })
})

// -----------------------------------------------------------------------------
// Layers
// -----------------------------------------------------------------------------

/**
 * Provides `iModel` over the `ServiceBackend` in context.
 *
 * **Example** (A limited model)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const model = iModel.layer({ limitRequests: 500, limitTokens: 200_000 }).pipe(
 *   Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini" })),
 *   Layer.provide(FetchHttpClient.layer)
 * )
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(Effect.provide(model))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<iModel, OptionsError, ServiceBackend> =>
  Layer.effect(iModel, Effect.flatMap(ServiceBackend, (backend) => make(backend, options)))

/**
 * A tag of one's own, so that several models live side by side, each with the types of its backend.
 *
 * **Example** (Two models)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * class Small extends iModel.Service<Small>()("app/Small", {
 *   backend: OpenAi.makeChat({ model: "gpt-4o-mini" }),
 *   limitRequests: 500
 * }) {}
 *
 * class Large extends iModel.Service<Large>()("app/Large", {
 *   backend: OpenAi.makeChat({ model: "gpt-4o" })
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const draft = yield* (yield* Small).respond({ prompt: "Draft a haiku." })
 *   return yield* (yield* Large).respond({ prompt: `Improve it: ${draft.text}` })
 * }).pipe(
 *   Effect.provide(Layer.mergeAll(Small.layer, Large.layer)),
 *   Effect.provide(FetchHttpClient.layer)
 * )
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export const Service = <Self>() =>
<const Id extends string, Args, Data, E = never, R = never>(
  id: Id,
  options: Options<Args> & { readonly backend: Effect.Effect<Backend<Args, Data>, E, R> }
): ServiceClass<Self, Id, Args, Data, E, R> => {
  const { backend, ...modelOptions } = options
  const tag = Context.Service<Self, Model<Args, Data>>()(id)
  return Object.assign(tag, {
    layer: Layer.effect(tag, Effect.flatMap(backend, (backend) => make(backend, modelOptions)))
  })
}

/**
 * The class that `Service` makes.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceClass<in out Self, in out Id extends string, in out Args, in out Data, out E, out R>
  extends Context.ServiceClass<Self, Id, Model<Args, Data>>
{
  /** Provides the model. */
  readonly layer: Layer.Layer<Self, E | OptionsError, Exclude<R, Scope.Scope>>
}

export { CaptureContent }

// -----------------------------------------------------------------------------
// Operations
// -----------------------------------------------------------------------------

/**
 * Invokes the program's model. See `Model.invoke`.
 *
 * **Example** (Looking at the calling)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const calling = yield* iModel.invoke({ messages: [{ role: "user", content: "Hello" }] })
 *   if (calling.execution.status === "failed") yield* Effect.logError(calling.execution.error)
 *   return calling
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export function invoke<A>(
  calling: Calling<A>,
  options?: InvokeOptions
): Effect.Effect<Calling<A>, TimeoutError | PermissionDenied, iModel>
export function invoke(
  args: Arguments,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<Calling, TimeoutError | PermissionDenied, iModel>
export function invoke(argsOrCalling: Calling | Arguments, options?: InvokeOptions & CreateOptions) {
  return Effect.flatMap(
    iModel,
    (model) => isCalling(argsOrCalling) ? model.invoke(argsOrCalling, options) : model.invoke(argsOrCalling, options)
  )
}

/**
 * Invokes the program's model and answers with its response. See `Model.respond`.
 *
 * **Example** (The text of an answer)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.map(iModel.respond({ prompt: "Name a colour." }), (response) => response.text)
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const respond = (
  args: Arguments,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<NormalizedResponse, TimeoutError | PermissionDenied | BackendError, iModel> =>
  Effect.flatMap(iModel, (model) => model.respond(args, options))

/**
 * Invokes the program's model for an answer that a schema decodes. See `Model.respondAs`.
 *
 * **Example** (A value, not a text)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const Colour = Schema.Struct({ name: Schema.String, hex: Schema.String })
 *
 * const program = iModel.respondAs(Colour, { prompt: "Name a colour." }).pipe(
 *   Effect.map(({ value }) => `${value.name} is ${value.hex}`)
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const respondAs = <A>(
  schema: Schema.ConstraintCodec<A, unknown>,
  args: Arguments,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<ResponseOf<unknown, A>, TimeoutError | PermissionDenied | BackendError, iModel> =>
  Effect.flatMap(iModel, (model) => model.respondAs(schema, args, options))

/**
 * Streams the answer of the program's model. See `Model.stream`.
 *
 * **Example** (Text as it comes)
 *
 * ```ts
 * import { Console, Effect, Stream } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = iModel.stream({ prompt: "Tell me a story." }).pipe(
 *   Stream.filter((part) => part.type === "text-delta"),
 *   Stream.runForEach((part) => Console.log(part.delta))
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const stream = (
  args: Arguments,
  options?: StreamOptions
): Stream.Stream<StreamPart, TimeoutError | PermissionDenied | BackendError, iModel> =>
  Stream.unwrap(Effect.map(iModel, (model) => model.stream(args, options)))

/**
 * Makes a calling of the program's model, to be invoked later. See `Model.createCalling`.
 *
 * **Example** (Invoked twice, run once)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const calling = yield* iModel.createCalling({ prompt: "Hello" })
 *   yield* Effect.all([iModel.invoke(calling), iModel.invoke(calling)], { concurrency: "unbounded" })
 *   return yield* calling.response
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const createCalling = (
  args: Arguments,
  options?: CreateOptions
): Effect.Effect<Calling, TimeoutError | PermissionDenied | BackendError, iModel> =>
  Effect.flatMap(iModel, (model) => model.createCalling(args, options))

/**
 * Invokes the program's model for each of the arguments, and answers with the callings in their order. It fails with the
 * first that times out or is denied, and interrupts the rest. Interrupting it interrupts every call in it, and gives
 * back what they had not used.
 *
 * **Details**
 *
 * As many calls are under way at once as the executor can run and queue, or 100 for a model without one.
 *
 * **Example** (A batch)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const callings = yield* iModel.invokeAll(["red", "blue"].map((colour) => ({ prompt: `A fruit that is ${colour}` })))
 *   return callings.filter((calling) => calling.execution.status === "completed").length
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const invokeAll = (
  args: Iterable<Arguments>,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<Array<Calling>, TimeoutError | PermissionDenied, iModel> =>
  Effect.flatMap(
    iModel,
    (model) => Effect.forEach(args, (args) => model.invoke(args, options), { concurrency: model.capacity })
  )
