/**
 * A provider that needs no network and no key: it speaks OpenAI's chat wire, answers deterministically from a seed, takes
 * its time, and enforces a strict limit of its own. For demonstrations, and to test a whole program offline.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { describeIssue } from "./internal/invalidArgument.ts"
import * as Wire from "./internal/openAi/schema.ts"
import { duration, positive, positiveDuration } from "./internal/options.ts"
import { formatReset, makeBucket, refill, untilAvailable } from "./internal/strictLimit.ts"

/**
 * What the simulator saw.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  /** All requests. */
  readonly requests: number
  /** Requests that its limit admitted. */
  readonly admitted: number
  /** Requests that broke its limit, and were answered with 429. */
  readonly rejected: number
  /** Tokens that its limit admitted: those of the prompts, and the output asked for. */
  readonly tokens: number
  /** The most requests that were being answered at one time. */
  readonly mostAtOnce: number
  /** When each admitted request arrived, in milliseconds since the first. */
  readonly arrivals: ReadonlyArray<number>
}

/**
 * The simulator as a service: what it saw.
 *
 * @category services
 * @since 0.1.0
 */
export class Simulator extends Context.Service<Simulator, {
  readonly seen: Effect.Effect<Seen>
}>()("effect-imodel/Simulator") {}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The same seed and the same prompt give the same answer. @default "simulator" */
  readonly seed?: string | undefined
  /** How long an answer takes. @default 50 milliseconds */
  readonly latency?: Duration.Input | undefined
  /** The answer to a prompt, in place of words drawn from the seed. */
  readonly answer?: ((prompt: string) => string) | undefined
  /** Requests a window. @default no limit */
  readonly limitRequests?: number | undefined
  /** Tokens a window. @default no limit */
  readonly limitTokens?: number | undefined
  /** @default "1 minute" */
  readonly window?: Duration.Input | undefined
}

