/**
 * Why a run failed. A failure of the API is a result like any other, but for its `is_error`; what goes wrong before is said on
 * standard error.
 *
 * Source: https://docs.claude.com/en/api/errors, and version 2.1.330 of the program.
 */
import * as AiError from "effect/ai/AiError"
import { type BackendErrorReason, ContextLengthExceeded, type ProcessFailure, Unsupported } from "../../Errors.ts"
import * as Anthropic from "../anthropic/reason.ts"
import type { Scrub } from "../util/scrub.ts"
import { describedBy } from "../errors/reasonMessage.ts"
import type { Result } from "./events.ts"
import { provider } from "./prompt.ts"

/** Whether the run stopped at a limit of its own. That is no failure: what was done until then is an answer. */
export const isUnfinished = ({ subtype }: Result): boolean => subtype.startsWith("error_max_")

/** Longer messages are cut: they are searched, shown and stored. */
const maxMessageLength = 2_000

/** @param error the code in the message of a failure */
export const reasonOf = (result: Result, error: string | undefined, scrub: Scrub): BackendErrorReason => {
  const message = scrub(result.result ?? result.errors?.join("\n") ?? "").slice(0, maxMessageLength)
  const description = message === "" ? `Claude Code failed: ${result.subtype}` : message
  const { api_error: apiError, api_error_status: status, api_error_type: type } = result
  if (result.terminal_reason === "prompt_too_long") return new ContextLengthExceeded({ description })
  if (unknownSession.test(message)) return new AiError.InvalidRequestError({ parameter: "resume", description })
  if (spent.test(message)) return new AiError.QuotaExhaustedError({ metadata: describedBy(description) })
  if (status != null || type != null) {
    return Anthropic.reasonOf({
      status: status ?? 200,
      at: status == null ? "as Claude Code tells" : `HTTP ${status}, as Claude Code tells`,
      body: type == null ? undefined : { type: "error", error: { type, message } },
      excerpt: message,
      retryAfter: undefined,
      http: { ...(status != null && { response: { status, headers: {} } }), body: message }
    })
  }
  switch (error) {
    case "authentication_failed":
      return notLoggedIn(description)
    case "billing_error":
      return new AiError.QuotaExhaustedError({ metadata: describedBy(description) })
    case "rate_limit":
      return new AiError.RateLimitError({ metadata: describedBy(description) })
    case "invalid_request":
      return new AiError.InvalidRequestError({ description })
    case "server_error":
      return apiError === "connection_failed"
        ? new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "/v1/messages", description })
        : new AiError.InternalProviderError({ description })
    default:
      return new AiError.UnknownError({ description })
  }
}

// A limit of a subscription lasts for hours or days, unlike that of requests a minute.
const spent =
  /hit your ([\w-]{1,20} ){0,2}limit|usage limit reached|out of (extra usage|usage credits)|credit balance is too low/i

const unknownSession = /^(No conversation found|Error: --resume)/

const notLoggedIn = (said: string) =>
  new AiError.AuthenticationError({
    kind: "MissingKey",
    description: `${said}. Run \`claude\` and log in, or give an apiKey`
  })

/** What a program that ended without a result had to say. */
export const reasonOfExit = (failure: ProcessFailure): BackendErrorReason => {
  const { stderr } = failure
  const unknown = /unknown option '(--[\w-]+)/.exec(stderr)?.[1]
  if (unknown !== undefined) {
    const feature =
      `the option ${unknown}: this version of Claude Code does not know it. Update it with \`claude update\``
    return new Unsupported({ provider, feature })
  }
  if (/^error: option .* is invalid/.test(stderr)) return new AiError.InvalidRequestError({ description: stderr })
  if (unknownSession.test(stderr)) {
    return new AiError.InvalidRequestError({ parameter: "resume", description: stderr })
  }
  return /not logged in|invalid api key|please run \/login/i.test(stderr)
    ? notLoggedIn(stderr)
    : failure
}
