import SDK from "@anthropic-ai/sdk"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Result, Schema, Stream } from "effect"
import { Prompt } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { Anthropic, type Calling } from "effect-imodel"
import { TestClock } from "effect/testing"
import { contentOf } from "../../src/internal/anthropic/answer.ts"
import { Answer as AnswerSchema } from "../../src/internal/anthropic/schema.ts"
import { makeDecoder } from "../../src/internal/anthropic/stream.ts"
import type { Answer } from "../support/server.ts"
import * as StreamContract from "../support/streamContract.ts"
import * as Streams from "../support/streams.ts"
import * as Wire from "../support/wire.ts"

// -----------------------------------------------------------------------------
// Answers, and how they come as events
// -----------------------------------------------------------------------------

const Citation = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("web_search_result_location"),
    cited_text: Schema.String,
    url: Schema.Literals(["https://example.com/a", "not an address"]),
    title: Schema.NullOr(Schema.String),
    encrypted_index: Schema.String
  }),
  Schema.Struct({
    type: Schema.Literals(["char_location", "page_location"]),
    cited_text: Schema.String,
    document_index: Schema.Int,
    document_title: Schema.NullOr(Schema.String)
  })
])

const Input = Schema.Struct({
  query: Schema.String,
  most: Schema.optionalKey(Schema.Int),
  flags: Schema.Array(Schema.Boolean)
})

const Block = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("text"),
    text: Schema.String,
    citations: Schema.NullOr(Schema.Array(Citation).check(Schema.isMaxLength(3)))
  }),
  Schema.Struct({ type: Schema.Literal("thinking"), thinking: Schema.String, signature: Schema.String }),
  Schema.Struct({ type: Schema.Literal("redacted_thinking"), data: Schema.String }),
  Schema.Struct({
    type: Schema.Literals(["tool_use", "server_tool_use", "mcp_tool_use"]),
    id: Schema.Literals(["t_1", "t_2", "t_3"]),
    name: Schema.Literals(["paint", "look"]),
    input: Schema.Union([Input, Schema.Struct({})]),
    caller: Schema.optionalKey(Schema.Struct({ type: Schema.Literal("direct") }))
  }),
  Schema.Struct({
    type: Schema.Literals(["web_search_tool_result", "of_tomorrow_tool_result"]),
    tool_use_id: Schema.Literals(["t_1", "t_2", "t_3"]),
    content: Schema.Union([
      Schema.Array(Schema.Struct({ url: Schema.String })),
      Schema.Struct({ type: Schema.Literal("web_search_tool_result_error") })
    ])
  }),
  Schema.Struct({ type: Schema.Literal("container_upload"), file_id: Schema.String }),
  Schema.Struct({ type: Schema.Literal("compaction"), content: Schema.String })
])

const Tokens = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 }))

const Message = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("message"),
  role: Schema.Literal("assistant"),
  model: Schema.String,
  content: Schema.Array(Block).check(Schema.isMaxLength(6)),
  stop_reason: Schema.Literals(["end_turn", "tool_use", "pause_turn", "refusal", "tomorrow"]),
  stop_sequence: Schema.NullOr(Schema.String),
  usage: Schema.Struct({
    input_tokens: Tokens,
    output_tokens: Tokens,
    cache_read_input_tokens: Schema.optionalKey(Tokens),
    cache_creation_input_tokens: Schema.optionalKey(Tokens)
  })
})

type Block = typeof Block.Type
type Message = typeof Message.Type

/** A text in pieces of these lengths, in turn. */
const cut = (text: string, lengths: ReadonlyArray<number>): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let at = 0, i = 0; at < text.length; i++) {
    const length = lengths[i % lengths.length] ?? 1
    pieces.push(text.slice(at, at + length))
    at += length
  }
  return pieces
}

