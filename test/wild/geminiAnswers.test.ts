/** Answers that Gemini, its proxies and gateways send, and what an application sees of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Gemini } from "effect-imodel"
import { at, deviating, deviationsOf, type Json, type Path, places } from "../support/deviations.ts"
import { asking, type Outcome } from "../support/wildAnswers.ts"

const { raw, stream, whole } = asking(
  Gemini.makeGenerateContent({ model: "gemini-2.5-flash", apiKey: Redacted.make("AIza-any-key"), retry: { times: 0 } })
)
const args = { prompt: "hi" }

const usage = { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 }

const chunk = (parts: unknown, candidate: object = {}, fields: object = { usageMetadata: usage }) => ({
  candidates: [{ content: { role: "model", parts }, index: 0, ...candidate }],
  modelVersion: "gemini-2.5-flash",
  responseId: "r1",
  ...fields
})
const stop = { finishReason: "STOP" }
const call = (fields: object) => ({ functionCall: { name: "weather", ...fields } })
const oslo: Outcome["calls"] = [["weather", { city: "Oslo" }]]

interface Case {
  readonly body?: object
  readonly events?: ReadonlyArray<object>
  readonly expected: Partial<Outcome>
}

const cases: Readonly<Record<string, Case>> = {
  // The end
  "a finish in every chunk": {
    events: [chunk([{ text: "He" }], stop), chunk([{ text: "llo" }], stop)],
    expected: { text: "Hello", finish: "stop" }
  },
  "a call after the finish": {
    events: [chunk([{ text: "Hi" }], stop), chunk([call({ args: { city: "Oslo" } })], stop)],
    expected: { text: "Hi", calls: oslo, finish: "tool-calls" }
  },
  "a finish alone": {
    events: [chunk([{ text: "Hi" }]), { candidates: [{ finishReason: "STOP" }] }],
    expected: { text: "Hi", finish: "stop", usage: [10, 5] }
  },
  "an empty usage": {
    events: [chunk([{ text: "Hi" }], {}, { usageMetadata: {} }), chunk([], stop)],
    expected: { text: "Hi", usage: [10, 5] }
  },
  "zeros at the end": {
    events: [
      chunk([{ text: "Hi" }]),
      chunk([], stop, { usageMetadata: { promptTokenCount: 0, candidatesTokenCount: 0 } })
    ],
    expected: { text: "Hi", usage: [10, 5] }
  },
  "a usage after the finish, without candidates": {
    events: [chunk([{ text: "Hi" }], stop, {}), { usageMetadata: usage }],
    expected: { text: "Hi", usage: [10, 5] }
  },
  // Bodies
  "a content with only a role": {
    body: { candidates: [{ content: { role: "model" }, ...stop }] },
    expected: { text: "", finish: "stop" }
  },
  "an empty content": {
    body: { candidates: [{ content: {}, finishReason: "SAFETY" }] },
    expected: { text: "", finish: "content-filter" }
  },
  "no content": {
    body: { candidates: [{ finishReason: "MALFORMED_FUNCTION_CALL" }] },
    expected: { text: "", finish: "error" }
  },
  "parts that are null": { body: chunk(null, stop), expected: { text: "", finish: "stop" } },
  "a part that is null": { body: chunk([null, { text: "Hi" }], stop), expected: { text: "Hi" } },
  "a text that is null": { body: chunk([{ text: null }, { text: "Hi" }], stop), expected: { text: "Hi" } },
  "a thought without a text": {
    events: [chunk([{ thought: true, thoughtSignature: "AVSo" }]), chunk([{ text: "Hi" }], stop)],
    expected: { text: "Hi", reasoning: "" }
  },
  "a thought of a wrong shape": {
    body: chunk([{ text: "Hi", thought: "no" }], stop),
    expected: {
      text: "Hi",
      notes: { notes: ["candidates[].content.parts[].thought: Expected boolean | undefined"] }
    }
  },
  "half a usage": {
    body: chunk([{ text: "Hi" }], stop, { usageMetadata: { candidatesTokenCount: 5 } }),
    expected: { usage: [undefined, 5] }
  },
  "no finish": { body: chunk([{ text: "Hi" }]), expected: { text: "Hi", finish: "unknown" } },
  "a finish in lower case": { body: chunk([{ text: "Hi" }], { finishReason: "stop" }), expected: { finish: "stop" } },
  // Calls
  "arguments as a text": { body: chunk([call({ args: "{\"city\":\"Oslo\"}" })], stop), expected: { calls: oslo } },
  "no arguments": { body: chunk([call({})], stop), expected: { calls: [["weather", {}]] } },
  "arguments that are null": { events: [chunk([call({ args: null })], stop)], expected: { calls: [["weather", {}]] } },
  "an empty id": { body: chunk([call({ id: "", args: {} })], stop), expected: { ids: ["r1-0"] } },
  "the same id twice": {
    events: [chunk([call({ id: "a" }), call({ id: "a" })], stop)],
    expected: { ids: ["a", "a_2"] }
  }
}

describe("an answer of Gemini", () => {
  it.effect.each(Object.entries(cases))("is read with %s", ([, { body, events, expected }]) =>
    Effect.gen(function*() {
      const outcome = events === undefined ? yield* whole(args, body) : yield* stream(args, events)
      assert.deepStrictEqual({ ...outcome, ...expected }, outcome)
    }))

  it.effect.each(
    [
      { name: "beside it", body: chunk([], stop, { error: { code: 429, message: "slow" } }), reason: "RateLimitError" },
      { name: "by its status", body: { error: { status: "UNAVAILABLE" } }, reason: "InternalProviderError" },
      { name: "in place of it", body: { error: "Upstream failed" }, reason: "InternalProviderError" },
      { name: "that is nothing", body: { usageMetadata: usage }, reason: "InvalidResponseError" },
      { name: "an empty list", body: { candidates: [], promptFeedback: {} }, reason: "InvalidResponseError" },
      {
        name: "a prompt that was blocked",
        body: { candidates: [], promptFeedback: { blockReason: "SAFETY" } },
        reason: "ContentPolicyError"
      }
    ] as const
  )("is an error when there is one in a 200: $name", ({ body, reason }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(whole(args, body))
      assert.strictEqual(error._tag === "BackendError" && error.reason._tag, reason)
    }))

  it.effect.each([
    { error: { code: 503, message: "The model is overloaded", status: "UNAVAILABLE" } },
    { ...chunk([]), error: "The model is overloaded" },
    [{ error: { code: 503, message: "The model is overloaded" } }]
  ])("breaks off at an error in a stream that has begun: %#", (event) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(stream(args, [chunk([{ text: "Hi" }]), event, chunk([], stop)]))
      const reason = error._tag === "BackendError" ? error.reason : undefined
      assert.strictEqual(reason?._tag === "StreamInterrupted" && reason.text, "Hi")
      assert.include(error.message, "The model is overloaded")
    }))

  const json = JSON.stringify(chunk([{ text: "Hi" }], stop))
  const lines = [chunk([{ text: "H" }]), chunk([{ text: "i" }], stop)].map((event) =>
    `data: ${JSON.stringify(event)}\n\n`
  ).join("")

  it.effect.each([
    { name: "JSON", text: json, contentType: "application/json" },
    { name: "JSON for events", text: json, contentType: "text/event-stream" },
    { name: "one event", text: `data: ${json}\n\n`, contentType: "text/event-stream" },
    { name: "events without a blank line at their end", text: lines.trimEnd(), contentType: "text/event-stream" },
    { name: "events as JSON", text: lines, contentType: "application/json" },
    { name: "events as a text", text: lines, contentType: "text/plain" },
    { name: "events that are null", text: `data: null\n\n${lines}data: null\n\n`, contentType: "text/event-stream" },
    { name: "an end of OpenAI's", text: `${lines}data: [DONE]\n\n`, contentType: "text/event-stream" },
    {
      name: "a list in JSON",
      text: JSON.stringify([chunk([{ text: "H" }]), chunk([{ text: "i" }], stop)]),
      contentType: "application/json"
    },
    {
      name: "a list in JSON that spans lines",
      text: JSON.stringify([chunk([{ text: "H" }]), chunk([{ text: "i" }], stop)], null, 2),
      contentType: "text/plain"
    }
  ])("is read from a stream in another form: $name", ({ contentType, text }) =>
    Effect.gen(function*() {
      const outcome = yield* raw(args, text, contentType)
      assert.strictEqual(outcome.text, "Hi")
      assert.strictEqual(outcome.finish, "stop")
    }))

  // A field that is of the answer itself, or tells which kind of thing it is in, is kept.
  const isKept = (path: Path): boolean => {
    const name = path.at(-1)
    return typeof name === "number" || name === "candidates" || name === "content" || name === "parts" ||
      name === "text" || name === "thought" || name === "functionCall" || name === "name" || name === "index" ||
      name === "finishReason" || path.includes("args")
  }
  const extras = {
    safetyRatings: [{ category: "C", probability: "LOW", blocked: false }],
    citationMetadata: { citationSources: [{ uri: "u" }] },
    groundingMetadata: {
      groundingChunks: [{ web: { uri: "https://a.example", title: "A" } }],
      webSearchQueries: ["q"]
    },
    avgLogprobs: -0.1
  }
  const answered = [
    { text: "Hm", thought: true, thoughtSignature: "s" },
    { text: "Hi" },
    { ...call({ id: "c", args: { city: "Oslo" } }), thoughtSignature: "t" }
  ]
  const details = { usageMetadata: { ...usage, promptTokensDetails: [{ modality: "TEXT", tokenCount: 10 }] } }
  const body: Json = JSON.parse(JSON.stringify(chunk(answered, { ...stop, ...extras }, details)))
  const events: Json = JSON.parse(JSON.stringify([
    ...answered.map((part) => chunk([part])),
    chunk([], { ...stop, ...extras }, details)
  ]))
  const isSame = ({ calls, reasoning, text }: Outcome) =>
    assert.deepStrictEqual({ calls, reasoning, text }, { calls: oslo, reasoning: "Hm", text: "Hi" })
  const ofBody = deviationsOf(body, isKept)
  const ofEvents = deviationsOf(events, isKept)

  it.effect.prop(
    "says the same, whatever deviates that is not the answer itself",
    [places(ofBody), places(ofEvents)],
    ([inBody, inEvents]) =>
      Effect.gen(function*() {
        isSame(yield* whole(args, deviating(body, at(ofBody, inBody))))
        const deviant = deviating(events, at(ofEvents, inEvents))
        isSame(yield* stream(args, Array.isArray(deviant) ? deviant : []))
      }),
    { arbitrary: { runs: 300 } }
  )
})
