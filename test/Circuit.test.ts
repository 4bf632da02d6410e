import { assert, describe, it, layer } from "@effect/vitest"
import { Duration, Effect, Fiber, Layer, Metric, Redacted, Schema, Stream } from "effect"
import { AiError } from "effect/ai"
import { CircuitBreaker } from "effect/persistence"
import { TestClock } from "effect/testing"
import {
  type BackendError,
  Circuit,
  type Errors,
  iModel,
  OpenAi,
  type PermissionDenied,
  ServiceBackend,
  Simulator,
  type TimeoutError
} from "effect-imodel"
import { layerRedis, missingRedis } from "../scratchpad/support/redis.ts"
import { unavailable } from "./support/required.ts"

type Reason = Errors.BackendErrorReason

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const cut = new AiError.NetworkError({ reason: "TransportError", method: "POST", url: "" })

const modelOf = Effect.fnUntraced(function*(
  answer: (n: number) => Effect.Effect<string, Reason>,
  circuit?: Circuit.Options,
  options?: iModel.Options<{}>,
  retry?: ServiceBackend.Retry
) {
  let n = 0
  const backend = yield* ServiceBackend.make({
    provider: "local",
    name: "moody",
    request: Schema.Struct({}),
    call: () => Effect.suspend(() => answer(++n)),
    circuit: yield* Circuit.make("moody", circuit),
    retry
  })
  return { model: yield* iModel.make(backend, options), asked: () => n }
})

const tagOf = (result: Effect.Effect<unknown, BackendError | PermissionDenied | TimeoutError>) =>
  Effect.match(result, {
    onSuccess: () => "answered",
    onFailure: (error) => error._tag === "BackendError" ? error.reason._tag : error._tag
  })

const times = <A>(n: number, effect: Effect.Effect<A>) => Effect.all(Array.from({ length: n }, () => effect))

