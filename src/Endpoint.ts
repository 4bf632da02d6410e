/**
 * An HTTP API as a backend: where it is, how it authenticates, what it takes and what it answers, by schemas.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as Response from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Sse from "effect/encoding/Sse"
import { identity } from "effect/Function"
import * as Headers from "effect/http/Headers"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import type * as HttpMethod from "effect/http/HttpMethod"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Calling, makeResponse, type NormalizedResponse, type StreamPart, TypeId } from "./Calling.ts"
import { type BackendErrorReason, StreamInterrupted } from "./Errors.ts"
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
import { type RateLimits, rateLimitsOf } from "./internal/rateLimits.ts"
import { readEvents } from "./internal/sse.ts"
import { streamPartsOf } from "./internal/streaming.ts"
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
export interface Options<Request extends ServiceBackend.RequestSchema, Answer extends ResponseSchema> {
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
  readonly response: Answer
  /** The JSON body of a request. @default the arguments that are not in the path; those of a `GET` are its query */
  readonly body?: ((payload: Request["Type"]) => Effect.Effect<unknown, BackendErrorReason>) | undefined
  /** What the answer says in the normal shape. */
  readonly normalize?:
    | ((
      data: Answer["Type"],
      payload: Request["Type"]
    ) => Effect.Effect<Partial<NormalizedResponse<Answer["Type"]>>, BackendErrorReason>)
    | undefined
  /** How an answer is asked for and read as a stream of server-sent events. @default it is not, and is streamed as one */
  readonly stream?: StreamOptions<Request["Type"], Answer["Type"]> | undefined
  /** Why an answer failed whose status is not of the 200s, or whose body has an `error`. @default by its status */
  readonly reason?: ((answer: FailedAnswer) => BackendErrorReason) | undefined
  /** The tokens that a call will cost, as an estimate; `undefined` for the default. @default as for `ServiceBackend.make` */
  readonly cost?: ((payload: Request["Type"]) => ServiceBackend.Cost | undefined) | undefined
  /** Loads what counts the tokens of a text. @default none: four characters are taken for a token */
  readonly tokenizer?: Effect.Effect<((text: string) => number) | undefined> | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times */
  readonly retry?: ServiceBackend.Retry | undefined
  /** How long a call may be on its way to those who count it. @default 150 milliseconds */
  readonly headroom?: Duration.Input | undefined
  /** The longest silence in the middle of a stream, unless a call states its own. @default 2 minutes */
  readonly idleTimeout?: Duration.Input | undefined
}

/**
 * How an answer is streamed.
 *
 * @category options
 * @since 0.1.0
 */
export interface StreamOptions<Payload, Data> {
  /** The rest of the path of a call that streams. @default the `path` */
  readonly path?: string | undefined
  /** Its JSON body. @default the body of a call that does not, with `stream: true` */
  readonly body?: ((payload: Payload) => Effect.Effect<unknown, BackendErrorReason>) | undefined
  /** Makes what puts the events of one answer together. */
  readonly decoder: (payload: Payload) => Decoder<Data>
}

/**
 * Puts the events of one answer together, one after the other. The event `[DONE]` does not reach it: it ends the stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface Decoder<out Data> {
  /** Takes the `data` of the next event, decoded from JSON, and its name (`"message"` when it has none). */
  readonly push: (data: unknown, event: string) => Result.Result<ReadonlyArray<StreamPart>, EventFailure>
  /** Whether the provider has said that nothing more is to come. */
  readonly isOver: () => boolean
  /** What is there when the stream has ended: the last parts, and the answer; `undefined` when it is not whole. */
  readonly end: () => { readonly parts: ReadonlyArray<StreamPart>; readonly data: Data } | undefined
  /** The tokens used so far, if they are known. */
  readonly usage: () => Response.Usage | undefined
}

/**
 * Why an event is no part of an answer: it tells of an error, to be read as the body of a failed answer, or it makes no sense.
 *
 * @category models
 * @since 0.1.0
 */
