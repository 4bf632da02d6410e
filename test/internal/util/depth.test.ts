/** Values that are nested deep are refused in words, wherever they come from. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Schema, Stream } from "effect"
import { Prompt } from "effect/ai"
import { Calling, Errors, Hook, iModel, ServiceBackend, SettledCalling } from "effect-imodel"
import { describe as describeError } from "../../../src/internal/errors/describe.ts"
import { chatWires, platform } from "../../support/chatWires.ts"
import { serve } from "../../support/server.ts"

const depths = [300, 5_000, 100_000]

const nested = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`

const deep = (depth: number): unknown => JSON.parse(nested(depth))

const failureOf = <A, E>(exit: Exit.Exit<A, E>): E | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  assert.isFalse(Cause.hasDies(exit.cause), Cause.pretty(exit.cause))
  const error = Exit.findErrorOption(exit)
  return error._tag === "Some" ? error.value : assert.fail("interrupted")
}

const reasonOf = (error: unknown): Errors.BackendErrorReason =>
  error instanceof Errors.BackendError ? error.reason : assert.fail(String(error))

describe.each(chatWires)("over $name", (wire) => {
  it.live.each(depths)("JSON nested %d deep is no answer, and no defect", (depth) =>
    Effect.gen(function*() {
      const bodies = [
        { body: nested(depth) },
        { body: `{"id":"1","choices":${nested(depth)},"content":${nested(depth)},"candidates":${nested(depth)}}` },
        { body: `{"error":${nested(depth)}}` },
        { status: 400, body: `{"error":{"message":"wrong","details":${nested(depth)}}}` },
        { status: 500, body: nested(depth) },
        { status: 400, body: `{"error":{"message":"${"9".repeat(400)}","n_ctx":${"9".repeat(400)}}}` }
      ]
      for (const answer of bodies) {
        const server = yield* serve(answer)
        const model = yield* wire.make(server.url)
        const error = failureOf(yield* Effect.exit(model.respond({ prompt: "Hello" })))
        const reason = reasonOf(error)
        if (!("status" in answer)) assert.match(reason.message, /nested more than 256 levels deep/)
        assert.isBelow(reason.message.length, 5_000)
        const events = yield* serve({ ...answer, body: `data: ${answer.body}\n\n` })
        const streaming = yield* wire.make(events.url)
        assert.isDefined(failureOf(yield* Effect.exit(Stream.runDrain(streaming.stream({ prompt: "Hello" })))))
      }
    }).pipe(Effect.provide(platform)))

  it.live.each(depths)("an output nested %d deep is not what a schema asks for", (depth) =>
    Effect.gen(function*() {
      const server = yield* serve({ body: wire.whole({ text: `{"a":${nested(depth)}}` }) })
      const model = yield* wire.make(server.url)
      const Output = Schema.Struct({ a: Schema.Unknown })
      const reason = reasonOf(failureOf(yield* Effect.exit(model.respondAs(Output, { prompt: "Hello" }))))
      assert.strictEqual(reason._tag, "InvalidOutputError")
      assert.match(reason.message, /nested more than 256 levels deep/)
    }).pipe(Effect.provide(platform)))

  it.live.each(depths)(
    "parameters of a tool nested %d deep end no call with a defect",
    (depth) =>
      Effect.gen(function*() {
        const params = `{"a":${nested(depth)}}`
        if (wire.carriesText) {
          const server = yield* serve({ body: wire.whole({ calls: [{ id: "1", name: "t", params }] }) })
          const model = yield* wire.make(server.url)
          const { toolCalls } = yield* model.respond({ prompt: "Hello" })
          assert.deepStrictEqual(toolCalls.map(({ params }) => params), [params])
        }
      }).pipe(Effect.provide(platform))
  )

  it.live.each(depths)("arguments nested %d deep are refused, and nothing is sent", (depth) =>
    Effect.gen(function*() {
      const server = yield* serve({ body: wire.whole({ text: "Hi" }) })
      const model = yield* wire.make(server.url)
      const result = Prompt.toolResultPart({
        id: "1",
        name: "t",
        isFailure: false,
        providerExecuted: false,
        result: deep(depth)
      })
      for (
        const args of [
          { prompt: Prompt.fromMessages([Prompt.toolMessage({ content: [result] })]) },
          { prompt: "Hello", metadata: deep(depth) }
        ]
      ) {
        const reason = reasonOf(failureOf(yield* Effect.exit(model.respond(args))))
        assert.strictEqual(reason._tag, "InvalidRequestError")
        assert.match(reason.message, /nested more than 256 levels deep/)
      }
      assert.deepStrictEqual(yield* server.seen, [])
    }).pipe(Effect.provide(platform)))
})

it.effect.each(depths)(
  "a backend of one's own may answer and fail with values nested %d deep",
  (depth) =>
    Effect.gen(function*() {
      let answer: Effect.Effect<unknown, Errors.BackendErrorReason> = Effect.succeed(deep(depth))
      const { backend } = yield* ServiceBackend.makeMock(() => Effect.suspend(() => answer))
      const model = yield* iModel.make(backend, {
        hooks: [Hook.logging(), Hook.metrics(), Hook.redact(/secret/), Hook.budget({ tokens: 1_000, per: "1 day" })]
      })
      const calling = yield* model.invoke({ prompt: "Hello" })
      assert.strictEqual(calling.execution.status, "completed")
      assert.isDefined(yield* Schema.encodeEffect(SettledCalling.SettledCalling)(calling))
      answer = Effect.fail(new Errors.ToolFailure({ tool: "t", description: "broken", cause: deep(depth) }))
      const failed = yield* model.invoke({ prompt: "Hello" })
      assert.strictEqual(failed.execution.status, "failed")
      assert.isDefined(yield* Schema.encodeEffect(SettledCalling.SettledCalling)(failed))
    })
)

it.effect("an error is described whatever it is", () =>
  Effect.sync(() => {
    const throws = () => {
      throw new Error("trap")
    }
    const errors = [
      deep(100_000),
      { message: deep(100_000) },
      new Proxy({}, { get: throws, has: throws, ownKeys: throws, getPrototypeOf: throws }),
      Object.defineProperty({}, "message", { get: throws }),
      { toJSON: throws, toString: throws },
      Object.create(null),
      Symbol("s"),
      1n,
      null,
      "x".repeat(1_000_000)
    ]
    for (const error of errors) assert.isBelow(describeError(error).length, 3_000)
    assert.isDefined(Calling.TypeId)
  }))
