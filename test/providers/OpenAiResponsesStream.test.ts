import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Option, Schema, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { type Calling, OpenAi } from "effect-imodel"
import OpenAI from "openai"
import { events, serveEvents, type Streamed } from "../support/events.ts"
import { isReadable } from "../support/json.ts"
import { answerOf, endOf, eventsOf, type Item, message, paint, search, text, thoughts } from "../support/responses.ts"
import * as StreamContract from "../support/streamContract.ts"
import { bodyOf, bytesOf, saidBy } from "../support/streams.ts"
import * as Wire from "../support/wire.ts"

/** What the official SDK makes of these bytes. */
const sdkAnswer = (bytes: Uint8Array) =>
  Effect.promise(() => {
    const client = new OpenAI({ apiKey: "sk-canary", maxRetries: 0, fetch: () => Promise.resolve(bodyOf([bytes])) })
    return client.responses.stream({ model: "gpt-5-mini", input: "A colour?" }).finalResponse()
  })

const citation = { type: "url_citation", url: "https://example.com/", title: "A page", start_index: 0, end_index: 4 }

const everything = answerOf([
  thoughts("1", "First ü.", "Second."),
  search("1"),
  thoughts("2"),
  { ...thoughts("3"), content: [{ type: "reasoning_text", text: "Raw." }] },
  message("1", text("Blue 🟦 sky", [citation]), { type: "refusal", refusal: "No." }, text("and more")),
  message("2", text("")),
  paint("1", "{\"colour\":\"bleu ciel\"}"),
  paint("2", ""),
  { type: "custom_tool_call", id: "ct_1", call_id: "call_c", name: "sql", input: "select 1" },
  { type: "dream", id: "dr_1", colours: ["blue"] }
])

const wire = Wire.make({
  makeBackend: (options) => OpenAi.makeResponses({ model: "gpt-5-mini", ...options }),
  apiKey: "sk-canary",
  base: "/v1",
  ask: { prompt: "A colour?" },
  answer: everything
})
const { streamOf, wholeOf } = wire

const kindsOf = (parts: ReadonlyArray<Calling.StreamPart>) => parts.map((part) => part.type)

const deltasOf = (parts: ReadonlyArray<Calling.StreamPart>, type: "text-delta" | "reasoning-delta") =>
  parts.flatMap((part) => part.type === type ? [part.delta] : [])

