import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Cause, Config, ConfigProvider, Duration, Effect, Redacted, Schema, Tracer } from "effect"
import { AiError } from "effect/ai"
import { FetchHttpClient, HttpClient } from "effect/http"
import { type BackendError, Endpoint, Errors, iModel, type ServiceBackend } from "effect-imodel"
import { inspect } from "node:util"
import { serve } from "./support/server.ts"

const canary = "sk-canary-0123456789"
const credential = Redacted.make(canary)

// -----------------------------------------------------------------------------
// The API of an example
// -----------------------------------------------------------------------------

const forecast = { celsius: [3, 4.5] }

const weather = {
  retry: { times: 0 },
  provider: "weather",
  name: "forecast",
  path: "/cities/{city}/forecast",
  request: Schema.Struct({ city: Schema.String, days: Schema.optional(Schema.Int) }),
  response: Schema.Struct({ celsius: Schema.Array(Schema.Finite) })
} as const

const oslo = { city: "Oslo", days: 2 }

/** What a server is sent by the example, with the options changed so. */
const requestOf = Effect.fnUntraced(function*(options: {
  readonly auth?: Endpoint.Auth
  readonly headers?: Readonly<Record<string, string>>
  readonly method?: "GET" | "PUT" | "DELETE"
}) {
  const server = yield* serve({ body: forecast })
  const model = yield* iModel.make(yield* Endpoint.make({ ...weather, ...options, baseUrl: server.url }))
  yield* model.respond(oslo)
  return yield* server.arrival
})

const errorOf = Effect.fnUntraced(function*<Args, Data>(model: iModel.Model<Args, Data>, args: Args) {
  const calling = yield* model.invoke(args)
  return yield* Effect.flip(calling.response)
})

const parameterOf = ({ reason }: BackendError) =>
  reason._tag === "InvalidRequestError" ? reason.parameter : `not of an argument: ${reason._tag}`

const headroomOf = (headroom?: Duration.Input) =>
  Effect.map(
    Endpoint.make({ ...weather, baseUrl: "https://weather.example.com", headroom }),
    (backend) => Duration.toMillis(backend.headroom)
  )

const retryAfterMillis = (error: BackendError) => error.retryAfter && Duration.toMillis(error.retryAfter)

// -----------------------------------------------------------------------------
// Tests
// -----------------------------------------------------------------------------

