/**
 * An HTTP API as a backend: where it is, how it authenticates, what it takes and what it answers, by schemas.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpMethod from "effect/http/HttpMethod"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Calling, makeResponse, type NormalizedResponse, TypeId } from "./Calling.ts"
import type { BackendErrorReason } from "./Errors.ts"
import {
  excerptOf,
  type FailedAnswer,
  failedAnswer,
  networkError,
  parseJson,
  type Scrub,
  scrubbing
} from "./internal/http.ts"
import { describeIssue } from "./internal/invalidArgument.ts"
import { illegal } from "./internal/options.ts"
import { rateLimitsOf } from "./internal/rateLimits.ts"
import { neverSent } from "./internal/unsent.ts"
import * as ServiceBackend from "./ServiceBackend.ts"

export type { FailedAnswer }

/**
 * A credential: a value, or where to find it.
 *
 * @category models
 * @since 0.1.0
 */
export type Credential = Redacted.Redacted | Config.Config<Redacted.Redacted>

/**
 * How requests authenticate: `authorization: Bearer`, the header `x-api-key`, a header of one's own, or not at all.
 *
 * @category models
 * @since 0.1.0
 */
export type Auth =
  | { readonly type: "bearer" | "x-api-key"; readonly credential: Credential }
  | { readonly type: "header"; readonly name: string; readonly credential: Credential }
  | { readonly type: "none" }

/**
 * @category options
 * @since 0.1.0
 */
export interface Options<Request extends ServiceBackend.RequestSchema, Response extends ResponseSchema> {
  readonly provider: string
  readonly name: string
  /** @default "1" */
  readonly version?: string | undefined
  readonly tags?: Iterable<string> | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  /** An absolute `http` or `https` address, with the path that all endpoints of the API share. */
  readonly baseUrl: string
  /** The rest of the path. `{name}` stands for the argument of that name. */
  readonly path: string
  /** @default "POST" */
  readonly method?: HttpMethod.HttpMethod | undefined
  /** @default `{ type: "none" }` */
  readonly auth?: Auth | undefined
  /** Sent with every request. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** The arguments. Excess ones are refused. */
  readonly request: Request
  /** The answer, decoded from JSON. Fields that it does not know are kept in `rawResponse` alone. */
  readonly response: Response
  /** The JSON body of a request. @default the arguments that are not in the path; those of a `GET` are its query */
  readonly body?: ((payload: Request["Type"]) => Effect.Effect<unknown, BackendErrorReason>) | undefined
  /** What the answer says in the normal shape. */
  readonly normalize?: ((data: Response["Type"]) => Partial<NormalizedResponse<Response["Type"]>>) | undefined
  /** Why an answer failed whose status is not of the 200s, or whose body has an `error`. @default by its status */
  readonly reason?: ((answer: FailedAnswer) => BackendErrorReason) | undefined
  /** The tokens that a call will cost, as an estimate. @default as for `ServiceBackend.make` */
  readonly cost?: ((payload: Request["Type"]) => ServiceBackend.Cost) | undefined
  /** Loads what counts the tokens of a text. @default none: four characters are taken for a token */
  readonly tokenizer?: Effect.Effect<((text: string) => number) | undefined> | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times */
  readonly retry?: ServiceBackend.Retry | undefined
  /** How long a call may be on its way to those who count it. @default 150 milliseconds */
  readonly headroom?: Duration.Input | undefined
}

