/**
 * Why OpenAI, or who speaks its protocol, refused a call.
 *
 * Source: https://platform.openai.com/docs/guides/error-codes
 */
import * as AiError from "effect/ai/AiError"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { BackendErrorReason } from "../../Errors.ts"
import { contextLengthExceeded } from "../errors/contextLength.ts"
import type { FailedAnswer } from "../http/failure.ts"
import { ErrorBody } from "./schema.ts"

export const reasonOf = (answer: FailedAnswer): BackendErrorReason => {
  const body = Option.map(decodeBody(answer.body), (body) => body.error)
  const { code, message, param, type } = Option.getOrElse(body, () => ({
    code: undefined,
    message: answer.excerpt,
    param: undefined,
    type: undefined
  }))
  const { http } = answer
  const status = answer.status >= 300 ? answer.status : statusOf(code, type)
  const description = message === "" ? answer.at : `${message} (${answer.at})`
  switch (status) {
    case 401:
      return new AiError.AuthenticationError({ kind: "InvalidKey", description, http })
    case 403:
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, http })
    case 408:
    case 409:
      return new AiError.InternalProviderError({ description, http })
    case 429:
      return code === "insufficient_quota" || type === "insufficient_quota" || code === "billing_hard_limit_reached"
        ? new AiError.QuotaExhaustedError({ http })
        : new AiError.RateLimitError({ http, ...(answer.retryAfter && { retryAfter: answer.retryAfter }) })
  }
  if (status >= 500) return new AiError.InternalProviderError({ description, http })
  if (code === "context_length_exceeded" || (status === 400 && tooLong.test(message))) {
    return contextLengthExceeded(description, message, tooLong)
  }
  if (typeof code === "string" && againstPolicy.has(code)) {
    return new AiError.ContentPolicyError({ description, http })
  }
  if (status >= 400) {
    const parameter = param ?? (code === "model_not_found" ? "model" : undefined)
    return new AiError.InvalidRequestError({ description, http, ...(parameter === undefined ? {} : { parameter }) })
  }
  return new AiError.UnknownError({ description, http })
}

// Others than OpenAI say it in the same words without the code: https://github.com/refly-ai/refly/issues/1177 (OpenRouter),
// https://github.com/THUDM/LongBench/issues/104 (vLLM).
const tooLong = /maximum context length is (\d+) tokens/

const againstPolicy = new Set([
  "bio_policy",
  "content_filter",
  "content_policy_violation",
  "image_content_policy_violation",
  "invalid_prompt"
])

/** The status that an error has, when it comes in the middle of an answer. Some put it into the code. */
const statusOf = (code: string | number | null | undefined, type: string | null | undefined): number => {
  if (Number(code) >= 400) return Number(code)
  const names = [code, type].filter((name) => typeof name === "string")
  if (names.some((name) => name === "rate_limit_exceeded" || name === "insufficient_quota")) return 429
  return names.some((name) => againstPolicy.has(name) || refusals.test(name)) ? 400 : 500
}

// https://platform.openai.com/docs/api-reference/responses/object#responses-object-error
const refusals =
  /^(invalid_.*|image_.*|unsupported_.*|empty_image_file|failed_to_download_image|data_residency_mismatch|context_length_exceeded)$/

const decodeBody = Schema.decodeUnknownOption(ErrorBody)
