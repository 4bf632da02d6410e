/** Admission where things go wrong: stores that fail or answer late, backends that lie or throw, callers that leave in between. */
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Exit, Fiber, Latch, Layer, Logger, Metric, Schema, Scope } from "effect"
import { Calling, Executor, iModel, ServiceBackend, TokenBucket } from "effect-imodel"
import { AiError } from "effect/ai"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"

type Failure = AiError.InternalProviderError | AiError.RateLimitError

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })

const makeBackend = Effect.fnUntraced(function*(
  call: (id: number, attempt: ServiceBackend.Attempt) => Effect.Effect<unknown, Failure>,
  retry?: ServiceBackend.Retry
) {
  return yield* ServiceBackend.make({
    provider: "test",
    name: "unsteady",
    request: Schema.Struct({ id: Schema.Int, cost: Schema.optional(Schema.Int) }),
    cost: ({ cost = 0 }) => cost,
    retry,
    call: ({ id }, _calling, attempt) => call(id, attempt)
  })
})

const fork = <A, E>(effect: Effect.Effect<A, E>) => Effect.forkChild(Effect.exit(effect), { startImmediately: true })

/** A bucket in a store whose answers pass through a function. */
const bucketIn = Effect.fnUntraced(function*(
  capacity: number,
  around: (
    answer: Effect.Effect<RateLimiter.ConsumeResult, RateLimiter.RateLimiterError>
  ) => Effect.Effect<RateLimiter.ConsumeResult, RateLimiter.RateLimiterError>
) {
  const memory = yield* Effect.provide(RateLimiter.make, Layer.fresh(RateLimiter.layerStoreMemory))
  const limiter: RateLimiter.RateLimiter = { ...memory, consume: (options) => around(memory.consume(options)) }
  return yield* TokenBucket.make({ capacity, window: "1 hour" }).pipe(
    Effect.provideService(RateLimiter.RateLimiter, limiter)
  )
})

const storeFailure = new RateLimiter.RateLimiterError({
  reason: new RateLimiter.RateLimitStoreError({ message: "away" })
})

describe("a store that fails", () => {
  it.effect("delays what is given back, and loses nothing of it", () =>
    Effect.gen(function*() {
      let failures = 0
      const tokens = yield* bucketIn(100, (answer) => failures-- > 0 ? Effect.fail(storeFailure) : answer)
      const executor = yield* Executor.make({ tokens })
      const backend = yield* makeBackend(() => Effect.delay(Effect.fail(overloaded), 100))
      for (const id of [0, 1, 2, 3]) yield* fork(executor.submit(yield* backend.createCalling({ id, cost: 25 })))
      yield* TestClock.adjust(50)
      failures = 1
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* tokens.available, 100)
    }))

  it.effect("leaves no bucket with what another could not take", () =>
    Effect.gen(function*() {
      let away = true
      const requests = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      const tokens = yield* bucketIn(100, (answer) => Effect.suspend(() => away ? Effect.fail(storeFailure) : answer))
      const executor = yield* Executor.make({ requests, tokens })
      const backend = yield* makeBackend(() => Effect.succeed("done"))
      const calling = yield* backend.createCalling({ id: 0, cost: 1 })
      yield* fork(executor.submit(calling))
      yield* TestClock.adjust("4500 millis")
      assert.strictEqual(yield* requests.available, 10)
      away = false
      yield* TestClock.adjust("1 second")
      assert.strictEqual(calling.execution.status, "completed")
      assert.strictEqual(yield* requests.available, 9)
    }))

  it.effect("with a defect does not end admission", () =>
    Effect.gen(function*() {
      let bugs = 1
      const requests = yield* bucketIn(10, (answer) => Effect.suspend(() => bugs-- > 0 ? Effect.die("bug") : answer))
      const executor = yield* Executor.make({ requests })
      const backend = yield* makeBackend(() => Effect.succeed("done"))
      const calling = yield* backend.createCalling({ id: 0 })
      yield* fork(executor.submit(calling))
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(calling.execution.status, "completed")
    }))
})

