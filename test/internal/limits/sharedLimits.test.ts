/** Executors that share their limits in a real Redis, each over a connection of its own, as processes do. */
import { NodeRedis } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Schema } from "effect"
import { Calling, Executor, type LimitStore, ServiceBackend } from "effect-imodel"
import { AiError } from "effect/ai"
import { Redis } from "effect/persistence"
import { fork } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { connect } from "../../support/sessions.ts"
import { missingRedis, serve } from "../../../scratchpad/support/redis.ts"
import { unavailable } from "../../support/required.ts"

const send = <A>(url: string, name: string, ...args: ReadonlyArray<string>) =>
  Effect.flatMap(Redis.Redis, (redis) => redis.send<A>(name, ...args)).pipe(
    Effect.provide(NodeRedis.layer({ url })),
    Effect.orDie
  )

const makeExecutor = (url: string, options: Executor.Options, redis?: LimitStore.RedisOptions) =>
  Effect.flatMap(connect(url, redis), (store) => Effect.provide(Executor.make(options), store))

const makeBackend = <A>(call: (id: number) => Effect.Effect<A, AiError.RateLimitError>, retry?: ServiceBackend.Retry) =>
  ServiceBackend.make({
    provider: "test",
    name: "shared",
    request: Schema.Struct({ id: Schema.Int, cost: Schema.optional(Schema.Int) }),
    cost: ({ cost = 0 }) => cost,
    retry,
    call: ({ id }) => call(id)
  })

const range = (count: number) => Array.from({ length: count }, (_, id) => id)

