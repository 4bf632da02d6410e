/** What every wire owes in a stream, whatever its events. */
import { assert, type Vitest } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import type { HttpClient } from "effect/http"
import type { Calling } from "effect-imodel"
import { isDeepStrictEqual } from "node:util"
import type { Answer } from "./server.ts"
import { answering, folded, partings, saidBy, streamed } from "./streams.ts"
import { type LooseArguments, promptly, type Wire } from "./wire.ts"

/** An answer as it comes whole, and as it comes in a stream. */
interface Told {
  readonly whole: object
  readonly streamed: Uint8Array
}

/** The facts of a wire that the contract is tested with. */
export interface Facts {
  /** Of all that the wire has. */
  readonly everything: Told
  /** Of little more than a text: it is read many times. */
  readonly little: Told
  /** The first events of an answer: they say "Blue." and do not finish it. */
  readonly begun: Uint8Array
  /** The tokens that those events have told of the input. */
  readonly inputTokens: number | undefined
  /** An event that fits no answer. */
  readonly senseless: Uint8Array
  /** The event of a provider that has too much to do. */
  readonly overloaded: Uint8Array
}

/** The parts are those of the whole answer. */
export const assertSame = (parts: ReadonlyArray<Calling.StreamPart>, content: ReadonlyArray<Calling.Part>) => {
  assert.deepStrictEqual(folded(parts), content)
  assert.deepStrictEqual(saidBy(parts), saidBy(content))
}

const ask = { prompt: "A colour?" }

const eventStream = { "content-type": "text/event-stream; charset=utf-8" }

const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

/** What every wire owes in a stream. */
export const run = (
  it: Vitest.MethodsNonLive<HttpClient.HttpClient>,
  { modelOn, setup, streamOf, wholeOf }: Wire<LooseArguments, unknown>,
  { begun, everything, inputTokens, little, overloaded, senseless }: Facts
) => {
  it.effect("has the parts of the whole answer", () =>
    Effect.gen(function*() {
      const { parts, response } = yield* streamOf(everything.streamed)
      const whole = yield* wholeOf(everything.whole)
      assertSame(parts, whole.content)
      assert.deepStrictEqual(response.content, whole.content)
    }))

  it.effect("has the same parts wherever its bytes are parted", () =>
    Effect.gen(function*() {
      let pieces: ReadonlyArray<Uint8Array> = [little.streamed]
      const model = yield* modelOn(answering(() => pieces))
      const { parts } = yield* streamed(model, ask)
      assertSame(parts, (yield* wholeOf(little.whole)).content)
      for (pieces of partings(little.streamed)) {
        assert.isTrue(isDeepStrictEqual((yield* streamed(model, ask)).parts, parts), `at ${pieces[0]?.length}`)
      }
    }))

  it.effect("has the same parts when every byte comes alone", () =>
    Effect.gen(function*() {
      const { parts } = yield* streamOf(everything.streamed)
      const bytes = Array.from(everything.streamed, (byte) => Uint8Array.of(byte))
      assert.deepStrictEqual((yield* streamOf(...bytes)).parts, parts)
    }))

  it.effect("is read as a whole answer where a server does not stream", () =>
    Effect.gen(function*() {
      const { model } = yield* setup({ body: everything.whole })
      const { content } = yield* wholeOf(everything.whole)
      assert.deepStrictEqual(folded(yield* Stream.runCollect(model.stream(ask))), content)
    }))

  /** How a stream breaks off, and the parts until then. */
  const brokenOff = Effect.fnUntraced(function*(answer: Answer) {
    const { model } = yield* setup({ headers: eventStream, ...answer })
    const parts: Array<Calling.StreamPart> = []
    const error = yield* Effect.flip(
      Stream.runForEach(model.stream(ask), (part) => Effect.sync(() => parts.push(part)))
    )
    return error._tag === "BackendError" ? { parts, reason: error.reason } : assert.fail(error._tag)
  })

  const breaks: ReadonlyArray<{ readonly name: string; readonly answer: Answer }> = [
    // Half of the body comes.
    {
      name: "is cut in the middle of an event",
      answer: { body: `${textOf(begun)}data: ${textOf(begun)}`, end: "cut" }
    },
    { name: "ends before it is finished", answer: { body: textOf(begun) } },
    { name: "has an event that is not JSON", answer: { body: `${textOf(begun)}data: {"type":\n\n` } },
    { name: "has an event of another shape", answer: { body: textOf(begun) + textOf(senseless) } },
    { name: "has the event of an error", answer: { body: textOf(begun) + textOf(overloaded) } }
  ]

  it.effect.each(breaks)(
    "breaks off, with what came until then, when it $name",
    ({ answer }) =>
      Effect.gen(function*() {
        const { parts, reason } = yield* brokenOff(answer)
        if (reason._tag !== "StreamInterrupted") return assert.fail(reason._tag)
        assert.strictEqual(reason.text, "Blue.")
        assert.strictEqual(reason.usage.inputTokens.total, inputTokens)
        assert.isFalse(reason.isRetryable)
        assert.strictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : "").join(""), "Blue.")
        assert.isFalse(parts.some((part) => part.type === "finish"))
      })
  )

  it.effect("breaks off with the reason of an error that comes in the middle of it", () =>
    Effect.gen(function*() {
      const { reason } = yield* brokenOff({ body: textOf(begun) + textOf(overloaded) })
      if (reason._tag !== "StreamInterrupted") return assert.fail(reason._tag)
      assert.strictEqual(reason.reason?._tag, "InternalProviderError")
      assert.include(reason.message, "Overloaded")
    }))

  it.effect("fails with the reason alone when nothing came before the error", () =>
    Effect.gen(function*() {
      const { parts, reason } = yield* brokenOff({ body: textOf(overloaded) })
      assert.deepStrictEqual([reason._tag, parts], ["InternalProviderError", []])
    }))

  it.effect("closes the socket when its reader leaves", () =>
    Effect.gen(function*() {
      const { model, server } = yield* setup({ headers: eventStream, body: textOf(everything.streamed), end: "stall" })
      const fiber = yield* Effect.forkChild(Stream.runDrain(model.stream(ask)))
      yield* server.arrival
      yield* promptly(Fiber.interrupt(fiber))
      yield* promptly(server.hangUp)
    }))
}
