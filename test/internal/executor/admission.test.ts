/** What admission does beyond the order: denial, priorities, retries, pauses, settlement, and what it learns. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Layer, Metric, Random, Redacted, Schema, Tracer } from "effect"
import { BackendError, Calling, Executor, iModel, OpenAi, ServiceBackend, Simulator, TokenBucket } from "effect-imodel"
import { withRequestedDelay } from "../../../src/internal/errors/requestedDelay.ts"
import { AiError } from "effect/ai"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { makeLimit } from "../../support/limits.ts"

type Step = AiError.RateLimitError | AiError.InternalProviderError | AiError.InvalidRequestError | "ok" | "never"

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const refused = (retryAfter?: Duration.Input) =>
  new AiError.RateLimitError(retryAfter === undefined ? {} : { retryAfter: Duration.fromInputUnsafe(retryAfter) })

/** A backend that answers step by step, in the order of the attempts, and notes when they came. */
const makeScripted = Effect.fnUntraced(function*(
  steps: ReadonlyArray<Step>,
  options?: {
    readonly retry?: ServiceBackend.Retry
    readonly usage?: Calling.NormalizedResponse["usage"]
    readonly millis?: number
  }
) {
  const log: Array<readonly [id: number, at: number]> = []
  const backend = yield* ServiceBackend.make({
    provider: "test",
    name: "scripted",
    request: Schema.Struct({ id: Schema.Int, cost: Schema.optional(Schema.Int) }),
    cost: ({ cost = 0 }) => ({ input: Math.floor(cost / 2), output: Math.ceil(cost / 2) }),
    retry: options?.retry,
    call: Effect.fnUntraced(function*({ id }) {
      const step = steps[log.length] ?? "ok"
      log.push([id, yield* Clock.currentTimeMillis])
      if (step === "never") return yield* Effect.never
      yield* Effect.sleep(options?.millis ?? 0)
      if (step !== "ok") return yield* step
      return Calling.makeResponse({ data: id, ...(options?.usage && { usage: options.usage }) })
    })
  })
  return { log, backend }
})

const submitAll = Effect.fnUntraced(function*(
  executor: Executor.Executor,
  callings: ReadonlyArray<Calling.Calling>,
  options?: Executor.SubmitOptions
) {
  return yield* Effect.forEach(
    callings,
    (calling) => Effect.forkChild(Effect.result(executor.submit(calling, options)), { startImmediately: true })
  )
})

describe("denial", () => {
  it.effect("onLimit deny: tries, backs off one second, then two, and gives up after three tries", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([])
      const requests = yield* TokenBucket.make({ capacity: 1, window: "1 hour" })
      const executor = yield* Executor.make({ requests, onLimit: "deny" })
      const callings = [yield* backend.createCalling({ id: 0 }), yield* backend.createCalling({ id: 1 })]
      const fibers = yield* submitAll(executor, callings)
      yield* TestClock.adjust(2999)
      assert.strictEqual(callings[1]?.execution.status, "pending")
      yield* TestClock.adjust(1)
      const [, denied] = yield* Effect.forEach(fibers, Fiber.join)
      assert.isTrue(denied?._tag === "Failure" && denied.failure._tag === "PermissionDenied")
      const error = denied?._tag === "Failure" ? denied.failure : undefined
      assert.isTrue(error?._tag === "PermissionDenied" && error.reason._tag === "LimitExceeded" && error.denials === 3)
      assert.strictEqual(callings[1]?.execution.status, "aborted")
      assert.deepStrictEqual(log, [[0, 0]])
      assert.strictEqual((yield* executor.snapshot).denials, 3)
    }))

  it.effect("onLimit deny: a later try that finds room is admitted, and denies nobody else", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([])
      const tokens = yield* TokenBucket.make({ capacity: 10, window: "10 seconds" })
      const executor = yield* Executor.make({ tokens, onLimit: "deny" })
      const callings = yield* Effect.forEach(
        [[0, 10], [1, 3], [2, 0]],
        ([id = 0, cost = 0]) => backend.createCalling({ id, cost })
      )
      yield* submitAll(executor, callings)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(log, [[0, 0], [2, 0], [1, 3000]])
    }))

  it.effect("onFull deny: those beyond the queue are denied, those in it and those that run are not", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([], { millis: 1000 })
      const executor = yield* Executor.make({ concurrency: 2, queueCapacity: 3, onFull: "deny" })
      const ids = Array.from({ length: 8 }, (_, id) => id)
      const callings = yield* Effect.forEach(ids, (id) => backend.createCalling({ id }))
      yield* submitAll(executor, callings.slice(0, 7))
      yield* TestClock.adjust(1)
      yield* submitAll(executor, callings.slice(7))
      const statusOf = () => callings.map(({ execution }) => execution.status)
      assert.deepStrictEqual(statusOf(), [
        ...["processing", "processing"] as const,
        ...["pending", "pending", "pending"] as const,
        ...["aborted", "aborted", "aborted"] as const
      ])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(statusOf().slice(0, 5), Array.from({ length: 5 }, () => "completed"))
      const last = callings[7]?.execution
      assert.isTrue(last?.status === "aborted" && last.error.reason._tag === "QueueFull")
    }))

  it.effect("queueTimeout: bounds the waiting alone", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([], { millis: 5000 })
      const executor = yield* Executor.make({ concurrency: 1 })
      const callings = [yield* backend.createCalling({ id: 0 }), yield* backend.createCalling({ id: 1 })]
      const fibers = yield* submitAll(executor, callings, { queueTimeout: "1 second" })
      yield* TestClock.adjust("5 seconds")
      const [ran, late] = yield* Effect.forEach(fibers, Fiber.join)
      assert.strictEqual(ran?._tag, "Success")
      assert.isTrue(
        late?._tag === "Failure" && late.failure._tag === "TimeoutError" && late.failure.phase === "queue" &&
          Duration.toMillis(late.failure.limit) === 1000
      )
      assert.strictEqual(callings[1]?.execution.status, "cancelled")
    }))
})

