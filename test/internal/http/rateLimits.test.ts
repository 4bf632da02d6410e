import { assert, describe, it } from "@effect/vitest"
import { Duration, Schema } from "effect"
import { type Allowance, rateLimitsOf, retryDelayOf } from "../../../src/internal/http/rateLimitHeaders.ts"

const now = Date.parse("2026-03-01T12:00:00Z")
const day = 86_400_000
const longest = 366 * day

const millisOf = (duration: Duration.Duration | undefined): number | undefined =>
  duration && Duration.toMillis(duration)

const retryAfter = (headers: Readonly<Record<string, string>>): number | undefined =>
  millisOf(rateLimitsOf(headers, now).retryAfter)

const reset = (text: string): number | undefined =>
  millisOf(rateLimitsOf({ "x-ratelimit-reset-requests": text }, now).requests?.resetAfter)

const numbers = (allowance: Allowance | undefined) =>
  allowance && [allowance.limit, allowance.remaining, millisOf(allowance.resetAfter)]

/** What is there, as `[limit, remaining, milliseconds until the reset]`. */
const limits = (headers: Readonly<Record<string, string>>) => {
  const { retryAfter: _, ...all } = rateLimitsOf(headers, now)
  return Object.fromEntries(
    Object.entries(all).flatMap(([kind, allowance]) => allowance ? [[kind, numbers(allowance)]] : [])
  )
}

const table = (
  parse: (text: string) => number | undefined,
  cases: ReadonlyArray<readonly [text: string, millis: number | undefined]>
) => {
  for (const [text, millis] of cases) assert.strictEqual(parse(text), millis, JSON.stringify(text))
}

const nonsense = ["", " ", "-1", "-1s", "NaN", "Infinity", "1e400", "1e300", "0x10", "soon", "1,5", "5 5", "٣", "null"]

