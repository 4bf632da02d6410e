/**
 * Backends: an HTTP endpoint, a local tool, a command line, or the mock of a test. A program gets its backend as a `Layer`.
 *
 * @since 0.1.0
 */
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import type * as Prompt from "effect/ai/Prompt"
import type * as Tool from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Calling, isNormalizedResponse, makeResponse, type NormalizedResponse, type Part } from "./Calling.ts"
import type { Circuit } from "./Circuit.ts"
import type { BackendError, BackendErrorReason, Unsupported } from "./Errors.ts"
import * as internal from "./internal/backend.ts"
import type { Cost, ProviderMetadata } from "./internal/backend.ts"
import type { Attempt } from "./internal/calling/work.ts"
import * as EffectAi from "./internal/effectAi/backend.ts"
import { decodeAnswer, isOutputSchema, type OutputSchema } from "./internal/chat/arguments.ts"
import { withCorrection } from "./internal/chat/repair.ts"
import { attach, read } from "./internal/mock/reader.ts"
import { invalidArgument } from "./internal/util/schemaIssue.ts"
import { type Retry, retrying } from "./internal/errors/retry.ts"
import { type Emit, streamInto, streamPartsOf } from "./internal/calling/streaming.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId: typeof internal.TypeId = internal.TypeId

/**
 * A plain message, understood by every chat backend, in the form of OpenAI's chat wire. A message of the role `tool` is the result
 * of a call that an earlier message of the assistant makes.
 *
 * @category models
 * @since 0.1.0
 */
export type Message =
  | { readonly role: "system" | "user"; readonly content: string }
  | {
    readonly role: "assistant"
    readonly content: string | null
    readonly tool_calls?: ReadonlyArray<PlainToolCall> | undefined
  }
  | { readonly role: "tool"; readonly content: string; readonly tool_call_id: string }

/**
 * A call of a tool in a plain message.
 *
 * @category models
 * @since 0.1.0
 */
export interface PlainToolCall {
  readonly id: string
  readonly type: "function"
  /** The `arguments` are JSON. */
  readonly function: { readonly name: string; readonly arguments: string }
}

/**
 * The arguments that every chat backend understands, and the `input` of backends of embeddings. Unknown arguments are refused by
 * name before anything is sent.
 *
 * **Gotchas**
 *
 * The fields of one provider's wire are not among them. They are typed for a model that is made of that provider's backend
 * (`iModel.Service`, `iModel.make`); for others, `invokeUnknown` takes any arguments.
 *
 * @category models
 * @since 0.1.0
 */
export interface Arguments {
  /** A text, or a prompt of `effect/ai`. Either this or `messages`. */
  readonly prompt?: Prompt.RawInput | undefined
  readonly messages?: ReadonlyArray<Message> | undefined
  /**
   * The system prompt, which goes before the prompt or the messages. Refused together with a system message at their beginning, and
   * with what a provider calls it: `instructions`, `systemInstruction`, `systemPrompt`.
   */
  readonly system?: string | undefined
  /** A text or several, for a backend of embeddings. */
  readonly input?: string | ReadonlyArray<string> | undefined
  /** The model, when it is not the backend's default. */
  readonly model?: string | undefined
  readonly temperature?: number | undefined
  readonly top_p?: number | undefined
  /** The most tokens that the answer may have. */
  readonly max_tokens?: number | undefined
  readonly stop?: string | ReadonlyArray<string> | undefined
  /** Tools that the model may ask to be called: of `effect/ai`, or in the form of OpenAI's chat wire, or the provider's own. */
  readonly tools?: ReadonlyArray<Tool.Any | WireObject> | undefined
  /** Whether the model calls a tool, or which one; or the provider's own. @default "auto" where there are tools */
  readonly tool_choice?: "auto" | "none" | "required" | { readonly tool: string } | WireObject | undefined
  /**
   * A schema of the answer, which is decoded into the `value` of the response; or JSON schema in the form of OpenAI's chat wire;
   * or the provider's own.
   */
  readonly response_format?: Schema.ConstraintCodec<unknown, unknown> | WireObject | undefined
}

/**
 * The `Arguments` that Effect AI uses.
 *
 * @category models
 * @since 0.1.0
 */