describe("a calling that is backing off from a denial", () => {
  const denied = Effect.gen(function*() {
    const { backend, log } = yield* makeScripted([])
    const requests = yield* TokenBucket.make({ capacity: 1, window: "1 second" })
    const executor = yield* Executor.make({ requests, onLimit: "deny" })
    yield* executor.submit(yield* backend.createCalling({ id: 0 }))
    return { executor, log, calling: yield* backend.createCalling({ id: 1 }) }
  })

  it.effect("is out of time when its queueTimeout ends, and never runs", () =>
    Effect.gen(function*() {
      const { calling, executor, log } = yield* denied
      const [fiber] = yield* submitAll(executor, [calling], { queueTimeout: "500 millis" })
      yield* TestClock.adjust("10 seconds")
      const result = fiber && (yield* Fiber.join(fiber))
      assert.isTrue(result?._tag === "Failure" && result.failure._tag === "TimeoutError")
      assert.strictEqual(calling.execution.status, "cancelled")
      assert.strictEqual(log.length, 1)
      yield* executor.awaitIdle
    }))

  it.effect("is refused when the executor is shut down meanwhile", () =>
    Effect.gen(function*() {
      const { calling, executor, log } = yield* denied
      const [fiber] = yield* submitAll(executor, [calling])
      yield* TestClock.adjust("500 millis")
      const shutdown = yield* Effect.forkChild(executor.shutdown, { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(shutdown)
      const result = fiber && (yield* Fiber.join(fiber))
      assert.isTrue(
        result?._tag === "Failure" && result.failure._tag === "PermissionDenied" &&
          result.failure.reason._tag === "Shutdown"
      )
      assert.strictEqual(log.length, 1)
    }))
})

describe("priority", () => {
  it.effect("a lower number goes first, by option or for a whole region", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([], { millis: 1000 })
      const executor = yield* Executor.make({ concurrency: 1 })
      const submit = Effect.fnUntraced(function*(id: number, options?: Executor.SubmitOptions) {
        const calling = yield* backend.createCalling({ id })
        yield* Effect.forkChild(executor.submit(calling, options), { startImmediately: true })
      })
      yield* submit(0)
      yield* TestClock.adjust(1)
      yield* Effect.provideService(submit(1), Executor.Priority, 5)
      yield* submit(2)
      yield* submit(3, { priority: -1 })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(log.map(([id]) => id), [0, 3, 2, 1])
    }))

  it.effect("a low one is served in the end, however many urgent ones keep coming", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([], { millis: 1000 })
      const executor = yield* Executor.make({ concurrency: 1, aging: "5 seconds" })
      const submit = Effect.fnUntraced(function*(id: number, priority: number) {
        const calling = yield* backend.createCalling({ id })
        yield* Effect.forkChild(executor.submit(calling, { priority }), { startImmediately: true })
      })
      yield* submit(0, 0)
      yield* submit(100, 1)
      for (let id = 1; id <= 20; id++) {
        yield* submit(id, 0)
        yield* TestClock.adjust("500 millis")
      }
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(log.findIndex(([id]) => id === 100), 12, "after those that came within five seconds of it")
    }))
})

