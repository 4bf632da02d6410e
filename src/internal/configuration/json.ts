/**
 * What a model was made of, as data. What was given and is no data (a function, a key by its value, a backend of one's own) is
 * `null`: it is seen that there was something, and that it cannot be made again.
 */
import * as Duration from "effect/Duration"
import type * as Schema from "effect/Schema"
import type { Model, Options } from "../../Model.ts"
import type { BalanceOptions, Models } from "../routing/options.ts"
import type { Backend } from "../../ServiceBackend.ts"
import type { Options as ProviderOptions } from "./providerOptions.ts"
import { ModelTypeId } from "../util/identity.ts"
import { isNoCredential, toJsonObject } from "../util/json.ts"

/** The version of the form. */
export const version = 1

export const toJson = (model: Model<never>): Schema.JsonObject => ({ version, ...model[ModelTypeId].configuration })

const time = (input: Duration.Input | undefined) =>
  input === undefined ? undefined : Duration.toMillis(Duration.fromInputUnsafe(input))

const noData = (value: unknown) => value === undefined ? undefined : null

const describeProvider = (
  provider: string,
  endpoint: string,
  {
    apiKey,
    baseUrl,
    capabilities,
    circuitBreaker,
    headers,
    maxResponseBytes,
    maxTokens,
    model,
    reasoning,
    retry,
    transformClient
  }: ProviderOptions
) => ({
  type: "provider",
  provider,
  endpoint,
  model,
  apiKey: apiKey === undefined || typeof apiKey === "string" ? apiKey : null,
  baseUrl,
  headers: noData(headers),
  retry: retry && {
    times: retry.times,
    delay: time(retry.delay),
    maxDelay: time(retry.maxDelay),
    while: noData(retry.while)
  },
  circuitBreaker: circuitBreaker === undefined || circuitBreaker === true
    ? circuitBreaker
    : { failures: circuitBreaker.failures, openFor: time(circuitBreaker.openFor) },
  capabilities: capabilities && toJsonObject(capabilities),
  maxResponseBytes,
  transformClient: noData(transformClient),
  maxTokens,
  reasoning
})

/** The fields that are written of a provider's backend. */
export type ProviderFields = keyof ReturnType<typeof describeProvider>

/** Adds to a provider's backend the configuration that it was made of. */
export const configured = <Args, Data>(
  backend: Backend<Args, Data>,
  provider: string,
  endpoint: string,
  options: ProviderOptions
): Backend<Args, Data> => ({
  ...backend,
  // What these change of a request is in no argument of a call.
  fingerprint: JSON.stringify([backend.fingerprint, options.maxTokens, options.reasoning]),
  configuration: toJsonObject(describeProvider(provider, endpoint, options))
})

const describeRoute = (
  type: "fallback" | "balance",
  models: Models,
  { answerTimeout, attempts, cooldown, patience, restart, strategy }: BalanceOptions
) => ({
  type,
  models: models.map((model) => model[ModelTypeId].configuration),
  attempts,
  patience: time(patience),
  cooldown: time(cooldown),
  answerTimeout: time(answerTimeout),
  restart,
  strategy
})

/** The fields that are written of a backend of several models. */
export type RouteFields = keyof ReturnType<typeof describeRoute>

/** Adds to a backend of several models the configurations that these were made of. */
export const composed = <Args, Data>(
  backend: Backend<Args, Data>,
  type: "fallback" | "balance",
  models: Models,
  options: BalanceOptions
): Backend<Args, Data> => ({
  ...backend,
  get configuration() {
    return toJsonObject(describeRoute(type, models, options))
  }
})

/** The options have been checked. */
export const configurationOf = <Args, H>(
  backend: Schema.JsonObject | null,
  options: Options<Args, H>
): Schema.JsonObject => toJsonObject({ backend, ...described(options) })

const described = <Args, H>(options: Options<Args, H>) =>
  ({
    name: options.name,
    metadata: options.metadata && toJsonObject(options.metadata, isNoCredential),
    limitRequests: options.limitRequests,
    limitTokens: options.limitTokens,
    limitInputTokens: options.limitInputTokens,
    limitOutputTokens: options.limitOutputTokens,
    capacityRefreshTime: time(options.capacityRefreshTime),
    headroom: time(options.headroom),
    key: options.key,
    onStoreFailure: options.onStoreFailure,
    queueCapacity: options.queueCapacity,
    concurrency: options.concurrency,
    onLimit: options.onLimit,
    maxDenials: options.maxDenials,
    onFull: options.onFull,
    expectedOutputTokens: options.expectedOutputTokens,
    repair: options.repair,
    timeout: time(options.timeout),
    queueTimeout: time(options.queueTimeout),
    firstPartTimeout: time(options.firstPartTimeout),
    idleTimeout: time(options.idleTimeout),
    priority: options.priority,
    cost: noData(options.cost),
    executor: noData(options.executor),
    rateLimiter: noData(options.rateLimiter),
    hooks: noData(options.hooks?.length === 0 ? undefined : options.hooks)
  }) satisfies { readonly [Name in keyof Options]: unknown }

/** The fields that are written of a model, beside its backend. */
export type OptionFields = keyof ReturnType<typeof described>
