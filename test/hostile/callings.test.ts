/** Callings, executors, shares and stores in unlikely moments: interrupted at any step, joined late, without a store. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Layer, Scheduler, Schema, Stream } from "effect"
import { AiError } from "effect/ai"
import { Calling, type Errors, Executor, Hook, iModel, ServiceBackend, TokenBucket } from "effect-imodel"
import { TestClock } from "effect/testing"
import { RateLimiter } from "effect/persistence"

const fork = <A, E, R>(e: Effect.Effect<A, E, R>) => Effect.forkChild(e, { startImmediately: true })
const overload = () => new AiError.InternalProviderError({ description: "busy" })

/** A backend whose attempts do what the script says, by their number. */
const scripted = Effect.fnUntraced(function*(
  script: (n: number) => Effect.Effect<string, Errors.BackendErrorReason>,
  retry?: ServiceBackend.Retry
) {
  let n = 0
  const backend = yield* ServiceBackend.make({
    provider: "test",
    name: "scripted",
    request: Schema.Struct({ id: Schema.Int }),
    retry,
    call: () => Effect.suspend(() => script(n++))
  })
  return { backend, count: () => n }
})

const failure = new RateLimiter.RateLimiterError({ reason: new RateLimiter.RateLimitStoreError({ message: "away" }) })

/** A limiter in memory, before each use of which something happens. */
const limiterOf = (each: (n: number) => Effect.Effect<void, RateLimiter.RateLimiterError>) =>
  Effect.map(Effect.provide(RateLimiter.make, Layer.fresh(RateLimiter.layerStoreMemory)), (limiter) => {
    let n = 0
    return RateLimiter.RateLimiter.of({
      ...limiter,
      consume: (options) => Effect.andThen(Effect.suspend(() => each(n++)), limiter.consume(options))
    })
  })

/** A clock whose time of day can be set. */
const steppingClock = Effect.map(Clock.Clock, (clock) => {
  let offset = 0
  const millis = () => clock.currentTimeMillisUnsafe() + offset
  const nanos = () => clock.currentTimeNanosUnsafe() + BigInt(offset) * 1_000_000n
  const stepping: Clock.Clock = {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: nanos,
    currentTimeNanos: Effect.sync(nanos),
    monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
    monotonicTimeNanos: clock.monotonicTimeNanos,
    sleep: (duration) => clock.sleep(duration)
  }
  return {
    stepping,
    clock,
    set: (millis: number) => {
      offset = millis
    }
  }
})

