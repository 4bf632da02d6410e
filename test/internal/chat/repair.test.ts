import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Anthropic, Gemini, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { TestClock } from "effect/testing"

const Colour = Schema.Struct({ name: Schema.String })

const options = { model: "simulated", apiKey: Redacted.make("not-needed") }

const backends = {
  "OpenAI's chat": OpenAi.layerChat(options),
  "OpenAI's responses": OpenAi.layerResponses(options),
  Anthropic: Anthropic.layerMessages(options),
  Gemini: Gemini.layerGenerateContent(options)
}

/** Answers with a wrong object until it is shown the error. */
const simulator = Simulator.layerHttpClient({
  latency: 0,
  answer: (_, { messages }) => {
    const last = messages.at(-1)?.text ?? ""
    const answered = messages.at(-2)
    if (!last.includes("does not match the JSON schema")) return `{"nome":"blue"}`
    assert.strictEqual(answered?.role, "assistant")
    assert.strictEqual(answered?.text, `{"nome":"blue"}`)
    assert.match(last, /name/)
    return `{"name":"blue"}`
  }
})

describe.each(Object.entries(backends))("an invalid answer of %s", (_name, backend) => {
  const layer = iModel.layer({ limitRequests: 10 }).pipe(Layer.provide(backend), Layer.provide(simulator))

  it.live("is asked for again, with the error shown", () =>
    Effect.gen(function*() {
      const { value } = yield* iModel.respondAs(Colour, { prompt: "A colour?" })
      assert.deepStrictEqual(value, { name: "blue" })
      const messages = [{ role: "user", content: "A colour?" }] as const
      const calling = yield* iModel.invoke({ messages, response_format: Colour })
      assert.deepStrictEqual((yield* calling.response).value, { name: "blue" })
      assert.deepStrictEqual(calling.attempts.map(({ outcome }) => outcome), ["failed", "completed"])
      const totals = calling.attempts.map(({ usage }) => usage?.outputTokens.total ?? 0)
      assert.isTrue(totals.every((total) => total > 0))
      const { executor } = yield* iModel.iModel
      const { limits } = yield* (executor ?? assert.fail("there is no executor")).snapshot
      assert.isAtMost(limits.requests?.available ?? 10, 6.1)
    }).pipe(Effect.provide(layer)))

  it.live("is an error with repair 0", () =>
    Effect.gen(function*() {
      const calling = yield* iModel.invoke({ prompt: "A colour?", response_format: Colour }, { repair: 0 })
      const error = yield* Effect.flip(calling.response)
      assert.strictEqual(error.reason._tag, "InvalidOutputError")
      assert.strictEqual(calling.attempts.length, 1)
    }).pipe(Effect.provide(layer)))
})

describe("repair", () => {
  const answering = (texts: ReadonlyArray<string>, options?: iModel.Options) => {
    let calls = 0
    return iModel.layer(options).pipe(
      Layer.provideMerge(ServiceBackend.layerMock(() => Effect.sync(() => texts[calls++] ?? assert.fail("too many"))))
    )
  }

  it.effect("is made of a mock's texts too, as often as the model says", () =>
    Effect.gen(function*() {
      const { value } = yield* iModel.respondAs(Colour, { prompt: "A colour?" })
      assert.deepStrictEqual(value, { name: "blue" })
      yield* TestClock.adjust("1 second")
    }).pipe(Effect.provide(answering(["blue", `{}`, `{"name":"blue"}`], { repair: 2 }))))

  it.effect("is not made by a model with repair 0", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.respondAs(Colour, { prompt: "A colour?" }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidOutputError")
    }).pipe(Effect.provide(answering(["blue"], { repair: 0 }))))

  it.effect("is not made of an answer that was cut", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.respondAs(Colour, { prompt: "A colour?" }))
      assert.match(error.message, /token limit/)
      const { callings } = yield* ServiceBackend.Mock
      assert.strictEqual((yield* callings).length, 1)
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provideMerge(
        ServiceBackend.layerMock(() => Effect.succeed(OpenAi.completion(`{"na`, { finishReason: "length" })))
      ))
    )))

  it.effect("is within a model of several, by the setting of the call", () =>
    Effect.gen(function*() {
      let calls = 0
      const { backend } = yield* ServiceBackend.makeMock(() =>
        Effect.sync(() => ++calls % 2 === 1 ? "blue" : `{"name":"blue"}`)
      )
      const either = yield* iModel.fallback([yield* iModel.make(backend)])
      assert.deepStrictEqual((yield* either.respondAs(Colour, {})).value, { name: "blue" })
      yield* Effect.flip(either.respondAs(Colour, {}, { repair: 0 }))
      assert.strictEqual(calls, 3)
    }))

  it.effect("is refused when it is no whole number", () =>
    Effect.gen(function*() {
      const { backend } = yield* ServiceBackend.makeMock(() => Effect.succeed("blue"))
      const error = yield* Effect.flip(iModel.make(backend, { repair: -1 }))
      assert.match(error.message, /repair must be a whole number, zero or more, got -1/)
      const model = yield* iModel.make(backend)
      assert.match((yield* Effect.flip(model.respond({}, { repair: 0.5 }))).message, /repair/)
    }))
})
