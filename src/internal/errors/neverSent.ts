/** Failures of requests that never left the process. They cost nothing, and tell nothing about the provider. */
import * as AiError from "effect/ai/AiError"
import * as Predicate from "effect/Predicate"
import type { BackendErrorReason } from "../../Errors.ts"

const metadata = { imodel: { neverSent: true } } as const

/** A request that cannot be sent because of an argument. */
export const unsendable = (parameter: string, description: string): AiError.InvalidRequestError =>
  new AiError.InvalidRequestError({ parameter, description, metadata })

/**
 * Marks the failure of a request that was never sent. The mark is part of the metadata of the reason, and so is kept when the
 * error is encoded.
 */
export const neverSent = (reason: BackendErrorReason): BackendErrorReason =>
  reason instanceof AiError.InvalidRequestError
    ? new AiError.InvalidRequestError({ ...reason, metadata: { ...reason.metadata, ...metadata } })
    : reason

/** Codes of connections that were never established. */
const unreachable: ReadonlySet<unknown> = new Set(["ECONNREFUSED", "ENOTFOUND"])

export const isUnreachable = (code: string): boolean => unreachable.has(code)

/** Whether the request was never sent. */
export const wasNeverSent = (reason: BackendErrorReason): boolean => {
  switch (reason._tag) {
    case "CircuitOpen":
    case "Unsupported":
      return true
    case "InvalidRequestError":
      return Predicate.hasProperty(reason.metadata["imodel"], "neverSent")
    case "NetworkError":
      return reason.reason !== "TransportError" ||
        (Predicate.hasProperty(reason.cause, "code") && unreachable.has(reason.cause.code))
    // A program that was not started has neither.
    case "ProcessFailure":
      return reason.exitCode === undefined && reason.signal === undefined
    default:
      return false
  }
}
