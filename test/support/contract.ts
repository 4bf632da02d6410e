/** What every chat backend owes that is reached over HTTP, whatever its words. */
import { assert, describe, type Vitest } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Latch, Redacted } from "effect"
import { HttpClient } from "effect/http"
import { type BackendError, iModel } from "effect-imodel"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { type Answer, nobody, serve } from "./server.ts"
import { environment, type LooseArguments, parameterOf, promptly, retryAfterMillis, type Wire } from "./wire.ts"

/** The facts of a wire that the contract is tested with. */
export interface Facts {
  readonly provider: string
  readonly name: string
  /** What is asked for, under the base address. */
  readonly path: string
  /** The header that carries a key. */
  readonly keyHeader: readonly [name: string, value: (key: string) => string]
  readonly variables: { readonly apiKey: string; readonly baseUrl?: string }
  /** How the provider says no to a key. */
  readonly unauthorized: (message: string) => Answer
  /** How the provider says that it was asked too often. */
  readonly rateLimited: (headers?: Readonly<Record<string, string>>) => Answer
  readonly failures: ReadonlyArray<Failure>
  readonly wrong: ReadonlyArray<Wrong>
  readonly unsupported: ReadonlyArray<Unsupported>
}

interface Failure {
  readonly name: string
  readonly answer: Answer
  readonly reason: BackendError["reason"]["_tag"]
  /** @default false */
  readonly isRetryable?: boolean
  /** What the message must tell. */
  readonly tells: string
  /** Of an `InvalidRequestError`. @default none */
  readonly parameter?: string
  /** @default none */
  readonly retryAfterMillis?: number
}

/** Arguments that name what is wrong with them. */
interface Wrong {
  readonly name: string
  readonly args: LooseArguments
  readonly parameter: string
}

interface Unsupported {
  readonly feature: string
  readonly args: LooseArguments
}

const ask = { prompt: "Name a colour." }

/** What every wire owes. */
export const run = (
  it: Vitest.MethodsNonLive<HttpClient.HttpClient>,
  wire: Wire<LooseArguments, unknown>,
  facts: Facts
) => {
  describe("a failure", () => failures(it, wire, facts))
  describe("arguments", () => refusals(it, wire, facts))
  describe("interruption", () => interruption(it, wire))
  describe("the key", () => secrecy(it, wire, facts))
  describe("the configuration", () => configuration(it, wire, facts))
}

type Part = (
  it: Vitest.MethodsNonLive<HttpClient.HttpClient>,
  wire: Wire<LooseArguments, unknown>,
  facts: Facts
) => void

