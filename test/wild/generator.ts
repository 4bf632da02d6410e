/**
 * Deviations from a wire as it is documented, to be combined at random. A wire describes its right answers and what servers make
 * of them; the properties are those of every wire.
 */
import { assert, type Vitest } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Schema, type Scope } from "effect"
import { HttpClient } from "effect/http"
import { type BackendError, type Calling, iModel, type ServiceBackend } from "effect-imodel"
import { answering, streamed } from "../support/streams.ts"
import * as Fields from "./fields.ts"
import { framings } from "./framing.ts"

export type Json = Readonly<Record<string, unknown>>

const Word = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(8))

/** What a right answer says. */
export const Answer = Schema.Struct({
  text: Word,
  thoughts: Schema.String.check(Schema.isMaxLength(8)),
  calls: Schema.Array(Schema.Struct({
    name: Schema.Literals(["get_weather", "paint"]),
    params: Schema.Struct({ city: Word })
  })).check(Schema.isMaxLength(3)),
  usage: Schema.Struct({
    input: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 99 })),
    output: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 99 }))
  })
})
export type Answer = typeof Answer.Type

export interface Deviation {
  readonly name: string
  /** What it changes: two that change the same are not combined. */
  readonly changes: string
  readonly whole?: (json: Json) => Json
  readonly events?: (events: ReadonlyArray<Json>) => ReadonlyArray<Json>
  /** The reason for which the answer fails. @default it says the same */
  readonly fails?: BackendError["reason"]["_tag"]
  /** Whether it makes other events, which a second deviation then changes. @default false */
  readonly comesFirst?: boolean
  /** Whether it says nothing, or not all, of the tokens. @default false */
  readonly hidesUsage?: boolean
  /** Whether it cannot be seen that more of the answer was to come. @default false */
  readonly hidesEnd?: boolean
}

export interface Wire {
  readonly name: string
  readonly modelOn: (client: HttpClient.HttpClient) => Effect.Effect<iModel.Model<Json, unknown>, never, Scope.Scope>
  readonly wholeOf: (answer: Answer) => Json
  readonly eventsOf: (answer: Answer, size: number) => ReadonlyArray<Json>
  /** The event that ends a stream, after those of the answer. */
  readonly end?: string
  readonly deviations: ReadonlyArray<Deviation>
  /** Whether a field is of the answer itself, or tells which kind of thing it is in. All others may be anything. */
  readonly isKept: (path: Fields.Path) => boolean
}

// -----------------------------------------------------------------------------
// Parts of a wire
// -----------------------------------------------------------------------------

export type Change = (json: Json) => Json

/** Makes the models of a backend over a client. */
export const modelsOf =
  <Args, Data, E>(backend: Effect.Effect<ServiceBackend.Backend<Args, Data>, E, HttpClient.HttpClient>) =>
  (client: HttpClient.HttpClient) =>
    Effect.flatMap(backend, (backend) => iModel.make(backend)).pipe(
      Effect.orDie,
      Effect.provideService(HttpClient.HttpClient, client)
    )

/** A text in pieces of so many letters. */
export const piecesOf = (text: string, size: number): ReadonlyArray<string> => {
  const letters = [...text]
  return Array.from(
    { length: Math.ceil(letters.length / size) },
    (_, i) => letters.slice(i * size, (i + 1) * size).join("")
  )
}

/** The same of a whole answer and of each event. */
export const everywhere = (
  name: string,
  changes: string,
  change: Change,
  more: Partial<Deviation> = {}
): Deviation => ({ name, changes, whole: change, events: (events) => events.map(change), ...more })

/** Of a stream alone. */
export const inStream = (
  name: string,
  changes: string,
  events: NonNullable<Deviation["events"]>,
  more: Partial<Deviation> = {}
): Deviation => ({ name, changes, events, ...more })

/** As the last but one event. */
export const before = (event: Json) => (events: ReadonlyArray<Json>) => events.toSpliced(-1, 0, event)

