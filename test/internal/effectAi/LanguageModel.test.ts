/** Effect AI on our models: the programs of its own documentation, on all wires. */
import { assert, describe, it } from "@effect/vitest"
import {
  Context,
  DateTime,
  Duration,
  Effect,
  Fiber,
  Layer,
  Option,
  Redacted,
  Ref,
  Schema,
  SchemaGetter,
  Stream,
  Tracer
} from "effect"
import { AiError, Chat, LanguageModel, Model, Prompt, Response, Tool, Toolkit } from "effect/ai"
import { Anthropic, Calling, Errors, Gemini, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { TestClock } from "effect/testing"

const apiKey = Redacted.make("any-key-will-do")

const retry = { times: 0 }

const wires = [
  ["chat completions", OpenAi.layerChat({ model: "gpt-4o-mini", apiKey }), "openai"],
  ["responses", OpenAi.layerResponses({ model: "gpt-5-mini", apiKey }), "openai"],
  ["messages", Anthropic.layerMessages({ model: "claude-sonnet-4-5", apiKey }), "anthropic"],
  ["generateContent", Gemini.layerGenerateContent({ model: "gemini-2.5-flash", apiKey }), "gemini"]
] as const

const simulated = (wire: (typeof wires)[number][1], options: Simulator.Options = {}, limits: iModel.Options = {}) =>
  iModel.layerLanguageModel.pipe(
    Layer.provideMerge(iModel.layer({ concurrency: 10, ...limits })),
    Layer.provide(wire),
    Layer.provideMerge(Simulator.layerHttpClient({ latency: 0, ...options }))
  )

// -----------------------------------------------------------------------------
// The programs of the documentation
// -----------------------------------------------------------------------------

class LaunchPlan extends Schema.Class<LaunchPlan>("LaunchPlan")({
  audience: Schema.Literals(["developers", "operators", "platform teams"]),
  channels: Schema.Array(Schema.String),
  launchDate: Schema.String,
  summary: Schema.String,
  keyRisks: Schema.Array(Schema.String)
}) {}

const draftAnnouncement = Effect.fnUntraced(function*(product: string) {
  const model = yield* LanguageModel.LanguageModel
  const provider = yield* Model.ProviderName
  const response = yield* model.generateText({
    prompt: `Write a short launch announcement for ${product}. Keep it concise and include one concrete user benefit.`
  })
  const { finishReason, text, usage } = response
  return { provider, text, finishReason, outputTokens: usage.outputTokens.total }
})

const extractLaunchPlan = Effect.fnUntraced(function*(notes: string) {
  const response = yield* LanguageModel.generateObject({
    objectName: "launch_plan",
    prompt: `Convert these notes into a launch plan object:\n${notes}`,
    schema: LaunchPlan
  })
  return response.value
})

const streamReleaseHighlights = (version: string) =>
  LanguageModel.streamText({ prompt: `Write release highlights for version ${version} as a bulleted list.` }).pipe(
    Stream.filter((part): part is Response.TextDeltaPart => part.type === "text-delta"),
    Stream.map((part) => part.delta)
  )

const ProductId = Schema.String.pipe(Schema.brand("ProductId"))

class Product extends Schema.Class<Product>("acme/domain/Product")({
  id: ProductId,
  name: Schema.String,
  price: Schema.Finite
}) {}

const SearchProducts = Tool.make("SearchProducts", {
  description: "Search the product catalog by keyword",
  parameters: Schema.Struct({
    query: Schema.String.annotate({ description: "The search query, e.g. 'wireless headphones'" }),
    maxResults: Schema.Natural.pipe(Schema.withDecodingDefault(Effect.succeed(10)))
  }),
  success: Schema.Array(Product)
})

const GetInventory = Tool.make("GetInventory", {
  description: "Check current stock level for a product",
  parameters: Schema.Struct({ productId: ProductId }),
  success: Schema.Struct({ productId: ProductId, available: Schema.Natural })
})

const ProductToolkit = Toolkit.make(SearchProducts, GetInventory)

const ProductToolkitLayer = ProductToolkit.toLayer({
  SearchProducts: ({ maxResults, query }) =>
    Effect.succeed(
      [
        new Product({ id: ProductId.make("p-1"), name: `${query} widget`, price: 19.99 }),
        new Product({ id: ProductId.make("p-2"), name: `${query} gadget`, price: 29.99 })
      ].slice(0, maxResults)
    ),
  GetInventory: ({ productId }) => Effect.succeed({ productId, available: 42 })
})

const TimeToolkit = Toolkit.make(Tool.make("getCurrentTime", {
  description: "Get the current time in ISO format",
  parameters: Schema.Struct({ id: Schema.String }),
  success: Schema.String
}))

const TimeToolkitLayer = TimeToolkit.toLayer({
  getCurrentTime: () => Effect.map(DateTime.now, DateTime.formatIso)
})

const agent = Effect.fnUntraced(function*(question: string) {
  const toolkit = yield* TimeToolkit
  const session = yield* Chat.fromPrompt([
    { role: "system", content: "You are an assistant that can use tools to answer questions." },
    { role: "user", content: question }
  ])
  let turns = 0
  while (true) {
    turns++
    const response = yield* session.generateText({ prompt: [], toolkit })
    if (response.toolCalls.length === 0) return { turns, text: response.text }
  }
})

describe.each(wires)("on %s", (_name, wire, provider) => {
  it.effect("a text", () =>
    Effect.gen(function*() {
      const draft = yield* draftAnnouncement("Effect Cloud")
      assert.strictEqual(draft.provider, provider)
      assert.match(draft.text, /\w+ \w+/)
      assert.strictEqual(draft.finishReason, "stop")
      assert.isAbove(draft.outputTokens ?? 0, 0)
    }).pipe(Effect.provide(simulated(wire))))

  it.effect("an object", () =>
    Effect.gen(function*() {
      const plan = yield* extractLaunchPlan("ship it on Friday")
      assert.instanceOf(plan, LaunchPlan)
    }).pipe(Effect.provide(simulated(wire))))

  it.effect("a stream, which says the same as the text", () =>
    Effect.gen(function*() {
      const deltas = yield* Stream.runCollect(streamReleaseHighlights("1.0"))
      assert.isAbove(deltas.length, 3)
      const { text } = yield* LanguageModel.generateText({
        prompt: "Write release highlights for version 1.0 as a bulleted list."
      })
      assert.strictEqual(deltas.join(""), text)
    }).pipe(Effect.provide(simulated(wire))))

  it.effect("a tool call, whole and streamed", () =>
    Effect.gen(function*() {
      const toolkit = yield* ProductToolkit
      const options = { prompt: "Which headphones do you have?", toolkit, toolChoice: "required" } as const
      const response = yield* LanguageModel.generateText(options)
      const [call] = response.toolCalls
      const [result] = response.toolResults
      assert.strictEqual(call?.name, "SearchProducts")
      assert(result?.name === "SearchProducts" && Array.isArray(result.result))
      assert.isTrue(result.result.every((product) => product instanceof Product))
      assert.strictEqual(result.id, call?.id)

      const parts = yield* Stream.runCollect(LanguageModel.streamText(options))
      const types = parts.map(({ type }) => type)
      assert.includeMembers(types, ["tool-params-start", "tool-call", "tool-result", "finish"])
      assert.strictEqual(types.at(-1), "finish")
    }).pipe(Effect.provide(Layer.merge(ProductToolkitLayer, simulated(wire)))))

  it.effect("only the tools that are allowed", () =>
    Effect.gen(function*() {
      const toolkit = yield* ProductToolkit
      const { toolCalls } = yield* LanguageModel.generateText({
        prompt: "Is p-1 there?",
        toolkit,
        toolChoice: { mode: "required", oneOf: ["GetInventory"] } as const
      })
      assert.deepStrictEqual(toolCalls.map(({ name }) => name), ["GetInventory"])
      const one = yield* LanguageModel.generateText({
        prompt: "Is p-2 there?",
        toolkit,
        toolChoice: { tool: "GetInventory" } as const
      })
      assert.deepStrictEqual(one.toolCalls.map(({ name }) => name), ["GetInventory"])
      const none = yield* LanguageModel.generateText({ prompt: "Is p-3 there?", toolkit, toolChoice: "none" })
      assert.deepStrictEqual(none.toolCalls, [])
    }).pipe(Effect.provide(Layer.merge(ProductToolkitLayer, simulated(wire)))))

  it.effect("a chat, exported and imported", () =>
    Effect.gen(function*() {
      const empty = yield* Chat.fromPrompt(Prompt.setSystem(Prompt.empty, "You answer questions."))
      const chat = yield* Chat.fromJson(yield* empty.exportJson)
      yield* chat.generateText({ prompt: "My name is Ada." })
      yield* Stream.runDrain(chat.streamText({ prompt: "I was born in London." }))
      const again = yield* Chat.fromJson(yield* chat.exportJson)
      const { text } = yield* again.generateText({ prompt: "What is my name?" })
      const history = yield* Ref.get(again.history)
      assert.deepStrictEqual(
        history.content.map(({ role }) => role),
        ["system", "user", "assistant", "user", "assistant", "user", "assistant"]
      )
      assert.match(text, /Ada.*London/s)
    }).pipe(Effect.provide(simulated(wire, {
      answer: (_prompt, { messages }) =>
        messages.flatMap((message) => message.role === "user" ? [message.text] : []).join(" ")
    }))))

  it.effect("an agent that calls tools until it has an answer", () =>
    Effect.gen(function*() {
      const { text, turns } = yield* agent("What time is it?")
      assert.strictEqual(turns, 2)
      assert.match(text, /1970/)
    }).pipe(
      Effect.provide(Layer.merge(
        TimeToolkitLayer,
        simulated(wire, {
          answer: (_prompt, { toolResults: [result] }) =>
            result?.text ?? { toolCalls: [{ name: "getCurrentTime", arguments: { id: "now" } }] }
        })
      ))
    ))
})

// -----------------------------------------------------------------------------
// Under limits
// -----------------------------------------------------------------------------

const Colour = Schema.Struct({
  name: Schema.String,
  hex: Schema.optional(Schema.String),
  mixed: Schema.Record(Schema.String, Schema.Int),
  seen: Schema.DateTimeUtcFromString
})

/** In the dialects of OpenAI and Anthropic nothing is optional, and a record is a list of its entries. */
const inDialect = ({ provider }: Simulator.Request) =>
  JSON.stringify({
    name: "blue",
    seen: "2026-01-01T00:00:00.000Z",
    ...(provider === "gemini" ? { mixed: { red: 1 } } : { hex: null, mixed: [{ 0: "red", 1: 1 }] })
  })

const decodeColour = Schema.decodeEffect(Schema.fromJsonString(Schema.toCodecJson(Colour)))

describe.each(wires)("a hundred objects at once on %s", (_name, wire) => {
  it.effect("stay within the limit, and all decode", () =>
    Effect.gen(function*() {
      const all = yield* Effect.forkChild(Effect.forEach(
        Array.from({ length: 100 }, (_, i) => i),
        (i) => LanguageModel.generateObject({ prompt: `Colour ${i}`, schema: Colour }),
        { concurrency: "unbounded" }
      ))
      while (all.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      const answers = yield* Fiber.join(all)
      assert.strictEqual(answers.length, 100)
      for (const { text, value } of answers) {
        assert.isTrue(Schema.is(Colour)(value))
        assert.deepStrictEqual(yield* decodeColour(text), value)
      }
      const seen = yield* (yield* Simulator.Simulator).seen
      assert.strictEqual(seen.admitted, 100)
      assert.strictEqual(seen.rejected, 0)
    }).pipe(Effect.provide(simulated(
      wire,
      {
        latency: 50,
        limitRequests: 30,
        answer: (_prompt, request) => inDialect(request)
      },
      { limitRequests: 30, concurrency: 100 }
    ))))
})

// -----------------------------------------------------------------------------
// What crosses
// -----------------------------------------------------------------------------

const mocked = (
  handler: (calling: Calling.Calling) => Effect.Effect<unknown, Errors.BackendErrorReason>,
  options: iModel.Options = {}
) =>
  iModel.layerLanguageModel.pipe(
    Layer.provideMerge(iModel.layer(options)),
    Layer.provideMerge(ServiceBackend.layerMock(handler))
  )

const failing = (reason: Errors.BackendErrorReason, options?: iModel.Options) =>
  LanguageModel.generateText({ prompt: "Hello" }).pipe(
    Effect.flip,
    Effect.provide(mocked(() => Effect.fail(reason), options))
  )

describe("an error", () => {
  it.effect("that Effect AI knows is the same one", () =>
    Effect.gen(function*() {
      const reason = new AiError.RateLimitError({ retryAfter: Duration.seconds(3) })
      const error = yield* failing(reason)
      assert.strictEqual(error.reason, reason)
      assert.isTrue(Option.isNone(iModel.fromAiError(error)))
      assert.strictEqual(
        yield* Effect.catchReason(Effect.fail(error), "AiError", "RateLimitError", () => Effect.succeed("later")),
        "later"
      )
    }))

  it.effect("that Effect AI does not know is found in the one that it becomes", () =>
    Effect.gen(function*() {
      const cases = [
        [new Errors.ContextLengthExceeded({ description: "too long" }), "InvalidRequestError"],
        [new Errors.Unsupported({ feature: "video", provider: "mock" }), "InvalidRequestError"],
        [
          new Errors.StreamInterrupted({
            description: "cut",
            text: "once upon",
            usage: { inputTokens: { total: 3 }, outputTokens: { total: 2 } },
            reason: new AiError.InternalProviderError({ description: "down" })
          }),
          "InvalidResponseError"
        ]
      ] as const
      for (const [reason, becomes] of cases) {
        const error = yield* failing(reason)
        assert.strictEqual(error.reason._tag, becomes)
        assert.strictEqual(error.isRetryable, reason.isRetryable)
        assert.include(error.message, reason.message.slice(0, 20))
        const original = Option.getOrThrow(iModel.fromAiError(error))
        assert(original._tag === "BackendError")
        assert.deepStrictEqual(original.reason, reason)
      }
    }))

  it.effect("of time is one of the limit, or of the provider", () =>
    Effect.gen(function*() {
      const late = (options: iModel.Options) =>
        Effect.gen(function*() {
          const running = yield* Effect.forkChild(Effect.flip(
            Effect.all([LanguageModel.generateText({ prompt: "1" }), LanguageModel.generateText({ prompt: "2" })], {
              concurrency: 2
            })
          ))
          yield* TestClock.adjust("10 seconds")
          return yield* Fiber.join(running)
        }).pipe(Effect.provide(mocked(() => Effect.never, options)))
      const queued = yield* late({ concurrency: 1, queueTimeout: "1 second" })
      assert.strictEqual(queued.reason._tag, "RateLimitError")
      assert.propertyVal(Option.getOrUndefined(iModel.fromAiError(queued)), "phase", "queue")
      const ran = yield* late({ timeout: "1 second" })
      assert.strictEqual(ran.reason._tag, "InternalProviderError")
      assert.propertyVal(Option.getOrUndefined(iModel.fromAiError(ran)), "_tag", "TimeoutError")
    }))

  it.effect("of permission says whether it is worth another try", () =>
    Effect.gen(function*() {
      const large = yield* failing(new AiError.UnknownError({}), { limitTokens: 1, cost: () => 2 })
      assert.strictEqual(large.reason._tag, "InvalidRequestError")
      assert.isFalse(large.isRetryable)
      const denied = Option.getOrThrow(iModel.fromAiError(large))
      assert(denied._tag === "PermissionDenied" && denied.reason._tag === "CostExceedsCapacity")
      assert.strictEqual(denied.reason.capacity, 1)
    }))

  it.effect("of a stream comes after what was said", () =>
    Effect.gen(function*() {
      const said: Array<string> = []
      const error = yield* LanguageModel.streamText({ prompt: "Tell me a story" }).pipe(
        Stream.runForEach((part) => Effect.sync(() => part.type === "text-delta" && said.push(part.delta))),
        Effect.flip
      )
      const original = Option.getOrThrow(iModel.fromAiError(error))
      assert(original._tag === "BackendError" && original.reason._tag === "StreamInterrupted")
      assert.strictEqual(original.reason.text, said.join(""))
      assert.isAbove(said.length, 0)
    }).pipe(Effect.provide(simulated(wires[0][1], { faults: () => Simulator.Fault.Cut({ after: 3 }) }))))
})

describe("one model of several", () => {
  it.effect("answers the same in whichever dialect", () =>
    Effect.gen(function*() {
      const several = yield* iModel.fallback([
        yield* Effect.flatMap(OpenAi.makeChat({ model: "gpt-4o-mini", apiKey, retry }), (backend) =>
          iModel.make(backend)),
        yield* Effect.flatMap(
          Anthropic.makeMessages({ model: "claude-sonnet-4-5", apiKey, retry }),
          (backend) =>
            iModel.make(backend)
        ),
        yield* Effect.flatMap(
          Gemini.makeGenerateContent({ model: "gemini-2.5-flash", apiKey, retry }),
          (backend) => iModel.make(backend)
        )
      ])
      const model = yield* iModel.makeLanguageModel(several)
      const values = yield* Effect.forEach(["openai", "anthropic", "gemini"], (answering) =>
        Effect.map(model.generateObject({ prompt: answering, schema: Colour }), ({ value }) =>
          value))
      for (const value of values) {
        assert.strictEqual(value.name, "blue")
        assert.deepStrictEqual(value.mixed, { red: 1 })
      }
    }).pipe(Effect.provide(Simulator.layerHttpClient({
      latency: 0,
      answer: (_prompt, request) =>
        inDialect(request),
      faults: ({ prompt, provider }) => prompt === provider ? undefined : Simulator.Fault.Overloaded()
    }))))

  it.effect("that is down can be tried again", () =>
    Effect.gen(function*() {
      const error = yield* failing(new Errors.CircuitOpen({ circuit: "gpt", retryAfter: Duration.seconds(15) }))
      assert.strictEqual(error.reason._tag, "InternalProviderError")
      assert.isTrue(error.isRetryable)
    }))
})

describe("a call", () => {
  it.effect("has the settings of its region, and arguments of its own", () =>
    Effect.gen(function*() {
      yield* LanguageModel.generateText({ prompt: "Hello" }).pipe(
        Effect.provideService(iModel.CallArguments, { temperature: 0, max_tokens: 64 })
      )
      yield* Stream.runDrain(LanguageModel.streamText({ prompt: "Hello" })).pipe(
        Effect.provideService(iModel.CallArguments, { top_p: 0.5 })
      )
      const [whole, streamed] = yield* (yield* ServiceBackend.Mock).callings
      assert.deepInclude(whole?.payload, { temperature: 0, max_tokens: 64 })
      assert.deepInclude(streamed?.payload, { top_p: 0.5 })
      assert.notProperty(streamed?.payload, "tools")
    }).pipe(Effect.provide(mocked(() => Effect.succeed("Hi")))))

  it.effect("is traced below that of Effect AI, streamed or not", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      yield* Effect.gen(function*() {
        yield* LanguageModel.generateText({ prompt: "Hello" })
        yield* Stream.runDrain(LanguageModel.streamText({ prompt: "Hello" }))
      }).pipe(Effect.withTracer(tracer))
      const [text, textAttempt, stream, streamAttempt] = spans
      assert.strictEqual(spans.length, 4)
      assert.strictEqual(Option.getOrUndefined(textAttempt?.parent ?? Option.none()), text)
      assert.strictEqual(Option.getOrUndefined(streamAttempt?.parent ?? Option.none()), stream)
    }).pipe(Effect.provide(mocked(() => Effect.succeed("Hi")))))

  it.effect("for an object is answered by a mock in plain JSON, or by a value", () =>
    Effect.gen(function*() {
      const ask = LanguageModel.generateObject({ prompt: "A colour", schema: Schema.Struct({ name: Schema.String }) })
      const text = yield* ask.pipe(Effect.provide(mocked(() => Effect.succeed(`{"name":"blue"}`))))
      assert.deepStrictEqual(text.value, { name: "blue" })
      const value = yield* ask.pipe(
        Effect.provide(mocked(() => Effect.succeed(Calling.makeResponse({ data: null, value: { name: "red" } }))))
      )
      assert.deepStrictEqual(value.value, { name: "red" })
    }))

  it.effect("whose schema needs a service decodes with it", () =>
    Effect.gen(function*() {
      class Prefix extends Context.Service<Prefix, string>()("test/Prefix") {}
      const Prefixed = Schema.String.pipe(Schema.decode({
        decode: SchemaGetter.transformEffect((text: string) => Effect.map(Prefix, (prefix) => prefix + text)),
        encode: SchemaGetter.passthrough()
      }))
      const { value } = yield* LanguageModel.generateObject({
        prompt: "A colour",
        schema: Schema.Struct({ name: Prefixed })
      }).pipe(
        Effect.provideService(Prefix, "dark "),
        Effect.provide(simulated(wires[0][1], { answer: () => `{"name":"blue"}` }))
      )
      assert.strictEqual(value.name, "dark blue")
    }))

  it.effect("with a tool of the provider knows it by the name of its user", () =>
    Effect.gen(function*() {
      const Search = Tool.providerDefined({
        id: "mock.web_search",
        customName: "MockWebSearch",
        providerName: "web_search",
        parameters: Schema.Struct({ query: Schema.String }),
        success: Schema.Struct({ hits: Schema.Int })
      })()
      const chat = yield* Chat.empty
      const toolkit = yield* Toolkit.make(Search)
      const { toolCalls, toolResults } = yield* chat.generateText({ prompt: "Search", toolkit })
      assert.strictEqual(toolCalls[0]?.name, "MockWebSearch")
      assert.deepStrictEqual(toolResults[0]?.result, { hits: 3 })
      yield* chat.generateText({ prompt: "Again", toolkit })
      const [, second] = yield* (yield* ServiceBackend.Mock).callings
      assert.include(JSON.stringify(second?.payload["prompt"]), `"web_search"`)
      assert.notInclude(JSON.stringify(second?.payload["prompt"]), "MockWebSearch")
    }).pipe(Effect.provide(mocked(() =>
      Effect.succeed(Calling.makeResponse({
        data: null,
        content: [
          Response.makePart("tool-call", {
            id: "1",
            name: "web_search",
            params: { query: "x" },
            providerExecuted: true
          }),
          Response.makePart("tool-result", {
            id: "1",
            name: "web_search",
            result: { hits: 3 },
            encodedResult: { hits: 3 },
            isFailure: false,
            providerExecuted: true,
            preliminary: false
          }),
          Response.makePart("finish", { reason: "stop", usage: usage(1, 1), response: undefined })
        ]
      }))
    ))))
})

const usage = (input: number, output: number) =>
  new Response.Usage({ inputTokens: { total: input }, outputTokens: { total: output } })
