/** Models that go through JSON and come back. */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Duration, Effect, Equal, Layer, Redacted } from "effect"
import { Anthropic, Hook, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { Written } from "../../support/configurations.ts"

const canary = "sk-canary-0123456789"

const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({
  OPENAI_API_KEY: canary,
  ANTHROPIC_API_KEY: canary,
  GEMINI_API_KEY: canary,
  MY_KEY: canary,
  EMPTY: "",
  VLLM_BASE_URL: `https://${canary}@llm.example.com`
}))

const world = Layer.merge(Simulator.layerHttpClient({ latency: 0 }), environment)

const restore = (json: unknown) => Effect.provide(iModel.iModel, iModel.layerFromJson(json).pipe(Layer.provide(world)))

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

  it.effect("is not looked for in the metadata before it is asked for", () =>
    Effect.gen(function*() {
      const { backend } = yield* ServiceBackend.makeMock(() => Effect.succeed("blue"))
      const metadata = {
        get client() {
          return assert.fail("was looked at")
        }
      }
      const model = yield* iModel.make(backend, { metadata })
      const either = yield* iModel.fallback([model])
      assert.strictEqual((yield* either.respond({ prompt: "Hello" })).text, "blue")
    }))

  it.effect("of several models has theirs in it, and makes them again", () =>
    Effect.gen(function*() {
      const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini" }), { limitRequests: 5 })
      const claude = yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-haiku-4-5" }), {
        name: "claude"
      })
      const both = yield* iModel.balance([gpt, claude], { strategy: { weights: [3, 1] }, cooldown: "1 minute" })
      const either = yield* iModel.fallback([both, gpt], { name: "either", timeout: "1 minute" })
      const one = {
        backend: { type: "provider", provider: "openai", endpoint: "chat", model: "gpt-4o-mini" },
        limitRequests: 5
      }
      const other = {
        backend: { type: "provider", provider: "anthropic", endpoint: "messages", model: "claude-haiku-4-5" },
        name: "claude"
      }
      const json = iModel.toJson(either)
      assert.deepStrictEqual(json, {
        version: 1,
        backend: {
          type: "fallback",
          models: [
            {
              backend: {
                type: "balance",
                models: [one, other],
                cooldown: 60_000,
                strategy: { weights: [3, 1] }
              }
            },
            one
          ]
        },
        name: "either",
        timeout: 60_000
      })
      yield* Effect.gen(function*() {
        const restored = yield* iModel.iModel
        assert.deepStrictEqual(iModel.toJson(restored), json)
        assert.strictEqual(restored.name, "either")
        const { metadata } = yield* restored.respond({ prompt: "Hello" })
        assert.strictEqual(metadata["model"], "gpt-4o-mini")
      }).pipe(Effect.provide(iModel.layerFromJson(json)))
    }).pipe(Effect.provide(world)))

  it.effect("is written by people: times in words, and a provider without its type", () =>
    Effect.gen(function*() {
      const model = yield* restore({
        version: 1,
        backend: { provider: "openai", endpoint: "chat", model: "gpt-4o-mini" },
        timeout: "10 minutes"
      })
      assert.deepStrictEqual(iModel.toJson(model), { ...good, timeout: Duration.toMillis("10 minutes") })
    }))

  it.effect("says by null what is no data", () =>
    Effect.gen(function*() {
      const byValue = yield* Anthropic.makeMessages({
        model: "claude-sonnet-4-5",
        apiKey: Redacted.make(canary),
        retry: { while: () => true }
      })
      const model = yield* iModel.make(byValue, { limitTokens: 5, cost: () => 1, hooks: [Hook.identity] })
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
      const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini" }))
      const error = yield* Effect.flip(restore(iModel.toJson(yield* iModel.fallback([gpt, mocked]))))
      assert.propertyVal(error, "path", "backend.models.1.backend")
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
      ["another kind of backend", { ...good, backend: { type: "circus", apiKey: canary } }, "backend.type"],
      ["a name in place of a model", { ...good, backend: { type: "fallback", models: [canary] } }, "backend.models.0"],
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

  it.effect.each(
    [
      ["backend.provider", { provider: canary }],
      ["backend.provider", { provider: undefined }],
      ["backend.endpoint", { endpoint: canary }],
      ["backend.endpoint", { endpoint: "messages", provider: "acme", baseUrl: "https://llm.example.com" }],
      ["backend.maxTokens", { maxTokens: 5 }],
      ["backend.maxTokens", { provider: "anthropic", endpoint: "messages", maxTokens: 0 }],
      ["backend.reasoning", { endpoint: "embeddings", reasoning: true }],
      ["backend.baseUrl", { baseUrl: canary }],
      ["backend.baseUrl", { baseUrl: `ftp://${canary}` }],
      ["backend.baseUrl", { baseUrl: `https://user:${canary}@llm.example.com` }],
      ["backend.baseUrl", { baseUrl: `https://llm.example.com/?key=${canary}` }],
      ["backend.baseUrl", { provider: "azure" }],
      ["backend.baseUrl", { provider: "vllm" }],
      ["backend.apiKey", { provider: "groq" }],
      ["backend.retry.times", { retry: { times: -1 } }],
      ["backend.retry.while", { retry: { while: null } }],
      ["backend.circuitBreaker.failures", { circuitBreaker: { failures: 0.5 } }],
      ["backend.circuitBreaker.openFor", { circuitBreaker: { openFor: "soon" } }]
    ] as const
  )("a backend, by its field %s", ([path, backend]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(restore({ ...good, backend: { ...good.backend, ...backend } }))
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.propertyVal(error, "path", path)
      assert.notInclude(JSON.stringify(error), canary)
    }))

  it.effect.each(
    [
      ["limitRequests", 0.5],
      ["limitTokens", 0],
      ["capacityRefreshTime", "0 minutes"],
      ["headroom", -1],
      ["concurrency", 1.5],
      ["queueCapacity", 0],
      ["onLimit", "never"],
      ["timeout", 0],
      ["timeout", "ten minutes"],
      ["idleTimeout", "Infinity"]
    ] as const
  )("an option, by its name: %s", ([name, value]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(restore({ ...good, [name]: value }))
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.propertyVal(error, "path", name)
    }))

  it.effect.each(
    [
      ["backend.models", { models: undefined }],
      ["backend.models.0", { models: [] }],
      ["backend.models.1", { models: [{ backend: good.backend }, 5] }],
      ["backend.models.1.backend", { models: [{ backend: good.backend }, { backend: null }] }],
      ["backend.models.0.timeout", { models: [{ backend: good.backend, timeout: 0 }] }],
      ["backend.models.0.backend.apiKey", { models: [{ backend: { ...good.backend, apiKey: canary } }] }],
      ["backend.models.0.backend.apiKey", { models: [{ backend: { ...good.backend, apiKey: "NOWHERE" } }] }],
      ["backend.cooldown", { models: [{ backend: good.backend }], cooldown: 0 }],
      ["backend.strategy", { models: [{ backend: good.backend }], strategy: "best" }],
      ["backend.strategy.weights", { models: [{ backend: good.backend }], strategy: { weights: [1, 2] } }],
      ["backend.strategy.weights.0", { models: [{ backend: good.backend }], strategy: { weights: [0] } }],
      ["backend.headers", { models: [{ backend: good.backend }], headers: { authorization: canary } }]
    ] as const
  )("one of several, by its field %s", ([path, backend]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(restore({ ...good, backend: { type: "balance", ...backend } }))
      assert.strictEqual(error._tag, "ConfigurationError")
      assert.propertyVal(error, "path", path)
      assert.notInclude(JSON.stringify(error), canary)
    }))
})