describe("while a store is away", () => {
  /** An executor of ten calls an hour, whose store fails, or is silent, for as long as it is told to. */
  const makeExecutor = Effect.fnUntraced(function*(options: Executor.Options) {
    const state: { store: "there" | "failing" | "silent" } = { store: "there" }
    const returned = yield* Latch.make()
    const requests = yield* bucketIn(10, (answer) =>
      Effect.suspend(() =>
        state.store === "there"
          ? answer
          : state.store === "failing"
          ? Effect.fail(storeFailure)
          : Effect.andThen(returned.await, answer)
      ))
    const messages: Array<string> = []
    const logger = Logger.make(({ message }) => {
      messages.push(String(Array.isArray(message) ? message[0] : message))
    })
    const executor = yield* Executor.make({ ...options, name: "mine", requests }).pipe(
      Effect.provideService(Logger.CurrentLoggers, new Set([logger]))
    )
    const backend = yield* makeBackend(() => Effect.succeed("done"))
    const submit = Effect.fnUntraced(function*(count: number, submitOptions?: Executor.SubmitOptions) {
      const callings = yield* Effect.forEach(Array.from({ length: count }), (_, id) => backend.createCalling({ id }))
      const fibers = yield* Effect.forEach(callings, (calling) => fork(executor.submit(calling, submitOptions)))
      return { callings, fibers }
    })
    const completed = Effect.map(executor.counts, ({ completed }) => completed)
    const away = Effect.map(
      Metric.snapshot,
      (all) =>
        all.find(({ attributes, id }) => id === "imodel_store_away" && attributes?.["executor"] === "mine")?.state
    )
    const goAway = (how: "failing" | "silent") =>
      Effect.sync(() => {
        state.store = how
      })
    const comeBack = Effect.suspend(() => {
      state.store = "there"
      return returned.open
    })
    return { away, comeBack, completed, goAway, messages, requests, submit }
  })

  for (const how of ["failing", "silent"] as const) {
    it.effect(`${how}: calls wait, fail at their deadline, and go on when it is back; that is said once`, () =>
      Effect.gen(function*() {
        const store = yield* makeExecutor({})
        yield* store.goAway(how)
        const late = yield* store.submit(3, { timeout: "5 seconds" })
        const patient = yield* store.submit(3)
        yield* TestClock.adjust("10 seconds")
        for (const fiber of late.fibers) {
          const exit = yield* Fiber.join(fiber)
          assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes("TimeoutError"))
        }
        assert.strictEqual(yield* store.completed, 0)
        assert.match(
          store.messages.join("\n"),
          /^The limit store of mine does not reply, so calls wait$/
        )
        assert.deepInclude(yield* store.away, { value: 1 })
        yield* store.comeBack
        yield* TestClock.adjust("1 second")
        for (const { execution } of patient.callings) assert.strictEqual(execution.status, "completed")
        assert.strictEqual(store.messages.length, 2)
        assert.deepInclude(yield* store.away, { value: 0 })
        assert.strictEqual(yield* store.requests.available, 7, "what came too late was put back")
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
  }

  it.effect("local: calls are admitted by a share of the limit, as it refills", () =>
    Effect.gen(function*() {
      const store = yield* makeExecutor({ onStoreFailure: "local", localShare: 0.5 })
      yield* store.goAway("silent")
      yield* store.submit(10)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* store.completed, 5)
      yield* store.comeBack
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* store.completed, 10)
    }))

  it.effect("open: calls are admitted without limits", () =>
    Effect.gen(function*() {
      const store = yield* makeExecutor({ onStoreFailure: "open" })
      yield* store.goAway("failing")
      yield* store.submit(30)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* store.completed, 30)
      assert.match(store.messages.join("\n"), /calls are admitted without limits/)
    }))
})

describe("a store that answers late", () => {
  const late = <A, E>(answer: Effect.Effect<A, E>) =>
    Effect.flatMap(Effect.exit(answer), (exit) => Effect.andThen(Effect.sleep(10), exit))

  it.effect("gives back what was taken for one who was out of time meanwhile", () =>
    Effect.gen(function*() {
      const bucket = yield* bucketIn(10, late)
      const waiter = yield* fork(bucket.acquire(5, { timeout: 5 }))
      yield* TestClock.adjust(200)
      assert.isTrue(Exit.isFailure(yield* Fiber.join(waiter)))
      const available = yield* Effect.forkChild(bucket.available)
      yield* TestClock.adjust(200)
      assert.strictEqual(yield* Fiber.join(available), 10)
    }))

  it.effect("does not start one who was interrupted meanwhile", () =>
    Effect.gen(function*() {
      let started = 0
      const requests = yield* bucketIn(10, late)
      const executor = yield* Executor.make({ requests })
      const backend = yield* makeBackend(() => Effect.sync(() => started++))
      const calling = yield* backend.createCalling({ id: 0 })
      const caller = yield* fork(executor.submit(calling))
      yield* TestClock.adjust(5)
      yield* Fiber.interrupt(caller)
      yield* TestClock.adjust(100)
      assert.deepStrictEqual([started, calling.execution.status], [0, "cancelled"])
      const available = yield* Effect.forkChild(requests.available)
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* Fiber.join(available), 10)
    }))
})