layer(NodeHttpClient.layerUndici)("Endpoint", (it) => {
  describe("the address", () => {
    it.effect("has the arguments of the path in their places, percent-encoded", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast })
        const model = yield* iModel.make(
          yield* Endpoint.make({
            ...weather,
            path: "/cities/{city}/days/{day}/{city}",
            request: Schema.Struct({ city: Schema.String, day: Schema.Int }),
            baseUrl: `${server.url}/v1`
          })
        )
        yield* model.respond({ city: "São Paulo/a?b&c#d%", day: 3 })
        const city = "S%C3%A3o%20Paulo%2Fa%3Fb%26c%23d%25"
        assert.strictEqual((yield* server.arrival).path, `/v1/cities/${city}/days/3/${city}`)
      }))

    it.effect.each([{ city: ".." }, { city: "." }])(
      "cannot leave its path by an argument: '$city' is refused, and nothing is sent",
      ({ city }) =>
        Effect.gen(function*() {
          const server = yield* serve({ body: forecast })
          const model = yield* iModel.make(yield* Endpoint.make({ ...weather, baseUrl: server.url }))
          const calling = yield* model.invoke({ city })
          assert.deepStrictEqual((yield* server.seen).map((seen) => seen.path), [])
          assert.strictEqual(parameterOf(yield* Effect.flip(calling.response)), "city")
        })
    )

    it.effect("needs all of its arguments: one that is not given is refused, and nothing is sent", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast })
        const request = Schema.Struct({ city: Schema.optional(Schema.String) })
        const model = yield* iModel.make(yield* Endpoint.make({ ...weather, request, baseUrl: server.url }))
        const calling = yield* model.invoke({})
        assert.deepStrictEqual((yield* server.seen).map((seen) => seen.path), [])
        assert.strictEqual(parameterOf(yield* Effect.flip(calling.response)), "city")
      }))

    it.effect.each([
      { base: "/", path: "/forecast", expected: "/forecast" },
      { base: "/v1", path: "/forecast", expected: "/v1/forecast" },
      { base: "/v1/", path: "/forecast", expected: "/v1/forecast" },
      { base: "/v1//", path: "forecast", expected: "/v1/forecast" },
      { base: "/v1", path: "forecast", expected: "/v1/forecast" }
    ])(
      "has one slash between '$base' of the base address and '$path'",
      ({ base, expected, path }) =>
        Effect.gen(function*() {
          const server = yield* serve({ body: forecast })
          const model = yield* iModel.make(yield* Endpoint.make({ ...weather, path, baseUrl: `${server.url}${base}` }))
          yield* model.respond(oslo)
          assert.strictEqual((yield* server.arrival).path, expected)
        })
    )

    it.effect.each([
      { name: "is relative", baseUrl: "/v1" },
      { name: "has no scheme", baseUrl: "weather.example.com" },
      { name: "is no address of the web", baseUrl: "file:///etc/passwd" },
      { name: "has a query, which no path can follow", baseUrl: "https://weather.example.com/v1?units=metric" },
      { name: "has a fragment, which no path can follow", baseUrl: "https://weather.example.com/v1#today" }
    ])(
      "fails with IllegalArgumentError when it is made, if the base address $name",
      ({ baseUrl }) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(Endpoint.make({ ...weather, baseUrl }))
          assert.strictEqual(error._tag, "IllegalArgumentError")
          assert.include(error.message, "baseUrl")
        })
    )

    it.effect("fails with IllegalArgumentError when it is made, if its retry is wrong", () =>
      Effect.gen(function*() {
        const soon: ServiceBackend.Retry = JSON.parse(`{ "maxDelay": "soon" }`)
        for (const retry of [{ times: NaN }, { times: -1 }, { delay: -1 }, soon]) {
          const error = yield* Effect.flip(Endpoint.make({ ...weather, baseUrl: "https://weather.example.com", retry }))
          assert.strictEqual(error._tag, "IllegalArgumentError")
          assert.match(error.message, /^retry\./)
        }
      }))
  })

  describe("the request", () => {
    it.effect("posts as JSON the arguments that are not in the path", () =>
      Effect.gen(function*() {
        const { body, headers, method } = yield* requestOf({})
        assert.strictEqual(method, "POST")
        assert.strictEqual(headers["content-type"], "application/json")
        assert.strictEqual(headers["accept"], "application/json")
        assert.deepStrictEqual(body, { days: 2 })
      }))

    it.effect("carries a credential with a scheme of its own", () =>
      Effect.gen(function*() {
        const token = Redacted.make("Token abcdefghi")
        const { headers } = yield* requestOf({ auth: { type: "header", name: "authorization", credential: token } })
        assert.strictEqual(headers.authorization, "Token abcdefghi")
      }))

    it.effect("has a query and no body when it gets", () =>
      Effect.gen(function*() {
        const { body, headers, method, path } = yield* requestOf({ method: "GET" })
        assert.strictEqual(`${method} ${path}`, "GET /cities/Oslo/forecast?days=2")
        assert.strictEqual(body, undefined)
        assert.notProperty(headers, "content-type")
      }))

    it.effect("has arrays and objects in its query", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast })
        const where = Schema.Struct({ country: Schema.String })
        const request = Schema.Struct({ city: Schema.String, hours: Schema.Array(Schema.Int), where })
        const model = yield* iModel.make(
          yield* Endpoint.make({ ...weather, request, method: "GET", baseUrl: server.url })
        )
        yield* model.respond({ city: "Oslo", hours: [6, 18], where: { country: "no" } })
        const { path } = yield* server.arrival
        assert.strictEqual(decodeURIComponent(path), `/cities/Oslo/forecast?hours=6&hours=18&where={"country":"no"}`)
      }))

    it.effect.each([{ method: "PUT" as const }, { method: "DELETE" as const }])(
      "has a body when its method is $method",
      ({ method }) =>
        Effect.gen(function*() {
          const seen = yield* requestOf({ method })
          assert.strictEqual(seen.method, method)
          assert.deepStrictEqual(seen.body, { days: 2 })
        })
    )

    it.effect("has the body that the endpoint makes of its arguments", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast })
        const model = yield* iModel.make(
          yield* Endpoint.make({
            ...weather,
            baseUrl: server.url,
            body: ({ city, days }) => Effect.succeed({ query: { where: city, until: days ?? 1 } })
          })
        )
        yield* model.respond({ city: "Oslo" })
        assert.deepStrictEqual((yield* server.arrival).body, { query: { where: "Oslo", until: 1 } })
      }))

    it.effect("is not sent when its body cannot be made", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast })
        const model = yield* iModel.make(
          yield* Endpoint.make({
            ...weather,
            baseUrl: server.url,
            body: () => Effect.fail(new Errors.Unsupported({ provider: "weather", feature: "this city" }))
          })
        )
        const error = yield* errorOf(model, oslo)
        assert.strictEqual(error.reason._tag, "Unsupported")
        assert.deepStrictEqual(yield* server.seen, [])
      }))

    it.effect("is not sent when an argument is wrong or unknown, which the error names", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast })
        const backend = yield* Endpoint.make({ ...weather, baseUrl: server.url })
        const wrong = [
          { args: { days: 1 }, parameter: "city" },
          { args: { city: "Oslo", days: 1.5 }, parameter: "days" },
          { args: { city: "Oslo", hours: 1 }, parameter: "hours" }
        ]
        for (const { args, parameter } of wrong) {
          const calling = yield* backend.createCalling(args)
          assert.strictEqual(parameterOf(yield* Effect.flip(calling.response)), parameter)
        }
        assert.deepStrictEqual(yield* server.seen, [])
      }))
  })

  describe("the credential", () => {
    it.effect.each<{ readonly auth: Endpoint.Auth; readonly header: string; readonly value: string }>([
      { auth: { type: "bearer", credential }, header: "authorization", value: `Bearer ${canary}` },
      { auth: { type: "x-api-key", credential }, header: "x-api-key", value: canary },
      { auth: { type: "header", name: "X-Goog-Api-Key", credential }, header: "x-goog-api-key", value: canary }
    ])("is sent in the header $header, and in no other", ({ auth, header, value }) =>
      Effect.gen(function*() {
        const { headers } = yield* requestOf({ auth })
        const carrying = Object.entries(headers).filter(([, text]) => text.includes(canary))
        assert.deepStrictEqual(carrying, [[header, value]])
      }))

    it.effect.each<{ readonly name: string; readonly options: { readonly auth?: Endpoint.Auth } }>([
      { name: "type none", options: { auth: { type: "none" } } },
      { name: "no auth at all", options: {} }
    ])("is not sent for $name", ({ options }) =>
      Effect.gen(function*() {
        const { headers } = yield* requestOf(options)
        assert.notProperty(headers, "authorization")
        assert.notProperty(headers, "x-api-key")
      }))

    it.effect("is read from the configuration, without the newline at its end", () =>
      Effect.gen(function*() {
        const { headers } = yield* requestOf({
          auth: { type: "x-api-key", credential: Config.Redacted("WEATHER_KEY") }
        }).pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { WEATHER_KEY: `${canary}\n` } }))))
        assert.strictEqual(headers["x-api-key"], canary)
      }))

    it.effect("fails with ConfigError, naming the variable, when it is not configured", () =>
      Effect.gen(function*() {
        const auth = { type: "x-api-key", credential: Config.Redacted("WEATHER_KEY") } as const
        const error = yield* Endpoint.make({ ...weather, baseUrl: "https://weather.example.com", auth }).pipe(
          Effect.flip,
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: {} })))
        )
        assert.strictEqual(error._tag, "ConfigError")
        assert.include(error.message, "WEATHER_KEY")
      }))

    it.effect.each<{ readonly auth: Endpoint.Auth }>([
      { auth: { type: "bearer", credential: Redacted.make("") } },
      { auth: { type: "x-api-key", credential: Redacted.make(" \n") } },
      { auth: { type: "header", name: "x-key", credential: Redacted.make("") } }
    ])("fails with IllegalArgumentError when it is empty: $auth.type", ({ auth }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Endpoint.make({ ...weather, baseUrl: "https://weather.example.com", auth }))
        assert.strictEqual(error._tag, "IllegalArgumentError")
        assert.include(error.message, "credential")
      }))

    it.effect.each<{ readonly auth: Endpoint.Auth }>([
      { auth: { type: "bearer", credential } },
      { auth: { type: "x-api-key", credential } },
      { auth: { type: "header", name: "x-goog-api-key", credential } }
    ])("is not in the spans of a program that traces all headers: $auth.type", ({ auth }) =>
      Effect.gen(function*() {
        const spans: Array<Tracer.NativeSpan> = []
        const tracer = Tracer.make({
          span: (spanOptions) => {
            const span = new Tracer.NativeSpan(spanOptions)
            spans.push(span)
            return span
          }
        })
        yield* requestOf({ auth }).pipe(
          Effect.provideService(Tracer.Tracer, tracer),
          Effect.provideService(HttpClient.TracerHeaderFilter, () => true)
        )
        assert.deepStrictEqual(spans.map(({ name }) => name), ["iModel.call"])
        assert.notInclude(inspect(spans, { depth: 20, showHidden: true }), canary)
      }))

    it.effect("is shown nowhere when a server quotes it, whatever the header", () =>
      Effect.gen(function*() {
        const server = yield* serve((seen) =>
          Effect.succeed({ status: 400, body: `unknown key ${seen.headers["x-goog-api-key"]}` })
        )
        const auth = { type: "header", name: "x-goog-api-key", credential } as const
        const model = yield* iModel.make(yield* Endpoint.make({ ...weather, baseUrl: server.url, auth }))
        const error = yield* errorOf(model, oslo)
        assert.include(error.message, "unknown key ")
        assert.notInclude(inspect(error, { depth: 10 }), "canary")
        assert.notInclude(JSON.stringify(error), "canary")
      }))
  })

  it.effect("default headers go with every request", () =>
    Effect.gen(function*() {
      const { headers } = yield* requestOf({
        auth: { type: "x-api-key", credential },
        headers: { "Weather-Version": "2023-06-01", "accept": "application/vnd.weather+json" }
      })
      assert.strictEqual(headers["weather-version"], "2023-06-01")
      assert.strictEqual(headers["accept"], "application/vnd.weather+json")
      assert.strictEqual(headers["x-api-key"], canary)
    }))

  describe("the response", () => {
    it.effect("is decoded by its schema into data, and kept as it came in rawResponse", () =>
      Effect.gen(function*() {
        const body = { celsius: ["3", "4.5"], station: 7 }
        const server = yield* serve({ body, headers: { "request-id": "req_1" } })
        const response = Schema.Struct({ celsius: Schema.Array(Schema.FiniteFromString) })
        const model = yield* iModel.make(yield* Endpoint.make({ ...weather, response, baseUrl: server.url }))
        const answer = yield* model.respond(oslo)
        assert.deepStrictEqual(answer.data, forecast)
        assert.deepStrictEqual(answer.rawResponse, body)
        assert.deepStrictEqual(answer.metadata, { requestId: "req_1", attempts: 1 })
        assert.strictEqual(answer.text, "")
        assert.strictEqual(answer.finishReason, "stop")
        assert.deepStrictEqual(answer.usage, { inputTokens: {}, outputTokens: {} })
      }))

    it.effect("has the normal shape that the endpoint makes of it", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: forecast, headers: { "x-request-id": "req_2" } })
        const model = yield* iModel.make(
          yield* Endpoint.make({
            ...weather,
            baseUrl: server.url,
            normalize: ({ celsius }) => Effect.succeed({ text: celsius.join(", "), metadata: { station: 7 } })
          })
        )
        const { metadata, text } = yield* model.respond(oslo)
        assert.strictEqual(text, "3, 4.5")
        assert.deepStrictEqual(metadata, { station: 7, requestId: "req_2", attempts: 1 })
      }))

    it.effect.each([
      { body: { celsius: [3, "cold"] }, tells: "celsius[1]: " },
      { body: {}, tells: "celsius: Missing key" },
      { body: [], tells: "Expected object" },
      { body: "not found", tells: "the body is not JSON: not found" }
    ])(
      "that does not fit its schema is a failure that names the path: $tells",
      ({ body, tells }) =>
        Effect.gen(function*() {
          const server = yield* serve({ body })
          const model = yield* iModel.make(yield* Endpoint.make({ ...weather, baseUrl: server.url }))
          const error = yield* errorOf(model, oslo)
          assert.strictEqual(error.reason._tag, "InvalidResponseError")
          assert.include(error.message, tells)
          assert.isFalse(error.isRetryable)
        })
    )
  })

  describe("a failure", () => {
    it.effect.each<{ readonly status: number; readonly reason: BackendError["reason"]["_tag"] }>([
      { status: 400, reason: "InvalidRequestError" },
      { status: 401, reason: "AuthenticationError" },
      { status: 403, reason: "AuthenticationError" },
      { status: 404, reason: "InvalidRequestError" },
      { status: 408, reason: "InternalProviderError" },
      { status: 409, reason: "InternalProviderError" },
      { status: 413, reason: "InvalidRequestError" },
      { status: 422, reason: "InvalidRequestError" },
      { status: 429, reason: "RateLimitError" },
      { status: 500, reason: "InternalProviderError" },
      { status: 503, reason: "InternalProviderError" },
      { status: 529, reason: "InternalProviderError" }
    ])("of status $status is of reason $reason", ({ reason, status }) =>
      Effect.gen(function*() {
        const server = yield* serve({ status, body: "try the other door", headers: { "retry-after": "3" } })
        const model = yield* iModel.make(yield* Endpoint.make({ ...weather, baseUrl: server.url }))
        const error = yield* errorOf(model, oslo)
        assert.strictEqual(error.reason._tag, reason)
        assert.strictEqual(error.isRetryable, reason === "InternalProviderError" || reason === "RateLimitError")
        assert.strictEqual(retryAfterMillis(error), error.isRetryable ? 3000 : undefined)
        assert.strictEqual("http" in error.reason ? error.reason.http?.response?.status : undefined, status)
        assert.strictEqual("http" in error.reason ? error.reason.http?.body : undefined, "try the other door")
        if (status !== 429) assert.include(error.message, "try the other door")
      }))

    it.effect("asks for no time when it asks for none at all", () =>
      Effect.gen(function*() {
        const server = yield* serve({ status: 429, headers: { "retry-after": "0" } })
        const model = yield* iModel.make(yield* Endpoint.make({ ...weather, baseUrl: server.url }))
        assert.isUndefined(retryAfterMillis(yield* errorOf(model, oslo)))
      }))

    it.effect("tells its status when the answer has no body", () =>
      Effect.gen(function*() {
        const server = yield* serve({ status: 404 })
        const model = yield* iModel.make(yield* Endpoint.make({ ...weather, baseUrl: server.url }))
        assert.include((yield* errorOf(model, oslo)).message, "HTTP 404")
      }))

    it.effect("has the reason that the endpoint makes of the answer", () =>
      Effect.gen(function*() {
        const answer = {
          status: 418,
          body: { why: "teapot" },
          headers: { "retry-after-ms": "250", "x-request-id": "r" }
        }
        const server = yield* serve(answer)
        const model = yield* iModel.make(
          yield* Endpoint.make({
            ...weather,
            baseUrl: server.url,
            reason: ({ body, excerpt, http, retryAfter, status }) =>
              new AiError.ContentPolicyError({
                description: JSON.stringify({ body, excerpt, headers: http.response?.headers, retryAfter, status })
              })
          })
        )
        const { reason } = yield* errorOf(model, oslo)
        if (reason._tag !== "ContentPolicyError") return assert.fail(reason._tag)
        assert.deepStrictEqual(JSON.parse(reason.description), {
          body: { why: "teapot" },
          excerpt: "{\"why\":\"teapot\"}",
          headers: { "retry-after-ms": "250", "x-request-id": "r" },
          retryAfter: JSON.parse(JSON.stringify(Duration.millis(250))),
          status: 418
        })
      }))
  })

  it.effect("a backend keeps 150 milliseconds of headroom, unless it states its own", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* headroomOf(), 150)
      assert.strictEqual(yield* headroomOf("1 second"), 1000)
    }))

  it.effect("a call costs what the endpoint estimates", () =>
    Effect.gen(function*() {
      const backend = yield* Endpoint.make({
        ...weather,
        baseUrl: "https://weather.example.com",
        cost: ({ days }) => 10 * (days ?? 1)
      })
      assert.strictEqual((yield* backend.createCalling(oslo)).cost, 20)
    }))
})

const clients = [
  { name: "FetchHttpClient", client: FetchHttpClient.layer },
  { name: "NodeHttpClient.layerUndici", client: NodeHttpClient.layerUndici }
]

for (const { client, name } of clients) {
  layer(client)(`Endpoint on ${name}`, (it) => {
    it.effect("refuses a base address with a user and a password, without showing them", () =>
      Effect.gen(function*() {
        for (const baseUrl of ["http://ada:hunter22@127.0.0.1/v1", "ftp://ada:hunter22@127.0.0.1/v1"]) {
          const error = yield* Effect.flip(Endpoint.make({ ...weather, baseUrl }))
          assert.isTrue(Cause.isIllegalArgumentError(error))
          assert.match(error.message, /^baseUrl must/)
          assert.notInclude(error.message, "hunter22")
        }
      }))
  })
}
