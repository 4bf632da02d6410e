/** The endpoints of providers by name, and what does not fit together of what is asked of them. */
import type * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import type * as HttpClient from "effect/http/HttpClient"
import type * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Anthropic from "../../providers/Anthropic.ts"
import * as Gemini from "../../providers/Gemini.ts"
import * as OpenAi from "../../providers/OpenAi.ts"
import type { Options } from "./providerOptions.ts"
import type { ServiceBackend } from "../../ServiceBackend.ts"
import { defaultBaseUrl } from "../anthropic/baseUrl.ts"
import { defaultBaseUrl as geminiBaseUrl } from "../gemini/baseUrl.ts"
import { vendors } from "../openAi/vendors.ts"

type BackendLayer = Layer.Layer<
  ServiceBackend,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
>

interface Provider {
  /** Where it is unless it is said: of some, the environment says. */
  readonly baseUrl: Config.Config<string>
  readonly endpoints: ReadonlyMap<string, (options: Options) => BackendLayer>
}

const openAiLike = (provider: OpenAi.Vendor): Provider => ({
  baseUrl: vendors[provider].baseUrl,
  endpoints: new Map([
    ["chat", (options) => OpenAi.layerChat({ ...options, provider })],
    ["responses", (options) => OpenAi.layerResponses({ ...options, provider })],
    ["embeddings", (options) => OpenAi.layerEmbeddings({ ...options, provider })]
  ])
})

export const providers: ReadonlyMap<string, Provider> = new Map([
  ["anthropic", {
    baseUrl: defaultBaseUrl,
    endpoints: new Map([["messages", Anthropic.layerMessages]])
  }],
  ["gemini", {
    baseUrl: geminiBaseUrl,
    endpoints: new Map([
      ["generateContent", Gemini.layerGenerateContent],
      ["embedContent", Gemini.layerEmbedContent]
    ])
  }],
  ...OpenAi.vendors.map((provider) => [provider, openAiLike(provider)] as const)
])

/** Which of the options is wrong, and why. It is not repeated in that: it may be a secret that is in the wrong place. */
export interface Misfit {
  readonly option: "provider" | "endpoint" | keyof Options
  readonly description: string
}

/** Finds an endpoint. One of a provider that is not known is OpenAI's, if its address is. */
export const find = (
  provider: string,
  endpoint: string,
  { apiKey, baseUrl, capabilities, maxTokens, reasoning }: Pick<
    Options,
    "apiKey" | "baseUrl" | "capabilities" | "maxTokens" | "reasoning"
  >
): Result.Result<(options: Options) => BackendLayer, Misfit> => {
  if (maxTokens !== undefined && provider !== "anthropic") return misfit("maxTokens", "is an option of Anthropic")
  if (reasoning !== undefined && endpoint !== "chat") return misfit("reasoning", "is an option of chat completions")
  if (capabilities !== undefined && (endpoint === "embeddings" || endpoint === "embedContent")) {
    return misfit("capabilities", "is no option of embeddings")
  }
  const its = providers.get(provider)
  if (its === undefined && baseUrl === undefined) {
    return misfit("provider", `is not known: give its baseUrl, or take ${listed(providers.keys())}`)
  }
  // The key of OpenAI is not for others: without one of its own it is asked as a server is that needs none.
  const { endpoints } = its ?? openAiLike(apiKey === undefined ? "vllm" : "openai")
  const found = endpoints.get(endpoint)
  return found === undefined
    ? misfit("endpoint", `is none of ${its ? `"${provider}"` : "OpenAI's protocol"}, but ${listed(endpoints.keys())}`)
    : Result.succeed(found)
}

const misfit = (option: Misfit["option"], description: string) => Result.fail({ option, description })

const listed = (names: Iterable<string>): string => [...names].toSorted().map((name) => `"${name}"`).join(", ")
