import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { Errors, iModel, OpenAi, ServiceBackend } from "effect-imodel"
import { answering as answeringWith } from "../../support/streams.ts"

const Colour = Schema.Struct({ name: Schema.String, hex: Schema.optional(Schema.String) })

const answering = (text: string) =>
  iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.succeed(text))))

describe("an answer in the form of a schema", () => {
  it.effect("is decoded, and typed", () =>
    Effect.gen(function*() {
      const response = yield* iModel.respondAs(Colour, { prompt: "Name a colour." })
      expectTypeOf(response.value).toEqualTypeOf<typeof Colour.Type>()
      assert.deepStrictEqual(response.value, { name: "blue" })
    }).pipe(Effect.provide(answering(`{"name":"blue"}`))))

  it.effect("that is none fails, and names what is wrong", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.respondAs(Colour, { prompt: "Name a colour." }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidOutputError")
      assert.match(error.message, /name/)
    }).pipe(Effect.provide(answering(`{"nome":"blue"}`))))

  it.effect("is decoded by a schema of anything, too", () =>
    Effect.gen(function*() {
      const { value } = yield* iModel.respondAs(Schema.Unknown, { prompt: "Name a colour." })
      assert.deepStrictEqual(value, { name: "blue" })
    }).pipe(Effect.provide(answering(`{"name":"blue"}`))))

  it.effect("is an object for OpenAI, which says what to do with others", () =>
    Effect.gen(function*() {
      const backend = yield* OpenAi.makeChat({ model: "gpt-4o", apiKey: Redacted.make("not-needed") }).pipe(
        Effect.provideService(HttpClient.HttpClient, answeringWith([]))
      )
      const model = yield* iModel.make(backend)
      const error = yield* Effect.flip(model.respondAs(Schema.Array(Colour), { prompt: "Name colours." }))
      const reason = error._tag === "BackendError" ? error.reason : undefined
      assert.strictEqual(reason?._tag === "InvalidRequestError" && reason.parameter, "response_format")
      assert.match(error.message, /Make it a field of a Schema\.Struct/)
    }))

  const completed = (message: object, finish_reason: string) => {
    const choices = [{ index: 0, finish_reason, message: { role: "assistant", content: null, ...message } }]
    return new TextEncoder().encode(JSON.stringify({ id: "1", model: "gpt-4o", choices }))
  }
  it.effect("that is none is there to be read, and has used what was reported of it, not all that was reserved", () =>
    Effect.gen(function*() {
      const choices = [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "blue" } }]
      const usage = { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }
      const answer = new TextEncoder().encode(JSON.stringify({ id: "1", model: "gpt-4o", choices, usage }))
      const backend = yield* OpenAi.makeChat({ model: "gpt-4o", apiKey: Redacted.make("not-needed") }).pipe(
        Effect.provideService(HttpClient.HttpClient, answeringWith([answer], "application/json"))
      )
      const model = yield* iModel.make(backend, { limitTokens: 1_000, repair: 0 })
      const error = yield* Effect.flip(
        model.respond({ prompt: "Name a colour.", response_format: Colour, max_tokens: 500 })
      )
      const reason = error._tag === "BackendError" && error.reason._tag === "InvalidOutputError"
        ? error.reason
        : undefined
      assert.strictEqual(reason && Errors.outputTextOf(reason), "blue")
      const executor = model.executor ?? assert.fail("there is no executor")
      yield* TestClock.adjust("1 millis")
      const { limits } = yield* executor.snapshot
      // But for what is kept back for those who are on their way.
      assert.isAtLeast(limits.tokens?.available ?? 0, 1_000 - 11 - 3)
    }))

  const toolCall = { id: "call_1", type: "function", function: { name: "paint", arguments: "{}" } }

  it.effect.each([
    { why: "was refused", answer: completed({ refusal: "I paint nothing." }, "stop"), message: /I paint nothing\./ },
    { why: "is too long", answer: completed({ content: `{"name":` }, "length"), message: /token limit/ },
    { why: "was filtered", answer: completed({ content: "" }, "content_filter"), message: /filtered/ },
    { why: "is a call", answer: completed({ tool_calls: [toolCall] }, "tool_calls"), message: /called paint/ }
  ])("that $why says so", ({ answer, message }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.respondAs(Colour, { prompt: "Name a colour." }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidOutputError")
      assert.match(error.message, message)
    }).pipe(Effect.provide(
      iModel.layer().pipe(
        Layer.provide(OpenAi.layerChat({ model: "gpt-4o", apiKey: Redacted.make("not-needed") })),
        Layer.provide(Layer.succeed(HttpClient.HttpClient, answeringWith([answer], "application/json")))
      )
    )))
})
