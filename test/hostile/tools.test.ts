/** Tools that fail with, or answer, values that cannot be read. */
// @effect-diagnostics anyUnknownInErrorContext:off
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Tool } from "effect/ai"
import { Errors, iModel, ToolBackend } from "effect-imodel"

const Hostile = Tool.make("hostile", {
  parameters: Schema.Struct({}),
  success: Schema.Unknown,
  failure: Schema.Unknown
})

const deep = (depth: number): unknown => {
  let value: unknown = "bottom"
  for (let i = 0; i < depth; i++) value = { value }
  return value
}

const boom = (): never => {
  throw new Error("boom")
}

const throwing = new Proxy({}, {
  get: boom,
  has: boom,
  ownKeys: boom,
  getPrototypeOf: boom,
  getOwnPropertyDescriptor: boom
})

const circular: Record<string, unknown> = { name: "circular" }
circular["self"] = circular

const values: ReadonlyArray<readonly [name: string, value: unknown]> = [
  ["a message that throws", {
    get message() {
      return boom()
    }
  }],
  ["an error whose message throws", Object.defineProperty(new Error("x"), "message", { get: boom })],
  ["a toJSON that throws", { toJSON: boom }],
  ["a toString that throws", { toString: boom, [Symbol.toPrimitive]: boom }],
  ["a proxy that throws", throwing],
  ["a message that is a proxy", { message: throwing }],
  ["an error with a cause that is a proxy", new Error("outer", { cause: throwing })],
  ["a value of depth 10,000", deep(10_000)],
  ["an error with a cause of depth 10,000", new Error("outer", { cause: deep(10_000) })],
  ["a circle", circular],
  ["a symbol", Symbol("s")],
  ["a bigint", 10n],
  ["a function", boom],
  ["nothing", undefined],
  ["null", null],
  ["an object without a prototype", Object.create(null)],
  ["a long text", "x".repeat(1_000_000)]
]

const ways: ReadonlyArray<readonly [name: string, handler: (value: unknown) => () => unknown]> = [
  ["throws", (value) => () => {
    throw value
  }],
  ["rejects with", (value) => () => Promise.reject(value)],
  ["fails with", (value) => () => Effect.fail(value)],
  ["dies with", (value) => () => Effect.die(value)]
]

describe("a tool", () => {
  for (const [way, handlerOf] of ways) {
    it.effect.each(values)(`that ${way} %s is a ToolFailure`, ([, value]) =>
      Effect.gen(function*() {
        const tool = yield* iModel.make(yield* ToolBackend.make(Hostile, handlerOf(value)))
        const error = yield* Effect.flip(tool.respond({}))
        assert.strictEqual(error._tag, "BackendError")
        if (error._tag !== "BackendError") return
        assert.strictEqual(error.reason._tag, "ToolFailure")
        assert.isString(error.message)
        assert.isAtMost(error.message.length, 11_000)
        assert.isString(String(error))
        const encoded = yield* Schema.encodeUnknownEffect(Schema.toCodecJson(Errors.BackendError))(error)
        assert.isString(JSON.stringify(encoded))
      }))
  }

  const unanswerable = values.filter(([name]) =>
    /throws$|that is a proxy|10,000/.test(name) && !name.startsWith("an error")
  )

  it.effect.each(unanswerable)(
    "that answers with %s is a ToolFailure, or its answer is a text",
    ([, value]) =>
      Effect.gen(function*() {
        const tool = yield* iModel.make(yield* ToolBackend.make(Hostile, () => value))
        const answered = yield* Effect.result(tool.respond({}))
        if (answered._tag === "Success") return assert.isString(answered.success.text)
        assert.strictEqual(answered.failure._tag, "BackendError")
        if (answered.failure._tag === "BackendError") assert.strictEqual(answered.failure.reason._tag, "ToolFailure")
      })
  )
})