const deltasOf = (
  block: Block,
  lengths: ReadonlyArray<number>
): readonly [start: object, deltas: ReadonlyArray<object>] => {
  switch (block.type) {
    case "text":
      return [
        { ...block, text: "", citations: block.citations === null ? null : [] },
        [
          ...cut(block.text, lengths).map((text) => ({ type: "text_delta", text })),
          ...(block.citations ?? []).map((citation) => ({ type: "citations_delta", citation }))
        ]
      ]
    case "thinking":
      return [
        { ...block, thinking: "", signature: "" },
        [
          ...cut(block.thinking, lengths).map((thinking) => ({ type: "thinking_delta", thinking })),
          { type: "signature_delta", signature: block.signature }
        ]
      ]
    case "tool_use":
    case "server_tool_use":
    case "mcp_tool_use":
      return [
        { ...block, input: {} },
        ["", ...cut(JSON.stringify(block.input), lengths)].map((partial_json) => ({
          type: "input_json_delta",
          partial_json
        }))
      ]
    case "compaction":
      return [
        { ...block, content: null },
        [
          { type: "compaction_delta", content: "" },
          ...cut(block.content, lengths).map((content) => ({ type: "compaction_delta", content }))
        ]
      ]
    default:
      return [block, []]
  }
}

const eventsOf = (message: Message, lengths: ReadonlyArray<number> = [5]): ReadonlyArray<object> => [
  {
    type: "message_start",
    message: {
      ...message,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...message.usage, output_tokens: Math.min(1, message.usage.output_tokens ?? 0) }
    }
  },
  { type: "ping" },
  ...message.content.flatMap((block, index) => {
    const [content_block, deltas] = deltasOf(block, lengths)
    return [
      { type: "content_block_start", index, content_block },
      ...deltas.map((delta) => ({ type: "content_block_delta", index, delta })),
      { type: "content_block_stop", index }
    ]
  }),
  {
    type: "message_delta",
    delta: { stop_reason: message.stop_reason, stop_sequence: message.stop_sequence },
    usage: { output_tokens: message.usage.output_tokens }
  },
  { type: "message_stop" }
]

const sse = (events: ReadonlyArray<object>): string =>
  events.map((event) => `event: ${"type" in event ? event.type : ""}\ndata: ${JSON.stringify(event)}\n\n`).join("")

const message: Message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content: [
    { type: "thinking", thinking: "Let me see … ü", signature: "EqQBCgIYAhIM" },
    { type: "redacted_thinking", data: "xyz" },
    {
      type: "text",
      text: "Blue – 青.",
      citations: [{
        type: "web_search_result_location",
        cited_text: "Blue it is.",
        url: "https://example.com/a",
        title: "Blue",
        encrypted_index: "E"
      }]
    },
    { type: "server_tool_use", id: "t_1", name: "look", input: { query: "blue", flags: [true] } },
    { type: "web_search_tool_result", tool_use_id: "t_1", content: [{ url: "https://example.com/a" }] },
    { type: "text", text: "I paint.", citations: null },
    { type: "tool_use", id: "t_2", name: "paint", input: { query: "ü", flags: [] } },
    { type: "tool_use", id: "t_3", name: "look", input: {} }
  ],
  stop_reason: "tool_use",
  stop_sequence: null,
  usage: { input_tokens: 9, output_tokens: 40, cache_read_input_tokens: 100 }
}

const decoded = Schema.decodeUnknownSync(AnswerSchema)

const assembled = (events: ReadonlyArray<object>) => Streams.assembled(makeDecoder(), events)

