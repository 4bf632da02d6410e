/** Answers that gateways and other servers send on Anthropic's wire, and what an application sees of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Struct } from "effect"
import { Anthropic } from "effect-imodel"
import { at, deviating, deviationsOf, type Json, type Path, places } from "../support/deviations.ts"
import { asking, type Outcome } from "../support/wildAnswers.ts"

const { raw, stream, whole } = asking(
  Anthropic.makeMessages({ model: "claude-sonnet-4-5", apiKey: Redacted.make("sk-ant-any"), retry: { times: 0 } })
)
const args = { prompt: "hi" }

const start = (fields: object = {}) => ({
  type: "message_start",
  message: {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: { input_tokens: 10, output_tokens: 1 },
    ...fields
  }
})
const block = (index: number, content_block: object) => ({ type: "content_block_start", index, content_block })
const delta = (index: number, delta: object) => ({ type: "content_block_delta", index, delta })
const stop = (index: number) => ({ type: "content_block_stop", index })
const end = (fields: object = { usage: { output_tokens: 5 } }) => ({
  type: "message_delta",
  delta: { stop_reason: "end_turn", stop_sequence: null },
  ...fields
})
const last = { type: "message_stop" }
const text = [block(0, { type: "text", text: "" }), delta(0, { type: "text_delta", text: "Hi" }), stop(0)]

const message = (content: unknown, fields: object = {}) => ({
  ...start().message,
  content,
  stop_reason: "end_turn",
  ...fields
})

const call = (fields: object) => ({ type: "tool_use", id: "t", name: "weather", ...fields })

const oslo: Outcome["calls"] = [["weather", { city: "Oslo" }]]

interface Case {
  readonly body?: object
  readonly events?: ReadonlyArray<object>
  readonly expected: Partial<Outcome>
}

const cases: Readonly<Record<string, Case>> = {
  // The end
  "no usage at the end": { events: [start(), ...text, end({}), last], expected: { text: "Hi", usage: [10, 1] } },
  "zeros at the end": {
    events: [start(), ...text, end({ usage: { input_tokens: 0, output_tokens: 5 } }), last],
    expected: { usage: [10, 5] }
  },
  "zeros at the beginning": {
    events: [
      start({ usage: { input_tokens: 0, output_tokens: 0 } }),
      ...text,
      end({ usage: { input_tokens: 7, output_tokens: 5 } }),
      last
    ],
    expected: { usage: [7, 5] }
  },
  "a finish twice": { events: [start(), ...text, end(), end(), last], expected: { text: "Hi", finish: "stop" } },
  "text after the finish": {
    events: [
      start(),
      ...text,
      end(),
      block(1, { type: "text", text: "" }),
      delta(1, { type: "text_delta", text: "!" }),
      last
    ],
    expected: { text: "Hi!" }
  },
  "no last event": { events: [start(), ...text, end()], expected: { text: "Hi", finish: "stop" } },
  "no finish, but a last event": { events: [start(), ...text, last], expected: { text: "Hi", finish: "unknown" } },
  // Events
  "no first event": { events: [...text, end(), last], expected: { text: "Hi", finish: "stop" } },
  "a first event twice": { events: [start(), start(), ...text, end(), last], expected: { text: "Hi" } },
  "a first event without a message": {
    events: [{ type: "message_start" }, ...text, end(), last],
    expected: { text: "Hi" }
  },
  "no beginning of a block": {
    events: [start(), delta(0, { type: "text_delta", text: "Hi" }), end(), last],
    expected: { text: "Hi" }
  },
  "no end of a block": { events: [start(), ...text.slice(0, 2), end(), last], expected: { text: "Hi" } },
  "no index": {
    events: [start(), ...text.map((event) => Struct.omit(event, ["index"])), end(), last],
    expected: { text: "Hi" }
  },
  "content in the first event": {
    events: [start({ content: [{ type: "text", text: "Hi" }] }), end(), last],
    expected: { text: "Hi" }
  },
  // Bodies
  "no id, role, type, model or usage": {
    body: { content: [{ type: "text", text: "Hi" }], stop_reason: "end_turn" },
    expected: { text: "Hi" }
  },
  "content as a text": { body: message("Hi"), expected: { text: "Hi" } },
  "content that is null": { body: message(null), expected: { text: "", finish: "stop" } },
  "a text that is null": {
    body: message([{ type: "text", text: null }, { type: "text", text: "Hi" }]),
    expected: { text: "Hi" }
  },
  "a block that is null": { body: message([null, { type: "text", text: "Hi" }]), expected: { text: "Hi" } },
  "half a usage": {
    body: message([{ type: "text", text: "Hi" }], { usage: { output_tokens: 5 } }),
    expected: { usage: [undefined, 5] }
  },
  "a usage of a wrong shape": {
    body: message([{ type: "text", text: "Hi" }], { usage: { input_tokens: "10", output_tokens: 5 } }),
    expected: {
      text: "Hi",
      usage: [undefined, 5],
      notes: { notes: ["usage.input_tokens: Expected number | null | undefined"] }
    }
  },
  "a thought without a signature": {
    body: message([{ type: "thinking", thinking: "Hm", signature: null }]),
    expected: { reasoning: "Hm" }
  },
  // Calls
  "arguments as a text": { body: message([call({ input: "{\"city\":\"Oslo\"}" })]), expected: { calls: oslo } },
  "no arguments": { body: message([call({})]), expected: { calls: [["weather", {}]] } },
  "arguments that are null": { body: message([call({ input: null })]), expected: { calls: [["weather", {}]] } },
  "no id of a call": {
    body: message([call({ id: null, input: { city: "Oslo" } })]),
    expected: { calls: oslo, ids: ["call_0"] }
  },
  "the same id twice": { body: message([call({ input: 1 }), call({ input: 2 })]), expected: { ids: ["t", "t_2"] } },
  "streamed arguments that are null": {
    events: [
      start(),
      block(0, call({ input: {} })),
      delta(0, { type: "input_json_delta", partial_json: "null" }),
      stop(0),
      end(),
      last
    ],
    expected: { calls: [["weather", {}]] }
  },
  "streamed arguments as an object": {
    events: [
      start(),
      block(0, call({})),
      delta(0, { type: "input_json_delta", partial_json: { city: "Oslo" } }),
      stop(0),
      end(),
      last
    ],
    expected: { calls: oslo }
  },
  "arguments at the beginning of a block, as a text": {
    events: [start(), block(0, call({ id: "", input: "{\"city\":\"Oslo\"}" })), stop(0), end(), last],
    expected: { calls: oslo, ids: ["call_0"] }
  }
}

describe("an answer on Anthropic's wire", () => {
  it.effect.each(Object.entries(cases))("is read with %s", ([, { body, events, expected }]) =>
    Effect.gen(function*() {
      const outcome = events === undefined ? yield* whole(args, body) : yield* stream(args, events)
      assert.deepStrictEqual({ ...outcome, ...expected }, outcome)
    }))

  it.effect.each(
    [
      { name: "beside it", body: { ...message([]), error: { code: 429, message: "slow" } }, reason: "RateLimitError" },
      { name: "in place of it", body: { error: "Upstream failed" }, reason: "InternalProviderError" },
      {
        name: "of its own form",
        body: { type: "error", error: { type: "overloaded_error", message: "no" } },
        reason: "InternalProviderError"
      },
      { name: "that is nothing", body: { foo: 1 }, reason: "InvalidResponseError" }
    ] as const
  )("is an error when there is one in a 200: $name", ({ body, reason }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(whole(args, body))
      assert.strictEqual(error._tag === "BackendError" && error.reason._tag, reason)
    }))

  it.effect.each([
    { error: { message: "Provider disconnected", code: 502 } },
    { type: "error", error: { type: "api_error", message: "Provider disconnected" } },
    { type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "" }, error: "Provider disconnected" }
  ])("breaks off at an error in a stream that has begun: %#", (event) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(stream(args, [start(), ...text.slice(0, 2), event, end(), last]))
      const reason = error._tag === "BackendError" ? error.reason : undefined
      assert.strictEqual(reason?._tag === "StreamInterrupted" && reason.text, "Hi")
      assert.include(error.message, "Provider disconnected")
    }))

  const json = JSON.stringify(message([{ type: "text", text: "Hi" }]))
  const lines = [start(), ...text, end(), last].map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")

  it.effect.each([
    { name: "JSON", text: json, contentType: "application/json" },
    { name: "JSON for events", text: json, contentType: "text/event-stream" },
    { name: "one event", text: `data: ${json}\n\n`, contentType: "text/event-stream" },
    { name: "events without a blank line at their end", text: lines.trimEnd(), contentType: "text/event-stream" },
    { name: "events as JSON", text: lines, contentType: "application/json" },
    { name: "events as a text", text: lines, contentType: "text/plain" },
    { name: "events that are null", text: `data: null\n\n${lines}data: null\n\n`, contentType: "text/event-stream" },
    { name: "an end of OpenAI's", text: `${lines}data: [DONE]\n\n`, contentType: "text/event-stream" }
  ])("is read from a stream in another form: $name", ({ contentType, text }) =>
    Effect.gen(function*() {
      const outcome = yield* raw(args, text, contentType)
      assert.strictEqual(outcome.text, "Hi")
      assert.strictEqual(outcome.finish, "stop")
    }))

  // A field that is of the answer itself, or tells which kind of thing it is in, is kept.
  const isKept = (path: Path): boolean => {
    const name = path.at(-1)
    return typeof name === "number" || name === "type" || name === "content" || name === "text" || name === "name" ||
      name === "thinking" || name === "partial_json" || name === "delta" || name === "content_block" ||
      name === "index" || path.includes("input")
  }
  const content = [
    { type: "thinking", thinking: "Hm", signature: "sig" },
    { type: "text", text: "Hi", citations: [{ type: "page_location", cited_text: "x" }] },
    { type: "tool_use", id: "t", name: "weather", input: { city: "Oslo" } }
  ]
  const body: Json = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content,
    stop_reason: "tool_use",
    stop_sequence: null,
    container: { id: "c" },
    usage: { input_tokens: 10, output_tokens: 5, cache_creation: { ephemeral_5m_input_tokens: 1 } }
  }
  const events: Json = JSON.parse(JSON.stringify([
    start(),
    block(0, { type: "thinking", thinking: "", signature: "" }),
    delta(0, { type: "thinking_delta", thinking: "Hm" }),
    delta(0, { type: "signature_delta", signature: "sig" }),
    stop(0),
    block(1, { type: "text", text: "", citations: [] }),
    delta(1, { type: "text_delta", text: "Hi" }),
    stop(1),
    block(2, call({ input: {} })),
    delta(2, { type: "input_json_delta", partial_json: "{\"city\":\"Oslo\"}" }),
    stop(2),
    end(),
    last
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
