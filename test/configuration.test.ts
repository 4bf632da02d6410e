/** Models that go through JSON and come back. */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Equal, Layer, Redacted, Schema } from "effect"
import { Anthropic, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"

const canary = "sk-canary-0123456789"

const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({
  OPENAI_API_KEY: canary,
  ANTHROPIC_API_KEY: canary,
  GEMINI_API_KEY: canary,
  MY_KEY: canary,
  EMPTY: ""
}))

const world = Layer.merge(Simulator.layerHttpClient({ latency: 0 }), environment)

const restore = (json: unknown) => Effect.provide(iModel.iModel, iModel.layerFromJson(json).pipe(Layer.provide(world)))

const Positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))
const Time = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))
const { optionalKey } = Schema

const Written = Schema.Struct({
  version: Schema.Literal(1),
  backend: Schema.Union([
    Schema.Struct({
      type: Schema.Literal("provider"),
      provider: Schema.Literals(["openai", "groq", "mistral"]),
      endpoint: Schema.Literals(["chat", "responses", "embeddings"]),
      model: Schema.Literals(["gpt-4o-mini", "mine"]),
      apiKey: Schema.Literal("MY_KEY"),
      baseUrl: optionalKey(Schema.Literal("https://llm.example.com/v1")),
      retry: optionalKey(
        Schema.Struct({ times: optionalKey(Positive), delay: optionalKey(Time), maxDelay: optionalKey(Time) })
      ),
      circuitBreaker: optionalKey(
        Schema.Union([
          Schema.Literal(true),
          Schema.Struct({ failures: optionalKey(Positive), openFor: optionalKey(Time) })
        ])
      )
    }),
    Schema.Struct({
      type: Schema.Literal("provider"),
      provider: Schema.Literal("anthropic"),
      endpoint: Schema.Literal("messages"),
      model: Schema.Literal("claude-sonnet-4-5"),
      maxTokens: optionalKey(Positive)
    }),
    Schema.Struct({
      type: Schema.Literal("provider"),
      provider: Schema.Literal("gemini"),
      endpoint: Schema.Literals(["generateContent", "embedContent"]),
      model: Schema.Literal("gemini-2.5-flash")
    })
  ]),
  name: optionalKey(Schema.String),
  metadata: optionalKey(Schema.JsonObject),
  limitRequests: optionalKey(Positive),
  limitTokens: optionalKey(Positive),
  limitInputTokens: optionalKey(Positive),
  limitOutputTokens: optionalKey(Positive),
  capacityRefreshTime: optionalKey(Time),
  headroom: optionalKey(Time),
  queueCapacity: optionalKey(Positive),
  concurrency: optionalKey(Positive),
  onLimit: optionalKey(Schema.Literals(["wait", "deny"])),
  maxDenials: optionalKey(Positive),
  onFull: optionalKey(Schema.Literals(["suspend", "deny"])),
  expectedOutputTokens: optionalKey(Positive),
  timeout: optionalKey(Time),
  queueTimeout: optionalKey(Time),
  firstPartTimeout: optionalKey(Time),
  idleTimeout: optionalKey(Time),
  priority: optionalKey(Positive)
})