describe("the events of a message", () => {
  it.prop(
    "are the whole answer, however it is cut into events",
    [Message, Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 9 })))],
    ([message, lengths]) => {
      const plain: unknown = JSON.parse(JSON.stringify(message))
      const { data, isOver, parts } = assembled(eventsOf(message, lengths))
      const whole = decoded(plain)
      assert.deepStrictEqual(data, whole)
      assert.isTrue(isOver)
      const content = contentOf(whole)
      assert.deepStrictEqual(Streams.folded(parts), content)
      assert.deepStrictEqual(Prompt.fromResponseParts(parts), Prompt.fromResponseParts(content))
    },
    { arbitrary: { runs: 500 } }
  )

  it("tell the usage as it comes, cumulative and never added up", () => {
    const decoder = makeDecoder()
    const usages = eventsOf(message).map((event) => {
      decoder.push(event, "message")
      return decoder.usage()
    })
    const input = { total: 109, uncached: 9, cacheRead: 100 }
    assert.deepStrictEqual(usages[0], { inputTokens: input, outputTokens: { total: 1 } })
    assert.deepStrictEqual(usages.at(-1), { inputTokens: input, outputTokens: { total: 40 } })
  })

  it("of kinds that are not known are passed over, and so are unknown deltas of known blocks", () => {
    const events = eventsOf(message).flatMap((event) => [event, { type: "of_tomorrow", index: "x" }])
    const withDelta = events.toSpliced(6, 0, {
      type: "content_block_delta",
      index: 0,
      delta: { type: "x_delta", x: 1 }
    })
    assert.deepStrictEqual(assembled(withDelta).data, assembled(eventsOf(message)).data)
  })

  it("are whole with a stop reason, though the last event is missing", () => {
    const { data, isOver } = assembled(eventsOf(message).slice(0, -1))
    assert.deepStrictEqual(data, decoded(message))
    assert.isFalse(isOver)
  })

  it("are not whole without a stop reason", () => {
    const decoder = makeDecoder()
    for (const event of eventsOf(message).slice(0, -2)) decoder.push(event, "message")
    assert.isUndefined(decoder.end(false))
    assert.isUndefined(makeDecoder().end(false))
  })

  it("that make no sense lose nothing after the stop reason, and may have before", () => {
    for (const [left, whole] of [[1, true], [2, false]] as const) {
      const decoder = makeDecoder()
      const events = eventsOf(message)
      for (const event of events.slice(0, -left)) decoder.push(event, "message")
      decoder.skip?.()
      for (const event of events.slice(-left)) decoder.push(event, "message")
      assert.strictEqual(decoder.end(false) !== undefined, whole)
    }
  })

  it("keep the parameters of a tool that are no JSON as text", () => {
    const events = eventsOf({ ...message, content: message.content.slice(6, 7) })
    const { data, parts } = assembled(events.toSpliced(4, 2))
    const call = parts.find((part) => part.type === "tool-call")
    const [block] = data.content
    assert.isString(call?.params)
    assert.strictEqual(block?.type === "tool_use" && block.input, call?.params)
  })

  it("take the parameters of a tool that come at its beginning", () => {
    const [start, ...rest] = eventsOf({ ...message, content: [] })
    const { data, parts } = assembled([
      start ?? {},
      {
        type: "content_block_start",
        index: 0,
        content_block: { type: "tool_use", id: "t", name: "n", input: { a: 1 } }
      },
      { type: "content_block_stop", index: 0 },
      ...rest
    ])
    assert.deepStrictEqual(Streams.folded(parts), contentOf(data))
    assert.deepStrictEqual(parts.flatMap((part) => part.type === "tool-call" ? [part.params] : []), [{ a: 1 }])
  })

  it.each([
    {
      name: "a delta of a block that has not begun",
      events: [
        eventsOf(message)[0],
        { type: "content_block_delta", index: 7, delta: { type: "input_json_delta", partial_json: "{" } }
      ]
    },
    {
      name: "a text of a wrong shape",
      events: [{ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: 3 } }]
    }
  ])("make no sense: $name", ({ events }) => {
    const decoder = makeDecoder()
    const results = events.map((event) => decoder.push(event, "message"))
    const last = results.at(-1)
    assert.strictEqual(last !== undefined && Result.isFailure(last) ? last.failure._tag : undefined, "MalformedEvent")
  })
})

// -----------------------------------------------------------------------------
// Over HTTP
// -----------------------------------------------------------------------------

const wire = Wire.make({
  makeBackend: (options) => Anthropic.makeMessages({ model: "claude-opus-5-5", ...options }),
  apiKey: "sk-ant-canary-0123456789",
  base: "/v1",
  ask: { prompt: "hi" },
  answer: message
})
const { setup } = wire

const streaming = (body: string, answer: Answer = {}): Answer => ({
  ...answer,
  body,
  headers: { "content-type": "text/event-stream; charset=utf-8", ...answer.headers }
})

const args = { messages: [{ role: "user" as const, content: "hi" }], max_tokens: 16 }

