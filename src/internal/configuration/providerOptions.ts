/** The options of a provider that is chosen by its name. */
import type { ProviderOptions } from "../../Endpoint.ts"

/**
 * The options of a provider that is chosen by its name. Embeddings have no `capabilities`.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends ProviderOptions {
  readonly model: string
  /** Of Anthropic alone: the most tokens of the answer to a call that states none. @default 4096 */
  readonly maxTokens?: number | undefined
  /** Of chat completions alone: whether the model reasons. @default by its name */
  readonly reasoning?: boolean | undefined
}
