/** Reads server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) until their answer is whole. */
import * as Cause from "effect/Cause"
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

/** How long more is waited for when the answer is perhaps whole. */
const silenceMillis = 5_000

/**
 * Has the events of each chunk read. Completes when the body has ended, or whoever reads them has answered that nothing more is
 * to come; or, where that is never sure, that perhaps nothing is, and nothing did.
 */
export const readEvents = <E>(
  response: HttpClientResponse.HttpClientResponse,
  read: (events: ReadonlyArray<Sse.Event>) => Effect.Effect<boolean | "perhaps", E>
): Effect.Effect<void, E | Sse.SseError | HttpClientError.HttpClientError> =>
  Effect.scoped(Effect.gen(function*() {
    let events: Array<Sse.Event> = []
    const parser = Sse.makeParser((event) => {
      if (event._tag === "Event") events.push(event)
    })
    const decoder = new TextDecoder()
    const pull = yield* Stream.toPull(response.stream)

    const next = Effect.flatMap(pull, (chunks) => {
      for (const chunk of chunks) {
        const error = parser.feed(decoder.decode(chunk, { stream: true }))
        if (error !== undefined) return Effect.fail(error)
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
    const nextSoon = Effect.timeoutOrElse(next, { duration: silenceMillis, orElse: () => Cause.done() })
    const drain = Effect.ignore(Effect.timeoutOption(Effect.forever(pull), drainMillis))
    yield* readOn(next)
  }))
