/**
 * What we rely on in the stores of Effect's `RateLimiter`, and how our buckets behave on each: one suite for all.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Duration, Effect, Layer, Schema } from "effect"
import { Executor, LimitStore, ServiceBackend, TokenBucket } from "effect-imodel"
import { RateLimiter } from "effect/persistence"
import { makeLimit } from "../../support/limits.ts"
import { layerRedis, missingRedis } from "../../../scratchpad/support/redis.ts"
import { unavailable } from "../../support/required.ts"

const memory = RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory))
const redis = RateLimiter.layer.pipe(
  Layer.provide(RateLimiter.layerStoreRedis()),
  Layer.provide(layerRedis),
  Layer.orDie
)

const real = { excludeTestServices: true, timeout: "20 seconds" } as const

const limiterSuite = (name: string, store: Layer.Layer<RateLimiter.RateLimiter>) =>
  layer(store, real)(name, (it) => {
    const options = (key: string) => ({
      algorithm: "token-bucket" as const,
      key,
      limit: 1000,
      window: "1 hour"
    } as const)

    it.effect("negative tokens give back, fractions are exact, and a refusal takes nothing", () =>
      Effect.gen(function*() {
        const limiter = yield* RateLimiter.RateLimiter
        const consume = (tokens: number, onExceeded: "delay" | "fail") =>
          limiter.consume({ ...options("pinned"), tokens, onExceeded })
        assert.strictEqual((yield* consume(0.25, "fail")).remaining, 999.75)
        assert.strictEqual((yield* consume(999.75, "fail")).remaining, 0)
        const { reason } = yield* Effect.flip(consume(10, "fail"))
        assert.isTrue(reason._tag === "RateLimitExceeded" && Duration.toMillis(reason.retryAfter) > 0)
        assert.strictEqual((yield* consume(10, "delay")).remaining, -10)
        assert.strictEqual((yield* consume(-10, "delay")).remaining, 0)
        assert.strictEqual((yield* consume(-5, "delay")).remaining, 5)
      }))
  })

const suite = <A>(name: string, store: Layer.Layer<A>) =>
  layer(store, real)(`Buckets, ${name}`, (it) => {
    it.effect("a bucket takes, refuses, gives back no more than its capacity, and settles into debt", () =>
      Effect.gen(function*() {
        const bucket = yield* TokenBucket.make({ capacity: 10, window: "1 hour", key: "bucket" })
        assert.isTrue(yield* bucket.tryAcquire(10))
        assert.isFalse(yield* bucket.tryAcquire())
        yield* bucket.release(4)
        assert.strictEqual(yield* bucket.available, 4)
        yield* bucket.release(10)
        assert.strictEqual(yield* bucket.available, 10)
        yield* bucket.settle(0, 12)
        assert.strictEqual(yield* bucket.available, 0)
        yield* bucket.reset
        assert.strictEqual(yield* bucket.available, 10)
      }))

    it.effect("a remainder below ours lowers ours, once, however many answers tell of it", () =>
      Effect.gen(function*() {
        const limit = yield* makeLimit({ capacity: 100, window: "1 hour", key: "lower" })
        const receipts = [yield* limit.take(1), yield* limit.take(1), yield* limit.take(1)]
        for (const [i, receipt] of receipts.entries()) yield* limit.learn(receipt, { remaining: 59 - i })
        assert.strictEqual(yield* limit.available, 57)
      }).pipe(Effect.scoped))

    it.effect("a remainder above ours raises ours by what was lowered, and no more", () =>
      Effect.gen(function*() {
        const limit = yield* makeLimit({ capacity: 100, window: "1 hour", key: "raise" })
        yield* limit.learn(yield* limit.take(10), { remaining: 50 })
        assert.strictEqual(yield* limit.available, 50)
        yield* limit.learn(yield* limit.take(10), { remaining: 1000 })
        assert.strictEqual(yield* limit.available, 80)
        yield* limit.learn(yield* limit.take(10), { remaining: 1000 })
        assert.strictEqual(yield* limit.available, 70)
      }).pipe(Effect.scoped))

    it.effect("what was taken and put back does not count as a correction", () =>
      Effect.gen(function*() {
        const limit = yield* makeLimit({ capacity: 100, window: "1 hour", key: "back" })
        const receipt = yield* limit.take(10)
        for (let i = 0; i < 5; i++) {
          yield* limit.take(10)
          yield* limit.putBack(10)
        }
        yield* limit.learn(receipt, { remaining: 90 })
        assert.strictEqual(yield* limit.available, 90)
      }).pipe(Effect.scoped))

    it.effect("what was withheld comes back when the provider shows it", () =>
      Effect.gen(function*() {
        const limit = yield* makeLimit({ capacity: 100, window: "1 hour", key: "withheld" })
        yield* limit.settle(yield* limit.take(50), 50, 20, { remaining: 50 })
        assert.strictEqual(yield* limit.available, 50)
        // What was taken a moment ago may not have reached the provider.
        yield* Effect.sleep("1 second")
        yield* limit.learn(yield* limit.take(10), { remaining: 65 })
        assert.include([64, 65], yield* limit.available)
      }).pipe(Effect.scoped))

    it.effect("a refusal tells what the server has without what we took", () =>
      Effect.gen(function*() {
        const limit = yield* makeLimit({ capacity: 100, window: "1 hour", key: "refused" })
        yield* limit.learn(yield* limit.take(20), { remaining: 15 }, true)
        assert.strictEqual(yield* limit.available, 15)
      }).pipe(Effect.scoped))

    it.effect("a limit below ours is ours from then on, until the server says otherwise", () =>
      Effect.gen(function*() {
        const limit = yield* makeLimit({ capacity: 100, window: "1 hour", key: "half" })
        yield* limit.learn(yield* limit.take(10), { limit: 50 })
        assert.strictEqual(yield* limit.available, 40)
        yield* limit.learn(yield* limit.take(10), { limit: 100 })
        assert.strictEqual(yield* limit.available, 80)
      }).pipe(Effect.scoped))

    it.effect("two executors with buckets of one key admit together what the limit allows, and no more", () =>
      Effect.gen(function*() {
        let started = 0
        const backend = yield* ServiceBackend.make({
          provider: "test",
          name: "shared",
          request: Schema.Record(Schema.String, Schema.Unknown),
          call: () =>
            Effect.suspend(() => {
              started++
              return Effect.never
            })
        })
        const makeExecutor = Effect.gen(function*() {
          const requests = yield* TokenBucket.make({ capacity: 20, window: "1 hour", key: "shared" })
          return yield* Executor.make({ requests })
        })
        for (const executor of [yield* makeExecutor, yield* makeExecutor]) {
          for (let i = 0; i < 30; i++) {
            const calling = yield* backend.createCalling({})
            yield* Effect.forkChild(executor.submit(calling), { startImmediately: true })
          }
        }
        const settledDown = Effect.gen(function*() {
          const before = started
          yield* Effect.sleep("100 millis")
          return started === before && started > 0
        })
        yield* Effect.repeat(settledDown, { until: (same) => same, times: 50 })
        assert.strictEqual(started, 20)
      }).pipe(Effect.scoped))
  })

limiterSuite("RateLimiter in memory", memory)
suite("RateLimiter in memory", memory)

describe.skipIf(unavailable("Redis", missingRedis))("on Redis", () => {
  limiterSuite("RateLimiter on Redis", redis)
  suite("RateLimiter on Redis", redis)
  suite("LimitStore on Redis", LimitStore.layerRedis(layerRedis).pipe(Layer.orDie))
})
