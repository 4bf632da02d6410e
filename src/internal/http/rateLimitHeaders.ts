/**
 * The rate limits that a response reports: how long to wait, and what is left.
 *
 * Nonsense is `undefined`: providers do send `-1` for what they do not know
 * (Azure, https://learn.microsoft.com/en-us/answers/questions/5625878).
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** The window that an allowance is for (a second, a minute, a day) is not in the headers. */
export interface Allowance {
  readonly limit: number | undefined
  readonly remaining: number | undefined
  /** Until the allowance is whole again. */
  readonly resetAfter: Duration.Duration | undefined
}

/** An allowance is `undefined` when no header of its kind is there. */
export interface RateLimits {
  readonly retryAfter: Duration.Duration | undefined
  readonly requests: Allowance | undefined
  readonly tokens: Allowance | undefined
  readonly inputTokens: Allowance | undefined
  readonly outputTokens: Allowance | undefined
}

/** The rate limits that a response reports, and whether the provider refused the request by them. */
export interface RateLimitReport {
  readonly limits: RateLimits
  readonly refused: boolean
}

/** The names are in lower case, as Effect and `fetch` give them. */
type Headers = Readonly<Record<string, string | undefined>>

export const rateLimitsOf = (headers: Headers, nowMillis: number): RateLimits => ({
  retryAfter: retryAfterOf(headers, nowMillis),
  requests: tightestOf(requestFields, headers, nowMillis),
  tokens: tightestOf(tokenFields, headers, nowMillis),
  inputTokens: tightestOf(inputTokenFields, headers, nowMillis),
  outputTokens: tightestOf(outputTokenFields, headers, nowMillis)
})

/**
 * - `retry-after-ms`: milliseconds (OpenAI, https://github.com/openai/openai-node, `retryRequest`)
 * - `retry-after`: seconds or an HTTP date (https://www.rfc-editor.org/rfc/rfc9110#name-retry-after)
 */
const retryAfterOf = (headers: Headers, nowMillis: number): Duration.Duration | undefined => {
  const seconds = headers["retry-after"] ?? ""
  return durationOf(numberOf(headers["retry-after-ms"] ?? ""))
    ?? durationOf(numberOf(seconds) * 1000)
    ?? untilOf(httpDateOf(seconds), nowMillis)
}

/**
 * The delay that the body of an error states:
 *
 * - Gemini in its details, in an array when the answer was to be a stream
 *   (https://github.com/googleapis/python-genai/issues/1875, https://github.com/google-gemini/gemini-cli/issues/6454)
 * - OpenRouter in `metadata`, with the headers of its own limits and of the provider behind it
 *   (https://github.com/Gitlawb/openclaude/issues/936)
 * - OpenAI, Groq and Azure in the message: "Please try again in 7m12.5s"
 */
export const retryDelayOf = (body: unknown, nowMillis: number): Duration.Duration | undefined => {
  for (const item of Array.isArray(body) ? body : [body]) {
    if (!isFailure(item)) continue
    const { details = [], message = "", metadata } = item.error
    for (const detail of details) {
      const delay = isRetryInfo(detail) ? durationOf(goDurationOf(detail.retryDelay)) : undefined
      if (delay !== undefined) return delay
    }
    const delay = (metadata && delayOfMetadata(metadata, nowMillis)) ?? delayOfMessage(message)
    if (delay !== undefined) return delay
  }
  return undefined
}

const Metadata = Schema.Struct({
  headers: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  retry_after_seconds: Schema.optional(Schema.Finite)
})

const isFailure = Schema.is(Schema.Struct({
  error: Schema.Struct({
    message: Schema.optional(Schema.String),
    details: Schema.optional(Schema.Array(Schema.Unknown)),
    metadata: Schema.optional(Metadata)
  })
}))

const delayOfMetadata = (
  { headers = {}, retry_after_seconds = Number.NaN }: typeof Metadata.Type,
  nowMillis: number
): Duration.Duration | undefined => {
  const limits = rateLimitsOf(
    Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), String(value)])),
    nowMillis
  )
  const exhausted = limits.requests?.remaining === 0 ? limits.requests.resetAfter : undefined
  return limits.retryAfter ?? durationOf(retry_after_seconds * 1000) ?? exhausted
}

const delayOfMessage = (message: string): Duration.Duration | undefined => {
  const [, text = "", unit = ""] =
    /(?:try again|retry) (?:in|after) ([\d.dhms]{1,24})(?: (second))?/i.exec(message.slice(0, 2_000)) ?? []
  return durationOf(goDurationOf(unit === "" ? text.replace(/\.$/, "") : `${text}s`))
}

/** https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto */
const isRetryInfo = Schema.is(
  Schema.Struct({ "@type": Schema.Literal("type.googleapis.com/google.rpc.RetryInfo"), retryDelay: Schema.String })
)

/** The names of the headers of one allowance. */
type Fields = Readonly<Record<"limit" | "remaining" | "reset", string>>

const fields = (nameOf: (field: keyof Fields) => string): Fields => ({
  limit: nameOf("limit"),
  remaining: nameOf("remaining"),
  reset: nameOf("reset")
})

const prefixed = (prefix: string): Fields => fields((field) => `${prefix}-${field}`)

const ofOpenAi = (kind: string): Fields => fields((field) => `x-ratelimit-${field}-${kind}`)

