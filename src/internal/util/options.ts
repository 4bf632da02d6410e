/** Options are checked when a thing is made: a wrong one is an `IllegalArgumentError` that names it and what it must be. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { didYouMean } from "./suggest.ts"

export const illegal = (message: string): Effect.Effect<never, Cause.IllegalArgumentError> =>
  Effect.fail(new Cause.IllegalArgumentError(message))

/** Refuses options that nobody has, which are mistaken for others. */
export const onlyKnown = (
  options: object,
  known: ReadonlyArray<string>
): Effect.Effect<void, Cause.IllegalArgumentError> => {
  const unknown = Object.entries(options).find(([name, value]) => value !== undefined && !known.includes(name))
  return unknown === undefined
    ? Effect.void
    : illegal(`there is no option "${unknown[0]}"${didYouMean(unknown[0], known)}`)
}

export const oneOf = <const A extends string>(
  name: string,
  value: A,
  known: ReadonlyArray<A>
): Effect.Effect<A, Cause.IllegalArgumentError> =>
  known.includes(value)
    ? Effect.succeed(value)
    : illegal(`${name} must be ${known.map((value) => `"${value}"`).join(" or ")}, got ${shown(value)}`)

export const positive = (name: string, n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
  n > 0 && Number.isFinite(n) ? Effect.succeed(n) : illegal(`${name} must be a number above zero, got ${shown(n)}`)

export const positiveInteger = (name: string, n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
  Number.isSafeInteger(n) && n > 0
    ? Effect.succeed(n)
    : illegal(`${name} must be a whole number above zero, got ${shown(n)}`)

/** A whole number, zero or more. */
export const wholeNumber = (name: string, n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
  Number.isSafeInteger(n) && n >= 0
    ? Effect.succeed(n)
    : illegal(`${name} must be a whole number, zero or more, got ${shown(n)}`)

export const duration = (
  name: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, Cause.IllegalArgumentError> =>
  Option.match(Option.filter(Duration.fromInput(input), Duration.isFinite), {
    onNone: () => illegal(`${name} must be a finite duration, such as "1 minute" or milliseconds, got ${shown(input)}`),
    onSome: Effect.succeed
  })

export const positiveDuration = (
  name: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, Cause.IllegalArgumentError> =>
  Effect.filterOrElse(
    duration(name, input),
    Duration.isPositive,
    () => illegal(`${name} must be longer than zero, got ${shown(input)}`)
  )

export const durationOrZero = (
  name: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, Cause.IllegalArgumentError> =>
  Effect.filterOrElse(
    duration(name, input),
    (duration) => !Duration.isNegative(duration),
    () => illegal(`${name} must not be shorter than zero, got ${shown(input)}`)
  )

export const notNegative = (name: string, n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
  n >= 0 && Number.isFinite(n) ? Effect.succeed(n) : illegal(`${name} must be a number, zero or more, got ${shown(n)}`)

// A text in quotes: one of digits is no number.
export const shown = (value: unknown): string => typeof value === "string" ? JSON.stringify(value) : String(value)
