/**
 * Why a provider refused a call. The meaning of an error does not depend on the wire: gateways pass on the codes and the words
 * of other providers. So all wires share the codes and patterns below.
 *
 * Sources: https://platform.openai.com/docs/guides/error-codes, https://platform.claude.com/docs/en/api/errors,
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto, and public reports.
 */
import * as AiError from "effect/ai/AiError"
import type { BackendErrorReason } from "../../Errors.ts"
import { contextLengthExceeded, isContextLengthError } from "./contextLength.ts"
import { describeErrorBody, type ErrorDescription } from "./errorBody.ts"
import type { FailedAnswer } from "../http/failure.ts"
import { describedBy } from "./reasonMessage.ts"

type Meaning =
  | "authentication"
  | "permission"
  | "quota"
  | "rateLimit"
  | "contextLength"
  | "contentPolicy"
  | "internal"
  | "invalid"
  | "unknown"

// -----------------------------------------------------------------------------
// Codes
// -----------------------------------------------------------------------------

/** Codes that mean the same whatever the status is. */
const decisive = new Map<string, Meaning>([
  ...meaning(
    "quota",
    "402",
    "arrearage", // DashScope
    "billing_error",
    "billing_hard_limit_reached",
    "contract_spend_limit_reached", // Anthropic, until the next month
    "enforced_spend_limit_reached",
    "exceeded_current_quota_error", // Moonshot
    "insufficient_balance",
    "insufficient_credits",
    "insufficient_quota",
    "payment_required",
    "quota_exceeded_per_day"
  ),
  ...meaning("rateLimit", "429", "rate_limit_error", "rate_limit_exceeded", "resource_exhausted", "too_many_requests"),
  ...meaning(
    "contentPolicy",
    "bio_policy",
    "content_filter",
    "content_filter_error",
    "content_policy_violation",
    "data_inspection_failed", // DashScope
    "image_content_policy_violation",
    "invalid_prompt"
  ),
  ...meaning(
    "authentication",
    "api_key_invalid",
    "authentication_error",
    "invalid_api_key",
    "invalid_authentication_error",
    "unauthenticated"
  ),
  ...meaning("permission", "permission_denied", "permission_error"),
  ...meaning("internal", "overloaded", "overloaded_error", "unavailable")
])

/** Codes that are less precise than a status. They count where there is none: for an error within a 200. */
const vague = new Map<string, Meaning>([
  ...meaning("internal", "aborted", "already_exists", "api_error", "cancelled", "conflict_error", "deadline_exceeded"),
  ...meaning("internal", "internal", "internal_error", "internal_server_error", "server_error", "timeout_error"),
  ...meaning("invalid", "badrequesterror", "data_residency_mismatch", "empty_image_file", "failed_precondition"),
  ...meaning("invalid", "failed_to_download_image", "model_not_found", "not_found", "not_found_error"),
  ...meaning("invalid", "out_of_range", "request_too_large")
])

const vaguePrefix = /^(invalid|image|unsupported)_/

function meaning(of: Meaning, ...codes: ReadonlyArray<string>): ReadonlyArray<readonly [string, Meaning]> {
  return codes.map((code) => [code, of])
}

// -----------------------------------------------------------------------------
// Words
// -----------------------------------------------------------------------------

/** No pattern repeats without a bound: the text is foreign. */
const spent = new RegExp(
  [
    "insufficient.{0,12}(balance|credit|fund|quota)",
    "(balance|credits?).{0,12}(too low|insufficient|not enough|exhausted|depleted)",
    "(requires more|not enough|used all available|out of|no more) credits",
    "spending (limit|cap)",
    "reached your specified (workspace )?api usage limits",
    "billing hard limit|payment required|key limit exceeded|余额不足"
  ].join("|"),
  "i"
)

/** A limit that lasts for the day. It is waited for only where its end is known. */
const daily = /per[- ]day|daily/i

const rateLimited =
  /rate.?limit|too many requests|throttl|(tokens|requests) per (second|minute|hour|day)|\b[tr]p[md]\b/i

