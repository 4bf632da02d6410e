/** What a model can do, known before it is asked: by its name, or by what was said of it. */
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Fiber, Layer, Redacted, Schema, Struct } from "effect"
import { AiError, Tool } from "effect/ai"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { Anthropic, Errors, Gemini, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { capabilitiesOf, knownModel } from "../../../src/internal/chat/catalogue.ts"

type Capabilities = ServiceBackend.Capabilities
/** Of any wire. */
type Args = Readonly<Record<string, unknown>>

const apiKey = Redacted.make("not-needed")

const wires = {
  chat: (model: string, capabilities?: Capabilities) => erased(OpenAi.makeChat({ model, apiKey, capabilities })),
  responses: (model: string, capabilities?: Capabilities) =>
    erased(OpenAi.makeResponses({ model, apiKey, capabilities })),
  messages: (model: string, capabilities?: Capabilities) =>
    erased(Anthropic.makeMessages({ model, apiKey, capabilities })),
  generateContent: (model: string, capabilities?: Capabilities) =>
    erased(Gemini.makeGenerateContent({ model, apiKey, capabilities }))
}

type Wire = keyof typeof wires

/** A backend of any type, as the program's. */
const erased = <Args, Answer, E>(
  backend: Effect.Effect<ServiceBackend.Backend<Args, Answer>, E, HttpClient.HttpClient>
) => Effect.provide(ServiceBackend.ServiceBackend, ServiceBackend.layer(backend))

const png = "iVBORw0KGgo="

// -----------------------------------------------------------------------------
// By the name
// -----------------------------------------------------------------------------

describe("a model is known by its name", () => {
  it.each([
    ["o3", true],
    ["openai/gpt-5-mini", true],
    ["gpt-5.9-nova", true],
    ["gpt-6-sol", true],
    ["ft:o4-mini-2025-04-16:my-org::id", true],
    ["gpt-5-chat-latest", undefined],
    ["gpt-4o", undefined],
    ["olmo-3", undefined]
  ])("%s reasons: %s", (model, reasoning) => assert.strictEqual(knownModel(model).reasoning, reasoning))

  it.each([
    ["gpt-4o-mini", "o200k"],
    ["openai/gpt-5.9-nova", "o200k"],
    ["ft:gpt-3.5-turbo-0125:my-org::id", "cl100k"],
    ["text-embedding-3-small", "cl100k"],
    ["claude-opus-4-6", undefined]
  ])("%s has the tokenizer %s", (model, tokenizer) => assert.strictEqual(knownModel(model).tokenizer, tokenizer))

  const known: ReadonlyArray<readonly [string, Capabilities]> = [
    ["gpt-3.5-turbo", { contextWindow: 16_385, images: false }],
    ["gpt-4", { contextWindow: 8_192, images: false }],
    ["gpt-4o", { contextWindow: 128_000 }],
    ["gpt-4o-mini", { contextWindow: 128_000 }],
    ["gpt-4.1", { contextWindow: 1_047_576 }],
    ["gpt-5-mini", { contextWindow: 400_000 }],
    ["o3-mini", { contextWindow: 200_000, images: false }],
    ["claude-sonnet-4-5", { contextWindow: 200_000 }],
    ["claude-opus-4", { contextWindow: 200_000 }],
    ["claude-opus-4-6", { contextWindow: 1_000_000, prefill: false }],
    ["claude-sonnet-4.6", { contextWindow: 1_000_000, prefill: false }],
    ["claude-sonnet-5", { contextWindow: 1_000_000, prefill: false }],
    ["claude-opus-5-5", { contextWindow: 1_000_000, prefill: false }],
    ["claude-3-5-haiku", { contextWindow: 200_000 }],
    ["claude-3.7-sonnet", { contextWindow: 200_000 }],
    ["gemini-2.5-flash", { contextWindow: 1_048_576 }],
    ["gemini-3.1-pro", { contextWindow: 1_048_576 }],
    ["deepseek-v4-pro", { contextWindow: 1_000_000, images: false }]
  ]
  const versions = [
    "",
    "-2024-08-06",
    "-20250929",
    "@20250929",
    "-0613",
    "-001",
    "-latest",
    "-preview-05-20",
    "-preview-09-2025",
    ":free"
  ]
  const Name = Schema.Struct({
    model: Schema.Literals(known.map(([name]) => name)),
    version: Schema.Literals(versions),
    vendor: Schema.Literals(["", "openai/", "anthropic/", "~google/", "accounts/a/models/"])
  })

  it.prop("with any version, of any vendor", [Name], ([{ model, vendor, version }]) => {
    const expected = known.find(([name]) => name === model)?.[1]
    assert.deepStrictEqual(capabilitiesOf(`${vendor}${model}${version}`), expected)
  })

  it.each([
    ["gpt-4-turbo-2024-04-09", { contextWindow: 128_000 }],
    ["gpt-4-turbo-preview", { contextWindow: 128_000, images: false }],
    ["gpt-4-1106-preview", { contextWindow: 128_000, images: false }],
    ["GPT-4o", { contextWindow: 128_000 }],
    ["us.anthropic.claude-opus-4-6-v1:0", { contextWindow: 1_000_000, prefill: false }],
    ["gpt-4-32k", {}],
    ["gpt-4o-audio-preview", {}],
    ["gpt-4o-mini-audio-preview", { contextWindow: 128_000, images: false }],
    ["gpt-5-chat-latest", {}],
    ["claude-opus-4-20250514", { contextWindow: 200_000 }],
    ["claude-opus-4-1-20250805", { contextWindow: 200_000 }],
    ["claude-sonnet-6", {}],
    ["gemini-2.5-flash-image", {}],
    ["gemini-2.5-flash-preview-tts", {}],
    ["ft:gpt-4o-mini-2024-07-18:my-org::id", { contextWindow: 128_000 }],
    ["__proto__", {}],
    ["my-gpt-4", {}],
    ["llama-3.3-70b", {}],
    ["", {}]
  ])("%s is not taken for another one", (name, expected) => assert.deepStrictEqual(capabilitiesOf(name), expected))

  it.effect("which its backend and its model tell", () =>
    Effect.gen(function*() {
      for (
        const [wire, name, contextWindow] of [
          ["chat", "openai/gpt-4o-2024-08-06", 128_000],
          ["responses", "gpt-5-mini", 400_000],
          ["messages", "claude-haiku-4-5-20251001", 200_000],
          ["generateContent", "models/gemini-2.5-pro", 1_048_576],
          ["chat", "mine", undefined]
        ] satisfies ReadonlyArray<readonly [Wire, string, number | undefined]>
      ) {
        const backend = yield* wires[wire](name)
        assert.strictEqual(backend.contextWindow, contextWindow)
        assert.strictEqual((yield* iModel.make(backend)).contextWindow, contextWindow)
      }
    }).pipe(Effect.provide(Simulator.layerHttpClient())))

  it.effect("unless its user gave it that name", () =>
    Effect.gen(function*() {
      const baseUrl = "https://localhost/v1"
      for (const provider of ["azure", "ollama", "vllm"] as const) {
        const backend = yield* OpenAi.makeChat({ model: "gpt-4", apiKey, baseUrl, provider })
        assert.isUndefined(backend.contextWindow)
      }
      const { contextWindow } = yield* OpenAi.makeChat({ model: "openai/gpt-4", apiKey, provider: "openrouter" })
      assert.strictEqual(contextWindow, 8_192)
    }).pipe(Effect.provide(Simulator.layerHttpClient())))
})

// -----------------------------------------------------------------------------
// By the arguments
// -----------------------------------------------------------------------------

const Weather = Tool.make("weather", { description: "The weather", parameters: Schema.Struct({ city: Schema.String }) })

const user = { role: "user" as const, content: "What is this?" }
const answer = { role: "assistant" as const, content: "It is" }
const image = { type: "file" as const, mediaType: "image/png", data: png }
const pdf = { type: "file" as const, mediaType: "application/pdf", data: png }
const call = { type: "tool-call" as const, id: "1", name: "look", params: {} }
const result = { type: "tool-result" as const, id: "1", name: "look", isFailure: false, result: "" }
const looked = (...modelOutput: ReadonlyArray<typeof image>) => [
  user,
  { role: "assistant" as const, content: [call] },
  { role: "tool" as const, content: [{ ...result, modelOutput }] }
]

const source = { type: "base64", media_type: "image/png", data: png }
const url = `data:image/png;base64,${png}`

type Feature = "tools" | "images" | "prefill"

/** What asks for it, in the words that all wires have in common, and in those of one. */
const demands: ReadonlyArray<readonly [Wire | "any", Feature, Args]> = [
  ["any", "tools", { prompt: "Hi", tools: [Weather] }],
  ["any", "tools", { prompt: "Hi", tools: [{ type: "function", function: { name: "weather" } }] }],
  ["any", "images", { prompt: [{ role: "user", content: [image] }] }],
  ["any", "images", { prompt: [{ role: "user", content: [image] }, answer, user] }],
  ["any", "prefill", { prompt: [user, answer] }],
  ["any", "prefill", { messages: [user, answer] }],
  ["messages", "images", { prompt: looked(image) }],
  ["generateContent", "images", { prompt: looked(image) }],
  ["chat", "images", { messages: [{ role: "user", content: [{ type: "image_url", image_url: { url } }] }] }],
  ["chat", "prefill", { messages: [user, { role: "assistant", content: [{ type: "text", text: "It is" }] }] }],
  ["responses", "tools", { prompt: "Hi", tools: [{ type: "web_search" }] }],
  ["responses", "images", { input: [{ role: "user", content: [{ type: "input_image", image_url: url }] }] }],
  ["responses", "images", {
    input: [
      user,
      { type: "function_call", call_id: "1", name: "look", arguments: "{}" },
      { type: "function_call_output", call_id: "1", output: [{ type: "input_image", image_url: url }] }
    ]
  }],
  ["responses", "prefill", { input: [user, answer] }],
  ["messages", "tools", { prompt: "Hi", tools: [{ name: "weather", input_schema: { type: "object" } }] }],
  ["messages", "images", { messages: [{ role: "user", content: [{ type: "image", source }] }] }],
  ["messages", "images", {
    messages: [
      user,
      { role: "assistant", content: [{ type: "tool_use", id: "1", name: "look", input: {} }] },
      { role: "user", content: [{ type: "tool_result", tool_use_id: "1", content: [{ type: "image", source }] }] }
    ]
  }],
  ["messages", "images", {
    messages: [{
      role: "user",
      content: [{ type: "document", source: { type: "content", content: [{ type: "image", source }] } }]
    }]
  }],
  ["messages", "prefill", { messages: [user, { role: "assistant", content: [{ type: "text", text: "It is" }] }] }],
  ["generateContent", "tools", { prompt: "Hi", tools: [{ functionDeclarations: [{ name: "weather" }] }] }],
  ["generateContent", "images", {
    contents: [{ role: "user", parts: [{ inlineData: { mimeType: "image/png", data: png } }] }]
  }],
  ["generateContent", "images", {
    contents: [{ role: "user", parts: [{ fileData: { mimeType: "image/png", fileUri: "https://a.example/a.png" } }] }]
  }],
  ["generateContent", "prefill", {
    contents: [{ role: "user", parts: [{ text: "What?" }] }, { role: "model", parts: [{ text: "It is" }] }]
  }]
]

/** What looks like it, and asks for nothing of that. */
const harmless: ReadonlyArray<readonly [Wire | "any", Args]> = [
  ["any", { prompt: "Hi", tools: [] }],
  ["any", { messages: [user, answer, user] }],
  ["any", { prompt: [{ role: "user", content: [{ type: "text", text: "image/png" }, pdf] }] }],
  ["any", { prompt: [user, { role: "assistant", content: [call] }, { role: "tool", content: [result] }] }],
  ["chat", { messages: [user, { role: "assistant", content: null, tool_calls: [] }, user] }],
  ["messages", {
    messages: [user, { role: "assistant", content: [{ type: "tool_use", id: "1", name: "look", input: source }] }]
  }],
  ["generateContent", {
    contents: [{ role: "user", parts: [{ text: "a" }] }, { role: "model", parts: [{ functionCall: { name: "look" } }] }]
  }]
]

/** An answer that no wire can read: whoever is asked has it. */
const teapot = Effect.sync(() => {
  const asked = { times: 0 }
  const layer = Layer.succeed(
    HttpClient.HttpClient,
    HttpClient.make((request) => {
      asked.times++
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}", { status: 418 })))
    })
  )
  return { asked, layer }
})

