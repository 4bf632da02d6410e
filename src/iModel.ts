/**
 * The service a program uses: one typed front of a model provider or a local tool, under limits, settled as callings.
 *
 * **Details** (Traces and metrics)
 *
 * Each attempt at a model is a span by OpenTelemetry's conventions for generative AI (`chat gpt-4o-mini`, with `gen_ai.request.*`,
 * `gen_ai.usage.*`, `error.type`), and is measured in `gen_ai.client.operation.duration` and `gen_ai.client.token.usage`. What is
 * said is in a span only where {@link CaptureContent} is `true`. `Executor`, `Circuit` and `Hook.metrics` have metrics of their own.
 *
 * @since 0.1.0
 */
import type * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual, identity } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { layerFromJson, toJson } from "./Configuration.ts"
import { type Calling, isCalling, type NormalizedResponse, type StreamPart } from "./Calling.ts"
import type { BackendError, PermissionDenied, TimeoutError } from "./Errors.ts"
import type * as Hook from "./Hook.ts"
import {
  type Conversation,
  converse,
  type ConverseOptions,
  converseWith,
  type Step,
  type ToolStep
} from "./Conversation.ts"
import {
  fromAiError,
  layerEmbeddingModel,
  layerLanguageModel,
  makeEmbeddingModel,
  makeLanguageModel
} from "./EffectAi.ts"
import * as Hedge from "./internal/routing/hedge.ts"
import * as Many from "./internal/invokeMany.ts"
import * as internal from "./internal/model.ts"
import { fromStandard, type StandardSchema } from "./internal/chat/standardSchema.ts"
import * as Create from "./internal/create.ts"
import type { FallbackOptions, ModelOptions } from "./internal/create.ts"
import { type Abortable, type Promised, promised } from "./internal/promise.ts"
import { type PromisedTool, tool as makeTool, type ToolOptions } from "./internal/promisedTool.ts"
import { CallArguments, CaptureContent } from "./internal/executor/references.ts"
import type { HedgeOptions, VoteOptions } from "./internal/routing/options.ts"
import * as Race from "./internal/routing/race.ts"
import * as Share from "./internal/routing/share.ts"
import * as Vote from "./internal/routing/vote.ts"
import {
  type BatchOptions,
  type CreateOptions,
  iModel,
  type InvokeOptions,
  type InvokeStreamOptions,
  type Model,
  type Options,
  type OptionsError,
  type ResponseOf,
  type StreamOptions,
  TypeId
} from "./Model.ts"
import * as Route from "./Route.ts"
import { type Arguments, type Backend, makeMock, Mock, type MockHandler, ServiceBackend } from "./ServiceBackend.ts"

export { iModel, TypeId }
export type { HedgeOptions, VoteOptions } from "./internal/routing/options.ts"
export type {
  BatchOptions,
  CreateOptions,
  InvokeOptions,
  InvokeStreamOptions,
  Model,
  Options,
  OptionsError,
  ResponseOf,
  StreamOptions
}

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
) => Made<Args, Data, H> = internal.make

/** A model of a backend and hooks, with the errors and the requirements of the hooks. */
type Made<Args, Data, H> = Effect.Effect<
  Model<Args, Data | Hook.Data<H>>,
  OptionsError | Hook.Error<H>,
  Scope.Scope | Hook.Services<H>
