/** Describes failed HTTP exchanges, without credentials. */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import { StreamInterrupted } from "../../Errors.ts"
import { rateLimitsOf, retryDelayOf } from "./rateLimitHeaders.ts"
import { isUnreachable } from "../errors/neverSent.ts"
import { isTooDeep } from "../util/depth.ts"
import type { Scrub } from "../util/scrub.ts"

/** A response that is no answer: its status is not 2xx, or its body states an error. */
export interface FailedAnswer {
  readonly status: number
  /** The status, and what it is the answer to. */
  readonly at: string
  /** Decoded from JSON; `undefined` when it is not JSON. */
  readonly body: unknown
  /** The beginning of the body as text. */
  readonly excerpt: string
  readonly retryAfter: Duration.Duration | undefined
  readonly http: typeof AiError.HttpContext.Type
}

export const parseJson: (text: string) => Option.Option<unknown> = Option.liftThrowable(JSON.parse)

const excerptLength = 500

export const excerptOf = (text: string): string =>
  text.length > excerptLength ? `${text.slice(0, excerptLength)}…` : text.trim()

export const failedAnswer = (
  response: HttpClientResponse.HttpClientResponse,
  text: string,
  scrub: Scrub
): Effect.Effect<FailedAnswer> =>
  Effect.map(Clock.currentTimeMillis, (now) => {
    const json = Option.getOrUndefined(parseJson(text))
    const body = isTooDeep(json) ? undefined : scrubDeep(scrub, json)
    const excerpt = excerptOf(body === undefined ? scrub(text.slice(0, maxTextLength)) : JSON.stringify(body))
    const delay = rateLimitsOf(response.headers, now).retryAfter ?? retryDelayOf(body, now)
    return {
      status: response.status,
      at: scrub(`HTTP ${response.status} from ${response.request.method} ${urlOf(response.request)}`),
      body,
      excerpt: text.trim() === "" ? "" : excerpt,
      // A delay of zero with a refusal does not tell when the next call is accepted.
      retryAfter: delay !== undefined && Duration.isPositive(delay) ? delay : undefined,
      http: { response: { status: response.status, headers: telling(response.headers, scrub) }, body: excerpt }
    }
  })

/** More of a text, of the items of an array and of the fields of an object is not read. */
export const maxTextLength = 10_000
const maxItems = 1_000

const scrubDeep = (scrub: Scrub, value: unknown): unknown =>
  typeof value === "string"
    ? scrub(value.slice(0, maxTextLength))
    : Array.isArray(value)
    ? value.slice(0, maxItems).map((item) => scrubDeep(scrub, item))
    : Predicate.isObject(value)
    ? Object.fromEntries(
      Object.entries(value).slice(0, maxItems).map(([key, item]) => [
        scrub(key.slice(0, maxTextLength)),
        scrubDeep(scrub, item)
      ])
    )
    : value

/** The headers that help to understand an error, without cookies and the like. */
const telling = (headers: Readonly<Record<string, string>>, scrub: Scrub): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      /^(x-)?request-id$|^retry-after|ratelimit/.test(name) ? [[scrub(name), scrub(value)]] : []
    )
  )

/** The request did not arrive, or the answer did not: what broke, and where to. */
export const networkError = (
  error: HttpClientError.HttpClientError,
  scrub: Scrub
): AiError.NetworkError | StreamInterrupted => {
  const { reason, request } = error
  const cause = causeOf(reason)
  const at = { method: request.method, url: scrub(urlOf(request)) }
  switch (reason._tag) {
    case "EncodeError":
    case "InvalidUrlError":
      return new AiError.NetworkError({ ...at, reason: reason._tag, description: cause.text })
    case "TransportError":
      return new AiError.NetworkError({
        ...at,
        reason: reason._tag,
        description: `no answer: ${cause.text}`,
        // The code alone: the whole cause holds the request, with its credentials.
        ...(cause.code !== undefined && isUnreachable(cause.code) && { cause: { code: cause.code } })
      })
    default:
      return new StreamInterrupted({ description: `${cause.text} (${at.method} ${at.url})` })
  }
}

const urlOf = (request: HttpClientRequest.HttpClientRequest): string =>
  UrlParams.redactUrl(request.url).split("?")[0] ?? ""

const codes: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "connection reset",
  ENOTFOUND: "host not found",
  ETIMEDOUT: "connection timed out",
  EPIPE: "connection closed",
  UND_ERR_SOCKET: "connection closed"
}

interface Broken {
  readonly text: string
  /** The code of the system, such as `ECONNREFUSED`. */
  readonly code?: string
}

// The code of a failed `fetch` is in the cause of its cause.
const causeOf = (error: unknown, depth = 0): Broken => {
  if (depth <= 5 && Predicate.isObject(error)) {
    if ("code" in error && typeof error.code === "string") {
      return { text: `${codes[error.code] ?? "the connection failed"} (${error.code})`, code: error.code }
    }
    if ("cause" in error) return causeOf(error.cause, depth + 1)
  }
  return { text: "the connection failed" }
}