const requestFields: ReadonlyArray<Fields> = [
  ofOpenAi("requests"), // https://developers.openai.com/api/docs/guides/rate-limits, Groq, Azure and most others
  prefixed("anthropic-ratelimit-requests"), // https://platform.claude.com/docs/en/api/rate-limits
  ofOpenAi("requests-day"), // Cerebras: https://inference-docs.cerebras.ai/support/rate-limits
  ofOpenAi("req-minute"), // Mistral: https://github.com/mistralai/client-ts/issues/169
  prefixed("x-ratelimit") // Together: https://support.together.ai/en/articles/8988956-rate-limits, OpenRouter
]

const tokenFields: ReadonlyArray<Fields> = [
  ofOpenAi("tokens"),
  ofOpenAi("project-tokens"), // OpenAI, the same page
  prefixed("anthropic-ratelimit-tokens"),
  ofOpenAi("tokens-minute"), // Cerebras and Mistral, the same pages
  prefixed("ratelimitbysize") // Mistral, older: https://github.com/prism-php/prism, its provider for Mistral
]

// Those of Fireworks are per second: https://docs.fireworks.ai/serverless/rate-limits
const inputTokenFields = [prefixed("anthropic-ratelimit-input-tokens"), ofOpenAi("tokens-prompt")]
const outputTokenFields = [prefixed("anthropic-ratelimit-output-tokens"), ofOpenAi("tokens-generated")]

/** Of several allowances of a kind, the one that is exhausted first. */
const tightestOf = (all: ReadonlyArray<Fields>, headers: Headers, nowMillis: number): Allowance | undefined => {
  let tightest: Allowance | undefined
  for (const names of all) {
    const allowance = allowanceOf(names, headers, nowMillis)
    if (allowance !== undefined && (tightest === undefined || isTighter(allowance, tightest))) tightest = allowance
  }
  return tightest
}

const isTighter = (a: Allowance, b: Allowance): boolean => {
  const [left, right] = [a.remaining ?? Number.POSITIVE_INFINITY, b.remaining ?? Number.POSITIVE_INFINITY]
  return left === right ? resetMillis(a) > resetMillis(b) : left < right
}

const resetMillis = ({ resetAfter }: Allowance): number => resetAfter === undefined ? -1 : Duration.toMillis(resetAfter)

const allowanceOf = (names: Fields, headers: Headers, nowMillis: number): Allowance | undefined => {
  const [limit, remaining, reset] = [headers[names.limit], headers[names.remaining], headers[names.reset]]
  if (limit === undefined && remaining === undefined && reset === undefined) return undefined
  const total = countOf(limit ?? "")
  // Under a limit below one nothing could ever be admitted, so neither it nor what is left of it is believed.
  const isBelievable = total === undefined || total >= 1
  return {
    limit: isBelievable ? total : undefined,
    remaining: isBelievable ? countOf(remaining ?? "") : undefined,
    resetAfter: resetAfterOf(reset ?? "", nowMillis)
  }
}

const countOf = (text: string): number | undefined => {
  const count = numberOf(text)
  return count <= Number.MAX_SAFE_INTEGER ? count : undefined
}

/**
 * - `6m0s`, `120ms`: OpenAI, Groq
 * - seconds: Azure, Cerebras (`11.382867097854614`), Mistral
 * - Unix time: OpenRouter, in milliseconds or seconds (https://github.com/everruns/everruns/pull/2280)
 * - RFC 3339: Anthropic
 */
const resetAfterOf = (text: string, nowMillis: number): Duration.Duration | undefined => {
  const number = numberOf(text)
  return number >= 1e12 // 2001 in milliseconds, or the year 33658 in seconds
    ? untilOf(number, nowMillis)
    : number >= 1e9 // 2001 in seconds, or 31 years
    ? untilOf(number * 1000, nowMillis)
    : durationOf(number * 1000) ?? durationOf(goDurationOf(text)) ?? untilOf(rfc3339Of(text), nowMillis)
}

const longestMillis = 366 * 86_400_000

const durationOf = (millis: number): Duration.Duration | undefined =>
  millis <= longestMillis ? Duration.millis(millis) : undefined

const untilOf = (atMillis: number, nowMillis: number): Duration.Duration | undefined =>
  durationOf(Math.max(0, atMillis - nowMillis))

// What follows is NaN for what it does not understand. The forms are checked first, since `Number` takes blanks and
// hexadecimal digits for numbers, and `Date.parse` takes nearly anything with a digit in it for a date.

const numberOf = (text: string): number => /^\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN

const unitMillis: Readonly<Record<string, number>> = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 }

/**
 * As Go writes durations, and days (https://pkg.go.dev/time#Duration.String). What is smaller than a millisecond has
 * `ns` or `µs`, which `fetch` reads as Latin-1; it counts as the millisecond's fraction that it is.
 */
const goDurationOf = (text: string): number => {
  if (!/^(\d+(\.\d+)?(d|h|ms|m|s|(u|Â?µ)s|ns))+$/.test(text)) return Number.NaN
  let millis = 0
  for (const [, value, unit = ""] of text.matchAll(/([\d.]+)([^\d.]+)/gy)) {
    millis += Number(value) * (unitMillis[unit] ?? (unit === "ns" ? 1e-6 : 1e-3))
  }
  return millis
}

const rfc3339Of = (text: string): number =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN

/** The form in use and the older one with a day of full length and a year of two digits, both always GMT. */
const httpDateOf = (text: string): number =>
  /^[A-Z][a-z]+, \d\d[ -][A-Z][a-z]{2}[ -](\d\d|\d{4}) \d\d:\d\d:\d\d GMT$/.test(text) ? Date.parse(text) : Number.NaN