describe("a streamed response", () => {
  it.effect("hands out its texts as they come, and is the whole answer in the end", () =>
    Effect.gen(function*() {
      const answer = answerOf([thoughts("1", "Hmm."), message("1", text("Blue.", [citation])), paint("1", "{\"a\":1}")])
      const { parts, response } = yield* streamOf(bytesOf(...eventsOf(answer)))
      assert.deepStrictEqual(kindsOf(parts), [
        "response-metadata",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "source",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-delta",
        "tool-params-delta",
        "tool-params-end",
        "tool-call",
        "finish"
      ])
      assert.deepStrictEqual(deltasOf(parts, "text-delta"), ["Blu", "e."])
      assert.strictEqual(response.text, "Blue.")
      assert.strictEqual(response.finishReason, "tool-calls")
      assert.deepStrictEqual<unknown>(response.data, answer)
      assert.deepStrictEqual(response.usage.outputTokens, { total: 4, reasoning: 0, text: 4 })
    }))

  it.effect("is whole whichever event but the last makes no sense", () =>
    Effect.gen(function*() {
      const all = eventsOf(everything)
      const whole = yield* streamOf(bytesOf(...all))
      for (const i of all.keys()) {
        if (i === all.length - 1) break
        const { parts, response } = yield* streamOf(bytesOf(...all.slice(0, i), "{garbage", ...all.slice(i + 1)))
        assert.deepStrictEqual(saidBy(parts), saidBy(whole.parts), `without event ${i}`)
        assert.deepStrictEqual(response.data, whole.response.data)
      }
    }))

  it.effect("has broken off when the last event makes no sense, or does not have the whole", () =>
    Effect.gen(function*() {
      const all = eventsOf(everything)
      const last = { type: "response.completed", response: { ...everything, output: [] } }
      for (const end of [["{garbage"], ["{garbage", last]]) {
        const error = yield* Effect.flip(streamOf(bytesOf(...all.slice(0, -1), ...end)))
        assert.match(error.message, /broke off: an event is not JSON/)
      }
    }))

  it.effect("is what the openai SDK makes of the same bytes", () =>
    Effect.gen(function*() {
      const bytes = bytesOf(...eventsOf(everything))
      const { output_text, ...answer } = yield* sdkAnswer(bytes)
      const { response } = yield* streamOf(bytes)
      assert.deepStrictEqual<unknown>(response.data, withoutParsed(answer))
      assert.strictEqual(response.text, output_text)
    }))

  const Text = Schema.String.check(Schema.isMaxLength(12))
  const Content = Schema.Union([
    Schema.Struct({ type: Schema.Literal("output_text"), text: Text, cited: Schema.Boolean }),
    Schema.Struct({ type: Schema.Literal("refusal"), text: Text })
  ])
  const Items = Schema.Array(Schema.Union([
    Schema.Struct({ kind: Schema.Literal("message"), contents: Schema.Array(Content).check(Schema.isMaxLength(3)) }),
    Schema.Struct({
      kind: Schema.Literal("reasoning"),
      summary: Schema.Array(Text).check(Schema.isMaxLength(3)),
      raw: Schema.Array(Text).check(Schema.isMaxLength(2))
    }),
    Schema.Struct({ kind: Schema.Literal("call"), args: Schema.Union([Schema.Json.check(isReadable), Text]) }),
    Schema.Struct({ kind: Schema.Literal("search") })
  ])).check(Schema.isMaxLength(6))
  const Case = Schema.Struct({
    items: Items,
    size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 })),
    status: Schema.Literals(["completed", "incomplete"]),
    /** What some leave out. */
    without: Schema.Literals(["nothing", "deltas", "the output of the end"])
  })

  it.effect.prop(
    "says what the same answer says whole",
    [Case],
    ([{ items, size, status, without }]) =>
      Effect.gen(function*() {
        const output = items.map((item, i): Item => {
          const id = String(i)
          switch (item.kind) {
            case "message":
              return message(
                id,
                ...item.contents.map((content) =>
                  content.type === "refusal"
                    ? { type: "refusal", refusal: content.text }
                    : text(content.text, content.cited ? [citation] : [])
                )
              )
            case "reasoning":
              return {
                ...thoughts(id, ...item.summary),
                ...(item.raw.length > 0 && { content: item.raw.map((text) => ({ type: "reasoning_text", text })) })
              }
            case "call":
              return paint(id, typeof item.args === "string" ? item.args : JSON.stringify(item.args))
            case "search":
              return search(id)
          }
        })
        const answer = answerOf(output, {
          status,
          ...(status === "incomplete" && { incomplete_details: { reason: "max_output_tokens" } })
        })
        const all = eventsOf(answer, size)
        const sent = without === "deltas"
          ? all.filter(({ type }) => !type.endsWith(".delta"))
          : without === "the output of the end"
          ? [...all.slice(0, -1), endOf({ ...answer, output: [] })]
          : all
        const inStream = yield* streamOf(bytesOf(...sent))
        const whole = yield* wholeOf(answer)
        assert.deepStrictEqual(inStream.response.data, whole.data)
        assert.deepStrictEqual(inStream.response.content, whole.content)
        StreamContract.assertSame(inStream.parts, whole.content)
      }),
    { arbitrary: { runs: 200 } }
  )

  it.effect("may have thoughts in another order, and still what is encrypted of them", () =>
    Effect.gen(function*() {
      const answer = answerOf([{ ...thoughts("1", "Short."), content: [{ type: "reasoning_text", text: "Long." }] }])
      const isRaw = ({ type }: { readonly type: string }) => /reasoning_text|content_part/.test(type)
      const [raw, rest] = [eventsOf(answer).filter(isRaw), eventsOf(answer).filter((event) => !isRaw(event))]
      const { parts } = yield* streamOf(bytesOf(...rest.slice(0, 3), ...raw, ...rest.slice(3)))
      const thoughtsIn = parts.filter((part) => part.type === "reasoning-delta").map(({ delta }) => delta).join("")
      assert.strictEqual(thoughtsIn, "Long.Short.")
      assert.include(JSON.stringify(saidBy(parts).prompt), "gAAAA1")
    }))

  it.effect("may have function calls whose arguments come by turns", () =>
    Effect.gen(function*() {
      const answer = answerOf([paint("1", "{\"a\":1}"), paint("2", "{\"b\":2}")])
      const [first, second] = [0, 1].map((index) =>
        eventsOf(answer, 2).filter((event) => "output_index" in event && event.output_index === index)
      )
      const byTurns = (first ?? []).flatMap((event, i) => [event].concat(second?.slice(i, i + 1) ?? []))
      const { parts, response } = yield* streamOf(bytesOf(...byTurns, endOf(answer)))
      assert.deepStrictEqual(saidBy(parts).prompt, saidBy(response.content).prompt)
    }))

  it.effect("says what it uses when it has told that", () =>
    Effect.gen(function*() {
      const answer = answerOf([message("1", text("Bl"))], {
        status: "incomplete",
        incomplete_details: { reason: "content_filter" }
      })
      const { response } = yield* streamOf(bytesOf(...eventsOf(answer), "[DONE]"))
      assert.strictEqual(response.finishReason, "content-filter")
      assert.strictEqual(response.usage.inputTokens.total, 9)
    }))

  it.effect("takes no offence at events that it does not know", () =>
    Effect.gen(function*() {
      const [first, ...rest] = eventsOf(everything)
      const strange = { type: "response.dream.delta", delta: { blue: true }, output_index: "none" }
      const { parts } = yield* streamOf(bytesOf(first ?? {}, strange, ...rest.flatMap((event) => [event, strange])))
      assert.deepStrictEqual(parts, (yield* streamOf(bytesOf(...eventsOf(everything)))).parts)
    }))
})