>

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
export const fallback = <const Several extends Route.Models, H extends Hook.Any = never>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>>,
  options: Route.CommonOptions & Options<Route.ArgsOf<Several>, H> = {}
): Made<Route.ArgsOf<Several>, Route.DataOf<Several>, H> => {
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
export const balance = <const Several extends Route.Models, H extends Hook.Any = never>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>>,
  options: Route.BalanceOptions<Several> & Options<Route.ArgsOf<Several>, H> = {}
): Made<Route.ArgsOf<Several>, Route.DataOf<Several>, H> => {
  const { answerTimeout, attempts, cooldown, patience, restart, strategy, ...own } = options
  const backend = Route.balance<Several>(models, { answerTimeout, attempts, cooldown, patience, restart, strategy })
  return Effect.flatMap(backend, (backend) => make(backend, own))
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
export const hedge = <Args, Data, H extends Hook.Any = never>(
  model: Model<Args, Data>,
  { percentile, ...options }: HedgeOptions & Options<Args, H> = {}
): Made<Args, Data, H> => Effect.flatMap(Hedge.make(model, { percentile }), (backend) => make(backend, options))

/**
 * Makes a model that asks all of several at once, and answers with the first answer. The other calls are interrupted, and give back
 * what they had not used. When all fail the reason is `AllFailed`.
 *
 * **When to use**
 *
 * Where latency matters more than cost: every call is paid at every model, as far as it came. {@link hedge} costs less.
 *
 * **Example** (The faster of two providers)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Anthropic, iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini" }))
 *   const claude = yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-haiku-4-5" }))
 *   const faster = yield* iModel.race([gpt, claude])
 *   const { metadata, text } = yield* faster.respond({ prompt: "Name a colour." })
 *   return { text, from: metadata.model }
 * })
 * ```
 *
 * @see {@link fallback} for one after the other
 * @category constructors
 * @since 0.1.0
 */
export const race = <const Several extends Route.Models, H extends Hook.Any = never>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>>,
  options?: Options<Route.ArgsOf<Several>, H>
): Made<Route.ArgsOf<Several>, Route.DataOf<Several>, H> =>
  Effect.flatMap(Race.make<Route.ArgsOf<Several>, Route.DataOf<Several>>(models), (backend) => make(backend, options))

/**
 * Makes a model that asks all of several at once, and answers with what most of them say. The answers are counted by their `key`.
 *
 * **Details**
 *
 * As soon as no further answer can change the result, the calls that still run are interrupted. Without a majority the answer with the
 * most votes wins, and of several the one that came first; `metadata.votes` has the number of votes by key. A model that fails has
 * no vote; when all fail the reason is `AllFailed`. The response is the first one with the key that won, and all attempts are in
 * `calling.attempts`. A stream is handed out when the vote is decided.
 *
 * One model may vote several times: `[gpt, gpt, gpt]`.
 *
 * **Example** (Three judges)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const judge = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini" }))
 *   const jury = yield* iModel.vote([judge, judge, judge], { key: ({ text }) => text.toLowerCase().trim() })
 *   const { metadata, text } = yield* jury.respond({ prompt: "Spam or ham? Win a prize!", temperature: 1 })
 *   return { text, votes: metadata.votes }
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const vote = <const Several extends Route.Models, H extends Hook.Any = never>(
  models: Several & Arr.NonEmptyReadonlyArray<Model<Route.ArgsOf<Several>, Route.DataOf<Several>>>,
  { key, ...options }: VoteOptions<Route.DataOf<Several>> & Omit<Options<Route.ArgsOf<Several>, H>, "key"> = {}
): Made<Route.ArgsOf<Several>, Route.DataOf<Several>, H> =>
  Effect.flatMap(
    Vote.make<Route.ArgsOf<Several>, Route.DataOf<Several>>(models, { key }),
    (backend) => make(backend, options)
  )

/**
 * Makes a model that asks another one once for calls with equal arguments that run at the same time: they have one answer. It
 * goes on while any of them waits for it. Streams are not shared, nor are arguments that cannot be compared, such as objects of a
 * class, nor calls with different `Hook.Params`.
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
export const share = <Args, Data, H extends Hook.Any = never>(
  model: Model<Args, Data>,
  options?: Options<Args, H>
): Made<Args, Data, H> => Effect.flatMap(Share.make(model), (backend) => make(backend, options))

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
          const { backend: made, mock } = yield* makeMock(handler, backend)
          return Context.make(tag, yield* make(made, modelOptions)).pipe(Context.add(Mock, mock))
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

export { fromAiError, layerEmbeddingModel, layerLanguageModel, makeEmbeddingModel, makeLanguageModel }

// -----------------------------------------------------------------------------
// Configuration
// -----------------------------------------------------------------------------

export { layerFromJson, toJson }

// -----------------------------------------------------------------------------
// Outside Effect
// -----------------------------------------------------------------------------

export type { Abortable, FallbackOptions, ModelOptions, Promised, PromisedTool, StandardSchema, ToolOptions }

/**
 * Makes a model for a program that is not written in Effect, of options alone: a provider, a model, limits. It is made at its first
 * use, speaks HTTP by `fetch`, and lives until it is disposed of.
 *
 * **Gotchas**
 *
 * An `apiKey` in the form of a text is the name of an environment variable. A key itself is wrapped: `Redacted.make(key)`.
 *
 * **Example** (A script with a limit)
 *
 * ```ts
 * import { iModel } from "effect-imodel"
 *
 * await using gpt = iModel.create({ provider: "openai", model: "gpt-4o-mini", limitRequests: 500 })
 *
 * const { text } = await gpt.respond({ prompt: "Name a colour." })
 *
 * const prompts = ["red", "blue"].map((colour) => ({ prompt: `A fruit that is ${colour}` }))
 * for await (const result of gpt.invokeStream(prompts, { unordered: true })) {
 *   if (result._tag === "Success") console.log(text, result.success.execution.status)
 * }
 * ```
 *
 * @see {@link toPromise} for a layer
 * @category constructors
 * @since 0.1.0
 */