describe("rateLimits", () => {
  it("reads how long to wait", () => {
    table((text) => retryAfter({ "retry-after-ms": text }), [["0", 0], ["1", 1], ["12.5", 12.5], ["1500", 1500]])
    table((text) => retryAfter({ "retry-after": text }), [
      ["0", 0],
      ["120", 120_000],
      ["0.25", 250],
      ["Sun, 01 Mar 2026 12:00:07 GMT", 7000],
      ["Sunday, 01-Mar-26 12:00:07 GMT", 7000],
      ["Sun, 01 Mar 2026 11:00:00 GMT", 0],
      ["Fri, 31 Dec 9999 23:59:59 GMT", undefined],
      ["Sun, 99 Mar 2026 12:00:07 GMT", undefined],
      // A Unix time is no form of this header.
      [String(now / 1000 + 5), undefined],
      ...nonsense.map((text) => [text, undefined] as const)
    ])
    assert.strictEqual(retryAfter({ "retry-after-ms": "300", "retry-after": "9" }), 300)
    for (const text of nonsense) assert.strictEqual(retryAfter({ "retry-after-ms": text, "retry-after": "9" }), 9000)
    assert.isUndefined(retryAfter({}))
  })

  it("reads resets in every form that providers send", () => {
    table(reset, [
      // OpenAI, Groq
      ["1s", 1000],
      ["6m0s", 360_000],
      ["120ms", 120],
      ["1h2m3.5s", 3_723_500],
      ["1d2h", day + 2 * 3_600_000],
      ["2m59.56s", 179_560],
      ["7.66s", 7660],
      ["0s", 0],
      ["1.5ms", 1.5],
      ["250us", 0.25],
      ["250µs", 0.25],
      ["250Âµs", 0.25],
      ["500000ns", 0.5],
      // Azure, Cerebras
      ["0", 0],
      ["64", 64_000],
      ["33011.5", 33_011_500],
      ["5e-1", 500],
      [String(longest / 1000), longest],
      [String(longest / 1000 + 1), undefined],
      // Unix time, in seconds and in milliseconds
      [String(now / 1000 + 42), 42_000],
      [String(now + 42_001), 42_001],
      [String(now / 1000 - 42), 0],
      [String(now - 42_001), 0],
      [String(now / 1000 + 400 * 86_400), undefined],
      [String(now + 400 * day), undefined],
      // RFC 3339
      ["2026-03-01T12:01:00Z", 60_000],
      ["2026-03-01T12:01:00.250Z", 60_250],
      ["2026-03-01T14:01:00+02:00", 60_000],
      ["2026-03-01T11:59:59Z", 0],
      ["0001-01-01T00:00:00Z", 0],
      ["9999-12-31T23:59:59Z", undefined],
      ["2026-13-01T12:01:00Z", undefined],
      ["2026-03-01T12:01:00", undefined],
      ["2026-03-01", undefined],
      ["6m 0s", undefined],
      ["6m0", undefined],
      ["1x", undefined],
      ["s", undefined],
      ["99999d", undefined],
      ...nonsense.map((text) => [text, undefined] as const)
    ])
  })

  it("reads the headers of OpenAI, also of its projects", () => {
    const headers = {
      "x-ratelimit-limit-requests": "60",
      "x-ratelimit-limit-tokens": "150000",
      "x-ratelimit-remaining-requests": "59",
      "x-ratelimit-remaining-tokens": "149984",
      "x-ratelimit-reset-requests": "1s",
      "x-ratelimit-reset-tokens": "6m0s"
    }
    assert.deepStrictEqual(limits(headers), { requests: [60, 59, 1000], tokens: [150_000, 149_984, 360_000] })
    const project = (remaining: string, reset = "3s") => ({
      ...headers,
      "x-ratelimit-limit-project-tokens": "90000",
      "x-ratelimit-remaining-project-tokens": remaining,
      "x-ratelimit-reset-project-tokens": reset
    })
    assert.deepStrictEqual(limits(project("57000")).tokens, [90_000, 57_000, 3000], "the one that stops first")
    assert.deepStrictEqual(limits(project("149985")).tokens, [150_000, 149_984, 360_000])
    assert.deepStrictEqual(limits(project("149984")).tokens, [150_000, 149_984, 360_000], "then the later one")
    assert.deepStrictEqual(limits(project("149984", "7m0s")).tokens, [90_000, 149_984, 420_000], "then the later one")
    assert.deepStrictEqual(limits(project("?")).tokens, [150_000, 149_984, 360_000])
  })

  it("reads the headers of Anthropic", () => {
    const allowance = (kind: string, limit: number, remaining: number, reset: string) => ({
      [`anthropic-ratelimit-${kind}-limit`]: String(limit),
      [`anthropic-ratelimit-${kind}-remaining`]: String(remaining),
      [`anthropic-ratelimit-${kind}-reset`]: reset
    })
    assert.deepStrictEqual(
      limits({
        ...allowance("input-tokens", 80_000, 79_000, "2026-03-01T12:00:01Z"),
        ...allowance("output-tokens", 16_000, 15_000, "2026-03-01T12:00:02Z"),
        ...allowance("requests", 1000, 999, "2026-03-01T11:59:59Z"),
        ...allowance("tokens", 96_000, 94_000, "2026-03-01T12:00:03Z")
      }),
      {
        requests: [1000, 999, 0],
        tokens: [96_000, 94_000, 3000],
        inputTokens: [80_000, 79_000, 1000],
        outputTokens: [16_000, 15_000, 2000]
      }
    )
  })

  it("reads the headers of Cerebras, Mistral, Together, OpenRouter and Fireworks", () => {
    assert.deepStrictEqual(
      limits({
        "x-ratelimit-limit-requests-day": "1000000000",
        "x-ratelimit-limit-tokens-minute": "1000000000",
        "x-ratelimit-remaining-requests-day": "999997455",
        "x-ratelimit-remaining-tokens-minute": "999998298",
        "x-ratelimit-reset-requests-day": "33011.375",
        "x-ratelimit-reset-tokens-minute": "11.375"
      }),
      { requests: [1_000_000_000, 999_997_455, 33_011_375], tokens: [1_000_000_000, 999_998_298, 11_375] }
    )
    assert.deepStrictEqual(
      limits({
        "x-ratelimit-limit-tokens-minute": "5000000",
        "x-ratelimit-remaining-tokens-minute": "4999911",
        "x-ratelimit-tokens-query-cost": "52",
        "x-ratelimit-limit-req-minute": "720",
        "x-ratelimit-remaining-req-minute": "717"
      }),
      { requests: [720, 717, undefined], tokens: [5_000_000, 4_999_911, undefined] }
    )
    assert.deepStrictEqual(
      limits({
        "ratelimitbysize-limit": "500000",
        "ratelimitbysize-remaining": "499900",
        "ratelimitbysize-reset": "28"
      }),
      { tokens: [500_000, 499_900, 28_000] }
    )
    const plain = (reset: string) => ({
      "x-ratelimit-limit": "20",
      "x-ratelimit-remaining": "0",
      "x-ratelimit-reset": reset
    })
    assert.deepStrictEqual(limits(plain("1")), { requests: [20, 0, 1000] })
    assert.deepStrictEqual(limits(plain(String(now + 42_000))), { requests: [20, 0, 42_000] })
    assert.deepStrictEqual(
      limits({ "x-ratelimit-limit-tokens-prompt": "60000", "x-ratelimit-limit-tokens-generated": "600" }),
      { inputTokens: [60_000, undefined, undefined], outputTokens: [600, undefined, undefined] }
    )
  })

  it("has no allowance without a header of its kind, and no numbers from nonsense", () => {
    assert.deepStrictEqual(limits({ "content-type": "application/json", "retry-after": "1" }), {})
    // Azure, when it does not know.
    assert.deepStrictEqual(
      limits({
        "x-ratelimit-limit-tokens": "-1",
        "x-ratelimit-remaining-tokens": "-1",
        "x-ratelimit-reset-tokens": "0"
      }),
      { tokens: [undefined, undefined, 0] }
    )
    for (const text of nonsense) {
      assert.deepStrictEqual(
        limits({ "x-ratelimit-limit-requests": text, "x-ratelimit-remaining-requests": text }),
        { requests: [undefined, undefined, undefined] },
        JSON.stringify(text)
      )
    }
  })

  it("ignores a limit below one, and what is left of it", () => {
    for (const text of ["1e-9", "1e-300", "0.5", "0"]) {
      assert.deepStrictEqual(
        limits({ "x-ratelimit-limit-requests": text, "x-ratelimit-remaining-requests": text }),
        { requests: [undefined, undefined, undefined] },
        text
      )
    }
  })

  it("reads Gemini's delay from the body of its error", () => {
    const body = (retryDelay: unknown, type = "type.googleapis.com/google.rpc.RetryInfo") => ({
      error: {
        code: 429,
        status: "RESOURCE_EXHAUSTED",
        details: [
          null,
          { "@type": "type.googleapis.com/google.rpc.Help", links: [] },
          { "@type": type, retryDelay }
        ]
      }
    })
    const delay = (body: unknown) => millisOf(retryDelayOf(body, 0))
    assert.strictEqual(delay(body("17s")), 17_000)
    assert.strictEqual(delay(body("16.5s")), 16_500)
    assert.strictEqual(delay(body("45.837906927s")), 45_837.906_927)
    assert.strictEqual(delay(body("0s")), 0)
    assert.strictEqual(delay([body("17s")]), 17_000)
    assert.strictEqual(delay([{}, null, body("?"), body("3s")]), 3000)
    assert.isUndefined(delay(body("17s", "type.googleapis.com/google.rpc.QuotaFailure")))
    for (const retryDelay of [...nonsense, "17", "9999999999s", 17, null, undefined, {}]) {
      assert.isUndefined(delay(body(retryDelay)), JSON.stringify(retryDelay))
    }
    for (const other of [undefined, null, 1, "17s", [], {}, { error: null }, { error: { details: "17s" } }]) {
      assert.isUndefined(delay(other), JSON.stringify(other))
    }
  })

  /** As Go does it, and with days when asked. */
  const formatted = (millis: number, days: boolean): string => {
    if (millis < 1000) return millis === 0 ? "0s" : `${millis}ms`
    const hours = Math.floor(millis / 3_600_000)
    const minutes = Math.floor(millis / 60_000) % 60
    const seconds = `${(millis % 60_000) / 1000}s`
    const daysAndHours = days && hours >= 24 ? `${Math.floor(hours / 24)}d${hours % 24}h` : `${hours}h`
    return hours > 0 ? `${daysAndHours}${minutes}m${seconds}` : minutes > 0 ? `${minutes}m${seconds}` : seconds
  }

  const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))
  const AnyMillis = Schema.Union([between(0, 2000), between(0, 7_200_000), between(0, longest)])

  it.prop(
    "any duration that is written as OpenAI writes it comes back, to the millisecond",
    [AnyMillis, Schema.Boolean],
    ([millis, days]) => {
      const text = formatted(millis, days)
      const read = reset(text) ?? Number.NaN
      assert.isAtMost(Math.abs(read - millis), 1e-5, text)
      assert.strictEqual(Math.round(read), millis, text)
    },
    { arbitrary: { runs: 2000 } }
  )

  it.prop(
    "any time that is written as Anthropic, in Unix time or as an HTTP date comes back",
    [between(-longest, longest)],
    ([away]) => {
      const at = new Date(now + away)
      const wholeSeconds = Math.floor(at.getTime() / 1000)
      assert.strictEqual(reset(at.toISOString()), Math.max(0, away))
      assert.strictEqual(reset(String(at.getTime())), Math.max(0, away))
      assert.strictEqual(reset(String(wholeSeconds)), Math.max(0, wholeSeconds * 1000 - now))
      assert.strictEqual(retryAfter({ "retry-after": at.toUTCString() }), Math.max(0, wholeSeconds * 1000 - now))
    },
    { arbitrary: { runs: 500 } }
  )

  const parts = ["limit", "remaining", "reset"]
  const names = [
    "retry-after",
    "retry-after-ms",
    ...parts.flatMap((part) =>
      ["requests", "tokens", "requests-day", "req-minute", "project-tokens", "tokens-minute", "tokens-prompt"]
        .concat("tokens-generated")
        .map((kind) => `x-ratelimit-${part}-${kind}`)
    ),
    ...parts.flatMap((part) =>
      ["requests", "tokens", "input-tokens", "output-tokens"]
        .map((kind) => `anthropic-ratelimit-${kind}`)
        .concat("x-ratelimit", "ratelimitbysize")
        .map((prefix) => `${prefix}-${part}`)
    )
  ]
  const fragments = Schema.Array(Schema.Union([
    Schema.Literals(["-", "+", ".", ":", "T", "Z", "e", " ", ",", "d", "h", "m", "s", "ms", "ns", "µs", "1e", "NaN"]),
    Schema.Literals(["Infinity", "GMT", "Sun, 01 Mar 2026 ", "2026-03-01", "12:00:00", "999999999999"]),
    between(0, 99),
    Schema.Finite,
    Schema.String
  ])).check(Schema.isMaxLength(5))

  it.prop(
    "whatever stands in the headers: no exception, nothing negative, infinite or not a number",
    [Schema.Array(fragments).check(Schema.isMinLength(1)), Schema.Finite],
    ([texts, nowMillis]) => {
      const headers = Object.fromEntries(names.map((name, n) => [name, texts[n % texts.length]?.join("")]))
      const { retryAfter, ...all } = rateLimitsOf(headers, nowMillis)
      const found = Object.values(all).flatMap((allowance) => numbers(allowance) ?? [])
      assert.strictEqual(found.length, 12)
      for (const number of [...found, millisOf(retryAfter)]) {
        if (number !== undefined) assert.isTrue(number >= 0 && Number.isFinite(number), String(number))
      }
    },
    { arbitrary: { runs: 2000 } }
  )

  it.prop(
    "whatever the body: no exception, and a delay that can be waited for",
    [Schema.Unknown, fragments],
    ([body, retryDelay]) => {
      const detail = { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: retryDelay.join("") }
      for (const answer of [body, [body], { error: body }, { error: { details: [body, detail] } }]) {
        const millis = millisOf(retryDelayOf(answer, 0))
        if (millis !== undefined) assert.isTrue(millis >= 0 && millis <= longest, String(millis))
      }
    },
    { arbitrary: { runs: 500 } }
  )
})
