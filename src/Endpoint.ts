/**
 * An HTTP API as a backend: where it is, how it authenticates, what it takes and what it answers, by schemas.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import type * as Cause from "effect/Cause"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import type * as HttpClientError from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpMethod from "effect/http/HttpMethod"
import * as Predicate from "effect/Predicate"
import * as Circuit from "./Circuit.ts"
import type { Calling, NormalizedResponse } from "./Calling.ts"
import type { BackendErrorReason, Unsupported } from "./Errors.ts"
import { checkedBaseUrl, fillPath, makePath, type Path, queryOf, without } from "./internal/http/request.ts"
import { defaultMaxBytes } from "./internal/http/body.ts"
import { positiveInteger } from "./internal/util/options.ts"
import { makeReader } from "./internal/http/response.ts"
import { type Credential, readCredential } from "./internal/http/credential.ts"
import { fingerprintOf } from "./internal/util/fingerprint.ts"
import { type FailedAnswer, networkError } from "./internal/http/failure.ts"
import { isNoCredential } from "./internal/util/json.ts"
import { makeScrub } from "./internal/util/scrub.ts"
import { jsonBody } from "./internal/http/jsonBody.ts"
import { checkRetry } from "./internal/errors/retry.ts"
import { statedError } from "./internal/http/statedError.ts"
import { type Tolerance, tolerantDecoder } from "./internal/http/tolerantDecoder.ts"
import { neverSent } from "./internal/errors/neverSent.ts"
import { wireDecoder } from "./internal/http/wireDecoder.ts"
import * as ServiceBackend from "./ServiceBackend.ts"
import type { ResponseSchema, StreamOptions } from "./internal/http/decoder.ts"

export type { Decoder, Ended, EventFailure, ResponseSchema, StreamOptions } from "./internal/http/decoder.ts"

export type { FailedAnswer }

/**
 * Which fields of an answer may have a wrong shape.
 *
 * @category models
 * @since 0.1.0
 */
export type { Tolerance }

/**
 * A credential: a value, a `Config` that finds it, or the name of the environment variable that holds it, such as
 * `"OPENAI_API_KEY"`. Variables of the system, such as `PATH` and `HOME`, are refused.
 *
 * @category models
 * @since 0.1.0
 */
export type { Credential }

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
 * The options that all providers over HTTP have in common.
 *
 * @category options
 * @since 0.1.0
 */