export type ChatArguments = {
  readonly prompt: Prompt.Prompt
  readonly tools?: ReadonlyArray<Tool.Any> | undefined
  readonly tool_choice?: "auto" | "none" | "required" | { readonly tool: string } | undefined
  readonly response_format?: Schema.ConstraintCodec<unknown, unknown> | undefined
}

/**
 * A value in the format of one provider's wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface WireObject {
  readonly type: string
  readonly [field: string]: unknown
}

/**
 * A backend for arguments `Args` that answers with `Data`. Backends with the same `id` are `Equal`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Backend<in Args = Arguments, out Data = unknown> extends internal.Backend<Args, Data> {}

export type { CallingOptions, Cost, ProviderMetadata } from "./internal/backend.ts"

/**
 * Known capabilities of a model. What is not stated is assumed to be supported.
 *
 * @category models
 * @since 0.1.0
 */
export interface Capabilities {
  /**
   * Context window in tokens. When a request is too long for one model, a fallback tries models with larger windows. The
   * estimated cost of a call is not compared with it.
   */
  readonly contextWindow?: number | undefined
  /** Whether the model takes tools. */
  readonly tools?: boolean | undefined
  /** Whether the model takes images. */
  readonly images?: boolean | undefined
  /** Whether the model continues a last message of the assistant (prefill). */
  readonly prefill?: boolean | undefined
}

export type { Retry }

/**
 * A running attempt: its `number`, and `reportRateLimits` for the rate-limit headers of the answer, by which the limits in front
 * of the backend are adjusted.
 *
 * @category models
 * @since 0.1.0
 */
export type { Attempt }

/**
 * The backend of the program.
 *
 * @category services
 * @since 0.1.0
 */
export class ServiceBackend extends Context.Service<ServiceBackend, Backend>()("effect-imodel/ServiceBackend") {}

/**
 * A schema of arguments: an object, decoded without services.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestSchema extends Schema.Top {
  readonly Type: Readonly<Record<string, unknown>>
  readonly DecodingServices: never
}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options<S extends RequestSchema, Data> {
  readonly provider: string
  readonly name: string
  /** @default "1" */
  readonly version?: string | undefined
  /**
   * Distinguishes backends of the same name whose answers differ, such as by address: `Hook.cache` keeps their answers apart. It
   * must not contain secrets.
   * @default ""
   */
  readonly fingerprint?: string | undefined
  readonly tags?: Iterable<string> | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** @default one that is empty */
  readonly providerMetadata?: ProviderMetadata | undefined
  /** Schema of the arguments. Unknown arguments are refused. */
  readonly request: S
  /** Makes one attempt. Returns the data or a whole `NormalizedResponse`; may fail with a reason alone. */
  readonly call: (
    payload: S["Type"],
    calling: Calling,
    attempt: Attempt
  ) => Effect.Effect<Data | NormalizedResponse<Data>, BackendError | BackendErrorReason>
  /**
   * Makes one attempt and emits the parts of the answer as they come.
   * @default `call`, whose answer is emitted when it is complete
   */
  readonly stream?:
    | ((
      payload: S["Type"],
      emit: Emit,
      calling: Calling,
      attempt: Attempt
    ) => Effect.Effect<Data | NormalizedResponse<Data>, BackendError | BackendErrorReason>)
    | undefined
  /**
   * Estimated tokens of a call; `undefined` for the default.
   * @default the tokens of the arguments by the `tokenizer`, plus `max_tokens`
   */
  readonly cost?: ((payload: S["Type"]) => Cost | undefined) | undefined
  /** Loads the function that counts the tokens of a text. @default none: tokens are estimated by script */
  readonly tokenizer?: Effect.Effect<((text: string) => number) | undefined> | undefined
  /** When failed attempts are retried. @default never */
  readonly retry?: Retry | undefined
  /**
   * The operation by OpenTelemetry's conventions for generative AI, for example `{ name: "chat" }`. The default of `provider` is
   * that of the backend.
   * @default none: a span `iModel.call`, and no metrics
   */
  readonly operation?:
    | { readonly name: string; readonly provider?: string; /** Who is asked. */ readonly server?: URL }
    | undefined
  /** The tool definition shown to models that can call this backend. @default none */
  readonly tool?: Tool.Any | undefined
  /** Safety margin subtracted from each rate-limit window, for latency and clock skew. @default none */
  readonly headroom?: Duration.Input | undefined
  /** Maximum time between two parts of a stream. @default no limit */
  readonly idleTimeout?: Duration.Input | undefined
  /** Circuit breaker of its attempts. @default none */
  readonly circuit?: Circuit | undefined
  /** Context window in tokens. @default unknown */
  readonly contextWindow?: number | undefined
  /** The feature that valid arguments need and the backend lacks. Such a call fails before anything is spent. @default none */
  readonly unsupported?: ((payload: S["Type"]) => Unsupported | undefined) | undefined
}

