/** The health of a provider, judged by a failure. */
import type { BackendErrorReason } from "../../Errors.ts"
import { wasNeverSent } from "./neverSent.ts"

/** Whether the provider is well. One that answers with a refusal is. */
export const healthOf = (reason: BackendErrorReason): "well" | "unwell" | "unknown" => {
  switch (reason._tag) {
    case "InternalProviderError":
    case "InvalidResponseError":
    case "ProcessFailure":
    case "StreamInterrupted":
      return "unwell"
    case "NetworkError":
      return reason.reason === "TransportError" ? "unwell" : "unknown"
    // It has read the request, and answered.
    case "ContentPolicyError":
    case "ContextLengthExceeded":
    case "InvalidOutputError":
    case "InvalidRequestError":
      return wasNeverSent(reason) ? "unknown" : "well"
    // Of the account: its key, its limits.
    default:
      return "unknown"
  }
}
