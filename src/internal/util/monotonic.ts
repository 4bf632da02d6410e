/** Time that never steps back: for limits, pauses, deadlines and places in a queue. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds of the monotonic clock. They compare with each other, and say nothing of the time of day. */
export const monotonicMillis = (clock: Clock.Clock): number => Number(clock.monotonicTimeNanosUnsafe()) / 1e6

/**
 * Runs an effect that reads the time of day on the monotonic clock, so that a system clock which is set back or forth changes
 * nothing for it.
 */
export const onMonotonicTime = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.clockWith((clock) => Effect.provideService(effect, Clock.Clock, monotonicOf(clock)))

const clocks = new WeakMap<Clock.Clock, Clock.Clock>()

const monotonicOf = (clock: Clock.Clock): Clock.Clock => {
  const known = clocks.get(clock)
  if (known !== undefined) return known
  const millis = () => monotonicMillis(clock)
  const nanos = () => clock.monotonicTimeNanosUnsafe()
  const monotonic: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: nanos,
    monotonicTimeNanos: Effect.sync(nanos),
    sleep: (duration) => clock.sleep(duration)
  }
  clocks.set(clock, monotonic)
  return monotonic
}