export const failing = (
  name: string,
  fails: NonNullable<Deviation["fails"]>,
  whole: Change,
  event: Json
): Deviation => ({ name, changes: "error", fails, whole, events: before(event) })

// -----------------------------------------------------------------------------
// Outcomes
// -----------------------------------------------------------------------------

/** What is made of an answer, or why it has failed. */
const outcomeOf = Effect.fnUntraced(function*<A, E>(
  answer: Effect.Effect<A, E, Scope.Scope>,
  said: (answer: A) => Calling.NormalizedResponse
): Effect.fn.Return<Outcome> {
  const exit = yield* Effect.exit(Effect.scoped(answer))
  if (Exit.isSuccess(exit)) {
    const { content, finishReason, text, toolCalls, usage } = said(exit.value)
    return {
      text,
      thoughts: content.map((part) => part.type === "reasoning" ? part.text : "").join(""),
      calls: toolCalls.map(({ name, params }) => ({ name, params })),
      ids: new Set(toolCalls.map(({ id }) => id)).size,
      finishReason,
      usage: { input: usage.inputTokens.total, output: usage.outputTokens.total }
    }
  }
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return isBackendError(error) ? { failure: reasonOf(error) } : assert.fail(`not a typed failure: ${exit.cause}`)
})

type Outcome =
  | { readonly failure: string }
  | {
    readonly text: string
    readonly thoughts: string
    readonly calls: ReadonlyArray<{ readonly name: string; readonly params: unknown }>
    /** How many different ids the calls have. */
    readonly ids: number
    readonly finishReason: string
    readonly usage: { readonly input: number | undefined; readonly output: number | undefined }
  }

const isBackendError = (error: unknown): error is BackendError =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "BackendError"

/** A stream that breaks off has the reason of the provider inside. */
const reasonOf = ({ reason }: BackendError): string =>
  reason._tag === "StreamInterrupted" ? reason.reason?._tag ?? reason._tag : reason._tag

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const textOf = (events: ReadonlyArray<Json>, end: string | undefined): string =>
  [
    ...events.map((event) => {
      const name = typeof event["type"] === "string" ? `event: ${event["type"]}\n` : ""
      return `${name}data: ${JSON.stringify(event)}\n\n`
    }),
    ...(end === undefined ? [] : [`data: ${end}\n\n`])
  ].join("")

const rightOutcome = ({ calls, text, thoughts, usage }: Answer, hidesUsage: boolean): Outcome => ({
  text,
  thoughts,
  calls,
  ids: calls.length,
  finishReason: calls.length > 0 ? "tool-calls" : "stop",
  usage: hidesUsage ? { input: undefined, output: undefined } : usage
})

