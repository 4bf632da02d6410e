/**
 * Why Anthropic refused a call. The type of an error counts more than the status, since an error in the middle of a stream
 * comes with the status 200.
 *
 * Source: https://platform.claude.com/docs/en/api/errors
 */
import * as AiError from "effect/ai/AiError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { BackendErrorReason } from "../../Errors.ts"
import { contextLengthExceeded } from "../errors/contextLength.ts"
import type { FailedAnswer } from "../http/failure.ts"
import { ErrorBody } from "./schema.ts"

export const reasonOf = (answer: FailedAnswer): BackendErrorReason => {
  const error = Option.getOrUndefined(decodeBody(answer.body))?.error
  const message = error?.message ?? answer.excerpt
  const { http, retryAfter } = answer
  const description = message === "" ? answer.at : `${message} (${answer.at})`
  switch (error?.type ?? typeOfStatus(answer.status)) {
    case "authentication_error":
      return new AiError.AuthenticationError({ kind: "InvalidKey", description, http })
    case "permission_error":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, http })
    case "billing_error":
      return new AiError.QuotaExhaustedError({ http })
    case "rate_limit_error":
      return spendLimits.has(error?.details?.error_code ?? "")
        ? new AiError.QuotaExhaustedError({ http })
        : new AiError.RateLimitError({ http, ...(retryAfter && { retryAfter }) })
    case "api_error":
    case "conflict_error":
    case "overloaded_error":
    case "timeout_error":
      return new AiError.InternalProviderError({ description, http })
    case "invalid_request_error":
    case "not_found_error":
    case "request_too_large":
      return refusal(message, description, http)
    default:
      return new AiError.UnknownError({ description, http })
  }
}

const decodeBody = Schema.decodeUnknownOption(ErrorBody)

// https://platform.claude.com/docs/en/api/rate-limits, and the codes of Anthropic's published SDK. Such an answer has no
// `retry-after`: it stays as it is until the next month, or until somebody raises the limit.
const spendLimits = new Set(["enforced_spend_limit_reached", "contract_spend_limit_reached"])

/** The type of an error whose body does not tell. */
const typeOfStatus = (status: number): string => {
  switch (status) {
    case 401:
      return "authentication_error"
    case 402:
      return "billing_error"
    case 403:
      return "permission_error"
    case 408:
      return "timeout_error"
    case 409:
      return "conflict_error"
    case 429:
      return "rate_limit_error"
    default:
      return status >= 500 ? "api_error" : status >= 400 ? "invalid_request_error" : ""
  }
}

// There are no codes for these. As people have met them: https://github.com/docker/docker-agent/issues/569,
// https://github.com/anthropics/claude-quickstarts/issues/229, https://github.com/anthropics/claude-code/issues/55789
const tooLong = /^prompt is too long|exceed context limit/
const unpaid = /credit balance is too low|reached your specified (workspace )?API usage limits/
const blocked = /blocked by content filtering policy/

const refusal = (message: string, description: string, http: FailedAnswer["http"]): BackendErrorReason => {
  if (tooLong.test(message)) return contextLengthExceeded(description, message, /> (\d+)/)
  if (unpaid.test(message)) return new AiError.QuotaExhaustedError({ http })
  if (blocked.test(message)) return new AiError.ContentPolicyError({ description, http })
  // For example `messages.0.content: Input should be a valid list`.
  const parameter = /^([a-z_]+(\.\w+)*): /.exec(message)?.[1]
  return new AiError.InvalidRequestError({ description, http, ...(parameter !== undefined && { parameter }) })
}
