/** Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) until their answer is whole. */
import type * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import { isTooDeep } from "../util/depth.ts"
import { tooLarge } from "./body.ts"
import { BareJson } from "./bareJson.ts"

/**
 * How long the rest of a response is waited for when its answer is whole, so that the connection can be used again. Some
 * servers never end it.
 */
const drainMillis = 100

/** How long more is waited for: 5 seconds at most, or until shortly before the silence counts as a break. */
const silenceMillis = (idleTimeout: Duration.Duration | undefined, isLong: boolean): number => {
  const beforeBreak = idleTimeout === undefined ? Number.POSITIVE_INFINITY : 0.9 * Duration.toMillis(idleTimeout)
  return isLong ? Math.min(60_000, beforeBreak) : Math.min(5_000, beforeBreak)
}

/** In characters. An event may hold a picture: of 4096 by 4096 pixels, not compressed, it has 90 million in base64. */
const maxEventSize = 128 * 1024 * 1024

/**
 * Whether an answer is over. `"perhaps"`: it is whole and usually nothing more comes. `"doubtful"`: it is whole, but this provider
 * has gone on after such an end, or may.
 */
export type Over = boolean | "perhaps" | "doubtful"

/** An event of a stream. */
export interface StreamEvent extends Sse.Event {
  /** Whether it stood in the stream as JSON alone, without `data:`. @default false */
  readonly isBare?: boolean
}

/** The event that ends a stream. */
export const isDone = ({ data }: Sse.Event): boolean => data === "[DONE]" || data.trim() === "[DONE]"

/** Whether an event is empty. Some servers keep the connection open with such events. */
const isEmpty = ({ data }: Sse.Event): boolean => data === "" || data === "null"

/**
 * Has the events of each chunk read. Completes when the body has ended, or `read` has answered that nothing more is to come; or,
 * where that is never certain, when nothing more came for a while. Answers with the text of a body that had no events: a whole
 * answer, or the page of a proxy.
 *
 * The last event counts without the blank line that ends an event. `read` gets a flag then, since the event may be cut.
 */
export const readEvents = <E>(
  response: HttpClientResponse.HttpClientResponse,
  read: (events: ReadonlyArray<StreamEvent>, isUnterminated: boolean) => Effect.Effect<Over, E>,
  { idleTimeout, maxBytes }: { readonly idleTimeout: Duration.Duration | undefined; readonly maxBytes: number }
): Effect.Effect<string, E | AiError.InvalidResponseError | Sse.SseError | HttpClientError.HttpClientError> =>
  Effect.scoped(Effect.gen(function*() {
    let events: Array<StreamEvent> = []
    let hasEvents = false
    let held = ""
    let bytes = 0
    const parser = Sse.makeParser((event) => {
      if (event._tag !== "Event" || isEmpty(event)) return
      events.push(event)
      hasEvents ||= !isDone(event)
    }, { maxEventSize })
    const bareJson = new BareJson()
    const decoder = new TextDecoder()
    // Nobody else pulls, so it needs none of what `Stream.toPull` does at each pull to keep them apart.
    const pull = yield* Channel.toPullScoped(Stream.toChannel(response.stream), yield* Effect.scope)

    const feed = (text: string): Sse.SseError | undefined => {
      const error = parser.feed(text)
      const json = bareJson.push(text, hasEvents)
      if (json !== undefined) events.push({ ...messageOf(json), isBare: true })
      held = hasEvents || held.length > maxEventSize ? "" : held + text
      return error
    }
    const taken = (): ReadonlyArray<StreamEvent> => {
      const taken = events
      events = []
      return taken
    }
    const next = Effect.flatMap(pull, (chunks): Effect.Effect<
      ReadonlyArray<StreamEvent>,
      AiError.InvalidResponseError | Sse.SseError
    > => {
      for (const chunk of chunks) {
        bytes += chunk.byteLength
        if (bytes > maxBytes) return Effect.fail(tooLarge(maxBytes))
        const error = feed(decoder.decode(chunk, { stream: true }))
        if (error !== undefined) return Effect.fail(error)
      }
      return Effect.succeed(taken())
    })
    const readOn = (
      pulled: typeof next
    ): Effect.Effect<void, E | AiError.InvalidResponseError | Sse.SseError | HttpClientError.HttpClientError> =>
      Pull.matchEffect(pulled, {
        onSuccess: (events) =>
          Effect.flatMap(
            read(events, false),
            (over) => over === true ? drain : readOn(over === false ? next : nextSoon(over === "doubtful"))
          ),
        onFailure: Effect.failCause,
        onDone: () => readLast
      })
    const readLast = Effect.suspend(() => {
      feed(decoder.decode())
      parser.feed("\n\n")
      return Effect.asVoid(read(taken(), true))
    })
    const nextSoon = (isLong: boolean) =>
      Effect.timeoutOrElse(next, { duration: silenceMillis(idleTimeout, isLong), orElse: () => Cause.done() })
    const drain = Effect.ignore(Effect.timeoutOption(Effect.forever(pull), drainMillis))
    yield* readOn(next)
    return hasEvents ? "" : held
  }))

/** The chunks of an answer in a JSON array, as Gemini sends them without `alt=sse`, as events. None if it is no array, or nested too deep. */
export const eventsOfJson = (json: unknown): ReadonlyArray<StreamEvent> =>
  Array.isArray(json) && !isTooDeep(json)
    ? json.map((item) => messageOf(JSON.stringify(item)))
    : []

/** The events of a whole body: server-sent ones, or objects of JSON, each on a line. None if it is neither. */
export const eventsOf = (text: string): ReadonlyArray<StreamEvent> => {
  const events: Array<StreamEvent> = []
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Event" && !isEmpty(event)) events.push(event)
  }, { maxEventSize })
  parser.feed(`${text}\n\n`)
  if (events.length > 0) {
    const json = new BareJson().push(text)
    return json === undefined ? events : [...events, { ...messageOf(json), isBare: true }]
  }
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "")
  return lines.every((line) => line.startsWith("{") && line.endsWith("}"))
    ? lines.map(messageOf)
    : []
}

const messageOf = (data: string): StreamEvent => ({ _tag: "Event", event: "message", id: undefined, data })

/** A body without what does not belong to its JSON: comments, and the end of a stream. */
export const withoutFraming = (text: string): string => text.replace(/^(:.*|data: ?\[DONE\]\s*)$/gm, "").trim()