describe("a configuration", () => {
  it.effect.prop(
    "makes a model that is written as it was, without a credential",
    { written: Written },
    Effect.fnUntraced(function*({ written }) {
      const model = yield* restore(written)
      const json = JSON.stringify(iModel.toJson(model))
      assert.notInclude(json, canary)
      assert.deepStrictEqual(JSON.parse(json), JSON.parse(JSON.stringify(written)))
      const again = yield* restore(JSON.parse(json))
      assert.strictEqual(JSON.stringify(iModel.toJson(again)), json)
      assert.isFalse(Equal.equals(again, model))
    })
  )

  it.effect("of a model that was made in code makes one that works, with full buckets", () =>
    Effect.gen(function*() {
      const backend = yield* OpenAi.makeChat({
        model: "gpt-4o-mini",
        apiKey: "MY_KEY",
        retry: { times: 1, delay: "2 seconds" },
        reasoning: false
      })
      const model = yield* iModel.make(backend, {
        limitRequests: 2,
        timeout: "1 minute",
        metadata: { team: "blue", password: canary }
      })
      yield* model.respond({ prompt: "Hello" })
      const json = iModel.toJson(model)
      assert.deepStrictEqual(json, {
        version: 1,
        backend: {
          type: "provider",
          provider: "openai",
          endpoint: "chat",
          model: "gpt-4o-mini",
          apiKey: "MY_KEY",
          retry: { times: 1, delay: 2_000 },
          reasoning: false
        },
        metadata: { team: "blue" },
        limitRequests: 2,
        timeout: 60_000
      })
      const text = yield* Effect.gen(function*() {
        const restored = yield* iModel.iModel
        assert.notStrictEqual(restored.id, model.id)
        assert.strictEqual(
          (yield* restored.executor?.snapshot ?? Effect.die("no executor")).limits.requests?.available,
          2
        )
        return (yield* restored.respond({ prompt: "Hello" })).text
      }).pipe(Effect.provide(iModel.layerFromJson(json)))
      assert.match(text, /\w+/)
    }).pipe(Effect.provide(world)))

  it.effect("is written by people: times in words", () =>
    Effect.gen(function*() {
      const model = yield* restore({
        version: 1,
        backend: { type: "provider", provider: "openai", endpoint: "chat", model: "gpt-4o-mini" },
        timeout: "10 minutes"
      })
      assert.strictEqual(iModel.toJson(model)["timeout"], Duration.toMillis("10 minutes"))
    }))

  it.effect("says by null what is no data", () =>
    Effect.gen(function*() {
      const byValue = yield* Anthropic.makeMessages({
        model: "claude-sonnet-4-5",
        apiKey: Redacted.make(canary),
        retry: { while: () => true }
      })
      const model = yield* iModel.make(byValue, { limitTokens: 5, cost: () => 1, hooks: [] })
      const json = iModel.toJson(model)
      assert.notInclude(JSON.stringify(json), canary)
      assert.deepStrictEqual(json, {
        version: 1,
        backend: {
          type: "provider",
          provider: "anthropic",
          endpoint: "messages",
          model: "claude-sonnet-4-5",
          apiKey: null,
          retry: { while: null }
        },
        limitTokens: 5,
        cost: null,
        hooks: null
      })
      const configured = yield* Anthropic.makeMessages({ model: "m", apiKey: Config.Redacted("MY_KEY") })
      assert.propertyVal(configured.configuration, "apiKey", null)
      const mocked = yield* Effect.provide(
        iModel.iModel,
        iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.succeed("Hi"))))
      )
      assert.deepStrictEqual(iModel.toJson(mocked), { version: 1, backend: null })
    }).pipe(Effect.provide(world)))
})

const good = {
  version: 1,
  backend: { type: "provider", provider: "openai", endpoint: "chat", model: "gpt-4o-mini" }
}

describe("what is refused", () => {
  it.effect.each(
    [
      ["an unknown field", { ...good, limitRequest: 5 }, "limitRequest"],
      ["an unknown field of the backend", { ...good, backend: { ...good.backend, headers: {} } }, "backend.headers"],
      ["a wrong value", { ...good, concurrency: "ten" }, "concurrency"],
      ["a wrong time", { ...good, timeout: "soon" }, "timeout"],
      ["another version", { ...good, version: 2, shiny: true }, "version"],
      ["no version", { backend: good.backend }, "version"],
      ["a key", { ...good, backend: { ...good.backend, apiKey: canary } }, "backend.apiKey"],
      ["a key that was none", { ...good, backend: { ...good.backend, apiKey: null } }, "backend.apiKey"],
      ["a missing variable", { ...good, backend: { ...good.backend, apiKey: "NOWHERE" } }, "backend.apiKey"],
      ["a variable of the system", { ...good, backend: { ...good.backend, apiKey: "HOME" } }, "backend.apiKey"],
      ["a backend that is no data", { ...good, backend: null }, "backend"],
      ["an empty variable", { ...good, backend: { ...good.backend, apiKey: "EMPTY" } }, "backend.apiKey"],
      ["another kind of backend", { ...good, backend: { type: "circus", apiKey: canary } }, "backend"],
      ["a function", { ...good, cost: null }, "cost"],
      ["hooks", { ...good, hooks: null }, "hooks"],
      ["nothing", null, ""]
    ] as const
  )("%s, with its path", ([_name, json, path]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(restore(json))
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.propertyVal(error, "path", path)
      assert.notInclude(error.message, canary)
    }))

  it.effect("a provider that is not known, and an option of another", () =>
    Effect.gen(function*() {
      for (
        const backend of [
          { ...good.backend, provider: "nobody" },
          { ...good.backend, maxTokens: 5 },
          { ...good.backend, endpoint: "embeddings", reasoning: true }
        ]
      ) {
        const error = yield* Effect.flip(restore({ ...good, backend }))
        assert.strictEqual(error._tag, "IllegalArgumentError")
      }
    }))
})
