/** Options are checked when a thing is made: a wrong one is an `IllegalArgumentError` that names it and what it must be. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export const illegal = (message: string): Effect.Effect<never, Cause.IllegalArgumentError> =>
  Effect.fail(new Cause.IllegalArgumentError(message))

export const positive = (name: string, n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
  n > 0 && Number.isFinite(n) ? Effect.succeed(n) : illegal(`${name} must be a number above zero, got ${n}`)

export const positiveInteger = (name: string, n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
  Number.isSafeInteger(n) && n > 0 ? Effect.succeed(n) : illegal(`${name} must be a whole number above zero, got ${n}`)

export const duration = (
  name: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, Cause.IllegalArgumentError> =>
  Option.match(Option.filter(Duration.fromInput(input), Duration.isFinite), {
    onNone: () =>
      illegal(`${name} must be a finite duration, such as "1 minute" or milliseconds, got ${String(input)}`),
    onSome: Effect.succeed
  })

export const positiveDuration = (
  name: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, Cause.IllegalArgumentError> =>
  Effect.filterOrElse(
    duration(name, input),
    Duration.isPositive,
    () => illegal(`${name} must be longer than zero, got ${String(input)}`)
  )
