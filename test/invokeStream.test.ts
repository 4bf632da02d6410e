import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Result, Stream } from "effect"
import { type Calling, iModel, type PermissionDenied, ServiceBackend, type TimeoutError } from "effect-imodel"
import { TestClock } from "effect/testing"

/** Takes as many seconds as its prompt says, and answers with it. */
const sleeping = (options?: iModel.Options) =>
  iModel.layer(options).pipe(
    Layer.provideMerge(ServiceBackend.layerMock(({ payload }) => {
      const prompt = String(payload["prompt"])
      return Effect.as(Effect.sleep(`${Number(prompt)} seconds`), prompt)
    }))
  )

const textOf = (result: Result.Result<Calling.Calling, TimeoutError | PermissionDenied>) =>
  Effect.flatMap(Effect.fromResult(result), ({ response }) => Effect.map(response, ({ text }) => text))

const textsOf = <E, R>(
  stream: Stream.Stream<Result.Result<Calling.Calling, TimeoutError | PermissionDenied>, E, R>
) => Stream.runCollect(Stream.mapEffect(stream, textOf))

const prompts = Stream.make(3, 1, 2).pipe(Stream.map((seconds) => ({ prompt: String(seconds) })))

describe("invokeStream", () => {
  it.effect("emits results in the order of the stream, or as they come", () =>
    Effect.gen(function*() {
      const ordered = yield* Effect.forkChild(textsOf(iModel.invokeStream(prompts)))
      const unordered = yield* Effect.forkChild(textsOf(iModel.invokeStream(prompts, { unordered: true })))
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(yield* Fiber.join(ordered), ["3", "1", "2"])
      assert.deepStrictEqual(yield* Fiber.join(unordered), ["1", "2", "3"])
    }).pipe(Effect.provide(sleeping())))

  it.effect("reads no more than the model can run and queue", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      assert.strictEqual(model.capacity, 5)
      let read = 0
      const endless = Stream.tap(Stream.forever(Stream.make({ prompt: "1" })), () => Effect.sync(() => read++))
      const fiber = yield* Effect.forkChild(Stream.runDrain(iModel.invokeStream(endless)))
      yield* TestClock.adjust("250 millis")
      yield* TestClock.adjust("250 millis")
      assert.isAtLeast(read, 5)
      assert.isAtMost(read, 7)
      yield* Fiber.interrupt(fiber)
      const mock = yield* ServiceBackend.Mock
      const statuses = (yield* mock.callings).map(({ execution }) => execution.status)
      assert.deepStrictEqual(statuses, ["cancelled", "cancelled"])
    }).pipe(Effect.provide(sleeping({ concurrency: 2, queueCapacity: 3 }))))

  it.effect("goes on when a call is out of time", () =>
    Effect.gen(function*() {
      const results = yield* Effect.forkChild(
        Stream.runCollect(iModel.invokeStream(prompts, { timeout: "2500 millis" }))
      )
      yield* TestClock.adjust("3 seconds")
      const [late, ...others] = yield* Fiber.join(results)
      assert.isTrue(late !== undefined && Result.isFailure(late) && late.failure._tag === "TimeoutError")
      assert.deepStrictEqual(yield* Effect.forEach(others, textOf), ["1", "2"])
    }).pipe(Effect.provide(sleeping())))

  it.effect("fails when the stream of arguments does", () =>
    Effect.gen(function*() {
      const stream = iModel.invokeStream(Stream.fail("no file"))
      expectTypeOf<Stream.Error<typeof stream>>().toEqualTypeOf<string>()
      assert.strictEqual(yield* Effect.flip(Stream.runDrain(stream)), "no file")
    }).pipe(Effect.provide(sleeping())))
})

describe("mapStream", () => {
  it.effect("emits each element with its result", () =>
    Effect.gen(function*() {
      const rows = Stream.make({ id: "a", seconds: 2 }, { id: "b", seconds: 1 })
      const toArgs = ({ seconds }: { readonly seconds: number }) => ({ prompt: String(seconds) })
      const first = yield* Effect.forkChild(Stream.runCollect(iModel.mapStream(rows, toArgs)))
      const last = yield* Effect.forkChild(
        Stream.runCollect(
          rows.pipe(iModel.mapStream(({ seconds }) => ({ prompt: String(seconds) }), { unordered: true }))
        )
      )
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual((yield* Fiber.join(first)).map(([{ id }]) => id), ["a", "b"])
      const emitted = yield* Fiber.join(last)
      assert.deepStrictEqual(emitted.map(([{ id }]) => id), ["b", "a"])
      assert.deepStrictEqual(yield* Effect.forEach(emitted, ([, result]) => textOf(result)), ["1", "2"])
    }).pipe(Effect.provide(sleeping())))
})
