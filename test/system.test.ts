import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { LanguageModel } from "effect/ai"
import {
  Anthropic,
  type BackendError,
  Gemini,
  iModel,
  OpenAi,
  type PermissionDenied,
  ServiceBackend,
  Simulator,
  type TimeoutError
} from "effect-imodel"

const options = { model: "simulated", apiKey: Redacted.make("not-needed") }

/** Answers with the messages that it was sent. */
const simulator = Simulator.layerHttpClient({
  latency: 0,
  answer: (_, { messages }) => messages.map(({ role, text }) => `${role}: ${text}`).join("\n")
})

const backends = {
  "OpenAI's chat": OpenAi.layerChat(options),
  "OpenAI's responses": OpenAi.layerResponses(options),
  Anthropic: Anthropic.layerMessages(options),
  Gemini: Gemini.layerGenerateContent(options),
  "Effect AI": ServiceBackend.layer(ServiceBackend.fromLanguageModel()).pipe(
    Layer.provide(iModel.layerLanguageModel),
    Layer.provide(iModel.layer()),
    Layer.provide(OpenAi.layerChat(options))
  )
}

const parameterOf = (error: BackendError | PermissionDenied | TimeoutError) =>
  error._tag === "BackendError" && error.reason._tag === "InvalidRequestError" ? error.reason.parameter : undefined

describe.each(Object.entries(backends))("a system prompt of %s", (_name, backend) => {
  it.live("goes before the prompt, or the messages", () =>
    Effect.gen(function*() {
      const system = "Answer in French."
      const expected = "system: Answer in French.\nuser: Name a colour."
      assert.strictEqual((yield* iModel.respond({ system, prompt: "Name a colour." })).text, expected)
      const messages = [{ role: "user", content: "Name a colour." }] as const
      assert.strictEqual((yield* iModel.respond({ system, messages })).text, expected)
    }).pipe(Effect.provide(iModel.layer().pipe(Layer.provide(backend), Layer.provide(simulator)))))

  it.live("is refused beside a system message at the beginning", () =>
    Effect.gen(function*() {
      const said = [{ role: "system", content: "Be brief." }, { role: "user", content: "Name a colour." }] as const
      for (const args of [{ prompt: said }, { messages: said }]) {
        const error = yield* Effect.flip(iModel.respond({ system: "Answer in French.", ...args }))
        assert.strictEqual(parameterOf(error), "system")
        assert.match(error.message, /either system or a system message/)
      }
    }).pipe(Effect.provide(iModel.layer().pipe(Layer.provide(backend), Layer.provide(simulator)))))
})

describe("what a provider calls the system prompt", () => {
  it.live.each([
    { name: "instructions", backend: OpenAi.layerResponses(options), args: { instructions: "Be brief." } },
    {
      name: "systemInstruction",
      backend: Gemini.layerGenerateContent(options),
      args: { systemInstruction: { parts: [{ text: "Be brief." }] } }
    }
  ])("$name is refused beside it", ({ args, backend, name }) =>
    Effect.gen(function*() {
      const calling = yield* iModel.invokeUnknown({ prompt: "Hi", system: "Answer in French.", ...args })
      const error = yield* Effect.flip(calling.response)
      assert.strictEqual(parameterOf(error), "system")
      assert.include(error.message, name)
    }).pipe(Effect.provide(iModel.layer().pipe(Layer.provide(backend), Layer.provide(simulator)))))
})

describe("a misspelt argument", () => {
  it.live.each(
    [
      ["temprature", "temperature"],
      ["maxTokens", "max_tokens"],
      ["systemPrompt", "system"],
      ["message", "messages"]
    ] as const
  )("%s is refused, with the question whether %s was meant", ([misspelt, meant]) =>
    Effect.gen(function*() {
      const calling = yield* iModel.invokeUnknown({ prompt: "Hi", [misspelt]: "1" })
      const error = yield* Effect.flip(calling.response)
      assert.match(error.message, new RegExp(`Did you mean .*\\b${meant}\\b`))
    }).pipe(Effect.provide(iModel.layer().pipe(Layer.provide(OpenAi.layerChat(options)), Layer.provide(simulator)))))
})

it.live("the system prompt of Effect AI's own prompt is one", () =>
  Effect.gen(function*() {
    const { text } = yield* LanguageModel.generateText({
      prompt: [{ role: "system", content: "Be brief." }, { role: "user", content: "Hi" }]
    })
    assert.strictEqual(text, "system: Be brief.\nuser: Hi")
  }).pipe(Effect.provide(iModel.layerLanguageModel.pipe(
    Layer.provide(iModel.layer()),
    Layer.provide(OpenAi.layerChat(options)),
    Layer.provide(simulator)
  ))))
