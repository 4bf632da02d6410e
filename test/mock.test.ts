import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { Anthropic, ClaudeCode, Gemini, iModel, OpenAi, ServiceBackend } from "effect-imodel"

const Label = Schema.Struct({ label: Schema.Literals(["spam", "ham"]) })

const usage = { inputTokens: { total: 12, cacheRead: 4 }, outputTokens: { total: 5, reasoning: 2 } }
const options = { usage, reasoning: "It promises a prize.", toolCalls: [{ name: "flag", params: { level: 3 } }] }

class Chat extends iModel.Service<Chat>()("test/Chat", {
  backend: OpenAi.makeChat({ model: "gpt-4o-mini" }),
  limitTokens: 10_000
}) {}
class Responses extends iModel.Service<Responses>()("test/Responses", {
  backend: OpenAi.makeResponses({ model: "gpt-4o-mini" })
}) {}
class Claude extends iModel.Service<Claude>()("test/Claude", {
  backend: Anthropic.makeMessages({ model: "claude-sonnet-4-5" })
}) {}
class Flash extends iModel.Service<Flash>()("test/Flash", {
  backend: Gemini.makeGenerateContent({ model: "gemini-2.5-flash" })
}) {}
class Embedder extends iModel.Service<Embedder>()("test/Embedder", {
  backend: OpenAi.makeEmbeddings({ model: "text-embedding-3-small" })
}) {}
class Agent extends iModel.Service<Agent>()("test/Agent", { backend: ClaudeCode.makeQuery() }) {}

const mocked = {
  chat: (text: string, options?: OpenAi.MockOptions) =>
    iModel.layer().pipe(
      Layer.provide(ServiceBackend.layerMock(() => Effect.succeed(OpenAi.completion(text, options))))
    ),
  responses: (text: string, options?: OpenAi.MockOptions) =>
    iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.succeed(OpenAi.response(text, options))))),
  messages: (text: string, options?: OpenAi.MockOptions) =>
    iModel.layer().pipe(
      Layer.provide(ServiceBackend.layerMock(() => Effect.succeed(Anthropic.message(text, options))))
    ),
  gemini: (text: string, options?: OpenAi.MockOptions) =>
    iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.succeed(Gemini.answer(text, options)))))
}

describe.each(Object.entries(mocked))("an answer made for a mock of %s", (_name, layer) => {
  it.effect("has its text, usage and finish reason", () =>
    Effect.gen(function*() {
      const response = yield* iModel.respond({ prompt: "Hello" })
      assert.strictEqual(response.text, "Hi there")
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.usage.inputTokens.total, 12)
      assert.strictEqual(response.usage.inputTokens.cacheRead, 4)
      assert.strictEqual(response.usage.outputTokens.total, 5)
      assert.strictEqual(response.usage.outputTokens.reasoning, 2)
    }).pipe(Effect.provide(layer("Hi there", { usage }))))

  it.effect("has its tool calls and reasoning", () =>
    Effect.gen(function*() {
      const { content, finishReason, toolCalls } = yield* iModel.respond({ prompt: "Hello" })
      assert.deepStrictEqual(toolCalls, [{ id: "call_1", name: "flag", params: { level: 3 } }])
      assert.strictEqual(finishReason, "tool-calls")
      assert.isTrue(content.some((part) => part.type === "reasoning" && part.text === options.reasoning))
    }).pipe(Effect.provide(layer("", options))))

  it.effect("is decoded by a schema, streamed, and says why it ended", () =>
    Effect.gen(function*() {
      const { value } = yield* iModel.respondAs(Label, { prompt: "Hello" })
      assert.deepStrictEqual(value, { label: "spam" })
      const parts = yield* Stream.runCollect(iModel.stream({ prompt: "Hello" }))
      assert.include(parts.map((part) => part.type), "text-delta")
    }).pipe(Effect.provide(layer(`{"label":"spam"}`))))

  it.effect.each(
    [
      ["length", "length"],
      ["content-filter", "content-filter"]
    ] as const
  )("ends for %s", ([reason, expected]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* iModel.respond({ prompt: "Hello" })).finishReason, expected)
    }).pipe(Effect.provide(layer("Hi", { finishReason: reason }))))
})