describe("a calling, an executor or a share", () => {
  it.effect("a settled calling stays settled though a hook lets the call go on behind it", () =>
    Effect.gen(function*() {
      const { backend } = yield* scripted(() => Effect.as(Effect.sleep(1000), "late"))
      const hook = Hook.middleware<never, never, string>((next) => () =>
        Effect.as(Effect.forkDetach(Effect.delay(Effect.ignore(next), 10)), Calling.makeResponse({ data: "stale" }))
      )
      const model = yield* iModel.make(backend, { hooks: [hook] })
      const calling = yield* model.invoke({ id: 0 })
      assert.strictEqual(calling.execution.status, "skipped")
      yield* TestClock.adjust(20)
      assert.strictEqual(calling.execution.status, "skipped")
      yield* TestClock.adjust(2000)
      assert.strictEqual(calling.execution.status, "skipped")
      assert.strictEqual(calling.attempts.length, 0)
      assert.strictEqual((yield* calling.response).data, "stale")
    }))

  it.effect("onFull deny: a calling that comes back for its second attempt is not denied for a full queue", () =>
    Effect.gen(function*() {
      const { backend } = yield* scripted(
        (n) => n === 0 ? Effect.fail(overload()) : Effect.as(Effect.sleep(10_000), "ok"),
        { times: 3, delay: 1000 }
      )
      const executor = yield* Executor.make({ concurrency: 1, queueCapacity: 1, onFull: "deny" })
      const callings = yield* Effect.forEach([0, 1, 2], (id) => backend.createCalling({ id }))
      const fibers = []
      for (const calling of callings) {
        fibers.push(yield* fork(Effect.exit(executor.submit(calling))))
        yield* TestClock.adjust(10)
      }
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(callings.map((c) => c.execution.status), ["processing", "processing", "pending"])
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(callings.map((c) => c.execution.status), ["completed", "completed", "completed"])
    }))

  it.effect("shutdown refuses at once what backs off from a denial", () =>
    Effect.gen(function*() {
      const { backend } = yield* scripted(() => Effect.succeed("ok"))
      const requests = yield* TokenBucket.make({ capacity: 1, window: "1 day" })
      const executor = yield* Executor.make({ requests, onLimit: "deny", maxDenials: 15 })
      yield* executor.submit(yield* backend.createCalling({ id: 0 }))
      const calling = yield* backend.createCalling({ id: 1 })
      yield* fork(Effect.exit(executor.submit(calling)))
      yield* TestClock.adjust("1100 seconds")
      assert.strictEqual(calling.execution.status, "pending")
      const shutdown = yield* fork(executor.shutdown)
      yield* TestClock.adjust(1)
      assert.strictEqual(calling.execution.status, "aborted")
      assert.isDefined(shutdown.pollUnsafe())
      assert.deepInclude(yield* executor.counts, { pending: 0, aborted: 1 })
    }))

  it.effect("share does not ask for ever a backend that interrupts itself", () =>
    Effect.gen(function*() {
      const { backend, count } = yield* scripted((n) => n < 50 ? Effect.interrupt : Effect.succeed("ok"))
      const model = yield* iModel.share(yield* iModel.make(backend))
      const calling = yield* model.invoke({ id: 0 })
      assert.strictEqual(count(), 1)
      assert.strictEqual(calling.execution.status, "cancelled")
    }))

  it.effect("share makes one call though the arguments are changed by a hook that takes its time", () =>
    Effect.gen(function*() {
      const { backend, count } = yield* scripted(() => Effect.as(Effect.sleep(1000), "ok"))
      const inner = yield* iModel.make(backend, {
        hooks: [Hook.make({ preEventCreate: () => Effect.sleep(100) })]
      })
      const model = yield* iModel.share(inner)
      const fibers = yield* Effect.forEach([0, 1, 2], () => fork(model.invoke({ id: 0 })))
      yield* TestClock.adjust(200)
      yield* TestClock.adjust(2000)
      yield* Fiber.joinAll(fibers)
      assert.strictEqual(count(), 1)
    }))

  it.effect("one who joins without a time limit is not bound by the limit of who was first", () =>
    Effect.gen(function*() {
      const { backend } = yield* scripted(
        (n) => Effect.andThen(Effect.sleep(5000), n === 0 ? Effect.fail(overload()) : Effect.succeed("ok")),
        { times: 3, delay: 1000 }
      )
      const model = yield* iModel.fallback([yield* iModel.make(backend)])
      const calling = yield* model.createCalling({ id: 0 })
      const first = yield* fork(Effect.exit(model.invoke(calling, { timeout: "4 seconds" })))
      const second = yield* fork(Effect.exit(model.invoke(calling)))
      yield* TestClock.adjust("4 seconds")
      assert.isTrue(Exit.isFailure(yield* Fiber.join(first)))
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("1 second")
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(second)
      assert.strictEqual(calling.execution.status, "completed")
    }))

  it.effect("interruption at every step leaves no orphan", () =>
    Effect.gen(function*() {
      const hook = Hook.make({ preInvocation: () => Effect.yieldNow })
      for (
        const kind of [
          "plain",
          "limited",
          "hooks",
          "limited hooks",
          "fallback",
          "share",
          "hedge",
          "race",
          "vote"
        ] as const
      ) {
        for (const max of [3, 5, 7, 11]) {
          for (let steps = 0; steps < 30; steps++) {
            const backend = yield* ServiceBackend.make({
              provider: "test",
              name: "scripted",
              request: Schema.Struct({ id: Schema.Int }),
              call: () => Effect.never
            })
            const inner = yield* iModel.make(backend, {
              concurrency: kind.startsWith("limited") ? 1 : undefined,
              hooks: kind.endsWith("hooks") ? [hook] : undefined
            })
            const model = kind === "fallback"
              ? yield* iModel.fallback([inner, inner])
              : kind === "share"
              ? yield* iModel.share(inner)
              : kind === "hedge"
              ? yield* iModel.hedge(inner)
              : kind === "race"
              ? yield* iModel.race([inner, inner])
              : kind === "vote"
              ? yield* iModel.vote([inner, inner])
              : inner
            const calling = yield* model.createCalling({ id: 0 })
            const fiber = yield* fork(
              model.invoke(calling).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, max))
            )
            for (let i = 0; i < steps; i++) yield* Effect.yieldNow
            yield* Fiber.interrupt(fiber)
            for (let i = 0; i < 100; i++) yield* Effect.yieldNow
            const where = `${kind}, after ${steps} steps of ${max}`
            assert.include(["cancelled", "pending"], calling.execution.status, where)
            if (model.executor) {
              assert.deepInclude(yield* model.executor.counts, { pending: 0, processing: 0 }, where)
              assert.strictEqual((yield* model.executor.snapshot).running, 0, where)
            }
          }
        }
      }
    }), 200_000)

  it.effect("a cooldown lasts as long though the system clock is set back", () =>
    Effect.gen(function*() {
      const { clock, set, stepping } = yield* steppingClock
      yield* Effect.gen(function*() {
        const one = yield* scripted((n) => n === 0 ? Effect.fail(overload()) : Effect.succeed("one"), { times: 0 })
        const two = yield* scripted(() => Effect.succeed("two"))
        const model = yield* iModel.fallback([
          yield* iModel.make(one.backend),
          yield* iModel.make(two.backend)
        ], { attempts: 1 })
        const ask = Effect.map(model.respond({ id: 0 }), ({ data }) => data)
        assert.strictEqual(yield* ask, "two")
        set(-3_600_000)
        assert.strictEqual(yield* ask, "two")
        yield* Effect.provideService(TestClock.adjust("11 seconds"), Clock.Clock, clock)
        assert.strictEqual(yield* ask, "one")
      }).pipe(Effect.provideService(Clock.Clock, stepping))
    }))

  it.effect("a hook took no negative time when the system clock was set back meanwhile", () =>
    Effect.gen(function*() {
      const { set, stepping } = yield* steppingClock
      yield* Effect.gen(function*() {
        const { backend } = yield* scripted(() => Effect.succeed("ok"))
        const model = yield* iModel.make(backend, {
          hooks: [Hook.make({
            preInvocation: () => Effect.sync(() => set(-3_600_000))
          })]
        })
        const events = yield* fork(Stream.runHead(model.events))
        yield* model.invoke({ id: 0 })
        const event = yield* Fiber.join(events)
        assert.isTrue(event._tag === "Some" && Duration.toMillis(event.value.duration) >= 0)
      }).pipe(Effect.provideService(Clock.Clock, stepping))
    }))

  it.effect("a shared stream under a hook is read once", () =>
    Effect.gen(function*() {
      const { backend } = yield* ServiceBackend.makeMock(() => Effect.succeed("blue"))
      const hook = Hook.make({ preInvocation: () => Effect.void })
      const model = yield* iModel.share(yield* iModel.make(backend), { hooks: [hook] })
      const parts = yield* Stream.runCollect(model.stream({ prompt: "A colour?" }))
      assert.strictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : "").join(""), "blue")
    }))

  it.effect("sharedConcurrency holds in this process while the store is away", () =>
    Effect.gen(function*() {
      let away = false
      const limiter = yield* limiterOf(() => away ? Effect.fail(failure) : Effect.void)
      const backend = yield* ServiceBackend.make({
        provider: "test",
        name: "x",
        request: Schema.Struct({ id: Schema.Int }),
        call: () => Effect.never
      })
      const executor = yield* Executor.make({
        requests: { capacity: 100, window: "1 second" },
        sharedConcurrency: 2,
        onStoreFailure: "open"
      }).pipe(Effect.provideService(RateLimiter.RateLimiter, limiter))
      away = true
      for (let id = 0; id < 5; id++) yield* fork(executor.submit(yield* backend.createCalling({ id })))
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* executor.counts).processing, 2)
    }))

  it.effect("a store that interrupts itself does not end the executor", () =>
    Effect.gen(function*() {
      let mode = 0
      const limiter = yield* limiterOf(() => mode++ === 1 ? Effect.interrupt : Effect.void)
      const backend = yield* ServiceBackend.make({
        provider: "test",
        name: "x",
        request: Schema.Struct({ id: Schema.Int }),
        call: () => Effect.succeed("ok")
      })
      const executor = yield* Executor.make({ requests: { capacity: 100, window: "1 second" } }).pipe(
        Effect.provideService(RateLimiter.RateLimiter, limiter)
      )
      const fibers = []
      for (let id = 0; id < 5; id++) fibers.push(yield* fork(executor.submit(yield* backend.createCalling({ id }))))
      for (let i = 0; i < 20; i++) yield* TestClock.adjust("1 second")
      assert.isTrue(fibers.every((f) => f.pollUnsafe() !== undefined))
    }))

  it.effect("with the scheduler's own budget, a caller interrupted as it submits leaves nothing running", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.make({
        provider: "test",
        name: "x",
        request: Schema.Struct({ id: Schema.Int }),
        call: () => Effect.never
      })
      const model = yield* iModel.make(backend, { concurrency: 1 })
      for (let n = 1_900; n < 2_060; n++) {
        const calling = yield* model.createCalling({ id: n })
        const busy = Effect.gen(function*() {
          for (let i = 0; i < n; i++) yield* Effect.sync(() => i)
          return yield* model.invoke(calling)
        })
        const fiber = yield* fork(busy)
        yield* Fiber.interrupt(fiber)
        for (let i = 0; i < 20; i++) yield* Effect.yieldNow
        assert.notStrictEqual(calling.execution.status, "processing", `${n} steps before`)
      }
    }))

  it.effect("who joins a shared call while its last caller leaves late does not get that one's timeout", () =>
    Effect.gen(function*() {
      let n = 0
      const backend = yield* ServiceBackend.make({
        provider: "test",
        name: "x",
        request: Schema.Struct({ id: Schema.Int }),
        call: () =>
          Effect.suspend(() =>
            n++ === 0 ? Effect.onInterrupt(Effect.never, () => Effect.sleep(2000)) : Effect.succeed("ok")
          )
      })
      const model = yield* iModel.share(yield* iModel.make(backend, { timeout: "5 seconds" }))
      const first = yield* fork(Effect.exit(model.invoke({ id: 0 })))
      yield* TestClock.adjust("6 seconds")
      const second = yield* fork(model.respond({ id: 0 }))
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(first)
      assert.strictEqual((yield* Fiber.join(second)).data, "ok")
    }))
})
