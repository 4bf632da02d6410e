/**
 * Google's Gemini: `generateContent`, plain and streaming, and `embedContent`.
 *
 * Source: https://ai.google.dev/api/generate-content
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { NormalizedResponse } from "../Calling.ts"
import * as Endpoint from "../Endpoint.ts"
import type { BackendErrorReason } from "../Errors.ts"
import * as Capabilities from "../internal/chat/capabilities.ts"
import { promptOfMessages } from "../internal/chat/schema.ts"
import { renamingCalls } from "../internal/chat/callRenaming.ts"
import { configured } from "../internal/configuration/json.ts"
import { withFittingTools } from "../internal/tools/fitTools.ts"
import { describeOutput, isOutputSchema, normalizeChat } from "../internal/chat/arguments.ts"
import { mapParts } from "../internal/http/decoderParts.ts"
import { contentOf, usageOf } from "../internal/gemini/answer.ts"
import { completeBaseUrl, defaultBaseUrl } from "../internal/gemini/baseUrl.ts"
import { demandsOf } from "../internal/gemini/demands.ts"
import { conversationOf } from "../internal/gemini/prompt.ts"
import { reasonOf } from "../internal/gemini/reason.ts"
import { checkProvider } from "../internal/providerKinds.ts"
import { answerOf } from "../internal/gemini/mock.ts"
import type { MockOptions } from "../internal/mock/options.ts"
import * as Reader from "../internal/mock/reader.ts"
import * as Answers from "../internal/gemini/answerSchema.ts"
import * as Embeddings from "../internal/gemini/embeddings.ts"
import * as Wire from "../internal/gemini/schema.ts"
import { isBlocked, makeDecoder } from "../internal/gemini/stream.ts"
import { callingOf, toolsOf } from "../internal/gemini/tools.ts"
import * as KnownModels from "../internal/chat/catalogue.ts"
import { unsendable } from "../internal/errors/neverSent.ts"
import { dialects } from "../internal/tools/toolSchema.ts"
import * as ServiceBackend from "../ServiceBackend.ts"

// -----------------------------------------------------------------------------
// Options
// -----------------------------------------------------------------------------

/**
 * The options of `embedContent`.
 *
 * **Details**
 *
 * The default of `apiKey` is the environment variable GEMINI_API_KEY. The default of `baseUrl` is the environment variable
 * GOOGLE_GEMINI_BASE_URL, or "https://generativelanguage.googleapis.com/v1beta".
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends Omit<Endpoint.ProviderOptions, "capabilities"> {
  /** The model, unless a call names another, for example `"gemini-2.5-flash"` or `"models/gemini-2.5-flash"`. */
  readonly model: string
}

/**
 * The options of `generateContent`: those of {@link Options}, and the `capabilities` of the model.
 *
 * @category options
 * @since 0.1.0
 */
export interface GenerateContentOptions extends Options, Pick<Endpoint.ProviderOptions, "capabilities"> {}

/**
 * The options when they are configuration.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConfigOptions extends Omit<Options, "apiKey"> {
  /** @default the environment variable GEMINI_API_KEY */
  readonly apiKey?: Redacted.Redacted | undefined
}

/**
 * The options of `generateContent` when they are configuration.
 *
 * @category options
 * @since 0.1.0
 */
export interface GenerateContentConfigOptions extends ConfigOptions, Pick<GenerateContentOptions, "capabilities"> {}

export type { MockOptions, MockToolCall } from "../internal/mock/options.ts"

const provider = "gemini"

const endpointOf = Effect.fnUntraced(function*(
  options: Options
) {
  yield* checkProvider("Gemini", options)
  const { apiKey, baseUrl, circuitBreaker, headers, maxResponseBytes, model, retry, transformClient } = options
  return {
    provider,
    name: Wire.bareModel(model),
    ...completeBaseUrl(baseUrl ?? (yield* defaultBaseUrl)),
    auth: { type: "header", name: "x-goog-api-key", credential: apiKey ?? "GEMINI_API_KEY" },
    headers,
    reason: reasonOf,
    retry,
    circuitBreaker,
    maxResponseBytes,
    transformClient
  } as const
})

