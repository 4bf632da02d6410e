/** Models of Effect AI as backends, and models of embeddings both ways. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Redacted, Schema, Stream, Tracer } from "effect"
import { AiError, EmbeddingModel, LanguageModel, Model, Prompt, Response, Telemetry, Tool } from "effect/ai"
import { Executor, Gemini, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { TestClock } from "effect/testing"
import { streamed } from "../../support/streams.ts"

const apiKey = Redacted.make("any-key-will-do")

const usage = { inputTokens: { total: 3 }, outputTokens: { total: 2 } }
const finish = { type: "finish", reason: "stop", usage } as const

interface Script {
  readonly generateText?: (
    options: LanguageModel.ProviderOptions
  ) => Effect.Effect<Array<Response.PartEncoded>, AiError.AiError>
  readonly streamText?: (
    options: LanguageModel.ProviderOptions
  ) => Stream.Stream<Response.StreamPartEncoded, AiError.AiError>
}

/** A model over a provider of Effect AI that is made up. */
const scripted = (script: Script, options?: iModel.Options) =>
  iModel.layer(options).pipe(
    Layer.provide(ServiceBackend.layer(ServiceBackend.fromLanguageModel())),
    Layer.provide(Layer.effect(
      LanguageModel.LanguageModel,
      LanguageModel.make({
        generateText: script.generateText ?? (() => Effect.succeed([{ type: "text", text: "blue" }, finish])),
        streamText: script.streamText ?? (() => Stream.empty)
      })
    ))
  )

const failure = (reason: AiError.AiErrorReason) => Effect.fail(AiError.make({ module: "Made", method: "up", reason }))

const weather = Tool.make("weather", { parameters: Schema.Struct({ city: Schema.String }), success: Schema.String })

