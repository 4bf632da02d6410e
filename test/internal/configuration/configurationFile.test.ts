/** Models of a file: what is read, what is refused, and what editors are told of it. */
import { NodeFileSystem } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Exit, FileSystem, JsonSchema, Layer, Schema, SchemaRepresentation } from "effect"
import { Errors, Executor, iModel, ServiceRegistry, Simulator } from "effect-imodel"
import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { jsonSchema } from "../../../src/internal/configuration/jsonSchema.ts"
import { Written } from "../../support/configurations.ts"

const canary = "sk-canary-0123456789"

const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({
  OPENAI_API_KEY: canary,
  ANTHROPIC_API_KEY: canary,
  GEMINI_API_KEY: canary,
  MY_KEY: canary
}))

const world = Layer.merge(Layer.orDie(Simulator.layerHttpClient({ latency: 0 })), environment)

const fileOf = (text: string) => FileSystem.layerNoop({ readFileString: () => Effect.succeed(text) })

const registryOf = (file: unknown) =>
  ServiceRegistry.layerFromFile("imodel.json").pipe(
    Layer.provide(fileOf(typeof file === "string" ? file : JSON.stringify(file))),
    Layer.provide(world)
  )

const gpt = { backend: { provider: "openai", endpoint: "chat", model: "gpt-4o-mini" }, limitRequests: 500 }
const claude = { backend: { provider: "anthropic", endpoint: "messages", model: "claude-haiku-4-5" } }
const fallback = (...models: ReadonlyArray<unknown>) => ({ backend: { type: "fallback", models } })

