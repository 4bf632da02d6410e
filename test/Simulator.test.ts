import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Layer, Redacted, Schema, Scope } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, type HttpMethod } from "effect/http"
import { iModel, OpenAi, type ServiceBackend, Simulator } from "effect-imodel"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"

// -----------------------------------------------------------------------------
// What is set up
// -----------------------------------------------------------------------------

/** What the tests read of an answer. */
const Body = Schema.Struct({
  error: Schema.optional(Schema.Struct({
    message: Schema.String,
    type: Schema.String,
    param: Schema.NullOr(Schema.String),
    code: Schema.NullOr(Schema.String)
  })),
  choices: Schema.optional(Schema.Array(Schema.Struct({
    finish_reason: Schema.String,
    message: Schema.Struct({ role: Schema.String, content: Schema.String })
  }))),
  usage: Schema.optional(Schema.Struct({
    prompt_tokens: Schema.Int,
    completion_tokens: Schema.Int,
    total_tokens: Schema.Int
  }))
})

interface Sending {
  readonly baseUrl?: string
  readonly path?: string
  readonly method?: HttpMethod.HttpMethod
  readonly headers?: Readonly<Record<string, string>>
}

/** Sends to the simulator, as anybody does who speaks the wire. */
const send = Effect.fnUntraced(function*(body: object | string, sending: Sending = {}) {
  const { baseUrl = "http://simulator.example.com/v1", method = "POST", path = "/chat/completions" } = sending
  const text = typeof body === "string" ? body : JSON.stringify(body)
  const response = yield* HttpClientRequest.make(method)(`${baseUrl}${path}`).pipe(
    HttpClientRequest.setHeaders(sending.headers ?? { authorization: "Bearer any" }),
    method === "GET" ? (request) => request : HttpClientRequest.setBody(HttpBody.text(text, "application/json")),
    HttpClient.execute
  )
  const { choices, error, usage } = yield* Schema.decodeUnknownEffect(Body)(yield* response.json)
  return {
    status: response.status,
    headers: response.headers,
    text: choices?.[0]?.message.content,
    choices,
    error,
    usage
  }
})

const chat = (content: string, fields: object = {}) => ({
  model: "gpt-4o-mini",
  messages: [{ role: "user", content }],
  ...fields
})

const seen = Effect.flatMap(Simulator.Simulator, (simulator) => simulator.seen)

/** A simulator that answers at once. */
const immediate = (options: Simulator.Options = {}) =>
  Effect.provide(Simulator.layerHttpClient({ latency: 0, ...options }))

const textOf = (prompt: string, options?: Simulator.Options) =>
  Effect.map(send(chat(prompt)), (answer) => answer.text).pipe(immediate(options))

const modelOn = (options: Simulator.Options, modelOptions?: iModel.Options) =>
  iModel.layer(modelOptions).pipe(
    Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey: Redacted.make("any"), retry: { times: 0 } })),
    Layer.provideMerge(Simulator.layerHttpClient(options))
  )

/** A server on a free port of loopback, with a client that reaches it. */
const loopback = () =>
  Layer.merge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }), FetchHttpClient.layer)

// -----------------------------------------------------------------------------
// Tests
// -----------------------------------------------------------------------------