describe("a language model of Effect AI", () => {
  it.effect("answers as any backend does", () =>
    Effect.gen(function*() {
      const response = yield* iModel.respond({ prompt: "Name a colour." })
      assert.strictEqual(response.text, "blue")
      assert.strictEqual(response.finishReason, "stop")
      assert.strictEqual(response.usage.outputTokens.total, 2)
      assert.deepStrictEqual(response.data, response.content)
      const messages = yield* iModel.respond({ messages: [{ role: "user", content: "Name a colour." }] })
      assert.strictEqual(messages.text, "blue")
    }).pipe(Effect.provide(scripted({}))))

  it.effect("is asked for tools, which are left to the caller", () => {
    const asked: Array<LanguageModel.ProviderOptions> = []
    return Effect.gen(function*() {
      const described = { type: "function", function: { name: "time", parameters: { type: "object" } } } as const
      const { toolCalls } = yield* iModel.respond({
        prompt: "Is it raining?",
        tools: [weather, described],
        tool_choice: "required"
      })
      assert.deepStrictEqual(toolCalls, [
        { id: "1", name: "weather", params: { town: "Oslo" } },
        { id: "2", name: "unheard-of", params: "{" }
      ])
      const [options] = asked
      assert.strictEqual(options?.toolChoice, "required")
      assert.deepStrictEqual(options?.tools.map((tool) => tool.name), ["weather", "time"])
      assert.deepStrictEqual(options?.tools.map((tool) => Tool.getJsonSchema(tool)["type"]), ["object", "object"])
    }).pipe(Effect.provide(scripted({
      generateText: (options) => {
        asked.push(options)
        return Effect.succeed([
          { type: "tool-call", id: "1", name: "weather", params: { town: "Oslo" } },
          { type: "tool-call", id: "2", name: "unheard-of", params: "{" },
          { ...finish, reason: "tool-calls" }
        ])
      }
    })))
  })

  it.effect("costs what is said of its tools, too", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const bare = yield* model.createCalling({ prompt: "Is it raining?" })
      const equipped = yield* model.createCalling({ prompt: "Is it raining?", tools: [weather] })
      assert.isAbove(equipped.cost, bare.cost + 5)
    }).pipe(Effect.provide(scripted({}, { limitTokens: 1_000 }))))

  it.effect("decodes what a schema asks for", () =>
    Effect.gen(function*() {
      const { value } = yield* iModel.respondAs(Schema.Struct({ name: Schema.String }), { prompt: "A colour" })
      assert.strictEqual(value.name, "blue")
    }).pipe(Effect.provide(scripted({
      generateText: () => Effect.succeed([{ type: "text", text: `{"name":"blue"}` }, finish])
    }))))

  it.effect("streams, and is the same as a whole", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const parts = yield* Stream.runCollect(model.stream({ prompt: "Name a colour." }))
      assert.deepStrictEqual(parts.map(({ type }) => type), [
        "reasoning-start",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-delta",
        "text-end",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-end",
        "tool-call",
        "finish"
      ])
      const { response: { content } } = yield* streamed(model, { prompt: "Name a colour." })
      assert.deepStrictEqual(Prompt.fromResponseParts(content).content, Prompt.fromResponseParts(parts).content)
      const reasoning = content.find((part) => part.type === "reasoning")
      assert.deepStrictEqual(reasoning?.metadata, { made: { signature: "abc" } })
    }).pipe(Effect.provide(scripted({
      streamText: () =>
        Stream.make(
          { type: "reasoning-start", id: "0" },
          { type: "reasoning-delta", id: "0", delta: "hm" },
          { type: "reasoning-end", id: "0", metadata: { made: { signature: "abc" } } },
          { type: "text-start", id: "0" },
          { type: "text-delta", id: "0", delta: "bl" },
          { type: "text-delta", id: "0", delta: "ue" },
          { type: "text-end", id: "0" },
          { type: "tool-params-start", id: "1", name: "weather" },
          { type: "tool-params-delta", id: "1", delta: "{}" },
          { type: "tool-params-end", id: "1" },
          { type: "tool-call", id: "1", name: "weather", params: {} },
          finish
        )
    }))))

  it.effect("refuses what Effect AI cannot be told, by name", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.respond({ prompt: "Hello", temperature: 1 }))
      assert(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError")
      assert.strictEqual(error.reason.parameter, "temperature")
    }).pipe(Effect.provide(scripted({}))))

  it.effect("fails for the same reason, and is tried again where that helps", () => {
    let attempts = 0
    return Effect.gen(function*() {
      const running = yield* Effect.forkChild(iModel.invoke({ prompt: "Hello" }))
      yield* TestClock.adjust("1 minute")
      const calling = yield* Fiber.join(running)
      assert.deepStrictEqual(calling.attempts.map(({ reason }) => reason?._tag), [
        "RateLimitError",
        "InternalProviderError",
        undefined
      ])
      assert.strictEqual((yield* calling.response).text, "blue")
    }).pipe(Effect.provide(scripted({
      generateText: () =>
        ++attempts === 1
          ? failure(new AiError.RateLimitError({}))
          : attempts === 2
          ? failure(new AiError.InternalProviderError({ description: "down" }))
          : Effect.succeed([{ type: "text", text: "blue" }])
    }, { concurrency: 1 })))
  })

  it.effect("fails for a reason of ours where Effect AI has one of its own", () =>
    Effect.gen(function*() {
      const reasonOf = (reason: AiError.AiErrorReason) =>
        iModel.respond({ prompt: "Hello" }).pipe(
          Effect.flip,
          Effect.map((error) => error._tag === "BackendError" ? error.reason._tag : error._tag),
          Effect.provide(scripted({ generateText: () => failure(reason) }))
        )
      assert.strictEqual(
        yield* reasonOf(new AiError.StructuredOutputError({ description: "no", responseText: "?" })),
        "InvalidOutputError"
      )
      assert.strictEqual(
        yield* reasonOf(new AiError.UnsupportedSchemaError({ description: "no" })),
        "InvalidRequestError"
      )
      assert.strictEqual(
        yield* reasonOf(new AiError.InvalidUserInputError({ description: "no" })),
        "InvalidRequestError"
      )
    }))

  it.effect("whose stream tells of an error has broken off", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(Stream.runDrain(iModel.stream({ prompt: "Hello" })))
      assert(error._tag === "BackendError" && error.reason._tag === "StreamInterrupted")
      assert.strictEqual(error.reason.text, "bl")
      assert.match(error.message, /overloaded/)
    }).pipe(Effect.provide(scripted({
      streamText: () =>
        Stream.make(
          { type: "text-start", id: "0" },
          { type: "text-delta", id: "0", delta: "bl" },
          { type: "error", error: { message: "overloaded" } }
        )
    }))))
})

// -----------------------------------------------------------------------------
// Both at once
// -----------------------------------------------------------------------------

describe("Effect AI on a model on Effect AI", () => {
  const sandwich = (script: Script, options?: iModel.Options) =>
    iModel.layerLanguageModel.pipe(Layer.provide(scripted(script, options)))

  it.effect("loses nothing on the way, there and back", () =>
    Effect.gen(function*() {
      const { value } = yield* LanguageModel.generateObject({
        prompt: "A colour",
        schema: Schema.Struct({ name: Schema.String, at: Schema.DateTimeUtcFromString })
      })
      assert.strictEqual(value.name, "blue")
    }).pipe(Effect.provide(sandwich({
      generateText: () =>
        Effect.succeed([{ type: "text", text: `{"name":"blue","at":"2026-01-01T00:00:00Z"}` }, finish])
    }))))

  it.effect("keeps an error of ours through both", () =>
    Effect.gen(function*() {
      const inner = iModel.layerLanguageModel.pipe(
        Layer.provide(iModel.layer({ limitTokens: 1, cost: () => 2 })),
        Layer.provide(ServiceBackend.layerMock(() => Effect.succeed("Hi")))
      )
      const outer = iModel.layer().pipe(
        Layer.provide(ServiceBackend.layer(ServiceBackend.fromLanguageModel())),
        Layer.provide(inner)
      )
      const error = yield* Effect.flip(Effect.provide(iModel.respond({ prompt: "Hello" }), outer))
      assert(error._tag === "BackendError")
      assert.strictEqual(error.reason._tag, "InvalidRequestError")
    }))

  it.effect("has the words of telemetry once", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const told: Array<string> = []
      yield* LanguageModel.generateText({ prompt: "Hello" }).pipe(
        Effect.provideService(Telemetry.CurrentSpanTransformer, ({ response, span }) => {
          told.push(`${span.name}: ${response.length} parts`)
        }),
        Effect.provideService(Tracer.Tracer, tracer),
        Effect.provide(sandwich({
          // As the providers of Effect AI do.
          generateText: ({ span }) => {
            Telemetry.addGenAIAnnotations(span, { usage: { inputTokens: 3, outputTokens: 2 } })
            return Effect.succeed([{ type: "text", text: "blue" }, finish])
          }
        }))
      )
      assert.deepStrictEqual(spans.map(({ name }) => name), [
        "LanguageModel.generateText",
        "iModel.call",
        "LanguageModel.generateText"
      ])
      assert.strictEqual(spans.filter(({ attributes }) => attributes.has("gen_ai.usage.input_tokens")).length, 1)
      assert.deepStrictEqual(told, ["LanguageModel.generateText: 2 parts"])
    }))

  it.effect("is named by who answers", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.fromLanguageModel()
      assert.deepStrictEqual([backend.provider, backend.name], ["made", "up"])
    }).pipe(
      Effect.provide(Model.make(
        "made",
        "up",
        Layer.effect(
          LanguageModel.LanguageModel,
          LanguageModel.make({ generateText: () => Effect.succeed([]), streamText: () => Stream.empty })
        )
      ))
    ))
})