const failures: Part = (it, { answer, failureOf, modelAt, setup }, { failures, path, rateLimited, unauthorized }) => {
  const everywhere: ReadonlyArray<Failure> = [
    {
      name: "502 with a page of a proxy",
      answer: { status: 502, body: "<h1>Bad Gateway</h1>", headers: { "content-type": "text/html" } },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "<h1>Bad Gateway</h1>"
    },
    {
      name: "503 with the words of a proxy",
      answer: { status: 503, body: "upstream connect error", headers: { "content-type": "text/plain" } },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "upstream connect error"
    },
    {
      name: "502 without a body",
      answer: { status: 502 },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "HTTP 502"
    },
    {
      name: "401 without a body",
      answer: { status: 401 },
      reason: "AuthenticationError",
      tells: "HTTP 401"
    },
    {
      name: "413 with the words of a proxy",
      answer: { status: 413, body: "Request Entity Too Large", headers: { "content-type": "text/plain" } },
      reason: "InvalidRequestError",
      tells: "Request Entity Too Large"
    },
    {
      name: "too many requests",
      answer: rateLimited(),
      reason: "RateLimitError",
      isRetryable: true,
      tells: "Rate limit exceeded"
    },
    {
      name: "reset before the answer",
      answer: { end: "reset" },
      reason: "NetworkError",
      isRetryable: true,
      tells: "no answer: connection reset (ECONNRESET)"
    },
    {
      name: "closed before the answer",
      answer: { end: "close" },
      reason: "NetworkError",
      isRetryable: true,
      tells: "no answer: connection closed"
    },
    {
      name: "a body that is cut in the middle",
      answer: { body: answer, end: "cut" },
      reason: "StreamInterrupted",
      tells: "The answer broke off"
    },
    {
      name: "a refusal that is cut in the middle",
      answer: { ...rateLimited(), end: "cut" },
      reason: "RateLimitError",
      isRetryable: true,
      tells: "Rate limit exceeded"
    },
    {
      name: "a body that is not JSON",
      answer: { body: "<html>Welcome to the hotel</html>", headers: { "content-type": "text/html" } },
      reason: "InvalidResponseError",
      tells: "the body is not JSON: <html>Welcome to the hotel</html>"
    }
  ]

  it.effect.each([...everywhere, ...failures])(
    "is typed, tells why, and is asked for once: $name",
    (expected) =>
      Effect.gen(function*() {
        const { calling, error, requests } = yield* failureOf(expected.answer)
        assert.strictEqual(error._tag, "BackendError")
        assert.strictEqual(error.reason._tag, expected.reason)
        assert.strictEqual(error.isRetryable, expected.isRetryable ?? false)
        assert.include(error.message, expected.tells)
        if (error.reason._tag === "InvalidRequestError") assert.strictEqual(error.reason.parameter, expected.parameter)
        assert.strictEqual(retryAfterMillis(error), expected.retryAfterMillis)
        assert.strictEqual(error.callingId, calling.id)
        assert.strictEqual(calling.execution.status, "failed")
        assert.strictEqual(requests, 1)
      })
  )

  it.effect("is typed when nobody listens at the address", () =>
    Effect.gen(function*() {
      const url = yield* nobody
      const model = yield* modelAt(`${url}/v2`)
      const error = yield* Effect.flip((yield* model.invoke({ prompt: "hi" })).response)
      if (error.reason._tag !== "NetworkError") {
        return assert.fail(error.reason._tag)
      }
      assert.strictEqual(error.reason.method, "POST")
      assert.strictEqual(error.reason.url, `${url}/v2${path}`)
      assert.include(error.message, "no answer: connection refused (ECONNREFUSED)")
      assert.isTrue(error.isRetryable)
    }))

  it.effect.each([
    { name: "retry-after-ms", headers: { "retry-after-ms": "1500" }, millis: 1500 },
    { name: "retry-after in seconds", headers: { "retry-after": "2" }, millis: 2000 },
    {
      name: "both, where the milliseconds are exact",
      headers: { "retry-after": "2", "retry-after-ms": "1200" },
      millis: 1200
    },
    { name: "a word that is none", headers: { "retry-after": "soon" }, millis: undefined }
  ])("says how long a rate limit asks to wait: $name", ({ headers, millis }) =>
    Effect.gen(function*() {
      const { error } = yield* failureOf(rateLimited(headers))
      assert.strictEqual(error.reason._tag, "RateLimitError")
      assert.strictEqual(retryAfterMillis(error), millis)
    }))

  it.effect("says how long a rate limit asks to wait: until a date of the program's clock", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.parse("2030-01-01T00:00:00Z"))
      const { error } = yield* failureOf(rateLimited({ "retry-after": "Tue, 01 Jan 2030 00:00:30 GMT" }))
      assert.strictEqual(retryAfterMillis(error), 30_000)
    }))

  it.effect("is what respond fails with", () =>
    Effect.gen(function*() {
      const { model } = yield* setup(unauthorized("No such key."))
      const answer = yield* model.respond({ prompt: "hi" }).pipe(
        Effect.map(({ text }) => text),
        Effect.catchReason("BackendError", "AuthenticationError", ({ kind }) => Effect.succeed(kind))
      )
      assert.strictEqual(answer, "InvalidKey")
    }))
}

const refusals: Part = (it, { answer, refusalOf, setup }, { provider, unsupported, wrong }) => {
  const everywhere: ReadonlyArray<Wrong> = [
    { name: "of another type", args: { prompt: "hi", temperature: "hot" }, parameter: "temperature" },
    { name: "not finite", args: { prompt: "hi", top_p: Number.NaN }, parameter: "top_p" },
    { name: "not whole", args: { prompt: "hi", max_tokens: 1.5 }, parameter: "max_tokens" },
    { name: "unknown", args: { prompt: "hi", temprature: 1 }, parameter: "temprature" },
    { name: "for a stream", args: { prompt: "hi", stream: true }, parameter: "stream" },
    { name: "with a prompt that is none", args: { prompt: 3 }, parameter: "prompt" },
    {
      name: "with both prompt and messages",
      args: { prompt: "hi", messages: [{ role: "user", content: "hi" }] },
      parameter: "prompt"
    }
  ]

  it.effect.each([...everywhere, ...wrong])(
    "are refused by name before anything is sent: $name",
    ({ args, parameter }) =>
      Effect.gen(function*() {
        const { calling, error, requests } = yield* refusalOf(args)
        assert.strictEqual(error.reason._tag, "InvalidRequestError")
        assert.strictEqual(parameterOf(error), parameter)
        assert.isFalse(error.isRetryable)
        assert.strictEqual(calling.execution.status, "failed")
        assert.strictEqual(requests, 0)
      })
  )

  it.effect("are refused by respond and by createCalling, too", () =>
    Effect.gen(function*() {
      const { model, server } = yield* setup({ body: answer })
      const args = { prompt: "hi", temperature: "hot" }
      const responded = yield* Effect.flip(model.respond(args))
      const created = yield* Effect.flip(model.createCalling(args))
      for (const error of [responded, created]) {
        if (error._tag !== "BackendError") {
          return assert.fail(error._tag)
        }
        assert.strictEqual(parameterOf(error), "temperature")
      }
      assert.deepStrictEqual(yield* server.seen, [])
    }))

  it.effect.each(unsupported)(
    "that the wire cannot carry are refused: $feature",
    ({ args, feature }) =>
      Effect.gen(function*() {
        const { error, requests } = yield* refusalOf(args)
        assert.deepInclude(error.reason, { _tag: "Unsupported", feature, provider })
        assert.isFalse(error.isRetryable)
        assert.strictEqual(requests, 0)
      })
  )
}

