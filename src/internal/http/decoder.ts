/** How the events of a streamed answer are assembled. */
import type * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type StreamPart } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import type { Over } from "./sse.ts"

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
  /**
   * Whether the provider has marked the end of the answer. `"perhaps"` when the answer is whole and the wire has no mark
   * for its end: the end of the body is, or a silence of 5 seconds, or of a little less than the `idleTimeout` if that is less.
   * `"doubtful"` when it is whole, but more may come after such a silence: then it is a minute.
   */
  readonly isOver: () => Over
  /**
   * What is there when the stream has ended: the last parts, and the answer; `undefined` when it is not whole. `isBroken` tells
   * that the connection broke before the body had ended.
   */
  readonly end: (isBroken: boolean) => Ended<Data> | undefined
  /** The tokens used so far, if they are known. */
  readonly usage: () => Response.Usage | undefined
  /**
   * Told that an event made no sense and was passed over. What comes after it is kept back then until `end`, which answers with
   * `undefined` unless it is sure that nothing of the answer was in that event.
   * @default the answer has broken off with it
   */
  readonly skip?: (() => void) | undefined
}

/**
 * A stream that has ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended<out Data> {
  /** The last parts. */
  readonly parts: ReadonlyArray<StreamPart>
  readonly data: Data
  /** Fields of a wrong shape that were left out of the events. @default none */
  readonly notes?: ReadonlyArray<string> | undefined
}

/**
 * Why an event is no part of an answer: it states an error, which is read as the body of a failed answer, or it is malformed.
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
