import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { type Prompt } from "effect/ai"
import { Anthropic, Gemini, iModel, OpenAi, type ServiceBackend, Simulator } from "effect-imodel"
import { chatWires, platform } from "../../support/chatWires.ts"
import { serve } from "../../support/server.ts"

const apiKey = Redacted.make("not-needed")

const wires = [
  { wire: "chat completions", layer: OpenAi.layerChat({ model: "gpt-4o", apiKey }) },
  { wire: "responses", layer: OpenAi.layerResponses({ model: "gpt-4o", apiKey }) },
  { wire: "messages", layer: Anthropic.layerMessages({ model: "claude-sonnet-4-5", apiKey }) },
  { wire: "generateContent", layer: Gemini.layerGenerateContent({ model: "gemini-2.5-flash", apiKey }) }
]

/** What a call with these arguments fails with, and how many requests were sent until then. */
const refusalOf = Effect.fnUntraced(
  function*(backend: (typeof wires)[number]["layer"], args: ServiceBackend.Arguments) {
    const model = iModel.layer().pipe(Layer.provide(backend), Layer.provideMerge(Simulator.layerHttpClient()))
    return yield* Effect.gen(function*() {
      const { reason } = yield* Effect.flip((yield* iModel.invoke(args)).response)
      const { requests } = yield* (yield* Simulator.Simulator).seen
      return { reason, requests }
    }).pipe(Effect.provide(model))
  }
)

describe("arguments that no wire can carry", () => {
  const history = (call: unknown, result: unknown): ReadonlyArray<Prompt.MessageEncoded> => [
    { role: "user", content: "How many?" },
    { role: "assistant", content: [{ type: "tool-call", id: "1", name: "count", params: call }] },
    { role: "tool", content: [{ type: "tool-result", id: "1", name: "count", isFailure: false, result }] }
  ]

  it.effect.each(wires)("are refused before anything is sent: $wire", ({ layer }) =>
    Effect.gen(function*() {
      for (const prompt of [history({}, { count: 1n }), history({ from: 1n }, "none")]) {
        const { reason, requests } = yield* refusalOf(layer, { prompt })
        assert.strictEqual(reason._tag, "InvalidRequestError")
        assert.match(reason.message, /BigInt/)
        assert.strictEqual(requests, 0)
      }
    }))

  it.effect("are refused in a path, too", () =>
    Effect.gen(function*() {
      const gemini = Gemini.layerGenerateContent({ model: "gemini-2.5-flash", apiKey })
      const { reason, requests } = yield* refusalOf(gemini, { prompt: "Hi", model: "\ud800" })
      assert.strictEqual(reason._tag === "InvalidRequestError" && reason.parameter, "model")
      assert.strictEqual(requests, 0)
    }))
})

describe("plain messages", () => {
  const messages: ReadonlyArray<ServiceBackend.Message> = [
    { role: "system", content: "Count." },
    { role: "user", content: "How many?" },
    {
      role: "assistant",
      content: null,
      tool_calls: [{ id: "a", type: "function", function: { name: "count.all", arguments: "{\"from\":1}" } }]
    },
    { role: "tool", content: "7", tool_call_id: "a" },
    { role: "assistant", content: "Seven." },
    { role: "user", content: "Sure?" }
  ]
  const call = { from: 1 }

  const expected: Readonly<Record<string, object>> = {
    "openAi chat": {
      messages: [
        messages[0],
        messages[1],
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "a", type: "function", function: { name: "count_all", arguments: "{\"from\":1}" } }]
        },
        ...messages.slice(3)
      ]
    },
    "openAi responses": {
      input: [
        { role: "system", content: "Count." },
        { role: "user", content: "How many?" },
        { type: "function_call", call_id: "a", name: "count_all", arguments: "{\"from\":1}" },
        { type: "function_call_output", call_id: "a", output: "7" },
        { role: "assistant", content: "Seven." },
        { role: "user", content: "Sure?" }
      ]
    },
    anthropic: {
      system: "Count.",
      messages: [
        { role: "user", content: "How many?" },
        { role: "assistant", content: [{ type: "tool_use", id: "a", name: "count_all", input: call }] },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "a", content: "7" }] },
        { role: "assistant", content: "Seven." },
        { role: "user", content: "Sure?" }
      ]
    },
    gemini: {
      systemInstruction: { role: "user", parts: [{ text: "Count." }] },
      contents: [
        { role: "user", parts: [{ text: "How many?" }] },
        { role: "model", parts: [{ functionCall: { id: "a", name: "count_all", args: call } }] },
        {
          role: "user",
          parts: [{ functionResponse: { id: "a", name: "count_all", response: { output: "7" } } }]
        },
        { role: "model", parts: [{ text: "Seven." }] },
        { role: "user", parts: [{ text: "Sure?" }] }
      ]
    }
  }

  it.effect.each(chatWires)(
    "are sent with their calls and results by $name",
    ({ make, name, whole }) =>
      Effect.gen(function*() {
        const server = yield* serve({
          body: whole({ text: "Yes.", calls: [{ id: "a", name: "count_all", params: "{}" }] })
        })
        const calling = yield* (yield* make(server.url)).invokeUnknown({ messages })
        const { toolCalls } = yield* calling.response
        const [seen] = yield* server.seen
        assert.deepInclude(seen?.body, expected[name] ?? {})
        // The id is taken by a call of the conversation.
        assert.deepStrictEqual(toolCalls.map(({ id, name }) => ({ id, name })), [{ id: "a_2", name: "count.all" }])
      }).pipe(Effect.provide(platform))
  )

  it.effect.each(chatWires)("of the role tool have the id of a call: $name", ({ make }) =>
    Effect.gen(function*() {
      const model = yield* make("https://unused.example")
      const calling = yield* model.invokeUnknown({ messages: [{ role: "tool", content: "7" }] })
      const { reason } = yield* Effect.flip(calling.response)
      assert.strictEqual(reason._tag, "InvalidRequestError")
    }).pipe(Effect.provide(platform)))
})