/**
 * Hands parts of an answer to the reader of the stream, and completes when they are taken. An empty list resets the idle timeout.
 * The second argument is the usage so far, for backends that know it before the end.
 *
 * @category models
 * @since 0.1.0
 */
export type { Emit }

/**
 * Makes a backend from a request schema and a function that makes one attempt. Identity, validation, spans, metrics and the
 * normalized response are added.
 *
 * **Example** (A custom backend)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { iModel, ServiceBackend } from "effect-imodel"
 *
 * const shout = ServiceBackend.make({
 *   provider: "local",
 *   name: "shout",
 *   request: Schema.Struct({ text: Schema.String }),
 *   call: ({ text }) => Effect.succeed(text.toUpperCase())
 * })
 *
 * class Shout extends iModel.Service<Shout>()("app/Shout", { backend: shout }) {}
 *
 * const program = Effect.flatMap(Shout, (model) => model.respond({ text: "hello" })).pipe(
 *   Effect.map((response) => response.data),
 *   Effect.provide(Shout.layer)
 * )
 *
 * console.log(await Effect.runPromise(program)) // => HELLO
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <S extends RequestSchema, Data>(
  options: Options<S, Data>
): Effect.Effect<Backend<S["Encoded"], Data>> =>
  Effect.suspend(() => {
    const { call, circuit, operation, request, retry, unsupported } = options
    const decode = Schema.decodeUnknownResult(request, { onExcessProperty: "error" })
    const stream = options.stream ?? ((payload, emit, calling, attempt) =>
      Effect.tap(
        Effect.map(
          call(payload, calling, attempt),
          (answer) => isNormalizedResponse(answer) ? answer : makeResponse({ data: answer })
        ),
        ({ content }) => emit(streamPartsOf(content))
      ))
    return internal.make<S["Encoded"], S["Type"], Data>({
      ...options,
      decode: (args) => {
        const decoded = decode(args)
        if (Result.isFailure(decoded)) return Result.fail(invalidArgument(decoded.failure, request))
        const reason = unsupported?.(decoded.success)
        return reason === undefined ? Result.succeed(decoded.success) : Result.fail(reason)
      },
      work: {
        run: (asked, attempt) => {
          const { calling, sink } = attempt
          const payload = withCorrection(asked, calling.attempts)
          const given = sink === undefined
            ? call(payload, calling, attempt)
            : streamInto(sink, (emit) => stream(payload, emit, calling, attempt))
          const { response_format: format } = payload
          const answer = isOutputSchema(format) ? Effect.flatMap(given, withValue(format)) : given
          return circuit === undefined ? answer : circuit.attempt(answer)
        },
        retry: retry && retrying(retry),
        operation: operation && { provider: options.provider, ...operation }
      }
    })
  })

/** Decodes the text of an answer that its backend has not decoded. */
const withValue = (format: OutputSchema) =>
<Data>(
  answer: Data | NormalizedResponse<Data>
): Effect.Effect<Data | NormalizedResponse<Data>, BackendErrorReason> => {
  const response = isNormalizedResponse(answer) ? answer : makeResponse({ data: answer })
  const { content, text, toolCalls, value } = response
  if (value !== undefined || text === "" || toolCalls.length > 0) return Effect.succeed(answer)
  const finish = content.findLast((part) => part.type === "finish")
  return Effect.map(
    decodeAnswer(format, LanguageModel.defaultCodecTransformer, text, finish),
    (value) => ({ ...response, value })
  )
}