export interface ProviderOptions {
  /** The key. @default the environment variable of the provider; none where the provider needs none */
  readonly apiKey?: Credential | undefined
  /**
   * The address of the API with its version. Blanks and slashes at its end, and the path of an endpoint, are taken off. The version
   * is added where it is missing at the provider's own host or on this machine. Parameters of a query are sent with every request.
   * @default the environment variable of the provider, or its public address
   */
  readonly baseUrl?: string | undefined
  /** Headers of every request, for example OpenRouter's `HTTP-Referer`. A key does not belong here, but in `apiKey`. @default none */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Retries of failed attempts; `{ times: 0 }` for none. @default three, see `ServiceBackend.Retry` */
  readonly retry?: ServiceBackend.Retry | undefined
  /** Stops sending calls while the provider is down; `true` for the defaults of `Circuit.Options`. @default none */
  readonly circuitBreaker?: Circuit.Options | true | undefined
  /**
   * Capabilities of the model. A call that asks for what the model cannot do fails with `Unsupported`, and no request is sent.
   * @default what is known of the model by its name
   */
  readonly capabilities?: ServiceBackend.Capabilities | undefined
  /**
   * The most bytes of a response, whole or streamed, counted as it is unpacked. A larger one fails with `InvalidResponseError`.
   * @default 64 MiB
   */
  readonly maxResponseBytes?: number | undefined
  /**
   * Changes the `HttpClient` of the backend, for example to log requests or to sign them. It runs once, when the backend is made.
   *
   * **Gotchas**
   *
   * Requests hold the credential. A client that retries makes attempts that the limits do not count: use `retry`.
   *
   * @default the client in context
   */
  readonly transformClient?: ((client: HttpClient.HttpClient) => HttpClient.HttpClient) | undefined
}

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
  /** Sent with the request of these arguments. @default none */
  readonly callHeaders?: ((payload: Request["Type"]) => Readonly<Record<string, string>>) | undefined
  /** The arguments. Excess ones are refused. */
  readonly request: Request
  /** The answer, decoded from JSON. Fields that it does not know are kept in `rawResponse` alone. */
  readonly response: Answer
  /**
   * The JSON body of a request.
   * @default the arguments that are not in the path; those of a `GET` are its query: an array as several parameters of one name,
   * an object as JSON
   */
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
  /**
   * Which fields of the `response` may have a wrong shape. They are repaired or left out, and noted in `metadata.imodel.notes`; so
   * are those of the events of a stream, by its decoder.
   * @default none
   */
  readonly tolerance?: Tolerance | undefined
  /**
   * The error that a body with a status of the 200s states, as the body of a failed answer; `undefined` for none. Events of a stream
   * are asked as well.
   * @default what has an `error`, or is of the type `"error"`
   */
  readonly error?: ((json: unknown) => unknown) | undefined
  /** Why an answer failed whose status is not of the 200s, or whose body states an error. @default by its status */
  readonly reason?: ((answer: FailedAnswer) => BackendErrorReason) | undefined
  /** The tokens that a call will cost, as an estimate; `undefined` for the default. @default as for `ServiceBackend.make` */
  readonly cost?: ((payload: Request["Type"]) => ServiceBackend.Cost | undefined) | undefined
  /** Loads the function that counts the tokens of a text. @default none: tokens are estimated by script */
  readonly tokenizer?: Effect.Effect<((text: string) => number) | undefined> | undefined
  /** When a failed attempt is made again; `{ times: 0 }` for never. @default three times */
  readonly retry?: ServiceBackend.Retry | undefined
  /** When calls are kept away because the API is down; `true` for the defaults. @default never */
  readonly circuitBreaker?: Circuit.Options | true | undefined
  /** The most bytes of a response, whole or streamed, counted as it is unpacked. @default 64 MiB */
  readonly maxResponseBytes?: number | undefined
  /** Changes the `HttpClient` in context, once, when the backend is made. @default the client in context */
  readonly transformClient?: ProviderOptions["transformClient"]
  /** What a call is to those who trace and measure. @default as for `ServiceBackend.make` */
  readonly operation?: { readonly name: string; readonly provider?: string } | undefined
  /** How long a call may be on its way to those who count it. @default 150 milliseconds */
  readonly headroom?: Duration.Input | undefined
  /** The longest silence in the middle of a stream, unless a call states its own. @default 2 minutes */
  readonly idleTimeout?: Duration.Input | undefined
  /** How much its model takes in at once, in tokens. @default it is not known */
  readonly contextWindow?: number | undefined
  /** What valid arguments ask for that it cannot do. @default as for `ServiceBackend.make` */
  readonly unsupported?: ((payload: Request["Type"]) => Unsupported | undefined) | undefined
}

