import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Ref, Schema } from "effect"
import { TestClock } from "effect/testing"
import { iModel, ServiceBackend } from "effect-imodel"

/** A clock whose time of day is set back or forth, while its monotonic time goes on. */
const steppingClock = Effect.gen(function*() {
  const clock = yield* Clock.Clock
  let offset = 0
  const stepping: Clock.Clock = {
    currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + offset,
    currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + offset),
    currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n,
    currentTimeNanos: Effect.sync(() => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return { clock: stepping, step: (millis: number) => Effect.sync(() => (offset += millis)) }
})

const started = Effect.fnUntraced(function*(step: number) {
  const { clock, step: stepClock } = yield* steppingClock
  const count = yield* Ref.make(0)
  const backend = yield* ServiceBackend.make({
    provider: "test",
    name: "counting",
    request: Schema.Struct({}),
    call: () => Ref.update(count, (n) => n + 1)
  })
  const onClock = Effect.provideService(Clock.Clock, clock)
  const model = yield* onClock(iModel.make(backend, { limitRequests: 10, capacityRefreshTime: "10 seconds" }))
  const fiber = yield* Effect.forkChild(onClock(iModel.invokeAllWith(model, Array.from({ length: 30 }, () => ({})))))
  yield* TestClock.adjust("1 second")
  yield* stepClock(step)
  const counts: Array<number> = []
  for (let second = 0; second < 6; second++) {
    yield* TestClock.adjust("5 seconds")
    counts.push(yield* Ref.get(count))
  }
  yield* Fiber.interrupt(fiber)
  return counts
})

describe("limits while the system clock is set", () => {
  it.effect.each([0, -3_600_000, -5_000, 3_600_000, 60_000])(
    "by %d ms admit as if it had not been",
    (step) =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* started(step), yield* started(0))
        assert.deepStrictEqual((yield* started(step)).at(-1), 30)
      })
  )
})
