import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Equal, Exit, Fiber, Hash, Layer, Random } from "effect"
import { BackendError, Calling, iModel, type PermissionDenied, ServiceBackend, type TimeoutError } from "effect-imodel"
import { AiError } from "effect/ai"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"

const model = <Data>(
  handler: (calling: Calling.Calling) => Effect.Effect<Data, BackendError>,
  options?: iModel.Options
) => iModel.layer(options).pipe(Layer.provideMerge(ServiceBackend.layerMock(handler)))

const ran = Effect.gen(function*() {
  const mock = yield* ServiceBackend.Mock
  return (yield* mock.callings).length
})

/** Both ways a model runs its calls: on its own, and through an executor. */
for (const [name, options] of [["direct", {}], ["with an executor", { concurrency: 10 }]] as const) {
  describe(`a calling, ${name}`, () => {
    it.effect("goes from pending over processing to completed", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        assert.deepStrictEqual(calling.execution, { status: "pending", duration: undefined })
        const fiber = yield* Effect.forkChild(iModel.invoke(calling), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(calling.execution.status, "processing")
        yield* TestClock.adjust("1 second")
        assert.isTrue(Equal.equals(yield* Fiber.join(fiber), calling))
        assert.strictEqual(calling.execution.status, "completed")
        assert.isTrue(Equal.equals(calling.execution.duration, Duration.seconds(2)))
        assert.strictEqual((yield* calling.response).text, "done")
      }).pipe(Effect.provide(model(() => Effect.delay(Effect.succeed("done"), "2 seconds"), options))))

    it.effect("is run once, however many fibers invoke it and however often", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        const invoked = yield* Effect.forkChild(
          Effect.all(Array.from({ length: 20 }, () => iModel.invoke(calling)), { concurrency: "unbounded" })
        )
        yield* TestClock.adjust("1 second")
        const answers = yield* Fiber.join(invoked)
        assert.strictEqual(answers.length, 20)
        assert.isTrue(answers.every((answer) => answer === calling))
        assert.strictEqual(yield* iModel.invoke(calling), calling)
        assert.strictEqual(yield* ran, 1)
      }).pipe(Effect.provide(model(() => Effect.delay(Effect.succeed("done"), "1 second"), options))))

    it.effect("goes on for those who still wait when one of them leaves, and ends when the last does", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        const fork = Effect.forkChild(iModel.invoke(calling), { startImmediately: true })
        const [first, second, third] = [yield* fork, yield* fork, yield* fork]
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(first)
        assert.strictEqual(calling.execution.status, "processing")
        yield* Fiber.interrupt(second)
        assert.strictEqual(calling.execution.status, "processing")
        yield* Fiber.interrupt(third)
        assert.strictEqual(calling.execution.status, "cancelled")
        assert.isTrue(Equal.equals(calling.execution.duration, Duration.seconds(1)))
        assert.match((yield* Effect.flip(calling.response)).message, /the calling was cancelled/)
      }).pipe(Effect.provide(model(() => Effect.never, options))))

    it.effect("gives each who waits their own timeout", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        const short = yield* Effect.forkChild(Effect.flip(iModel.invoke(calling, { timeout: "1 second" })))
        const long = yield* Effect.forkChild(iModel.invoke(calling, { timeout: "10 seconds" }))
        yield* TestClock.adjust("2 seconds")
        assert.strictEqual((yield* Fiber.join(short))._tag, "TimeoutError")
        assert.strictEqual(calling.execution.status, "processing")
        yield* TestClock.adjust("3 seconds")
        assert.strictEqual((yield* Fiber.join(long)).execution.status, "completed")
      }).pipe(Effect.provide(model(() => Effect.delay(Effect.succeed("done"), "5 seconds"), options))))

    it.effect("out of time, is cancelled for it, and fails the same way when it is invoked again", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        const fiber = yield* Effect.forkChild(Effect.flip(iModel.invoke(calling)))
        yield* TestClock.adjust("3 seconds")
        const error = yield* Fiber.join(fiber)
        assert.isTrue(error._tag === "TimeoutError" && error.phase === "invocation")
        assert.isTrue(calling.execution.status === "cancelled" && calling.execution.error === error)
        assert.isTrue(Equal.equals(calling.execution.duration, Duration.seconds(3)))
        assert.strictEqual(yield* Effect.flip(iModel.invoke(calling)), error)
      }).pipe(Effect.provide(model(() => Effect.never, { ...options, timeout: "3 seconds" }))))

    it.effect("that the backend failed is no failure of the invocation", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.invoke({ prompt: "hi" })
        assert.strictEqual(calling.execution.status, "failed")
        const error = yield* Effect.flip(calling.response)
        assert.strictEqual(error.reason._tag, "InternalProviderError")
        const responded = yield* Effect.flip(iModel.respond({ prompt: "hi" }))
        assert.isTrue(responded._tag === "BackendError" && responded.reason._tag === "InternalProviderError")
      }).pipe(Effect.provide(model(
        () =>
          Effect.fail(
            new BackendError({ reason: new AiError.InternalProviderError({ description: "boom" }), callingId: "x" })
          ),
        options
      ))))

    it.effect("a defect of the backend reaches who invoked it, and settles the calling", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        const exit = yield* Effect.exit(iModel.invoke(calling))
        assert.isTrue(Exit.hasDies(exit))
        assert.strictEqual(calling.execution.status, "failed")
        assert.strictEqual((yield* Effect.flip(calling.response)).reason._tag, "UnknownError")
      }).pipe(Effect.provide(model(() => Effect.die("bug"), options))))

    it.effect("its response waits until it has settled", () =>
      Effect.gen(function*() {
        const calling = yield* iModel.createCalling({ prompt: "hi" })
        const answer = yield* Effect.forkChild(calling.response, { startImmediately: true })
        yield* Effect.forkChild(iModel.invoke(calling))
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(answer)).text, "done")
      }).pipe(Effect.provide(model(() => Effect.delay(Effect.succeed("done"), "1 second"), options))))

    it.effect("runs with the references of the fiber that invoked it", () =>
      Effect.gen(function*() {
        const draw = Effect.map(iModel.respond({ prompt: "hi" }), (response) => response.text)
        const seeded = Random.withSeed(draw, "seed")
        assert.strictEqual(yield* seeded, yield* seeded)
      }).pipe(Effect.provide(model(() => Effect.map(Random.next, String), options))))

    it.effect("interrupting its invocation waits until nothing of it is left", () =>
      Effect.gen(function*() {
        const cleaned = yield* Deferred.make<void>()
        const layer = model(
          () => Effect.onInterrupt(Effect.never, () => Effect.delay(Deferred.succeed(cleaned, undefined), "1 second")),
          options
        )
        yield* Effect.gen(function*() {
          const fiber = yield* Effect.forkChild(iModel.invoke({ prompt: "hi" }), { startImmediately: true })
          yield* TestClock.adjust("1 second")
          const interrupting = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* TestClock.adjust("500 millis")
          assert.isUndefined(interrupting.pollUnsafe())
          yield* TestClock.adjust("500 millis")
          yield* Fiber.join(interrupting)
          assert.isTrue(yield* Deferred.isDone(cleaned))
        }).pipe(Effect.provide(layer))
      }))

    it.effect("closing the model's scope ends what runs, typed", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.gen(function*() {
          const fiber = yield* Effect.forkDetach(Effect.flip(iModel.invoke({ prompt: "hi" })), {
            startImmediately: true
          })
          yield* TestClock.adjust("1 second")
          return fiber
        }).pipe(Effect.provide(model(() => Effect.never, options)))
        const error: TimeoutError | PermissionDenied = yield* Fiber.join(fiber)
        assert.isTrue(error._tag === "PermissionDenied" && error.reason._tag === "Shutdown")
      }))
  })
}