describe("a mock of a tag of one's own", () => {
  it.effect("reads a plain completion", () =>
    Effect.gen(function*() {
      const chat = yield* Chat
      const { data, text, usage, value } = yield* chat.respondAs(Label, { prompt: "Win!" })
      assert.strictEqual(text, `{"label":"spam"}`)
      assert.deepStrictEqual(value, { label: "spam" })
      assert.strictEqual(usage.outputTokens.total, 5)
      assert.strictEqual(data.choices.length, 1)
    }).pipe(Effect.provide(Chat.layerMock(() =>
      Effect.succeed({
        choices: [{ finish_reason: "stop", message: { role: "assistant", content: `{"label":"spam"}` } }],
        usage: { prompt_tokens: 12, completion_tokens: 5, total_tokens: 17 }
      })
    ))))

  it.effect("reads plain answers of the other wires", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* (yield* Responses).respond({ prompt: "Hi" })).text, "response")
      assert.strictEqual((yield* (yield* Claude).respond({ prompt: "Hi" })).text, "message")
      assert.strictEqual((yield* (yield* Flash).respond({ prompt: "Hi" })).text, "candidate")
      assert.deepStrictEqual((yield* (yield* Embedder).respond({ input: "Hi" })).value, [[1, 2]])
      const agent = yield* (yield* Agent).respond({ prompt: "Hi" })
      assert.strictEqual(agent.text, "done")
      assert.strictEqual(agent.usage.outputTokens.total, 5)
    }).pipe(Effect.provide([
      Responses.layerMock(() =>
        Effect.succeed({
          output: [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "response" }] }]
        })
      ),
      Claude.layerMock(() => Effect.succeed({ content: [{ type: "text", text: "message" }] })),
      Flash.layerMock(() => Effect.succeed({ candidates: [{ content: { parts: [{ text: "candidate" }] } }] })),
      Embedder.layerMock(() => Effect.succeed({ data: [{ embedding: [1, 2] }] })),
      Agent.layerMock(() =>
        Effect.succeed({
          session_id: "1",
          model: "sonnet",
          text: "done",
          thinking: "",
          tool_uses: [],
          usage,
          cost_usd: 0,
          num_turns: 1,
          duration_ms: 1,
          duration_api_ms: 1,
          is_error: false,
          subtype: "success",
          permission_denials: [],
          structured_output: undefined,
          summary: undefined
        })
      )
    ])))

  it.effect("refuses arguments that its backend refuses, and answers that are none", () =>
    Effect.gen(function*() {
      const chat = yield* Chat
      const calling = yield* chat.invokeUnknown({ prompt: "Hi", temprature: 1 })
      const misspelt = yield* Effect.flip(calling.response)
      assert.match(misspelt.message, /temprature/)
      const error = yield* Effect.flip(chat.respond({ prompt: "Hi" }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidResponseError")
      assert.match(error.message, /choices/)
    }).pipe(Effect.provide(Chat.layerMock(() => Effect.succeed({ choices: [] })))))

  it.effect("stands for a backend that is named, without a tag", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* iModel.respond({ prompt: "Hi" })).text, "blue")
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(
        () => Effect.succeed({ choices: [{ message: { content: "blue" } }] }),
        OpenAi.makeChat({ model: "gpt-4o-mini" })
      )))
    )))

  it("is plain data", () => {
    assert.deepStrictEqual(Object.getOwnPropertySymbols({ ...OpenAi.completion("Hi") }), [])
    assert.deepStrictEqual(
      Schema.decodeSync(OpenAi.ChatCompletion)(OpenAi.completion("Hi")),
      OpenAi.completion("Hi")
    )
  })
})
