import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Schema, Scope } from "effect"
import { type Calling, Executor, ServiceBackend, TokenBucket } from "effect-imodel"
import { TestClock } from "effect/testing"
import { assertExact, type Happened } from "./support/reference.ts"

/** A backend whose calls take the time they are told, and note when they began and ended. */
const makeWorker = Effect.fnUntraced(function*() {
  const log: Array<{ readonly id: number; readonly at: number; endedAt: number | undefined; interrupted: boolean }> = []
  const backend = yield* ServiceBackend.make({
    provider: "test",
    name: "worker",
    request: Schema.Struct({ id: Schema.Int, millis: Schema.Int, cost: Schema.Int }),
    cost: (payload) => payload.cost,
    call: Effect.fnUntraced(function*({ id, millis }) {
      const entry = {
        id,
        at: yield* Clock.currentTimeMillis,
        endedAt: undefined as number | undefined,
        interrupted: false
      }
      log.push(entry)
      return yield* Effect.sleep(millis).pipe(
        Effect.as(id),
        Effect.onExit((exit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            entry.endedAt = now
            entry.interrupted = Exit.isFailure(exit)
          })
        )
      )
    })
  })
  return { log, call: (id: number, millis = 0, cost = 0) => backend.createCalling({ id, millis, cost }) }
})

const status = (calling: Calling.Calling) => calling.execution.status