const interruption = (
  it: Vitest.MethodsNonLive<HttpClient.HttpClient>,
  { answer, modelAt, setup }: Wire<LooseArguments, unknown>
) => {
  it.effect("closes the socket while the provider thinks", () =>
    Effect.gen(function*() {
      const { model, server } = yield* setup(() => Effect.never)
      const calling = yield* model.createCalling(ask)
      const fiber = yield* Effect.forkChild(model.invoke(calling))
      yield* server.arrival
      yield* promptly(Fiber.interrupt(fiber))
      yield* promptly(server.hangUp)
      assert.strictEqual(calling.execution.status, "cancelled")
    }))

  it.effect("closes the socket in the middle of the answer", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer, end: "stall" })
      const head = yield* Latch.make()
      const model = yield* Effect.updateService(
        modelAt(server.url),
        HttpClient.HttpClient,
        HttpClient.tap(() => head.open)
      )
      const calling = yield* model.createCalling(ask)
      const fiber = yield* Effect.forkChild(model.invoke(calling))
      yield* head.await
      yield* promptly(Fiber.interrupt(fiber))
      yield* promptly(server.hangUp)
      assert.strictEqual(calling.execution.status, "cancelled")
    }))

  it.effect("by a timeout closes the socket, too", () =>
    Effect.gen(function*() {
      const { model, server } = yield* setup(() => Effect.never)
      const fiber = yield* Effect.forkChild(Effect.flip(model.invoke(ask, { timeout: "5 seconds" })))
      yield* server.arrival
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "TimeoutError")
      yield* promptly(server.hangUp)
    }))
}

const secrecy: Part = (it, { apiKey, failureOf, makeBackend, setup }, { keyHeader, unauthorized }) => {
  const [header, valueOf] = keyHeader
  const appearances: ReadonlyArray<{ readonly name: string; readonly answer: (key: string) => Answer }> = [
    { name: "a refusal in its own shape", answer: (key) => unauthorized(`No such key: ${key}`) },
    { name: "a refusal in words", answer: (key) => ({ status: 500, body: `cannot forward "${header}: ${key}"` }) },
    {
      name: "a refusal so long that the key is cut",
      answer: (key) => ({ status: 400, body: `${"x".repeat(480)} ${key}` })
    },
    { name: "a success that is not JSON", answer: (key) => ({ body: `<pre>${key}</pre>` }) },
    { name: "a success of another shape", answer: (key) => ({ body: { id: { [key]: true } } }) },
    {
      name: "an event of an error",
      answer: (key) => ({
        headers: { "content-type": "text/event-stream" },
        body: `event: error\ndata: ${JSON.stringify(unauthorized(`No such key: ${key}`).body)}\n\n`
      })
    }
  ]

  it.effect.each(appearances)(
    "is shown nowhere when a server quotes it in $name",
    ({ answer }) =>
      Effect.gen(function*() {
        const { model, server } = yield* setup(({ headers }) => Effect.succeed(answer(headers[header] ?? "none")))
        const calling = yield* model.invoke(ask)
        const exit = yield* Effect.exit(calling.response)
        if (Exit.isSuccess(exit)) {
          return assert.fail("the call succeeded")
        }
        const error = Cause.squash(exit.cause)
        assert.strictEqual((yield* server.arrival).headers[header], valueOf(apiKey))
        const shown = {
          string: String(error),
          json: JSON.stringify(error),
          inspected: inspect(error, { depth: 10 }),
          pretty: Cause.pretty(exit.cause),
          callingJson: JSON.stringify(calling),
          callingInspected: inspect(calling, { depth: 10, showHidden: true }),
          modelInspected: inspect(model, { depth: 10, showHidden: true })
        }
        for (const [where, text] of Object.entries(shown)) {
          assert.notInclude(text, "canary", where)
          assert.isAbove(text.length, 0, where)
        }
        assert.include(shown.json, "BackendError")
        assert.include(shown.callingJson, calling.id)
      })
  )

  it.effect("is shown nowhere when a server quotes it with the escapes that JSON allows", () =>
    Effect.gen(function*() {
      const refused = unauthorized("No such key: sk/canary/0123456789")
      const server = yield* serve({ ...refused, body: JSON.stringify(refused.body).replaceAll("/", "\\/") })
      const backend = yield* makeBackend({ apiKey: Redacted.make("sk/canary/0123456789"), baseUrl: server.url })
      const calling = yield* (yield* iModel.make(backend)).invoke(ask)
      const error = yield* Effect.flip(calling.response)
      assert.include(error.message, "No such key: ")
      assert.notInclude(inspect(error, { depth: 10 }), "canary")
      assert.notInclude(JSON.stringify(calling), "canary")
    }))

  it.effect("is shown nowhere when the connection breaks", () =>
    Effect.gen(function*() {
      const { calling, error } = yield* failureOf({ end: "reset" })
      for (const value of [error, calling]) {
        assert.notInclude(inspect(value, { depth: 10, showHidden: true }), "canary")
        assert.notInclude(JSON.stringify(value), "canary")
      }
    }))
}