/** The parts until a stream breaks off, and why it does. */
const brokenStream = Effect.fnUntraced(function*(answer: Answer) {
  const { model } = yield* setup(answer)
  const parts: Array<Calling.StreamPart> = []
  const error = yield* Effect.flip(Stream.runForEach(model.stream(args), (part) => Effect.sync(() => parts.push(part))))
  if (error._tag !== "BackendError") {
    return assert.fail(error._tag)
  }
  return { parts, reason: error.reason }
})

const blue = eventsOf({ ...message, content: [{ type: "text", text: "Blue.", citations: null }] })

const little: Message = { ...message, content: message.content.slice(5, 7) }

layer(FetchHttpClient.layer)("Anthropic's stream", (it) => {
  StreamContract.run(it, wire, {
    everything: { whole: message, streamed: Streams.bytesOf(...eventsOf(message)) },
    little: { whole: little, streamed: Streams.bytesOf(...eventsOf(little, [20])) },
    begun: Streams.bytesOf(...blue.slice(0, 4)),
    inputTokens: 109,
    senseless: Streams.bytesOf({ type: "content_block_delta", index: "one" }),
    overloaded: Streams.bytesOf({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })
  })

  it.effect("is asked for as its own SDK does, and has the parts of the answer", () =>
    Effect.gen(function*() {
      const { model, server } = yield* setup(streaming(sse(eventsOf(message))))
      const parts = yield* Stream.runCollect(model.stream(args))
      assert.deepStrictEqual(Streams.folded(parts), contentOf(decoded(message)))

      const client = new SDK({ apiKey: "k", baseURL: server.url, maxRetries: 0 })
      yield* Effect.promise(() => client.messages.stream({ ...args, model: "claude-opus-5-5" }).finalMessage())
      const [own, theirs] = yield* server.seen
      assert.strictEqual(`${own?.method} ${own?.path}`, `${theirs?.method} ${theirs?.path}`)
      assert.deepStrictEqual(own?.body, theirs?.body)
      assert.strictEqual(own?.headers["accept"], theirs?.headers["accept"])
    }))

  it.effect("comes to what its own SDK makes of the same bytes", () =>
    Effect.gen(function*() {
      const { server } = yield* setup(streaming(sse(eventsOf(message))))
      const client = new SDK({ apiKey: "k", baseURL: server.url, maxRetries: 0 })
      const final = yield* Effect.promise(() =>
        client.messages.stream({ ...args, model: "claude-opus-5-5" }).finalMessage()
      )
      const { data } = assembled(eventsOf(message))
      assert.deepStrictEqual(data, decoded(JSON.parse(JSON.stringify(final))))
    }))

  it.effect.each(
    [
      { type: "overloaded_error", reason: "InternalProviderError" },
      { type: "rate_limit_error", reason: "RateLimitError" },
      { type: "api_error", reason: "InternalProviderError" },
      { type: "billing_error", reason: "QuotaExhaustedError" },
      { type: "authentication_error", reason: "AuthenticationError" },
      { type: "an_error_of_tomorrow", reason: "InternalProviderError" }
    ] as const
  )(
    "fails as a whole answer would when nothing came before the error: $type",
    ({ reason, type }) =>
      Effect.gen(function*() {
        const error = { type: "error", error: { type, message: "No." } }
        const broken = yield* brokenStream(streaming(sse([...eventsOf(message).slice(0, 1), error])))
        assert.strictEqual(broken.reason._tag, reason)
        assert.deepStrictEqual(broken.parts, [])
      })
  )

  it.effect("breaks off when it falls silent", () =>
    Effect.gen(function*() {
      const { model, server } = yield* setup(streaming(sse(eventsOf(message)), { end: "stall" }))
      const error = yield* TestClock.withLive(
        Effect.flip(Stream.runDrain(model.stream(args, { idleTimeout: "200 millis" })))
      )
      assert.strictEqual(error._tag === "BackendError" && error.reason._tag, "StreamInterrupted")
      yield* TestClock.withLive(Effect.timeout(server.hangUp, "5 seconds"))
    }))
})