describe("Executor", () => {
  it.effect("runs as many at once as its concurrency, the others in their order", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const executor = yield* Executor.make({ concurrency: 2 })
      const callings = yield* Effect.forEach([0, 1, 2, 3, 4], (id) => worker.call(id, 1000))
      for (const calling of callings) yield* Effect.forkChild(executor.submit(calling), { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      assert.deepStrictEqual(callings.map(status), ["processing", "processing", "pending", "pending", "pending"])
      assert.strictEqual(yield* executor.size, 3)
      yield* TestClock.adjust("3 seconds")
      assert.deepStrictEqual(worker.log.map(({ at, id }) => [id, at]), [[0, 0], [1, 0], [2, 1000], [3, 1000], [
        4,
        2000
      ]])
    }))

  it.effect("counts callings by status", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const tokens = yield* TokenBucket.make({ capacity: 10, window: "1 minute" })
      const executor = yield* Executor.make({ concurrency: 1, tokens })
      const submit = (calling: Calling.Calling) =>
        Effect.forkChild(executor.submit(calling), { startImmediately: true })
      yield* submit(yield* worker.call(0, 1000, 1))
      yield* submit(yield* worker.call(1, 1000, 1))
      const leaving = yield* submit(yield* worker.call(2, 1000, 1))
      yield* submit(yield* worker.call(3, 1000, 11))
      yield* submit(yield* worker.call(4, 1000, 1))
      yield* Fiber.interrupt(leaving)
      yield* TestClock.adjust("1500 millis")
      assert.deepStrictEqual(yield* executor.counts, {
        pending: 1,
        processing: 1,
        completed: 1,
        failed: 0,
        cancelled: 1,
        aborted: 1,
        skipped: 0
      })
    }))

  it.effect("takes from both buckets or from neither", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const requests = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      const tokens = yield* TokenBucket.make({ capacity: 100, window: "1 hour" })
      const executor = yield* Executor.make({ requests, tokens })
      yield* executor.submit(yield* worker.call(0, 0, 90))
      const waiting = yield* Effect.forkChild(Effect.flatMap(worker.call(1, 0, 50), (c) => executor.submit(c)))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* requests.available, 9, "the one that waits for tokens has not taken a request")
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* requests.available, 9)
      assert.strictEqual(yield* tokens.available, 10)
    }))

  it.effect("a head that leaves lets the next one start at once, if that fits", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const tokens = yield* TokenBucket.make({ capacity: 100, window: "100 seconds" })
      const executor = yield* Executor.make({ tokens })
      yield* executor.submit(yield* worker.call(0, 0, 90))
      const large = yield* Effect.forkChild(Effect.flatMap(worker.call(1, 0, 100), (c) => executor.submit(c)))
      const small = yield* Effect.forkChild(Effect.flatMap(worker.call(2, 0, 5), (c) => executor.submit(c)))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(worker.log.map(({ id }) => id), [0])
      yield* Fiber.interrupt(large)
      yield* Fiber.join(small)
      assert.deepStrictEqual(worker.log.map(({ at, id }) => [id, at]), [[0, 0], [2, 1000]])
    }))

  it.effect("refuses at once what can never fit, and spends nothing", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const requests = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      const tokens = yield* TokenBucket.make({ capacity: 100, window: "1 hour" })
      const executor = yield* Executor.make({ requests, tokens })
      const calling = yield* worker.call(0, 0, 101)
      const error = yield* Effect.flip(executor.submit(calling))
      assert.strictEqual(error._tag, "PermissionDenied")
      assert.match(error.message, /costs 101 tokens, but the limit is 100 per window/)
      assert.strictEqual(calling.execution.status, "aborted")
      assert.strictEqual(yield* requests.available, 10)
      assert.match((yield* Effect.flip(calling.response)).message, /the calling was aborted/)
    }))

  it.effect("a timeout says where the time ran out, and takes the calling back", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const executor = yield* Executor.make({ concurrency: 1 })
      const running = yield* worker.call(0, 10_000)
      const queued = yield* worker.call(1, 10_000)
      const fibers = yield* Effect.forEach(
        [[running, "1 second"], [queued, "900 millis"]] as const,
        ([calling, timeout]) =>
          Effect.forkChild(Effect.flip(executor.submit(calling, { timeout })), { startImmediately: true })
      )
      yield* TestClock.adjust("1 second")
      const errors = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(
        errors.map((error) => error._tag === "TimeoutError" && [error.phase, error.callingId]),
        [["invocation", running.id], ["queue", queued.id]]
      )
      assert.deepStrictEqual([running, queued].map(status), ["cancelled", "cancelled"])
      assert.isTrue(worker.log[0]?.interrupted)
      assert.strictEqual(worker.log.length, 1)
    }))

  it.effect("shutdown refuses what waits and what comes, and finishes what runs", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const executor = yield* Executor.make({ concurrency: 1 })
      const running = yield* worker.call(0, 1000)
      const queued = yield* worker.call(1, 1000)
      const runningFiber = yield* Effect.forkChild(executor.submit(running), { startImmediately: true })
      const queuedFiber = yield* Effect.forkChild(Effect.flip(executor.submit(queued)), { startImmediately: true })
      yield* TestClock.adjust("500 millis")
      const shutdown = yield* Effect.forkChild(executor.shutdown, { startImmediately: true })
      const denied = yield* Fiber.join(queuedFiber)
      assert.isTrue(denied._tag === "PermissionDenied" && denied.reason._tag === "Shutdown")
      const late = yield* Effect.flip(executor.submit(yield* worker.call(2)))
      assert.isTrue(late._tag === "PermissionDenied" && late.reason._tag === "Shutdown")
      assert.isUndefined(shutdown.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(shutdown)
      yield* Fiber.join(runningFiber)
      assert.strictEqual(running.execution.status, "completed")
    }))

  it.effect("closing the scope interrupts what runs, and leaves no waiter unsettled", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const scope = yield* Scope.make()
      const executor = yield* Scope.provide(Executor.make({ concurrency: 1 }), scope)
      const callings = [yield* worker.call(0, 1000), yield* worker.call(1, 1000)]
      const fibers = yield* Effect.forEach(callings, (calling) =>
        Effect.forkChild(Effect.flip(executor.submit(calling)), { startImmediately: true }))
      yield* TestClock.adjust("500 millis")
      yield* Scope.close(scope, Exit.void)
      const errors = yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(
        errors.map((error) =>
          error._tag === "PermissionDenied" && error.reason._tag
        ),
        ["Shutdown", "Shutdown"]
      )
      assert.isTrue(worker.log[0]?.interrupted)
      assert.strictEqual(worker.log.length, 1)
    }))

  it.effect("awaitIdle waits for what waits and what runs", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const executor = yield* Executor.make({ concurrency: 1 })
      yield* executor.awaitIdle
      for (const id of [0, 1]) {
        const calling = yield* worker.call(id, 1000)
        yield* Effect.forkChild(executor.submit(calling), { startImmediately: true })
      }
      const idle = yield* Effect.forkChild(Effect.andThen(executor.awaitIdle, Clock.currentTimeMillis))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* Fiber.join(idle), 2000)
    }))

  it.effect("the queue holds its capacity, and who comes later waits outside in order", () =>
    Effect.gen(function*() {
      const worker = yield* makeWorker()
      const executor = yield* Executor.make({ concurrency: 1, queueCapacity: 2 })
      for (const id of [0, 1, 2, 3, 4]) {
        const calling = yield* worker.call(id, 1000)
        yield* Effect.forkChild(executor.submit(calling), { startImmediately: true })
      }
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* executor.size, 2)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(worker.log.map(({ id }) => id), [0, 1, 2, 3, 4])
    }))

  it.effect("wrong options are typed errors that name them", () =>
    Effect.gen(function*() {
      for (
        const [options, message] of [
          [{ concurrency: 0 }, /^concurrency must be a whole number above zero, got 0/],
          [{ concurrency: 1.5 }, /^concurrency/],
          [{ queueCapacity: -1 }, /^queueCapacity/]
        ] as const
      ) {
        const error = yield* Effect.flip(Executor.make(options))
        assert.isTrue(Cause.isIllegalArgumentError(error))
        assert.match(error.message, message)
      }
    }))

  const millis = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  const Case = Schema.Struct({
    requests: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 20 })),
    tokens: Schema.Int.check(Schema.isBetween({ minimum: 50, maximum: 1000 })),
    windowMillis: Schema.Int.check(Schema.isBetween({ minimum: 100, maximum: 60_000 })),
    concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 })),
    calls: Schema.Array(Schema.Struct({
      gap: millis(3000),
      cost: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 50 })),
      duration: millis(2000),
      /** When the caller gives up: waiting in line, waiting for tokens, or with the call running. */
      patience: Schema.UndefinedOr(millis(10_000))
    })).check(Schema.isMaxLength(30))
  })

  it.effect.prop(
    "for any arrivals, costs, durations and interruptions: never over, never idle, in order, and the quota is conserved",
    [Case],
    ([{ calls, concurrency, requests, tokens, windowMillis }]) =>
      Effect.gen(function*() {
        const worker = yield* makeWorker()
        const buckets = {
          requests: yield* TokenBucket.make({ capacity: requests, window: windowMillis }),
          tokens: yield* TokenBucket.make({ capacity: tokens, window: windowMillis })
        }
        const executor = yield* Executor.make({ ...buckets, concurrency })
        const began = yield* Clock.currentTimeMillis
        const submitted = yield* Effect.forEach(calls, ({ cost, duration, gap, patience }, id) =>
          Effect.gen(function*() {
            yield* TestClock.adjust(gap)
            const calling = yield* worker.call(id, duration, cost)
            const arrivedAt = (yield* Clock.currentTimeMillis) - began
            const fiber = yield* Effect.forkChild(executor.submit(calling), { startImmediately: true })
            if (patience !== undefined) {
              yield* Effect.forkChild(Effect.delay(Fiber.interrupt(fiber), patience), { startImmediately: true })
            }
            return {
              id,
              calling,
              arrivedAt,
              costs: [1, cost],
              leavesAt: arrivedAt + (patience ?? Number.POSITIVE_INFINITY)
            }
          }))
        const idle = yield* Effect.forkChild(executor.awaitIdle, { startImmediately: true })
        while (idle.pollUnsafe() === undefined) yield* TestClock.adjust(100)

        const happened = submitted.map(({ id, ...call }): Happened => {
          const entry = worker.log.find((entry) => entry.id === id)
          const endedAt = entry?.endedAt === undefined ? undefined : entry.endedAt - began
          return { ...call, startedAt: entry && entry.at - began, endedAt }
        })
        const now = (yield* Clock.currentTimeMillis) - began
        const limits = [{ capacity: requests, windowMillis }, { capacity: tokens, windowMillis }]
        const [requestsLeft = 0, tokensLeft = 0] = assertExact(limits, concurrency, happened, now)
        assert.isAtMost(Math.abs(requestsLeft - (yield* buckets.requests.available)), 1.001)
        assert.isAtMost(Math.abs(tokensLeft - (yield* buckets.tokens.available)), 1.001)

        const settled = submitted.map(({ calling }) => calling.execution.status)
        assert.isTrue(settled.every((status) => status === "completed" || status === "cancelled"), settled.join())
        const counts = yield* executor.counts
        assert.strictEqual(counts.completed + counts.cancelled, calls.length)
        assert.strictEqual(counts.pending + counts.processing, 0)
      }),
    { arbitrary: { runs: 400 } }
  )
})
