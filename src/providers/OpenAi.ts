/**
 * OpenAI's chat completions, responses and embeddings, and everybody who speaks its protocol.
 *
 * With a token limit, and the package `gpt-tokenizer` installed, the tokens of OpenAI's own models are counted as the model
 * counts them; otherwise they are estimated.
 *
 * Source: https://platform.openai.com/docs/api-reference
 *
 * @since 0.1.0
 */
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Endpoint from "../Endpoint.ts"
import * as Capabilities from "../internal/chat/capabilities.ts"
import { normalizeChat } from "../internal/chat/arguments.ts"
import { configured } from "../internal/configuration/json.ts"
import { mapParts } from "../internal/http/decoderParts.ts"
import { withFittingTools } from "../internal/tools/fitTools.ts"
import { contentOf } from "../internal/openAi/answer.ts"
import { toBody } from "../internal/openAi/body.ts"
import { chatError } from "../internal/openAi/chatError.ts"
import { demandsOf } from "../internal/openAi/demands.ts"
import * as Vectors from "../internal/openAi/embeddings.ts"
import { reasonOf } from "../internal/openAi/reason.ts"
import { normalize as normalizeResponse } from "../internal/openAi/responses/answer.ts"
import { toBody as toResponseBody, toStreamedBody } from "../internal/openAi/responses/body.ts"
import { demandsOf as demandsOfResponse } from "../internal/openAi/responses/demands.ts"
import { responseError } from "../internal/openAi/responses/responseError.ts"
import * as Responses from "../internal/openAi/responses/schema.ts"
import { makeDecoder as makeResponseDecoder } from "../internal/openAi/responses/stream.ts"
import { tokenizerOf } from "../internal/openAi/tokenizer.ts"
import { checkProvider } from "../internal/providerKinds.ts"
import { oneOf } from "../internal/util/options.ts"
import * as Wire from "../internal/openAi/schema.ts"
import { makeDecoder } from "../internal/openAi/stream.ts"
import { completionOf, responseOf } from "../internal/openAi/mock.ts"
import type { MockOptions } from "../internal/mock/options.ts"
import * as Reader from "../internal/mock/reader.ts"
import { markingVendor } from "../internal/chat/origin.ts"
import * as Vendors from "../internal/openAi/vendors.ts"
import { dialects } from "../internal/tools/toolSchema.ts"
import * as ServiceBackend from "../ServiceBackend.ts"

/**
 * Who speaks OpenAI's protocol, where it is known how: `"openai"`, `"azure"`, `"deepseek"`, `"groq"`, `"mistral"`,
 * `"nvidia_nim"`, `"ollama"`, `"openrouter"`, `"together"`, `"vllm"` and `"xai"`. Anybody else is reached by a `baseUrl`.
 *
 * @category models
 * @since 0.1.0
 */
export type Vendor = Vendors.VendorName

export type { MockOptions, MockToolCall } from "../internal/mock/options.ts"

/**
 * The names of those who are known to speak OpenAI's protocol.
 *
 * @category models
 * @since 0.1.0
 */
export const vendors: ReadonlyArray<Vendor> = Vendors.names

/**
 * The options of embeddings.
 *
 * **Details**
 *
 * The default of `apiKey` is the environment variable of the provider: OPENAI_API_KEY, AZURE_OPENAI_API_KEY, GROQ_API_KEY, and so on;
 * Ollama and vLLM need none. The default of `baseUrl` is the address of the provider, or its environment variable: OPENAI_BASE_URL for
 * OpenAI; AZURE_OPENAI_ENDPOINT, with "/openai/v1", for Azure; OLLAMA_BASE_URL, or OLLAMA_HOST, for Ollama; GROQ_BASE_URL,
 * TOGETHER_BASE_URL and VLLM_BASE_URL. The version is always added where it is missing for Ollama and vLLM.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<Endpoint.ProviderOptions, "capabilities"> {
  /** The model, unless a call names another, for example `"gpt-4o-mini"`; for Azure, the deployment. */
  readonly model: string
  /** The provider, whose address, key and deviations from the protocol are the defaults. @default "openai" */
  readonly provider?: Vendor | undefined
}

