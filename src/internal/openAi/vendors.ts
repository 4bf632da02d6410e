/** The vendors that speak OpenAI's protocol, each with its address, its key and its deviations. */
import * as Config from "effect/Config"
import * as Struct from "effect/Struct"
import type { Auth } from "../../Endpoint.ts"
import type { Capabilities } from "../../ServiceBackend.ts"
import { addressIn, type BaseUrl, completed, ollamaHost, type Service, withoutEnd } from "../http/baseUrl.ts"
import type { Credential } from "../http/credential.ts"
import { capabilitiesOf as knownCapabilities, knownModel } from "../chat/catalogue.ts"

export interface Vendor {
  /** The default address. */
  readonly baseUrl: Config.Config<string>
  /** Completes an address that is given. */
  readonly complete: (given: string) => BaseUrl
  /** The environment variable of the key; `undefined` where none is needed. */
  readonly apiKey: string | undefined
  readonly auth: (credential: Credential) => Auth
  /** Its name in OpenTelemetry's conventions for generative AI, where that is another. */
  readonly telemetryName?: string
  /** Whether a stream reports its usage without `stream_options`, which is refused then. @default false */
  readonly reportsUsageUnasked?: boolean
  /** The host of its public address; `undefined` where each user has another. */
  readonly host?: string
  /** How many letters and digits the id of a tool call has. @default any number, of any characters */
  readonly callIdLength?: number
  /** Whether it is known by the name of a model that it reasons before it answers. @default false */
  readonly reasoningByName?: boolean
  /** Whether the user has named the models, so that nothing is known of one by its name. @default false */
  readonly hasOwnModelNames?: boolean
}

const bearer = (credential: Credential): Auth => ({ type: "bearer", credential })

/** In the cloud. The variables are those that the vendor's own SDK reads its address from. */
const at = (address: string, apiKey: string, ...variables: ReadonlyArray<string>): Vendor =>
  vendor({ address }, apiKey, variables)

/** On a machine of its user. */
const local = (address: string, ...variables: ReadonlyArray<string>): Vendor => ({
  ...vendor({ address, isLocal: true }, undefined, variables),
  hasOwnModelNames: true
})

const vendor = (service: Service, apiKey: string | undefined, variables: ReadonlyArray<string>): Vendor => ({
  host: new URL(service.address).host,
  baseUrl: addressIn(variables, Config.succeed(service.address)),
  complete: (given) => completed(given, service),
  apiKey,
  auth: bearer
})

const ollamaAddress = "http://127.0.0.1:11434/v1"
const ollama = local(ollamaAddress)

/**
 * Whether a server at this address may stream where it is not asked to, so that `stream: false` is sent. The vendors themselves
 * do not; local servers, gateways and proxies do: https://github.com/unslothai/unsloth/issues/5047,
 * https://github.com/decolua/9router/issues/4122, https://github.com/infiniflow/ragflow/issues/15356
 */
export const mayStreamUnasked = ({ hasOwnModelNames = false, host }: Vendor, baseUrl: string): boolean =>
  host !== undefined && (hasOwnModelNames || URL.parse(baseUrl)?.host !== host)

const azurePath = "/openai/v1"

/** The address of a resource, without the path of the API. */
const resourceOf = (address: string): string => {
  const at = address.search(/\/openai(\/|$)/)
  return withoutEnd(at < 0 ? address : address.slice(0, at))
}

// The `v1` API has no dated versions, which older clients put into the query.
const azureAddress = (given: string): BaseUrl => {
  const { baseUrl, query } = completed(given, { address: `https://azure.invalid${azurePath}` })
  const isPlain = /^https?:\/\/[^/]+$/.test(baseUrl) || /^https?:\/\/[^/]+\.azure\.com(:\d+)?(\/|$)/.test(baseUrl)
  return {
    baseUrl: isPlain ? `${resourceOf(baseUrl)}${azurePath}` : baseUrl,
    query: /api-version=\d/.test(query) ? "" : query
  }
}

export const vendors = {
  /** https://platform.openai.com/docs/api-reference/chat */
  openai: {
    ...at("https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE"),
    reasoningByName: true
  },
  /** https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: the `v1` API; a model is a deployment. */
  azure: {
    baseUrl: Config.map(
      Config.String("AZURE_OPENAI_ENDPOINT"),
      (endpoint) => `${resourceOf(endpoint.trim().replace(/[?#].*$/s, ""))}${azurePath}`
    ),
    complete: azureAddress,
    apiKey: "AZURE_OPENAI_API_KEY",
    telemetryName: "azure.ai.openai",
    auth: (credential) => ({ type: "header", name: "api-key", credential }),
    reasoningByName: true,
    hasOwnModelNames: true
  },
  /** https://api-docs.deepseek.com */
  deepseek: at("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
  /** https://console.groq.com/docs/openai */
  groq: at("https://api.groq.com/openai/v1", "GROQ_API_KEY", "GROQ_BASE_URL"),
  /** https://docs.mistral.ai/api */
  mistral: {
    ...at("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    telemetryName: "mistral_ai",
    reportsUsageUnasked: true,
    // https://github.com/mistralai/mistral-common/blob/main/src/mistral_common/protocol/instruct/validator.py
    callIdLength: 9
  },
  /** https://docs.api.nvidia.com/nim/reference/llm-apis */
  nvidia_nim: at("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
  /** https://docs.ollama.com/api/openai-compatibility */
  ollama: {
    ...ollama,
    baseUrl: addressIn(
      ["OLLAMA_BASE_URL"],
      Config.map(addressIn(["OLLAMA_HOST"], Config.succeed(ollamaAddress)), ollamaHost)
    ),
    // Its own API is beside that of OpenAI.
    complete: (given) => ollama.complete(ollamaHost(given.trim().replace(/(?<!\/)\/api\/*$/, "")))
  },
  /** https://openrouter.ai/docs/api-reference/overview */
  openrouter: at("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
  /** https://docs.together.ai/docs/openai-api-compatibility */
  together: at("https://api.together.xyz/v1", "TOGETHER_API_KEY", "TOGETHER_BASE_URL"),
  /** https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html */
  vllm: local("http://127.0.0.1:8000/v1", "VLLM_BASE_URL"),
  /** https://docs.x.ai/docs/api-reference */
  xai: { ...at("https://api.x.ai/v1", "XAI_API_KEY"), telemetryName: "x_ai" }
} satisfies Record<string, Vendor>

export type VendorName = keyof typeof vendors

export const names: ReadonlyArray<VendorName> = Struct.keys(vendors)

/** The capabilities of a model that are known by its name. */
export const capabilitiesOf = ({ hasOwnModelNames = false }: Vendor) => (model: string): Capabilities =>
  hasOwnModelNames ? {} : knownCapabilities(model)

/** Whether a model of a vendor is known by its name to reason before it answers. */
export const isReasoning = ({ reasoningByName = false }: Vendor, model: string): boolean =>
  reasoningByName && knownModel(model).reasoning === true