describe("retries", () => {
  const retry = { delay: 1000 }

  it.effect("are bounded: against a provider that always fails, one attempt and three more", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted(Array.from({ length: 10 }, () => overloaded), { retry })
      for (const options of [{}, { concurrency: 5 }]) {
        log.length = 0
        const model = yield* iModel.make(backend, options)
        const fiber = yield* Effect.forkChild(model.invoke({ id: 0 }))
        yield* TestClock.adjust("1 minute")
        const calling = yield* Fiber.join(fiber)
        assert.strictEqual(log.length, 4)
        assert.strictEqual((yield* Effect.flip(calling.response)).reason._tag, "InternalProviderError")
        assert.deepStrictEqual(
          calling.attempts.map(({ outcome }) => outcome),
          Array.from({ length: 4 }, () => "failed")
        )
      }
    }))

  it.effect("rest twice as long each time, with jitter between half of it and the whole", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([overloaded, overloaded, overloaded, "ok"], { retry })
      const model = yield* iModel.make(backend)
      const fiber = yield* Effect.forkChild(model.invoke({ id: 0 }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).execution.status, "completed")
      const rests = log.slice(1).map(([, at], i) => at - (log[i]?.[1] ?? 0))
      for (const [i, rest] of rests.entries()) {
        assert.isAtLeast(rest, 500 * 2 ** i)
        assert.isAtMost(rest, 1000 * 2 ** i)
      }
    }).pipe(Random.withSeed("rests")))

  it.effect("pass admission again, and give back what the failed attempt did not use", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([overloaded, "ok"], { retry: { delay: 1 } })
      const requests = yield* TokenBucket.make({ capacity: 1, window: "10 seconds" })
      const tokens = yield* TokenBucket.make({ capacity: 100, window: "1 hour" })
      const executor = yield* Executor.make({ requests, tokens })
      const calling = yield* backend.createCalling({ id: 0, cost: 60 })
      const [fiber] = yield* submitAll(executor, [calling])
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(calling.execution.status, "completed")
      assert.deepStrictEqual(log, [[0, 0], [0, 10_000]])
      assert.strictEqual(yield* tokens.available, 40)
      assert.isDefined(fiber)
    }))

  it.effect("hold everybody back for minutes where the provider asks for that", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([refused("9 minutes")], { retry })
      const executor = yield* Executor.make({ concurrency: 1 })
      const callings = yield* Effect.forEach([0, 1, 2], (id) => backend.createCalling({ id }))
      yield* submitAll(executor, callings)
      yield* TestClock.adjust("10 minutes")
      assert.deepStrictEqual(callings.map(({ execution }) => execution.status), Array(3).fill("completed"))
      assert.isTrue(log.slice(1).every(([, at]) => at >= 540_000), JSON.stringify(log))
    }))

  it.effect("wait for what the provider asks, and hold everybody back for so long", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([refused("5 seconds"), "ok", "ok"], { retry })
      const executor = yield* Executor.make({ concurrency: 1 })
      const callings = [yield* backend.createCalling({ id: 0 }), yield* backend.createCalling({ id: 1 })]
      yield* submitAll(executor, callings)
      yield* TestClock.adjust("1 second")
      assert.isAtLeast(Duration.toMillis((yield* executor.snapshot).pausedFor), 4000)
      yield* TestClock.adjust("9 seconds")
      assert.strictEqual(log.length, 3)
      assert.isTrue(log.slice(1).every(([, at]) => at >= 5000), JSON.stringify(log))
      assert.deepStrictEqual(callings.map(({ execution }) => execution.status), ["completed", "completed"])
    }))

  it.effect("wait for a provider that is not well and asks for it, and hold everybody back likewise", () =>
    Effect.gen(function*() {
      const unwell = withRequestedDelay(new AiError.InternalProviderError({ description: "503" }), Duration.seconds(30))
      const { backend, log } = yield* makeScripted([unwell], { retry })
      const executor = yield* Executor.make({ concurrency: 1 })
      const callings = yield* Effect.forEach([0, 1], (id) => backend.createCalling({ id }))
      yield* submitAll(executor, callings)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(callings.map(({ execution }) => execution.status), ["completed", "completed"])
      assert.isTrue(log.slice(1).every(([, at]) => at >= 30_000), JSON.stringify(log))
    }))

  it.effect("do not wait for a provider that asks for too long", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([refused("1 hour")], { retry })
      const model = yield* iModel.make(backend)
      const error = yield* Effect.flip(model.respond({ id: 0 }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "RateLimitError")
      assert.strictEqual(log.length, 1)
    }))

  it.effect("do not repeat what cannot succeed", () =>
    Effect.gen(function*() {
      const wrong = new AiError.InvalidRequestError({ parameter: "id" })
      const { backend, log } = yield* makeScripted([wrong], { retry })
      const model = yield* iModel.make(backend)
      const error = yield* Effect.flip(model.respond({ id: 0 }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError")
      assert.strictEqual(log.length, 1)
    }))

  it.effect("end when nobody waits any more, in the middle of a rest too", () =>
    Effect.gen(function*() {
      for (const options of [{}, { concurrency: 5 }]) {
        const { backend, log } = yield* makeScripted([overloaded, overloaded], { retry: { delay: "1 minute" } })
        const model = yield* iModel.make(backend, options)
        const calling = yield* model.createCalling({ id: 0 })
        const fiber = yield* Effect.forkChild(model.invoke(calling), { startImmediately: true })
        yield* TestClock.adjust("1 second")
        assert.strictEqual(calling.execution.status, "processing")
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(calling.execution.status, "cancelled")
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(log.length, 1)
      }
    }))

  it.effect("against a permanent 429 over HTTP, the server sees exactly one request and three more", () =>
    Effect.gen(function*() {
      const fiber = yield* Effect.forkChild(Effect.result(iModel.respond({ prompt: "hi", max_tokens: 1 })))
      while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("1 second")
      const result = yield* Fiber.join(fiber)
      assert.isTrue(
        result._tag === "Failure" && result.failure._tag === "BackendError" &&
          result.failure.reason._tag === "RateLimitError"
      )
      assert.strictEqual((yield* (yield* Simulator.Simulator).seen).requests, 4)
    }).pipe(Effect.provide(
      iModel.layer({ limitRequests: 100 }).pipe(
        Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("any") })),
        Layer.provideMerge(Simulator.layerHttpClient({ limitTokens: 1 }))
      )
    )))
})

