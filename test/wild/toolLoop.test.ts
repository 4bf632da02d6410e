/** What the tool loop does with calls and answers that are malformed, cut or paused. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema, Stream } from "effect"
import { Tool } from "effect/ai"
import { Anthropic, Errors, Gemini, iModel, ToolBackend } from "effect-imodel"
import { type ChatWire, chatWires, platform, type Said } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const Write = Tool.make("write", {
  parameters: Schema.Struct({ path: Schema.String, text: Schema.String }),
  success: Schema.String
})
const Now = Tool.make("now", { success: Schema.String })

const makeTools = Effect.gen(function*() {
  const write = yield* ToolBackend.make(Write, () => "written")
  const now = yield* ToolBackend.make(Now, () => "12:00")
  return [yield* iModel.make(write), yield* iModel.make(now)]
})

/** Answers with these, one a turn, and then with the last of them again. */
const answering = (bodies: ReadonlyArray<unknown>) => {
  let turn = 0
  return serve(() => Effect.sync(() => ({ body: bodies[Math.min(turn++, bodies.length - 1)] })))
}

const converse = Effect.fnUntraced(function*(make: ChatWire["make"], bodies: ReadonlyArray<unknown>, maxTurns = 5) {
  const server = yield* answering(bodies)
  const model = yield* make(server.url)
  const { response, steps } = yield* iModel.converseWith(model, "hi", { tools: yield* makeTools, maxTurns })
  return { response, told: steps.flatMap(({ tools }) => tools), seen: yield* server.seen }
}, Effect.provide(platform))

const done: Said = { text: "done" }

describe.each(chatWires)("the tool loop over $name", ({ carriesText, make, whole }) => {
  const turns = (...said: ReadonlyArray<Said>) => converse(make, said.map(whole))
  const call = (name: string, params: string) => ({ id: "1", name, params })

  it.effect.each(
    ["null", "{}", "", " ", "\"\"", "\"null\"", "\"{}\""].filter((params) => carriesText || params === "{}")
  )(
    "takes %j for no arguments",
    (params) =>
      Effect.gen(function*() {
        const { response, told } = yield* turns({ calls: [call("now", params)] }, done)
        assert.strictEqual(response.text, "done")
        assert.deepStrictEqual(told.map(({ failed, text }) => ({ failed, text })), [{ failed: false, text: "12:00" }])
      })
  )

  it.effect.each([
    { name: "cut", params: "{\"path\":\"/a\",\"text\":\"" },
    { name: "prose", params: "write it to /a" },
    { name: "two objects", params: "{\"path\":\"/a\"}{\"text\":\"b\"}" },
    { name: "a list", params: "[\"/a\"]" },
    { name: "a number", params: "1" }
  ].filter(() => carriesText))(
    "tells the model of malformed arguments, and goes on: $name",
    ({ params }) =>
      Effect.gen(function*() {
        const { response, seen, told } = yield* turns({ calls: [call("write", params)] }, done)
        assert.strictEqual(response.text, "done")
        assert.lengthOf(told, 1)
        assert.strictEqual(told[0]?.failed, true)
        assert.match(told[0]?.text ?? "", /not valid JSON|not a JSON object/)
        assert.include(JSON.stringify(seen[1]?.body), "so it was not run")
      })
  )

  it.effect.each([
    { name: "without arguments", params: "{}" },
    { name: "with arguments that look whole", params: "{\"path\":\"/a\",\"text\":\"b\"}" }
  ])("does not run a call that the token limit cut: $name", ({ params }) =>
    Effect.gen(function*() {
      const first = { id: "0", name: "now", params: "{}" }
      const { told } = yield* turns({ calls: [first, call("write", params)], finish: "length" }, done)
      assert.deepStrictEqual(told.map(({ failed }) => failed), [false, true])
      assert.include(told[1]?.text ?? "", "token limit")
    }))
})

const anthropic = (url: string) =>
  Effect.flatMap(
    Anthropic.makeMessages({ model: "m", apiKey: Redacted.make("sk-0123456789"), baseUrl: `${url}/v1` }),
    (backend) => iModel.make(backend)
  )

const gemini = (url: string) =>
  Effect.flatMap(
    Gemini.makeGenerateContent({ model: "m", apiKey: Redacted.make("sk-0123456789"), baseUrl: `${url}/v1beta` }),
    (backend) => iModel.make(backend)
  )

const message = (stop_reason: string, ...content: ReadonlyArray<object>) => ({
  id: "1",
  type: "message",
  role: "assistant",
  model: "m",
  content,
  stop_reason,
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 5 }
})

