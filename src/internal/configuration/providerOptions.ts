/** The options of a provider that is chosen by its name. */
import type * as Circuit from "../../Circuit.ts"
import type { Credential } from "../../Endpoint.ts"
import type { Capabilities, Retry } from "../../ServiceBackend.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly model: string
  /** @default the environment variable of the provider; none for one that is not known */
  readonly apiKey?: Credential | undefined
  /** @default the provider's */
  readonly baseUrl?: string | undefined
  /** Sent with every request, for example OpenRouter's `HTTP-Referer`. A key is not for here, but for `apiKey`. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times, see `ServiceBackend.Retry` */
  readonly retry?: Retry | undefined
  /** Leaves the backend alone for a while when it fails again and again. @default never */
  readonly circuitBreaker?: Circuit.Options | true | undefined
  /** What the model can do; not of embeddings. @default what is known of it by its name */
  readonly capabilities?: Capabilities | undefined
  /** Of Anthropic alone: the most tokens of the answer to a call that states none. @default 4096 */
  readonly maxTokens?: number | undefined
  /** Of chat completions alone: whether the model reasons. @default by its name */
  readonly reasoning?: boolean | undefined
}
