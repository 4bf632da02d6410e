/**
 * What a model was made of, as data. What was given and is no data (a function, a key by its value, a backend of one's own) is
 * `null`: it is seen that there was something, and that it cannot be made again.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type * as Circuit from "../Circuit.ts"
import type { Credential } from "../Endpoint.ts"
import { ConfigurationError } from "../Errors.ts"
import type { Options } from "../iModel.ts"
import type { Backend, Retry } from "../ServiceBackend.ts"
import { isVariableName } from "./credential.ts"
import { describeIssue } from "./invalidArgument.ts"
import { isNoCredential, toJsonObject } from "./json.ts"

const { optional } = Schema

// -----------------------------------------------------------------------------
// Version 1
// -----------------------------------------------------------------------------

/** Milliseconds, or such as `"1 minute"`. */
const Time = Schema.Union([Schema.DurationFromMillis, Schema.DurationFromString])

// What is no name of a variable may be the secret itself, and is not shown.
const VariableName = Schema.String.check(
  Schema.makeFilter((name) =>
    isVariableName(name) || "Give the name of the environment variable that holds the key, not the key itself"
  )
)

const NoData = optional(Schema.Null)

const ProviderBackend = Schema.Struct({
  type: Schema.Literal("provider"),
  provider: Schema.String,
  endpoint: Schema.String,
  model: Schema.String,
  apiKey: optional(Schema.NullOr(VariableName)),
  baseUrl: optional(Schema.String),
  retry: optional(Schema.Struct({
    times: optional(Schema.Finite),
    delay: optional(Time),
    maxDelay: optional(Time),
    while: NoData
  })),
  circuitBreaker: optional(Schema.Union([
    Schema.Literal(true),
    Schema.Struct({ failures: optional(Schema.Finite), openFor: optional(Time) })
  ])),
  maxTokens: optional(Schema.Finite),
  reasoning: optional(Schema.Boolean)
})

export type BackendConfiguration = typeof ProviderBackend.Type

const version = 1

export const Configuration = Schema.Struct({
  version: Schema.Literal(version),
  /** What is in a file of another kind of backend is told by its `type`. */
  backend: Schema.NullOr(Schema.Union([ProviderBackend])),
  name: optional(Schema.String),
  metadata: optional(Schema.JsonObject),
  limitRequests: optional(Schema.Finite),
  limitTokens: optional(Schema.Finite),
  limitInputTokens: optional(Schema.Finite),
  limitOutputTokens: optional(Schema.Finite),
  capacityRefreshTime: optional(Time),
  headroom: optional(Time),
  key: optional(Schema.String),
  onStoreFailure: optional(Schema.Literals(["closed", "local", "open"])),
  queueCapacity: optional(Schema.Finite),
  concurrency: optional(Schema.Finite),
  onLimit: optional(Schema.Literals(["wait", "deny"])),
  maxDenials: optional(Schema.Finite),
  onFull: optional(Schema.Literals(["suspend", "deny"])),
  expectedOutputTokens: optional(Schema.Finite),
  timeout: optional(Time),
  queueTimeout: optional(Time),
  firstPartTimeout: optional(Time),
  idleTimeout: optional(Time),
  priority: optional(Schema.Finite),
  cost: NoData,
  executor: NoData,
  rateLimiter: NoData,
  hooks: NoData
})

export type Configuration = typeof Configuration.Type

// -----------------------------------------------------------------------------
// From what is there
// -----------------------------------------------------------------------------

interface Described {
  readonly model: string
  readonly apiKey?: Credential | undefined
  readonly baseUrl?: string | undefined
  readonly retry?: Retry | undefined
  readonly circuitBreaker?: Circuit.Options | true | undefined
  readonly maxTokens?: number | undefined
  readonly reasoning?: boolean | undefined
}

/** A backend that says what it was made of. */
export const configured = <Args, Data>(
  backend: Backend<Args, Data>,
  provider: string,
  endpoint: string,
  { apiKey, baseUrl, circuitBreaker, maxTokens, model, reasoning, retry }: Described
): Backend<Args, Data> => ({
  ...backend,
  configuration: {
    type: "provider",
    provider,
    endpoint,
    model,
    apiKey: apiKey === undefined || typeof apiKey === "string" ? apiKey : null,
    baseUrl,
    retry: retry && {
      times: retry.times,
      delay: time(retry.delay),
      maxDelay: time(retry.maxDelay),
      while: noData(retry.while)
    },
    circuitBreaker: circuitBreaker === undefined || circuitBreaker === true
      ? circuitBreaker
      : { failures: circuitBreaker.failures, openFor: time(circuitBreaker.openFor) },
    maxTokens,
    reasoning
  }
})

/** The options have been checked. */
export const configurationOf = <Args, H>(
  backend: BackendConfiguration | null,
  options: Options<Args, H>
): Configuration => ({
  version,
  backend,
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
  timeout: time(options.timeout),
  queueTimeout: time(options.queueTimeout),
  firstPartTimeout: time(options.firstPartTimeout),
  idleTimeout: time(options.idleTimeout),
  priority: options.priority,
  cost: noData(options.cost),
  executor: noData(options.executor),
  rateLimiter: noData(options.rateLimiter),
  hooks: noData(options.hooks)
})

const time = (input: Duration.Input | undefined) => input === undefined ? undefined : Duration.fromInputUnsafe(input)

const noData = (value: unknown) => value === undefined ? undefined : null

const encode = Schema.encodeSync(Configuration)

export const toJson = (configuration: Configuration): Schema.JsonObject => toJsonObject(encode(configuration))

// -----------------------------------------------------------------------------
// Back again
// -----------------------------------------------------------------------------

const decode = Schema.decodeUnknownEffect(Configuration, { onExcessProperty: "error" })

/** A configuration of which a model can be made. */
export interface Restorable extends Omit<Configuration, "backend" | "cost" | "executor" | "rateLimiter" | "hooks"> {
  readonly backend: Omit<BackendConfiguration, "apiKey" | "retry" | "type"> & {
    readonly apiKey: string | undefined
    readonly retry: Retry | undefined
  }
}

export const fromJson = Effect.fnUntraced(function*(
  json: unknown
): Effect.fn.Return<Restorable, ConfigurationError> {
  if (Predicate.hasProperty(json, "version") && json.version !== version) {
    return yield* refused("version", `This is no version that is known: ${version} is`)
  }
  const { backend, cost, executor, hooks, rateLimiter, ...rest } = yield* Effect.mapError(decode(json), (error) => {
    const { message, path } = describeIssue(error)
    return new ConfigurationError({ path, description: message })
  })
  for (const [path, value] of Object.entries({ cost, executor, hooks, rateLimiter })) {
    if (value === null) return yield* refused(path, "It was given in code, and is no data")
  }
  if (backend === null) {
    return yield* refused("backend", "It was made in code (a tool, a mock, one of your own), and is no data")
  }
  const { apiKey, retry, type: _type, ...described } = backend
  if (apiKey === null) {
    return yield* refused(
      "backend.apiKey",
      "It was given in code. Give the name of the environment variable that holds it"
    )
  }
  if (retry?.while === null) return yield* refused("backend.retry.while", "It was given in code, and is no data")
  return {
    ...rest,
    backend: {
      ...described,
      apiKey,
      retry: retry && { times: retry.times, delay: retry.delay, maxDelay: retry.maxDelay }
    }
  }
})

const refused = (path: string, description: string) => new ConfigurationError({ path, description })
