/** What a failure says of the provider, whatever it says of the call. */
import type { BackendErrorReason } from "../../Errors.ts"
import { wasNeverSent } from "./neverSent.ts"

/** Whether the provider is well: it may have answered, and refused all the same. */
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
