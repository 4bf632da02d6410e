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
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientError from "effect/http/HttpClientError"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type * as JsonSchema from "effect/JsonSchema"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as Provider from "./internal/simulator/provider.ts"

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

// -----------------------------------------------------------------------------
// What it is asked, and what it answers
// -----------------------------------------------------------------------------

/**
 * A request, in one shape for all wires.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly provider: "openai" | "anthropic" | "gemini"
  readonly model: string
  /** The text of all messages, a line each; of an embedding, its inputs. */
  readonly prompt: string
  /** None when an embedding is asked for. */
  readonly messages: ReadonlyArray<Message>
  readonly tools: ReadonlyArray<Tool>
  readonly toolChoice: "auto" | "none" | "required" | { readonly tool: string }
  /** The results among the messages. */
  readonly toolResults: ReadonlyArray<ToolResult>
  /** What the answer is to satisfy, when structured output is asked for. */
  readonly outputSchema: JsonSchema.JsonSchema | undefined
  readonly maxTokens: number | undefined
  readonly stream: boolean
}

/**
 * @category models
 * @since 0.1.0
 */
export type Message =
  | { readonly role: "system" | "user"; readonly text: string }
  | { readonly role: "assistant"; readonly text: string; readonly toolCalls: ReadonlyArray<ToolCall> }
  | ToolResult

/**
 * @category models
 * @since 0.1.0
 */
export interface Tool {
  readonly name: string
  readonly description: string | undefined
  /** The JSON schema of its arguments. */
  readonly parameters: JsonSchema.JsonSchema
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ToolCall {
  /** @default one that is made up */
  readonly id?: string | undefined
  readonly name: string
  readonly arguments: unknown
}

/**
 * @category models
 * @since 0.1.0
 */
export interface ToolResult {
  readonly role: "tool"
  /** Of the call. */
  readonly id: string
  /** Of the tool. */
  readonly name: string
  readonly text: string
}

/**
 * An answer: what the model thought, what it says, and the tools it calls, in this order.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly reasoning?: string | undefined
  readonly text?: string | undefined
  readonly toolCalls?: ReadonlyArray<ToolCall> | undefined
}

/**
 * What goes wrong with an answer; on every wire the same, in its provider's own words.
 *
 * - `RateLimited`: 429, with the time to wait if there is one.
 * - `ServerError`: 500.
 * - `Overloaded`: 503, Anthropic's 529.
 * - `ContextTooLong`: 400.
 * - `ContentPolicy`: 400; Gemini's is a 200 that tells why the prompt was blocked.
 * - `Reset`: the connection is reset before the head of an answer. A server can do so on Node; on another platform the
 *   request stays without an answer.
 * - `NoResponse`: nothing, for ever.
 * - `SlowStart`: the answer, or the first chunk of a stream whose head is there, takes so much longer.
 * - `Cut`: the connection breaks after so many pieces of a streamed answer, or half of one that does not stream.
 * - `Silence`: no more comes, and the connection stays open, likewise.
 * - `Malformed`: the event with the next piece is no JSON, nor is an answer that does not stream.
 * - `Garbage`: before the next piece comes an event that is no JSON, and nothing is missing.
 * - `Failure`: in place of the next piece comes the event that tells of a failure, and the stream ends.
 * - `NoEnd`: a stream without what comes when all is said: `[DONE]`, `message_stop`.
 *
 * A piece is about a word, and on all wires the same. The last three are of streams alone. The first five, and `Reset`, spend nothing of the limit.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = Data.TaggedEnum<{
  RateLimited: { readonly retryAfter?: Duration.Input | undefined }
  ServerError: {}
  Overloaded: {}
  ContextTooLong: {}
  ContentPolicy: {}
  Reset: {}
  NoResponse: {}
  SlowStart: { readonly delay: Duration.Input }
  Cut: { readonly after: number }
  Silence: { readonly after: number }
  Malformed: { readonly after: number }
  Garbage: { readonly after: number }
  Failure: { readonly after: number }
  NoEnd: {}
}>

/**
 * Makes faults.
 *
 * **Example** (Refused once, then cut)
 *
 * ```ts
 * import { Simulator } from "effect-imodel"
 *
 * const flaky = Simulator.layerHttpClient({
 *   faults: (_request, attempt) =>
 *     attempt === 1
 *       ? Simulator.Fault.RateLimited({ retryAfter: "2 seconds" })
 *       : attempt === 2
 *       ? Simulator.Fault.Cut({ after: 3 })
 *       : undefined
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const Fault = Data.taggedEnum<Fault>()

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The same seed and the same prompt give the same answer. @default "simulator" */
  readonly seed?: string | undefined
  /** How long an answer takes, or the first chunk of a stream. @default 50 milliseconds */
  readonly latency?: Duration.Input | undefined
  /** How long each further chunk of a stream takes. @default a tenth of the latency */
  readonly chunkInterval?: Duration.Input | undefined
  /**
   * The answer to a prompt.
   *
   * @default drawn from the seed: arguments for the tool that must be called (of `tool_choice` `"required"` the first, or the one
   *   that is named) until its result comes, JSON that satisfies the schema when structured output is asked for, and words
   *   otherwise. Where the choice is the model's (`"auto"`, which it is unless a call says otherwise) no tool is called: an
   *   `answer` with `toolCalls` does that
   */
  readonly answer?: ((prompt: string, request: Request) => string | Answer) | undefined
  /**
   * What goes wrong. The `attempt` counts the requests of the same prompt to the same provider, from one.
   *
   * @default nothing
   */
  readonly faults?: ((request: Request, attempt: number) => Fault | undefined) | undefined
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
    const { app, seen } = yield* Provider.make(options)
    const client = HttpClient.make((request) =>
      app.pipe(
        Effect.provideService(HttpServerRequest.HttpServerRequest, HttpServerRequest.fromClientRequest(request)),
        Effect.map((response) => HttpServerResponse.toClientResponse(response, { request })),
        Effect.mapError((cause) =>
          new HttpClientError.HttpClientError({ reason: new HttpClientError.TransportError({ request, cause }) })
        )
      )
    )
    return Context.make(HttpClient.HttpClient, client).pipe(Context.add(Simulator, { seen }))
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
  { readonly url: string; readonly baseUrl: string; readonly seen: Effect.Effect<Seen> },
  Cause.IllegalArgumentError,
  HttpServer.HttpServer | Scope.Scope
> {
  const server = yield* HttpServer.HttpServer
  const { app, seen } = yield* Provider.make(options)
  // A server does not interrupt a request whose client has gone, unless it is told that it may.
  yield* server.serve(Effect.interruptible(Effect.catchTag(app, "ConnectionReset", () => hangUp)))
  const url = NetAddress.formatUrlUnsafe(server.address)
  return { url, baseUrl: `${url}/v1`, seen }
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
