import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import { iModel, ServiceBackend } from "effect-imodel"
import { advance } from "effect-imodel/testing"

const batchOf = (count: number) => Array.from({ length: count }, (_, i) => ({ prompt: String(i) }))

const mocked = (options: iModel.Options, latency: number) =>
  iModel.layer(options).pipe(
    Layer.provideMerge(ServiceBackend.layerMock(() => Effect.as(Effect.sleep(latency), "blue")))
  )

describe("advance", () => {
  it.effect.each([
    { name: "a limit of requests", options: { limitRequests: 600 }, latency: 0, expected: 900 },
    { name: "a limit of tokens", options: { limitTokens: 600_000, cost: () => 1_000 }, latency: 0, expected: 900 },
    { name: "slow answers", options: { concurrency: 10 }, latency: 1_000, expected: 310 }
  ])("has run all that is due: $name", ({ expected, latency, options }) =>
    Effect.gen(function*() {
      const batch = yield* Effect.forkChild(iModel.invokeAll(batchOf(1_000)))
      yield* advance("30 seconds")
      const { callings } = yield* ServiceBackend.Mock
      assert.closeTo((yield* callings).length, expected, 10)
      yield* Fiber.interrupt(batch)
    }).pipe(Effect.provide(mocked(options, latency))))

  it.effect("runs nothing that is not due", () =>
    Effect.gen(function*() {
      const call = yield* Effect.forkChild(iModel.respond({ prompt: "Hi" }))
      yield* advance("59 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* advance("1 second")
      assert.strictEqual((yield* Fiber.join(call)).text, "blue")
    }).pipe(Effect.provide(mocked({}, 60_000))))
})
