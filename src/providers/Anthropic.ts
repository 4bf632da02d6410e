/**
 * Anthropic's messages.
 *
 * System messages at the beginning of a conversation are sent as its system prompt; a later one is sent where it stands, which
 * newer models take. What a message or a part of a prompt has for Anthropic alone is in its `options.anthropic`:
 *
 * - `cacheControl`, of messages and of all parts but reasoning: the prompt is cached up to there
 * - `citations`, `documentTitle`, `documentContext`, of files that are documents
 * - `signature`, `redactedData`, `type`, `caller` and the like: what came in the `metadata.anthropic` of an answer's parts.
 *   `Prompt.fromResponseParts` puts it there, so that a conversation goes on as Anthropic wants it to.
 *
 * Source: https://platform.claude.com/docs/en/api/messages/create
 *
 * @since 0.1.0
 */
import { toCodecAnthropic } from "effect/ai/AnthropicStructuredOutput"
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Endpoint from "../Endpoint.ts"
import { contentOf } from "../internal/anthropic/answer.ts"
import { completeBaseUrl, defaultBaseUrl } from "../internal/anthropic/baseUrl.ts"
import { bodyOf, headersOf } from "../internal/anthropic/body.ts"
import { messageOf } from "../internal/anthropic/mock.ts"
import type { MockOptions } from "../internal/mock/options.ts"
import * as Reader from "../internal/mock/reader.ts"
import { demandsOf } from "../internal/anthropic/demands.ts"
import { reasonOf } from "../internal/anthropic/reason.ts"
import { checkProvider } from "../internal/providerKinds.ts"
import * as Wire from "../internal/anthropic/schema.ts"
import { makeDecoder } from "../internal/anthropic/stream.ts"
import * as Capabilities from "../internal/chat/capabilities.ts"
import { normalizeChat } from "../internal/chat/arguments.ts"
import { renamingCalls } from "../internal/chat/callRenaming.ts"
import { configured } from "../internal/configuration/json.ts"
import { mapParts } from "../internal/http/decoderParts.ts"
import { withFittingTools } from "../internal/tools/fitTools.ts"
import * as KnownModels from "../internal/chat/catalogue.ts"
import { positiveInteger } from "../internal/util/options.ts"
import { dialects } from "../internal/tools/toolSchema.ts"
import * as ServiceBackend from "../ServiceBackend.ts"

/**
 * The arguments of a message: `prompt` or `messages`, and the fields of Anthropic's wire. What is in beta wants the names of
 * its features in `betas`.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessagesRequest extends Readonly<Wire.MessagesRequest["Encoded"]> {}

/**
 * The answer, as Anthropic documents it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message extends Readonly<typeof Wire.Answer.Type> {}

/**
 * The schema of it, as the `data` of a response is: what `Hook.cache` stores it by.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Message: Schema.Codec<Message> = Schema.toType(Wire.Answer)

export type { MockOptions, MockToolCall } from "../internal/mock/options.ts"

/**
 * The options of messages.
 *
 * **Details**
 *
 * The default of `apiKey` is the environment variable ANTHROPIC_API_KEY. The default of `baseUrl` is the environment variable
 * ANTHROPIC_BASE_URL, which has no version, with `/v1`; or "https://api.anthropic.com/v1".
 *
 * @category options
 * @since 0.1.0
 */
export interface MessagesOptions extends Endpoint.ProviderOptions {
  /** The model, unless a call names another, for example `"claude-sonnet-4-5"`. */
  readonly model: string
  /**
   * The most tokens of the answer to a call that states no `max_tokens`: Anthropic requires a number.
   * @default 4096, which every model allows
   */
  readonly maxTokens?: number | undefined
}