describe("a backend", () => {
  it.effect("that reports nonsense for its usage has used what was reserved", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenBucket.make({ capacity: 100, window: "1 hour" })
      const executor = yield* Executor.make({ tokens })
      const nonsense = [-1, Number.POSITIVE_INFINITY, Number.NaN]
      const backend = yield* makeBackend((id) =>
        Effect.succeed(Calling.makeResponse({
          data: id,
          usage: { inputTokens: { total: nonsense[id] }, outputTokens: { total: 0 } }
        }))
      )
      for (const id of nonsense.keys()) yield* executor.submit(yield* backend.createCalling({ id, cost: 10 }))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tokens.available, 70)
    }))

  it.effect("whose cost function gives nonsense is not asked", () =>
    Effect.gen(function*() {
      for (const cost of [-1, Number.NaN]) {
        const backend = yield* ServiceBackend.make({
          provider: "test",
          name: "nonsense",
          request: Schema.Struct({}),
          cost: () => cost,
          call: () => Effect.die("asked")
        })
        const model = yield* iModel.make(backend, { limitTokens: 10 })
        const error = yield* Effect.flip(model.respond({}))
        assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError")
      }
    }))

  it.effect("whose retry throws fails the call with that defect, and keeps its place in the pool free", () =>
    Effect.gen(function*() {
      const backend = yield* makeBackend((id) => id === 0 ? Effect.fail(overloaded) : Effect.succeed(id), {
        while: () => {
          throw new Error("bug")
        }
      })
      const executor = yield* Executor.make({ concurrency: 1 })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(executor.submit(yield* backend.createCalling({ id: 0 })))))
      assert.strictEqual(
        (yield* executor.submit(yield* backend.createCalling({ id: 1 }))).execution.status,
        "completed"
      )
    }))

  it.effect("is not asked again when the work that nobody waits for any more fails in the end", () =>
    Effect.gen(function*() {
      let asked = 0
      const backend = yield* makeBackend(
        () =>
          Effect.suspend(() => {
            asked++
            return Effect.uninterruptible(Effect.delay(Effect.fail(overloaded), 100))
          }),
        { delay: 10 }
      )
      const executor = yield* Executor.make({ concurrency: 1 })
      const caller = yield* fork(executor.submit(yield* backend.createCalling({ id: 0 })))
      yield* TestClock.adjust(50)
      yield* Effect.forkChild(Fiber.interrupt(caller), { startImmediately: true })
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(asked, 1)
    }))

  const saying = (limits: { readonly limit: number; readonly remaining: number }, refused: boolean) => ({
    limits: {
      retryAfter: undefined,
      requests: { ...limits, resetAfter: undefined },
      tokens: undefined,
      inputTokens: undefined,
      outputTokens: undefined
    },
    refused
  })

  it.effect("that refuses many at once is believed once: nothing is given back twice", () =>
    Effect.gen(function*() {
      const requests = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      const executor = yield* Executor.make({ requests })
      const backend = yield* makeBackend((_id, attempt) =>
        Effect.suspend(() => {
          attempt.reportRateLimits(saying({ limit: 10, remaining: 0 }, true))
          return Effect.fail(new AiError.RateLimitError({}))
        }).pipe(Effect.delay(10))
      )
      for (let id = 0; id < 8; id++) yield* fork(executor.submit(yield* backend.createCalling({ id })))
      yield* TestClock.adjust(100)
      assert.strictEqual(yield* requests.available, 0)
    }))

  it.effect("that says in its answer what it gave back is believed at once", () =>
    Effect.gen(function*() {
      const tokens = yield* TokenBucket.make({ capacity: 1000, window: "1 hour" })
      const executor = yield* Executor.make({ tokens })
      const backend = yield* makeBackend((id, attempt) =>
        Effect.sync(() => {
          const { limits } = saying({ limit: 1000, remaining: 800 }, false)
          attempt.reportRateLimits({
            limits: { ...limits, requests: undefined, tokens: limits.requests },
            refused: false
          })
          const usage = { inputTokens: { total: 200 }, outputTokens: { total: 0 } }
          return Calling.makeResponse({ data: id, usage })
        })
      )
      yield* executor.submit(yield* backend.createCalling({ id: 0, cost: 1000 }))
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tokens.available, 800)
    }))
})

describe("callers", () => {
  it.effect("that a denial interrupts are counted once", () =>
    Effect.gen(function*() {
      const backend = yield* makeBackend(() => Effect.never)
      const model = yield* iModel.make(backend, { concurrency: 1, queueCapacity: 2, onFull: "deny" })
      const batch = yield* fork(
        Effect.forEach(Array.from({ length: 8 }, (_, id) => ({ id })), (args) => model.invoke(args), {
          concurrency: "unbounded"
        })
      )
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.hasFails(yield* Fiber.join(batch)))
      const executor = yield* Effect.fromNullishOr(model.executor)
      const { counts, running, waiting } = yield* executor.snapshot
      assert.deepStrictEqual([counts.pending, counts.processing, running, waiting], [0, 0, 0, 0])
      assert.strictEqual(counts.aborted + counts.cancelled, 8)
      yield* executor.awaitIdle
    }))

  it.effect("with a priority that is no number wait their turn like all others", () =>
    Effect.gen(function*() {
      const backend = yield* makeBackend((id) => Effect.succeed(id))
      const executor = yield* Executor.make({ concurrency: 1 })
      for (const priority of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
        const calling = yield* executor.submit(yield* backend.createCalling({ id: 0 }), { priority })
        assert.strictEqual(calling.execution.status, "completed")
      }
    }))

  it.effect("whose call rests between two attempts are told when the scope closes", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const executor = yield* Scope.provide(Executor.make({ concurrency: 1 }), scope)
      const backend = yield* makeBackend(() => Effect.fail(overloaded), { delay: Duration.minutes(1) })
      const caller = yield* fork(executor.submit(yield* backend.createCalling({ id: 0 })))
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Fiber.join(caller)
      assert.isTrue(Exit.isFailure(exit))
    }))
})
