/** Tools that fail in every way: each is a `ToolFailure`, or an answer, and its calling settles. */
// @effect-diagnostics missingEffectError:off anyUnknownInErrorContext:off
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema } from "effect"
import { Tool } from "effect/ai"
import { TestClock } from "effect/testing"
import { iModel, ToolBackend } from "effect-imodel"
import { type Draw, fuzz, hostile, testTimeout } from "../support/fuzz.ts"

const foreign = <A>(value: unknown): A =>
  // @ts-expect-error a program without types can pass anything
  value

const Any = Tool.make("any", { parameters: Schema.Struct({ text: Schema.String }), success: Schema.Unknown })

const handler = (draw: Draw) => (): Effect.Effect<unknown> => {
  const value = hostile(draw)
  switch (draw.int(6)) {
    case 0:
      throw foreign(value)
    case 1:
      return foreign(value)
    case 2:
      return Effect.succeed(value)
    case 3:
      return foreign(Effect.fail(value))
    case 4:
      return Effect.die(value)
    default:
      return Effect.delay(foreign<Effect.Effect<unknown>>(Effect.fail(value)), draw.int(1_000))
  }
}

const run = Effect.fnUntraced(function*(draw: Draw) {
  const model = yield* iModel.make(yield* ToolBackend.make(Any, handler(draw), { timeout: "1 minute" }), {
    concurrency: 1
  })
  const ask = Effect.exit(Effect.flatMap(model.invoke({ text: "x" }), ({ response }) => response))
  const fiber = yield* Effect.forkChild(Effect.forEach([1, 2], () => ask, { concurrency: 2 }))
  for (let i = 0; i < 10 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust("1 minute")
  assert.isDefined(fiber.pollUnsafe(), "a call did not settle")
  for (const exit of yield* Fiber.join(fiber)) {
    if (Exit.isSuccess(exit)) continue
    assert.isFalse(Cause.hasDies(exit.cause), "a defect")
    const error = Exit.findErrorOption(exit)
    assert(error._tag === "Some" && error.value._tag === "BackendError")
    assert.strictEqual(error.value.reason._tag, "ToolFailure")
    assert.isBelow(error.value.message.length, 10_000)
  }
  const { counts } = yield* model.executor?.snapshot ?? Effect.die("no executor")
  assert.include(counts, { pending: 0, processing: 0 })
})

describe("tools that fail in every way", () => {
  it.effect("settle their calls", () => fuzz(200, (draw) => Effect.scoped(run(draw))), testTimeout)
})
