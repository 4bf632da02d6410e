/** Answers that a cache must not give, or not keep. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Prompt, Tool } from "effect/ai"
import { Persistence } from "effect/persistence"
import { Anthropic, Calling, Hook, iModel, OpenAi, ServiceBackend } from "effect-imodel"
import { fingerprintOf } from "../../src/internal/util/fingerprint.ts"
import { keyOf } from "../../src/internal/chat/argumentsKey.ts"
import { platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

class Money extends Schema.Class<Money>("Money")({ cents: Schema.Int }) {}

/** Each differs from all others. */
const different: ReadonlyArray<unknown> = [
  undefined,
  null,
  true,
  "true",
  1,
  "1",
  "#1",
  1n,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  [],
  [[]],
  [undefined],
  [null],
  [1, 2],
  ["1,2"],
  {},
  { a: 1 },
  { a: "1" },
  { a: { b: 1 } },
  { "a:{\"b\"": 1 },
  new Uint8Array([1]),
  "bAQ==",
  [1],
  new URL("https://example.com/"),
  "https://example.com/",
  new URLSearchParams("a=1"),
  new URLSearchParams("a=2"),
  new Map([["a", 1]]),
  new Map([["a", 2]]),
  [["a", 1]],
  new Set(["a"]),
  new Set(["b"]),
  ["a"],
  new Float32Array([1]),
  new Float32Array([2]),
  new Uint8Array(new Float32Array([1]).buffer),
  new Float32Array([1]).buffer,
  /a/,
  /a/g,
  new Date(0),
  new Date(1),
  "1970-01-01T00:00:00.000Z",
  Schema.Struct({ a: Schema.String }),
  Schema.Struct({ a: Schema.Finite }),
  Schema.Struct({ a: Schema.String }).annotate({ identifier: "A" }),
  Money,
  Tool.make("a", { parameters: Schema.Struct({ a: Schema.String }) }),
  Tool.make("a", { parameters: Schema.Struct({ a: Schema.Finite }) }),
  Prompt.make("a"),
  Prompt.make("b"),
  "a",
  Prompt.fromMessages([
    Prompt.userMessage({
      content: [Prompt.filePart({ mediaType: "image/png", data: new Uint8Array([1]) })]
    })
  ]),
  Prompt.fromMessages([
    Prompt.userMessage({
      content: [Prompt.filePart({ mediaType: "image/png", data: new URL("data:image/png;base64,AQ==") })]
    })
  ])
]

let deep: unknown = []
for (let i = 0; i < 50_000; i++) deep = [deep]

const circular: { self?: unknown } = {}
circular.self = circular

describe("the key of a cached call", () => {
  it.effect("differs for arguments that differ", () =>
    Effect.sync(() => {
      const keys = different.map((value) => keyOf(value)?.text)
      assert.notInclude(keys, undefined)
      assert.strictEqual(new Set(keys).size, keys.length)
      assert.deepStrictEqual(different.map((value) => keyOf(value)?.text), keys)
    }))

  it.effect.prop("differs for JSON that differs", [Schema.Json, Schema.Json], ([one, other]) =>
    Effect.sync(() => {
      assert.strictEqual(keyOf(one)?.text === keyOf(other)?.text, JSON.stringify(one) === JSON.stringify(other))
    }))

  it.effect.each([
    { name: "a function", value: () => 1 },
    { name: "a symbol", value: Symbol("a") },
    { name: "an iterator", value: [1].values() },
    {
      name: "an object of a class",
      value: new (class A {
        a = 1
      })()
    },
    { name: "a secret that is no data", value: Redacted.make(() => 1) },
    { name: "form data", value: new FormData() },
    { name: "an error", value: new Error("a") },
    {
      name: "a getter that throws",
      value: {
        get a() {
          throw new Error("no")
        }
      }
    },
    { name: "what is nested too deep", value: deep },
    { name: "a field that is a symbol", value: { [Symbol("a")]: 1 } },
    { name: "what contains itself", value: circular }
  ])("is none for $name", ({ value }) =>
    Effect.sync(() => {
      assert.isUndefined(keyOf(value))
      assert.isUndefined(keyOf({ a: [value] }))
    }))

  it.effect("has no secrets in its text", () =>
    Effect.sync(() => {
      const one = keyOf({ a: Redacted.make("secret-1"), b: [Redacted.make({ c: "secret-2" })] })
      assert.deepStrictEqual(one?.secrets, ["\"secret-1\"", `{"c":"secret-2"}`])
      assert.notInclude(one?.text, "secret")
    }))

  it.effect("is keyed by the secret, and gives it away nowhere", () =>
    Effect.gen(function*() {
      const one = yield* fingerprintOf("sk-one", ["a"])
      assert.match(one, /^[\da-f]{64}$/)
      assert.strictEqual(yield* fingerprintOf("sk-one", ["a"]), one)
      assert.notStrictEqual(yield* fingerprintOf("sk-two", ["a"]), one)
      assert.notStrictEqual(yield* fingerprintOf("sk-one", ["b"]), one)
      assert.match(yield* fingerprintOf("", []), /^[\da-f]{64}$/)
    }))
})