describe("a circuit", () => {
  it.effect("opens after failures in a row, lets one through after its time, and closes when that is answered", () =>
    Effect.gen(function*() {
      let down = true
      const { asked, model } = yield* modelOf(
        () => Effect.suspend(() => down ? Effect.fail(overloaded) : Effect.succeed("well")),
        { failures: 3, openFor: "10 seconds" }
      )
      const ask = tagOf(model.respond({}))
      assert.deepStrictEqual(yield* times(5, ask), [
        "InternalProviderError",
        "InternalProviderError",
        "InternalProviderError",
        "CircuitOpen",
        "CircuitOpen"
      ])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* times(3, ask), ["InternalProviderError", "CircuitOpen", "CircuitOpen"])
      down = false
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* times(2, ask), ["answered", "answered"])
      assert.strictEqual(asked(), 6)
    }))

  it.effect("has one call at a time try whether the backend is back", () =>
    Effect.gen(function*() {
      const { asked, model } = yield* modelOf(
        (n) => n === 1 ? Effect.fail(overloaded) : Effect.delay(Effect.succeed("well"), "1 second"),
        { failures: 1, openFor: "10 seconds" }
      )
      yield* tagOf(model.respond({}))
      yield* TestClock.adjust("10 seconds")
      const asking = yield* Effect.forkChild(
        Effect.all(Array.from({ length: 4 }, () => tagOf(model.respond({}))), { concurrency: "unbounded" })
      )
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(asking), ["answered", "CircuitOpen", "CircuitOpen", "CircuitOpen"])
      assert.strictEqual(asked(), 2)
    }))

  it.effect("tells how long it stays open, and that the call may be made again", () =>
    Effect.gen(function*() {
      const { model } = yield* modelOf(() => Effect.fail(overloaded), { failures: 1, openFor: "10 seconds" })
      yield* tagOf(model.respond({}))
      yield* TestClock.adjust("4 seconds")
      const error = yield* Effect.flip(model.respond({}))
      assert.isTrue(error._tag === "BackendError" && error.isRetryable)
      assert.deepStrictEqual(error._tag === "BackendError" ? error.retryAfter : undefined, Duration.seconds(6))
    }))

  it.effect("goes by what the reasons say of the provider", () =>
    Effect.gen(function*() {
      const opens: ReadonlyArray<Reason> = [overloaded, cut]
      const leaves: ReadonlyArray<Reason> = [
        new AiError.InvalidRequestError({ description: "no" }),
        new AiError.AuthenticationError({ kind: "InvalidKey" }),
        new AiError.RateLimitError({}),
        new AiError.QuotaExhaustedError({}),
        new AiError.ContentPolicyError({ description: "no" })
      ]
      for (const reason of [...opens, ...leaves]) {
        const { model } = yield* modelOf(() => Effect.fail(reason), { failures: 2 })
        yield* times(2, tagOf(model.respond({})))
        assert.strictEqual(yield* tagOf(model.respond({})), opens.includes(reason) ? "CircuitOpen" : reason._tag)
      }
    }))

  it.effect("counts an interrupted call for nothing", () =>
    Effect.gen(function*() {
      const { model } = yield* modelOf((n) => n <= 5 ? Effect.never : Effect.succeed("well"), { failures: 1 })
      for (let i = 0; i < 5; i++) {
        yield* Fiber.interrupt(yield* Effect.forkChild(model.respond({}), { startImmediately: true }))
      }
      assert.strictEqual(yield* tagOf(model.respond({})), "answered")
    }))

  it.effect("refuses at once what would have to wait for its turn, and costs nothing of the limit", () =>
    Effect.gen(function*() {
      const { asked, model } = yield* modelOf(
        () => Effect.fail(overloaded),
        { failures: 2, openFor: "10 minutes" },
        { limitRequests: 2, capacityRefreshTime: "1 hour" }
      )
      yield* times(2, tagOf(model.respond({})))
      assert.strictEqual(yield* tagOf(model.respond({})), "CircuitOpen")
      const snapshot = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), ({ snapshot }) => snapshot)
      assert.strictEqual(snapshot.waiting, 0)
      assert.strictEqual(asked(), 2)
    }))

  it.effect("ends the attempts of a call that finds it open", () =>
    Effect.gen(function*() {
      const { asked, model } = yield* modelOf(() => Effect.fail(overloaded), { failures: 2 }, {}, { times: 3 })
      const asking = yield* Effect.forkChild(tagOf(model.respond({})))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(asking), "CircuitOpen")
      assert.strictEqual(asked(), 2)
    }))

  it.effect("is a stream's too", () =>
    Effect.gen(function*() {
      const { model } = yield* modelOf(() => Effect.fail(overloaded), { failures: 1 })
      const ask = tagOf(Stream.runDrain(model.stream({})))
      assert.deepStrictEqual(yield* times(2, ask), ["InternalProviderError", "CircuitOpen"])
    }))

  it.effect("is seen in its transitions and in the metrics", () =>
    Effect.gen(function*() {
      const { model } = yield* modelOf(
        (n) => n === 1 ? Effect.fail(overloaded) : Effect.succeed("well"),
        { failures: 1, openFor: "10 seconds" }
      )
      const { transitions } = yield* Effect.fromNullishOr(model.circuit)
      const seen = yield* Effect.forkChild(Stream.runCollect(Stream.take(transitions, 3)), { startImmediately: true })
      const standing = Effect.map(
        Metric.snapshot,
        (all) => all.find(({ attributes, id }) => id === "imodel_circuit_open" && attributes?.["circuit"] === "moody")
      )
      yield* tagOf(model.respond({}))
      assert.deepStrictEqual((yield* standing)?.state, { value: 1 })
      yield* TestClock.adjust("10 seconds")
      yield* tagOf(model.respond({}))
      assert.deepStrictEqual((yield* standing)?.state, { value: 0 })
      assert.deepStrictEqual((yield* Fiber.join(seen)).map(({ to }) => to), ["Open", "HalfOpen", "Closed"])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("needs options that make sense", () =>
    Effect.gen(function*() {
      const none = yield* Effect.flip(Circuit.make("a", { failures: 0 }))
      const never = yield* Effect.flip(Circuit.make("a", { openFor: 0 }))
      assert.include(none.message, "failures")
      assert.include(never.message, "openFor")
    }))

  it.effect("is an option of an endpoint", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(
        yield* OpenAi.makeChat({
          model: "m",
          apiKey: Redacted.make("none"),
          circuitBreaker: { failures: 2 },
          retry: { times: 0 }
        })
      )
      const ask = tagOf(model.respond({ prompt: "hello" }))
      const asking = yield* Effect.forkChild(times(3, ask))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(asking), [
        "InternalProviderError",
        "InternalProviderError",
        "CircuitOpen"
      ])
    }).pipe(
      Effect.provide(Simulator.layerHttpClient({ faults: () => Simulator.Fault.Overloaded() }))
    ))
})

describe.skipIf(unavailable("Redis", missingRedis))("on Redis", () => {
  layer(CircuitBreaker.layerStoreRedis().pipe(Layer.provide(layerRedis), Layer.orDie), {
    excludeTestServices: true,
    timeout: "20 seconds"
  })("a circuit on Redis", (it) => {
    it.effect("is one for all who name it", () =>
      Effect.gen(function*() {
        const options = { failures: 2, openFor: "1 hour" } as const
        const { model: here } = yield* modelOf(() => Effect.fail(overloaded), options)
        const { asked, model: there } = yield* modelOf(() => Effect.succeed("well"), options)
        yield* times(2, tagOf(here.respond({})))
        assert.strictEqual(yield* tagOf(there.respond({})), "CircuitOpen")
        assert.strictEqual(asked(), 0)
      }))
  })
})
