/** A second attempt for what takes too long, and one attempt for what is asked twice. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Redacted, Schema, Stream } from "effect"
import { AiError, Response } from "effect/ai"
import { TestClock } from "effect/testing"
import { type Errors, Hook, iModel, ServiceBackend } from "effect-imodel"

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const Request = Schema.Struct({ text: Schema.String })

type Answer = Effect.Effect<string, Errors.BackendErrorReason>

/** A model that streams its answer as one part. */
const made = Effect.fnUntraced(function*(
  answer: (n: number) => Answer,
  options?: iModel.Options<typeof Request.Encoded>
) {
  let asked = 0
  let interrupted = 0
  const call = Effect.onInterrupt(Effect.suspend(() => answer(++asked)), () => Effect.sync(() => interrupted++))
  const model = yield* iModel.make(
    yield* ServiceBackend.make({
      provider: "local",
      name: "local",
      request: Request,
      cost: () => ({ input: 10, output: 90 }),
      call: () => call,
      stream: (_request, emit) =>
        Effect.tap(call, (delta) => emit([Response.makePart("text-delta", { id: "0", delta })]))
    }),
    options
  )
  return { model, asked: () => asked, interrupted: () => interrupted }
})

const pass = Effect.fnUntraced(function*<A, E>(effect: Effect.Effect<A, E>) {
  const fiber = yield* Effect.forkChild(Effect.timed(Effect.exit(effect)))
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(10)
  const [duration, exit] = yield* Fiber.join(fiber)
  return { exit, millis: Duration.toMillis(duration) }
})

const after = (millis: number, answer: Answer = Effect.succeed("done")) => Effect.delay(answer, millis)

describe("a hedge", () => {
  const warm = Effect.fnUntraced(function*(
    late: (n: number) => Answer,
    options?: iModel.Options<typeof Request.Encoded>
  ) {
    const local = yield* made((n) => n <= 20 ? after(100) : late(n - 20), options)
    const hedged = yield* iModel.hedge(local.model)
    return {
      ...local,
      whole: hedged.invoke({ text: "hi" }),
      streamed: Stream.runCollect(hedged.stream({ text: "hi" }))
    }
  })
  const times = <A, E>(n: number, effect: Effect.Effect<A, E>) =>
    Effect.repeat(Effect.flatMap(pass(effect), ({ exit }) => exit), { times: n - 1 })

  it.effect("asks a second time after as long as most calls take, and takes what comes first", () =>
    Effect.gen(function*() {
      const { asked, interrupted, whole } = yield* warm((n) => after(n === 1 ? 10_000 : 50, Effect.succeed(String(n))))
      yield* times(20, whole)
      assert.strictEqual(asked(), 20)
      const { exit, millis } = yield* pass(whole)
      const calling = yield* exit
      assert.strictEqual((yield* calling.response).text, "2")
      assert.deepStrictEqual([millis, asked(), interrupted()], [150, 22, 1])
      assert.deepStrictEqual(calling.attempts.map(({ outcome }) => outcome).toSorted(), ["cancelled", "completed"])
    }))

  it.effect("gives back what the slower one had reserved", () =>
    Effect.gen(function*() {
      const { model, whole } = yield* warm((n) => after(n === 1 ? 10_000 : 50), {
        limitTokens: 10_000,
        capacityRefreshTime: "1000 hours"
      })
      yield* times(20, whole)
      yield* pass(whole)
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), ({ snapshot }) => snapshot)
      // Twenty-one answers at a hundred, and the ten of a prompt that was sent in vain.
      assert.strictEqual(Math.round(limits.tokens?.available ?? 0), 10_000 - 21 * 100 - 10)
    }))

  it.effect("of a stream goes by its first part, and mixes nothing", () =>
    Effect.gen(function*() {
      const { asked, interrupted, streamed } = yield* warm((n) =>
        after(n === 1 ? 10_000 : 50, Effect.succeed(String(n)))
      )
      yield* times(20, streamed)
      const { exit, millis } = yield* pass(streamed)
      const parts = yield* exit
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []), ["2"])
      assert.deepStrictEqual([millis, asked(), interrupted()], [150, 22, 1])
    }))

  it.effect("asks once what is answered in time, and what fails before", () =>
    Effect.gen(function*() {
      const { asked, whole } = yield* warm((n) => n === 1 ? after(99) : Effect.fail(overloaded))
      yield* times(21, whole)
      const { exit } = yield* pass(Effect.flatMap(whole, ({ response }) => response))
      assert.isTrue(Exit.isFailure(exit))
      assert.strictEqual(asked(), 22)
    }))

  it.effect("waits for the second when the first fails meanwhile, and tells of both when both do", () =>
    Effect.gen(function*() {
      const { whole } = yield* warm((n) => n <= 3 && n !== 2 ? after(150, Effect.fail(overloaded)) : after(100))
      yield* times(20, whole)
      const rescued = yield* pass(Effect.flatMap(whole, ({ response }) => response))
      assert.isTrue(Exit.isSuccess(rescued.exit))
      const { whole: hopeless } = yield* warm(() => after(150, Effect.fail(overloaded)))
      yield* times(20, hopeless)
      const error = yield* Effect.flip(
        Effect.flatMap(pass(Effect.flatMap(hopeless, ({ response }) => response)), ({ exit }) => exit)
      )
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "AllFailed")
    }))

  it.effect("of a balance asks another model the second time, whosever turn it is", () =>
    Effect.gen(function*() {
      const one = yield* made((n) => after(n <= 20 ? 100 : 1_000), { name: "one" })
      const other = yield* made(() => after(100), { name: "other" })
      const balanced = yield* iModel.balance([one.model, other.model], { strategy: { weights: [100, 1] } })
      const hedged = yield* iModel.hedge(balanced)
      const asked = Effect.gen(function*() {
        const { exit, millis } = yield* pass(hedged.invoke({ text: "hi" }))
        return { millis, by: (yield* exit).attempts.map(({ model }) => model) }
      })
      for (let n = 0; n < 20; n++) yield* asked
      assert.deepStrictEqual(yield* asked, { millis: 200, by: ["other", "one"] })
    }))

  it.effect("needs a percentile that makes sense", () =>
    Effect.gen(function*() {
      const { model } = yield* made(() => after(1))
      assert.include((yield* Effect.flip(iModel.hedge(model, { percentile: 100 }))).message, "percentile")
    }))
})

