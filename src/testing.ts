/**
 * Helpers for the tests of programs that use models, beside `ServiceBackend.layerMock` and `Simulator`. It is not part of the
 * index: `import { advance } from "effect-imodel/testing"`.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

/**
 * Advances the `TestClock`, so that all that is due in that time has run.
 *
 * **When to use**
 *
 * For batches under limits. `TestClock.adjust` alone moves the clock as soon as the fibers that are ready have run once: what they
 * would have started, or slept for, then begins at the end of the time. Here they run until they wait, and the clock moves in a
 * hundred steps, between which they do so again.
 *
 * **Gotchas**
 *
 * What waits for the network, a process or a timer of the system is not waited for.
 *
 * **Example** (A batch within its limit)
 *
 * ```ts
 * import { assert, it } from "@effect/vitest"
 * import { Effect, Fiber, Layer } from "effect"
 * import { iModel, ServiceBackend } from "effect-imodel"
 * import { advance } from "effect-imodel/testing"
 *
 * const model = iModel.layer({ limitRequests: 600 }).pipe(
 *   Layer.provideMerge(ServiceBackend.layerMock(() => Effect.succeed("blue")))
 * )
 *
 * it.effect("stays within 600 a minute", () =>
 *   Effect.gen(function*() {
 *     const prompts = Array.from({ length: 1_000 }, (_, i) => ({ prompt: `Name colour ${i}.` }))
 *     const batch = yield* Effect.forkChild(iModel.invokeAll(prompts))
 *     yield* advance("30 seconds")
 *     const { callings } = yield* ServiceBackend.Mock
 *     assert.closeTo((yield* callings).length, 900, 10)
 *     yield* Fiber.interrupt(batch)
 *   }).pipe(Effect.provide(model)))
 * ```
 *
 * @category testing
 * @since 0.1.0
 */
export const advance = Effect.fnUntraced(function*(duration: Duration.Input): Effect.fn.Return<void> {
  const total = Duration.fromInputUnsafe(duration)
  const step = Duration.divideUnsafe(total, steps)
  yield* settle(turnsBefore)
  for (let i = 0; i < steps; i++) {
    yield* TestClock.adjust(step)
    yield* settle(turnsBetween)
  }
  yield* settle(turnsBefore)
})

const steps = 100

/** Turns of the scheduler, in each of which all fibers run that are ready. Without any, a turn takes microseconds. */
const turnsBefore = 1_000
const turnsBetween = 20

const settle = (turns: number): Effect.Effect<void> => Effect.repeat(Effect.yieldNow, { times: turns })