/**
 * Makes a backend of an HTTP API.
 *
 * Fails with `IllegalArgumentError` when the address or the `retry` is wrong or the credential empty, and with `ConfigError` when the
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
  const given = yield* HttpClient.HttpClient
  const client = options.transformClient === undefined ? given : options.transformClient(given)
  if (options.retry !== undefined) yield* checkRetry(options.retry)
  const baseUrl = yield* checkedBaseUrl(options.baseUrl)
  const { authenticate, secret } = yield* readAuth(options.auth ?? { type: "none" })
  const scrub = makeScrub([
    secret,
    ...Object.entries(options.headers ?? {}).flatMap(([name, value]) => isNoCredential(name) ? [] : [value])
  ])
  const reader = makeReader<Request["Type"], Answer["Type"]>({
    decode: options.tolerance === undefined
      ? wireDecoder(options.response)
      : tolerantDecoder(options.response, options.tolerance),
    normalize: options.normalize,
    errorOf: options.error ?? statedError,
    reasonOf: options.reason ?? reasonOfStatus,
    scrub,
    maxBytes: yield* positiveInteger("maxResponseBytes", options.maxResponseBytes ?? defaultMaxBytes)
  })
  const wholePath = makePath(options.path)
  const template = HttpClientRequest.make(options.method ?? "POST")(baseUrl).pipe(
    HttpClientRequest.acceptJson,
    HttpClientRequest.setHeaders(options.headers ?? {}),
    authenticate
  )

  const request = (
    payload: Request["Type"],
    path: Path,
    bodyOf: (payload: Request["Type"]) => Effect.Effect<unknown, BackendErrorReason>
  ): Effect.Effect<HttpClientRequest.HttpClientRequest, BackendErrorReason> =>
    Effect.flatMap(fillPath(path, payload), (filled) => {
      const headers = options.callHeaders?.(payload)
      const to = HttpClientRequest.appendUrl(template, filled)
      const addressed = headers === undefined ? to : HttpClientRequest.setHeaders(to, headers)
      if (addressed.method === "GET" || addressed.method === "HEAD") {
        return Effect.succeed(HttpClientRequest.setUrlParams(addressed, queryOf(without(payload, path.parameters))))
      }
      return Effect.mapError(
        Effect.flatMap(
          bodyOf(payload),
          (body) =>
            Effect.map(jsonBody(body), (json) => HttpClientRequest.bodyText(addressed, json, "application/json"))
        ),
        neverSent
      )
    })

  const wholeBody = options.body ??
    ((payload: Request["Type"]) => Effect.succeed(without(payload, wholePath.parameters)))

  const answer = <A>(effect: Effect.Effect<A, BackendErrorReason | HttpClientError.HttpClientError>) =>
    discreet(Effect.catchTag(effect, "HttpClientError", (error) => Effect.fail(networkError(error, scrub))))

  const call = (payload: Request["Type"], _calling: Calling, attempt: ServiceBackend.Attempt) =>
    answer(
      request(payload, wholePath, wholeBody).pipe(
        Effect.flatMap(client.execute),
        Effect.flatMap((response) => reader.head(response, attempt)),
        Effect.flatMap((head) => reader.whole(head, payload, options.stream?.decoder))
      )
    )

  const stream = ({ body, decoder, path }: StreamOptions<Request["Type"], Answer["Type"]>) => {
    const streamedPath = path === undefined ? wholePath : makePath(path)
    const streamedBody = body ??
      ((payload: Request["Type"]) =>
        Effect.map(wholeBody(payload), (body) => Predicate.isObject(body) ? { ...body, stream: true } : body))
    return (
      payload: Request["Type"],
      emit: ServiceBackend.Emit,
      _calling: Calling,
      attempt: ServiceBackend.Attempt
    ) =>
      answer(Effect.gen(function*() {
        const response = yield* client.execute(yield* request(payload, streamedPath, streamedBody))
        const head = yield* reader.head(response, attempt)
        return yield* reader.stream(head, payload, decoder(payload), emit, attempt.sink?.idleTimeout)
      }))
  }

  const { circuitBreaker } = options
  return yield* ServiceBackend.make({
    provider: options.provider,
    name: options.name,
    version: options.version,
    fingerprint: yield* fingerprintOf(secret, [
      baseUrl,
      options.path,
      Object.entries(options.headers ?? {}).toSorted()
    ]),
    tags: options.tags,
    metadata: options.metadata,
    headroom: options.headroom ?? 150,
    retry: options.retry ?? {},
    request: options.request,
    contextWindow: options.contextWindow,
    unsupported: options.unsupported,
    cost: options.cost,
    tokenizer: options.tokenizer,
    operation: options.operation && { ...options.operation, server: new URL(baseUrl) },
    idleTimeout: options.idleTimeout ?? Duration.minutes(2),
    circuit: circuitBreaker &&
      (yield* Circuit.make(`${options.provider}/${options.name}`, circuitBreaker === true ? {} : circuitBreaker)),
    call,
    stream: options.stream && stream(options.stream)
  })
})

/**
 * Without the client's own span: the attempt has one, and that of the client would hold the request, with the credential in a
 * header that Effect does not know to be secret; and send its name to the provider. And without following redirects, which
 * `fetch` does, with all but the header `authorization`: the credential would go wherever the provider's address leads.
 */
const discreet = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.updateContext(effect, (context: Context.Context<never>) => {
    const init = Context.getOrUndefined(context, FetchHttpClient.RequestInit)
    return Context.add(context, HttpClient.TracerDisabledWhen, always).pipe(
      Context.add(FetchHttpClient.RequestInit, { ...init, redirect: "manual" })
    )
  })

const always = () => true

interface Access {
  readonly authenticate: (request: HttpClientRequest.HttpClientRequest) => HttpClientRequest.HttpClientRequest
  readonly secret: string
}

const readAuth = Effect.fnUntraced(function*(
  auth: Auth
): Effect.fn.Return<Access, Config.ConfigError | Cause.IllegalArgumentError> {
  if (auth.type === "none") return { authenticate: identity, secret: "" }
  const { credential, type } = auth
  const secret = yield* readCredential(credential)
  const authenticate = type === "bearer"
    ? HttpClientRequest.bearerToken(secret)
    : HttpClientRequest.setHeader(type === "header" ? auth.name : type, secret)
  return { authenticate, secret }
})

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