/**
 * Provides an `HttpClient` that reaches the simulator whatever the address, in process and without a port. It runs on
 * the clock of the program, so a `TestClock` controls it.
 *
 * **Example** (A whole program, offline)
 *
 * ```ts
 * import { Effect, Layer, Redacted } from "effect"
 * import { iModel, OpenAi, Simulator } from "effect-imodel"
 *
 * const model = iModel.layer({ limitRequests: 50 }).pipe(
 *   Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("any") })),
 *   Layer.provideMerge(Simulator.layerHttpClient({ limitRequests: 50 }))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const response = yield* iModel.respond({ prompt: "Hello" })
 *   const simulator = yield* Simulator.Simulator
 *   return { text: response.text, rejected: (yield* simulator.seen).rejected }
 * }).pipe(Effect.provide(model))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHttpClient = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient | Simulator, Cause.IllegalArgumentError> =>
  Layer.effectContext(Effect.gen(function*() {
    const { app, seen } = yield* make(options)
    const client = HttpClient.make((request) =>
      Effect.map(
        Effect.provideService(app, HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        (response) => HttpClientResponse.fromWeb(request, HttpServerResponse.toWeb(response))
      )
    )
    return Context.make(HttpClient.HttpClient, client).pipe(Context.add(Simulator, { seen }))
  }))

/**
 * Serves the simulator on the `HttpServer` in context until the scope closes, and says at which `baseUrl` it is.
 *
 * **Example** (On a free port of loopback)
 *
 * ```ts
 * import { NodeHttpServer } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { Simulator } from "effect-imodel"
 * import { createServer } from "node:http"
 *
 * const program = Effect.gen(function*() {
 *   const simulator = yield* Simulator.serve({ limitRequests: 50, window: "5 seconds" })
 *   yield* Effect.log(`listening at ${simulator.baseUrl}`)
 * }).pipe(
 *   Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })),
 *   Effect.scoped
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const serve = Effect.fnUntraced(function*(
  options: Options = {}
): Effect.fn.Return<
  { readonly baseUrl: string; readonly seen: Effect.Effect<Seen> },
  Cause.IllegalArgumentError,
  HttpServer.HttpServer | Scope.Scope
> {
  const server = yield* HttpServer.HttpServer
  const { app, seen } = yield* make(options)
  yield* server.serve(app)
  return { baseUrl: `${NetAddress.formatUrlUnsafe(server.address)}/v1`, seen }
})

// -----------------------------------------------------------------------------
// The provider
// -----------------------------------------------------------------------------

interface Provider {
  readonly app: Effect.Effect<HttpServerResponse.HttpServerResponse, never, HttpServerRequest.HttpServerRequest>
  readonly seen: Effect.Effect<Seen>
}

const make = Effect.fnUntraced(function*(options: Options): Effect.fn.Return<Provider, Cause.IllegalArgumentError> {
  const latency = yield* duration("latency", options.latency ?? 50)
  const windowMillis = Duration.toMillis(yield* positiveDuration("window", options.window ?? Duration.minutes(1)))
  const bucket = Effect.fnUntraced(function*(name: string, limit: number | undefined) {
    return limit === undefined ? undefined : makeBucket(yield* positive(name, limit), windowMillis)
  })
  const buckets = {
    requests: yield* bucket("limitRequests", options.limitRequests),
    tokens: yield* bucket("limitTokens", options.limitTokens)
  }
  const seed = options.seed ?? "simulator"

  let requests = 0
  let rejected = 0
  let tokens = 0
  let atOnce = 0
  let mostAtOnce = 0
  let firstArrival = 0
  const arrivals: Array<number> = []

  /** Takes from both buckets or from neither; answers the kind that refuses and for how many milliseconds. */
  const admit = (now: number, cost: number) => {
    const wanted = [["requests", buckets.requests, 1], ["tokens", buckets.tokens, cost]] as const
    for (const [kind, bucket, n] of wanted) {
      if (bucket === undefined) continue
      refill(bucket, now)
      const wait = n > bucket.limit ? Number.POSITIVE_INFINITY : untilAvailable(bucket, n)
      if (wait > 0) return { kind, wait, limit: bucket.limit }
    }
    for (const [, bucket, n] of wanted) if (bucket !== undefined) bucket.level -= n
    if (arrivals.length === 0) firstArrival = now
    arrivals.push(now - firstArrival)
    tokens += cost
    return undefined
  }

  const limitHeaders = (): Record<string, string> => {
    const headers: Record<string, string> = {}
    for (const kind of ["requests", "tokens"] as const) {
      const bucket = buckets[kind]
      if (bucket === undefined) continue
      headers[`x-ratelimit-limit-${kind}`] = String(bucket.limit)
      headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(bucket.level)))
      headers[`x-ratelimit-reset-${kind}`] = formatReset(untilAvailable(bucket, bucket.limit))
    }
    return headers
  }

  const chat = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const now = yield* Clock.currentTimeMillis
    requests++
    const requestId = `req_${requests}`
    const reply = (status: number, body: unknown, headers: Record<string, string> = {}) =>
      HttpServerResponse.jsonUnsafe(body, { status, headers: { "x-request-id": requestId, ...headers } })
    const refuse = (status: number, error: Refusal, headers?: Record<string, string>) =>
      reply(status, { error: { type: "invalid_request_error", param: null, code: null, ...error } }, headers)

    if (request.method !== "POST" || !request.url.endsWith("/chat/completions")) {
      return refuse(404, { message: `Invalid URL (${request.method} ${request.url})` })
    }
    if (!/^Bearer .+/.test(request.headers["authorization"] ?? "")) {
      return refuse(401, { message: "You didn't provide an API key.", code: "invalid_api_key" })
    }
    const decoded = yield* Effect.result(Effect.flatMap(request.json, decodeRequest))
    if (Result.isFailure(decoded)) {
      const issue = decoded.failure._tag === "SchemaError"
        ? describeIssue(decoded.failure)
        : { path: "", message: "We could not parse the JSON body of your request." }
      return refuse(400, { message: issue.message, param: issue.path === "" ? null : issue.path })
    }
    const { max_completion_tokens, max_tokens, messages, model } = decoded.success
    const prompt = messages.map(textOf).join("\n")
    const promptTokens = countTokens(prompt)
    const maxTokens = max_completion_tokens ?? max_tokens ?? undefined
    const refusal = admit(now, promptTokens + (maxTokens ?? 0))
    if (refusal !== undefined) {
      rejected++
      const { kind, limit, wait } = refusal
      if (!Number.isFinite(wait)) {
        const message = `Request too large for ${model} on ${kind}: limit ${limit}.`
        return refuse(429, { message, type: kind, code: "rate_limit_exceeded" }, limitHeaders())
      }
      const message = `Rate limit reached for ${model} on ${kind}: limit ${limit}. Try again in ${formatReset(wait)}.`
      return refuse(429, { message, type: kind, code: "rate_limit_exceeded" }, {
        ...limitHeaders(),
        "retry-after": String(Math.ceil(wait / 1000)),
        "retry-after-ms": String(Math.ceil(wait))
      })
    }

    mostAtOnce = Math.max(mostAtOnce, ++atOnce)
    yield* Effect.ensuring(Effect.sleep(latency), Effect.sync(() => atOnce--))
    const whole = options.answer === undefined
      ? yield* Random.withSeed(draw, `${seed}\n${prompt}`)
      : options.answer(prompt)
    const text = maxTokens === undefined ? whole : whole.slice(0, maxTokens * 4)
    return reply(200, {
      id: `chatcmpl-${requests}`,
      object: "chat.completion",
      created: Math.floor(now / 1000),
      model,
      choices: [{
        index: 0,
        message: { role: "assistant", content: text, refusal: null, annotations: [] },
        logprobs: null,
        finish_reason: text.length < whole.length ? "length" : "stop"
      }],
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: countTokens(text),
        total_tokens: promptTokens + countTokens(text)
      }
    }, limitHeaders())
  })

  return {
    app: chat,
    seen: Effect.sync(() => ({
      requests,
      admitted: arrivals.length,
      rejected,
      tokens,
      mostAtOnce,
      arrivals: [...arrivals]
    }))
  }
})

interface Refusal {
  readonly message: string
  readonly type?: string
  readonly param?: string | null
  readonly code?: string
}

const decodeRequest = Schema.decodeUnknownEffect(Wire.ChatBody, { onExcessProperty: "error" })

// Four characters a token, as the estimate of those who call it.
const countTokens = (text: string): number => Math.ceil(text.length / 4)

const textOf = (message: typeof Wire.ChatMessage.Type): string => {
  const { content } = message
  if (content == null || typeof content === "string") return content ?? ""
  return content.map((part) => part.type === "text" ? part.text : "").join("")
}

const words = ["amber", "bridge", "cloud", "delta", "ember", "forest", "garden", "harbor", "lantern", "river"] as const

const draw = Effect.gen(function*() {
  const length = yield* Random.nextIntBetween(6, 24)
  const drawn = yield* Effect.replicateEffect(Random.choice(words), length)
  return `${drawn.join(" ")}.`
})