/** As JSON has it, where nothing is `undefined`. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const fileWith = (models: Readonly<Record<string, unknown>>) => ({ version: 1, models })

describe("a file of models", () => {
  it.effect("has them by their names, each made once, also as one of several", () =>
    Effect.gen(function*() {
      const { get, names } = yield* ServiceRegistry.ServiceRegistry
      assert.deepStrictEqual(yield* names, ["main", "gpt", "claude"])
      const main = yield* get("main")
      assert.strictEqual(main.name, "main")
      const calling = yield* main.invokeUnknown({ prompt: "Hello" })
      assert.deepStrictEqual(calling.attempts.map(({ model }) => model), ["gpt"])
      const shared = yield* get("gpt")
      assert.strictEqual(yield* get("gpt"), shared)
      const { limits } = yield* shared.executor?.snapshot ?? Effect.die("no executor")
      assert.isBelow(limits.requests?.available ?? 500, 500)
      assert.deepStrictEqual(iModel.toJson(main), {
        version: 1,
        backend: {
          type: "fallback",
          models: [
            { ...gpt, name: "gpt", backend: { type: "provider", ...gpt.backend } },
            { ...claude, name: "claude", backend: { type: "provider", ...claude.backend } }
          ]
        },
        name: "main",
        timeout: 60_000
      })
    }).pipe(
      Effect.provide(registryOf(fileWith({ main: { ...fallback("gpt", "claude"), timeout: "1 minute" }, gpt, claude })))
    ))

  it.effect("makes them when they are asked for: a variable that is missing is missed then", () =>
    Effect.gen(function*() {
      const { get } = yield* ServiceRegistry.ServiceRegistry
      yield* get("gpt")
      for (const name of ["groq", "main"]) {
        const error = yield* Effect.flip(get(name))
        if (!(error instanceof Errors.ModelUnavailable)) return assert.fail(String(error))
        assert.strictEqual(error.name, name)
        if (!(error.cause instanceof Errors.ConfigurationError)) return assert.fail(String(error.cause))
        assert.strictEqual(error.cause.file, "imodel.json")
        assert.strictEqual(error.cause.path, "models.groq.backend.apiKey")
        assert.match(error.message, /imodel\.json: models\.groq\.backend\.apiKey: .*GROQ_API_KEY/)
      }
    }).pipe(
      Effect.provide(registryOf(fileWith({
        gpt,
        groq: { backend: { ...gpt.backend, provider: "groq" } },
        main: fallback("gpt", "groq")
      })))
    ))

  it.effect("has a model that works, when another of which it is one could not be made", () =>
    Effect.gen(function*() {
      const { get } = yield* ServiceRegistry.ServiceRegistry
      yield* Effect.flip(get("main"))
      const calling = yield* (yield* get("gpt")).invokeUnknown({ prompt: "Hello" })
      assert.strictEqual(calling.execution.status, "completed")
    }).pipe(
      Effect.provide(registryOf(fileWith({
        gpt,
        groq: { backend: { ...gpt.backend, provider: "groq" } },
        main: fallback("gpt", "groq")
      })))
    ))

  it.effect("has models that outlive the executor of who asked for them first", () =>
    Effect.gen(function*() {
      const { get } = yield* ServiceRegistry.ServiceRegistry
      yield* get("claude").pipe(Effect.provide(Executor.layer({ concurrency: 1, queueCapacity: 1 })))
      const calling = yield* (yield* get("claude")).invokeUnknown({ prompt: "Hello" })
      assert.strictEqual(calling.execution.status, "completed")
    }).pipe(Effect.provide(registryOf(fileWith({ claude })))))

  it.effect("may have long texts in it", () =>
    Effect.gen(function*() {
      const { names } = yield* ServiceRegistry.ServiceRegistry
      assert.deepStrictEqual(yield* names, ["gpt"])
    }).pipe(Effect.provide(registryOf(fileWith({ gpt: { ...gpt, metadata: { text: "\n".repeat(5_000_000) } } })))))

  it.effect.prop(
    "has models that are written as they were, without a credential",
    { written: Schema.NonEmptyArray(Written) },
    Effect.fnUntraced(function*({ written }) {
      const models = Object.fromEntries(
        written.map(({ name: _name, version: _version, ...model }, i) => [`model ${i}`, model])
      )
      const all = { ...fallback(...Object.keys(models)), timeout: 5 }
      yield* Effect.gen(function*() {
        const { get } = yield* ServiceRegistry.ServiceRegistry
        const json = iModel.toJson(yield* get("all"))
        const members = Object.entries(models).map(([name, model]) => Object.assign({ name }, model))
        assert.deepStrictEqual(plain(json), plain({ version: 1, ...all, name: "all", ...fallback(...members) }))
        assert.notInclude(JSON.stringify(json), canary)
      }).pipe(Effect.provide(registryOf(fileWith({ all, ...models }))))
    })
  )

  it.effect("is read where it is", () =>
    Effect.gen(function*() {
      const path = fileURLToPath(new URL("../../fixtures/nothing.json", import.meta.url))
      const error = yield* Effect.flip(Layer.build(ServiceRegistry.layerFromFile(path)))
      assert.strictEqual(error.file, path)
      assert.match(error.message, /nothing\.json/)
    }).pipe(Effect.provide([NodeFileSystem.layer, world])))
})

describe("a file is refused, at once and without showing a secret, for", () => {
  it.effect.each(
    [
      ["what is no JSON", `{ "version": 1, "models": { "a": ${canary} } }`, ""],
      ["nothing", "", ""],
      ["another version", { version: 2, models: {} }, "version"],
      ["no models", { version: 1 }, "models"],
      ["an unknown field", { version: 1, models: {}, model: {} }, "model"],
      ["an unknown field of a model", fileWith({ gpt: { ...gpt, limitRequest: 5 } }), "models.gpt.limitRequest"],
      ["a name besides its own", fileWith({ gpt: { ...gpt, name: "claude" } }), "models.gpt.name"],
      ["a wrong value", fileWith({ gpt: { ...gpt, timeout: canary } }), "models.gpt.timeout"],
      [
        "a provider that is not known",
        fileWith({ gpt: { backend: { ...gpt.backend, provider: canary } } }),
        "models.gpt.backend.provider"
      ],
      ["a key", fileWith({ gpt: { backend: { ...gpt.backend, apiKey: canary } } }), "models.gpt.backend.apiKey"],
      [
        "a key in an address",
        fileWith({ gpt: { backend: { ...gpt.backend, baseUrl: `https://${canary}@example.com` } } }),
        "models.gpt.backend.baseUrl"
      ],
      [
        "a key in a query",
        fileWith({ gpt: { backend: { ...gpt.backend, baseUrl: `https://example.com?api_key=${canary}` } } }),
        "models.gpt.backend.baseUrl"
      ],
      [
        "a key of a model in another",
        fileWith({ main: fallback({ backend: { ...gpt.backend, apiKey: canary } }) }),
        "models.main.backend.models.0.backend.apiKey"
      ],
      ["a key in place of a name", fileWith({ gpt, main: fallback("gpt", canary) }), "models.main.backend.models.1"],
      [
        "a model that is no data",
        fileWith({ main: fallback({ backend: null }) }),
        "models.main.backend.models.0.backend"
      ],
      ["a model twice", fileWith({ gpt, main: fallback("gpt", "gpt") }), "models.main.backend.models.1"],
      [
        "a name twice",
        `{ "version": 1, "models": { "gpt": { "a": [{}, "b", { "\\u0067pt": 1 }] }, "x": {}, "\\u0067pt": {} } }`,
        "models.gpt"
      ],
      [
        "a field twice",
        `{ "version": 1, "models": [{ "a": "\\"}", "b": [1, 2] }, { "a": 1, "b": {}, "a": 2 }] }`,
        "models.1.a"
      ],
      [
        "what nobody writes by hand",
        `{ "version": 1, "models": { "gpt": { "metadata": { "a": ${"[".repeat(10_000)}${"]".repeat(10_000)} } } } }`,
        ""
      ],
      ["a model of itself", fileWith({ main: fallback("main") }), "models.main.backend.models.0"],
      [
        "a circle",
        fileWith({ gpt, a: fallback("gpt", "b"), b: fallback(fallback("gpt", "a")) }),
        "models.b.backend.models.0.backend.models.1"
      ]
    ] as const
  )("%s", ([_name, file, path]) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(registryOf(file)))
      assert.strictEqual(error.path, path)
      assert.strictEqual(error.file, "imodel.json")
      assert.notInclude(JSON.stringify(error) + error.message, canary)
    }))

  it.effect("a comma too many, with its place", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Layer.build(registryOf(`{\n  "version": 1,\n}`)))
      assert.match(error.message, /^imodel\.json: It is not JSON \(line 3 column 1\)$/)
    }))

  it.effect("a name that nobody has, with those that may have been meant", () =>
    Effect.gen(function*() {
      for (
        const [name, message] of [["cluade", "Did you mean claude?"], [
          "nobody at all",
          "There are: gpt, claude, main"
        ]] as const
      ) {
        const error = yield* Effect.flip(
          Layer.build(registryOf(fileWith({ gpt, claude, main: fallback("gpt", name) })))
        )
        assert.strictEqual(error.path, "models.main.backend.models.1")
        assert.include(error.message, message)
      }
    }))

  it.effect("a circle, with its way", () =>
    Effect.gen(function*() {
      const models = { a: fallback("b"), b: fallback("gpt", "c"), c: fallback("b"), gpt }
      const error = yield* Effect.flip(Layer.build(registryOf(fileWith(models))))
      assert.strictEqual(error.path, "models.c.backend.models.0")
      assert.include(error.message, "b → c → b")
    }))
})

// -----------------------------------------------------------------------------
// What was written, and what editors are told
// -----------------------------------------------------------------------------

const fixtures = fileURLToPath(new URL("../../fixtures/configuration", import.meta.url))

const fixturesOf = readdirSync(fixtures).map((name) => {
  const path = `${fixtures}/${name}`
  const json: unknown = JSON.parse(readFileSync(path, "utf8"))
  return { name, path, json }
})

describe("what was written once", () => {
  it.effect.each(fixturesOf)("is read for ever: $name", ({ json, path }) =>
    Effect.gen(function*() {
      if (Schema.is(Schema.Struct({ models: Schema.Unknown }))(json)) {
        yield* Effect.gen(function*() {
          const { get, names } = yield* ServiceRegistry.ServiceRegistry
          for (const name of yield* names) assert.strictEqual((yield* get(name)).name, name)
        }).pipe(Effect.provide(ServiceRegistry.layerFromFile(path)))
      } else {
        const model = yield* iModel.iModel.pipe(Effect.provide(iModel.layerFromJson(json)))
        assert.deepStrictEqual(iModel.toJson(model), json)
      }
    }).pipe(Effect.provide([NodeFileSystem.layer, world])))
})

const imported = SchemaRepresentation.fromJsonSchemaDocument(JsonSchema.fromSchemaDraft07(jsonSchema), {
  patterns: "apply"
})

/** Whether it is valid by the JSON Schema, and by nothing else. */
const isValid = (json: unknown): boolean =>
  Exit.isSuccess(
    Schema.decodeUnknownExit(Schema.make<Schema.Codec<unknown>>(imported.ast), { onExcessProperty: "error" })(json)
  )