// -----------------------------------------------------------------------------
// Embeddings
// -----------------------------------------------------------------------------

describe.each(
  [
    ["OpenAI", OpenAi.layerEmbeddings({ model: "text-embedding-3-small", apiKey })],
    ["Gemini", Gemini.layerEmbedContent({ model: "gemini-embedding-001", apiKey })]
  ] as const
)("an embedding model on %s", (_name, backend) => {
  const layer = iModel.layerEmbeddingModel.pipe(
    Layer.provideMerge(iModel.layer({ concurrency: 10 })),
    Layer.provide(backend),
    Layer.provideMerge(Simulator.layerHttpClient({ latency: 0 }))
  )

  it.effect("puts what is embedded at the same moment into one call", () =>
    Effect.gen(function*() {
      const model = yield* EmbeddingModel.EmbeddingModel
      const one = yield* Effect.forEach(["blue", "red", "green"], model.embed, { concurrency: "unbounded" })
      const many = yield* model.embedMany(["blue", "red", "green"])
      assert.deepStrictEqual(one.map(({ vector }) => vector), many.embeddings.map(({ vector }) => vector))
      assert.notDeepEqual(one[0], one[1])
      assert.strictEqual((yield* (yield* Simulator.Simulator).seen).requests, 2)
    }).pipe(Effect.provide(layer)))

  it.effect("keeps regions apart", () =>
    Effect.gen(function*() {
      const model = yield* EmbeddingModel.EmbeddingModel
      const tenant = (key: string) => (text: string) =>
        model.embed(text).pipe(
          Effect.provideService(Executor.Key, key),
          Effect.provideService(iModel.CallArguments, {})
        )
      yield* Effect.all(
        [tenant("a")("blue"), tenant("a")("red"), tenant("b")("blue")],
        { concurrency: "unbounded" }
      )
      assert.strictEqual((yield* (yield* Simulator.Simulator).seen).requests, 2)
    }).pipe(Effect.provide(layer)))

  it.effect("under a model on Effect AI again", () =>
    Effect.gen(function*() {
      const outer = yield* Effect.flatMap(ServiceBackend.fromEmbeddingModel(), (backend) => iModel.make(backend))
      const { data, value } = yield* outer.respond({ input: ["blue", "red"] })
      assert.strictEqual(data.length, 2)
      assert.deepStrictEqual(value, data)
      assert.strictEqual((yield* outer.respond({ input: "blue" })).data.length, 1)
    }).pipe(Effect.provide(layer)))
})

describe("an embedding model", () => {
  it.effect("on a backend that embeds nothing says so", () =>
    Effect.gen(function*() {
      const model = yield* EmbeddingModel.EmbeddingModel
      const error = yield* Effect.flip(model.embed("blue"))
      assert.match(error.message, /is it a backend of embeddings/)
    }).pipe(Effect.provide(
      iModel.layerEmbeddingModel.pipe(
        Layer.provide(iModel.layer()),
        Layer.provide(ServiceBackend.layerMock(() => Effect.succeed("blue")))
      )
    )))

  it.effect("fails for the reason of its backend", () =>
    Effect.gen(function*() {
      const model = yield* EmbeddingModel.EmbeddingModel
      const error = yield* Effect.flip(model.embed("blue"))
      assert.strictEqual(error.reason._tag, "AuthenticationError")
      assert.isTrue(Option.isNone(iModel.fromAiError(error)))
    }).pipe(Effect.provide(
      iModel.layerEmbeddingModel.pipe(
        Layer.provide(iModel.layer()),
        Layer.provide(
          ServiceBackend.layerMock(() => Effect.fail(new AiError.AuthenticationError({ kind: "InvalidKey" })))
        )
      )
    )))
})
