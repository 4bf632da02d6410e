/**
 * Why Gemini refused a call.
 *
 * Source: https://ai.google.dev/gemini-api/docs/troubleshooting, https://google.aip.dev/193, and for the details
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
 */
import * as AiError from "effect/ai/AiError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { BackendErrorReason } from "../../Errors.ts"
import { contextLengthExceeded } from "../errors/contextLength.ts"
import type { FailedAnswer } from "../http/failure.ts"
import { ErrorBody } from "./schema.ts"

export const reasonOf = (answer: FailedAnswer): BackendErrorReason => {
  const { code, details = [], message = answer.excerpt, status: name = "" } = errorOf(answer.body)
  const { http } = answer
  const description = message.trim() === "" ? answer.at : `${message.trim()} (${answer.at})`
  // An error in the middle of a stream comes with the status of the success that it was until then.
  const status = answer.status >= 400 ? answer.status : code ?? statuses[name] ?? 500
  const facts = Option.getOrElse(Option.all(details.map((detail) => decodeDetail(detail))), () => [])

  if (facts.some(({ reason }) => reason === "API_KEY_INVALID")) {
    const kind = /expired/i.test(message) ? "ExpiredKey" as const : "InvalidKey" as const
    return new AiError.AuthenticationError({ kind, description, http })
  }
  switch (status) {
    case 401:
      return new AiError.AuthenticationError({ kind: "InvalidKey", description, http })
    case 403:
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, http })
    case 408:
    case 409:
    case 499:
      return new AiError.InternalProviderError({ description, http })
    case 429:
      return isSpent(message, facts)
        ? new AiError.QuotaExhaustedError({ http })
        : new AiError.RateLimitError({ http, ...(answer.retryAfter && { retryAfter: answer.retryAfter }) })
  }
  if (status >= 500) return new AiError.InternalProviderError({ description, http })
  if (status < 400) return new AiError.UnknownError({ description, http })
  if (/token count .*exceeds the maximum/i.test(message)) {
    return contextLengthExceeded(description, message, /allowed \((\d+)\)/)
  }
  // Said where the API, or its free use, is not to be had.
  if (name === "FAILED_PRECONDITION" && /\b(location|country|billing)\b/i.test(message)) {
    return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, http })
  }
  const parameter = parameterOf(message, facts)
  return new AiError.InvalidRequestError({ description, http, ...(parameter !== undefined && { parameter }) })
}

type ErrorInfo = typeof ErrorBody.members[0]["Type"]["error"]

const errorOf = (body: unknown): ErrorInfo =>
  Option.match(decodeBody(body), {
    onNone: () => ({}),
    onSome: (body) => "error" in body ? body.error : body[0].error
  })

const decodeBody = Schema.decodeUnknownOption(ErrorBody)

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto */
const statuses: Readonly<Record<string, number>> = {
  CANCELLED: 499,
  INVALID_ARGUMENT: 400,
  FAILED_PRECONDITION: 400,
  OUT_OF_RANGE: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ABORTED: 409,
  ALREADY_EXISTS: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNKNOWN: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504
}

/** What is of use in an ErrorInfo, a QuotaFailure or a BadRequest. */
const Detail = Schema.Struct({
  reason: Schema.optional(Schema.String),
  violations: Schema.optional(Schema.Array(Schema.Struct({ quotaId: Schema.optional(Schema.String) }))),
  fieldViolations: Schema.optional(Schema.Array(Schema.Struct({ field: Schema.optional(Schema.String) })))
})

const decodeDetail = Schema.decodeUnknownOption(Detail)

/**
 * Whether waiting for a minute does not help: the quota of a day is spent, or the money is. The delay that the provider asks
 * for then is as short as for the quota of a minute (https://github.com/google-gemini/gemini-cli/issues/8437).
 */
const isSpent = (message: string, facts: ReadonlyArray<typeof Detail.Type>): boolean =>
  facts.some(({ violations = [] }) => violations.some(({ quotaId = "" }) => /PerDay/i.test(quotaId))) ||
  /credits are depleted|spending cap/i.test(message)

/** The argument at fault, in the request's own spelling: the details and the messages have that of protocol buffers. */
const parameterOf = (message: string, facts: ReadonlyArray<typeof Detail.Type>): string | undefined => {
  const [violation] = facts.flatMap(({ fieldViolations = [] }) => fieldViolations)
  const field = violation?.field || /^\* \w+\.([\w.[\]]+):/.exec(message)?.[1]
  return field?.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) ??
    (/^models\/\S+ is not found/.test(message) ? "model" : undefined)
}