export const create: (options: ModelOptions) => Promised = Create.create

/**
 * Makes one model of several, for a program that is not written in Effect. See {@link fallback}. Each of them is disposed of by itself.
 *
 * **Example** (Another provider stands in)
 *
 * ```ts
 * import { iModel } from "effect-imodel"
 *
 * await using gpt = iModel.create({ provider: "openai", model: "gpt-4o" })
 * await using claude = iModel.create({ provider: "anthropic", model: "claude-sonnet-4-5" })
 * await using either = iModel.createFallback([gpt, claude], { timeout: "1 minute" })
 *
 * const { metadata, text } = await either.respond({ prompt: "Name a colour." })
 * console.log(text, metadata["model"])
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const createFallback: (
  models: Arr.NonEmptyReadonlyArray<Promised>,
  options?: FallbackOptions
) => Promised = Create.createFallback

/**
 * Makes a tool that `Promised.converse` runs. Its parameters are a schema of Effect, or of another library.
 *
 * **Example** (A model that can calculate)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const add = iModel.tool({
 *   name: "add",
 *   description: "Adds two numbers.",
 *   parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
 *   run: async ({ a, b }) => a + b
 * })
 *
 * await using gpt = iModel.create({ provider: "openai", model: "gpt-4o-mini" })
 *
 * const { response } = await gpt.converse("What is 123 + 456?", { tools: [add], maxTurns: 5 })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const tool: <A extends Readonly<Record<string, unknown>>>(options: ToolOptions<A>) => PromisedTool = makeTool

/**
 * A schema of another library, such as Zod, as one of Effect: for `respondAs` and `response_format`. The library implements Standard
 * Schema and Standard JSON Schema; its own validation decodes the answer, and must not be asynchronous.
 *
 * Throws an `IllegalArgumentError` for a schema without a JSON schema.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromStandardSchema: <A>(schema: StandardSchema<A>) => Schema.Codec<A, unknown> = fromStandard

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
 * Invokes the program's model with arguments of any type: those of one provider's wire, or of a file. What is wrong with them
 * fails the calling. See `Model.invokeUnknown`.
 *
 * **Example** (A field of one wire)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.flatMap(iModel.invokeUnknown({ prompt: "Name a colour.", top_k: 5 }), ({ response }) => response)
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const invokeUnknown = (
  args: unknown,
  options?: InvokeOptions & CreateOptions
): Effect.Effect<Calling, TimeoutError | PermissionDenied, iModel> =>
  Effect.flatMap(iModel, (model) => model.invokeUnknown(args, options))

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
  return Effect.flatMap(
    iModel,
    (model): Effect.Effect<Array<unknown>, TimeoutError | PermissionDenied> =>
      options?.mode === "result" ? Many.invokeAllResults(model, args, options) : Many.invokeAll(model, args, options)
  )
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
  return options?.mode === "result" ? Many.invokeAllResults(model, args, options) : Many.invokeAll(model, args, options)
}

/**
 * Invokes the program's model for each of the arguments in a stream, and emits each one's `Result`.
 *
 * **When to use**
 *
 * For inputs that are read while calls run, or are too many to hold in memory: with `invokeAll` all are held. To keep each input
 * with its result use {@link mapStream}.
 *
 * **Details**
 *
 * As many calls are under way at once as the model can run and queue: its `capacity`, which is 100 without limits. No more of the
 * stream is read meanwhile. A call that times out or is denied is a failed `Result` and ends no other; what the backend answered,
 * a failure too, is in its calling. Interrupting the stream interrupts the calls.
 *
 * **Example** (Prompts from elsewhere)
 *
 * ```ts
 * import { Console, Effect, Result, Stream } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const prompts = Stream.make("A red fruit", "A blue fruit").pipe(Stream.map((prompt) => ({ prompt })))
 *
 * const program = iModel.invokeStream(prompts, { timeout: "1 minute" }).pipe(
 *   Stream.filter(Result.isSuccess),
 *   Stream.mapEffect((result) => result.success.response),
 *   Stream.runForEach(({ text }) => Console.log(text))
 * )
 * ```
 *
 * @see {@link invokeAll} for an `Iterable`
 * @category operations
 * @since 0.1.0
 */
