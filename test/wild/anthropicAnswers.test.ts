/** Answers that gateways and other servers send on Anthropic's wire, and what an application sees of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Anthropic } from "effect-imodel"
import { asking, type Outcome } from "../support/wildAnswers.ts"

const { stream, whole } = asking(
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
  "zeros at the end": {
    events: [start(), ...text, end({ usage: { input_tokens: 0, output_tokens: 5 } }), last],
    expected: { usage: [10, 5] }
  },
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
  "no finish, but a last event": { events: [start(), ...text, last], expected: { text: "Hi", finish: "unknown" } },
  // Events
  "content in the first event": {
    events: [start({ content: [{ type: "text", text: "Hi" }] }), end(), last],
    expected: { text: "Hi" }
  },
  // Bodies
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
  // Calls
  "no arguments": { body: message([call({})]), expected: { calls: [["weather", {}]] } },
  "arguments that are null": { body: message([call({ input: null })]), expected: { calls: [["weather", {}]] } },
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
})