/**
 * The options of responses: those of {@link Options}, and the `capabilities` of the model. Nothing is known by the name of a
 * deployment (Azure), or of a model of Ollama or vLLM.
 *
 * @category options
 * @since 0.1.0
 */
export interface ResponsesOptions extends Options, Pick<Endpoint.ProviderOptions, "capabilities"> {}

/**
 * @category options
 * @since 0.1.0
 */
export interface ChatOptions extends ResponsesOptions {
  /**
   * Whether the model reasons. Such a model takes `max_completion_tokens` for `max_tokens`, which is renamed, and no
   * `temperature` and the like, which are refused.
   * @default by the model's name, of those of OpenAI: gpt-5, o1 and later
   */
  readonly reasoning?: boolean | undefined
}

type OptionsError = Config.ConfigError | Cause.IllegalArgumentError

const endpointOf = Effect.fnUntraced(function*(operation: string, path: string, options: Options) {
  yield* checkProvider("OpenAi", options)
  const { circuitBreaker, headers, maxResponseBytes, model, retry, transformClient } = options
  const provider = yield* oneOf("provider", options.provider ?? "openai", vendors)
  const vendor: Vendors.Vendor = Vendors.vendors[provider]
  const apiKey = options.apiKey ?? vendor.apiKey
  const { baseUrl, query } = vendor.complete(options.baseUrl ?? (yield* vendor.baseUrl))
  return {
    vendor,
    statesStream: Vendors.mayStreamUnasked(vendor, baseUrl),
    provider,
    name: model,
    baseUrl,
    path: `${path}${query}`,
    auth: apiKey === undefined ? { type: "none" as const } : vendor.auth(apiKey),
    headers,
    reason: reasonOf,
    operation: { name: operation, ...(vendor.telemetryName && { provider: vendor.telemetryName }) },
    tokenizer: tokenizerOf(model),
    retry,
    circuitBreaker,
    maxResponseBytes,
    transformClient
  }
})

// -----------------------------------------------------------------------------
// Chat completions
// -----------------------------------------------------------------------------

