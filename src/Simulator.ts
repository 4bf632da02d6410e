/**
 * A provider that needs no network and no key: it speaks the wires of OpenAI, Anthropic and Gemini, whole and streamed,
 * answers deterministically from a seed, takes its time, and enforces a strict limit of its own. For demonstrations, and to
 * test a whole program offline, with faults where they are wanted.
 *
 * It answers `POST` to what ends in
 *
 * - `/chat/completions`, `/responses` and `/embeddings` as OpenAI does,
 * - `/messages` as Anthropic does,
 * - `/models/{model}:generateContent`, `:streamGenerateContent`, `:embedContent` and `:batchEmbedContents` as Gemini does,
 *
 * whatever the key, and refuses the rest in the words, the statuses and the headers of the provider that is meant.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Provider from "./internal/simulator/provider.ts"
import type { Exchange, Options, Seen } from "./internal/simulator/options.ts"

export { Fault } from "./internal/simulator/options.ts"
export type {
  Answer,
  Exchange,
  Message,
  Options,
  Request,
  Seen,
  Tool,
  ToolCall,
  ToolResult
} from "./internal/simulator/options.ts"

/**
 * The simulator as a service: what it saw, as counts and request by request.
 *
 * @category services
 * @since 0.1.0
 */
export class Simulator extends Context.Service<Simulator, {
  readonly seen: Effect.Effect<Seen>
  /** The requests that it understood, in the order of their arrival, and what became of each. */
  readonly exchanges: Effect.Effect<ReadonlyArray<Exchange>>
}>()("effect-imodel/Simulator") {}

// -----------------------------------------------------------------------------
// What it is asked, and what it answers
// -----------------------------------------------------------------------------

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
 *   return { completed: response.text !== "", rejected: (yield* simulator.seen).rejected }
 * }).pipe(Effect.provide(model))
 *
 * console.log(await Effect.runPromise(program)) // => { completed: true, rejected: 0 }
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerHttpClient = (
  options: Options = {}
): Layer.Layer<HttpClient.HttpClient | Simulator, Cause.IllegalArgumentError> =>
  Layer.effectContext(Effect.gen(function*() {
    const { app, exchanges, seen } = yield* Provider.make(options)
    const client = HttpClient.make((request) =>
      app.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
        Effect.mapError((cause) =>
          new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
        )
      )
    )
    return Context.make(HttpClient.HttpClient, client).pipe(Context.add(Simulator, { exchanges, seen }))
  }))

/**
 * Serves the simulator on the `HttpServer` in context until the scope closes, and says where it is: `baseUrl` is where
 * OpenAI's clients look for it (`http://host:port/v1`), and `url` the root, of which Anthropic's clients take
 * `${url}` or `${url}/v1`, and Gemini's `${url}/v1beta`.
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
  Simulator["Service"] & { readonly url: string; readonly baseUrl: string },
  Cause.IllegalArgumentError,
  HttpServer.HttpServer | Scope.Scope
> {
  const server = yield* HttpServer.HttpServer
  const { app, exchanges, seen } = yield* Provider.make(options)
  // A server does not interrupt a request whose client has gone, unless it is told that it may.
  yield* server.serve(Effect.interruptible(Effect.catchTag(app, "ConnectionReset", () => hangUp)))
  const url = NetAddress.formatUrlUnsafe(server.address)
  return { url, baseUrl: `${url}/v1`, exchanges, seen }
})

/** Resets the connection of a request, whose end ends this. */
const hangUp = Effect.gen(function*() {
  const { source } = yield* HttpServerRequest.HttpServerRequest
  const socket = Predicate.hasProperty(source, "socket") ? source.socket : undefined
  if (Predicate.hasProperty(socket, "resetAndDestroy") && Predicate.isFunction(socket.resetAndDestroy)) {
    socket.resetAndDestroy()
  }
  return yield* Effect.never
})
