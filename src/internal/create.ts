/** A model for a program that is not written in Effect, made of options alone. */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import type * as Hook from "../Hook.ts"
import { iModel, type Model, type Options } from "../Model.ts"
import * as Provider from "../providers/Provider.ts"
import * as Route from "../Route.ts"
import { type Arguments, ServiceBackend } from "../ServiceBackend.ts"
import * as Models from "./model.ts"
import { type Promised, promised } from "./promise.ts"

/**
 * The options of a model and of its provider.
 *
 * @category options
 * @since 0.1.0
 */
export interface ModelOptions extends Provider.Options, Options<Arguments, Hook.Hook<Error, never, unknown>> {
  /** For example `"openai"`, `"anthropic"`, `"gemini"`; any name with a `baseUrl`. See `Provider.known`. */
  readonly provider: string
  /** @default "chat", of Anthropic "messages", of Gemini "generateContent" */
  readonly endpoint?: string | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface FallbackOptions extends Route.CommonOptions, Options<Arguments, Hook.Hook<Error, never, unknown>> {}

export const create = ({
  apiKey,
  baseUrl,
  capabilities,
  circuitBreaker,
  endpoint,
  headers,
  maxTokens,
  model,
  provider,
  reasoning,
  retry,
  transformClient,
  ...options
}: ModelOptions): Promised => {
  const ofProvider = {
    apiKey,
    baseUrl,
    capabilities,
    circuitBreaker,
    headers,
    maxTokens,
    model,
    reasoning,
    retry,
    transformClient
  } satisfies { readonly [Name in keyof Provider.Options]: unknown }
  const known = Provider.known.find(({ provider: name }) => name === provider)
  const backend = Provider.layer(provider, endpoint ?? known?.endpoints[0] ?? "chat", ofProvider)
  return promised(
    Layer.effect(iModel, Effect.flatMap(ServiceBackend, (backend) => Models.make(backend, options))).pipe(
      Layer.provide(backend),
      Layer.provide(FetchHttpClient.layer)
    ),
    iModel
  )
}

/** Another model stands in for one that fails. Each is disposed of by itself. */
export const createFallback = (
  models: Arr.NonEmptyReadonlyArray<Promised>,
  { answerTimeout, attempts, cooldown, patience, restart, ...options }: FallbackOptions = {}
): Promised =>
  promised(
    Layer.effect(
      iModel,
      Effect.gen(function*() {
        const [first, ...others] = yield* Effect.forEach(models, ({ model }) => Effect.promise(model))
        const backend = yield* Route.fallback<readonly [Model, ...Array<Model>]>([first, ...others], {
          answerTimeout,
          attempts,
          cooldown,
          patience,
          restart
        })
        return yield* Models.make(backend, options)
      })
    ),
    iModel
  )