describe("settlement", () => {
  const usage = { inputTokens: { total: 100 }, outputTokens: { total: 100 } }

  it.effect("gives back at once what the estimate was too high", () =>
    Effect.gen(function*() {
      const { backend, log } = yield* makeScripted([], { usage, millis: 1000 })
      const tokens = yield* TokenBucket.make({ capacity: 1000, window: "1 hour" })
      const executor = yield* Executor.make({ tokens })
      const callings = yield* Effect.forEach([0, 1], (id) => backend.createCalling({ id, cost: 1000 }))
      yield* submitAll(executor, callings)
      yield* TestClock.adjust("1500 millis")
      assert.strictEqual(yield* tokens.available, 800)
      assert.strictEqual(log.length, 1)
    }))

  it.effect("charges what the estimate was too low, as a debt", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([], { usage })
      const tokens = yield* TokenBucket.make({ capacity: 100, window: "100 seconds" })
      const executor = yield* Executor.make({ tokens })
      yield* executor.submit(yield* backend.createCalling({ id: 0, cost: 10 }))
      yield* TestClock.adjust("100 seconds")
      assert.strictEqual(yield* tokens.available, 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* tokens.available, 10)
    }))

  it.effect("counts input and output apart where they have limits of their own", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([], { usage: { inputTokens: { total: 30 }, outputTokens: { total: 5 } } })
      const model = yield* iModel.make(backend, {
        limitInputTokens: 1000,
        limitOutputTokens: 1000,
        capacityRefreshTime: "1 hour"
      })
      yield* model.invoke({ id: 0, cost: 200 })
      yield* TestClock.adjust(1)
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), (executor) => executor.snapshot)
      assert.deepStrictEqual([limits.inputTokens?.available, limits.outputTokens?.available], [970, 995])
    }))

  it.effect("a call that is cancelled while it runs gets the output back that it did not have", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted(["never"])
      const tokens = yield* TokenBucket.make({ capacity: 1000, window: "1 hour" })
      const executor = yield* Executor.make({ tokens })
      const [fiber] = yield* submitAll(executor, [yield* backend.createCalling({ id: 0, cost: 600 })])
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tokens.available, 400)
      if (fiber !== undefined) yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* tokens.available, 700)
    }))

  it.effect("a call that the provider's limit refused costs nothing", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([refused()])
      const requests = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      const tokens = yield* TokenBucket.make({ capacity: 1000, window: "1 hour" })
      const executor = yield* Executor.make({ requests, tokens })
      yield* executor.submit(yield* backend.createCalling({ id: 0, cost: 600 }))
      yield* TestClock.adjust(1)
      assert.deepStrictEqual([yield* requests.available, yield* tokens.available], [10, 1000])
    }))
})

