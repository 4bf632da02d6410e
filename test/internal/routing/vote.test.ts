import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { AiError } from "effect/ai"
import { type Calling, Hook, iModel, ServiceBackend } from "effect-imodel"
import { TestClock } from "effect/testing"

/** A model that takes so many seconds to say a text, or to fail for none. */
const saying = Effect.fnUntraced(function*(name: string, seconds: number, text: string | undefined) {
  const { backend, mock } = yield* ServiceBackend.makeMock(() =>
    Effect.andThen(
      Effect.sleep(`${seconds} seconds`),
      text === undefined ? Effect.fail(new AiError.QuotaExhaustedError({})) : Effect.succeed(text)
    )
  )
  const model = yield* iModel.make(backend, { name })
  const statuses = Effect.map(
    mock.callings,
    (callings: ReadonlyArray<Calling.Calling>) => callings.map(({ execution }) => execution.status)
  )
  return { model, statuses }
})

const after = Effect.fnUntraced(function*<A, E>(effect: Effect.Effect<A, E>, seconds: number) {
  const fiber = yield* Effect.forkChild(effect)
  yield* TestClock.adjust(`${seconds} seconds`)
  return yield* Fiber.join(fiber)
})

describe("race", () => {
  it.effect("answers with the first answer, and cancels the others", () =>
    Effect.gen(function*() {
      const slow = yield* saying("slow", 9, "late")
      const broken = yield* saying("broken", 1, undefined)
      const quick = yield* saying("quick", 2, "early")
      const raced = yield* iModel.race([slow.model, broken.model, quick.model])
      const calling = yield* after(raced.invoke({ prompt: "Hi" }), 2)
      const { metadata, text } = yield* calling.response
      assert.strictEqual(text, "early")
      assert.strictEqual(metadata["model"], "quick")
      assert.deepStrictEqual(yield* slow.statuses, ["cancelled"])
      assert.deepStrictEqual(
        calling.attempts.map(({ model, outcome }) => `${model} ${outcome}`).toSorted(),
        ["broken failed", "quick completed", "slow cancelled"]
      )
    }))

  it.effect("streams the answer whose first part came first", () =>
    Effect.gen(function*() {
      const slow = yield* saying("slow", 9, "late")
      const quick = yield* saying("quick", 2, "early")
      const raced = yield* iModel.race([slow.model, quick.model])
      const parts = yield* after(Stream.runCollect(raced.stream({ prompt: "Hi" })), 2)
      const texts = parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : [])
      assert.strictEqual(texts.join(""), "early")
      assert.deepStrictEqual(yield* slow.statuses, ["cancelled"])
    }))

  it.effect("fails with the reasons of all", () =>
    Effect.gen(function*() {
      const models = [(yield* saying("a", 1, undefined)).model, (yield* saying("b", 2, undefined)).model] as const
      const error = yield* after(Effect.flip((yield* iModel.race(models)).respond({ prompt: "Hi" })), 2)
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "AllFailed")
    }))
})

describe("vote", () => {
  const jury = Effect.fnUntraced(function*(...texts: ReadonlyArray<string | undefined>) {
    const judges = yield* Effect.forEach(texts, (text, i) => saying(`judge ${i}`, i + 1, text))
    const [first, ...others] = judges.map(({ model }) => model)
    const model = yield* iModel.vote([first ?? assert.fail("no judge"), ...others], {
      key: ({ text }) => text.toLowerCase()
    })
    return { model, statuses: Effect.forEach(judges, ({ statuses }) => statuses) }
  })

  it.effect("answers with the majority as soon as it is decided, and cancels the rest", () =>
    Effect.gen(function*() {
      const { model, statuses } = yield* jury("Spam", "ham", "spam", "SPAM", "ham")
      const calling = yield* after(model.invoke({ prompt: "Hi" }), 4)
      const { metadata, text } = yield* calling.response
      assert.strictEqual(text, "Spam")
      assert.deepStrictEqual(metadata["votes"], { spam: 3, ham: 1 })
      assert.deepStrictEqual((yield* statuses).flat(), [...Array(4).fill("completed"), "cancelled"])
      assert.strictEqual(calling.attempts.length, 5)
    }))

  it.effect("gives those that fail no vote, and takes most of the votes where there is no majority", () =>
    Effect.gen(function*() {
      const { model } = yield* jury("a", undefined, "b", "b", "c")
      assert.strictEqual((yield* after(model.respond({ prompt: "Hi" }), 5)).text, "b")
      const tied = yield* jury("a", "b")
      assert.strictEqual((yield* after(tied.model.respond({ prompt: "Hi" }), 2)).text, "a")
      const none = yield* jury(undefined, undefined)
      const error = yield* after(Effect.flip(none.model.respond({ prompt: "Hi" })), 2)
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "AllFailed")
    }))

  it.effect("is streamed when it is decided, and takes hooks", () =>
    Effect.gen(function*() {
      let seen = 0
      const judge = (yield* saying("judge", 1, "yes")).model
      const hook = Hook.make({ postInvocation: () => Effect.sync(() => seen++) })
      const model = yield* iModel.vote([judge, judge, judge], { hooks: [hook] })
      const parts = yield* after(Stream.runCollect(model.stream({ prompt: "Hi" })), 1)
      assert.isTrue(parts.some((part) => part.type === "text-delta" && part.delta === "yes"))
      assert.strictEqual(seen, 1)
    }))

  it.effect("that is interrupted interrupts all", () =>
    Effect.gen(function*() {
      const { model, statuses } = yield* jury("a", "b", "c")
      const fiber = yield* Effect.forkChild(model.respond({ prompt: "Hi" }))
      yield* TestClock.adjust("500 millis")
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual((yield* statuses).flat(), ["cancelled", "cancelled", "cancelled"])
    }))
})
