import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Latch, Queue, Schema, type Scope, Stream } from "effect"
import { AiError, Response } from "effect/ai"
import { TestClock } from "effect/testing"
import { BackendError, type Calling, type Errors, iModel, ServiceBackend, TimeoutError } from "effect-imodel"

const start = Response.makePart("text-start", { id: "0" })
const delta = (text: string) => Response.makePart("text-delta", { id: "0", delta: text })
const end = Response.makePart("text-end", { id: "0" })
const usage = { inputTokens: { total: 3 }, outputTokens: { total: 2 } }
const finish = Response.makePart("finish", { reason: "stop", usage, response: undefined })
const heading = Response.makePart("response-metadata", { id: "answer", modelId: "local" })
const overloaded = new AiError.InternalProviderError({ description: "overloaded" })

type Emits = (
  emit: ServiceBackend.Emit,
  attempt: number
) => Effect.Effect<string, BackendError | Errors.BackendErrorReason>

const modelOf = (
  stream: Emits,
  options?: iModel.Options<{ readonly n?: number | undefined }>,
  backend?: { readonly retry?: ServiceBackend.Retry; readonly idleTimeout?: Duration.Input }
): Effect.Effect<iModel.Model<{ readonly n?: number | undefined }, string>, iModel.OptionsError, Scope.Scope> =>
  Effect.flatMap(
    ServiceBackend.make({
      provider: "local",
      name: "local",
      request: Schema.Struct({ n: Schema.optional(Schema.Int) }),
      call: () => Effect.succeed("whole"),
      stream: (_payload, emit, calling) => stream(emit, calling.attempts.length + 1),
      ...backend
    }),
    (made) => iModel.make(made, options)
  )

const collect = Effect.fnUntraced(function*<A, E>(stream: Stream.Stream<A, E>) {
  const parts: Array<A> = []
  const exit = yield* Effect.exit(Stream.runForEach(stream, (part) => Effect.sync(() => parts.push(part))))
  return { parts, exit }
})

const snapshotOf = <Args, Data>({ executor }: iModel.Model<Args, Data>) =>
  Effect.flatMap(Effect.fromNullishOr(executor), ({ snapshot }) => snapshot)

const interruptionOf = (exit: Exit.Exit<unknown, unknown>) => {
  const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
  if (
    error?._tag === "Some" && error.value instanceof BackendError && error.value.reason._tag === "StreamInterrupted"
  ) {
    return error.value.reason
  }
  return assert.fail(`not broken off: ${exit}`)
}