/**
 * A schema of answers, decoded without services.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResponseSchema extends Schema.Top {
  readonly DecodingServices: never
}

/**
 * Makes a backend of an HTTP API.
 *
 * Fails with `IllegalArgumentError` when the address is wrong or the credential empty, and with `ConfigError` when the
 * credential is not to be found.
 *
 * **Example** (An API of one's own)
 *
 * ```ts
 * import { Config, Schema } from "effect"
 * import { Endpoint, iModel } from "effect-imodel"
 *
 * class Weather extends iModel.Service<Weather>()("app/Weather", {
 *   backend: Endpoint.make({
 *     provider: "weather",
 *     name: "forecast",
 *     baseUrl: "https://weather.example.com/v1",
 *     path: "/cities/{city}/forecast",
 *     auth: { type: "x-api-key", credential: Config.Redacted("WEATHER_KEY") },
 *     request: Schema.Struct({ city: Schema.String, days: Schema.Int }),
 *     response: Schema.Struct({ celsius: Schema.Array(Schema.Finite) })
 *   }),
 *   limitRequests: 60
 * }) {}
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<
  Request extends ServiceBackend.RequestSchema,
  Response extends ResponseSchema
>(
  options: Options<Request, Response>
): Effect.fn.Return<
  ServiceBackend.Backend<Request["Encoded"], Response["Type"]>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> {
  const client = yield* HttpClient.HttpClient
  const baseUrl = yield* checkedBaseUrl(options.baseUrl)
  const { authenticate, around, scrub } = yield* readAuth(options.auth ?? { type: "none" })
  const decode = Schema.decodeUnknownResult(options.response)
  const reasonOf = options.reason ?? reasonOfStatus
  const inPath = Array.from(options.path.matchAll(pathParameter), (match) => match[1] ?? "")
  const template = HttpClientRequest.make(options.method ?? "POST")(baseUrl).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.setHeaders(options.headers ?? {}),
    authenticate
  )

  const request = Effect.fnUntraced(function*(payload: Request["Type"]) {
    let path = options.path
    for (const name of inPath) path = path.replace(`{${name}}`, yield* pathSegment(name, payload[name]))
    const addressed = HttpClientRequest.appendUrl(template, path)
    const rest = Object.entries(payload).filter(([name, value]) => !inPath.includes(name) && value !== undefined)
    if (addressed.method === "GET" || addressed.method === "HEAD") {
      return HttpClientRequest.setUrlParams(addressed, rest.map(([name, value]) => [name, String(value)] as const))
    }
    const body = options.body === undefined ? Object.fromEntries(rest) : yield* options.body(payload)
    return HttpClientRequest.bodyJsonUnsafe(addressed, body)
  })

  const call = Effect.fnUntraced(function*(payload: Request["Type"], calling: Calling) {
    const response = yield* client.execute(yield* request(payload))
    const limits = rateLimitsOf(response.headers, yield* Clock.currentTimeMillis)
    calling[TypeId].hear({ limits, refused: response.status === 429 })
    if (response.status < 200 || response.status >= 300) {
      const told = yield* Effect.orElseSucceed(response.text, () => "")
      return yield* reasonOf(yield* failedAnswer(response, told, scrub))
    }
    const text = yield* response.text
    const json = parseJson(text)
    if (Option.isNone(json)) {
      return yield* invalidResponse(
        text.trim() === "" ? "the body is empty" : `the body is not JSON: ${excerptOf(scrub(text))}`
      )
    }
    const decoded = decode(json.value)
    if (Result.isFailure(decoded)) {
      if (Predicate.hasProperty(json.value, "error")) return yield* reasonOf(yield* failedAnswer(response, text, scrub))
      const { message, path } = describeIssue(decoded.failure)
      return yield* invalidResponse(path === "" ? message : `${path}: ${message}`)
    }
    const data = decoded.success
    const fields = options.normalize?.(data)
    const requestId = response.headers["x-request-id"] ?? response.headers["request-id"]
    return makeResponse<Response["Type"]>({
      ...fields,
      data,
      rawResponse: json.value,
      metadata: { ...fields?.metadata, ...(requestId !== undefined && { requestId }) }
    })
  }, (effect) => around(Effect.catchTag(effect, "HttpClientError", (error) => Effect.fail(networkError(error)))))

  return yield* ServiceBackend.make({
    provider: options.provider,
    name: options.name,
    version: options.version,
    tags: options.tags,
    metadata: options.metadata,
    headroom: options.headroom ?? 150,
    retry: options.retry ?? {},
    request: options.request,
    cost: options.cost,
    tokenizer: options.tokenizer,
    call
  })
})

const pathParameter = /\{(\w+)\}/g

// A segment of dots is a way out of the path, however it is encoded.
const pathSegment = (parameter: string, value: unknown): Effect.Effect<string, AiError.InvalidRequestError> =>
  value === undefined || value === null
    ? unsendable(parameter, "It is part of the path and must be given")
    : /^(\.{1,2})?$/.test(String(value))
    ? unsendable(parameter, `"${String(value)}" cannot be in a path`)
    : Effect.succeed(encodeURIComponent(String(value)))

const unsendable = (parameter: string, description: string) =>
  Effect.fail(neverSent(new AiError.InvalidRequestError({ parameter, description })))

const checkedBaseUrl = (baseUrl: string): Effect.Effect<string, Cause.IllegalArgumentError> => {
  const url = URL.parse(baseUrl)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    const got = UrlParams.redactUrl(baseUrl)
    return illegal(
      `baseUrl must be an absolute http or https address, such as "https://api.openai.com/v1", got "${got}"`
    )
  }
  return url.search !== "" || url.hash !== "" || url.username !== "" || url.password !== ""
    ? illegal(`baseUrl must have no query, fragment or credentials: ${url.origin}${url.pathname}`)
    : Effect.succeed(baseUrl.replace(/\/+$/, ""))
}

interface Access {
  readonly authenticate: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
  /** Around a call, so that its spans do not show the credential. */
  readonly around: <A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  readonly scrub: Scrub
}

const readAuth = Effect.fnUntraced(function*(
  auth: Auth
): Effect.fn.Return<Access, Config.ConfigError | Cause.IllegalArgumentError> {
  if (auth.type === "none") return { authenticate: identity, around: identity, scrub: scrubbing(undefined) }
  const { credential, type } = auth
  const secret = Redacted.value(Config.isConfig(credential) ? yield* credential : credential).trim()
  if (secret === "") return yield* illegal("the credential must not be empty")
  if (!/^[\x20-\x7e]+$/.test(secret)) return yield* illegal("the credential has characters that no header can carry")
  const scrub = scrubbing(secret)
  if (type === "bearer") return { authenticate: HttpClientRequest.bearerToken(secret), around: identity, scrub }
  const name = type === "header" ? auth.name : type
  return {
    authenticate: HttpClientRequest.setHeader(name, secret),
    around: Effect.updateService(Headers.CurrentRedactedNames, (names) => [...names, name]),
    scrub
  }
})

const invalidResponse = (description: string) => Effect.fail(new AiError.InvalidResponseError({ description }))

const reasonOfStatus = (answer: FailedAnswer): BackendErrorReason => {
  const { at, excerpt, http, retryAfter, status } = answer
  const description = excerpt === "" ? at : `${excerpt} (${at})`
  if (status === 401) return new AiError.AuthenticationError({ kind: "InvalidKey", description, http })
  if (status === 403) return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, http })
  if (status === 429) return new AiError.RateLimitError({ http, ...(retryAfter && { retryAfter }) })
  if (status === 408 || status === 409 || status >= 500) return new AiError.InternalProviderError({ description, http })
  return status >= 400
    ? new AiError.InvalidRequestError({ description, http })
    : new AiError.UnknownError({ description, http })
}
