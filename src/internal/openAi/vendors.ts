/** Who speaks OpenAI's protocol: where, with which key, and in which of its words. */
import * as Config from "effect/Config"
import * as Struct from "effect/Struct"
import type { Auth } from "../../Endpoint.ts"
import type { Capabilities } from "../../ServiceBackend.ts"
import type { Credential } from "../http/credential.ts"
import * as KnownModels from "../chat/catalogue.ts"

export interface Vendor {
  readonly baseUrl: Config.Config<string>
  /** The environment variable of the key; `undefined` where none is needed. */
  readonly apiKey: string | undefined
  readonly auth: (credential: Credential) => Auth
  /** Its name in OpenTelemetry's conventions for generative AI, where that is another. */
  readonly telemetryName?: string
}

const bearer = (credential: Credential): Auth => ({ type: "bearer", credential })

const at = (baseUrl: string, apiKey?: string): Vendor => ({ baseUrl: Config.succeed(baseUrl), apiKey, auth: bearer })

const local = (variable: string, baseUrl: string, apiKey?: string): Vendor => ({
  baseUrl: Config.String(variable).pipe(Config.withDefault(baseUrl)),
  apiKey,
  auth: bearer
})

export const vendors = {
  /** https://platform.openai.com/docs/api-reference/chat */
  openai: local("OPENAI_BASE_URL", "https://api.openai.com/v1", "OPENAI_API_KEY"),
  /** https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle: the `v1` API; a model is a deployment. */
  azure: {
    baseUrl: Config.map(
      Config.String("AZURE_OPENAI_ENDPOINT"),
      (endpoint) => `${endpoint.replace(/\/+$/, "").replace(/\/openai\/v1$/, "")}/openai/v1`
    ),
    apiKey: "AZURE_OPENAI_API_KEY",
    telemetryName: "azure.ai.openai",
    auth: (credential) => ({ type: "header", name: "api-key", credential })
  },
  /** https://api-docs.deepseek.com */
  deepseek: at("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
  /** https://console.groq.com/docs/openai */
  groq: at("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
  /** https://docs.mistral.ai/api */
  mistral: { ...at("https://api.mistral.ai/v1", "MISTRAL_API_KEY"), telemetryName: "mistral_ai" },
  /** https://docs.api.nvidia.com/nim/reference/llm-apis */
  nvidia_nim: at("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
  /** https://docs.ollama.com/api/openai-compatibility */
  ollama: local("OLLAMA_BASE_URL", "http://127.0.0.1:11434/v1"),
  /** https://openrouter.ai/docs/api-reference/overview */
  openrouter: at("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
  /** https://docs.together.ai/docs/openai-api-compatibility */
  together: at("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
  /** https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html */
  vllm: local("VLLM_BASE_URL", "http://127.0.0.1:8000/v1"),
  /** https://docs.x.ai/docs/api-reference */
  xai: { ...at("https://api.x.ai/v1", "XAI_API_KEY"), telemetryName: "x_ai" }
} satisfies Record<string, Vendor>

export type VendorName = keyof typeof vendors

export const names: ReadonlyArray<VendorName> = Struct.keys(vendors)

/** Whether a stream tells its usage only when it is asked to. Mistral does anyway, and refuses the question. */
export const isAskedForUsage = (vendor: VendorName): boolean => vendor !== "mistral"

/** Whether a model reasons before it answers: https://platform.openai.com/docs/guides/reasoning. */
export const reasons = (vendor: VendorName, model: string): boolean =>
  (vendor === "openai" || vendor === "azure") && /^(o\d|gpt-5(?!.*chat))/.test(model)

/**
 * What is known of a model by its name. Nothing is where its user gave it that name: to a deployment, or to what runs on a
 * machine of their own.
 */
export const capabilitiesOf = (vendor: VendorName) => (model: string): Capabilities =>
  vendor === "azure" || vendor === "ollama" || vendor === "vllm" ? {} : KnownModels.capabilitiesOf(model)