// -----------------------------------------------------------------------------
// generateContent
// -----------------------------------------------------------------------------

/**
 * The arguments of `generateContent`: `prompt`, `messages` or the wire's `contents`, the arguments of every chat backend, and
 * the other fields of Gemini's wire.
 *
 * @category models
 * @since 0.1.0
 */
export interface GenerateContentRequest extends Readonly<Wire.GenerateContentRequest["Encoded"]> {}

/**
 * The answer of `generateContent`, as Google documents it.
 *
 * @category models
 * @since 0.1.0
 */
export interface GenerateContentResponse extends Readonly<typeof Answers.GenerateContentResponse.Type> {}

/**
 * The schema of it, as the `data` of a response is: what `Hook.cache` stores it by.
 *
 * @category schemas
 * @since 0.1.0
 */
export const GenerateContentResponse: Schema.Codec<GenerateContentResponse> = Schema.toType(
  Answers.GenerateContentResponse
)

/**
 * Makes the backend of `generateContent`.
 *
 * Thoughts are the reasoning of an answer. The signatures that come with its parts are in their `metadata.gemini`; a prompt
 * made of them by `Prompt.fromResponseParts` sends them back.
 *
 * Fails with `ConfigError` when there is no key, and with `IllegalArgumentError` when the address or a capability is wrong or
 * the key empty.
 *
 * **Example** (A model with Gemini's own types)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Gemini, iModel } from "effect-imodel"
 *
 * class Flash extends iModel.Service<Flash>()("app/Flash", {
 *   backend: Gemini.makeGenerateContent({ model: "gemini-2.5-flash" }),
 *   limitRequests: 1_000,
 *   limitTokens: 1_000_000
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const flash = yield* Flash
 *   const response = yield* flash.respond({
 *     prompt: "Who won yesterday?",
 *     max_tokens: 256,
 *     tools: [{ googleSearch: {} }],
 *     generationConfig: { thinkingConfig: { thinkingBudget: 0 } }
 *   })
 *   return response.data.candidates?.[0]?.groundingMetadata?.webSearchQueries
 * }).pipe(Effect.provide(Flash.layer), Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeGenerateContent = (
  options: GenerateContentOptions
): Effect.Effect<
  ServiceBackend.Backend<GenerateContentRequest, GenerateContentResponse>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => Reader.attach(generateContentBackend(options), () => answerReader(options.model))

const answerReader = (model: string): Reader.Reader =>
  Reader.make(Wire.generateContentRequest(Wire.bareModel(model)), Answers.GenerateContentResponse, normalize)

const generateContentBackend = Effect.fnUntraced(function*(options: GenerateContentOptions) {
  const { query, ...endpoint } = yield* endpointOf(options)
  const backend = yield* Endpoint.make(withFittingTools(dialects.gemini, {
    ...endpoint,
    ...yield* Capabilities.of(endpoint, options.capabilities, KnownModels.capabilitiesOf, demandsOf),
    path: `/models/{model}:generateContent${query}`,
    request: Wire.generateContentRequest(Wire.bareModel(options.model)),
    response: Answers.GenerateContentResponse,
    tolerance: Answers.tolerance,
    body: toBody,
    operation: { name: "generate_content", provider: "gcp.gemini" },
    stream: {
      path: `/models/{model}:streamGenerateContent?alt=sse${query.replace("?", "&")}`,
      body: toBody,
      decoder: (payload) => mapParts(makeDecoder(), renamingCalls(provider, payload))
    },
    normalize
  }))
  return configured(backend, provider, "generateContent", options)
})

/**
 * Makes an answer of `generateContent` as Gemini would send it, for a mock. The mock's response has its text, tool calls and
 * usage.
 *
 * **Example** (A mock that reports usage)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Gemini, iModel } from "effect-imodel"
 *
 * class Flash extends iModel.Service<Flash>()("app/Flash", {
 *   backend: Gemini.makeGenerateContent({ model: "gemini-2.5-flash" })
 * }) {}
 *
 * const mock = Flash.layerMock(() =>
 *   Effect.succeed(Gemini.answer("blue", { usage: { inputTokens: { total: 9 }, outputTokens: { total: 1 } } }))
 * )
 * ```
 *
 * @see {@link ServiceBackend.layerMock} for a mock of the program's backend
 * @category mocks
 * @since 0.1.0
 */
