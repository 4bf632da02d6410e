/** A chat backend that is reached over HTTP: how its tests set it up, what they ask of it, and what its SDK would send. */
import { assert, type Vitest } from "@effect/vitest"
import { type Cause, type Config, ConfigProvider, Duration, Effect, Predicate, Redacted } from "effect"
import { HttpClient } from "effect/http"
import { type BackendError, iModel, type ServiceBackend } from "effect-imodel"
import { TestClock } from "effect/testing"
import { type Answer, type Seen, serve } from "./server.ts"
import { answering, streamed } from "./streams.ts"

interface Options {
  readonly apiKey?: Redacted.Redacted | undefined
  readonly baseUrl?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly retry?: ServiceBackend.Retry | undefined
}

interface Definition<Args, Data> {
  readonly makeBackend: (
    options: Options
  ) => Effect.Effect<
    ServiceBackend.Backend<Args, Data>,
    Config.ConfigError | Cause.IllegalArgumentError,
    HttpClient.HttpClient
  >
  /** Holds the word "canary", which nothing else does. */
  readonly apiKey: string
  /** Where the addresses of the wire begin on a server. */
  readonly base: "/v1" | "/v1beta"
  /** A call, and the body of an answer to it. */
  readonly ask: NoInfer<Args>
  readonly answer: object
}

export type Wire<Args, Data> = ReturnType<typeof make<Args, Data>>

/** Arguments as they come from those who do not know the wire. */
export type LooseArguments = Readonly<Record<string, unknown>>

/** A request without `stream: false`, which is sent to addresses that are not the provider's own. */
const atProvider = (seen: Seen): Seen => {
  if (!Predicate.hasProperty(seen.body, "stream") || seen.body.stream !== false) return seen
  const { stream: _, ...body } = seen.body
  return { ...seen, body }
}

export const make = <Args, Data>({ answer, apiKey, ask, base, makeBackend }: Definition<Args, Data>) => {
  const modelAt = (baseUrl: string) =>
    Effect.flatMap(
      makeBackend({ apiKey: Redacted.make(apiKey), baseUrl, retry: { times: 0 } }),
      (backend) => iModel.make(backend)
    )

  /** A server that answers so, and a model of it. Its arrivals are as the provider itself would see them. */
  const setup = Effect.fnUntraced(function*(answer: Answer | ((seen: Seen) => Effect.Effect<Answer>)) {
    const loopback = yield* serve(answer)
    const server = { ...loopback, arrival: Effect.map(loopback.arrival, atProvider) }
    return { server, model: yield* modelAt(`${server.url}${base}`) }
  })

  /** What is made of an answer. */
  const responseTo = Effect.fnUntraced(function*(answer: Answer, args: Args = ask) {
    const { model } = yield* setup(answer)
    return yield* model.respond(args)
  })

  /** What a server is sent for these arguments. */
  const sentFor = Effect.fnUntraced(function*(args: Args) {
    const { model, server } = yield* setup({ body: answer })
    yield* model.respond(args)
    return yield* server.arrival
  })

  /** How a call fails that is answered so, and how often it has asked. */
  const failureOf = Effect.fnUntraced(function*(answer: Answer, args: Args = ask) {
    const { model, server } = yield* setup(answer)
    const calling = yield* model.invoke(args)
    const error = yield* Effect.flip(calling.response)
    return { calling, error, requests: (yield* server.seen).length }
  })

  /** How a call fails that a server would have answered. */
  const refusalOf = (args: Args) => failureOf({ body: answer }, args)

  const modelOn = (client: HttpClient.HttpClient) =>
    Effect.provideService(modelAt(`http://127.0.0.1${base}`), HttpClient.HttpClient, client)

  /** What is handed out of an answer that comes in these pieces, and the answer. */
  const streamOf = (...pieces: ReadonlyArray<Uint8Array>) =>
    Effect.flatMap(modelOn(answering(pieces)), (model) => streamed(model, ask))

  /** The same answer, when it comes whole. */
  const wholeOf = (answer: object) =>
    Effect.flatMap(
      modelOn(answering([new TextEncoder().encode(JSON.stringify(answer))], "application/json")),
      (model) => model.respond(ask)
    )

  return {
    answer,
    apiKey,
    failureOf,
    makeBackend,
    modelAt,
    modelOn,
    refusalOf,
    responseTo,
    sentFor,
    setup,
    streamOf,
    wholeOf
  }
}

/** The argument that is refused. */
export const parameterOf = ({ reason }: BackendError) =>
  reason._tag === "InvalidRequestError" ? reason.parameter : `not of an argument: ${reason._tag}`

export const retryAfterMillis = (error: BackendError) => error.retryAfter && Duration.toMillis(error.retryAfter)

/** Fails when the effect takes longer than two seconds of real time, which nothing on loopback does. */
export const promptly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  TestClock.withLive(Effect.timeout(effect, "2 seconds"))

export const environment = (env: Record<string, string>) =>
  Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

// -----------------------------------------------------------------------------
// What is sent
// -----------------------------------------------------------------------------

/** A call in our words, and the same in those of the provider's own SDK. */
export interface Call<Args, Sdk> {
  readonly name: string
  readonly sdk: Sdk
  readonly ours: Args
}

interface SdkFacts<Args, Sdk> {
  readonly calls: ReadonlyArray<Call<Args, Sdk>>
  /** What of a request must be the same. */
  readonly told: (seen: Seen) => unknown
  /** Has the SDK make the call at a server, for a whole answer. */
  readonly create: (url: string, call: Sdk) => PromiseLike<unknown>
  /** For an answer in a stream. */
  readonly stream: (url: string, call: Sdk) => PromiseLike<unknown>
  /** The body of an answer in a stream. */
  readonly streamed: Uint8Array
}

/** What a request tells with these headers, and with what is made of its body. */
export const tellerOf =
  (headers: ReadonlyArray<string>, bodyOf: (body: unknown) => unknown = (body) => body) => (seen: Seen) => ({
    method: seen.method,
    path: seen.path,
    headers: headers.map((name) => `${name}: ${seen.headers[name]}`),
    body: bodyOf(seen.body)
  })

/** What is sent for a call is what the provider's own SDK sends for it. */
export const asksAsTheSdk = <Args, Sdk>(
  it: Vitest.MethodsNonLive<HttpClient.HttpClient>,
  { setup, answer }: Wire<Args, unknown>,
  { calls, create, stream, streamed: events, told }: SdkFacts<Args, Sdk>
) => {
  it.effect.each(calls)("$name", ({ ours, sdk }) =>
    Effect.gen(function*() {
      const { model, server } = yield* setup({ body: answer })
      yield* Effect.promise(() => create(server.url, sdk))
      yield* model.respond(ours)
      assert.deepStrictEqual(told(yield* server.arrival), told(yield* server.arrival))
    }))

  it.effect.each(calls)("$name, streaming", ({ ours, sdk }) =>
    Effect.gen(function*() {
      const { model, server } = yield* setup({
        body: new TextDecoder().decode(events),
        headers: { "content-type": "text/event-stream" }
      })
      yield* Effect.promise(() => stream(server.url, sdk))
      yield* streamed(model, ours)
      assert.deepStrictEqual(told(yield* server.arrival), told(yield* server.arrival))
    }))
}
