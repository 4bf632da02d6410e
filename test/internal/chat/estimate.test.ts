import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"

const text = "Zusammenfassung: naïve Übergrößenträger, 東京都, and some plain English words."

const openAi = (model: string) =>
  OpenAi.makeChat({ model, apiKey: Redacted.make("any") }).pipe(Effect.provide(Simulator.layerHttpClient()))

describe("the estimate of a call", () => {
  it.effect("counts the tokens as the model does, where its tokenizer is known and tokens are limited", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* openAi("gpt-4o-mini"), { limitTokens: 10_000 })
      const calling = yield* model.createCalling({ prompt: text, max_completion_tokens: 7 })
      assert.strictEqual(calling.cost, countTokens(text) + 7)
      assert.notStrictEqual(countTokens(text), Math.ceil(text.length / 4))
    }))

  it.effect("knows the tokenizer of a model behind a vendor's name, and of a fine-tuned one", () =>
    Effect.gen(function*() {
      for (const name of ["openai/gpt-4o-mini", "ft:gpt-4o-mini:acme::9x1", "GPT-4o"]) {
        const model = yield* iModel.make(yield* openAi(name), { limitTokens: 10_000 })
        assert.strictEqual((yield* model.createCalling({ prompt: text })).cost, countTokens(text), name)
      }
    }))

  it.effect("counts the marks of special tokens as text", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* openAi("gpt-4o-mini"), { limitTokens: 10_000 })
      const { cost, execution } = yield* model.createCalling({ prompt: "Say <|endoftext|> and <|im_start|>." })
      assert.strictEqual(execution.status, "pending")
      assert.isAbove(cost, 10)
    }))

  it.effect("estimates by script where no tokenizer is public", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* openAi("llama-3.3-70b"), { limitTokens: 10_000 })
      const costOf = (prompt: string) => Effect.map(model.createCalling({ prompt }), ({ cost }) => cost)
      const sentence = "人人生而自由在尊严和权利上一律平等他们赋有理性和良心"
      const chinese = sentence.repeat(40).slice(0, 960)
      assert.closeTo(yield* costOf(chinese), 680, 680 * 0.15)
      const english = "All human beings are born free and equal in dignity and rights. ".repeat(20)
      assert.closeTo(yield* costOf(english), countTokens(english), countTokens(english) * 0.15)
    }))

  it.effect("expects the output that it is told of a call which states no limit", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* openAi("m"), { limitTokens: 10_000, expectedOutputTokens: 500 })
      assert.strictEqual((yield* model.createCalling({ prompt: "four" })).cost, 501)
      assert.strictEqual((yield* model.createCalling({ prompt: "four", max_tokens: 9 })).cost, 10)
    }))

  it.effect("takes an image or a file for a thousand tokens, whatever its bytes", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* openAi("m"), { limitTokens: 10_000 })
      const bytes = new Uint8Array(1_000_000)
      const prompt = [{
        role: "user" as const,
        content: [{ type: "file" as const, mediaType: "image/png", data: bytes }]
      }]
      assert.strictEqual((yield* model.createCalling({ prompt })).cost, 1001)
    }))

  it.effect("is not made, and no tokenizer is loaded, for a model that does not limit tokens", () =>
    Effect.gen(function*() {
      let loaded = 0
      const backend = yield* ServiceBackend.make({
        provider: "test",
        name: "counted",
        request: Schema.Struct({ text: Schema.String }),
        tokenizer: Effect.sync(() => {
          loaded++
          return (text: string) => text.length
        }),
        call: ({ text }) => Effect.succeed(text)
      })
      const free = yield* iModel.make(backend, { limitRequests: 10 })
      assert.strictEqual((yield* free.createCalling({ text: "hello" })).cost, 0)
      assert.strictEqual(loaded, 0)
      const limited = yield* iModel.make(backend, { limitInputTokens: 10 })
      assert.strictEqual((yield* limited.createCalling({ text: "hello" })).cost, 5)
      assert.strictEqual(loaded, 1)
    }))

  it.effect("can be a function of one's own, with input and output apart", () =>
    Effect.gen(function*() {
      const layer = iModel.layer({ limitTokens: 100, cost: () => ({ input: 30, output: 12 }) }).pipe(
        Layer.provide(ServiceBackend.layerMock(() => Effect.succeed("done")))
      )
      const calling = yield* Effect.provide(iModel.createCalling({ prompt: "hi" }), layer)
      assert.strictEqual(calling.cost, 42)
    }))
})