/**
 * The arguments of a chat completion: `prompt` or `messages`, and the fields of OpenAI's wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatRequest extends Readonly<Wire.ChatRequest["Encoded"]> {}

/**
 * The answer of a chat completion, as OpenAI documents it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatCompletion extends Readonly<typeof Wire.ChatCompletion.Type> {}

/**
 * The schema of it, as the `data` of a response is: what `Hook.cache` stores it by.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ChatCompletion: Schema.Codec<ChatCompletion> = Schema.toType(Wire.ChatCompletion)

/**
 * Makes the backend of chat completions.
 *
 * Fails with `ConfigError` when there is no key, and with `IllegalArgumentError` when the address or a capability is wrong or
 * the key empty.
 *
 * **Example** (A model with OpenAI's own types)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * class Gpt extends iModel.Service<Gpt>()("app/Gpt", {
 *   backend: OpenAi.makeChat({ model: "gpt-4o-mini" }),
 *   limitRequests: 500,
 *   limitTokens: 200_000
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* Gpt
 *   const response = yield* gpt.respond({ prompt: "Name a colour.", temperature: 0, max_completion_tokens: 16 })
 *   return response.data.choices[0]?.message.content
 * }).pipe(Effect.provide(Gpt.layer), Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeChat = (
  options: ChatOptions
): Effect.Effect<
  ServiceBackend.Backend<ChatRequest, ChatCompletion>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => Reader.attach(chatBackend(options), () => chatReader(options))

const normalizeCompletion = (provider: Vendor) => (data: ChatCompletion, payload: Wire.ChatRequest["Type"]) =>
  Effect.flatMap(
    contentOf(provider, data, payload),
    (content) =>
      normalizeChat(
        content.map(markingVendor(provider)),
        data.model ?? undefined,
        payload.response_format,
        toCodecOpenAI
      )
  )

const chatReader = ({ model, provider = "openai" }: ChatOptions): Reader.Reader =>
  Reader.make(Wire.chatRequest(model), Wire.ChatCompletion, normalizeCompletion(provider))

const chatBackend = Effect.fnUntraced(function*(options: ChatOptions) {
  const { statesStream, vendor, ...endpoint } = yield* endpointOf("chat", "/chat/completions", options)
  const { provider } = endpoint
  const bodyOf = (payload: Wire.ChatRequest["Type"]) =>
    toBody(provider, payload, {
      reasoning: options.reasoning ?? Vendors.isReasoning(vendor, payload.model),
      callIdLength: vendor.callIdLength
    })
  const backend = yield* Endpoint.make(withFittingTools(dialects.openai, {
    ...endpoint,
    ...yield* Capabilities.of(endpoint, options.capabilities, Vendors.capabilitiesOf(vendor), demandsOf),
    request: Wire.chatRequest(options.model),
    response: Wire.ChatCompletion,
    body: (payload) => Effect.map(bodyOf(payload), (body) => statesStream ? { stream: false, ...body } : body),
    stream: {
      body: (payload) =>
        Effect.map(bodyOf(payload), (body) => ({
          // Who does not know the question can be spared it by the `extra_body`.
          ...(vendor.reportsUsageUnasked !== true && { stream_options: { include_usage: true } }),
          ...body,
          stream: true
        })),
      decoder: (payload) => mapParts(makeDecoder(provider, payload), markingVendor(provider))
    },
    error: chatError,
    tolerance: Wire.tolerance,
    normalize: normalizeCompletion(provider)
  }))
  return configured(backend, provider, "chat", options)
})

/**
 * Makes a chat completion as OpenAI would send it, for a mock. The mock's response has its text, tool calls and usage.
 *
 * **Example** (A test of a classifier)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * class Classifier extends iModel.Service<Classifier>()("app/Classifier", {
 *   backend: OpenAi.makeChat({ model: "gpt-4o-mini" })
 * }) {}
 *
 * const Label = Schema.Struct({ label: Schema.Literals(["spam", "ham"]) })
 *
 * const program = Effect.gen(function*() {
 *   const classifier = yield* Classifier
 *   const { usage, value } = yield* classifier.respondAs(Label, { prompt: "Win a prize now!" })
 *   return { label: value.label, tokens: usage.outputTokens.total }
 * })
 *
 * const test = program.pipe(Effect.provide(Classifier.layerMock(() =>
 *   Effect.succeed(OpenAi.completion(`{"label":"spam"}`, {
 *     usage: { inputTokens: { total: 12 }, outputTokens: { total: 5 } }
 *   }))
 * )))
 * ```
 *
 * @see {@link ServiceBackend.layerMock} for a mock of the program's backend
 * @category mocks
 * @since 0.1.0
 */
export const completion = (text: string, options: MockOptions = {}): ChatCompletion =>
  Reader.mark(completionOf(text, options), () => chatReader({ model: options.model ?? "mock" }))