const blocked = new RegExp(
  [
    "content (management|filter(ing)?) policy",
    "input was flagged", // OpenRouter
    "content exists risk", // DeepSeek
    "data may contain inappropriate content" // DashScope
  ].join("|"),
  "i"
)

/** Said where the API, or its free use, is not available. */
const unavailable = /\b(location|country|billing)\b/i

// -----------------------------------------------------------------------------
// Meanings
// -----------------------------------------------------------------------------

const decided = (codes: ReadonlyArray<string>): ReadonlySet<Meaning> =>
  new Set(codes.flatMap((code) => decisive.get(code) ?? []))

const meaningOf = (status: number, error: ErrorDescription, isResetKnown: boolean): Meaning => {
  const { codes, message } = error
  const meanings = decided(codes)
  if (meanings.has("quota") || status === 402) return "quota"
  // Everything but a failure of the server can be put into these words.
  const isRefusal = status < 500 && status !== 401
  if (isRefusal && spent.test(message)) return "quota"
  const isLimited = status === 429 || meanings.has("rateLimit") ||
    ((status === 0 || status === 400 || status === 403 || status === 413) && rateLimited.test(message))
  if (isLimited) return daily.test(message) && !isResetKnown ? "quota" : "rateLimit"
  // Some local servers answer with a 500.
  if ((isRefusal || status === 500) && isContextLengthError(error)) return "contextLength"
  if (meanings.has("contentPolicy") || (isRefusal && blocked.test(message))) return "contentPolicy"
  if (meanings.has("authentication") || status === 401) return "authentication"
  if (codes.includes("failed_precondition") && unavailable.test(message)) return "permission"
  if (meanings.has("permission") || status === 403) return "permission"
  if (meanings.has("internal") || status === 408 || status === 409 || status === 498 || status === 499) {
    return "internal"
  }
  if (status >= 500) return "internal"
  if (status >= 400) return "invalid"
  if (status >= 300) return "unknown"
  // An error within a 200 without a code is a failure of the server.
  return codes.map((code) => vague.get(code) ?? (vaguePrefix.test(code) ? "invalid" : undefined)).find((known) =>
    known !== undefined
  ) ?? "internal"
}

/** What is particular to the errors of one wire. */
export interface Dialect {
  /** Codes that are in fields of its own. */
  readonly codesOf?: (body: unknown) => ReadonlyArray<string>
  /** The argument at fault. */
  readonly parameterOf?: (message: string, body: unknown) => string | undefined
}

/** Makes what reads the failed answers of a wire. */
export const reasonReader = ({ codesOf, parameterOf }: Dialect) => (answer: FailedAnswer): BackendErrorReason => {
  const described = describeErrorBody(answer.body)
  const message = described.message === "" ? answer.excerpt : described.message
  const error = { ...described, message, codes: [...described.codes, ...codesOf?.(answer.body) ?? []] }
  const { http, retryAfter } = answer
  const status = answer.status >= 300 ? answer.status : error.status ?? 0
  const description = message === "" ? answer.at : `${message} (${answer.at})`
  switch (meaningOf(status, error, retryAfter !== undefined)) {
    case "quota":
      return new AiError.QuotaExhaustedError({ http, metadata: describedBy(description) })
    case "rateLimit":
      return new AiError.RateLimitError({
        http,
        metadata: describedBy(description),
        ...(retryAfter && { retryAfter })
      })
    case "contextLength":
      return contextLengthExceeded(description, error)
    case "contentPolicy":
      return new AiError.ContentPolicyError({ description, http })
    case "authentication": {
      const kind = /\bexpired\b/i.test(message) ? "ExpiredKey" as const : "InvalidKey" as const
      return new AiError.AuthenticationError({ kind, description, http })
    }
    case "permission":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, http })
    case "internal":
      return new AiError.InternalProviderError({ description, http })
    case "invalid": {
      const parameter = error.parameter ?? parameterOf?.(message, answer.body) ??
        (error.codes.includes("model_not_found") ? "model" : undefined)
      return new AiError.InvalidRequestError({ description, http, ...(parameter !== undefined && { parameter }) })
    }
    case "unknown":
      return new AiError.UnknownError({ description, http })
  }
}