describe("Simulator, in process", () => {
  describe("an answer", () => {
    it.effect("is the same for the same seed and prompt, in whatever order", () =>
      Effect.gen(function*() {
        const red = yield* textOf("red")
        const blue = yield* textOf("blue")
        const together = yield* Effect.forEach(["blue", "red", "blue"], (prompt) => send(chat(prompt))).pipe(
          immediate()
        )
        assert.deepStrictEqual(together.map(({ text }) => text), [blue, red, blue])
        assert.isNotEmpty(red)
      }))

    it.effect("differs by prompt and by seed", () =>
      Effect.gen(function*() {
        const texts = yield* Effect.all([
          textOf("red"),
          textOf("blue"),
          textOf("red", { seed: "another" }),
          textOf("blue", { seed: "another" })
        ])
        assert.strictEqual(new Set(texts).size, 4)
        for (const text of texts) assert.match(text ?? "", /^([a-z]+ )+[a-z]+\.$/)
      }))

    it.effect("is what a function answers, when one is given", () =>
      Effect.gen(function*() {
        const text = yield* textOf("red", { answer: (prompt) => `a ${prompt} fruit` })
        assert.strictEqual(text, "a red fruit")
      }))

    it.effect("reports its usage at four characters a token", () =>
      Effect.gen(function*() {
        const { choices, usage } = yield* send(chat("Hello there")).pipe(immediate({ answer: () => "Good morning." }))
        assert.deepStrictEqual(usage, { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 })
        assert.strictEqual(choices?.[0]?.finish_reason, "stop")
      }))

    it.effect.each([{ field: "max_tokens" }, { field: "max_completion_tokens" }])(
      "ends at $field, and says so",
      ({ field }) =>
        Effect.gen(function*() {
          const { choices, text, usage } = yield* send(chat("Hello there", { [field]: 2 })).pipe(
            immediate({ answer: () => "Good morning." })
          )
          assert.strictEqual(text, "Good mor")
          assert.strictEqual(choices?.[0]?.finish_reason, "length")
          assert.deepStrictEqual(usage, { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 })
        })
    )

    it.effect("reaches a model with its text, its usage and its metadata", () =>
      Effect.gen(function*() {
        const response = yield* iModel.respond({
          messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hello" }],
          model: "gpt-4o"
        })
        assert.strictEqual(response.text, "hi")
        assert.deepStrictEqual(response.usage, { inputTokens: { total: 4 }, outputTokens: { total: 1 } })
        assert.deepStrictEqual(response.metadata, { model: "gpt-4o", requestId: "req_1", attempts: 1 })
        assert.strictEqual(response.finishReason, "stop")
      }).pipe(Effect.provide(modelOn({ latency: 0, answer: () => "hi" }))))

    it.effect("takes 50 milliseconds of the program's clock", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "Hello" })
        const fiber = yield* Effect.forkChild(iModel.invoke(calling))
        yield* TestClock.adjust(49)
        assert.strictEqual(calling.execution.status, "processing")
        yield* TestClock.adjust(1)
        yield* Fiber.join(fiber)
        const { duration, status } = calling.execution
        assert.strictEqual(status, "completed")
        assert.strictEqual(duration && Duration.toMillis(duration), 50)
      }).pipe(Effect.provide(modelOn({}))))

    it.effect("takes the latency of the options", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(send(chat("Hello")))
        yield* TestClock.adjust("1999 millis")
        assert.strictEqual(fiber.pollUnsafe(), undefined)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(fiber)).status, 200)
      }).pipe(immediate({ latency: "2 seconds" })))
  })

  describe("the limit", () => {
    it.effect("of requests refuses the one too many with 429, and says when to come again", () =>
      Effect.gen(function*() {
        const first = yield* send(chat("one"))
        assert.strictEqual(first.status, 200)
        assert.strictEqual(first.headers["x-ratelimit-limit-requests"], "2")
        assert.strictEqual(first.headers["x-ratelimit-remaining-requests"], "1")
        assert.strictEqual(first.headers["x-ratelimit-reset-requests"], "30s")
        assert.notProperty(first.headers, "x-ratelimit-limit-tokens")
        assert.notProperty(first.headers, "retry-after")
        assert.strictEqual((yield* send(chat("two"))).status, 200)
        yield* TestClock.adjust("20.5 seconds")
        const { error, headers, status } = yield* send(chat("three"))
        assert.strictEqual(status, 429)
        assert.strictEqual(headers["retry-after-ms"], "9500")
        assert.strictEqual(headers["retry-after"], "10")
        assert.strictEqual(headers["x-ratelimit-remaining-requests"], "0")
        assert.strictEqual(headers["x-ratelimit-reset-requests"], "39.5s")
        assert.strictEqual(error?.type, "requests")
        assert.strictEqual(error?.code, "rate_limit_exceeded")
        assert.include(error?.message, "9.5s")
      }).pipe(immediate({ limitRequests: 2 })))

    it.effect("of tokens counts the prompt and the output that is asked for", () =>
      Effect.gen(function*() {
        const first = yield* send(chat("x".repeat(40), { max_tokens: 50 }))
        assert.strictEqual(first.status, 200)
        assert.strictEqual(first.headers["x-ratelimit-limit-tokens"], "100")
        assert.strictEqual(first.headers["x-ratelimit-remaining-tokens"], "40")
        assert.strictEqual(first.headers["x-ratelimit-reset-tokens"], "36s")
        const second = yield* send(chat("x".repeat(40), { max_completion_tokens: 31 }))
        assert.strictEqual(second.status, 429)
        assert.strictEqual(second.error?.type, "tokens")
        assert.strictEqual(second.headers["retry-after-ms"], "600")
        assert.strictEqual(second.headers["retry-after"], "1")
        assert.strictEqual((yield* send(chat("x".repeat(40), { max_completion_tokens: 30 }))).status, 200)
        assert.strictEqual((yield* seen).tokens, 100)
      }).pipe(immediate({ limitTokens: 100 })))

    it.effect("takes no request for a call that it refuses for its tokens", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* send(chat("one", { max_tokens: 98 }))).status, 200)
        for (let i = 0; i < 3; i++) {
          const { error, headers } = yield* send(chat("two", { max_tokens: 98 }))
          assert.strictEqual(error?.type, "tokens")
          assert.strictEqual(headers["x-ratelimit-remaining-requests"], "1")
        }
        assert.strictEqual((yield* send(chat("two"))).status, 200)
      }).pipe(immediate({ limitRequests: 2, limitTokens: 100 })))

    it.effect("takes no tokens for a call that it refuses as a request", () =>
      Effect.gen(function*() {
        assert.strictEqual((yield* send(chat("one", { max_tokens: 9 }))).status, 200)
        for (let i = 0; i < 3; i++) {
          const { error, headers } = yield* send(chat("two", { max_tokens: 49 }))
          assert.strictEqual(error?.type, "requests")
          assert.strictEqual(headers["x-ratelimit-remaining-tokens"], "90")
        }
        assert.strictEqual((yield* seen).tokens, 10)
      }).pipe(immediate({ limitRequests: 1, limitTokens: 100 })))

    it.effect("refills evenly, one call for its part of the window, and is whole after the window", () =>
      Effect.gen(function*() {
        const admitted = Effect.map(
          Effect.all(Array.from({ length: 6 }, (_, i) => send(chat(`${i}`)))),
          (answers) => answers.filter(({ status }) => status === 200).length
        )
        assert.strictEqual(yield* admitted, 4)
        yield* TestClock.adjust(2499)
        assert.strictEqual(yield* admitted, 0)
        yield* TestClock.adjust(1)
        assert.strictEqual(yield* admitted, 1)
        yield* TestClock.adjust(5000)
        assert.strictEqual(yield* admitted, 2)
        yield* TestClock.adjust(10_000)
        assert.strictEqual(yield* admitted, 4)
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(yield* admitted, 4)
      }).pipe(immediate({ limitRequests: 4, window: "10 seconds" })))

    it.effect("admits a call when it is due, however often it was refused before", () =>
      Effect.gen(function*() {
        yield* Effect.forEach(["one", "two", "three"], (text) => send(chat(text)))
        const statuses = yield* Effect.forEach(Array.from({ length: 10 }, (_, i) => `${i}`), (text) =>
          Effect.andThen(TestClock.adjust("1 second"), send(chat(text))))
        assert.deepStrictEqual(
          statuses.map(({ status }) =>
            status
          ),
          [...Array.from({ length: 9 }, () => 429), 200]
        )
      }).pipe(immediate({ limitRequests: 3, window: "30 seconds" })))

    it.effect.each([
      { window: 120, reset: /^120ms$/ },
      { window: 1500, reset: /^1\.5s$/ },
      { window: 60_000, reset: /^1m0s$/ },
      { window: 360_000, reset: /^6m0s$/ },
      { window: 119_500, reset: /^(1m59\.5s|2m0s)$/ }
    ])("says in OpenAI's form when it is whole again: after $window ms", ({ reset, window }) =>
      Effect.gen(function*() {
        const { headers } = yield* send(chat("one"))
        assert.match(headers["x-ratelimit-reset-requests"] ?? "", reset)
      }).pipe(immediate({ limitRequests: 1, window })))

    it.effect("is a typed failure of a model that breaks it", () =>
      Effect.gen(function*() {
        yield* iModel.respond({ prompt: "one" })
        const calling = yield* iModel.invoke({ prompt: "two" })
        const error = yield* Effect.flip(calling.response)
        assert.strictEqual(error.reason._tag, "RateLimitError")
        assert.isTrue(error.isRetryable)
        assert.strictEqual(error.retryAfter && Duration.toMillis(error.retryAfter), 60_000)
      }).pipe(Effect.provide(modelOn({ latency: 0, limitRequests: 1 }))))

    it.effect("is not there unless it is asked for", () =>
      Effect.gen(function*() {
        const answers = yield* Effect.all(Array.from({ length: 200 }, () => send(chat("x", { max_tokens: 100_000 }))))
        assert.isTrue(answers.every(({ status }) => status === 200))
        const named = answers.flatMap(({ headers }) => Object.keys(headers)).filter((name) => /ratelimit/.test(name))
        assert.deepStrictEqual(named, [])
      }).pipe(immediate()))
  })

  describe("a request that is wrong", () => {
    it.effect.each<{ readonly name: string; readonly body: object | string; readonly param: string | null }>([
      { name: "without messages", body: { model: "gpt-4o-mini" }, param: "messages" },
      { name: "out of range", body: chat("hi", { temperature: 3 }), param: "temperature" },
      { name: "with an unknown field", body: chat("hi", { colour: "blue" }), param: "colour" },
      { name: "with a prompt, which is no field", body: { model: "m", prompt: "hi" }, param: "prompt" },
      {
        name: "with a content of another type",
        body: { model: "m", messages: [{ role: "user", content: 3 }] },
        param: "messages[0].content"
      },
      { name: "that is not JSON", body: "{\"model\":", param: null },
      { name: "that is not an object", body: "[]", param: null }
    ])("$name is answered with 400, which names the parameter", ({ body, param }) =>
      Effect.gen(function*() {
        const { error, headers, status } = yield* send(body)
        assert.strictEqual(status, 400)
        assert.strictEqual(error?.type, "invalid_request_error")
        assert.strictEqual(error?.param, param)
        assert.strictEqual(headers["x-request-id"], "req_1")
      }).pipe(immediate()))

    it.effect.each<{ readonly name: string; readonly headers: Readonly<Record<string, string>> }>([
      { name: "no key", headers: {} },
      { name: "a key of another scheme", headers: { authorization: "Basic YW55" } },
      { name: "an empty key", headers: { authorization: "Bearer " } }
    ])("with $name is answered with 401", ({ headers }) =>
      Effect.gen(function*() {
        const { error, status } = yield* send(chat("hi"), { headers })
        assert.strictEqual(status, 401)
        assert.strictEqual(error?.code, "invalid_api_key")
      }).pipe(immediate()))

    it.effect.each<Sending>([{ path: "/completions" }, { path: "/chat" }, { method: "GET" }])(
      "for what it does not serve is answered with 404: %o",
      (sending) =>
        Effect.gen(function*() {
          const { error, status } = yield* send(chat("hi"), sending)
          assert.strictEqual(status, 404)
          assert.include(error?.message, "Invalid URL")
        }).pipe(immediate())
    )

    it.effect("is no charge to the limit", () =>
      Effect.gen(function*() {
        yield* send({})
        yield* send(chat("hi"), { headers: {} })
        yield* send(chat("hi"), { path: "/completions" })
        assert.strictEqual((yield* send(chat("hi"))).status, 200)
      }).pipe(immediate({ limitRequests: 1 })))
  })

  describe("what it saw", () => {
    it.effect("is nothing at first", () =>
      Effect.gen(function*() {
        const nothing = { requests: 0, admitted: 0, rejected: 0, tokens: 0, mostAtOnce: 0, arrivals: [] }
        assert.deepStrictEqual(yield* seen, nothing)
      }).pipe(immediate()))

    it.effect("counts all requests, those that its limit admits and those that break it", () =>
      Effect.gen(function*() {
        yield* TestClock.adjust("1 minute")
        yield* send(chat("one", { max_tokens: 9 }))
        yield* TestClock.adjust("1 second")
        yield* send(chat("two"))
        yield* send(chat("three"))
        yield* send({})
        yield* send(chat("four"), { headers: {} })
        assert.deepStrictEqual(yield* seen, {
          requests: 5,
          admitted: 2,
          rejected: 1,
          tokens: 11,
          mostAtOnce: 1,
          arrivals: [0, 1000]
        })
      }).pipe(immediate({ limitRequests: 2, window: "1 hour" })))

    it.effect("has the most that it answered at one time, those who left not counted", () =>
      Effect.gen(function*() {
        const three = yield* Effect.forkChild(
          Effect.forEach(["one", "two", "three"], (text) => send(chat(text)), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust(10)
        yield* Fiber.interrupt(three)
        assert.strictEqual((yield* seen).mostAtOnce, 3)
        const two = yield* Effect.forkChild(
          Effect.forEach(["four", "five"], (text) => send(chat(text)), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust(50)
        yield* Fiber.join(two)
        const { admitted, mostAtOnce } = yield* seen
        assert.deepStrictEqual({ admitted, mostAtOnce }, { admitted: 5, mostAtOnce: 3 })
      }).pipe(immediate({ latency: 50 })))
  })

  describe("a wrong option", () => {
    it.effect.each<{ readonly name: string; readonly options: Simulator.Options }>([
      { name: "limitRequests", options: { limitRequests: 0 } },
      { name: "limitTokens", options: { limitTokens: Number.NaN } },
      { name: "window", options: { window: 0 } },
      { name: "latency", options: { latency: Duration.infinity } }
    ])("fails with IllegalArgumentError that names $name", ({ name, options }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Simulator.layerHttpClient(options))))
        assert.strictEqual(error._tag, "IllegalArgumentError")
        assert.include(error.message, name)
      }))
  })
})

