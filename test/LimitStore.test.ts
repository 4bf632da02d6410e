/** The store of shared limits on a real Redis: what sessions take and wait for, whatever happens to Redis or to each other. */
import { NodeRedis } from "@effect/platform-node"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Latch, Layer, Schema, Scope } from "effect"
import { LimitStore, TokenBucket } from "effect-imodel"
import { Redis } from "effect/persistence"
import { TestClock } from "effect/testing"
import { assertAbout, connect, day, leaving, left, open, wanting } from "./support/sessions.ts"
import { ReferenceLine } from "./support/line.ts"
import { makeLimit } from "./support/limits.ts"
import { missingRedis, serve } from "../scratchpad/support/redis.ts"
import { unavailable } from "./support/required.ts"

const command = Effect.fnUntraced(function*<A>(url: string, name: string, ...args: ReadonlyArray<string>) {
  const layer = NodeRedis.layer({ url })
  return yield* Effect.provide(Effect.flatMap(Redis.Redis, (redis) => redis.send<A>(name, ...args)), layer)
}, Effect.orDie)

let runs = 0

/** For how many milliseconds something has gone on. */
const elapsed = Effect.map(
  Clock.currentTimeMillis,
  (began) => Effect.map(Clock.currentTimeMillis, (now) => now - began)
)

/** What is left of a time that began at the earliest so long ago. The clocks count whole milliseconds. */
const assertLeft = (actual: number, whole: number, since: number) => {
  assert.isAtMost(actual, whole + 2)
  assert.isAtLeast(actual, whole - since - 2)
}