/**
 * Provides chat completions as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerChat = (
  options: ChatOptions
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(makeChat(options))

/**
 * Provides chat completions as the program's `ServiceBackend`, of options that are read from the configuration.
 *
 * **Example** (The model from the environment)
 *
 * ```ts
 * import { Config } from "effect"
 * import { OpenAi } from "effect-imodel"
 *
 * const backend = OpenAi.layerChatConfig({ model: Config.String("CHAT_MODEL") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerChatConfig = (
  options: Config.Wrap<ChatOptions>
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(Effect.flatMap(Config.unwrap(options), makeChat))

// -----------------------------------------------------------------------------
// Responses
// -----------------------------------------------------------------------------

/**
 * The arguments of a response: `prompt`, `messages` or `input`, and the fields of OpenAI's wire. A `prompt` may also be one of
 * the reusable prompts that OpenAI keeps, by its `id`. There is no `stop`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResponseRequest extends Readonly<Responses.ResponseRequest["Encoded"]> {}

/**
 * A response, as OpenAI documents it. Items and contents of kinds that are newer than this library are among the others as they
 * came, but have no type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response extends Readonly<typeof Responses.Response.Type> {}

/**
 * The schema of it, as the `data` of a response is: what `Hook.cache` stores it by.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Response: Schema.Codec<Response> = Schema.toType(Responses.Response)

/**
 * Makes the backend of responses, OpenAI's wire for models that reason and for tools that OpenAI runs.
 *
 * The parts of an answer carry what OpenAI must be told of them later: a prompt that is made of them by
 * `Prompt.fromResponseParts` continues the conversation with the same items, the encrypted reasoning among them. What OpenAI
 * does not keep (`store: false`) it encrypts when asked to, with `include: ["reasoning.encrypted_content"]`.
 *
 * Fails as {@link makeChat} does.
 *
 * **Example** (A tool that OpenAI runs)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * class Gpt extends iModel.Service<Gpt>()("app/Gpt", {
 *   backend: OpenAi.makeResponses({ model: "gpt-5-mini" })
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* Gpt
 *   const response = yield* gpt.respond({
 *     prompt: "Who won the last World Cup?",
 *     tools: [{ type: "web_search" }],
 *     reasoning: { effort: "low", summary: "auto" }
 *   })
 *   const sources = response.content.filter((part) => part.type === "source")
 *   return { text: response.text, sources }
 * }).pipe(Effect.provide(Gpt.layer), Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeResponses = (
  options: ResponsesOptions
): Effect.Effect<ServiceBackend.Backend<ResponseRequest, Response>, OptionsError, HttpClient.HttpClient> =>
  Reader.attach(responsesBackend(options), () => responseReader(options))

const normalizeResponseOf = (provider: Vendor) => (data: Response, payload: Responses.ResponseRequest["Type"]) =>
  Effect.map(normalizeResponse(provider, data, payload), (response) => ({
    ...response,
    ...(response.content && { content: response.content.map(markingVendor(provider)) })
  }))

const responseReader = ({ model, provider = "openai" }: ResponsesOptions): Reader.Reader =>
  Reader.make(Responses.responseRequest(model), Responses.Response, normalizeResponseOf(provider))

const responsesBackend = Effect.fnUntraced(function*(options: ResponsesOptions) {
  const { statesStream, vendor, ...endpoint } = yield* endpointOf("chat", "/responses", options)
  const { provider } = endpoint
  const backend = yield* Endpoint.make(withFittingTools(dialects.openai, {
    ...endpoint,
    ...yield* Capabilities.of(endpoint, options.capabilities, Vendors.capabilitiesOf(vendor), demandsOfResponse),
    request: Responses.responseRequest(options.model),
    response: Responses.Response,
    body: (payload) =>
      Effect.map(
        toResponseBody(provider, payload),
        (body) => statesStream ? { stream: false, ...body } : body
      ),
    stream: {
      body: (payload) => toStreamedBody(provider, payload),
      decoder: (payload) => mapParts(makeResponseDecoder(provider, payload), markingVendor(provider))
    },
    error: responseError,
    tolerance: Responses.tolerance,
    normalize: normalizeResponseOf(provider)
  }))
  return configured(backend, provider, "responses", options)
})

/**
 * Makes a response as OpenAI would send it, for a mock. See {@link completion}.
 *
 * @category mocks
 * @since 0.1.0
 */
export const response = (text: string, options: MockOptions = {}): Response =>
  Reader.mark(responseOf(text, options), () => responseReader({ model: options.model ?? "mock" }))