/** As the simulator counts. */
const fourCharactersAToken = ({ max_tokens, prompt }: ServiceBackend.Arguments) =>
  Math.ceil(String(prompt).length / 4) + (max_tokens ?? 0)

describe("a batch of 40 calls under the limit of the simulator", () => {
  const batch = Effect.gen(function*() {
    const prompts = Array.from({ length: 40 }, (_, i) => ({ prompt: `Summarize topic ${i}`, max_tokens: 20 }))
    const fiber = yield* Effect.forkChild(iModel.invokeAll(prompts))
    yield* TestClock.adjust("30 minutes")
    const callings = yield* Fiber.join(fiber)
    return {
      ...yield* seen,
      completed: callings.filter(({ execution }) => execution.status === "completed").length
    }
  })

  it.effect.each([
    { name: "requests", limits: { limitRequests: 10 }, leastMinutes: 3 },
    { name: "tokens", limits: { limitTokens: 100 }, leastMinutes: 9 },
    { name: "both", limits: { limitRequests: 10, limitTokens: 100 }, leastMinutes: 9 }
  ])(
    "meets no 429 and wastes no time in a model of the same limit: $name",
    ({ leastMinutes, limits }) =>
      Effect.gen(function*() {
        const { admitted, arrivals, completed, rejected, requests } = yield* batch
        assert.deepStrictEqual({ admitted, completed, rejected, requests }, {
          admitted: 40,
          completed: 40,
          rejected: 0,
          requests: 40
        })
        assert.isAtLeast(arrivals.at(-1) ?? 0, leastMinutes * 60_000 - 1)
        assert.isAtMost(arrivals.at(-1) ?? 0, leastMinutes * 60_000 + 1_000)
      }).pipe(Effect.provide(modelOn(limits, { ...limits, cost: fourCharactersAToken })))
  )

  it.effect("meets 429s in a model without limits", () =>
    Effect.gen(function*() {
      const { completed, rejected } = yield* batch
      assert.deepStrictEqual({ completed, rejected }, { completed: 10, rejected: 30 })
    }).pipe(Effect.provide(modelOn({ limitRequests: 10 }))))
})

