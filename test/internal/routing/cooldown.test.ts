import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { iModel, Route, ServiceBackend } from "effect-imodel"

const Request = Schema.Struct({ text: Schema.String })

/** A model that always fails, with the number of its calls. */
const failing = Effect.fnUntraced(function*(retry: ServiceBackend.Retry | undefined) {
  let calls = 0
  const backend = yield* ServiceBackend.make({
    provider: "test",
    name: "failing",
    request: Request,
    retry,
    call: () =>
      Effect.suspend(() => {
        calls++
        return Effect.fail(new AiError.InternalProviderError({ description: "down" }))
      })
  })
  return { model: yield* iModel.make(backend), calls: () => calls }
})

const answering = Effect.flatMap(
  ServiceBackend.make({ provider: "test", name: "answering", request: Request, call: () => Effect.succeed("yes") }),
  (backend) => iModel.make(backend)
)

describe("a model that has failed", () => {
  it.effect.each([
    { name: "no retries", retry: undefined, calls: 1 },
    { name: "one retry", retry: { times: 1, delay: 0 }, calls: 2 },
    { name: "more retries than attempts", retry: { times: 9, delay: 0 }, calls: 3 }
  ])("is skipped for the cooldown, with $name", ({ calls, retry }) =>
    Effect.gen(function*() {
      const dead = yield* failing(retry)
      const either = yield* iModel.fallback([dead.model, yield* answering], { cooldown: "1 minute" })
      const ask = Effect.map(either.respond({ text: "a" }), ({ text }) => text)
      for (let n = 0; n < 3; n++) assert.strictEqual(yield* ask, "yes")
      assert.strictEqual(dead.calls(), calls)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* ask, "yes")
      assert.strictEqual(dead.calls(), calls + 1)
    }))
})

describe("a layer of a backend", () => {
  it.effect("needs no scope, which the layer has", () =>
    Effect.gen(function*() {
      const backend = Effect.flatMap(answering, (model) => Route.fallback([model]))
      const layer = ServiceBackend.layer(backend)
      expectTypeOf<Layer.Services<typeof layer>>().toEqualTypeOf<never>()
      assert.isDefined(yield* Effect.scoped(Layer.build(layer)))
    }))
})