const search = { type: "server_tool_use", id: "srv_1", name: "web_search", input: { query: "x" } }
const pausedText = message("pause_turn", { type: "text", text: "I search." })
const paused = message("pause_turn", { type: "text", text: "I search." }, search)

const candidate = (finishReason: string, ...parts: ReadonlyArray<object>) => ({
  candidates: [{ finishReason, index: 0, ...(parts.length > 0 && { content: { role: "model", parts } }) }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 }
})

describe("the tool loop", () => {
  it.effect("goes on from what a paused answer has said", () =>
    Effect.gen(function*() {
      const { response, seen } = yield* converse(anthropic, [
        paused,
        paused,
        message("end_turn", { type: "text", text: "done" })
      ])
      assert.strictEqual(response.text, "done")
      assert.lengthOf(seen, 3)
      assert.include(JSON.stringify(seen[1]?.body), JSON.stringify(search))
    }))

  it.effect("ends with its turns where an answer is paused for ever", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(converse(anthropic, [paused], 3))
      assert.instanceOf(error, Errors.TurnsExceeded)
    }))

  it.effect.each(["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE"])(
    "asks again after %s, and tells the model of it",
    (finishReason) =>
      Effect.gen(function*() {
        const { response, seen } = yield* converse(gemini, [
          candidate(finishReason),
          candidate("STOP", { text: "done" })
        ])
        assert.strictEqual(response.text, "done")
        assert.lengthOf(seen, 2)
        assert.include(JSON.stringify(seen[1]?.body), "valid JSON")
      })
  )

  it.effect("hands out an answer that is malformed again and again", () =>
    Effect.gen(function*() {
      const { response, seen } = yield* converse(gemini, [candidate("MALFORMED_FUNCTION_CALL")], 9)
      assert.strictEqual(response.finishReason, "error")
      assert.lengthOf(seen, 3)
    }))

  it.effect("does not ask again after what is no mistake of the model", () =>
    Effect.gen(function*() {
      const { response, seen } = yield* converse(gemini, [candidate("SAFETY"), candidate("STOP", { text: "done" })])
      assert.strictEqual(response.finishReason, "content-filter")
      assert.lengthOf(seen, 1)
    }))
})

describe("the LanguageModel of Effect AI", () => {
  const ask = Effect.fnUntraced(function*(
    make: (url: string) => ReturnType<typeof anthropic> | ReturnType<typeof gemini>,
    bodies: ReadonlyArray<unknown>
  ) {
    const server = yield* answering(bodies)
    const language = yield* iModel.makeLanguageModel(yield* make(server.url))
    const whole = yield* language.generateText({ prompt: "hi" })
    return { whole, seen: yield* server.seen }
  }, Effect.provide(platform))

  it.effect("goes on from what a paused answer has said, and counts all calls", () =>
    Effect.gen(function*() {
      const { seen, whole } = yield* ask(anthropic, [pausedText, message("end_turn", { type: "text", text: "Done." })])
      assert.strictEqual(whole.text, "I search.Done.")
      assert.strictEqual(whole.finishReason, "stop")
      assert.strictEqual(whole.usage.inputTokens.total, 20)
      assert.lengthOf(seen, 2)
    }))

  it.effect("hands out an answer that is paused for ever", () =>
    Effect.gen(function*() {
      const { seen, whole } = yield* ask(anthropic, [pausedText])
      assert.strictEqual(whole.finishReason, "pause")
      assert.lengthOf(seen, 8)
    }))

  it.effect("asks again after a malformed call", () =>
    Effect.gen(function*() {
      const { seen, whole } = yield* ask(gemini, [
        candidate("MALFORMED_FUNCTION_CALL", { text: "half" }),
        candidate("STOP", { text: "done" })
      ])
      assert.strictEqual(whole.text, "done")
      assert.lengthOf(seen, 2)
    }))

  it.effect("goes on in a stream, with texts of their own ids", () =>
    Effect.gen(function*() {
      const server = yield* answering([pausedText, message("end_turn", { type: "text", text: "Done." })])
      const language = yield* iModel.makeLanguageModel(yield* anthropic(server.url))
      const parts = yield* Stream.runCollect(language.streamText({ prompt: "hi" }))
      const texts = parts.flatMap((part) => part.type === "text-delta" ? [part] : [])
      assert.deepStrictEqual(texts.map(({ delta }) => delta), ["I search.", "Done."])
      assert.strictEqual(new Set(texts.map(({ id }) => id)).size, 2)
      assert.lengthOf(parts.filter(({ type }) => type === "finish"), 1)
    }).pipe(Effect.provide(platform)))
})
