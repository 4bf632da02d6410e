/** Retries of failed attempts: which, and after what backoff. */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { BackendErrorReason } from "../../Errors.ts"
import * as Kind from "../util/optionKinds.ts"
import { durationOrZero, illegal } from "../util/options.ts"
import { requestedDelayOf } from "./requestedDelay.ts"

/**
 * How failed attempts are made again. The rest before the first is `delay`, and twice as long before each further one, drawn
 * evenly between half of it and the whole; a provider's `retry-after` is waited for in its place.
 *
 * @category options
 * @since 0.1.0
 */
export interface Retry {
  /** How often, after the first attempt. @default 3 */
  readonly times?: number | undefined
  /** @default 500 milliseconds */
  readonly delay?: Duration.Input | undefined
  /** The longest rest. A provider that asks for a longer one is not asked again by the call. @default 10 minutes */
  readonly maxDelay?: Duration.Input | undefined
  /**
   * Which failures.
   * @default those that the provider surely did not work on: no connection, a connection reset before the answer, and the
   * statuses 408, 409, 429, 498, 500, 502, 503, 504, 520 to 524, 527, 529 and 530
   */
  readonly while?: ((reason: BackendErrorReason) => boolean) | undefined
}

const kinds = {
  times: Kind.given("a number"),
  delay: Kind.given("a duration"),
  maxDelay: Kind.given("a duration"),
  while: Kind.fn
} satisfies { readonly [Name in keyof Retry]: Kind.Kind }

/** Refuses what is wrong with it. */
export const checkRetry = Effect.fnUntraced(function*(
  retry: Retry
): Effect.fn.Return<void, Cause.IllegalArgumentError> {
  yield* Kind.check("retry", retry, kinds, "retry.")
  const { delay, maxDelay, times } = retry
  if (times !== undefined && !(times >= 0)) {
    return yield* illegal(`retry.times must be a number, zero or more, got ${times}`)
  }
  if (delay !== undefined) yield* durationOrZero("retry.delay", delay)
  if (maxDelay !== undefined) yield* durationOrZero("retry.maxDelay", maxDelay)
})

/** The default of the longest `retry-after` that is waited for. */
export const longestRest = Duration.minutes(10)

/** The rest after so many failures; `undefined` to give up. `random` is from 0 to 1. */
export const retrying = (
  retry: Retry
): (reason: BackendErrorReason, failures: number, random: number) => Duration.Duration | undefined => {
  const times = retry.times ?? 3
  const delayMillis = Duration.toMillis(Duration.fromInputUnsafe(retry.delay ?? 500))
  const maxDelayMillis = Duration.toMillis(Duration.fromInputUnsafe(retry.maxDelay ?? longestRest))
  const isRepeated = retry.while ?? wasNotWorkedOn
  return (reason, failures, random) => {
    if (!(failures <= times) || !isRepeated(reason)) return undefined
    const asked = requestedDelayOf(reason)
    if (asked !== undefined) {
      const askedMillis = Duration.toMillis(asked)
      // A little later, with jitter: calls with the same delay would come at the same moment.
      return askedMillis > maxDelayMillis ? undefined : Duration.millis(Math.ceil(askedMillis * (1 + random / 10)))
    }
    const whole = Math.min(maxDelayMillis, delayMillis * 2 ** (failures - 1))
    return Duration.millis(Math.ceil(whole * (0.5 + random / 2)))
  }
}

/** Those from 520 on are Cloudflare's, for an origin that does not answer; 529 is Anthropic's. */
const repeated = new Set([408, 409, 429, 498, 500, 502, 503, 504, 520, 521, 522, 523, 524, 527, 529, 530])

const wasNotWorkedOn = (reason: BackendErrorReason): boolean => {
  switch (reason._tag) {
    case "RateLimitError":
      return true
    case "InternalProviderError": {
      const status = reason.http?.response?.status
      // A 2xx response that states an error has not begun an answer.
      return status === undefined || status < 300 || repeated.has(status)
    }
    case "NetworkError":
      return reason.isRetryable
    default:
      return false
  }
}