describe.skipIf(unavailable("Redis", missingRedis))("LimitStore on Redis", () => {
  // One server for all that leave it as it is. Each test has keys of its own.
  let url = ""
  const scope = Scope.makeUnsafe()
  beforeAll(async () => {
    url = (await Effect.runPromise(Scope.provide(serve(), scope))).url
  })
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)))

  it.live("takes from both buckets or from neither, and never more than there is", () =>
    Effect.gen(function*() {
      const sessions = yield* Effect.forEach([0, 1, 2, 3], () => open(url, { key: "both", capacities: [100, 1000] }))
      let requests = 0
      let tokens = 0
      yield* Effect.forEach(sessions, (session, n) =>
        Effect.gen(function*() {
          for (let i = 0; i < 60; i++) {
            const [more, cost] = [1 + (i + n) % 3, (i * 7 + n) % 30]
            const { receipt } = yield* session.exchange(wanting([more, cost], { waits: false }))
            if (receipt === undefined) continue
            requests += more
            tokens += cost
          }
        }), { concurrency: "unbounded" })
      assert.include([98, 99, 100], requests)
      for (const session of sessions) assertAbout(yield* left(session), [100 - requests, 1000 - tokens])
    }))

  it.live("serves those who wait in their order, whoever asks again", () =>
    Effect.gen(function*() {
      const options = { key: "line", capacities: [10], windowMillis: 1000 }
      const [first, second] = [yield* open(url, options), yield* open(url, options)]
      const since = yield* elapsed
      assert.isDefined((yield* first.exchange(wanting([10]))).receipt)
      const large = yield* first.exchange(wanting([8]))
      const small = yield* second.exchange(wanting([1]))
      assertLeft(large.waitMillis, 800, yield* since)
      assertLeft(small.waitMillis, 900, yield* since)
      yield* Effect.sleep("400 millis")
      assert.isUndefined((yield* second.exchange(wanting([1]))).receipt, "there is enough, but another comes first")
      yield* Effect.sleep("420 millis")
      assert.isDefined((yield* first.exchange(wanting([8]))).receipt)
      yield* Effect.sleep("100 millis")
      assert.isDefined((yield* second.exchange(wanting([1]))).receipt)
    }))

  it.live("stands in line for what comes next in the exchange that admits", () =>
    Effect.gen(function*() {
      const options = { key: "next", capacities: [10] }
      const [first, second] = [yield* open(url, options), yield* open(url, options)]
      const { receipt, waitMillis } = yield* first.exchange(wanting([9], { next: [2] }))
      assert.isDefined(receipt)
      assert.approximately(waitMillis, day / 10, 1000)
      assert.approximately((yield* second.exchange(wanting([1]))).waitMillis, day / 5, 1000)
    }))

  it.live("calls the one who is due sooner than he was told, when another gives back or leaves", () =>
    Effect.gen(function*() {
      const options = { key: "sooner", capacities: [10] }
      const [first, second] = [yield* open(url, options), yield* open(url, options)]
      const called = yield* Latch.make()
      second.onSooner(() => called.openUnsafe())
      yield* first.exchange(wanting([10], { next: [10] }))
      yield* second.exchange(wanting([5]))
      yield* first.exchange(leaving)
      yield* called.await
      yield* called.close
      first.note(0, { op: "settle", n: -6 })
      yield* first.exchange()
      yield* called.await
      assert.isDefined((yield* second.exchange(wanting([5]))).receipt)
    }))

  it.live("holds all back for as long as one was asked to", () =>
    Effect.gen(function*() {
      const options = { key: "pause", capacities: [10] }
      const [first, second] = [yield* open(url, options), yield* open(url, options)]
      first.pause(1_500)
      const since = yield* elapsed
      yield* first.exchange()
      const { pausedMillis, receipt, waitMillis } = yield* second.exchange(wanting([1]))
      assert.isUndefined(receipt)
      assertLeft(pausedMillis, 1_500, yield* since)
      assertLeft(waitMillis, 1_500, yield* since)
      yield* Effect.sleep(1_550)
      assert.isDefined((yield* second.exchange(wanting([1]))).receipt)
    }))

  it.live("lets so many run at once in all, and calls who waits when a place is free", () =>
    Effect.gen(function*() {
      const options = { key: "places", capacities: [100], concurrency: 2 }
      const [first, second] = [yield* open(url, options), yield* open(url, options)]
      yield* first.exchange(wanting([1]))
      yield* first.exchange(wanting([1], { running: 1 }))
      const called = yield* Latch.make()
      second.onSooner(() => called.openUnsafe())
      assert.strictEqual((yield* second.exchange(wanting([1]))).waitMillis, Number.POSITIVE_INFINITY)
      yield* first.exchange({ ...leaving, running: 1 })
      yield* called.await
      assert.isDefined((yield* second.exchange(wanting([1]))).receipt)
    }))

  it.live("bounds what runs at once where there are no buckets", () =>
    Effect.gen(function*() {
      const options = { key: "bare", capacities: [], concurrency: 1 }
      const [first, second] = [yield* open(url, options), yield* open(url, options)]
      assert.isDefined((yield* first.exchange(wanting([]))).receipt)
      assert.isUndefined((yield* second.exchange(wanting([]))).receipt)
      yield* first.exchange(leaving)
      assert.isDefined((yield* second.exchange(wanting([]))).receipt)
    }))

  it.live("forgets who is not heard of within the lease: his place in line, and what ran", () =>
    Effect.gen(function*() {
      const options = { key: "lease", capacities: [10], concurrency: 2 }
      const [first, second] = [
        yield* open(url, options, { lease: "1 second" }),
        yield* open(url, options, { lease: "1 second" })
      ]
      yield* first.exchange(wanting([1]))
      yield* first.exchange(wanting([1], { running: 1, next: [8] }))
      assert.strictEqual((yield* second.exchange(wanting([1], { running: 0 }))).waitMillis, Number.POSITIVE_INFINITY)
      yield* Effect.sleep("1100 millis")
      assert.isDefined((yield* second.exchange(wanting([1]))).receipt)
    }))

  it.live("corrects once what several processes were told", () =>
    Effect.gen(function*() {
      const limit = Effect.flatMap(connect(url), (store) =>
        Effect.provide(makeLimit({ capacity: 100, window: "1 hour", key: "corrected" }), store))
      const [first, second] = [yield* limit, yield* limit]
      const [mine, theirs] = [yield* first.take(10), yield* second.take(10)]
      yield* first.learn(mine, { remaining: 80 })
      yield* second.learn(theirs, { remaining: 70 })
      assert.strictEqual(yield* first.available, 70)
      // What is missing counts twice when one of the limit is twice the price.
      yield* first.learn(mine, { limit: 50 })
      yield* second.learn(theirs, { limit: 50 })
      assert.strictEqual(yield* second.available, 20)
    }))

  it.effect("goes by the clock of Redis alone", () =>
    Effect.gen(function*() {
      const bucket = Effect.flatMap(connect(url), (store) =>
        Effect.provide(TokenBucket.make({ capacity: 10, window: "1 hour", key: "clock" }), store))
      const mine = yield* bucket
      yield* mine.acquire(10)
      yield* TestClock.adjust("10 hours")
      assert.isFalse(yield* mine.tryAcquire())
      const theirs = yield* TestClock.withLive(bucket)
      assert.isFalse(yield* theirs.tryAcquire())
      yield* theirs.release(4)
      assert.isTrue(yield* mine.tryAcquire(4))
    }))

  it.live("keeps all of a limit in one slot of a cluster, under the prefix, and lets it expire", () =>
    Effect.gen(function*() {
      const session = yield* open(url, { key: "mine", capacities: [10, 10] }, { prefix: "app:" })
      yield* session.exchange(wanting([1, 1]))
      const keys = yield* command<ReadonlyArray<string>>(url, "KEYS", "app:*")
      assert.deepStrictEqual(keys.toSorted(), ["app:{mine}:0", "app:{mine}:1", "app:{mine}:line"])
      for (const key of keys) assert.isAbove(yield* command<number>(url, "PTTL", key), 0)
    }))

  it.live("does not take a Redis that has lost everything for full buckets", () =>
    Effect.gen(function*() {
      const redis = yield* serve()
      const session = yield* open(redis.url, { key: "lost", capacities: [100] })
      yield* session.exchange(wanting([100]))
      yield* redis.stop
      yield* redis.start
      const answer = yield* Effect.retry(session.exchange(wanting([10])), { times: 50 })
      assert.isUndefined(answer.receipt)
      assert.isAbove(answer.waitMillis, day / 11)
      // Who never saw it has to believe it. It was told so by then.
      assert.isUndefined(
        (yield* (yield* open(redis.url, { key: "lost", capacities: [100] })).exchange(wanting([10]))).receipt
      )
    }))

  it.live("outlives a flush of the scripts", () =>
    Effect.gen(function*() {
      const session = yield* open(url, { key: "flushed", capacities: [10] })
      yield* session.exchange(wanting([4]))
      yield* command(url, "SCRIPT", "FLUSH")
      yield* session.exchange(wanting([4]))
      assertAbout(yield* left(session), [2])
    }))

  it.live("believes news once that it is told twice, since the answer to the first time was lost", () =>
    Effect.gen(function*() {
      let isLost = false
      const losing = Layer.effect(
        Redis.Redis,
        Effect.map(Redis.Redis, (redis) => ({
          ...redis,
          eval: (script) => (...params) =>
            Effect.filterOrFail(
              redis.eval(script)(...params),
              () => !isLost,
              () => new Redis.RedisError({ cause: new Error("closed") })
            )
        }))
      ).pipe(Layer.provide(NodeRedis.layer({ url })))
      const session = yield* open(losing, { key: "twice", capacities: [100] })
      yield* session.exchange(wanting([50]))
      session.note(0, { op: "release", n: 10 })
      isLost = true
      assert.isTrue(Exit.isFailure(yield* Effect.exit(session.exchange())))
      session.note(0, { op: "release", n: 1 })
      isLost = false
      yield* session.exchange()
      yield* session.exchange()
      assertAbout(yield* left(session), [61])
    }))

  it.live("says what to do when Redis is not there, or does not let us in", () =>
    Effect.gen(function*() {
      const { url } = yield* serve(["--requirepass", "secret"])
      const failure = (url: string) =>
        Effect.flip(Effect.scoped(Layer.build(LimitStore.layerRedis(NodeRedis.layer({ url })))))
      const wrong = url.replace("redis://", "redis://:wrong@")
      for (const refused of [url, wrong]) {
        const error = yield* failure(refused)
        assert.strictEqual(error._tag, "StoreUnavailable")
        assert.match(error.message, /check user and password/)
        assert.notInclude(error.message, "secret")
      }
      assert.match((yield* failure("redis://127.0.0.1:1")).message, /check that it runs, and its address/)
      yield* Effect.scoped(
        Layer.build(LimitStore.layerRedis(NodeRedis.layer({ url: url.replace("//", "//:secret@") })))
      )
    }))

  const amount = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  const member = amount(2)
  const Step = Schema.Union([
    Schema.Struct({
      op: Schema.Literal("ask"),
      member,
      want: Schema.Tuple([amount(5), amount(20)]),
      next: Schema.UndefinedOr(Schema.Tuple([amount(5), amount(20)]))
    }),
    Schema.Struct({ op: Schema.Literal("leave"), member }),
    Schema.Struct({ op: Schema.Literal("change"), member, bucket: amount(1), n: amount(20), gives: Schema.Boolean })
  ])

  it.live.prop(
    "for any steps of several processes: who takes, who waits how long, and what is left, as in one line",
    [Schema.Array(Step).check(Schema.isMaxLength(40))],
    ([steps]) =>
      Effect.gen(function*() {
        const capacities = [10, 40]
        const options = { key: `steps-${runs++}`, capacities }
        const sessions = yield* Effect.forEach([0, 1, 2], () => open(url, options))
        const reference = new ReferenceLine(capacities, day)
        for (const step of steps) {
          const session = sessions[step.member]
          if (session === undefined) continue
          if (step.op === "ask") {
            const expected = reference.ask(step.member, step.want, step.next)
            const answer = yield* session.exchange(wanting(step.want, { next: step.next }))
            assert.strictEqual(answer.receipt !== undefined, expected === 0)
            const wait = expected > 0 || step.next === undefined ? expected : reference.waitOf(step.member)
            assert.approximately(answer.waitMillis, wait, 5000)
          } else if (step.op === "leave") {
            reference.leave(step.member)
            yield* session.exchange(leaving)
          } else {
            const n = step.gives ? -step.n : step.n
            reference.change(step.bucket, -n)
            session.note(step.bucket, { op: "settle", n })
            yield* session.exchange()
          }
          assertAbout(yield* left(session), reference.levels)
        }
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 50 } }
  )
})