describe.skipIf(unavailable("Redis", missingRedis))("executors of one key", () => {
  it.live("admit together what the limits allow, none early, none left behind", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const [requests, tokens, windowMillis] = [20, 2000, 1000]
      const starts: Array<{ readonly at: number; readonly process: number; readonly cost: number }> = []
      const fleet = range(4).map((process) =>
        Effect.gen(function*() {
          const executor = yield* makeExecutor(url, {
            key: "together",
            requests: { capacity: requests, window: windowMillis },
            tokens: { capacity: tokens, window: windowMillis }
          })
          const costs = range(20).map((i) => 20 + ((i * 37 + process * 11) % 160))
          const backend = yield* makeBackend((id) =>
            Effect.map(Clock.currentTimeMillis, (at) => starts.push({ at, process, cost: costs[id] ?? 0 }))
          )
          yield* Effect.forEach(
            range(20),
            (id) =>
              Effect.flatMap(backend.createCalling({ id, cost: costs[id] }), (calling) => executor.submit(calling)),
            { concurrency: "unbounded", discard: true }
          )
        })
      )
      yield* Effect.all(fleet, { concurrency: "unbounded" })
      assert.strictEqual(starts.length, 80)

      // A bucket that is drawn from when the calls really start: their jitter is all that may be missing.
      const levels = { requests, tokens }
      const jitter = 0.05
      let before = starts[0]?.at ?? 0
      for (const { at, cost } of starts) {
        const refill = (at - before) / windowMillis
        levels.requests = Math.min(requests, levels.requests + refill * requests) - 1
        levels.tokens = Math.min(tokens, levels.tokens + refill * tokens) - cost
        before = at
        assert.isAtLeast(levels.requests, -jitter * requests)
        assert.isAtLeast(levels.tokens, -jitter * tokens)
      }
      const half = starts.slice(0, 40)
      for (const process of range(4)) assert.isAtLeast(half.filter((start) => start.process === process).length, 5)
    }))

  it.live("are held back together when a provider asks one of them to wait", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const options = { key: "paused", requests: { capacity: 100, window: "1 second" } } as const
      const [mine, theirs] = [yield* makeExecutor(url, options), yield* makeExecutor(url, options)]
      const busy = yield* makeBackend((id) =>
        id === 0 ? Effect.fail(new AiError.RateLimitError({ retryAfter: Duration.millis(800) })) : Effect.succeed(id)
      )
      yield* mine.submit(yield* busy.createCalling({ id: 0 }))
      yield* Effect.sleep(100)
      const began = yield* Clock.currentTimeMillis
      yield* theirs.submit(yield* busy.createCalling({ id: 1 }))
      assert.isAtLeast((yield* Clock.currentTimeMillis) - began, 500)
    }))

  it.live("give back to all what one has not used", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const options = { key: "back", tokens: { capacity: 100, window: "1 hour" } } as const
      const [mine, theirs] = [yield* makeExecutor(url, options), yield* makeExecutor(url, options)]
      const slow = yield* makeBackend(() =>
        Effect.delay(
          Effect.succeed(
            Calling.makeResponse({ data: 0, usage: { inputTokens: { total: 10 }, outputTokens: { total: 0 } } })
          ),
          "300 millis"
        )
      )
      const first = yield* Effect.forkChild(mine.submit(yield* slow.createCalling({ id: 0, cost: 100 })), {
        startImmediately: true
      })
      yield* Effect.sleep(100)
      const second = yield* Effect.forkChild(theirs.submit(yield* slow.createCalling({ id: 1, cost: 80 })))
      yield* Effect.timeout(Fiber.joinAll([first, second]), "30 seconds")
    }))

  it.live("burden Redis by what they admit, not by what waits", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const processes = 16
      const executors = yield* Effect.forEach(range(processes), () =>
        makeExecutor(url, { key: "many", requests: { capacity: 100, window: "1 second" }, queueCapacity: 1000 }))
      const backend = yield* makeBackend((id) =>
        Effect.succeed(id)
      )
      const callings = yield* Effect.forEach(executors, (executor) =>
        Effect.forEach(range(1000), (id) =>
          Effect.flatMap(backend.createCalling({ id }), (calling) =>
            Effect.forkScoped(executor.submit(calling)))))
      assert.strictEqual(callings.flat().length, 16_000)
      yield* Effect.sleep("3 seconds")
      const counts = yield* Effect.forEach(executors, ({ counts }) =>
        counts)
      const admitted = counts.reduce((sum, { completed }) =>
        sum + completed, 0)
      const exchanges = Number(
        /cmdstat_evalsha:calls=(\d+)/.exec(yield* send<string>(url, "INFO", "commandstats"))?.[1]
      )
      assert.isAtLeast(admitted, 300)
      // Renewals of the places in line among them.
      assert.isAtMost(exchanges, admitted * 1.5 + processes * 10)
      const fair = admitted / processes
      for (const { completed } of counts) assert.isAtLeast(completed, fair / 2)
    }))

  it.live("have again what a process held that was killed, within its lease", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const holder = yield* Effect.acquireRelease(
        Effect.sync(() => fork(fileURLToPath(new URL("../../support/holder.ts", import.meta.url)), [url])),
        (child) => Effect.sync(() => child.kill("SIGKILL"))
      )
      yield* Effect.promise(() => once(holder, "message"))
      yield* Effect.promise(() => once(holder, "message"))
      const executor = yield* makeExecutor(url, {
        key: "held",
        tokens: { capacity: 100, window: "1 hour" },
        sharedConcurrency: 3
      }, { lease: "1 second" })
      const started: Array<number> = []
      const backend = yield* makeBackend((id) => {
        started.push(id)
        return Effect.never
      })
      for (const id of range(3)) {
        yield* Effect.forkScoped(executor.submit(yield* backend.createCalling({ id, cost: 20 })))
      }
      yield* Effect.sleep("1500 millis")
      assert.deepStrictEqual(started, [], "the killed one is alive: it comes first, and says so all the time")
      holder.kill("SIGKILL")
      yield* Effect.sleep("1800 millis")
      assert.deepStrictEqual(started, [0, 1, 2])
    }))

  it.live("wait while Redis is away, and go on when it is back, empty as it may be", () =>
    Effect.gen(function*() {
      const redis = yield* serve()
      const executor = yield* makeExecutor(redis.url, { key: "away", requests: { capacity: 4, window: "2 seconds" } })
      const backend = yield* makeBackend((id) => Effect.succeed(id))
      const submit = (id: number) =>
        Effect.flatMap(backend.createCalling({ id }), (calling) => executor.submit(calling))
      yield* Effect.forEach(range(4), submit)
      yield* redis.stop
      const late = yield* Effect.result(
        Effect.flatMap(
          backend.createCalling({ id: 4 }),
          (calling) => executor.submit(calling, { timeout: "1500 millis" })
        )
      )
      assert.isTrue(late._tag === "Failure" && late.failure._tag === "TimeoutError" && late.failure.phase === "queue")
      const waiting = yield* Effect.forkChild(submit(5))
      yield* redis.start
      assert.strictEqual((yield* Effect.timeout(Fiber.join(waiting), "8 seconds")).execution.status, "completed")
    }))

  it.live("wait for a slow Redis no longer than they are told to", () =>
    Effect.gen(function*() {
      const { url } = yield* serve()
      const executor = yield* makeExecutor(url, {
        key: "slow",
        requests: { capacity: 10, window: "1 hour" },
        onStoreFailure: "open"
      })
      const backend = yield* makeBackend((id) => Effect.succeed(id))
      yield* executor.submit(yield* backend.createCalling({ id: 0 }))
      yield* send(url, "CLIENT", "PAUSE", "3000", "ALL")
      const began = yield* Clock.currentTimeMillis
      yield* executor.submit(yield* backend.createCalling({ id: 1 }))
      const took = (yield* Clock.currentTimeMillis) - began
      assert.isTrue(took > 900 && took < 2900, `${took} ms, of the 3000 in which Redis was silent`)
    }))
})
