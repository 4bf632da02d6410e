/**
 * Backends by strings, as a configuration file has them: a provider, one of its endpoints, and a model.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { illegal } from "../internal/util/options.ts"
import * as internal from "../internal/configuration/provider.ts"
import type { ServiceBackend } from "../ServiceBackend.ts"
import type { Options } from "../internal/configuration/providerOptions.ts"

export type { Options } from "../internal/configuration/providerOptions.ts"

/**
 * The providers that are known by name, and their endpoints.
 *
 * @category models
 * @since 0.1.0
 */
export const known: ReadonlyArray<{ readonly provider: string; readonly endpoints: ReadonlyArray<string> }> = Array
  .from(
    internal.providers,
    ([provider, { endpoints }]) => ({ provider, endpoints: [...endpoints.keys()] })
  )

/**
 * Provides an endpoint of a provider as the program's `ServiceBackend`. A provider that is not known is taken, with a warning,
 * for one that speaks OpenAI's protocol, if it has a `baseUrl`; without an `apiKey` it is sent none.
 *
 * Fails with `IllegalArgumentError`, which lists what is known, when there is no such provider or endpoint; and as the backend
 * itself does.
 *
 * **Example** (From a configuration)
 *
 * ```ts
 * import { Config, Effect, Layer } from "effect"
 * import { Provider } from "effect-imodel"
 *
 * const backend = Layer.unwrap(Effect.gen(function*() {
 *   const provider = yield* Config.String("LLM_PROVIDER")
 *   const model = yield* Config.String("LLM_MODEL")
 *   return Provider.layer(provider, "chat", { model })
 * }))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  provider: string,
  endpoint: string,
  options: Options
): Layer.Layer<ServiceBackend, Config.ConfigError | Cause.IllegalArgumentError, HttpClient.HttpClient> => {
  const found = internal.find(provider, endpoint, options)
  if (Result.isFailure(found)) {
    const { description, option } = found.failure
    const names: Partial<Record<typeof option, string>> = { provider, endpoint }
    const name = names[option]
    return Layer.unwrap(illegal(`${name === undefined ? option : `the ${option} "${name}"`} ${description}`))
  }
  const backend = found.success(options)
  return internal.providers.has(provider) ? backend : Layer.unwrap(Effect.as(
    Effect.logWarning(`The provider "${provider}" is not known, and is taken to speak OpenAI's protocol`),
    backend
  ))
}