describe("what the provider says", () => {
  it.effect("a limit below ours is ours from then on, unless it refills faster", () =>
    Effect.gen(function*() {
      const limit = yield* makeLimit({ capacity: 100, window: "100 seconds" })
      yield* limit.learn(yield* limit.take(10), { limit: 50 })
      yield* limit.reset
      yield* limit.take(50)
      assert.strictEqual(yield* limit.available, 0)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* limit.available, 5)

      const faster = yield* makeLimit({ capacity: 100, window: "100 seconds" })
      const resetAfter = Duration.seconds(2)
      yield* faster.learn(yield* faster.take(10), { limit: 50, remaining: 40, resetAfter })
      yield* faster.reset
      yield* faster.take(50)
      assert.strictEqual(yield* faster.available, 50)
    }))

  it.effect("a provider of half the limit is learned from its headers: few refusals, and its whole limit used", () =>
    Effect.gen(function*() {
      const prompts = Array.from({ length: 200 }, (_, i) => ({ prompt: `Summarize topic ${i}`, max_tokens: 20 }))
      const began = yield* Clock.currentTimeMillis
      const batch = yield* Effect.forkChild(Effect.andThen(iModel.invokeAll(prompts), Clock.currentTimeMillis))
      yield* TestClock.adjust("20 minutes")
      const wall = (yield* Fiber.join(batch)) - began
      const { admitted, rejected } = yield* (yield* Simulator.Simulator).seen
      const least = ((200 - 20) / 20) * 60_000
      assert.strictEqual(admitted, 200)
      assert.isAtMost(rejected, 5)
      assert.isAtMost(wall / least, 1.05)
    }).pipe(Effect.provide(
      iModel.layer({ limitRequests: 40 }).pipe(
        Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("any") })),
        Layer.provideMerge(Simulator.layerHttpClient({ limitRequests: 20, latency: "150 millis" }))
      )
    )))

  it.effect("until the first answer half of a limit is kept back, for a second at most", () =>
    Effect.gen(function*() {
      let sent = 0
      const silent = HttpClient.make((request) => {
        sent++
        return Effect.delay(Effect.succeed(HttpClientResponse.fromWeb(request, new Response("{}"))), "1 hour")
      })
      const model = yield* iModel.make(
        yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: Redacted.make("any") }).pipe(
          Effect.provideService(HttpClient.HttpClient, silent)
        ),
        { limitRequests: 40, headroom: 1 }
      )
      yield* Effect.forEach(
        Array.from({ length: 60 }),
        () => Effect.forkChild(model.invoke({ prompt: "hi" }), { startImmediately: true })
      )
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(sent, 20)
      yield* TestClock.adjust("1 millis")
      assert.isAtLeast(sent, 39)
    }))
})

