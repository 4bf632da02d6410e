/**
 * The service a program uses: one typed front of a model provider or a local tool, under limits, settled as callings.
 *
 * @since 0.1.0
 */
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as AiModel from "effect/ai/Model"
import type * as Prompt from "effect/ai/Prompt"
import type * as Tool from "effect/ai/Tool"
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Equal from "effect/Equal"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Calling, isCalling, type NormalizedResponse, type StreamPart, type ToolCall } from "./Calling.ts"
import type { Circuit } from "./Circuit.ts"
import {
  type BackendError,
  type ConfigurationError,
  type PermissionDenied,
  type TimeoutError,
  type TurnsExceeded
} from "./Errors.ts"
import type * as Executor from "./Executor.ts"
import type * as Hook from "./Hook.ts"
import * as Converse from "./internal/converse.ts"
import { makeEmbeddingModel as embedding } from "./internal/effectAi/embeddingModel.ts"
import { fromAiError } from "./internal/effectAi/errors.ts"
import { makeLanguageModel as language } from "./internal/effectAi/languageModel.ts"
import * as Hedge from "./internal/hedge.ts"
import { ModelTypeId } from "./internal/identity.ts"
import * as Configuration from "./internal/configuration.ts"
import { readModel } from "./internal/configuration/read.ts"
import { restore } from "./internal/configuration/restore.ts"
import * as internal from "./internal/model.ts"
import { type Abortable, type Promised, promised } from "./internal/promised.ts"
import { CallArguments, CaptureContent } from "./internal/references.ts"
import * as Share from "./internal/share.ts"
import type { Sink } from "./internal/streaming.ts"
import * as Route from "./Route.ts"
import {
  type Arguments,
  type Backend,
  type ChatArguments,
  type Cost,
  makeMock,
  Mock,
  type MockHandler,
  type ProviderMetadata,
  ServiceBackend
} from "./ServiceBackend.ts"
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
    readonly prepare: (
      args: Args,
      take?: Sink["take"],
      options?: StreamOptions
    ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
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
  /** How many callings can usefully be under way at once: as many as run and wait in its line, or 100 without limits. */
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
export const make: <Args, Data, H extends Hook.Any = never>(
  backend: Backend<Args, Data>,
  options?: Options<Args, H>
) => Effect.Effect<
  Model<Args, Data | Hook.Data<H>>,
  OptionsError | Hook.Error<H>,
  Scope.Scope | Hook.Services<H>
> = internal.make

/**
 * Makes one model of several: the first is asked, and when it fails the next one. It takes the arguments that all of them take.
 *
 * **Details**
 *
 * - A failed attempt is made again at the same model where its backend makes it again, up to three attempts, and the next model
 *   is asked then. A `retry-after` within the `patience` (10 seconds) is waited for.
 * - The next model is asked at once when one is silent, does not know the model, or has no quota left.
 * - One that cannot do what is asked (`Unsupported`: tools, images, an assistant prefill) is passed over without a request.
 * - When a request is too long for one (`ContextLengthExceeded`), the next with a larger context window is asked; those that are
 *   known to be no larger are passed over. The windows are those that the provider told, or else those of the models
 *   (`contextWindow`), unless the call itself names a `model`.
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
  options: Route.CommonOptions & Options<Route.ArgsOf<Several>> = {}
): Effect.Effect<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>, OptionsError, Scope.Scope> => {
  const { answerTimeout, attempts, cooldown, patience, restart, ...own } = options
  const backend = Route.fallback<Several>(models, { answerTimeout, attempts, cooldown, patience, restart })
  return Effect.flatMap(backend, (backend) => make(backend, own))
}

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
  options: Route.BalanceOptions<Several> & Options<Route.ArgsOf<Several>> = {}
): Effect.Effect<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>, OptionsError, Scope.Scope> => {
  const { answerTimeout, attempts, cooldown, patience, restart, strategy, ...own } = options
  const backend = Route.balance<Several>(models, { answerTimeout, attempts, cooldown, patience, restart, strategy })
  return Effect.flatMap(backend, (backend) => make(backend, own))
}

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
  { percentile, ...options }: HedgeOptions & Options<Args> = {}
): Effect.Effect<Model<Args, Data>, OptionsError, Scope.Scope> =>
  Effect.flatMap(Hedge.make(model, { percentile }), (backend) => make(backend, options))

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

/**
 * Why a model cannot be made: a wrong option, or a `RateLimiter` whose store fails.
 *
 * @category errors
 * @since 0.1.0
 */
export type OptionsError = Cause.IllegalArgumentError | RateLimiter.RateLimiterError

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
export const layer = <H extends Hook.Any = never>(
  options?: Options<Arguments, H>
): Layer.Layer<iModel, OptionsError | Hook.Error<H>, ServiceBackend | Exclude<Hook.Services<H>, Scope.Scope>> =>
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
export const Service =
  <Self>() =>
  <const Id extends string, Args, Data, E = never, R = never, H extends Hook.Any = never>(
    id: Id,
    options: Options<Args, H> & { readonly backend: Effect.Effect<Backend<Args, Data>, E, R> }
  ): ServiceClass<Self, Id, Args, Data | Hook.Data<H>, E, R, Hook.Error<H>, Hook.Services<H>> => {
    const { backend, ...modelOptions } = options
    const tag = Context.Service<Self, Model<Args, Data | Hook.Data<H>>>()(id)
    return Object.assign(tag, {
      layer: Layer.effect(tag, Effect.flatMap(backend, (backend) => make(backend, modelOptions))),
      layerMock: (handler: MockHandler<Data | Hook.Data<H>>) =>
        Layer.effectContext(Effect.gen(function*() {
          const { backend, mock } = yield* makeMock(handler)
          return Context.make(tag, yield* make(backend, modelOptions)).pipe(Context.add(Mock, mock))
        }))
    })
  }

/**
 * The class that `Service` makes: of a backend that may fail with `E` and needs `R`, and hooks with `HookE` and `HookR`.
 *
 * @category services
 * @since 0.1.0
 */
export interface ServiceClass<
  in out Self,
  in out Id extends string,
  in out Args,
  in out Data,
  out E,
  out R,
  out HookE = never,
  out HookR = never
> extends Context.ServiceClass<Self, Id, Model<Args, Data>> {
  /** Provides the model. */
  readonly layer: Layer.Layer<Self, E | HookE | OptionsError, Exclude<R | HookR, Scope.Scope>>
  /** Provides the model with its limits and hooks, and with answers from a function in place of its backend. See `ServiceBackend.layerMock`. */
  readonly layerMock: (
    handler: MockHandler<Data>
  ) => Layer.Layer<Self | Mock, HookE | OptionsError, Exclude<HookR, Scope.Scope>>
}

export { CallArguments, CaptureContent }

// -----------------------------------------------------------------------------
// Effect AI
// -----------------------------------------------------------------------------

/**
 * Makes a `LanguageModel` of Effect AI out of a model whose backend is one of chat. See `layerLanguageModel`.
 *
 * **Example** (Of a model with a tag of its own)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { LanguageModel } from "effect/ai"
 * import { Anthropic, iModel } from "effect-imodel"
 *
 * class Claude extends iModel.Service<Claude>()("app/Claude", {
 *   backend: Anthropic.makeMessages({ model: "claude-sonnet-4-5" }),
 *   limitRequests: 50
 * }) {}
 *
 * const layer = Layer.effect(LanguageModel.LanguageModel, Effect.flatMap(Claude, iModel.makeLanguageModel)).pipe(
 *   Layer.provide(Claude.layer)
 * )
 * ```
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const makeLanguageModel: (model: Model<ChatArguments>) => Effect.Effect<LanguageModel.LanguageModel> = language

/**
 * Provides the program's model as the `LanguageModel` of Effect AI, so that what is written for that (`generateText`,
 * `generateObject`, `streamText`, `Chat`, `Toolkit`) runs under its limits.
 *
 * Priority, key and `CallArguments` are those of the region that calls. An error is an `AiError` of the same reason; what Effect
 * AI has no word for is found by `fromAiError`, in
 *
 * - `RateLimitError`: out of time in the queue, `LimitExceeded`, `QueueFull`
 * - `InternalProviderError`: out of time while it ran
 * - `InvalidRequestError`: `CostExceedsCapacity`, `ContextLengthExceeded`, `Unsupported`
 * - `InvalidResponseError`: `StreamInterrupted`
 * - `UnknownError`: everything else
 *
 * **Example** (A conversation under a limit)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { Chat } from "effect/ai"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const chat = yield* Chat.empty
 *   yield* chat.generateText({ prompt: "My name is Ada." })
 *   return yield* chat.generateText({ prompt: "What is my name?" })
 * }).pipe(
 *   Effect.provide(iModel.layerLanguageModel.pipe(
 *     Layer.provide(iModel.layer({ limitRequests: 500 })),
 *     Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini" }))
 *   ))
 * )
 * ```
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const layerLanguageModel: Layer.Layer<
  LanguageModel.LanguageModel | AiModel.ProviderName | AiModel.ModelName,
  never,
  iModel
> = Layer.effectContext(Effect.gen(function*() {
  const model = yield* iModel
  return Context.add(named(model), LanguageModel.LanguageModel, yield* makeLanguageModel(model))
}))

/**
 * Makes an `EmbeddingModel` of Effect AI out of a model whose backend is one of embeddings. See `layerEmbeddingModel`.
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const makeEmbeddingModel: (
  model: Model<{ readonly input: ReadonlyArray<string> }>
) => Effect.Effect<EmbeddingModel.EmbeddingModel> = embedding

/**
 * Provides the program's model as the `EmbeddingModel` of Effect AI. Texts that are embedded one by one at the same moment go
 * together in one call, if their priority, key and `CallArguments` are the same. Its errors are those of `layerLanguageModel`.
 *
 * **Example** (Two texts, one call)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { EmbeddingModel } from "effect/ai"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const model = yield* EmbeddingModel.EmbeddingModel
 *   return yield* Effect.all([model.embed("blue"), model.embed("red")], { concurrency: "unbounded" })
 * }).pipe(
 *   Effect.provide(iModel.layerEmbeddingModel.pipe(
 *     Layer.provide(iModel.layer({ limitRequests: 3_000 })),
 *     Layer.provide(OpenAi.layerEmbeddings({ model: "text-embedding-3-small" }))
 *   ))
 * )
 * ```
 *
 * @category Effect AI
 * @since 0.1.0
 */
export const layerEmbeddingModel: Layer.Layer<
  EmbeddingModel.EmbeddingModel | AiModel.ProviderName | AiModel.ModelName,
  never,
  iModel
> = Layer.effectContext(Effect.gen(function*() {
  const model = yield* iModel
  return Context.add(named(model), EmbeddingModel.EmbeddingModel, yield* makeEmbeddingModel(model))
}))

const named = ({ name, provider }: Model) =>
  Context.add(AiModel.ProviderName.context(provider), AiModel.ModelName, name)

export { fromAiError }

// -----------------------------------------------------------------------------
// Configuration
// -----------------------------------------------------------------------------

/**
 * A model as JSON: its backend, its limits and its other options, to be made again by `layerFromJson`. The key is there by the name
 * of its environment variable alone. What was given and is no data is `null`: functions, hooks, an executor made elsewhere, a key
 * by its value, and a backend other than those of `Provider`. What `fallback` and `balance` made has its models in it; one that was
 * given twice is there twice, and will be two models.
 *
 * **Example** (What a model was made of)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.log(iModel.toJson(yield* iModel.iModel))
 * })
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const toJson: (model: Model<never>) => Schema.JsonObject = Configuration.toJson

/**
 * Provides `iModel` of JSON, as `toJson` has it or as people write it. The model is a new one: its `id` is fresh, its limits are
 * full. Times are milliseconds, or such as `"1 minute"`.
 *
 * Fails with `ConfigurationError`, which has the path of the field, when there is one that it does not know or a wrong value in
 * one, another version, a provider that is not known, a key in place of the name of a variable, a variable that is not there, or a
 * `null`; and with `RateLimiterError` when the store of a `RateLimiter` in context does.
 *
 * `ServiceRegistry.layerFromFile` has several models by name, from one file.
 *
 * **Example** (A model that is written down)
 *
 * ```ts
 * import { iModel } from "effect-imodel"
 *
 * const model = iModel.layerFromJson({
 *   version: 1,
 *   backend: { provider: "openai", endpoint: "chat", model: "gpt-4o-mini", apiKey: "OPENAI_API_KEY" },
 *   limitRequests: 500,
 *   timeout: "10 minutes"
 * })
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const layerFromJson = (
  json: unknown
): Layer.Layer<iModel, ConfigurationError | RateLimiter.RateLimiterError, HttpClient.HttpClient> =>
  Layer.effect(iModel, Effect.flatMap(readModel(json), (model) => restore(model, [], new Map())))

// -----------------------------------------------------------------------------
// Outside Effect
// -----------------------------------------------------------------------------

export type { Abortable, Promised }

/**
 * A model for a program that is not written in Effect: promises, an `AsyncIterable`, an `AbortSignal`. The model is made at its
 * first use, and lives until it is disposed of. It is the program's, or that of a tag of one's own: `toPromise(Gpt.layer, Gpt)`.
 *
 * **Example** (A script)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * await using gpt = iModel.toPromise(
 *   iModel.layer({ limitRequests: 500 }).pipe(
 *     Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini" })),
 *     Layer.provide(FetchHttpClient.layer)
 *   )
 * )
 *
 * const { text } = await gpt.respond({ prompt: "Name a colour." }, { signal: AbortSignal.timeout(30_000) })
 *
 * for await (const part of gpt.stream({ prompt: `Tell me a story of something ${text}.` })) {
 *   if (part.type === "text-delta") console.log(part.delta)
 * }
 * ```
 *
 * @category destructors
 * @since 0.1.0
 */
export function toPromise<E>(layer: Layer.Layer<iModel, E>): Promised
export function toPromise<Self, Args, Data, E>(
  layer: Layer.Layer<Self, E>,
  tag: Effect.Effect<Model<Args, Data>, never, Self>
): Promised<Args, Data>
export function toPromise<E>(
  layer: Layer.Layer<iModel, E>,
  tag: Effect.Effect<Model, never, iModel> = iModel
): Promised {
  return promised(layer, tag)
}

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
 * As many calls are under way at once as the executor can run and queue, or 100 for a model without one. With `mode: "result"`,
 * as `Effect.all` has it, each has its `Result`, and one that times out or is denied ends no other.
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
 * **Example** (All that were answered in time)
 *
 * ```ts
 * import { Array, Effect, Result } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const prompts = ["red", "blue"].map((colour) => ({ prompt: `A fruit that is ${colour}` }))
 *   const results = yield* iModel.invokeAll(prompts, { mode: "result", timeout: "1 minute" })
 *   const settled = Array.getSuccesses(results)
 *   return { settled: settled.length, late: results.length - settled.length }
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export function invokeAll(
  args: Iterable<Arguments>,
  options: BatchOptions & { readonly mode: "result" }
): Effect.Effect<Array<Result.Result<Calling, TimeoutError | PermissionDenied>>, never, iModel>
export function invokeAll(
  args: Iterable<Arguments>,
  options?: BatchOptions & { readonly mode?: "default" | undefined }
): Effect.Effect<Array<Calling>, TimeoutError | PermissionDenied, iModel>
export function invokeAll(args: Iterable<Arguments>, options?: BatchOptions) {
  return Effect.flatMap(iModel, (model) => batch(model, args, options))
}

/**
 * As `invokeAll`, with a model at hand: one of a tag of one's own, of a fallback, of a registry.
 *
 * **Example** (A batch over two keys)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const one = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: "KEY_ONE" }), { limitRequests: 500 })
 *   const two = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: "KEY_TWO" }), { limitRequests: 500 })
 *   const both = yield* iModel.balance([one, two])
 *   return yield* iModel.invokeAllWith(both, [{ prompt: "A red fruit" }, { prompt: "A blue fruit" }])
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export function invokeAllWith<Args, Data>(
  model: Model<Args, Data>,
  args: Iterable<Args>,
  options: BatchOptions & { readonly mode: "result" }
): Effect.Effect<Array<Result.Result<Calling<Data>, TimeoutError | PermissionDenied>>>
export function invokeAllWith<Args, Data>(
  model: Model<Args, Data>,
  args: Iterable<Args>,
  options?: BatchOptions & { readonly mode?: "default" | undefined }
): Effect.Effect<Array<Calling<Data>>, TimeoutError | PermissionDenied>
export function invokeAllWith<Args, Data>(model: Model<Args, Data>, args: Iterable<Args>, options?: BatchOptions) {
  return batch(model, args, options)
}

const batch = <Args, Data>(
  model: Model<Args, Data>,
  args: Iterable<Args>,
  { mode, ...options }: BatchOptions = {}
): Effect.Effect<Array<unknown>, TimeoutError | PermissionDenied> => {
  const settle = (args: Args): Effect.Effect<unknown, TimeoutError | PermissionDenied> => {
    const calling = model.invoke(args, options)
    return mode === "result" ? Effect.result(calling) : calling
  }
  return Effect.forEach(args, settle, { concurrency: model.capacity })
}

// -----------------------------------------------------------------------------
// Tools
// -----------------------------------------------------------------------------

/**
 * @category options
 * @since 0.1.0
 */
export interface ConverseOptions extends InvokeOptions, CreateOptions {
  /** Models of a `ToolBackend`, whatever their types. */
  readonly tools: ReadonlyArray<Model<never>>
  /** How often the model may be asked. */
  readonly maxTurns: number
  /** How many tools run at once. @default 8 */
  readonly concurrency?: number | undefined
  /** What else the model is asked with, for example its `temperature`. @default nothing */
  readonly args?: Omit<Arguments, "prompt" | "messages" | "tools"> | undefined
}

/**
 * A conversation that has come to its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conversation {
  /** The last answer, which calls no tool. */
  readonly response: NormalizedResponse
  /** All that was said, to go on from there. */
  readonly prompt: Prompt.Prompt
  /** The turns, in their order. */
  readonly steps: ReadonlyArray<Step>
}

/**
 * A turn of a conversation: what the model answered, and the tools that it called.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly calling: Calling
  readonly tools: ReadonlyArray<ToolStep>
}

/**
 * A tool that was called in a conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolStep {
  readonly call: ToolCall
  /** `undefined` where there is no such tool, or the call was denied. */
  readonly calling: Calling | undefined
  /** What the model was told. */
  readonly text: string
  readonly failed: boolean
}

/**
 * Asks the program's model, runs the tools that it calls, and asks it again with what they answered, until it calls none.
 *
 * **Details**
 *
 * Every turn and every call of a tool is a calling of its own, with the hooks and the limits of its model. What goes wrong with a tool
 * is told to the model in its own words: wrong arguments, a failure, a denial, a tool that does not exist. The model's own errors
 * end the conversation, and so does `TurnsExceeded`. A tool without a name of its own among the `tools`, or a model that is no tool,
 * is an `IllegalArgumentError` before anything is asked.
 *
 * **Example** (A model that can calculate)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool } from "effect/ai"
 * import { iModel, ToolBackend } from "effect-imodel"
 *
 * const Add = Tool.make("add", {
 *   description: "Adds two numbers.",
 *   parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
 *   success: Schema.Finite
 * })
 *
 * const program = Effect.gen(function*() {
 *   const add = yield* iModel.make(yield* ToolBackend.make(Add, ({ a, b }) => a + b))
 *   const { response, steps } = yield* iModel.converse("What is 123 + 456?", { tools: [add], maxTurns: 5 })
 *   return { text: response.text, turns: steps.length }
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const converse = (
  prompt: Prompt.RawInput,
  options: ConverseOptions
): Effect.Effect<
  Conversation,
  TimeoutError | PermissionDenied | BackendError | TurnsExceeded | Cause.IllegalArgumentError,
  iModel
> => Effect.flatMap(iModel, (model) => converseWith(model, prompt, options))

/**
 * As `converse`, with a model at hand.
 *
 * @category operations
 * @since 0.1.0
 */
export const converseWith: (
  model: Model<never>,
  prompt: Prompt.RawInput,
  options: ConverseOptions
) => Effect.Effect<
  Conversation,
  TimeoutError | PermissionDenied | BackendError | TurnsExceeded | Cause.IllegalArgumentError
> = Converse.converse