for (const wire of Struct.keys(wires)) {
  describe(`what a model lacks, by ${wire}`, () => {
    it.effect("is refused before anything is sent or spent, in every form", () =>
      Effect.gen(function*() {
        const { asked, layer } = yield* teapot
        for (const [, feature, args] of demands.filter(([its]) => its === "any" || its === wire)) {
          const backend = yield* Effect.provide(wires[wire]("small", { [feature]: false }), layer)
          const calling = yield* backend.createCalling(args)
          assert.strictEqual(calling.execution.status, "failed", JSON.stringify(args))
          const model = yield* iModel.make(backend, { limitTokens: 10 })
          const { reason } = yield* Effect.flip((yield* model.invokeUnknown(args)).response)
          if (reason._tag !== "Unsupported") return assert.fail(`${reason._tag} for ${JSON.stringify(args)}`)
          assert.include(reason.feature, "with model \"small\"")
          assert.include(reason.feature, `capabilities: { ${feature}: true }`)
          assert.isFalse(reason.isRetryable)
        }
        assert.strictEqual(asked.times, 0)
      }))

    it.effect("is asked of another one", () =>
      Effect.gen(function*() {
        const { asked, layer } = yield* teapot
        const all: Capabilities = { tools: true, images: true, prefill: true }
        const can = yield* Effect.provide(wires[wire]("large", all), layer)
        const unknown = yield* Effect.provide(wires[wire]("unknown"), layer)
        const its = demands.filter(([its]) => its === "any" || its === wire)
        for (const [, , args] of its) {
          for (const backend of [can, unknown]) {
            const calling = yield* backend.createCalling(args)
            assert.strictEqual(calling.execution.status, "pending", JSON.stringify(args))
          }
          const { reason } = yield* Effect.flip((yield* (yield* iModel.make(can)).invokeUnknown(args)).response)
          assert.notStrictEqual(reason._tag, "Unsupported", reason.message)
        }
        assert.strictEqual(asked.times, its.length)
      }))

    it.effect("is asked of the next model, of several", () =>
      Effect.gen(function*() {
        const asked: Array<string> = []
        const layer = Simulator.layerHttpClient({
          faults: ({ model }) => {
            asked.push(model)
            return undefined
          }
        })
        for (const make of [iModel.fallback, iModel.balance]) {
          const model = yield* make([
            yield* iModel.make(yield* Effect.provide(wires[wire]("blind", { images: false }), layer)),
            yield* iModel.make(yield* Effect.provide(wires[wire]("seeing"), layer))
          ])
          const fiber = yield* Effect.forkChild(model.respond({ prompt: [{ role: "user", content: [image] }] }))
          while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
          yield* Fiber.join(fiber)
        }
        assert.deepStrictEqual(asked, ["seeing", "seeing"])
      }))

    it.effect("is not seen where it is not", () =>
      Effect.gen(function*() {
        const { layer } = yield* teapot
        const none: Capabilities = { tools: false, images: false, prefill: false }
        const backend = yield* Effect.provide(wires[wire]("small", none), layer)
        for (const [, args] of harmless.filter(([its]) => its === "any" || its === wire)) {
          const { execution } = yield* backend.createCalling(args)
          assert.strictEqual(execution.status, "pending", JSON.stringify(args))
        }
      }))

    it.effect("is said of a window, too, which must be a number of tokens", () =>
      Effect.gen(function*() {
        const { layer } = yield* teapot
        const { contextWindow } = yield* Effect.provide(wires[wire]("small", { contextWindow: 8_192 }), layer)
        assert.strictEqual(contextWindow, 8_192)
        for (const contextWindow of [0, -1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
          const error = yield* Effect.flip(Effect.provide(wires[wire]("small", { contextWindow }), layer))
          assert.strictEqual(error._tag, "IllegalArgumentError")
          assert.include(error.message, "capabilities.contextWindow")
        }
      }))
  })
}

describe("capabilities", () => {
  const seeing: Args = { prompt: [{ role: "user", content: [image] }] }
  const statusOf = (backend: ServiceBackend.Backend, args: Args) =>
    Effect.map(backend.createCalling(args), ({ execution }) => execution.status)

  it.effect("that are said go before those that are known, one by one", () =>
    Effect.gen(function*() {
      const known = yield* wires.chat("gpt-3.5-turbo")
      const said = yield* wires.chat("gpt-3.5-turbo", { images: true, tools: false })
      assert.deepStrictEqual([yield* statusOf(known, seeing), known.contextWindow], ["failed", 16_385])
      assert.deepStrictEqual([yield* statusOf(said, seeing), said.contextWindow], ["pending", 16_385])
      assert.strictEqual(yield* statusOf(said, { prompt: "Hi", tools: [Weather] }), "failed")
    }).pipe(Effect.provide(Simulator.layerHttpClient())))

  it.effect("are those of the model that a call names", () =>
    Effect.gen(function*() {
      const blind = yield* wires.chat("mine", { images: false })
      assert.strictEqual(yield* statusOf(blind, { ...seeing, model: "gpt-4o" }), "pending")
      assert.strictEqual(yield* statusOf(blind, { ...seeing, model: "mine" }), "failed")
      const claude = yield* wires.messages("claude-sonnet-4-5", { prefill: true })
      const begun: Args = { messages: [user, answer] }
      assert.strictEqual(yield* statusOf(claude, begun), "pending")
      const calling = yield* claude.createCalling({ ...begun, model: "claude-opus-4-6" })
      const { reason } = yield* Effect.flip(calling.response)
      const model = yield* iModel.make(yield* wires.messages("claude-opus-4-6"))
      const error = yield* Effect.flip(model.createCalling({ messages: [user, answer] }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "Unsupported")
      assert.include(reason.message, "an assistant prefill with model \"claude-opus-4-6\"")
    }).pipe(Effect.provide(Simulator.layerHttpClient())))

  it.effect("are read from the configuration", () =>
    Effect.gen(function*() {
      const layer = OpenAi.layerChatConfig({
        model: Config.String("MODEL"),
        apiKey: Config.Redacted("KEY"),
        capabilities: { contextWindow: Config.Int("WINDOW"), tools: Config.Boolean("TOOLS") }
      })
      const env = { MODEL: "mine", KEY: "secret", WINDOW: "4096", TOOLS: "false" }
      const configured = Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
      const backend = yield* Effect.provide(ServiceBackend.ServiceBackend, configured)
      assert.strictEqual(backend.contextWindow, 4_096)
      assert.strictEqual(yield* statusOf(backend, { prompt: "Hi", tools: [Weather] }), "failed")
    }).pipe(Effect.provide(Simulator.layerHttpClient())))

  it.effect("are a backend's own, too", () =>
    Effect.gen(function*() {
      let cost = 0
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "short",
        request: Schema.Struct({ text: Schema.String }),
        contextWindow: 100,
        unsupported: ({ text }) =>
          text.length > 5 ? new Errors.Unsupported({ provider: "local", feature: "long texts" }) : undefined,
        cost: () => ++cost,
        call: ({ text }) => Effect.succeed(text)
      })
      const model = yield* iModel.make(backend)
      assert.strictEqual(model.contextWindow, 100)
      assert.strictEqual((yield* model.respond({ text: "short" })).text, "short")
      const { reason } = yield* Effect.flip((yield* backend.createCalling({ text: "longer" })).response)
      assert.strictEqual(reason.message, "The backend of provider 'local' does not support long texts")
      const invalid = yield* Effect.flip((yield* backend.createCalling({ text: 3 })).response)
      assert.isTrue(invalid.reason instanceof AiError.InvalidRequestError)
      assert.strictEqual(cost, 0)
    }))
})

