/**
 * Why a run failed. A failure of the API is a result like any other, but for its `is_error`; what goes wrong before is said on
 * standard error.
 *
 * Source: https://docs.claude.com/en/api/errors, and version 2.1.330 of the program.
 */
import * as AiError from "effect/ai/AiError"
import { type BackendErrorReason, ContextLengthExceeded, type ProcessFailure, Unsupported } from "../../Errors.ts"
import type { Scrub } from "../http.ts"
import type { Result } from "./events.ts"
import { provider } from "./prompt.ts"

/** Whether the run stopped at a limit of its own. That is no failure: what was done until then is an answer. */
export const isUnfinished = ({ subtype }: Result): boolean => subtype.startsWith("error_max_")

/** `error` is the code that the message of a failure has. */
export const reasonOf = (
  result: Result,
  error: string | undefined,
  scrub: Scrub
): BackendErrorReason => {
  const message = scrub(result.result ?? result.errors?.join("\n") ?? "")
  const status = result.api_error_status ?? undefined
  const description = message === "" ? `Claude Code failed (${result.subtype})` : message
  const http = status === undefined ? {} : { http: { response: { status, headers: {} }, body: message } }
  if (result.terminal_reason === "prompt_too_long" || /prompt is too long/i.test(message)) {
    return new ContextLengthExceeded({ description })
  }
  if (/^(No conversation found|Error: --resume|No deferred tool marker)/.test(message)) {
    return new AiError.InvalidRequestError({ parameter: "resume", description })
  }
  switch (result.api_error_type ?? typeOf(status) ?? error) {
    case "authentication_error":
      return new AiError.AuthenticationError({ kind: "InvalidKey", description, ...http })
    case "authentication_failed":
      return new AiError.AuthenticationError({ kind: "MissingKey", description: `${description}. ${login}` })
    case "permission_error":
      return new AiError.AuthenticationError({ kind: "InsufficientPermissions", description, ...http })
    case "billing_error":
      return new AiError.QuotaExhaustedError(http)
    case "rate_limit_error":
    case "rate_limit":
      // A limit of a subscription lasts for hours or days.
      return /usage limit|hit your .*limit|limit reached/i.test(message)
        ? new AiError.QuotaExhaustedError(http)
        : new AiError.RateLimitError(http)
    case "not_found_error":
      return new AiError.InvalidRequestError({ parameter: "model", description, ...http })
    case "invalid_request_error":
    case "invalid_request":
    case "request_too_large":
      return /credit balance is too low/i.test(message)
        ? new AiError.QuotaExhaustedError(http)
        : new AiError.InvalidRequestError({ description, ...http })
    case "api_error":
    case "overloaded_error":
    case "timeout_error":
      return new AiError.InternalProviderError({ description, ...http })
    case "server_error":
      return result.api_error === "connection_failed"
        ? new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "/v1/messages", description })
        : new AiError.InternalProviderError({ description })
    default:
      return new AiError.UnknownError({ description })
  }
}

const login = "Run `claude /login`, or give an apiKey"

const typeOf = (status: number | undefined): string | undefined => {
  switch (status) {
    case undefined:
      return undefined
    case 401:
      return "authentication_error"
    case 402:
      return "billing_error"
    case 403:
      return "permission_error"
    case 404:
      return "not_found_error"
    case 429:
      return "rate_limit_error"
    default:
      return status >= 500 ? "api_error" : "invalid_request_error"
  }
}

/** What a program that ended without a result had to say. */
export const reasonOfExit = (failure: ProcessFailure): BackendErrorReason => {
  const { stderr } = failure
  const unknown = /unknown option '(--[\w-]+)/.exec(stderr)?.[1]
  if (unknown !== undefined) {
    const feature =
      `the option ${unknown}: this version of Claude Code does not know it. Update it with \`claude update\``
    return new Unsupported({ provider, feature })
  }
  const invalid = /option '(--[\w-]+)[^']*' argument .* is invalid/.exec(stderr)?.[1]
  if (invalid !== undefined) return new AiError.InvalidRequestError({ description: stderr })
  if (/^(No conversation found|Error: --resume)/.test(stderr)) {
    return new AiError.InvalidRequestError({ parameter: "resume", description: stderr })
  }
  return /not logged in|invalid api key|please run \/login/i.test(stderr)
    ? new AiError.AuthenticationError({ kind: "MissingKey", description: `${stderr}. ${login}` })
    : failure
}