export const run = (it: Vitest.MethodsNonLive, wire: Wire) => {
  const { deviations, end, eventsOf, isKept, modelOn, wholeOf } = wire
  const ask = { prompt: "The weather?" }

  const wholeOutcome = (body: Uint8Array, contentType = "application/json") =>
    outcomeOf(
      Effect.flatMap(modelOn(answering([body], contentType)), (model) => model.respond(ask)),
      (response) => response
    )

  const streamOutcome = (pieces: ReadonlyArray<Uint8Array>, contentType?: string, isSpoiled = false) =>
    outcomeOf(
      Effect.flatMap(modelOn(answering(pieces, contentType)), (model) => streamed(model, ask)),
      ({ parts, response }) => {
        // Whose last event says something else than the others is not to be read.
        if (isSpoiled) return response
        const calls = parts.filter((part) => part.type === "tool-call")
        assert.deepStrictEqual(calls.map(({ id }) => id), response.toolCalls.map(({ id }) => id))
        assert.strictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : "").join(""), response.text)
        return response
      }
    )

  const Case = Schema.Struct({
    answer: Answer,
    size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })),
    one: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: deviations.length - 1 })),
    other: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: deviations.length - 1 })),
    framing: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: framings.length - 1 })),
    cut: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
  })

  const deviating = ({ answer, one, other, size }: typeof Case.Type) => {
    const [first, second] = [deviations[one], deviations[other]]
    // An error comes last, so that nothing hides it.
    const chosen = [first, second?.changes === first?.changes ? undefined : second]
      .filter((some) => some !== undefined)
      .toSorted((one, other) => rank(one) - rank(other))
    let whole = wholeOf(answer)
    let events = eventsOf(answer, size)
    for (const deviation of chosen) {
      whole = deviation.whole?.(whole) ?? whole
      events = deviation.events?.(events) ?? events
    }
    const fails = chosen.find(({ fails }) => fails !== undefined)?.fails
    const right = rightOutcome(answer, chosen.some(({ hidesUsage }) => hidesUsage))
    return { chosen, whole, events, expected: fails === undefined ? right : { failure: fails } }
  }

  const named = (chosen: ReadonlyArray<Deviation>) => chosen.map(({ name }) => name).join(", ")

  // Alone, each of them, so that none is left to chance.
  it.effect.each(deviations)("says the same, or fails as it should: $name", (deviation) =>
    Effect.gen(function*() {
      const one = deviations.indexOf(deviation)
      for (const calls of [[], [{ name: "paint" as const, params: { city: "Oslo" } }], twice]) {
        const answer = { text: "Rain.", thoughts: "Hm.", calls, usage: { input: 10, output: 5 } }
        const { events, expected, whole } = deviating({ answer, size: 3, one, other: one, framing: 0, cut: 0 })
        const body = bytesOf(JSON.stringify(whole))
        assert.deepStrictEqual(yield* wholeOutcome(body), expected, "whole")
        assert.deepStrictEqual(yield* streamOutcome([bytesOf(textOf(events, end))]), expected, "streamed")
        assert.deepStrictEqual(yield* streamOutcome([body], "application/json"), expected, "whole, for a stream")
        assert.deepStrictEqual(
          yield* wholeOutcome(bytesOf(textOf(events, end)), "text/event-stream"),
          expected,
          "streamed, for a whole answer"
        )
      }
    }))

  it.effect.prop(
    "says the same whole and in a stream, with any two deviations, however it is framed and cut",
    [Case],
    ([given]) =>
      Effect.gen(function*() {
        const { chosen, events, expected, whole } = deviating(given)
        assert.deepStrictEqual(yield* wholeOutcome(bytesOf(JSON.stringify(whole))), expected, `whole: ${named(chosen)}`)
        const framing = framings[given.framing]
        const { contentType, text } = framing?.(textOf(events, end)) ?? assert.fail("no framing")
        const bytes = bytesOf(text)
        const at = Math.floor(given.cut * bytes.length)
        const pieces = [bytes.subarray(0, at), bytes.subarray(at)]
        assert.deepStrictEqual(yield* streamOutcome(pieces, contentType), expected, `streamed: ${named(chosen)}`)
      }),
    { arbitrary: { runs: 100 } }
  )

  it.effect.prop(
    "is cut at any byte, or sent byte by byte, without a change",
    [Case],
    ([given]) =>
      Effect.gen(function*() {
        const { chosen, events, expected } = deviating(given)
        const bytes = bytesOf(textOf(events, end))
        const single = Array.from(bytes, (byte) => Uint8Array.of(byte))
        assert.deepStrictEqual(yield* streamOutcome(single), expected, named(chosen))
      }),
    { arbitrary: { runs: 20 } }
  )

  it.effect.prop(
    "is no answer when a part of it is missing",
    [Case],
    ([given]) =>
      Effect.gen(function*() {
        const { chosen, events } = deviating(given)
        if (chosen.some(({ hidesEnd }) => hidesEnd)) return
        const bytes = bytesOf(textOf(events, end))
        const outcome = yield* streamOutcome([bytes.subarray(0, Math.floor(given.cut * bytes.length))])
        if ("failure" in outcome) return
        const { answer: { calls, text, thoughts } } = given
        assert.deepStrictEqual(
          { text: outcome.text, thoughts: outcome.thoughts, calls: outcome.calls },
          { text, thoughts, calls },
          named(chosen)
        )
      }),
    { arbitrary: { runs: 100 } }
  )

  // An answer with all of its fields, whose places are known.
  const full = {
    text: "Rain.",
    thoughts: "Hm.",
    calls: [{ name: "paint" as const, params: { city: "Oslo" } }],
    usage: { input: 10, output: 5 }
  }
  const whole = Fields.jsonOf(wholeOf(full))
  const events = Fields.jsonOf(eventsOf(full, 3))
  const ofWhole = Fields.deviationsOf(whole, isKept)
  const ofEvents = Fields.deviationsOf(events, isKept)

  it.effect.prop(
    "says the same, whatever stands in fields that are not the answer itself",
    [Fields.places(ofWhole), Fields.places(ofEvents)],
    ([inWhole, inEvents]) =>
      Effect.gen(function*() {
        const isSame = (outcome: Outcome, deviations: ReadonlyArray<Fields.Deviation>) => {
          const words = JSON.stringify(deviations)
          if ("failure" in outcome) return assert.fail(`${outcome.failure}: ${words}`)
          const { calls, text, thoughts } = outcome
          assert.deepStrictEqual(
            { calls, text, thoughts },
            { calls: full.calls, text: "Rain.", thoughts: "Hm." },
            words
          )
        }
        const wholeDeviations = Fields.at(ofWhole, inWhole)
        const body = JSON.stringify(Fields.deviating(whole, wholeDeviations))
        isSame(yield* wholeOutcome(bytesOf(body)), wholeDeviations)
        const streamDeviations = Fields.at(ofEvents, inEvents)
        const deviant = Fields.deviating(events, streamDeviations)
        const text = textOf(Array.isArray(deviant) ? deviant : [], end)
        isSame(yield* streamOutcome([bytesOf(text)], undefined, true), streamDeviations)
      }),
    { arbitrary: { runs: 100 } }
  )

  const Spoiled = Schema.Struct({ case: Case, at: Schema.Finite, value: Schema.Json })

  it.effect.prop(
    "never throws, whatever stands in a field",
    [Spoiled],
    ([{ at, case: given, value }]) =>
      Effect.gen(function*() {
        const { events, whole } = deviating(given)
        yield* wholeOutcome(bytesOf(JSON.stringify(spoiled(whole, at, value))))
        const text = textOf(events.map((event) => spoiled(event, at, value)), end)
        yield* streamOutcome([bytesOf(text)], undefined, true)
      }),
    { arbitrary: { runs: 150 } }
  )
}