describe("Simulator, served on loopback", () => {
  it.effect("answers at its base address as it does in process", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* Simulator.serve({ latency: 0 })
      assert.match(baseUrl, /^http:\/\/127\.0\.0\.1:\d+\/v1$/)
      const { status, text, usage } = yield* send(chat("red"), { baseUrl })
      const inProcess = yield* send(chat("red")).pipe(immediate())
      assert.deepStrictEqual({ status, text, usage }, {
        status: 200,
        text: inProcess.text,
        usage: inProcess.usage
      })
    }).pipe(Effect.provide(loopback())))

  it.effect("serves a model, and enforces its limit", () =>
    Effect.gen(function*() {
      const simulator = yield* Simulator.serve({ latency: 0, limitRequests: 2, window: "1 minute" })
      const model = yield* iModel.make(
        yield* OpenAi.makeChat({
          model: "gpt-4o-mini",
          apiKey: Redacted.make("any"),
          baseUrl: simulator.baseUrl,
          retry: { times: 0 }
        })
      )
      yield* model.respond({ prompt: "one" })
      yield* model.respond({ prompt: "two" })
      const error = yield* Effect.flip((yield* model.invoke({ prompt: "three" })).response)
      assert.strictEqual(error.reason._tag, "RateLimitError")
      assert.strictEqual(error.retryAfter && Duration.toMillis(error.retryAfter), 30_000)
      yield* TestClock.adjust("30 seconds")
      yield* model.respond({ prompt: "three" })
      const { admitted, arrivals, rejected, requests } = yield* simulator.seen
      assert.deepStrictEqual({ admitted, arrivals, rejected, requests }, {
        admitted: 3,
        arrivals: [0, 0, 30_000],
        rejected: 1,
        requests: 4
      })
    }).pipe(Effect.provide(loopback())))

  it.effect("answers what is wrong with 400, 401 and 404", () =>
    Effect.gen(function*() {
      const { baseUrl } = yield* Simulator.serve({ latency: 0 })
      const statuses = yield* Effect.all([
        send("{", { baseUrl }),
        send(chat("hi"), { baseUrl, headers: {} }),
        send(chat("hi"), { baseUrl, path: "/completions" }),
        send("", { baseUrl, method: "GET" })
      ])
      assert.deepStrictEqual(statuses.map(({ status }) => status), [400, 401, 404, 404])
    }).pipe(Effect.provide(loopback())))

  it.effect("is gone when its scope is closed", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const simulator = yield* Scope.provide(Simulator.serve({ latency: 0 }), scope)
      yield* send(chat("red"), simulator)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.exit(send(chat("blue"), simulator))
      assert.strictEqual((yield* simulator.seen).requests, 1)
    }).pipe(Effect.provide(loopback())))

  it.effect("fails with IllegalArgumentError for a wrong option", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Simulator.serve({ limitTokens: -1 }))
      assert.strictEqual(error._tag, "IllegalArgumentError")
    }).pipe(Effect.provide(loopback())))
})
