/** What an HTTP exchange tells when it fails, without credentials. */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientRequest from "effect/http/HttpClientRequest"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as UrlParams from "effect/http/UrlParams"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as RegExp from "effect/RegExp"
import { StreamInterrupted } from "../../Errors.ts"
import { rateLimitsOf, retryDelayOf } from "./rateLimitHeaders.ts"
import { neverSent } from "../errors/neverSent.ts"

/** An answer that is none: its status is not of the 200s, or its body tells of an error. */
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
    const body = scrubDeep(scrub, Option.getOrUndefined(parseJson(text)))
    // JSON can escape a secret past recognition, so what is JSON is shown as it was decoded.
    const excerpt = excerptOf(body === undefined ? scrub(text) : JSON.stringify(body))
    const told = rateLimitsOf(response.headers, now).retryAfter ?? retryDelayOf(body, now)
    return {
      status: response.status,
      at: `HTTP ${response.status} from ${response.request.method} ${urlOf(response.request)}`,
      body,
      excerpt: text.trim() === "" ? "" : excerpt,
      // Who refuses a call and asks for no time at all has not said when the next one is welcome.
      retryAfter: told !== undefined && Duration.isPositive(told) ? told : undefined,
      http: { response: { status: response.status, headers: telling(response.headers) }, body: excerpt }
    }
  })

/** Takes a secret out of a text. */
export type Scrub = (text: string) => string

/**
 * Providers quote the key that they were given in their messages, and programs wrap it over lines. Only what is long enough to be
 * a secret is looked for: a placeholder of a few letters would be found in every word.
 */
export const scrubbing = (secret: string | undefined): Scrub => {
  if (secret === undefined || secret.length < 8) return identity
  const wrapped = new globalThis.RegExp(Array.from(secret.replace(/\s/g, ""), RegExp.escape).join("\\s*"), "gu")
  return (text) => text.replaceAll(secret, "<redacted>").replace(wrapped, "<redacted>")
}

const scrubDeep = (scrub: Scrub, value: unknown): unknown =>
  typeof value === "string"
    ? scrub(value)
    : Array.isArray(value)
    ? value.map((item) => scrubDeep(scrub, item))
    : Predicate.isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([key, item]) => [scrub(key), scrubDeep(scrub, item)]))
    : value

/** The headers that help who reads an error; cookies and the like stay out. */
const telling = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => /^(x-)?request-id$|^retry-after|ratelimit/.test(name))
  )

/** The request did not arrive, or the answer did not: what broke, and where to. */
export const networkError = (error: HttpClientError.HttpClientError): AiError.NetworkError | StreamInterrupted => {
  const { reason, request } = error
  const cause = causeOf(reason)
  const at = { method: request.method, url: urlOf(request) }
  switch (reason._tag) {
    case "EncodeError":
    case "InvalidUrlError":
      return neverSent(new AiError.NetworkError({ ...at, reason: reason._tag, description: cause.text }))
    case "TransportError": {
      const unanswered = new AiError.NetworkError({
        ...at,
        reason: reason._tag,
        description: `no answer: ${cause.text}`
      })
      return cause.refused ? neverSent(unanswered) : unanswered
    }
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
  /** There was no connection to send anything over. */
  readonly refused: boolean
}

// A `fetch` that fails says why only in the cause of its cause.
const causeOf = (error: unknown, depth = 0): Broken => {
  if (depth <= 5 && Predicate.isObject(error)) {
    if ("code" in error && typeof error.code === "string") {
      const text = `${codes[error.code] ?? "the connection failed"} (${error.code})`
      return { text, refused: error.code === "ECONNREFUSED" || error.code === "ENOTFOUND" }
    }
    if ("cause" in error) return causeOf(error.cause, depth + 1)
  }
  return { text: "the connection failed", refused: false }
}
