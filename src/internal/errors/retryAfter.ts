/** What is known of a failure that its reason has no field for. */
import type * as Duration from "effect/Duration"

interface Tagged {
  readonly _tag: string
  readonly retryAfter?: Duration.Duration | undefined
}

// -----------------------------------------------------------------------------
// Whether it was sent
// -----------------------------------------------------------------------------

const unsent = new WeakSet<object>()

/** Marks the reason of a call that was never sent, so that it costs nothing. */
export const neverSent = <Reason extends Tagged>(reason: Reason): Reason => {
  unsent.add(reason)
  return reason
}

export const wasNeverSent = (reason: Tagged): boolean =>
  reason._tag === "Unsupported" || reason._tag === "CircuitOpen" || unsent.has(reason)

// -----------------------------------------------------------------------------
// When to come again
// -----------------------------------------------------------------------------

const rests = new WeakMap<object, Duration.Duration>()

/** Notes for how long a provider that is not well asks to be left alone, with a 503 for example. */
export const notingRetryAfter = <Reason extends Tagged>(
  reason: Reason,
  rest: Duration.Duration | undefined
): Reason => {
  if (reason._tag === "InternalProviderError" && rest !== undefined) rests.set(reason, rest)
  return reason
}

/** For how long the provider asks to be left alone. */
export const retryAfterOf = (reason: Tagged): Duration.Duration | undefined => reason.retryAfter ?? rests.get(reason)
