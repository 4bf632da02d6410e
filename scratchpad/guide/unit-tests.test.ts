/**
 * Unit tests of a program: what a mock answers, what fails, what is asked, and the limits on the clock of the test.
 *
 *     npm run guide -- unit-tests
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted } from "effect"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"

/** The program under test. */
const summarize = Effect.fn("summarize")(function*(text: string) {
  const { text: summary } = yield* iModel.respond({ prompt: `Summarize: ${text}`, max_tokens: 100 })
  return summary
}, Effect.catchReason("BackendError", "RateLimitError", () => Effect.succeed("(later)")))

describe("summarize", () => {
  it.effect("answers with the summary", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* summarize("a long text"), "a text")
      const [calling] = yield* (yield* ServiceBackend.Mock).callings
      assert.deepInclude(calling?.payload, { prompt: "Summarize: a long text" })
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provideMerge(ServiceBackend.layerMock(() => Effect.succeed("a text"))))
    )))

  it.effect("puts off what the provider refuses", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* summarize("a long text"), "(later)")
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.fail(new AiError.RateLimitError({})))))
    )))

  it.effect("stays within ten requests a minute", () =>
    Effect.gen(function*() {
      const texts = Array.from({ length: 15 }, (_, i) => `text ${i}`)
      const all = yield* Effect.forkChild(Effect.forEach(texts, summarize, { concurrency: "unbounded" }))
      while (all.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(all)).length, 15)
      const { seen } = yield* Simulator.Simulator
      assert.deepInclude(yield* seen, { admitted: 15, rejected: 0 })
    }).pipe(Effect.provide(
      iModel.layer({ limitRequests: 10 }).pipe(
        Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey: Redacted.make("not-needed") })),
        Layer.provideMerge(Simulator.layerHttpClient({ limitRequests: 10 }))
      )
    )))
})
