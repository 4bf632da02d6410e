/** Calls spread over models that are equals: by what is left of their limits, by how busy they are, or by weight. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Duration, Effect, Fiber, Schema } from "effect"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { type Errors, iModel, ServiceBackend } from "effect-imodel"

const Request = Schema.Struct({ cost: Schema.optional(Schema.Int) })
type Args = typeof Request.Encoded

const makeModel = Effect.fnUntraced(function*(
  answer: Effect.Effect<string, Errors.BackendErrorReason>,
  options?: iModel.Options<Args>
) {
  let n = 0
  const backend = yield* ServiceBackend.make({
    provider: "local",
    name: "local",
    request: Request,
    cost: ({ cost = 0 }) => cost,
    call: () =>
      Effect.suspend(() => {
        n++
        return answer
      })
  })
  return { model: yield* iModel.make(backend, options), asked: () => n }
})

/** Calls all at once, and lets virtual time pass until they have ended; answers with how long that took, in milliseconds. */
const burst = Effect.fnUntraced(function*(model: iModel.Model<Args>, size: number, args: Args = {}) {
  const calls = Effect.forEach(Arr.range(1, size), () => model.respond(args), { concurrency: "unbounded" })
  const fiber = yield* Effect.forkChild(Effect.timed(calls))
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("100 millis")
  const [duration] = yield* Fiber.join(fiber)
  return Duration.toMillis(duration)
})

const quick = Effect.succeed("done")

describe("a balance by capacity", () => {
  it.effect("over ten keys has ten times the limit, at once and after", () =>
    Effect.gen(function*() {
      const keys = yield* Effect.forEach(
        Arr.range(1, 10),
        () => makeModel(quick, { limitRequests: 10, queueCapacity: 100 })
      )
      const model = yield* iModel.balance(Arr.map(keys, ({ model }) => model))
      assert.isAtMost(yield* burst(model, 100), 100)
      assert.deepStrictEqual(keys.map(({ asked }) => asked()), keys.map(() => 10))
      const millis = yield* burst(model, 100)
      assert.isAtMost(millis, 60_100)
      assert.deepStrictEqual(keys.map(({ asked }) => asked()), keys.map(() => 20))
    }))

  it.effect("goes by what is left of each limit, tokens too, of limits of any size", () =>
    Effect.gen(function*() {
      const small = yield* makeModel(quick, { limitTokens: 100 })
      const large = yield* makeModel(quick, { limitTokens: 300, limitRequests: 1_000 })
      const model = yield* iModel.balance([small.model, large.model])
      assert.isAtMost(yield* burst(model, 40, { cost: 10 }), 100)
      assert.deepStrictEqual([small.asked(), large.asked()], [10, 30])
    }))

  it.effect("goes by what a model's other callers have left", () =>
    Effect.gen(function*() {
      const a = yield* makeModel(quick, { limitRequests: 10 })
      const b = yield* makeModel(quick, { limitRequests: 10 })
      yield* burst(a.model, 8)
      const model = yield* iModel.balance([a.model, b.model])
      assert.isAtMost(yield* burst(model, 12), 100)
      assert.deepStrictEqual([a.asked(), b.asked()], [10, 10])
    }))

  it.effect("passes by a model that its provider holds back, and one that fails", () =>
    Effect.gen(function*() {
      const held = yield* makeModel(Effect.fail(new AiError.RateLimitError({ retryAfter: Duration.seconds(30) })), {
        limitRequests: 100
      })
      const broken = yield* makeModel(Effect.fail(new AiError.QuotaExhaustedError({})))
      const well = yield* makeModel(quick)
      const model = yield* iModel.balance([held.model, broken.model, well.model])
      assert.isAtMost(yield* burst(model, 50), 100)
      assert.isAtMost(held.asked() + broken.asked(), 50)
      const before = held.asked() + broken.asked()
      assert.isAtMost(yield* burst(model, 50), 100)
      assert.strictEqual(held.asked() + broken.asked(), before)
      assert.strictEqual(well.asked(), 100)
    }))

  it.effect("takes turns where there is no limit", () =>
    Effect.gen(function*() {
      const [a, b] = [yield* makeModel(quick), yield* makeModel(quick)]
      const model = yield* iModel.balance([a.model, b.model])
      for (let i = 0; i < 10; i++) yield* model.respond({})
      assert.deepStrictEqual([a.asked(), b.asked()], [5, 5])
    }))
})

describe("a balance otherwise", () => {
  it.effect("by how busy they are gives the slow one less", () =>
    Effect.gen(function*() {
      const slow = yield* makeModel(Effect.delay(quick, 900), { concurrency: 10 })
      const fast = yield* makeModel(Effect.delay(quick, 100))
      const model = yield* iModel.balance([slow.model, fast.model], { strategy: "least-busy" })
      const fiber = yield* Effect.forkChild(
        Effect.forEach(Arr.range(1, 100), () => model.respond({}), { concurrency: 10 })
      )
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("50 millis")
      assert.isAbove(fast.asked(), 5 * slow.asked())
    }))

  it.effect("by weight is as even as can be", () =>
    Effect.gen(function*() {
      const order: globalThis.Array<string> = []
      const noting = (name: string) => makeModel(Effect.sync(() => (order.push(name), name)))
      const [a, b] = [yield* noting("a"), yield* noting("b")]
      const model = yield* iModel.balance([a.model, b.model], { strategy: { weights: [3, 1] } })
      for (let i = 0; i < 8; i++) yield* model.respond({})
      assert.strictEqual(order.join(""), "aabaaaba")
    }))

  it.effect("needs weights that make sense", () =>
    Effect.gen(function*() {
      const { model } = yield* makeModel(quick)
      const none = yield* Effect.flip(iModel.balance([model, model], { strategy: { weights: [1, 0] } }))
      assert.include(none.message, "weights[1]")
      const models: readonly [typeof model, ...globalThis.Array<typeof model>] = [model, model]
      const few = yield* Effect.flip(iModel.balance(models, { strategy: { weights: [1] } }))
      assert.include(few.message, "1 for 2")
    }))
})
