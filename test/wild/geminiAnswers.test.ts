/** Answers that Gemini, its proxies and gateways send, and what an application sees of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Gemini } from "effect-imodel"
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
  "a call after the finish": {
    events: [chunk([{ text: "Hi" }], stop), chunk([call({ args: { city: "Oslo" } })], stop)],
    expected: { text: "Hi", calls: oslo, finish: "tool-calls" }
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
  // Calls
  "no arguments": { body: chunk([call({})], stop), expected: { calls: [["weather", {}]] } },
  "arguments that are null": { events: [chunk([call({ args: null })], stop)], expected: { calls: [["weather", {}]] } }
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

  const chunks = [chunk([{ text: "H" }]), chunk([{ text: "i" }], stop)]

  it.effect.each([
    { name: "on a line", text: JSON.stringify(chunks), contentType: "application/json" },
    { name: "on several lines", text: JSON.stringify(chunks, null, 2), contentType: "text/plain" }
  ])("is read from a list in JSON: $name", ({ contentType, text }) =>
    Effect.gen(function*() {
      const outcome = yield* raw(args, text, contentType)
      assert.strictEqual(outcome.text, "Hi")
      assert.strictEqual(outcome.finish, "stop")
    }))

  it.effect("breaks off at an error in a list in JSON", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        stream(args, [chunk([{ text: "Hi" }]), [{ error: { code: 503, message: "The model is overloaded" } }]])
      )
      assert.include(error.message, "The model is overloaded")
    }))
})
