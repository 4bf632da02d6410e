import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { type Prompt } from "effect/ai"
import { Anthropic, Gemini, iModel, OpenAi, type ServiceBackend, Simulator } from "effect-imodel"

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