const rank = ({ comesFirst, fails }: Deviation): number => fails !== undefined ? 2 : comesFirst ? 0 : 1

const twice = [
  { name: "get_weather" as const, params: { city: "Oslo" } },
  { name: "get_weather" as const, params: { city: "Bergen" } }
]

// -----------------------------------------------------------------------------
// Changes of JSON
// -----------------------------------------------------------------------------

/** With each object inside changed, the innermost first. */
export const mapObjects = (json: Json, change: (object: Json) => Json): Json => {
  const map = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(map)
      : typeof value === "object" && value !== null
      ? change(Object.fromEntries(Object.entries(value).map(([key, field]) => [key, map(field)])))
      : value
  return change(Object.fromEntries(Object.entries(json).map(([key, field]) => [key, map(field)])))
}

export const without = (json: Json, ...keys: ReadonlyArray<string>): Json =>
  Object.fromEntries(Object.entries(json).filter(([key]) => !keys.includes(key)))

/** With one of all its fields changed, which `at` chooses. */
const spoiled = (json: Json, at: number, value: unknown): Json => {
  let count = 0
  mapObjects(json, (object) => {
    count += Object.keys(object).length
    return object
  })
  const chosen = Number.isFinite(at) ? Math.abs(Math.trunc(at)) % Math.max(1, count) : 0
  let n = 0
  return mapObjects(
    json,
    (object) => Object.fromEntries(Object.entries(object).map(([key, field]) => [key, n++ === chosen ? value : field]))
  )
}