export const answer = (text: string, options: MockOptions = {}): GenerateContentResponse =>
  Reader.mark(answerOf(text, options), () => answerReader(options.model ?? "mock"))

/**
 * Provides `generateContent` as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerGenerateContent = (
  options: GenerateContentOptions
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(makeGenerateContent(options))

/**
 * Provides `generateContent` as the program's `ServiceBackend`, by configuration.
 *
 * **Example** (The model is configuration)
 *
 * ```ts
 * import { Config } from "effect"
 * import { Gemini } from "effect-imodel"
 *
 * const backend = Gemini.layerGenerateContentConfig({
 *   model: Config.String("GEMINI_MODEL"),
 *   apiKey: Config.Redacted("GEMINI_API_KEY")
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerGenerateContentConfig = (
  options: Config.Wrap<GenerateContentConfigOptions>
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(Effect.flatMap(Config.unwrap<GenerateContentConfigOptions>(options), makeGenerateContent))

const toBody = Effect.fnUntraced(function*(
  {
    contents = [],
    generationConfig,
    max_tokens,
    messages,
    model: _model,
    prompt,
    response_format,
    stop,
    system,
    systemInstruction = system === undefined ? undefined : { parts: [{ text: system }] },
    temperature,
    tool_choice,
    toolConfig,
    tools,
    top_p,
    ...fields
  }: Wire.GenerateContentRequest["Type"]
): Effect.fn.Return<typeof Wire.GenerateContentBody.Type, BackendErrorReason> {
  const input = prompt ?? (messages && promptOfMessages(messages))
  const conversation = input === undefined
    ? { contents, systemInstruction: undefined }
    : yield* conversationOf(provider, input)
  const instruction = conversation.systemInstruction ?? systemInstruction
  if (conversation.systemInstruction !== undefined && systemInstruction !== undefined) {
    const parameter = system === undefined ? "systemInstruction" : "system"
    const description = "Give either this or system messages, not both"
    return yield* unsendable(parameter, description)
  }
  const config = {
    ...generationConfig,
    ...(temperature !== undefined && { temperature }),
    ...(top_p !== undefined && { topP: top_p }),
    ...(max_tokens !== undefined && { maxOutputTokens: max_tokens }),
    ...(stop !== undefined && { stopSequences: typeof stop === "string" ? [stop] : stop }),
    ...(response_format !== undefined && {
      responseMimeType: "application/json",
      responseJsonSchema: yield* schemaOf(response_format)
    })
  }
  const functionCallingConfig = callingOf(tool_choice, tools ?? [])
  return {
    ...fields,
    contents: conversation.contents,
    ...(instruction !== undefined && { systemInstruction: instruction }),
    ...(Object.keys(config).length > 0 && { generationConfig: config }),
    ...(tools !== undefined && { tools: yield* toolsOf(provider, tools) }),
    ...((toolConfig !== undefined || functionCallingConfig !== undefined) && {
      toolConfig: { ...(functionCallingConfig !== undefined && { functionCallingConfig }), ...toolConfig }
    })
  }
})

const schemaOf = Effect.fnUntraced(function*(
  format: NonNullable<Wire.GenerateContentRequest["Type"]["response_format"]>
): Effect.fn.Return<unknown, BackendErrorReason> {
  const { json_schema } = isOutputSchema(format) ? yield* describeOutput(format, transformer) : format
  return json_schema.schema
})

/** JSON schema is understood as it is, and what is not is not looked at: the answer is decoded by the whole schema. */
const transformer: LanguageModel.CodecTransformer = (schema) =>
  LanguageModel.defaultCodecTransformer(Schema.toCodecJson(schema))

const normalize = Effect.fnUntraced(function*(
  data: GenerateContentResponse,
  payload: Wire.GenerateContentRequest["Type"]
): Effect.fn.Return<Partial<NormalizedResponse<GenerateContentResponse>>, BackendErrorReason> {
  if (isBlocked(data)) {
    const { blockReason, blockReasonMessage } = data.promptFeedback ?? {}
    const why = blockReasonMessage === undefined ? "" : `: ${blockReasonMessage}`
    return yield* new AiError.ContentPolicyError({ description: `The prompt was blocked (${blockReason}${why})` })
  }
  return yield* normalizeChat(
    contentOf(data).map(renamingCalls(provider, payload)),
    data.modelVersion,
    payload.response_format,
    transformer
  )
})