describe("identity", () => {
  it.effect("a calling has a UUID, a time of creation and metadata, and equals by its id", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2))
      const calling = yield* iModel.createCalling({ prompt: "hi" }, { metadata: { user: "ada" } })
      const other = yield* iModel.createCalling({ prompt: "hi" })
      assert.match(calling.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      assert.strictEqual(calling.createdAt.epochMilliseconds, Date.UTC(2026, 0, 2))
      assert.deepStrictEqual(calling.metadata, { user: "ada" })
      assert.isTrue(Equal.equals(calling, calling))
      assert.isFalse(Equal.equals(calling, other))
      assert.strictEqual(Hash.hash(calling), Hash.hash(calling))
      assert.isTrue(Calling.isCalling(calling))
      assert.isFalse(Calling.isCalling({ id: calling.id }))
    }).pipe(Effect.provide(model(() => Effect.succeed("done")))))

  it.effect("prints what a person wants to see, and encodes as JSON", () =>
    Effect.gen(function*() {
      const calling = yield* iModel.invoke({ prompt: "hi" })
      const json = JSON.parse(JSON.stringify(calling))
      assert.deepStrictEqual(json.payload, { prompt: "hi" })
      assert.strictEqual(json.execution.status, "completed")
      assert.strictEqual(json.execution.durationMillis, 0)
      assert.strictEqual(json.execution.response.text, "done")
      assert.match(inspect(calling), /status: 'completed'/)
    }).pipe(Effect.provide(model(() => Effect.succeed("done")))))
})
