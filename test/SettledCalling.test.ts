/** Callings that go through JSON and come back. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Equal, Exit, Fiber, Layer, Redacted, Schema } from "effect"
import { AiError, Prompt, Response, Tool } from "effect/ai"
import {
  Anthropic,
  Calling,
  Errors,
  Gemini,
  Hook,
  iModel,
  OpenAi,
  ServiceBackend,
  SettledCalling,
  Simulator
} from "effect-imodel"
import { TestClock } from "effect/testing"
import { isReadable } from "./support/json.ts"

const Line = Schema.fromJsonString(SettledCalling.SettledCalling)
const write = Schema.encodeEffect(Line)
const read = Schema.decodeEffect(Line)

const canary = "sk-canary-0123456789"

const mocked = (
  handler: (calling: Calling.Calling) => Effect.Effect<unknown, Errors.BackendErrorReason>,
  options?: iModel.Options
) => iModel.layer(options).pipe(Layer.provide(ServiceBackend.layerMock(handler)))

const Fields = Schema.JsonObject.check(isReadable)

const Outcome = Schema.Union([
  Schema.Struct({
    _tag: Schema.tag("Answer"),
    data: Schema.Json,
    text: Schema.String,
    value: Schema.optional(Schema.Json),
    toolCalls: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String, params: Schema.Json })),
    usage: Schema.Struct(Response.Usage.fields),
    finishReason: Response.FinishReason
  }),
  Schema.Struct({ _tag: Schema.tag("Failure"), reason: Errors.BackendErrorReason })
]).check(isReadable)

describe("a settled calling", () => {
  it.effect.prop(
    "comes back from JSON as it was, without a credential",
    { payload: Fields, metadata: Fields, outcome: Outcome },
    Effect.fnUntraced(function*({ metadata, outcome, payload }) {
      const calling = yield* iModel.invokeUnknown({
        ...payload,
        apiKey: canary,
        extra_headers: { Authorization: canary },
        headers: { "x-other": canary },
        tools: [{ type: "mcp", authorization: canary, headers: { cookie: canary } }]
      }, { metadata: { ...metadata, password: canary } }).pipe(Effect.provide(mocked(() =>
        outcome._tag === "Failure"
          ? Effect.fail(outcome.reason)
          : Effect.succeed(Calling.makeResponse(outcome))
      )))
      const line = yield* write(calling)
      assert.notInclude(line, canary)
      const restored = yield* read(line)
      assert.isTrue(Equal.equals(restored, calling))
      assert.strictEqual(restored.execution.status, calling.execution.status)
      assert.strictEqual(yield* write(restored), line)
      if (calling.execution.status === "completed") {
        const response = yield* restored.response
        assert.deepStrictEqual(plain(shown(response)), plain(shown(calling.execution.response)))
      } else {
        const error = yield* Effect.flip(restored.response)
        assert.strictEqual(error.callingId, calling.id)
        assert.strictEqual(error.reason._tag, (yield* Effect.flip(calling.response)).reason._tag)
      }
    })
  )

  it.effect("is not run again", () => {
    let calls = 0
    return Effect.gen(function*() {
      const calling = yield* iModel.invoke({ prompt: "Hello" })
      const restored = yield* Effect.flatMap(write(calling), read)
      assert.strictEqual(yield* iModel.invoke(restored), restored)
      assert.strictEqual(calls, 1)
    }).pipe(Effect.provide(mocked(() => Effect.sync(() => ++calls), { concurrency: 1 })))
  })

  it.effect("that was cancelled or aborted stays so, and fails for the same when it is invoked", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const calling = yield* model.createCalling({ prompt: "Hello" })
      const invoked = yield* Effect.forkChild(Effect.exit(model.invoke(calling, { timeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.join(invoked)
      const cancelled = yield* Effect.flatMap(write(calling), read)
      assert.strictEqual(cancelled.execution.status, "cancelled")
      assert.deepStrictEqual(cancelled.execution.duration, Duration.seconds(1))
      assert.deepStrictEqual(yield* Effect.exit(model.invoke(cancelled)), Exit.map(exit, () => cancelled))

      const large = yield* model.createCalling({ prompt: "Hello", max_tokens: 1_000 })
      const denied = yield* Effect.flip(model.invoke(large))
      const aborted = yield* Effect.flatMap(write(large), read)
      assert.strictEqual(aborted.execution.status, "aborted")
      assert.strictEqual(aborted.execution.duration, undefined)
      assert.deepStrictEqual(yield* Effect.flip(model.invoke(aborted)), denied)

      const left = yield* model.createCalling({ prompt: "Hello" })
      const waiting = yield* Effect.forkChild(model.invoke(left), { startImmediately: true })
      yield* Fiber.interrupt(waiting)
      const interrupted = yield* Effect.flatMap(write(left), read)
      assert.strictEqual(interrupted.execution.status, "cancelled")
    }).pipe(Effect.provide(mocked(() => Effect.never, { limitTokens: 100 }))))

  it.effect("that a hook answered is kept with that answer", () =>
    Effect.gen(function*() {
      const calling = yield* iModel.invoke({ prompt: "Hello" })
      assert.strictEqual(calling.execution.status, "skipped")
      const restored = yield* Effect.flatMap(write(calling), read)
      assert.strictEqual(restored.execution.status, "skipped")
      assert.strictEqual((yield* restored.response).text, "from memory")
    }).pipe(Effect.provide(
      iModel.layer({
        hooks: [
          Hook.middleware<never, never, string>(() => () =>
            Effect.succeed(Calling.makeResponse({ data: "from memory" }))
          )
        ]
      })
        .pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.die("not reached"))))
    )))

  it.effect("that has not settled is not encoded", () =>
    Effect.gen(function*() {
      const calling = yield* iModel.createCalling({ prompt: "Hello" })
      const error = yield* Effect.flip(write(calling))
      assert.match(error.message, /a calling that has settled/)
    }).pipe(Effect.provide(mocked(() => Effect.succeed("Hi")))))

  it.effect("keeps what was asked as JSON: prompts, schemas, tools, bytes", () =>
    Effect.gen(function*() {
      const circle: Record<string, unknown> = { prompt: "round" }
      circle["self"] = circle
      const calling = yield* iModel.invokeUnknown({
        prompt: Prompt.make([{
          role: "user",
          content: [{ type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) }]
        }]),
        response_format: Schema.Struct({ name: Schema.String }),
        tools: [Tool.make("paint", { parameters: Schema.Struct({ hex: Schema.String }) })],
        secret_thing: Redacted.make(canary),
        at: DateTime.makeUnsafe(0),
        circle,
        nothing: undefined,
        log: () => canary
      })
      const { payload } = yield* Effect.flatMap(write(calling), read)
      const { prompt, ...rest } = payload
      assert.include(JSON.stringify(prompt), "AQID")
      assert.deepStrictEqual(rest, {
        response_format: {
          type: "object",
          properties: { name: { type: "string" } },
          required: ["name"],
          additionalProperties: true
        },
        tools: [{
          type: "function",
          function: {
            name: "paint",
            parameters: {
              type: "object",
              properties: { hex: { type: "string" } },
              required: ["hex"],
              additionalProperties: true
            }
          }
        }],
        secret_thing: "<redacted>",
        at: "1970-01-01T00:00:00.000Z",
        circle: { prompt: "round" }
      })
    }).pipe(Effect.provide(mocked(() => Effect.succeed("Hi")))))

  it.effect("keeps why its attempts failed, and no headers", () =>
    Effect.gen(function*() {
      const http = {
        response: { status: 503, headers: { "x-request-id": "r", "set-cookie": canary } },
        body: "down for maintenance"
      }
      const calling = yield* iModel.invoke({ prompt: "Hello" }).pipe(
        Effect.provide(mocked(() => Effect.fail(new AiError.InternalProviderError({ description: "down", http }))))
      )
      const line = yield* write(calling)
      assert.notInclude(line, canary)
      const { attempts, execution } = yield* read(line)
      assert(execution.status === "failed" && execution.error.reason._tag === "InternalProviderError")
      assert.strictEqual(execution.error.reason.http?.response?.status, 503)
      assert.deepStrictEqual(execution.error.reason.http?.response?.headers, {})
      assert.strictEqual(attempts[0]?.reason?._tag, "InternalProviderError")
      assert.deepStrictEqual(attempts[0]?.startedAt, calling.attempts[0]?.startedAt)
    }))

  it.effect("keeps the delay that a provider asked for", () => {
    const reason = new AiError.InternalProviderError({
      description: "overloaded",
      metadata: { imodel: { retryAfterMillis: 7_000 } }
    })
    const error = new Errors.BackendError({ reason, callingId: "1" })
    return Effect.gen(function*() {
      const json = yield* Schema.encodeEffect(Schema.toCodecJson(Errors.BackendError))(error)
      const restored = yield* Schema.decodeUnknownEffect(Schema.toCodecJson(Errors.BackendError))(
        JSON.parse(JSON.stringify(json))
      )
      assert.deepStrictEqual(restored.retryAfter, Duration.seconds(7))
    })
  })

  it.effect("keeps no credential, by whatever name", () =>
    Effect.gen(function*() {
      const named = {
        openai_api_key: canary,
        extraHeaders: { "x-other": canary },
        "x-goog-api-key": canary,
        ACCESS_TOKEN: canary,
        clientSecret: canary
      }
      const kept = { keyboard: 1, paid_token: 2, tokens: 3, secretary: 4 }
      const backend = mocked(() =>
        Effect.fail(new Errors.ToolFailure({ tool: "t", description: "down", cause: { ...named, ...kept } }))
      )
      const calling = yield* iModel.invoke({ prompt: "Hello", ...named, ...kept }, { metadata: { ...named, ...kept } })
        .pipe(Effect.provide(backend))
      const line = yield* write(calling)
      assert.notInclude(line, canary)
      const { execution, metadata, payload } = yield* read(line)
      assert.deepStrictEqual(metadata, kept)
      assert.deepStrictEqual(payload, { prompt: "Hello", ...kept })
      assert(execution.status === "failed" && execution.error.reason._tag === "ToolFailure")
      assert.deepStrictEqual(execution.error.reason.cause, kept)
    }))

  it.effect("keeps a tool that was called without arguments", () =>
    Effect.gen(function*() {
      const calling = yield* iModel.invoke({ prompt: "Hello" })
      const restored = yield* Effect.flatMap(write(calling), read)
      assert.deepStrictEqual((yield* restored.response).toolCalls, [{ id: "1", name: "time", params: null }])
    }).pipe(
      Effect.provide(mocked(() =>
        Effect.succeed(Calling.makeResponse({ data: {}, toolCalls: [{ id: "1", name: "time", params: undefined }] }))
      ))
    ))

  it.effect("written by version 1 is read for ever", () =>
    Effect.gen(function*() {
      const calling = yield* read(version1)
      assert.strictEqual(calling.id, "5b1f6f8e-0f0e-4a53-9d49-0f8a4f3a7a10")
      assert.strictEqual(calling.cost, 12)
      const { content, text, usage } = yield* calling.response
      assert.strictEqual(text, "blue")
      assert.strictEqual(usage.outputTokens.total, 2)
      assert.deepStrictEqual(content.map(({ type }) => type), ["text", "finish"])
    }))

  it.effect("of a version to come is refused", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(read(version1.replace(`"version":1`, `"version":2`)))
      assert.match(error.message, /version/)
    }))
})

const shown = ({ data, finishReason, text, toolCalls, usage, value }: Calling.NormalizedResponse) => ({
  data,
  finishReason,
  text,
  toolCalls,
  usage,
  value
})

/** As JSON has it, where nothing is `undefined`. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const version1 = JSON.stringify({
  version: 1,
  id: "5b1f6f8e-0f0e-4a53-9d49-0f8a4f3a7a10",
  createdAt: "2026-11-22T21:00:00.000Z",
  metadata: { line: 1 },
  payload: { prompt: "Name a colour.", model: "gpt-4o-mini" },
  cost: { input: 4, output: 8 },
  attempts: [{
    startedAt: "2026-11-22T21:00:01.000Z",
    duration: 51.25,
    outcome: "completed",
    usage: { inputTokens: { total: 4 }, outputTokens: { total: 2 } }
  }],
  execution: {
    status: "completed",
    duration: 51.25,
    response: {
      data: { choices: [] },
      content: [
        { type: "text", text: "blue" },
        {
          type: "finish",
          reason: "stop",
          usage: { inputTokens: { total: 4 }, outputTokens: { total: 2 } }
        }
      ],
      text: "blue",
      toolCalls: [],
      usage: { inputTokens: { total: 4 }, outputTokens: { total: 2 } },
      finishReason: "stop",
      metadata: { model: "gpt-4o-mini" }
    }
  }
})

const apiKey = Redacted.make(canary)

describe.each(
  [
    ["chat completions", OpenAi.layerChat({ model: "gpt-4o-mini", apiKey })],
    ["responses", OpenAi.layerResponses({ model: "gpt-5-mini", apiKey })],
    ["messages", Anthropic.layerMessages({ model: "claude-sonnet-4-5", apiKey })],
    ["generateContent", Gemini.layerGenerateContent({ model: "gemini-2.5-flash", apiKey })],
    ["embedContent", Gemini.layerEmbedContent({ model: "gemini-embedding-001", apiKey })]
  ] as const
)("a calling of %s", (name, backend) => {
  it.effect("comes back with all its parts", () =>
    Effect.gen(function*() {
      const args = name === "embedContent" ? { input: ["a", "b"] } : {
        prompt: "What will the weather be?",
        tools: [Tool.make("weather", { parameters: Schema.Struct({ city: Schema.String }) })]
      }
      const calling = yield* iModel.invoke(args)
      const line = yield* write(calling)
      assert.notInclude(line, canary)
      const restored = yield* read(line)
      const [before, after] = [yield* calling.response, yield* restored.response]
      assert.deepStrictEqual(plain(after.content), plain(before.content))
      assert.deepStrictEqual(after.data, before.data)
      assert.deepStrictEqual(after.value, before.value)
      assert.deepStrictEqual(plain(restored.attempts), plain(calling.attempts))
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provide(backend), Layer.provide(Simulator.layerHttpClient({ latency: 0 })))
    )))
})
