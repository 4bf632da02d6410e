/** The time that a provider asks to wait before the next request. */
import * as AiError from "effect/ai/AiError"
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"

/**
 * Adds the delay that the provider asks for to a reason that has no field for it: it stands in the reason's `metadata`, and so
 * is kept when the error is encoded.
 */
export const withRequestedDelay = <Reason extends { readonly _tag: string }>(
  reason: Reason,
  retryAfter: Duration.Duration | undefined
): Reason | AiError.InternalProviderError =>
  reason instanceof AiError.InternalProviderError && retryAfter !== undefined
    ? new AiError.InternalProviderError({
      ...reason,
      metadata: { ...reason.metadata, imodel: { retryAfterMillis: Duration.toMillis(retryAfter) } }
    })
    : reason

/** The delay that the provider asks for, or `undefined`. */
export const requestedDelayOf = (
  reason: { readonly _tag: string; readonly retryAfter?: Duration.Duration | undefined }
): Duration.Duration | undefined => {
  if (reason.retryAfter !== undefined) return reason.retryAfter
  const own = reason instanceof AiError.InternalProviderError ? reason.metadata["imodel"] : undefined
  return Predicate.hasProperty(own, "retryAfterMillis") && typeof own.retryAfterMillis === "number"
    ? Duration.millis(own.retryAfterMillis)
    : undefined
}