const hooks = () => [Hook.cache({ timeToLive: "1 hour" })]

const completion = (content: string) => ({
  id: "1",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }]
})

const message = (text: string) => ({
  id: "1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [{ type: "text", text }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 }
})

const key = (name: string) => Redacted.make(`sk-${name}-0123456789`)

describe("a cached answer", () => {
  it.effect.each([
    { name: "at another address", other: (url: string) => ({ baseUrl: `${url}/v2` }) },
    { name: "of another account", other: () => ({ apiKey: key("two") }) },
    { name: "of another organization", other: () => ({ headers: { "OpenAI-Organization": "two" } }) },
    { name: "of a model that reasons", other: () => ({ reasoning: true }) }
  ])("is given to no call $name", ({ other }) =>
    Effect.gen(function*() {
      let asked = 0
      const server = yield* serve(() => Effect.sync(() => ({ body: completion(String(++asked)) })))
      const options = { model: "m", apiKey: key("one"), baseUrl: `${server.url}/v1` }
      const first = yield* iModel.make(yield* OpenAi.makeChat(options), { hooks: hooks() })
      const same = yield* iModel.make(yield* OpenAi.makeChat({ ...options, retry: { times: 1 } }), { hooks: hooks() })
      const second = yield* iModel.make(yield* OpenAi.makeChat({ ...options, ...other(server.url) }), {
        hooks: hooks()
      })
      const texts = yield* Effect.forEach(
        [first, same, second, first, second],
        (model) => Effect.map(model.respond({ prompt: "hi" }), ({ text }) => text)
      )
      assert.deepStrictEqual(texts, ["1", "1", "2", "1", "2"])
    }).pipe(Effect.provide([platform, Persistence.layerMemory])))

  it.effect("is given to no call with another default", () =>
    Effect.gen(function*() {
      let asked = 0
      const server = yield* serve(() => Effect.sync(() => ({ body: message(String(++asked)) })))
      const options = { model: "m", apiKey: key("one"), baseUrl: `${server.url}/v1` }
      const texts = yield* Effect.forEach([10, 20, 10], (maxTokens) =>
        Effect.gen(function*() {
          const model = yield* iModel.make(yield* Anthropic.makeMessages({ ...options, maxTokens }), { hooks: hooks() })
          return (yield* model.respond({ prompt: "hi" })).text
        }))
      assert.deepStrictEqual(texts, ["1", "2", "1"])
    }).pipe(Effect.provide([platform, Persistence.layerMemory])))

  const mocked = Effect.fnUntraced(function*(
    answer: (asked: number) => Calling.NormalizedResponse,
    args: ReadonlyArray<Readonly<Record<string, unknown>>>
  ) {
    let asked = 0
    const { backend } = yield* ServiceBackend.makeMock(() => Effect.sync(() => answer(++asked)))
    const model = yield* iModel.make(backend, { hooks: hooks() })
    for (const one of args) yield* model.respond(one)
    return asked
  }, Effect.provide(Persistence.layerMemory))

  it.effect.each(
    [
      { finishReason: "stop", expected: 1 },
      { finishReason: "tool-calls", expected: 1 },
      { finishReason: "length", expected: 2 },
      { finishReason: "content-filter", expected: 2 },
      { finishReason: "error", expected: 2 },
      { finishReason: "pause", expected: 2 },
      { finishReason: "other", expected: 2 },
      { finishReason: "unknown", expected: 2 }
    ] as const
  )(
    "that ended with $finishReason is asked for $expected times",
    ({ expected, finishReason }) =>
      Effect.gen(function*() {
        const asked = yield* mocked(
          () => Calling.makeResponse({ data: "", text: "a", finishReason }),
          [{ prompt: "hi" }, { prompt: "hi" }]
        )
        assert.strictEqual(asked, expected)
      })
  )

  it.effect("is kept of no call that cannot be told from all others", () =>
    Effect.gen(function*() {
      const asked = yield* mocked(
        () => Calling.makeResponse({ data: "", text: "a" }),
        [{ tools: new Map([["a", 1]]) }, { tools: new Map([["b", 1]]) }, { when: 1n }, { when: 1n }]
      )
      assert.strictEqual(asked, 3)
    }))
})