/** The SDK adds what it has parsed. */
const withoutParsed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(withoutParsed)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(
      Object.entries(value).flatMap(([key, field]) =>
        key === "parsed" || key === "parsed_arguments" || key === "output_parsed" ? [] : [[key, withoutParsed(field)]]
      )
    )
    : value

const blue = answerOf([message("1", text("Blue."))])
const begun = eventsOf(blue).slice(0, eventsOf(blue).findIndex(({ type }) => type === "response.output_text.done"))

layer(FetchHttpClient.layer)("a streamed response", (it) => {
  const output = [thoughts("1", "Hü."), message("1", text("🟦"))]
  const little = { id: "r", model: "m", status: "completed", output }

  StreamContract.run(it, wire, {
    everything: { whole: everything, streamed: bytesOf(...eventsOf(everything)) },
    little: { whole: little, streamed: bytesOf(...eventsOf(little)) },
    begun: bytesOf(...begun),
    inputTokens: undefined,
    senseless: bytesOf({ type: "response.output_text.delta", output_index: 0, content_index: 0 }),
    overloaded: bytesOf({ type: "error", message: "Overloaded", code: "server_error", param: null })
  })
})

layer(FetchHttpClient.layer, { excludeTestServices: true })("a streamed response over HTTP", (it) => {
  const run = Effect.fnUntraced(function*(answer: Streamed) {
    const server = yield* serveEvents(() => answer)
    const model = yield* wire.modelAt(`${server.url}/v1`)
    const parts: Array<Calling.StreamPart> = []
    const exit = yield* Effect.exit(
      Stream.runForEach(model.stream({ prompt: "A colour?" }), (part) => Effect.sync(() => parts.push(part)))
    )
    const error = Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
    return { said: deltasOf(parts, "text-delta").join(""), error, last: parts.at(-1)?.type }
  })

  const all = eventsOf(blue)

  const ends: ReadonlyArray<readonly [string, Streamed]> = [
    ["its last event", { chunks: events(...all) }],
    ["its last event, on a connection that stays open", { chunks: events(...all), after: "hang" }],
    ["its last event, on a connection that is cut then", { chunks: events(...all), after: "cut" }],
    ["[DONE] after it", { chunks: events(...all, "[DONE]"), after: "hang" }]
  ]
  for (const [what, answer] of ends) {
    it.effect(`ends with ${what}`, () =>
      Effect.gen(function*() {
        const { error, last, said } = yield* run(answer)
        assert.strictEqual(error, undefined)
        assert.strictEqual(said, "Blue.")
        assert.strictEqual(last, "finish")
      }))
  }

  const failure = { message: "overloaded", code: "server_error", param: null }
  const breaks: ReadonlyArray<readonly [string, Streamed, RegExp]> = [
    ["a body that ends before it", { chunks: events(...begun) }, /ended before/],
    ["[DONE] before it", { chunks: events(...begun, "[DONE]") }, /ended before/],
    ["a cut connection", { chunks: events(...begun), after: "cut" }, /connection/],
    ["an event that is not JSON", { chunks: events(...begun, "{\"type\":") }, /not JSON/],
    [
      "an event that makes no sense",
      { chunks: events(...begun, { type: "response.output_text.delta", output_index: 0, content_index: 0 }) },
      /delta/
    ],
    ["an error", { chunks: events(...begun, { type: "error", ...failure }) }, /overloaded/],
    ["an error in its own object", { chunks: events(...begun, { type: "error", error: failure }) }, /overloaded/],
    ["an error of a proxy", { chunks: events(...begun, { error: failure }) }, /overloaded/],
    [
      "a failure",
      {
        chunks: events(...begun, { type: "response.failed", response: { ...blue, status: "failed", error: failure } })
      },
      /overloaded/
    ]
  ]
  for (const [what, answer, tells] of breaks) {
    it.effect(`breaks off with ${what}`, () =>
      Effect.gen(function*() {
        const { error, said } = yield* run(answer)
        const reason = error?._tag === "BackendError" ? error.reason : undefined
        if (reason?._tag !== "StreamInterrupted") {
          return assert.fail(String(error))
        }
        assert.strictEqual(said, "Blue.")
        assert.strictEqual(reason.text, "Blue.")
        assert.match(reason.message, tells)
      }))
  }
})