describe("seen", () => {
  it.effect("in the snapshot and in metrics, by the name of the executor", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([overloaded, "ok", "never", "never"], { retry: { delay: 1 } })
      const requests = yield* TokenBucket.make({ capacity: 10, window: "1 hour" })
      const tokens = yield* TokenBucket.make({ capacity: 1000, window: "1 hour" })
      const executor = yield* Executor.make({ name: "mine", requests, tokens, concurrency: 1 })
      yield* submitAll(
        executor,
        yield* Effect.forEach([0, 1, 2], (id) => backend.createCalling({ id, cost: 100 }))
      )
      yield* TestClock.adjust("1 second")
      const snapshot = yield* executor.snapshot
      assert.deepStrictEqual([snapshot.running, snapshot.waiting, snapshot.retries], [1, 1, 1])
      assert.deepStrictEqual(snapshot.limits.requests, { available: 7, capacity: 10 })
      const metrics = (yield* Metric.snapshot).filter(({ attributes }) => attributes?.["executor"] === "mine")
      const valueOf = (id: string) => metrics.find((metric) => metric.id === id)?.state
      assert.deepInclude(valueOf("imodel_queued"), { value: 1 })
      assert.deepInclude(valueOf("imodel_running"), { value: 1 })
      assert.deepInclude(valueOf("imodel_admitted_requests"), { count: 3 })
      assert.deepInclude(valueOf("imodel_retries"), { count: 1 })
      assert.deepInclude(valueOf("imodel_wait_millis"), { count: 3 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("in metrics by the name of the model too", () =>
    Effect.gen(function*() {
      const { backend } = yield* makeScripted([])
      const model = yield* iModel.make(backend, { concurrency: 1, name: "named" })
      yield* model.invoke({ id: 0 })
      const metrics = yield* Metric.snapshot
      const waits = metrics.filter(({ attributes, id }) =>
        id === "imodel_wait_millis" && attributes?.["model"] === "named"
      )
      assert.strictEqual(waits.length, 1)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("in spans, one for the wait and one for each attempt, below the span of the caller", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const { backend } = yield* makeScripted([overloaded, "ok"], { retry: { delay: 1000 }, millis: 500 })
      const executor = yield* Executor.make({ concurrency: 1 })
      const calling = yield* backend.createCalling({ id: 0 })
      const caller = yield* Effect.forkChild(
        Effect.withSpan(executor.submit(calling), "caller").pipe(Effect.provideService(Tracer.Tracer, tracer))
      )
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(caller)
      assert.deepStrictEqual(spans.map(({ name }) => name), [
        "caller",
        "iModel.wait",
        "iModel.call",
        "iModel.wait",
        "iModel.call"
      ])
      for (const span of spans.slice(1)) {
        assert.isTrue(span.parent._tag === "Some" && span.parent.value.spanId === spans[0]?.spanId)
        assert.strictEqual(span.attributes.get("imodel.calling.id"), calling.id)
        assert.strictEqual(span.status._tag, "Ended")
      }
      assert.strictEqual(spans[4]?.attributes.get("imodel.attempt"), 2)
    }))

  it.effect("a failed call keeps the error it had", () =>
    Effect.gen(function*() {
      const error = new BackendError({ reason: overloaded, callingId: "mine" })
      const layer = iModel.layer({ concurrency: 1 }).pipe(
        Layer.provide(ServiceBackend.layerMock(() => Effect.fail(error)))
      )
      const calling = yield* Effect.provide(iModel.invoke({ prompt: "hi" }), layer)
      assert.strictEqual(yield* Effect.flip(calling.response), error)
    }))
})

describe("for any schedule", () => {
  const millis = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  const Attempt = Schema.Struct({
    outcome: Schema.Literals(["answers", "overloaded", "wrong", "hangs"]),
    duration: millis(1500),
    /** What the answer used, as a percentage of what was reserved. */
    usedPercent: millis(150)
  })
  const Case = Schema.Struct({
    requests: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10 })),
    tokens: Schema.Int.check(Schema.isBetween({ minimum: 40, maximum: 400 })),
    windowMillis: Schema.Int.check(Schema.isBetween({ minimum: 500, maximum: 20_000 })),
    concurrency: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 })),
    calls: Schema.Array(Schema.Struct({
      gap: millis(1500),
      cost: millis(40),
      priority: Schema.Int.check(Schema.isBetween({ minimum: -1, maximum: 1 })),
      key: Schema.UndefinedOr(Schema.Literals(["a", "b"])),
      attempts: Schema.NonEmptyArray(Attempt),
      patience: millis(20_000)
    })).check(Schema.isMaxLength(25))
  })

  it.effect.prop(
    "no limit is broken, the quota comes back to what was not used, and every waiter is settled",
    [Case],
    ([{ calls, concurrency, requests, tokens, windowMillis }]) =>
      Effect.gen(function*() {
        /** What went out of the buckets, and what came back, when. */
        const flow: Array<{ readonly at: number; readonly requests: number; readonly tokens: number }> = []
        let running = 0
        const tries = new Map<number, number>()
        const backend = yield* ServiceBackend.make({
          provider: "test",
          name: "random",
          request: Schema.Struct({ id: Schema.Int }),
          cost: ({ id }) => costOf(calls[id]?.cost ?? 0),
          retry: { delay: 100, times: 2 },
          call: ({ id }) =>
            Effect.suspend(() => {
              const attempt = tries.get(id) ?? 0
              tries.set(id, attempt + 1)
              const reserved = costOf(calls[id]?.cost ?? 0)
              const { duration, outcome, usedPercent } = calls[id]?.attempts[attempt] ??
                { outcome: "answers" as const, duration: 0, usedPercent: 100 }
              const used = Math.floor(((reserved.input + reserved.output) * usedPercent) / 100)
              const note = (requests: number, tokens: number) =>
                Effect.map(Clock.currentTimeMillis, (at) => {
                  flow.push({ at, requests, tokens })
                })
              assert.isAtMost(++running, concurrency)
              const work = Effect.gen(function*() {
                yield* note(1, reserved.input + reserved.output)
                if (outcome === "hangs") return yield* Effect.never
                yield* Effect.sleep(duration)
                if (outcome === "overloaded") return yield* overloaded
                if (outcome === "wrong") return yield* new AiError.InvalidRequestError({})
                const usage = { inputTokens: { total: used }, outputTokens: { total: 0 } }
                return Calling.makeResponse({ data: id, usage })
              })
              return Effect.onExit(work, (exit) => {
                running--
                const spent = exit._tag === "Success" ?
                  used :
                  exit.cause.reasons.every(({ _tag }) => _tag === "Interrupt")
                  ? reserved.input
                  : 0
                return note(0, spent - reserved.input - reserved.output)
              })
            })
        })
        const buckets = {
          requests: yield* TokenBucket.make({ capacity: requests, window: windowMillis }),
          tokens: yield* TokenBucket.make({ capacity: tokens, window: windowMillis })
        }
        const began = yield* Clock.currentTimeMillis
        const executor = yield* Executor.make({ ...buckets, concurrency })
        const callings = yield* Effect.forEach(calls, ({ gap, key, patience, priority }, id) =>
          Effect.gen(function*() {
            yield* TestClock.adjust(gap)
            const calling = yield* backend.createCalling({ id })
            const fiber = yield* Effect.forkChild(executor.submit(calling, { key, priority }), {
              startImmediately: true
            })
            yield* Effect.forkChild(Effect.delay(Fiber.interrupt(fiber), patience), { startImmediately: true })
            return calling
          }))
        const idle = yield* Effect.forkChild(executor.awaitIdle, { startImmediately: true })
        while (idle.pollUnsafe() === undefined) yield* TestClock.adjust(100)
        yield* TestClock.adjust(1)

        // At no time was more out than the limits allow; a debt comes from what was used beyond its reservation alone.
        const now = yield* Clock.currentTimeMillis
        for (
          const [limit, capacity, bucket] of [["requests", requests, buckets.requests], [
            "tokens",
            tokens,
            buckets.tokens
          ]] as const
        ) {
          let level = capacity
          let at = began
          for (const event of flow) {
            level = Math.min(capacity, level + ((event.at - at) * capacity) / windowMillis)
            at = event.at
            const taken = event[limit]
            if (taken > 0 && event.requests > 0) assert.isAtLeast(level, taken - 1e-3, `${limit} at ${at - began}`)
            level = Math.min(capacity, level - taken)
          }
          level = Math.min(capacity, level + ((now - at) * capacity) / windowMillis)
          assert.isAtMost(Math.abs(Math.max(0, level) - (yield* bucket.available)), 1.001, limit)
        }
        for (const { execution } of callings) {
          assert.include(["completed", "failed", "cancelled"], execution.status)
        }
        const { counts, running: left, waiting } = yield* executor.snapshot
        assert.deepStrictEqual([counts.pending, counts.processing, left, waiting, running], [0, 0, 0, 0, 0])
        assert.strictEqual(counts.completed + counts.failed + counts.cancelled, calls.length)
      }),
    { arbitrary: { runs: 300 } }
  )
})

const costOf = (tokens: number) => ({ input: Math.floor(tokens / 2), output: Math.ceil(tokens / 2) })