export type EventFailure =
  | { readonly _tag: "ErrorEvent"; readonly body: unknown }
  | { readonly _tag: "MalformedEvent"; readonly description: string }

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
  Answer extends ResponseSchema
>(
  options: Options<Request, Answer>
): Effect.fn.Return<
  ServiceBackend.Backend<Request["Encoded"], Answer["Type"]>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
> {
  const client = yield* HttpClient.HttpClient
  const baseUrl = yield* checkedBaseUrl(options.baseUrl)
  const { authenticate, around, scrub } = yield* readAuth(options.auth ?? { type: "none" })
  const decode = Schema.decodeUnknownResult(options.response)
  const reasonOf = options.reason ?? reasonOfStatus
  const template = HttpClientRequest.make(options.method ?? "POST")(baseUrl).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.setHeaders(options.headers ?? {}),
    authenticate
  )

  const request = Effect.fnUntraced(function*(
    payload: Request["Type"],
    path: string,
    bodyOf: (payload: Request["Type"]) => Effect.Effect<unknown, BackendErrorReason>
  ) {
    const inPath = parametersOf(path)
    let filled = path
    for (const name of inPath) filled = filled.replace(`{${name}}`, yield* pathSegment(name, payload[name]))
    const addressed = HttpClientRequest.appendUrl(template, filled)
    if (addressed.method === "GET" || addressed.method === "HEAD") {
      const query = Object.entries(without(payload, inPath)).map(([name, value]) => [name, String(value)] as const)
      return HttpClientRequest.setUrlParams(addressed, query)
    }
    return HttpClientRequest.bodyJsonUnsafe(addressed, yield* bodyOf(payload))
  })

  /** Sends, and answers once there is a head that promises an answer. */
  const exchange = Effect.fnUntraced(function*(request: HttpClientRequest.HttpClientRequest, calling: Calling) {
    const response = yield* client.execute(request)
    const limits = rateLimitsOf(response.headers, yield* Clock.currentTimeMillis)
    calling[TypeId].hear({ limits, refused: response.status === 429 })
    if (response.status < 200 || response.status >= 300) {
      const told = yield* Effect.orElseSucceed(response.text, () => "")
      return yield* reasonOf(yield* failedAnswer(response, told, scrub))
    }
    const requestId = response.headers["x-request-id"] ?? response.headers["request-id"]
    const metadata = {
      ...(requestId !== undefined && { requestId }),
      ...reported(limits),
      attempts: calling.attempts.length + 1
    }
    return { response, metadata }
  })

  const normalized = Effect.fnUntraced(function*(
    data: Answer["Type"],
    payload: Request["Type"],
    rawResponse: unknown,
    metadata: Readonly<Record<string, unknown>>
  ) {
    const fields = options.normalize === undefined ? undefined : yield* options.normalize(data, payload)
    return makeResponse<Answer["Type"]>({
      ...fields,
      data,
      rawResponse,
      metadata: { ...fields?.metadata, ...metadata }
    })
  })

  const readWhole = Effect.fnUntraced(function*(
    { metadata, response }: Exchange,
    payload: Request["Type"]
  ) {
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
    return yield* normalized(decoded.success, payload, json.value, metadata)
  })

  const readStream = Effect.fnUntraced(function*(
    { metadata, response }: Exchange,
    payload: Request["Type"],
    decoder: Decoder<Answer["Type"]>,
    emit: ServiceBackend.Emit
  ) {
    const read = Effect.fnUntraced(function*(events: ReadonlyArray<Sse.Event>) {
      const parts: Array<StreamPart> = []
      let failure: EventFailure | undefined
      let over = false
      for (const event of events) {
        if (event.data === "[DONE]") {
          over = true
          break
        }
        const json = parseJson(event.data)
        const pushed = Option.isNone(json)
          ? malformed(`an event is not JSON: ${excerptOf(event.data)}`)
          : decoder.push(json.value, event.event)
        if (Result.isFailure(pushed)) {
          failure = pushed.failure
          break
        }
        for (const part of pushed.success) parts.push(part)
      }
      yield* emit(parts, decoder.usage())
      if (failure?._tag === "ErrorEvent") {
        return yield* reasonOf(yield* failedAnswer(response, JSON.stringify(failure.body), scrub))
      }
      if (failure !== undefined) return yield* brokenOff(scrub(failure.description))
      return over || decoder.isOver()
    })
    // What breaks the connection after the provider has ended its answer breaks nothing.
    const broken = yield* Effect.match(readEvents(response, read), {
      onSuccess: () => undefined,
      onFailure: (error) =>
        error._tag === "SseError"
          ? new StreamInterrupted({ description: error.message })
          : error._tag === "HttpClientError"
          ? networkError(error)
          : error
    })
    const end = decoder.end()
    if (end === undefined || (broken !== undefined && broken._tag !== "StreamInterrupted")) {
      return yield* broken ?? (yield* brokenOff("the stream ended before the answer did"))
    }
    yield* emit(end.parts, decoder.usage())
    return yield* normalized(end.data, payload, end.data, metadata)
  })

  const wholeBody = options.body ??
    ((payload: Request["Type"]) => Effect.succeed(without(payload, parametersOf(options.path))))

  const answer = <A>(effect: Effect.Effect<A, BackendErrorReason | HttpClientError.HttpClientError>) =>
    around(Effect.catchTag(effect, "HttpClientError", (error) => Effect.fail(networkError(error))))

  const call = (payload: Request["Type"], calling: Calling) =>
    answer(Effect.gen(function*() {
      const sent = yield* request(payload, options.path, wholeBody)
      return yield* readWhole(yield* exchange(sent, calling), payload)
    }))

  const stream = ({ body, decoder, path }: StreamOptions<Request["Type"], Answer["Type"]>) => {
    const streamedBody = body ??
      ((payload: Request["Type"]) =>
        Effect.map(wholeBody(payload), (body) => Predicate.isObject(body) ? { ...body, stream: true } : body))
    return (payload: Request["Type"], emit: ServiceBackend.Emit, calling: Calling) =>
      answer(Effect.gen(function*() {
        const sent = yield* request(payload, path ?? options.path, streamedBody)
        const exchanged = yield* exchange(sent, calling)
        if (isEventStream(exchanged.response)) return yield* readStream(exchanged, payload, decoder(payload), emit)
        const whole = yield* readWhole(exchanged, payload)
        yield* emit(streamPartsOf(whole.content))
        return whole
      }))
  }

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
    idleTimeout: options.idleTimeout ?? Duration.minutes(2),
    call,
    stream: options.stream && stream(options.stream)
  })
})

interface Exchange {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly metadata: Readonly<Record<string, unknown>>
}

const reported = ({ inputTokens, outputTokens, requests, tokens }: RateLimits) => {
  const rateLimits = {
    ...(requests && { requests }),
    ...(tokens && { tokens }),
    ...(inputTokens && { inputTokens }),
    ...(outputTokens && { outputTokens })
  }
  return Object.keys(rateLimits).length === 0 ? {} : { rateLimits }
}

const malformed = (description: string) => Result.fail<EventFailure>({ _tag: "MalformedEvent", description })

const brokenOff = (description: string) => Effect.fail(new StreamInterrupted({ description }))

const parametersOf = (path: string): ReadonlyArray<string> =>
  Array.from(path.matchAll(/\{(\w+)\}/g), (match) => match[1] ?? "")

// Some who speak a provider's protocol do not stream.
const isEventStream = ({ headers }: HttpClientResponse.HttpClientResponse): boolean =>
  !/\bjson\b/.test(headers["content-type"] ?? "")

/** The arguments that are given, but for some. */
const without = (payload: Readonly<Record<string, unknown>>, names: ReadonlyArray<string>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(payload).filter(([name, value]) => !names.includes(name) && value !== undefined))

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