describe("a stream", () => {
  it.effect("has the parts in their order, and ends with the work", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(Effect.fnUntraced(function*(emit) {
        yield* emit([heading])
        yield* emit([start, delta("a")])
        yield* emit([delta("b"), end])
        yield* emit([finish])
        return "ab"
      }))
      const { exit, parts } = yield* collect(model.stream({}))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(parts, [heading, start, delta("a"), delta("b"), end, finish])
    }))

  it.effect("of a backend that does not stream has the whole answer in parts", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "local",
        request: Schema.Struct({}),
        call: () => Effect.succeed("ab")
      })
      const { parts } = yield* collect((yield* iModel.make(backend)).stream({}))
      assert.deepStrictEqual(parts.map((part) => part.type), ["text-start", "text-delta", "text-end", "finish"])
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []), ["ab"])
    }))

  it.effect("does not run ahead of who reads it", () =>
    Effect.gen(function*() {
      let emitted = 0
      const read = yield* Queue.unbounded<Calling.StreamPart>()
      const go = yield* Latch.make()
      const model = yield* modelOf(Effect.fnUntraced(function*(emit) {
        for (let i = 0; i < 100; i++) {
          yield* emit([delta(String(i))])
          emitted++
        }
        return ""
      }))
      const reader = yield* Effect.forkChild(
        Stream.runForEach(model.stream({}), (part) => Effect.andThen(Queue.offer(read, part), go.await))
      )
      yield* Queue.take(read)
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(emitted, 3)
      yield* go.open
      yield* Fiber.join(reader)
      assert.strictEqual(emitted, 100)
    }))

  it.effect("interrupts the work when nobody reads on, and frees its place", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const model = yield* modelOf(
        (emit) =>
          Effect.andThen(emit([start]), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          ),
        { concurrency: 1 }
      )
      const { parts } = yield* collect(Stream.take(model.stream({}), 1))
      assert.deepStrictEqual(parts, [start])
      yield* Deferred.await(interrupted)
      const { counts, running } = yield* snapshotOf(model)
      assert.strictEqual(running, 0)
      assert.strictEqual(counts.cancelled, 1)
    }))

  it.effect("is made again until its first part is out", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        Effect.fnUntraced(function*(emit, attempt) {
          yield* emit([heading])
          if (attempt < 3) return yield* overloaded
          yield* emit([start, delta("a"), end, finish])
          return "a"
        }),
        {},
        { retry: {} }
      )
      const running = yield* Effect.forkChild(collect(model.stream({})))
      yield* TestClock.adjust("1 minute")
      const { exit, parts } = yield* Fiber.join(running)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(parts, [heading, start, delta("a"), end, finish])
    }))

  it.effect("that fails after its first part has broken off, with its text and usage, and is not made again", () =>
    Effect.gen(function*() {
      let attempts = 0
      const model = yield* modelOf(
        Effect.fnUntraced(function*(emit) {
          attempts++
          yield* emit([start, delta("so ")], { inputTokens: { total: 7 }, outputTokens: {} })
          yield* emit([delta("far")])
          return yield* overloaded
        }),
        {},
        { retry: { while: () => true } }
      )
      const { exit, parts } = yield* collect(model.stream({}))
      const reason = interruptionOf(exit)
      assert.deepStrictEqual(parts, [start, delta("so "), delta("far")])
      assert.strictEqual(reason.text, "so far")
      assert.deepStrictEqual(reason.usage, { inputTokens: { total: 7 }, outputTokens: {} })
      assert.strictEqual(reason.reason?._tag, "InternalProviderError")
      assert.strictEqual(attempts, 1)
    }))

  it.effect("that fails before its first part fails for the reason itself", () =>
    Effect.gen(function*() {
      const model = yield* modelOf((emit) => Effect.andThen(emit([heading]), Effect.fail(overloaded)))
      const error = yield* Effect.flip(Stream.runDrain(model.stream({})))
      assert.isTrue(error._tag === "BackendError" && error.reason === overloaded)
    }))

  it.effect("of wrong arguments fails at once, by name", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(() => Effect.die("was asked"))
      const error = yield* Effect.flip(Stream.runDrain(model.stream({ n: 1.5 })))
      assert.isTrue(
        error._tag === "BackendError" && error.reason._tag === "InvalidRequestError" && error.reason.parameter === "n"
      )
    }))

  it.effect("is out of time with the whole of it", () =>
    Effect.gen(function*() {
      const model = yield* modelOf((emit) => Effect.andThen(emit([start]), Effect.never))
      const running = yield* Effect.forkChild(collect(model.stream({}, { timeout: "5 seconds" })))
      yield* TestClock.adjust("5 seconds")
      const { exit } = yield* Fiber.join(running)
      assert.isTrue(
        Exit.isFailure(exit) &&
          Exit.findErrorOption(exit).pipe((o) => o._tag === "Some" && o.value instanceof TimeoutError)
      )
    }))
})

describe("the silence of a stream", () => {
  const pulse = (emit: ServiceBackend.Emit, parts: ReadonlyArray<Calling.StreamPart>, every: Duration.Input) =>
    Effect.forever(Effect.andThen(Effect.sleep(every), emit(parts)))

  it.effect("is bounded until the first part, whatever sign of life there is", () =>
    Effect.gen(function*() {
      const model = yield* modelOf((emit) => pulse(emit, [], "1 second"), { firstPartTimeout: "10 seconds" })
      const running = yield* Effect.forkChild(collect(model.stream({})))
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(interruptionOf((yield* Fiber.join(running)).exit).text, "")
    }))

  it.effect("is bounded between parts, exactly, whenever it begins", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        (emit) => Effect.delay(emit([start, delta("a")]), "7 seconds").pipe(Effect.andThen(Effect.never)),
        { idleTimeout: "10 seconds" }
      )
      const running = yield* Effect.forkChild(collect(model.stream({})))
      yield* TestClock.adjust("16999 millis")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(interruptionOf((yield* Fiber.join(running)).exit).text, "a")
    }))

  it.effect("is not one while the backend shows that it is alive", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        (emit) =>
          Effect.andThen(
            emit([start]),
            Effect.raceFirst(pulse(emit, [], "9 seconds"), Effect.delay(Effect.succeed(""), "1 minute"))
          ),
        {},
        { idleTimeout: "10 seconds" }
      )
      const running = yield* Effect.forkChild(collect(model.stream({})))
      yield* TestClock.adjust("1 minute")
      assert.isTrue(Exit.isSuccess((yield* Fiber.join(running)).exit))
    }))

  it.effect("is not one while who reads takes its time", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        Effect.fnUntraced(function*(emit) {
          for (let i = 0; i < 5; i++) yield* emit([delta("a")])
          return ""
        }),
        { idleTimeout: "10 seconds" }
      )
      const running = yield* Effect.forkChild(
        Effect.exit(Stream.runForEach(model.stream({}), () => Effect.sleep("1 minute")))
      )
      yield* TestClock.adjust("10 minutes")
      assert.isTrue(Exit.isSuccess(yield* Fiber.join(running)))
    }))

  it.effect("is as long as the call says, before what the model and the backend say", () =>
    Effect.gen(function*() {
      const model = yield* modelOf((emit) => Effect.andThen(emit([start]), Effect.never), { idleTimeout: "1 hour" }, {
        idleTimeout: "1 day"
      })
      const running = yield* Effect.forkChild(collect(model.stream({}, { idleTimeout: "1 second" })))
      yield* TestClock.adjust("1 second")
      interruptionOf((yield* Fiber.join(running)).exit)
    }))
})