/**
 * Makes the backend of messages.
 *
 * Fails with `ConfigError` when there is no key, and with `IllegalArgumentError` when the address, `maxTokens` or a capability
 * is wrong or the key empty.
 *
 * **Example** (A model that thinks before it answers)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Anthropic, iModel } from "effect-imodel"
 *
 * class Claude extends iModel.Service<Claude>()("app/Claude", {
 *   backend: Anthropic.makeMessages({ model: "claude-sonnet-4-5" }),
 *   limitRequests: 50
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const claude = yield* Claude
 *   const response = yield* claude.respond({
 *     prompt: "Is 8191 a prime?",
 *     max_tokens: 4096,
 *     thinking: { type: "enabled", budget_tokens: 2048 }
 *   })
 *   for (const block of response.data.content) {
 *     if (block.type === "thinking") yield* Effect.log(block.thinking)
 *   }
 *   return response.text
 * }).pipe(Effect.provide(Claude.layer), Effect.provide(FetchHttpClient.layer))
 * ```
 *
 * **Example** (Caching a long prompt)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const ask = (book: string, question: string) =>
 *   iModel.respond({
 *     prompt: [
 *       { role: "system", content: book, options: { anthropic: { cacheControl: { type: "ephemeral" } } } },
 *       { role: "user", content: question }
 *     ]
 *   }).pipe(Effect.map(({ text, usage }) => ({ text, cached: usage.inputTokens.cacheRead })))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeMessages = (
  options: MessagesOptions
): Effect.Effect<
  ServiceBackend.Backend<MessagesRequest, Message>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => Reader.attach(messagesBackend(options), () => messageReader(options.model))

const normalize = (data: Message, payload: Wire.MessagesRequest["Type"]) =>
  normalizeChat(
    contentOf(data).map(renamingCalls("anthropic", payload)),
    data.model ?? undefined,
    payload.response_format,
    toCodecAnthropic
  )

const messageReader = (model: string): Reader.Reader => Reader.make(Wire.messagesRequest(model), Wire.Answer, normalize)

const messagesBackend = Effect.fnUntraced(function*(options: MessagesOptions) {
  yield* checkProvider("Anthropic", options)
  const endpoint = { provider: "anthropic", name: options.model }
  const { baseUrl, query } = completeBaseUrl(options.baseUrl ?? (yield* defaultBaseUrl))
  const backend = yield* Endpoint.make(withFittingTools(dialects.anthropic, {
    ...endpoint,
    ...yield* Capabilities.of(endpoint, options.capabilities, KnownModels.capabilitiesOf, demandsOf),
    baseUrl,
    path: `/messages${query}`,
    auth: { type: "x-api-key", credential: options.apiKey ?? "ANTHROPIC_API_KEY" },
    headers: { "anthropic-version": "2023-06-01", ...options.headers },
    callHeaders: headersOf,
    request: Wire.messagesRequest(options.model),
    response: Wire.Answer,
    tolerance: Wire.tolerance,
    body: bodyOf(yield* positiveInteger("maxTokens", options.maxTokens ?? 4096)),
    stream: { decoder: (payload) => mapParts(makeDecoder(), renamingCalls("anthropic", payload)) },
    reason: reasonOf,
    operation: { name: "chat" },
    retry: options.retry,
    circuitBreaker: options.circuitBreaker,
    maxResponseBytes: options.maxResponseBytes,
    transformClient: options.transformClient,
    normalize
  }))
  return configured(backend, "anthropic", "messages", options)
})

/**
 * Makes a message as Anthropic would send it, for a mock. The mock's response has its text, tool calls and usage.
 *
 * **Example** (A mock that calls a tool)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Anthropic, iModel } from "effect-imodel"
 *
 * class Claude extends iModel.Service<Claude>()("app/Claude", {
 *   backend: Anthropic.makeMessages({ model: "claude-sonnet-4-5" })
 * }) {}
 *
 * const mock = Claude.layerMock(() =>
 *   Effect.succeed(Anthropic.message("", { toolCalls: [{ name: "add", params: { a: 1, b: 2 } }] }))
 * )
 * ```
 *
 * @see {@link ServiceBackend.layerMock} for a mock of the program's backend
 * @category mocks
 * @since 0.1.0
 */
export const message = (text: string, options: MockOptions = {}): Message =>
  Reader.mark(messageOf(text, options), () => messageReader(options.model ?? "mock"))

/**
 * Provides messages as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMessages = (
  options: MessagesOptions
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => ServiceBackend.layer(makeMessages(options))

/**
 * Provides messages as the program's `ServiceBackend`, with options that are read from the configuration.
 *
 * **Example** (The model from the environment)
 *
 * ```ts
 * import { Config } from "effect"
 * import { Anthropic } from "effect-imodel"
 *
 * const backend = Anthropic.layerMessagesConfig({
 *   model: Config.String("CLAUDE_MODEL"),
 *   maxTokens: Config.Int("CLAUDE_MAX_TOKENS").pipe(Config.withDefault(8192))
 * })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMessagesConfig = (
  options: Config.Wrap<MessagesOptions>
): Layer.Layer<
  ServiceBackend.ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> => Layer.unwrap(Effect.map(Config.unwrap(options), layerMessages))
