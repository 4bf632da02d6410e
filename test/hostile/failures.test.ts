/** Whatever a backend does, its calling settles and its place is given back. */
// @effect-diagnostics missingEffectError:off anyUnknownInErrorContext:off
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit } from "effect"
import { AiError } from "effect/ai"
import { Calling, Errors, iModel, ServiceBackend } from "effect-imodel"

const throwing = new Proxy({}, {
  get: () => {
    throw new Error("trap")
  },
  has: () => {
    throw new Error("trap")
  }
})

const reason = new AiError.RateLimitError({})

const failures: Readonly<Record<string, unknown>> = {
  "null": null,
  "undefined": undefined,
  "a text": "no",
  "a number": Number.NaN,
  "an error": new Error("no"),
  "an AiError": new AiError.AiError({ module: "m", method: "f", reason }),
  "our own TimeoutError": new Errors.TimeoutError({ phase: "queue", limit: Duration.seconds(1), callingId: "other" }),
  "an object with a tag": { _tag: "RateLimitError" },
  "an object that looks like a failed calling": { _tag: "BackendError", reason: null },
  "a proxy that throws": throwing,
  "a message that throws": Object.defineProperty({}, "message", {
    get: () => {
      throw new Error("trap")
    }
  })
}

/** A failure that the types do not allow, as it comes from JavaScript. */
const foreign = (value: unknown): Effect.Effect<never, Errors.BackendErrorReason> =>
  // @ts-expect-error from JavaScript, a failure can be anything
  Effect.fail(value)

const oneAfterTheOther = Effect.fnUntraced(function*(call: () => Effect.Effect<unknown, Errors.BackendErrorReason>) {
  let calls = 0
  const { backend } = yield* ServiceBackend.makeMock(() => calls++ === 0 ? call() : Effect.succeed("fine"))
  const model = yield* iModel.make(backend, { concurrency: 1, limitTokens: 1_000 })
  const first = yield* Effect.exit(Effect.flatMap(model.invoke({ prompt: "1" }), ({ response }) => response))
  const second = yield* model.respond({ prompt: "2" })
  assert.strictEqual(second.data, "fine")
  assert.include(yield* model.executor?.counts ?? Effect.die("no executor"), { pending: 0, processing: 0 })
  return first
})

describe("a backend", () => {
  it.effect.each(Object.keys(failures))("that fails with %s fails its call alone", (name) =>
    Effect.gen(function*() {
      const exit = yield* oneAfterTheOther(() => foreign(failures[name]))
      assert.isTrue(Exit.isFailure(exit))
    }))

  it.effect("that fails with an AiError fails with its reason", () =>
    Effect.gen(function*() {
      const { backend } = yield* ServiceBackend.makeMock(() => foreign(failures["an AiError"]))
      const error = yield* Effect.flip((yield* iModel.make(backend)).respond({ prompt: "1" }))
      assert(error._tag === "BackendError")
      assert.strictEqual(error.reason._tag, "RateLimitError")
    }))

  it.effect("that answers with a response of the wrong shape fails its call alone", () =>
    Effect.gen(function*() {
      const broken: unknown = { ...Calling.makeResponse({ data: 1 }), usage: null }
      const exit = yield* oneAfterTheOther(() => Effect.succeed(broken))
      assert.isTrue(Exit.isFailure(exit))
    }))

  it.effect("that throws fails its call alone", () =>
    Effect.gen(function*() {
      const exit = yield* oneAfterTheOther(() => {
        throw new Error("bug")
      })
      assert.isTrue(Exit.isFailure(exit))
    }))
})

describe("a cost", () => {
  const costs = [-1, Number.NaN, Number.POSITIVE_INFINITY, -1e9]

  it.effect.each(costs)("of %d is refused and takes nothing", (cost) =>
    Effect.gen(function*() {
      const { backend } = yield* ServiceBackend.makeMock(() => Effect.succeed("fine"))
      const plain = yield* iModel.make(backend, { limitTokens: 100, cost: () => cost })
      const several = yield* iModel.fallback([yield* iModel.make(backend)], { limitTokens: 100, cost: () => cost })
      const byArguments = yield* iModel.fallback([yield* iModel.make(backend)], { limitTokens: 100 })
      for (
        const calling of [
          yield* plain.invoke({ prompt: "1" }),
          yield* several.invoke({ prompt: "1" }),
          yield* byArguments.invoke({ prompt: "1", max_tokens: cost })
        ]
      ) {
        assert(calling.execution.status === "failed")
        assert.strictEqual(calling.execution.error.reason._tag, "InvalidRequestError")
      }
      for (const { executor } of [plain, several, byArguments]) {
        assert(executor !== undefined)
        const { limits } = yield* executor.snapshot
        assert.strictEqual(limits.tokens?.available, 100)
        yield* executor.awaitIdle
      }
    }))

  it.effect("of arguments that are no object is refused by a model of several", () =>
    Effect.gen(function*() {
      const { backend } = yield* ServiceBackend.makeMock(() => Effect.succeed("fine"))
      const several = yield* iModel.fallback([yield* iModel.make(backend)])
      const calling = yield* several.invokeUnknown("no object")
      assert(calling.execution.status === "failed")
      assert.strictEqual(calling.execution.error.reason._tag, "InvalidRequestError")
    }))
})