// -----------------------------------------------------------------------------
// By the provider
// -----------------------------------------------------------------------------

describe("a request that is too long", () => {
  const openAi = (message: string, code: string | null) => ({ error: { message, code } })
  const anthropic = (message: string) => ({ type: "error", error: { type: "invalid_request_error", message } })
  const gemini = (message: string) => ({ error: { code: 400, message, status: "INVALID_ARGUMENT" } })

  it.effect.each(
    [
      ["chat", openAi("This model's maximum context length is 8192 tokens.", "context_length_exceeded"), 8_192],
      ["responses", openAi("Your input exceeds the context window.", "context_length_exceeded"), undefined],
      [
        "chat",
        openAi("This endpoint's maximum context length is 32768 tokens. However, you asked for more.", null),
        32_768
      ],
      ["messages", anthropic("prompt is too long: 209353 tokens > 200000 maximum"), 200_000],
      [
        "messages",
        anthropic("input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease it"),
        200_000
      ],
      ["generateContent", gemini("The input token count (9) exceeds the maximum number of tokens allowed (8)."), 8],
      ["generateContent", gemini("The input token count exceeds the maximum number of tokens allowed."), undefined]
    ] satisfies ReadonlyArray<readonly [Wire, object, number | undefined]>
  )("tells the window where the provider does: %#", ([wire, body, contextWindow]) =>
    Effect.gen(function*() {
      const client = HttpClient.make((request) =>
        Effect.succeed(HttpClientResponse.fromWeb(request, new Response(JSON.stringify(body), { status: 400 })))
      )
      const backend = yield* Effect.provideService(wires[wire]("mine"), HttpClient.HttpClient, client)
      const model = yield* iModel.make(backend)
      const { reason } = yield* Effect.flip((yield* model.invoke({ prompt: "Hi" })).response)
      assert.isTrue(reason instanceof Errors.ContextLengthExceeded && reason.contextWindow === contextWindow)
    }))
})
