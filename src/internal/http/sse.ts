/** Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) until their answer is whole. */
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Sse from "effect/encoding/Sse"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"

/**
 * How long the rest of a response is waited for when its answer is whole, so that the connection can be used again. Some
 * servers never end it.
 */
const drainMillis = 100

/** How long more is waited for when the answer is perhaps whole: a little less than what would be taken for a break, at most. */
const silenceMillis = (idleTimeout: Duration.Duration | undefined): number =>
  idleTimeout === undefined ? 5_000 : Math.min(5_000, 0.9 * Duration.toMillis(idleTimeout))

/** In characters. An event may hold a picture: of 4096 by 4096 pixels, not compressed, it has 90 million in base64. */
const maxEventSize = 128 * 1024 * 1024

/** How much is kept of a body that has no events. */
const beginningLength = 10_000

/**
 * Has the events of each chunk read. Completes when the body has ended, or whoever reads them has answered that nothing more is
 * to come; or, where that is never sure, that perhaps nothing is, and nothing did. Answers with the beginning of a body that had
 * no events, which is the page of a proxy, for example.
 */
export const readEvents = <E>(
  response: HttpClientResponse.HttpClientResponse,
  read: (events: ReadonlyArray<Sse.Event>) => Effect.Effect<boolean | "perhaps", E>,
  idleTimeout: Duration.Duration | undefined
): Effect.Effect<string, E | Sse.SseError | HttpClientError.HttpClientError> =>
  Effect.scoped(Effect.gen(function*() {
    let events: Array<Sse.Event> = []
    let hasEvents = false
    let beginning = ""
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event") events.push(event)
      hasEvents = true
    }, { maxEventSize })
    const decoder = new TextDecoder()
    // Nobody else pulls, so it needs none of what `Stream.toPull` does at each pull to keep them apart.
    const pull = yield* Channel.toPullScoped(Stream.toChannel(response.stream), yield* Effect.scope)

    const next = Effect.flatMap(pull, (chunks) => {
      for (const chunk of chunks) {
        const text = decoder.decode(chunk, { stream: true })
        const error = parser.feed(text)
        if (error !== undefined) return Effect.fail(error)
        if (!hasEvents && beginning.length < beginningLength) beginning += text
      }
      const read = events
      events = []
      return Effect.succeed(read)
    })
    // What the body ends with, without the empty line that ends an event, is none: it was cut.
    const readOn = (
      pulled: typeof next
    ): Effect.Effect<void, E | Sse.SseError | HttpClientError.HttpClientError> =>
      Pull.matchEffect(pulled, {
        onSuccess: (events) =>
          Effect.flatMap(read(events), (over) => over === true ? drain : readOn(over === "perhaps" ? nextSoon : next)),
        onFailure: Effect.failCause,
        onDone: () => Effect.void
      })
    const nextSoon = Effect.timeoutOrElse(next, { duration: silenceMillis(idleTimeout), orElse: () => Cause.done() })
    const drain = Effect.ignore(Effect.timeoutOption(Effect.forever(pull), drainMillis))
    yield* readOn(next)
    return hasEvents ? "" : beginning
  }))
