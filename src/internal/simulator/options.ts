/** What a simulated provider is asked, what it answers, and its options. */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as JsonSchema from "effect/JsonSchema"

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
 * A request, and what became of it.
 *
 * **Example** (When a call was cancelled)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Simulator } from "effect-imodel"
 *
 * const cancelled = Effect.gen(function*() {
 *   const simulator = yield* Simulator.Simulator
 *   const exchanges = yield* simulator.exchanges
 *   return exchanges.flatMap(({ endedAt, outcome, request }) =>
 *     outcome === "cancelled" ? [{ prompt: request.prompt, endedAt }] : []
 *   )
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchange {
  readonly request: Request
  /**
   * - `pending`: not ended
   * - `answered`: the answer was sent to its end
   * - `refused`: answered with an error, such as a limit's
   * - `cancelled`: the client left before the end
   * - `broken`: the connection broke, as a fault said
   */
  readonly outcome: "pending" | "answered" | "refused" | "cancelled" | "broken"
  /** In milliseconds since the first request arrived. */
  readonly arrivedAt: number
  /** Likewise; `undefined` while it is pending. */
  readonly endedAt: number | undefined
}

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