export const invokeStream = <E, R>(
  args: Stream.Stream<Arguments, E, R>,
  options?: InvokeStreamOptions
): Stream.Stream<Result.Result<Calling, TimeoutError | PermissionDenied>, E, R | iModel> =>
  Stream.unwrap(Effect.map(iModel, (model) => invokeStreamWith(model, args, options)))

/**
 * As `invokeStream`, with a model at hand.
 *
 * @category operations
 * @since 0.1.0
 */
export const invokeStreamWith = <Args, Data, E, R>(
  model: Model<Args, Data>,
  args: Stream.Stream<Args, E, R>,
  options?: InvokeStreamOptions
): Stream.Stream<Result.Result<Calling<Data>, TimeoutError | PermissionDenied>, E, R> =>
  Stream.map(mapStreamWith(model, args, identity, options), ([, result]) => result)

/**
 * Invokes the program's model for each element of a stream, with the arguments that a function makes of it, and emits the element
 * together with its `Result`. See {@link invokeStream}.
 *
 * **Example** (Rows of a table)
 *
 * ```ts
 * import { Effect, Result, Stream } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const rows = Stream.make({ id: 1, text: "Win a prize!" }, { id: 2, text: "See you at noon." })
 *
 * const program = rows.pipe(
 *   iModel.mapStream(({ text }) => ({ prompt: `Spam or not? ${text}` }), { unordered: true }),
 *   Stream.mapEffect(([{ id }, result]) =>
 *     Effect.map(Effect.result(Effect.flatMap(Effect.fromResult(result), ({ response }) => response)), (answer) => ({
 *       id,
 *       answer: Result.isSuccess(answer) ? answer.success.text : answer.failure.message
 *     }))
 *   ),
 *   Stream.runCollect
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const mapStream: {
  <A>(
    toArgs: (element: A) => Arguments,
    options?: InvokeStreamOptions
  ): <E, R>(
    elements: Stream.Stream<A, E, R>
  ) => Stream.Stream<readonly [A, Result.Result<Calling, TimeoutError | PermissionDenied>], E, R | iModel>
  <A, E, R>(
    elements: Stream.Stream<A, E, R>,
    toArgs: (element: A) => Arguments,
    options?: InvokeStreamOptions
  ): Stream.Stream<readonly [A, Result.Result<Calling, TimeoutError | PermissionDenied>], E, R | iModel>
} = dual(
  (args) => Stream.isStream(args[0]),
  <A, E, R>(
    elements: Stream.Stream<A, E, R>,
    toArgs: (element: A) => Arguments,
    options?: InvokeStreamOptions
  ): Stream.Stream<readonly [A, Result.Result<Calling, TimeoutError | PermissionDenied>], E, R | iModel> =>
    Stream.unwrap(Effect.map(iModel, (model) => mapStreamWith(model, elements, toArgs, options)))
)

/**
 * As `mapStream`, with a model at hand.
 *
 * @category operations
 * @since 0.1.0
 */
export const mapStreamWith: <Args, Data, A, E, R>(
  model: Model<Args, Data>,
  elements: Stream.Stream<A, E, R>,
  toArgs: (element: A) => Args,
  options?: InvokeStreamOptions
) => Stream.Stream<readonly [A, Result.Result<Calling<Data>, TimeoutError | PermissionDenied>], E, R> = Many.mapStream

// -----------------------------------------------------------------------------
// Tools
// -----------------------------------------------------------------------------

export { converse, converseWith }
export type { Conversation, ConverseOptions, Step, ToolStep }