// -----------------------------------------------------------------------------
// embedContent
// -----------------------------------------------------------------------------

/**
 * The arguments of `embedContent`: one `content`, or several `contents`, each a text or a content of the wire; or `input`, a text
 * or several.
 *
 * @category models
 * @since 0.1.0
 */
export interface EmbedContentRequest extends Readonly<Embeddings.EmbedContentRequest["Encoded"]> {}

/**
 * The embeddings in the order of the contents; the one of a single `content` is the first. Their vectors alone are the `value`
 * of the response.
 *
 * @category models
 * @since 0.1.0
 */
export interface EmbedContentResponse extends Readonly<typeof Embeddings.EmbedContentResponse.Type> {}

/**
 * The schema of it, as the `data` of a response is: what `Hook.cache` stores it by.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EmbedContentResponse: Schema.Codec<EmbedContentResponse> = Schema.toType(Embeddings.EmbedContentResponse)

/**
 * Makes the backend of `embedContent`, and of `batchEmbedContents` for several contents at once.
 *
 * Fails with `ConfigError` when there is no key, and with `IllegalArgumentError` when the address is wrong or the key
 * empty.
 *
 * **Example** (The embeddings of two texts)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Gemini, iModel } from "effect-imodel"
 *
 * class Embedder extends iModel.Service<Embedder>()("app/Embedder", {
 *   backend: Gemini.makeEmbedContent({ model: "gemini-embedding-001" })
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const embedder = yield* Embedder
 *   const { data } = yield* embedder.respond({
 *     contents: ["blue", "azure"],
 *     taskType: "SEMANTIC_SIMILARITY",
 *     outputDimensionality: 768
 *   })
 *   return data.embeddings.map(({ values }) => values)
 * }).pipe(Effect.provide(Embedder.layer), Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeEmbedContent = (
  options: Options
): Effect.Effect<
  ServiceBackend.Backend<EmbedContentRequest, EmbedContentResponse>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> =>
  Reader.attach(
    embedContentBackend(options),
    () =>
      Reader.make(
        Embeddings.embedContentRequest(Wire.bareModel(options.model)),
        Embeddings.EmbedContentResponse,
        normalizeEmbeddings
      )
  )

const normalizeEmbeddings = (
  { embeddings, usageMetadata }: EmbedContentResponse,
  { contents }: Embeddings.EmbedContentRequest["Type"]
) =>
  embeddings.length === contents.length
    ? Effect.succeed({ value: embeddings.map(({ values }) => values), usage: usageOf(usageMetadata) })
    : Effect.fail(
      new AiError.InvalidResponseError({
        description: `${embeddings.length} embeddings for ${contents.length} contents: some are missing`
      })
    )

const embedContentBackend = Effect.fnUntraced(function*(options: Options) {
  const { query, ...endpoint } = yield* endpointOf(options)
  const backend = yield* Endpoint.make({
    ...endpoint,
    path: `/models/{model}:{method}${query}`,
    request: Embeddings.embedContentRequest(Wire.bareModel(options.model)),
    response: Embeddings.EmbedContentResponse,
    tolerance: Embeddings.tolerance,
    operation: { name: "embeddings", provider: "gcp.gemini" },
    body: ({ contents, method, model, ...fields }) => {
      const requests = contents.map((content) => ({ ...fields, model: `models/${model}`, content }))
      return Effect.succeed(method === "embedContent" ? requests[0] : { requests })
    },
    normalize: normalizeEmbeddings
  })
  return configured(backend, provider, "embedContent", options)
})

/**
 * Provides `embedContent` as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEmbedContent = (
  options: Options
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(makeEmbedContent(options))

/**
 * Provides `embedContent` as the program's `ServiceBackend`, by configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerEmbedContentConfig = (
  options: Config.Wrap<ConfigOptions>
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(Effect.flatMap(Config.unwrap<ConfigOptions>(options), makeEmbedContent))