describe("a stream under limits", () => {
  it.effect("waits to be admitted, and is settled by the usage of its end", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "local",
        request: Schema.Struct({}),
        cost: () => ({ input: 10, output: 90 }),
        call: () => Effect.succeed("a"),
        stream: (_payload, emit) => Effect.as(emit([start, delta("a"), end, finish]), "a")
      })
      const model = yield* iModel.make(backend, { limitTokens: 150, capacityRefreshTime: "1 minute" })
      yield* Stream.runDrain(model.stream({}))
      // Of the 100 that were reserved 5 were used.
      assert.strictEqual((yield* snapshotOf(model)).limits.tokens?.available, 145)
      const reading = yield* Latch.make()
      const slow = yield* Effect.forkChild(Stream.runForEach(model.stream({}), () => reading.await))
      yield* TestClock.adjust("1 millis")
      const second = yield* Effect.forkChild(Stream.runDrain(model.stream({})))
      yield* TestClock.adjust("21 seconds")
      assert.isUndefined(second.pollUnsafe())
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(second)
      yield* reading.open
      yield* Fiber.join(slow)
    }))

  const brokenOff = Effect.fnUntraced(function*(
    broken: (emit: ServiceBackend.Emit) => Effect.Effect<string>,
    options?: iModel.StreamOptions
  ) {
    const backend = yield* ServiceBackend.make({
      provider: "local",
      name: "local",
      request: Schema.Struct({}),
      cost: () => ({ input: 10, output: 90 }),
      call: () => Effect.succeed("a"),
      stream: (_payload, emit) => broken(emit)
    })
    const model = yield* iModel.make(backend, { limitTokens: 200, capacityRefreshTime: "1000 days" })
    const reading = yield* Effect.forkChild(collect(model.stream({}, options)))
    yield* TestClock.adjust("10 seconds")
    yield* Fiber.interrupt(reading)
    yield* TestClock.adjust("1 millis")
    return 200 - ((yield* snapshotOf(model)).limits.tokens?.available ?? Number.NaN)
  })
  const limit: iModel.StreamOptions = { firstPartTimeout: "5 seconds", idleTimeout: "5 seconds" }
  const said = [
    start,
    delta("twenty characters..."),
    Response.makePart("tool-params-delta", { id: "1", delta: "{\"a\":1}" })
  ]

  it.effect("is settled by what it was told it had used, when it breaks off", () =>
    Effect.gen(function*() {
      const told = brokenOff((emit) => Effect.andThen(emit([start, delta("a")], usage), Effect.never), limit)
      assert.approximately(yield* told, 5, 0.1)
    }))

  it.effect("is settled by what it has handed out, when that is more or nothing was told", () =>
    Effect.gen(function*() {
      const untold = brokenOff((emit) => Effect.andThen(emit(said), Effect.never), limit)
      assert.approximately(yield* untold, 17, 0.1)
      const less = { inputTokens: { total: 3 }, outputTokens: { total: 1 } }
      const told = brokenOff((emit) => Effect.andThen(emit(said, less), Effect.never), limit)
      assert.approximately(yield* told, 10, 0.1)
      assert.approximately(yield* brokenOff(() => Effect.never, limit), 10, 0.1)
    }))

  it.effect("is settled by what it has handed out, when its reader leaves", () =>
    Effect.gen(function*() {
      const left = brokenOff((emit) => Effect.andThen(emit(said), Effect.never))
      assert.approximately(yield* left, 17, 0.1)
    }))
})
