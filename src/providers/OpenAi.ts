/**
 * OpenAI's chat completions, and everything that speaks its protocol.
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
import type { NormalizedResponse } from "../Calling.ts"
import * as Endpoint from "../Endpoint.ts"
import type { BackendErrorReason } from "../Errors.ts"
import { decodeOutput, describeOutput, functionTools, isOutputSchema } from "../internal/chat.ts"
import { contentOf } from "../internal/openAi/answer.ts"
import { messagesOfPrompt } from "../internal/openAi/prompt.ts"
import { reasonOf } from "../internal/openAi/reason.ts"
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