/**
 * Provides a backend of any type as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <Args, Data, E, R>(
  backend: Effect.Effect<Backend<Args, Data>, E, R>
): Layer.Layer<ServiceBackend, E, Exclude<R, Scope.Scope>> =>
  Layer.effect(ServiceBackend, Effect.map(backend, (backend) => ({ ...backend, [TypeId]: variance })))

// -----------------------------------------------------------------------------
// Effect AI
// -----------------------------------------------------------------------------

/**
 * The arguments of a backend made of a `LanguageModel`: what Effect AI itself takes. Its other settings, such as the
 * temperature, belong to the `LanguageModel`; they are refused here, by name.
 *
 * @category models
 * @since 0.1.0
 */
export interface LanguageModelRequest extends Readonly<(typeof EffectAi.ChatRequest)["Encoded"]> {}

/**
 * The arguments of a backend made of an `EmbeddingModel`: one text or several.
 *
 * @category models
 * @since 0.1.0
 */
export interface EmbeddingModelRequest extends Readonly<(typeof EffectAi.EmbeddingRequest)["Encoded"]> {}

/**
 * @category options
 * @since 0.1.0
 */
export interface EffectAiOptions {
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times, see `Retry` */
  readonly retry?: Retry | undefined
}

/**
 * Makes a backend of the `LanguageModel` of Effect AI in context, so that any of its providers runs under limits. The `data` of
 * an answer is its parts. Tools are offered to the model and not run: that is the caller's part, as with every backend.
 *
 * Its spans are those that Effect AI makes, below an `iModel.call` for each attempt. Provider and name are those of
 * `Model.ProviderName` and `Model.ModelName`, if they are in context.
 *
 * **Example** (A provider of Effect AI)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { LanguageModel } from "effect/ai"
 * import { iModel, ServiceBackend } from "effect-imodel"
 *
 * declare const provider: Layer.Layer<LanguageModel.LanguageModel>
 *
 * const model = iModel.layer({ limitRequests: 500 }).pipe(
 *   Layer.provide(ServiceBackend.layer(ServiceBackend.fromLanguageModel())),
 *   Layer.provide(provider)
 * )
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(Effect.provide(model))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromLanguageModel = (
  options?: EffectAiOptions
): Effect.Effect<Backend<LanguageModelRequest, ReadonlyArray<Part>>, never, LanguageModel.LanguageModel> =>
  attach(languageModelBackend(options), () => EffectAi.readParts)

const languageModelBackend = Effect.fnUntraced(function*(options: EffectAiOptions | undefined) {
  const model = yield* LanguageModel.LanguageModel
  return yield* make({
    ...yield* effectAi(options),
    request: EffectAi.ChatRequest,
    call: EffectAi.generate(model),
    stream: EffectAi.stream(model)
  })
})

/**
 * Makes a backend of the `EmbeddingModel` of Effect AI in context. The `data` of an answer, and its `value`, are the vectors in
 * the order of the texts.
 *
 * **Example** (Embeddings under a limit)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel, ServiceBackend } from "effect-imodel"
 *
 * class Embedder extends iModel.Service<Embedder>()("app/Embedder", {
 *   backend: ServiceBackend.fromEmbeddingModel(),
 *   limitRequests: 3_000
 * }) {}
 *
 * const vectors = Effect.gen(function*() {
 *   const embedder = yield* Embedder
 *   return (yield* embedder.respond({ input: ["blue", "red"] })).data
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromEmbeddingModel = (
  options?: EffectAiOptions
): Effect.Effect<
  Backend<EmbeddingModelRequest, ReadonlyArray<ReadonlyArray<number>>>,
  never,
  EmbeddingModel.EmbeddingModel
> => attach(embeddingModelBackend(options), () => EffectAi.readVectors)

const embeddingModelBackend = Effect.fnUntraced(function*(options: EffectAiOptions | undefined) {
  const model = yield* EmbeddingModel.EmbeddingModel
  return yield* make({
    ...yield* effectAi(options),
    request: EffectAi.EmbeddingRequest,
    call: EffectAi.embed(model)
  })
})

// As of a backend over HTTP, which is where the providers of Effect AI are.
const effectAi = Effect.fnUntraced(function*(options: EffectAiOptions | undefined) {
  return {
    provider: Option.getOrElse(yield* Effect.serviceOption(Model.ProviderName), () => "effect-ai"),
    name: Option.getOrElse(yield* Effect.serviceOption(Model.ModelName), () => "effect-ai"),
    retry: options?.retry ?? {},
    headroom: 150,
    idleTimeout: Duration.minutes(2)
  }
})

// -----------------------------------------------------------------------------
// Mock
// -----------------------------------------------------------------------------

/**
 * What the mock of a test saw.
 *
 * @category services
 * @since 0.1.0
 */
