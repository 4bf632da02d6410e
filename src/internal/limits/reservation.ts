/** What a calling reserves from the limits before an attempt, and what the attempt used. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { isNormalizedResponse } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import { charactersPerToken } from "../chat/estimate.ts"
import { wasNeverSent } from "../errors/neverSent.ts"

/** Requests, and tokens of input and output. */
export interface Reservation {
  readonly requests: number
  readonly input: number
  readonly output: number
}

/** What an attempt used, as far as that is known. `sink` has read its answer, if that was streamed. */
export const usedOf = (
  reserved: Reservation,
  exit: Exit.Exit<unknown, BackendErrorReason>,
  sink: { readonly characters: number } | undefined
): Reservation => {
  if (Exit.isSuccess(exit)) {
    if (!isNormalizedResponse(exit.value)) return reserved
    const { inputTokens, outputTokens } = exit.value.usage
    return {
      requests: 1,
      input: count(inputTokens.total, reserved.input),
      output: count(outputTokens.total, reserved.output)
    }
  }
  const seen = sink && Math.ceil(sink.characters / charactersPerToken)
  // Interrupted: the request was sent, and of the answer only what was seen is known. The rest is given back.
  if (Cause.hasInterruptsOnly(exit.cause)) return { requests: 1, input: reserved.input, output: seen ?? 0 }
  const reason = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return reason === undefined ? reserved : usedByFailure(reserved, reason, seen)
}

/** The reported number, unless it is no count. */
const count = (reported: number | undefined, reserved: number): number =>
  reported !== undefined && reported >= 0 && Number.isFinite(reported) ? reported : reserved

const unused: Reservation = { requests: 0, input: 0, output: 0 }

const usedByFailure = (reserved: Reservation, reason: BackendErrorReason, seen: number | undefined): Reservation => {
  if (wasNeverSent(reason)) return unused
  switch (reason._tag) {
    // Providers do not count what they refuse for a limit.
    case "RateLimitError":
    case "QuotaExhaustedError":
      return unused
    // Counted as a request; no tokens were used.
    case "AuthenticationError":
    case "ContentPolicyError":
    case "ContextLengthExceeded":
    case "InternalProviderError":
    case "InvalidRequestError":
      return { requests: 1, input: 0, output: 0 }
    case "NetworkError":
      return { requests: 1, input: reserved.input, output: 0 }
    // Usage reported in the middle of an answer may be out of date.
    case "StreamInterrupted": {
      if (seen === undefined) return reserved
      const { inputTokens, outputTokens } = reason.usage
      const input = count(inputTokens.total, reserved.input)
      return { requests: 1, input, output: Math.max(seen, count(outputTokens.total, 0)) }
    }
    // The whole answer was generated.
    case "InvalidOutputError":
      return {
        requests: 1,
        input: count(reason.usage?.promptTokens, reserved.input),
        output: count(reason.usage?.completionTokens, reserved.output)
      }
    default:
      return reserved
  }
}