/** The file of the guide. */
const example: unknown = JSON.parse(
  readFileSync(new URL("../../../scratchpad/guide/imodel.json", import.meta.url), "utf8")
)

describe("the JSON Schema of the file", () => {
  it("accepts what is read: the fixture, and the example of the guide", () => {
    const files = fixturesOf.filter(({ name }) => name === "imodel.json").map(({ json }) => json)
    for (const file of [...files, example]) assert.isTrue(isValid(file))
  })

  it.each(
    [
      ["an unknown field", { version: 1, models: {}, model: {} }],
      ["an unknown field of a model", fileWith({ gpt: { ...gpt, limitRequest: 5 } })],
      ["an unknown field of a backend", fileWith({ gpt: { backend: { ...gpt.backend, headers: {} } } })],
      ["an unknown field of a model in another", fileWith({ main: fallback({ ...gpt, limitRequest: 5 }) })],
      ["another version", { version: 2, models: {} }],
      ["a backend of another type", fileWith({ gpt: { backend: { ...gpt.backend, type: "circus" } } })],
      ["a limit of nothing", fileWith({ gpt: { ...gpt, limitRequests: 0 } })],
      ["a time in other words", fileWith({ gpt: { ...gpt, timeout: "soon" } })],
      ["a key", fileWith({ gpt: { backend: { ...gpt.backend, apiKey: canary } } })],
      ["null", fileWith({ gpt: { ...gpt, hooks: null } })]
    ] as const
  )("refuses %s", (_name, file) => {
    assert.isFalse(isValid(file))
  })

  it("describes every field, and closes every object that has fields", () => {
    const missing = (schema: unknown, path: string): ReadonlyArray<string> => {
      if (typeof schema !== "object" || schema === null) return []
      const parts = Object.entries(schema).flatMap(([key, part]) => missing(part, `${path}/${key}`))
      if (!Schema.is(Schema.Struct({ properties: Schema.Record(Schema.String, Schema.JsonObject) }))(schema)) {
        return parts
      }
      const fields = Object.entries(schema.properties)
        .filter(([_name, field]) => !("description" in field || "$ref" in field))
        .map(([name]) => `${path}/properties/${name}`)
      const open = "additionalProperties" in schema && schema.additionalProperties === false ? [] : [path]
      return [...open, ...fields, ...parts]
    }
    assert.deepStrictEqual(missing(jsonSchema, ""), [])
  })
})
