import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Exit, Fiber, Layer, Ref, Schema } from "effect"
import { TokenBucket } from "effect-imodel"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"
import { assertExact, type Happened } from "./support/reference.ts"

const times = Effect.fnUntraced(function*(
  bucket: TokenBucket.TokenBucket,
  costs: ReadonlyArray<number>
) {
  const began = yield* Clock.currentTimeMillis
  const log = yield* Ref.make<ReadonlyArray<readonly [cost: number, at: number]>>([])
  for (const cost of costs) {
    yield* Effect.forkChild(Effect.andThen(
      bucket.acquire(cost),
      Effect.flatMap(Clock.currentTimeMillis, (now) => Ref.update(log, (all) => [...all, [cost, now - began] as const]))
    ))
    yield* Effect.yieldNow
  }
  return log
})

describe("TokenBucket", () => {
  it.effect("lets a full bucket through at once, and the rest as it refills", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 3, window: "3 seconds" })
      const log = yield* times(bucket, [1, 1, 1, 1, 2, 1])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Ref.get(log), [[1, 0], [1, 0], [1, 0], [1, 1000], [2, 3000], [1, 4000]])
    }))

  it.effect("does not let a small one overtake a large one", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 10, window: "10 seconds" })
      const log = yield* times(bucket, [10, 9, 1])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(yield* Ref.get(log), [[10, 0], [9, 9000], [1, 10_000]])
    }))

  it.effect("an interrupted waiter leaves the line and has taken nothing", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 10, window: "10 seconds" })
      yield* bucket.acquire(10)
      const large = yield* Effect.forkChild(bucket.acquire(10))
      const small = yield* Effect.forkChild(Effect.andThen(bucket.acquire(1), Clock.currentTimeMillis))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(large)
      assert.strictEqual(yield* Fiber.join(small), 1000)
    }))

  it.effect("a timeout ends the waiting, and takes nothing", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 2, window: "2 seconds" })
      yield* bucket.acquire(2)
      const late = yield* Effect.forkChild(Effect.flip(bucket.acquire(2, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Cause.isTimeoutError(yield* Fiber.join(late)))
      assert.strictEqual(yield* bucket.available, 1)
    }))

  it.effect("tryAcquire takes what is there, never waits, and does not jump the line", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 2, window: "2 seconds" })
      assert.isTrue(yield* bucket.tryAcquire(2))
      assert.isFalse(yield* bucket.tryAcquire())
      yield* Effect.forkChild(bucket.acquire(2), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      assert.isFalse(yield* bucket.tryAcquire(), "one is there, but someone waits for two")
    }))

  it.effect("release gives back, never above the capacity, and wakes who waits", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 5, window: "1 hour" })
      yield* bucket.release(5)
      assert.strictEqual(yield* bucket.available, 5)
      yield* bucket.acquire(5)
      const waiter = yield* Effect.forkChild(bucket.acquire(2), { startImmediately: true })
      yield* bucket.release(2)
      yield* Fiber.join(waiter)
      assert.strictEqual(yield* bucket.available, 0)
      yield* bucket.release(4)
      assert.strictEqual(yield* bucket.available, 4)
    }))

  it.effect("settle gives back what an estimate was too high, and charges what it was too low", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 1000, window: "1000 seconds" })
      yield* bucket.acquire(1000)
      yield* bucket.settle(1000, 200)
      assert.strictEqual(yield* bucket.available, 800)
      yield* bucket.settle(100, 1000)
      assert.strictEqual(yield* bucket.available, 0)
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual(yield* bucket.available, 0, "still paying the debt of 100")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* bucket.available, 1)
      yield* bucket.settle(7, 7)
      assert.strictEqual(yield* bucket.available, 1)
    }))

  it.effect("reset makes it full, from a debt too", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      yield* bucket.settle(0, 25)
      yield* bucket.reset
      assert.strictEqual(yield* bucket.available, 10)
      yield* bucket.reset
      assert.strictEqual(yield* bucket.available, 10)
    }))

  it.effect("starts with what it is told", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 10, window: "10 seconds", initial: 3 })
      assert.strictEqual(yield* bucket.available, 3)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* bucket.available, 5)
    }))

  it.effect("headroom keeps a part of the window back, at most a twentieth", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 10, window: "10 seconds", headroom: "200 millis" })
      const log = yield* times(bucket, Array.from({ length: 12 }, () => 1))
      yield* TestClock.adjust("10 seconds")
      const at = (yield* Ref.get(log)).map(([, at]) => at)
      assert.deepStrictEqual(at.slice(0, 9), Array.from({ length: 9 }, () => 0))
      assert.deepStrictEqual(at.slice(9), [200, 1200, 2200])

      const capped = yield* TokenBucket.make({ capacity: 10, window: "1 second", headroom: "1 minute" })
      const late = yield* times(capped, Array.from({ length: 10 }, () => 1))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Ref.get(late)).at(-1)?.[1], 50)
    }))

  it.effect("a cost of the whole capacity is admitted in spite of headroom, from a bucket as full as it gets", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 10, window: "10 seconds", headroom: "200 millis" })
      const log = yield* times(bucket, [10, 10])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* Ref.get(log), [[10, 0], [10, 10_000]])
    }))

  it.effect("wrong numbers are typed errors that name what is wrong, at once", () =>
    Effect.gen(function*() {
      const bucket = yield* TokenBucket.make({ capacity: 5, window: "1 second" })
      const refused = [
        [bucket.acquire(0), /^n must be a number above zero, got 0/],
        [bucket.acquire(-1), /^n /],
        [bucket.acquire(Number.NaN), /^n /],
        [bucket.acquire(6), /^n must be at most the capacity of 5, got 6/],
        [bucket.tryAcquire(6), /^n must be at most/],
        [bucket.release(0), /^n must be/],
        [bucket.settle(-1, 0), /^reserved and actual/],
        [TokenBucket.make({ capacity: 0, window: "1 second" }), /^capacity must be a number above zero, got 0/],
        [TokenBucket.make({ capacity: Number.POSITIVE_INFINITY, window: 1 }), /^capacity /],
        [TokenBucket.make({ capacity: 1, window: 0 }), /^window must be longer than zero/],
        [TokenBucket.make({ capacity: 1, window: Duration.infinity }), /^window must be a finite duration/],
        [TokenBucket.make({ capacity: 1, window: 1, headroom: Duration.infinity }), /^headroom /],
        [
          TokenBucket.make({ capacity: 1, window: 1, initial: 2 }),
          /^initial must be from 0 to the capacity of 1, got 2/
        ]
      ] as const
      for (const [effect, message] of refused) {
        const error = yield* Effect.flip(Effect.asVoid(effect))
        assert.isTrue(Cause.isIllegalArgumentError(error))
        assert.match(error.message, message)
      }
      assert.strictEqual(yield* bucket.available, 5)
    }))

  it.effect("buckets of one key share their state, when a RateLimiter is provided", () =>
    Effect.gen(function*() {
      const mine = yield* TokenBucket.make({ capacity: 5, window: "1 hour", key: "account" })
      const theirs = yield* TokenBucket.make({ capacity: 5, window: "1 hour", key: "account" })
      const other = yield* TokenBucket.make({ capacity: 5, window: "1 hour" })
      yield* mine.acquire(3)
      assert.strictEqual(yield* theirs.available, 2)
      assert.strictEqual(yield* other.available, 5)
    }).pipe(Effect.provide(RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory)))))

  it.effect("buckets of one key are apart without one", () =>
    Effect.gen(function*() {
      const mine = yield* TokenBucket.make({ capacity: 5, window: "1 hour", key: "account" })
      const theirs = yield* TokenBucket.make({ capacity: 5, window: "1 hour", key: "account" })
      yield* mine.acquire(3)
      assert.strictEqual(yield* theirs.available, 5)
    }))

  const Case = Schema.Struct({
    capacity: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })),
    windowMillis: Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 100_000 })),
    arrivals: Schema.Array(Schema.Struct({
      gapMillis: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5_000 })),
      cost: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 50 })),
      /** Milliseconds after which the waiter is interrupted, if it still waits. */
      patience: Schema.UndefinedOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20_000 })))
    })).check(Schema.isMaxLength(40))
  })

  it.effect.prop(
    "for any arrivals, costs and interruptions: nothing starts early, nothing late, nothing out of order",
    [Case],
    ([{ arrivals, capacity, windowMillis }]) =>
      Effect.gen(function*() {
        const bucket = yield* TokenBucket.make({ capacity, window: windowMillis })
        const began = yield* Clock.currentTimeMillis
        const fibers = yield* Effect.forEach(arrivals, ({ cost, gapMillis, patience }) =>
          Effect.gen(function*() {
            yield* TestClock.adjust(gapMillis)
            const n = Math.min(cost, capacity)
            const acquired = Effect.andThen(bucket.acquire(n), Clock.currentTimeMillis)
            const fiber = yield* Effect.forkChild(
              patience === undefined ? acquired : Effect.timeout(acquired, patience),
              { startImmediately: true }
            )
            const arrivedAt = (yield* Clock.currentTimeMillis) - began
            return { costs: [n], arrivedAt, leavesAt: arrivedAt + (patience ?? Number.POSITIVE_INFINITY), fiber }
          }))
        yield* TestClock.adjust(arrivals.length * windowMillis + 1)
        const happened: Array<Happened> = []
        for (const { fiber, ...call } of fibers) {
          const exit = yield* Fiber.await(fiber)
          const startedAt = Exit.isSuccess(exit) ? exit.value - began : undefined
          happened.push({ ...call, startedAt, endedAt: startedAt })
        }
        const now = (yield* Clock.currentTimeMillis) - began
        const [left = 0] = assertExact([{ capacity, windowMillis }], Number.POSITIVE_INFINITY, happened, now)
        assert.isAtMost(Math.abs(left - (yield* bucket.available)), 1.001, "the quota is whole but for what was taken")
      }),
    { arbitrary: { runs: 400 } }
  )
})