export class Mock extends Context.Service<Mock, {
  /** The callings that reached the mock, in the order in which they did. */
  readonly callings: Effect.Effect<ReadonlyArray<Calling>>
}>()("effect-imodel/ServiceBackend/Mock") {}

/**
 * Answers in place of a real backend.
 *
 * @category models
 * @since 0.1.0
 */
export type MockHandler<Data> = (
  calling: Calling
) => Effect.Effect<Data | NormalizedResponse<Data>, BackendError | BackendErrorReason>

/**
 * Answers from a function, in place of a real backend. What it saw is in the service `Mock`.
 *
 * **Details**
 *
 * - A string that the handler returns is both the `data` and the `text` of the response.
 * - An answer of `OpenAi.completion`, `OpenAi.response`, `Anthropic.message` or `Gemini.answer` is read as that provider's
 *   answers are: into text, tool calls, usage, and the value that `respondAs` asks for.
 * - Given the `backend` that it stands for, it reads every answer of that backend's type so, and refuses arguments that the
 *   backend refuses. `layerMock` of `iModel.Service` knows its backend.
 * - Other data is the `data` of the response, without text. For more use `Calling.makeResponse`.
 *
 * **Example** (A program that does not know)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { iModel, ServiceBackend } from "effect-imodel"
 *
 * const program = Effect.map(iModel.respond({ prompt: "Name a colour." }), (response) => response.text)
 *
 * const test = Effect.gen(function*() {
 *   const text = yield* program
 *   const mock = yield* ServiceBackend.Mock
 *   return { text, calls: (yield* mock.callings).length }
 * }).pipe(
 *   Effect.provide(
 *     iModel.layer().pipe(Layer.provideMerge(ServiceBackend.layerMock(() => Effect.succeed("blue"))))
 *   )
 * )
 *
 * console.log(await Effect.runPromise(test)) // => { text: 'blue', calls: 1 }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMock = <Data>(
  handler: MockHandler<Data>,
  backend?: Effect.Effect<Backend<never, Data>, unknown, unknown>
): Layer.Layer<ServiceBackend | Mock> =>
  Layer.effectContext(
    Effect.map(makeMock(handler, backend), ({ backend, mock }) =>
      Context.make(ServiceBackend, backend).pipe(Context.add(Mock, mock)))
  )

/**
 * Makes the backend of a mock, with the types of what it answers; and what it saw. See `layerMock`.
 *
 * **Gotchas**
 *
 * The `backend` is not made, so it needs neither a key nor a client. A mock cannot know how to read the answers of an effect that
 * was derived from one of `OpenAi.makeChat` and the like, such as by `Effect.map`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMock = Effect.fnUntraced(function*<Data>(
  handler: MockHandler<Data>,
  backend?: Effect.Effect<Backend<never, Data>, unknown, unknown>
): Effect.fn.Return<{
  readonly backend: Backend<unknown, Data>
  readonly mock: Mock["Service"]
}> {
  const callings: Array<Calling> = []
  const made = yield* make({
    provider: "mock",
    name: "mock",
    request: Schema.Record(Schema.String, Schema.Unknown),
    call: (payload, calling) => {
      callings.push(calling)
      return Effect.flatMap(handler(calling), (answer) => read(answer, payload, backend))
    }
  })
  return { backend: { ...made, [TypeId]: variance }, mock: { callings: Effect.sync(() => [...callings]) } }
})

const variance = { _Args: identity, _Data: identity }