const configuration: Part = (it, { apiKey, answer, makeBackend, modelAt }, facts) => {
  const { name, path, provider, variables } = facts
  const [header, valueOf] = facts.keyHeader
  const elsewhere = (url: string) =>
    environment({
      [variables.apiKey]: "sk-of-the-environment",
      ...(variables.baseUrl !== undefined && { [variables.baseUrl]: url })
    })

  it.effect(`reads ${variables.apiKey}`, () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer })
      const backend = yield* elsewhere(yield* nobody)(makeBackend({ baseUrl: server.url }))
      yield* (yield* iModel.make(backend)).respond(ask)
      assert.strictEqual((yield* server.arrival).headers[header], valueOf("sk-of-the-environment"))
    }))

  it.effect("prefers the options to the environment", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer })
      const model = yield* elsewhere(yield* nobody)(modelAt(`${server.url}/v2`))
      yield* model.respond(ask)
      const seen = yield* server.arrival
      assert.strictEqual(seen.path, `/v2${path}`)
      assert.strictEqual(seen.headers[header], valueOf(apiKey))
    }))

  it.effect("sends the headers that it is given, beside its own", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer })
      const headers = { "http-referer": "https://app.example.com" }
      const backend = yield* makeBackend({ apiKey: Redacted.make(apiKey), baseUrl: server.url, headers })
      yield* (yield* iModel.make(backend)).respond(ask)
      const seen = yield* server.arrival
      assert.strictEqual(seen.headers["http-referer"], "https://app.example.com")
      assert.strictEqual(seen.headers[header], valueOf(apiKey))
      assert.propertyVal(backend.configuration, "headers", null)
    }))

  it.effect.each([
    { what: "is missing", env: {} },
    { what: "is an empty variable", env: { [variables.apiKey]: "" } }
  ])("fails with ConfigError, naming the variable, when the key $what", ({ env }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(environment(env)(makeBackend({})))
      assert.strictEqual(error._tag, "ConfigError")
      assert.include(
        error.message,
        `${variables.apiKey} is not set: set this environment variable, or pass another credential`
      )
    }))

  it.effect.each([{ key: "" }, { key: "  " }])(
    "fails with IllegalArgumentError when the key is '$key'",
    ({ key }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(makeBackend({ apiKey: Redacted.make(key) }))
        assert.strictEqual(error._tag, "IllegalArgumentError")
        assert.include(error.message, "credential")
      })
  )

  it.effect.each([
    { baseUrl: "api.example.com/v1" },
    { baseUrl: "/v1" },
    { baseUrl: "ftp://api.example.com/v1" },
    { baseUrl: "" }
  ])(
    "fails with IllegalArgumentError, showing it, when the base address is '$baseUrl'",
    ({ baseUrl }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(makeBackend({ apiKey: Redacted.make(apiKey), baseUrl }))
        assert.strictEqual(error._tag, "IllegalArgumentError")
        assert.include(error.message, "baseUrl")
        assert.include(error.message, `"${baseUrl}"`)
      })
  )

  it.effect("describes the backend", () =>
    Effect.gen(function*() {
      const backend = yield* makeBackend({ apiKey: Redacted.make(apiKey) })
      assert.strictEqual(backend.provider, provider)
      assert.strictEqual(backend.name, name)
    }))
}
