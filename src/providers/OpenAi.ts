/**
 * OpenAI's chat completions, and everything that speaks its protocol; its responses, and its embeddings.
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
import type { NormalizedResponse } from "../Calling.ts"
import * as Endpoint from "../Endpoint.ts"
import type { BackendErrorReason } from "../Errors.ts"
import { decodeOutput, describeOutput, functionTools, isOutputSchema } from "../internal/chat.ts"
import { contentOf } from "../internal/openAi/answer.ts"
import * as Vectors from "../internal/openAi/embeddings.ts"
import { messagesOfPrompt } from "../internal/openAi/prompt.ts"
import { reasonOf } from "../internal/openAi/reason.ts"
import { normalize as normalizeResponse } from "../internal/openAi/responses/answer.ts"
import { toBody as toResponseBody, toStreamedBody } from "../internal/openAi/responses/body.ts"
import * as Items from "../internal/openAi/responses/schema.ts"
import { makeDecoder as makeResponseDecoder } from "../internal/openAi/responses/stream.ts"
import { tokenizerOf } from "../internal/openAi/tokenizer.ts"
import * as Wire from "../internal/openAi/schema.ts"
import { makeDecoder } from "../internal/openAi/stream.ts"
import * as ServiceBackend from "../ServiceBackend.ts"

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
 * @category options
 * @since 0.1.0
 */
export interface ChatOptions {
  /** The model, unless a call names another, for example `"gpt-4o-mini"`. */
  readonly model: string
  /** @default the environment variable OPENAI_API_KEY */
  readonly apiKey?: Endpoint.Credential | undefined
  /** @default the environment variable OPENAI_BASE_URL, or "https://api.openai.com/v1" */
  readonly baseUrl?: string | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times, see `ServiceBackend.Retry` */
  readonly retry?: ServiceBackend.Retry | undefined
}

/**
 * Makes the backend of chat completions.
 *
 * Fails with `ConfigError` when there is no key, and with `IllegalArgumentError` when the address is wrong or the key
 * empty.
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
export const makeChat = Effect.fnUntraced(function*(
  options: ChatOptions
): Effect.fn.Return<
  ServiceBackend.Backend<ChatRequest, ChatCompletion>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> {
  return yield* Endpoint.make({
    provider: "openai",
    name: options.model,
    baseUrl: options.baseUrl ?? (yield* defaultBaseUrl),
    path: "/chat/completions",
    auth: { type: "bearer", credential: options.apiKey ?? Config.Redacted("OPENAI_API_KEY") },
    request: Wire.chatRequest(options.model),
    response: Wire.ChatCompletion,
    body: toBody,
    stream: {
      body: (payload) =>
        Effect.map(toBody(payload), (body) => ({ ...body, stream: true, stream_options: { include_usage: true } })),
      decoder: makeDecoder
    },
    reason: reasonOf,
    tokenizer: tokenizerOf(options.model),
    retry: options.retry,
    normalize
  })
})

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

const defaultBaseUrl = Config.String("OPENAI_BASE_URL").pipe(Config.withDefault("https://api.openai.com/v1"))

const toBody = Effect.fnUntraced(function*(
  { messages, prompt, response_format, tool_choice, tools, ...fields }: Wire.ChatRequest["Type"]
): Effect.fn.Return<typeof Wire.ChatBody.Type, BackendErrorReason> {
  const provider = "openai"
  return {
    ...fields,
    messages: prompt === undefined ? messages ?? [] : yield* messagesOfPrompt(provider, prompt),
    ...(tools !== undefined && { tools: yield* functionTools(provider, tools) }),
    ...(tool_choice !== undefined && { tool_choice: toolChoiceOf(tool_choice) }),
    ...(response_format !== undefined && {
      response_format: isOutputSchema(response_format)
        ? yield* describeOutput(response_format, toCodecOpenAI)
        : response_format
    })
  }
})

const toolChoiceOf = (choice: NonNullable<Wire.ChatRequest["Type"]["tool_choice"]>) =>
  typeof choice === "object" && "tool" in choice
    ? { type: "function" as const, function: { name: choice.tool } }
    : choice

const normalize = Effect.fnUntraced(function*(
  data: ChatCompletion,
  { response_format }: Wire.ChatRequest["Type"]
): Effect.fn.Return<Partial<NormalizedResponse<ChatCompletion>>, BackendErrorReason> {
  const content = contentOf(data)
  const text = data.choices[0]?.message.content ?? ""
  return {
    content,
    ...(isOutputSchema(response_format) && { value: yield* decodeOutput(response_format, toCodecOpenAI, text) }),
    metadata: { model: data.model }
  }
})

// -----------------------------------------------------------------------------
// What responses and embeddings share
// -----------------------------------------------------------------------------

/**
 * The options of responses and of embeddings.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The model, unless a call names another, for example `"gpt-5-mini"`. */
  readonly model: string
  /** @default the environment variable OPENAI_API_KEY */
  readonly apiKey?: Endpoint.Credential | undefined
  /** @default the environment variable OPENAI_BASE_URL, or "https://api.openai.com/v1" */
  readonly baseUrl?: string | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times, see `ServiceBackend.Retry` */
  readonly retry?: ServiceBackend.Retry | undefined
}

type OptionsError = Config.ConfigError | Cause.IllegalArgumentError

const endpointOf = Effect.fnUntraced(function*({ apiKey, baseUrl, model, retry }: Options) {
  return {
    provider: "openai",
    name: model,
    baseUrl: baseUrl ?? (yield* defaultBaseUrl),
    auth: { type: "bearer" as const, credential: apiKey ?? Config.Redacted("OPENAI_API_KEY") },
    reason: reasonOf,
    tokenizer: tokenizerOf(model),
    retry
  }
})

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
export interface ResponseRequest extends Readonly<Items.ResponseRequest["Encoded"]> {}

/**
 * A response, as OpenAI documents it. Items and contents of kinds that are newer than this library are among the others as they
 * came, but have no type.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response extends Readonly<typeof Items.Response.Type> {}

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
export const makeResponses = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ServiceBackend.Backend<ResponseRequest, Response>, OptionsError, HttpClient.HttpClient> {
  return yield* Endpoint.make({
    ...(yield* endpointOf(options)),
    path: "/responses",
    request: Items.responseRequest(options.model),
    response: Items.Response,
    body: toResponseBody,
    stream: { body: toStreamedBody, decoder: makeResponseDecoder },
    normalize: normalizeResponse
  })
})

/**
 * Provides responses as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerResponses = (
  options: Options
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
  options: Config.Wrap<Options>
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
 * Embeddings, as OpenAI documents them, each of them as numbers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Embeddings extends Readonly<typeof Vectors.Embeddings.Type> {}

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
export const makeEmbeddings = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<ServiceBackend.Backend<EmbeddingRequest, Embeddings>, OptionsError, HttpClient.HttpClient> {
  return yield* Endpoint.make({
    ...(yield* endpointOf(options)),
    path: "/embeddings",
    request: Vectors.embeddingRequest(options.model),
    response: Vectors.Embeddings,
    cost: Vectors.tokensOf,
    normalize: Vectors.normalize
  })
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