describe("a shared model", () => {
  it.effect("is asked once for what is asked at the same time, and again afterwards", () =>
    Effect.gen(function*() {
      const { asked, model } = yield* made((n) => after(100, Effect.succeed(String(n))))
      const shared = yield* iModel.share(model)
      const ask = (text: string) => Effect.map(shared.respond({ text }), (response) => response.text)
      const texts = ["a", "a", "b", "a"]
      const { exit } = yield* pass(Effect.forEach(texts, ask, { concurrency: "unbounded" }))
      assert.deepStrictEqual(yield* exit, ["1", "1", "2", "1"])
      assert.strictEqual(yield* (yield* pass(ask("a"))).exit, "3")
      assert.strictEqual(asked(), 3)
    }))

  it.effect("goes by what is asked when it is asked", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "local",
        request: Schema.Struct({ messages: Schema.Array(Schema.String) }),
        call: ({ messages }) => Effect.delay(Effect.succeed(messages.join()), "1 second")
      })
      const shared = yield* iModel.share(yield* iModel.make(backend))
      const messages = ["one"]
      const first = yield* Effect.forkChild(shared.respond({ messages }))
      yield* TestClock.adjust(10)
      messages.push("two")
      const second = yield* Effect.forkChild(shared.respond({ messages }))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual([(yield* Fiber.join(first)).text, (yield* Fiber.join(second)).text], ["one", "one,two"])
    }))

  it.effect("has the time of the one who has most of it", () =>
    Effect.gen(function*() {
      const limited = new AiError.RateLimitError({ retryAfter: Duration.seconds(5) })
      let asked = 0
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "local",
        request: Request,
        retry: {},
        call: () => Effect.suspend(() => after(500, asked++ === 0 ? Effect.fail(limited) : Effect.succeed("done")))
      })
      const shared = yield* iModel.share(yield* iModel.make(backend))
      const hasty = yield* Effect.forkChild(Effect.flip(shared.respond({ text: "a" }, { timeout: "1 second" })))
      yield* TestClock.adjust(100)
      const { exit } = yield* pass(shared.respond({ text: "a" }, { timeout: "20 seconds" }))
      assert.strictEqual((yield* exit).text, "done")
      assert.deepStrictEqual([(yield* Fiber.join(hasty))._tag, asked], ["TimeoutError", 2])
    }))

  it.effect("goes on while any of them waits, and ends with the last", () =>
    Effect.gen(function*() {
      const { asked, interrupted, model } = yield* made(() => after(100))
      const shared = yield* iModel.share(model)
      const ask = Effect.forkChild(shared.respond({ text: "a" }), { startImmediately: true })
      const [first, second, third] = [yield* ask, yield* ask, yield* ask]
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(first)
      assert.strictEqual(interrupted(), 0)
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust(50)
      assert.strictEqual((yield* Fiber.join(third)).text, "done")
      const last = yield* ask
      yield* TestClock.adjust(50)
      yield* Fiber.interrupt(last)
      assert.deepStrictEqual([asked(), interrupted()], [2, 1])
      assert.strictEqual((yield* (yield* pass(shared.respond({ text: "a" }))).exit).text, "done")
    }))

  const anyOf = Effect.fnUntraced(function*() {
    let asked = 0
    const backend = yield* ServiceBackend.make({
      provider: "local",
      name: "local",
      request: Schema.Struct({ value: Schema.Unknown, response_format: Schema.optional(Schema.Unknown) }),
      call: () => Effect.delay(Effect.sync(() => String(++asked)), 100)
    })
    const shared = yield* iModel.share(yield* iModel.make(backend))
    return { ask: (value: unknown) => shared.respond({ value }), shared }
  })

  class Opaque {
    readonly kind = "opaque"
  }

  it.effect.each(
    [
      { name: "queries", values: [new URLSearchParams("a=1"), new URLSearchParams("a=2")] },
      { name: "secrets", values: [Redacted.make("one"), Redacted.make("two")] },
      { name: "maps", values: [new Map([[1, 1]]), new Map([[1, 2]])] },
      { name: "bytes", values: [new Uint8Array([1]), new Uint8Array([2])] },
      { name: "objects of a class", values: [new Opaque(), new Opaque()] },
      { name: "form data", values: [new FormData(), new FormData()] },
      { name: "functions", values: [() => 1, () => 1] }
    ]
  )("does not share what is not known to be equal: $name", ({ values }) =>
    Effect.gen(function*() {
      const { ask } = yield* anyOf()
      const { exit } = yield* pass(Effect.forEach(values, ask, { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* exit).map(({ text }) => text), ["1", "2"])
    }))

  it.effect("shares what is equal: queries, secrets and bytes", () =>
    Effect.gen(function*() {
      const { ask } = yield* anyOf()
      const value = () => [new URLSearchParams("a=1"), Redacted.make("one"), new Uint8Array([1])]
      const { exit } = yield* pass(Effect.all([ask(value()), ask(value())], { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* exit).map(({ text }) => text), ["1", "1"])
    }))

  it.effect("does not share calls whose hooks have other parameters, or whose output has another schema", () =>
    Effect.gen(function*() {
      const { ask, shared } = yield* anyOf()
      const of = (tenant: string) => Effect.provideService(ask("a"), Hook.Params, { tenant })
      const tenants = yield* pass(Effect.all([of("one"), of("two"), of("one")], { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* tenants.exit).map(({ text }) => text), ["1", "2", "1"])
      const schemas = [Schema.Finite.annotate({ description: "n" }), Schema.Finite.annotate({ description: "n" })]
      const values = yield* pass(
        Effect.forEach(schemas, (schema) => shared.respond({ value: "a", response_format: schema }), {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual((yield* values.exit).map(({ text }) => text), ["3", "4"])
    }))

  it.effect("does not share streams, nor a failure with those that come after it", () =>
    Effect.gen(function*() {
      const { asked, model } = yield* made((n) =>
        after(100, n === 1 ? Effect.fail(overloaded) : Effect.succeed("done"))
      )
      const shared = yield* iModel.share(model)
      const failed = yield* pass(Effect.exit(shared.respond({ text: "a" })))
      assert.isTrue(Exit.isFailure(yield* failed.exit))
      const stream = Stream.runDrain(shared.stream({ text: "a" }))
      yield* pass(Effect.all([stream, stream], { concurrency: "unbounded" }))
      assert.strictEqual(asked(), 3)
    }))
})
