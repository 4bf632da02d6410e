/**
 * OpenAI's chat completions, and everybody who speaks its protocol.
 *
 * With a token limit, and the package `gpt-tokenizer` installed, the tokens of OpenAI's own models are counted as the model
 * counts them; otherwise they are estimated.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat
 *
 * @since 0.1.0
 */
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Layer from "effect/Layer"
import type * as Circuit from "../Circuit.ts"
import * as Endpoint from "../Endpoint.ts"
import { type BackendErrorReason, Unsupported } from "../Errors.ts"
import { describeOutput, functionTools, isOutputSchema, normalizeChat } from "../internal/chat.ts"
import { contentOf } from "../internal/openAi/answer.ts"
import { messagesOfPrompt } from "../internal/openAi/prompt.ts"
import { reasonOf } from "../internal/openAi/reason.ts"
import { tokenizerOf } from "../internal/openAi/tokenizer.ts"
import * as Wire from "../internal/openAi/schema.ts"
import { makeDecoder } from "../internal/openAi/stream.ts"
import * as Vendors from "../internal/openAi/vendors.ts"
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
 * Who speaks OpenAI's protocol, where it is known how: `"openai"`, `"azure"`, `"deepseek"`, `"groq"`, `"mistral"`,
 * `"nvidia_nim"`, `"ollama"`, `"openrouter"`, `"together"`, `"vllm"` and `"xai"`. Anybody else is reached by a `baseUrl`.
 *
 * @category models
 * @since 0.1.0
 */
export type Vendor = Vendors.VendorName

/**
 * @category options
 * @since 0.1.0
 */
export interface ChatOptions {
  /** The model, unless a call names another, for example `"gpt-4o-mini"`; for Azure, the deployment. */
  readonly model: string
  /** Whose address, key and words are the defaults. @default "openai" */
  readonly provider?: Vendor | undefined
  /**
   * Local vendors need none.
   * @default the environment variable of the provider: OPENAI_API_KEY, AZURE_OPENAI_API_KEY, GROQ_API_KEY, and so on
   */
  readonly apiKey?: Endpoint.Credential | undefined
  /**
   * @default the provider's. For OpenAI the environment variable OPENAI_BASE_URL, or "https://api.openai.com/v1"; for Azure the
   * environment variable AZURE_OPENAI_ENDPOINT, with "/openai/v1"
   */
  readonly baseUrl?: string | undefined
  /**
   * Whether the model reasons. Such a model takes `max_completion_tokens` for `max_tokens`, which is renamed, and no
   * `temperature` and the like, which are refused.
   * @default by the model's name, of those of OpenAI: gpt-5, o1 and later
   */
  readonly reasoning?: boolean | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times, see `ServiceBackend.Retry` */
  readonly retry?: ServiceBackend.Retry | undefined
  /** When calls are kept away because the provider is down; `true` for the defaults. @default never */
  readonly circuitBreaker?: Circuit.Options | true | undefined
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
  const { model, provider = "openai" } = options
  const vendor: Vendors.Vendor = Vendors.vendors[provider]
  const apiKey = options.apiKey ?? vendor.apiKey
  const bodyOf = (payload: ChatPayload) =>
    toBody(provider, payload, options.reasoning ?? Vendors.reasons(provider, payload.model))
  return yield* Endpoint.make({
    provider,
    name: model,
    baseUrl: options.baseUrl ?? (yield* vendor.baseUrl),
    path: "/chat/completions",
    auth: apiKey === undefined ? { type: "none" } : vendor.auth(apiKey),
    request: Wire.chatRequest(model),
    response: Wire.ChatCompletion,
    body: bodyOf,
    stream: {
      body: (payload) =>
        Effect.map(bodyOf(payload), (body) => ({
          ...body,
          stream: true,
          ...(!vendor.usageUnasked && { stream_options: { include_usage: true } })
        })),
      decoder: makeDecoder
    },
    reason: reasonOf,
    operation: { name: "chat", ...(vendor.telemetryName && { provider: vendor.telemetryName }) },
    tokenizer: tokenizerOf(model),
    retry: options.retry,
    circuitBreaker: options.circuitBreaker,
    normalize: (data, { response_format }) => normalizeChat(contentOf(data), data.model, response_format, toCodecOpenAI)
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

type ChatPayload = Wire.ChatRequest["Type"]

const toBody = Effect.fnUntraced(function*(
  provider: string,
  payload: ChatPayload,
  reasoning: boolean
): Effect.fn.Return<typeof Wire.ChatBody.Type, BackendErrorReason> {
  const { extra_body, max_tokens, messages, prompt, response_format, tool_choice, tools, ...fields } = payload
  if (reasoning) yield* refuseSampling(provider, payload)
  return {
    ...fields,
    messages: prompt === undefined ? messages ?? [] : yield* messagesOfPrompt(provider, prompt),
    ...(max_tokens != null && (reasoning ? { max_completion_tokens: max_tokens } : { max_tokens })),
    ...(tools !== undefined && { tools: yield* functionTools(provider, tools) }),
    ...(tool_choice !== undefined && { tool_choice: toolChoiceOf(tool_choice) }),
    ...(response_format !== undefined && {
      response_format: isOutputSchema(response_format)
        ? yield* describeOutput(response_format, toCodecOpenAI)
        : response_format
    }),
    ...extra_body
  }
})

// https://platform.openai.com/docs/guides/reasoning: what chooses among words is fixed, unless the model does not reason.
const refuseSampling = (provider: string, payload: ChatPayload): Effect.Effect<void, Unsupported> => {
  const neutral = { temperature: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0 }
  if (payload.reasoning_effort === "none") return Effect.void
  for (const name of ["temperature", "top_p", "presence_penalty", "frequency_penalty"] as const) {
    const value = payload[name] ?? neutral[name]
    if (value !== neutral[name]) {
      const feature = `${name}: ${value} with the reasoning model ${payload.model} (say reasoning: false if it is none)`
      return Effect.fail(new Unsupported({ provider, feature }))
    }
  }
  return Effect.void
}

const toolChoiceOf = (choice: NonNullable<Wire.ChatRequest["Type"]["tool_choice"]>) =>
  typeof choice === "object" && "tool" in choice
    ? { type: "function" as const, function: { name: choice.tool } }
    : choice