/**
 * Provides responses as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResponses = (
  options: ResponsesOptions
): Layer.Layer<ServiceBackend.ServiceBackend, OptionsError, HttpClient.HttpClient> =>
  ServiceBackend.layer(makeResponses(options))

/**
 * Provides responses as the program's `ServiceBackend`, with options from the configuration.
 *
 * **Example** (A model named by the environment)
 *
 * ```ts
 * import { Config } from "effect"
 * import { OpenAi } from "effect-imodel"
 *
 * const layer = OpenAi.layerResponsesConfig({ model: Config.String("MODEL") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResponsesConfig = (
  options: Config.Wrap<ResponsesOptions>
): Layer.Layer<ServiceBackend.ServiceBackend, OptionsError, HttpClient.HttpClient> =>
  ServiceBackend.layer(Effect.flatMap(Config.unwrap(options), makeResponses))

// -----------------------------------------------------------------------------
// Embeddings
// -----------------------------------------------------------------------------

/**
 * The arguments of embeddings: `input`, one text or several, as texts or as tokens. They are asked for in `base64` unless
 * `encoding_format` says otherwise, and are decoded in any case.
 *
 * @category models
 * @since 0.1.0
 */
export interface EmbeddingRequest extends Readonly<Vectors.EmbeddingRequest["Encoded"]> {}

/**
 * Embeddings, as OpenAI documents them, each of them as numbers. Their vectors alone, in the order of the input, are the `value`
 * of the response.
 *
 * @category models
 * @since 0.1.0
 */
export interface Embeddings extends Readonly<typeof Vectors.Embeddings.Type> {}

/**
 * The schema of it, as the `data` of a response is: what `Hook.cache` stores it by.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Embeddings: Schema.Codec<Embeddings> = Schema.toType(Vectors.Embeddings)

/**
 * Makes the backend of embeddings. Fails as {@link makeChat} does.
 *
 * **Example** (Two texts)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { iModel, OpenAi } from "effect-imodel"
 *
 * class Embedder extends iModel.Service<Embedder>()("app/Embedder", {
 *   backend: OpenAi.makeEmbeddings({ model: "text-embedding-3-small" }),
 *   limitTokens: 1_000_000
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const embedder = yield* Embedder
 *   const { data } = yield* embedder.respond({ input: ["blue", "red"], dimensions: 256 })
 *   return data.data.map(({ embedding }) => embedding)
 * }).pipe(Effect.provide(Embedder.layer), Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeEmbeddings = (
  options: Options
): Effect.Effect<ServiceBackend.Backend<EmbeddingRequest, Embeddings>, OptionsError, HttpClient.HttpClient> =>
  Reader.attach(
    embeddingsBackend(options),
    () =>
      Reader.make(
        Vectors.embeddingRequest(options.provider ?? "openai", options.model),
        Vectors.Embeddings,
        Vectors.normalize
      )
  )

const embeddingsBackend = Effect.fnUntraced(function*(options: Options) {
  const { statesStream: _stream, vendor: _vendor, ...endpoint } = yield* endpointOf(
    "embeddings",
    "/embeddings",
    options
  )
  const backend = yield* Endpoint.make({
    ...endpoint,
    request: Vectors.embeddingRequest(endpoint.provider, options.model),
    response: Vectors.Embeddings,
    tolerance: Vectors.tolerance,
    cost: Vectors.tokensOf,
    normalize: Vectors.normalize
  })
  return configured(backend, options.provider ?? "openai", "embeddings", options)
})

/**
 * Provides embeddings as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEmbeddings = (
  options: Options
): Layer.Layer<ServiceBackend.ServiceBackend, OptionsError, HttpClient.HttpClient> =>
  ServiceBackend.layer(makeEmbeddings(options))

/**
 * Provides embeddings as the program's `ServiceBackend`, with options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEmbeddingsConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<ServiceBackend.ServiceBackend, OptionsError, HttpClient.HttpClient> =>
  ServiceBackend.layer(Effect.flatMap(Config.unwrap(options), makeEmbeddings))
