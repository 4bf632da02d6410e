import { assert, describe, it } from "@effect/vitest"
import { Cause, Clock, Duration, Effect, Equal, Exit, Fiber, Layer, Result, Schema, Scope, Stream } from "effect"
import { Executor, iModel, ServiceBackend, TokenBucket } from "effect-imodel"
import { AiError } from "effect/ai"
import { RateLimiter } from "effect/persistence"
import { TestClock } from "effect/testing"

const echo = ServiceBackend.layerMock((calling) => Effect.succeed(String(calling.payload["prompt"])))

const countsOf = (model: iModel.Model) =>
  Effect.flatMap(Effect.fromNullishOr(model.executor), (executor) => executor.counts)

const prompts = (n: number) => Array.from({ length: n }, (_, i) => ({ prompt: String(i) }))

describe("iModel.layer", () => {
  it.effect("has the identity of its construction and the description of its backend", () =>
    Effect.gen(function*() {
      yield* TestClock.setTime(Date.UTC(2026, 0, 2))
      const backend = ServiceBackend.make({
        provider: "test",
        name: "echo",
        version: "3",
        tags: ["fast"],
        request: Schema.Struct({ text: Schema.String }),
        call: ({ text }) => Effect.succeed(text)
      })
      const model = yield* Effect.flatMap(backend, (backend) => iModel.make(backend, { metadata: { team: "a" } }))
      const other = yield* Effect.flatMap(backend, (backend) => iModel.make(backend, { name: "mine" }))
      assert.deepStrictEqual(
        [model.provider, model.name, model.version, [...model.tags], model.metadata],
        ["test", "echo", "3", ["fast"], { team: "a" }]
      )
      assert.strictEqual(other.name, "mine")
      assert.strictEqual(model.createdAt.epochMilliseconds, Date.UTC(2026, 0, 2))
      assert.isTrue(Equal.equals(model, model))
      assert.isFalse(Equal.equals(model, other))
    }))

  it.effect("wrong options fail when the model is made, and name the option", () =>
    Effect.gen(function*() {
      for (
        const [options, message] of [
          [{ limitRequests: 0 }, /^limitRequests must be at least 1, got 0/],
          [{ limitTokens: -5 }, /^limitTokens must be a number above zero, got -5/],
          [{ limitRequests: 1, capacityRefreshTime: 0 }, /^capacityRefreshTime must be longer than zero/],
          [{ concurrency: 0 }, /^concurrency must be a whole number above zero/],
          [{ queueCapacity: 0.5 }, /^queueCapacity must be a whole number above zero/],
          [{ timeout: 0 }, /^timeout must be longer than zero/],
          [{ capacityRefreshTime: 0 }, /^capacityRefreshTime must be longer than zero/],
          [{ headroom: -1 }, /^headroom must not be shorter than zero, got -1/],
          [{ expectedOutputTokens: -5 }, /^expectedOutputTokens must be a number, zero or more, got -5/],
          [{ priority: NaN }, /^priority must be a number/]
        ] as const
      ) {
        const error = yield* Effect.flip(Effect.provide(iModel.respond({ prompt: "hi" }), iModel.layer(options))).pipe(
          Effect.provide(echo)
        )
        assert.isTrue(Cause.isIllegalArgumentError(error))
        assert.match(error.message, message)
      }
    }))

  it.effect("has an executor with a limit, a concurrency or a queue capacity, and none without", () =>
    Effect.gen(function*() {
      const executorOf = (options: iModel.Options) =>
        Effect.map(iModel.iModel, (model) => model.executor !== undefined).pipe(
          Effect.provide(iModel.layer(options).pipe(Layer.provide(echo)))
        )
      assert.isFalse(yield* executorOf({ timeout: "1 second" }))
      assert.isTrue(yield* executorOf({ limitRequests: 1 }))
      assert.isTrue(yield* executorOf({ limitTokens: 1 }))
      assert.isTrue(yield* executorOf({ concurrency: 1 }))
      assert.isTrue(yield* executorOf({ queueCapacity: 1 }))
    }))

  it.effect("refuses options that there are not, and values that they cannot have, by name", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [string, string]> = [
        [`{ "limitTokens": 5, "limitRequest": 1 }`, `there is no option "limitRequest". Did you mean limitRequests`],
        [`{ "hooks": {} }`, `hooks must be an array of hooks, such as [hook]`],
        [`{ "concurrency": 5, "onLimit": "drop" }`, `onLimit must be "wait" or "deny", got "drop"`],
        [`{ "limitRequests": "500" }`, `limitRequests must be a number above zero, got "500"`],
        [
          `{ "headroom": "soon" }`,
          `headroom must be a finite duration, such as "1 minute" or milliseconds, got "soon"`
        ],
        [`{ "timeout": "soon" }`, `timeout must be a finite duration, such as "1 minute" or milliseconds, got "soon"`]
      ]
      for (const [json, message] of wrong) {
        const options: iModel.Options = JSON.parse(json)
        const error = yield* Effect.flip(
          Effect.flatMap(ServiceBackend.ServiceBackend, (backend) => iModel.make(backend, options))
        )
        assert.isTrue(Cause.isIllegalArgumentError(error))
        assert.include(error.message, message)
      }
    }).pipe(Effect.provide(echo)))

  it.effect("refuses the options of a fallback likewise, and not its own", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const options = { attempts: 2, cooldown: "1 second", restart: true, timeout: "1 second" } as const
      assert.strictEqual((yield* (yield* iModel.fallback([model], options)).respond({ prompt: "a" })).text, "a")
      const typo: object = { ...options, cooldwn: "1 second" }
      assert.match((yield* Effect.flip(iModel.fallback([model], typo))).message, /cooldwn/)
    }).pipe(Effect.provide(iModel.layer().pipe(Layer.provide(echo)))))
})

describe("limits", () => {
  it.effect("100 prompts at 50 a minute take exactly a minute", () =>
    Effect.gen(function*() {
      const batch = yield* Effect.forkChild(Effect.andThen(iModel.invokeAll(prompts(100)), Clock.currentTimeMillis))
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(batch.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(batch), 60_000)
    }).pipe(Effect.provide(iModel.layer({ limitRequests: 50 }).pipe(Layer.provide(echo)))))

  it.effect("counts tokens by the estimate: four characters a token, and max_tokens", () =>
    Effect.gen(function*() {
      const calling = yield* iModel.createCalling({ prompt: "x".repeat(400), max_tokens: 50 })
      assert.strictEqual(calling.cost, 150)
    }).pipe(Effect.provide(iModel.layer({ limitTokens: 1000 }).pipe(Layer.provide(echo)))))

  it.effect("counts tokens by a function of one's own", () =>
    Effect.gen(function*() {
      const batch = yield* Effect.forkChild(iModel.invokeAll(prompts(3)))
      yield* TestClock.adjust("11 seconds")
      const model = yield* iModel.iModel
      assert.strictEqual((yield* countsOf(model)).completed, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(batch)).length, 3)
    }).pipe(
      Effect.provide(iModel.layer({ limitTokens: 1000, cost: () => 400, headroom: 0 }).pipe(Layer.provide(echo)))
    ))

  it.effect("a call that can never fit is denied at once", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.invoke({ prompt: "hi", max_tokens: 2000 }))
      assert.isTrue(error._tag === "PermissionDenied" && error.reason._tag === "CostExceedsCapacity")
    }).pipe(Effect.provide(iModel.layer({ limitTokens: 1000 }).pipe(Layer.provide(echo)))))
})

describe("arguments", () => {
  const add = ServiceBackend.make({
    provider: "test",
    name: "add",
    request: Schema.Struct({ a: Schema.Finite, b: Schema.Struct({ c: Schema.Array(Schema.Int) }) }),
    call: ({ a, b }) => Effect.succeed(a + b.c.length)
  })

  it.effect("wrong ones make a failed calling that names the field, reach no backend and spend nothing", () =>
    Effect.gen(function*() {
      const wrong: ReadonlyArray<readonly [unknown, string | undefined]> = [
        [{ a: "1", b: { c: [] } }, "a"],
        [{ a: 1, b: { c: [1, "2"] } }, "b.c[1]"],
        [{ a: 1 }, "b"],
        [{ a: 1, b: { c: [] }, d: 2 }, "d"],
        ["nonsense", undefined]
      ]
      const backend = yield* add
      for (const [args, parameter] of wrong) {
        const calling = yield* backend.createCalling(args)
        assert.strictEqual(calling.execution.status, "failed")
        const { reason } = yield* Effect.flip(calling.response)
        assert.isTrue(reason._tag === "InvalidRequestError")
        assert.strictEqual(reason._tag === "InvalidRequestError" && reason.parameter, parameter)
        if (parameter === "d") assert.include(reason.message, "There is no such parameter. Did you mean a or b?")
      }
    }))

  it.effect("a failed calling comes back from invoke, and createCalling fails with its error", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.ServiceBackend
      const model = yield* iModel.make(backend, { limitRequests: 1 })
      const calling = yield* model.invokeUnknown({ a: 1 })
      assert.strictEqual(calling.execution.status, "failed")
      const wrong: ServiceBackend.Arguments & { readonly a: number } = { a: 1 }
      const error = yield* Effect.flip(model.createCalling(wrong))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError")
      const right: ServiceBackend.Arguments & { readonly a: number; readonly b: object } = { a: 1, b: { c: [1] } }
      assert.strictEqual((yield* model.respond(right)).data, 2)
    }).pipe(Effect.provide(ServiceBackend.layer(add))))
})

describe("the options of a call", () => {
  const wrong: ReadonlyArray<readonly [string, string]> = [
    [`{ "timeout": "soon" }`, "timeout"],
    [`{ "queueTimeout": -1 }`, "queueTimeout"],
    [`{ "idleTimeout": "0 seconds" }`, "idleTimeout"],
    [`{ "firstPartTimeout": null }`, "firstPartTimeout"],
    [`{ "priority": "high" }`, "priority"],
    [`{ "priority": "1" }`, "priority"]
  ]

  it.effect("wrong ones fail the call by their name, and reach no backend", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      for (const [json, parameter] of wrong) {
        const options: iModel.StreamOptions = JSON.parse(json)
        const errors = [
          yield* Effect.flip(model.respond({ prompt: "a" }, options)),
          yield* Effect.flip(Stream.runDrain(model.stream({ prompt: "a" }, options))),
          yield* Effect.flip((yield* iModel.invoke({ prompt: "a" }, options)).response)
        ]
        for (const error of errors) {
          const reason = error._tag === "BackendError" ? error.reason : undefined
          assert.strictEqual(reason?._tag === "InvalidRequestError" && reason.parameter, parameter)
        }
      }
      assert.deepStrictEqual(yield* (yield* ServiceBackend.Mock).callings, [])
    }).pipe(Effect.provide(iModel.layer({ limitRequests: 1 }).pipe(Layer.provideMerge(echo)))))

  it.effect("may say for ever", () =>
    Effect.gen(function*() {
      const response = yield* iModel.respond({ prompt: "a" }, { timeout: Duration.infinity })
      assert.strictEqual(response.text, "a")
    }).pipe(Effect.provide(iModel.layer({ timeout: "1 second", concurrency: 1 }).pipe(Layer.provide(echo)))))
})

describe("iModel.invokeAll", () => {
  it.effect("has a result for each where it is asked for, so that one that is late ends no other", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const options = { mode: "result", timeout: "1 second" } as const
      const batch = yield* Effect.forkChild(
        Effect.all([iModel.invokeAll(prompts(3), options), iModel.invokeAllWith(model, prompts(3), options)])
      )
      yield* TestClock.adjust("2 seconds")
      for (const results of yield* Fiber.join(batch)) {
        assert.deepStrictEqual(
          results.map((result) => Result.isSuccess(result) ? result.success.execution.status : result.failure._tag),
          ["completed", "TimeoutError", "completed"]
        )
      }
      const failing = yield* Effect.forkChild(
        Effect.flip(iModel.invokeAllWith(model, prompts(3), { timeout: "1 second" }))
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(failing))._tag, "TimeoutError")
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provide(
        ServiceBackend.layerMock((calling) => calling.payload["prompt"] === "1" ? Effect.never : Effect.succeed("ok"))
      ))
    )))

  it.effect("answers in the order of the arguments, whoever is done first", () =>
    Effect.gen(function*() {
      const batch = yield* Effect.forkChild(iModel.invokeAll(prompts(20)))
      yield* TestClock.adjust("1 minute")
      const texts = yield* Effect.forEach(yield* Fiber.join(batch), (calling) => calling.response)
      assert.deepStrictEqual(texts.map(({ text }) => text), prompts(20).map(({ prompt }) => prompt))
    }).pipe(Effect.provide(
      iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock((calling) => {
        const prompt = String(calling.payload["prompt"])
        return Effect.delay(Effect.succeed(prompt), (Number(prompt) * 7919) % 100)
      })))
    )))

  it.effect("interrupting it stops what runs, starts nothing more, and gives the quota back to the next", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const mock = yield* ServiceBackend.Mock
      const batch = yield* Effect.forkChild(iModel.invokeAll(prompts(50)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(batch)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* mock.callings).length, 10)
      const counts = yield* countsOf(model)
      assert.deepStrictEqual([counts.pending, counts.processing], [0, 0])
    }).pipe(Effect.provide(
      iModel.layer({ limitRequests: 1000, concurrency: 10 }).pipe(
        Layer.provideMerge(ServiceBackend.layerMock(() => Effect.never))
      )
    )))

  it.effect("has no more calls under way than can run and wait in the queue", () =>
    Effect.gen(function*() {
      const model = yield* iModel.iModel
      const batch = yield* Effect.forkChild(iModel.invokeAll(prompts(1000)))
      yield* TestClock.adjust("1 second")
      const counts = yield* countsOf(model)
      assert.deepStrictEqual([counts.processing, counts.pending], [4, 5])
      yield* Fiber.interrupt(batch)
    }).pipe(Effect.provide(
      iModel.layer({ concurrency: 4, queueCapacity: 5 }).pipe(
        Layer.provide(ServiceBackend.layerMock(() => Effect.never))
      )
    )))
})

class Upper extends iModel.Service<Upper>()("test/Upper", {
  backend: ServiceBackend.make({
    provider: "test",
    name: "upper",
    request: Schema.Struct({ text: Schema.String }),
    call: ({ text }) => Effect.succeed(text.toUpperCase())
  })
}) {}

class Length extends iModel.Service<Length>()("test/Length", {
  backend: ServiceBackend.make({
    provider: "test",
    name: "length",
    request: Schema.Struct({ text: Schema.String }),
    call: ({ text }) => Effect.succeed(text.length)
  }),
  limitRequests: 10
}) {}

describe("iModel.Service", () => {
  it.effect("several models live side by side, each with its own types", () =>
    Effect.gen(function*() {
      const upper = yield* Upper
      const length = yield* Length
      const loud: string = (yield* upper.respond({ text: "hello" })).data
      const size: number = (yield* length.respond({ text: "hello" })).data
      assert.deepStrictEqual([loud, size, upper.name, length.name], ["HELLO", 5, "upper", "length"])
      assert.isUndefined(upper.executor)
      assert.isDefined(length.executor)
    }).pipe(Effect.provide(Layer.mergeAll(Upper.layer, Length.layer))))
})

describe("the mock of iModel.Service", () => {
  it.effect("answers in the types of the backend, under its limits, and has seen its callings", () =>
    Effect.gen(function*() {
      const length = yield* Length
      assert.strictEqual((yield* length.respond({ text: "hello" })).data, 42)
      assert.strictEqual(length.provider, "mock")
      assert.isDefined(length.executor)
      const callings = yield* (yield* ServiceBackend.Mock).callings
      assert.deepStrictEqual(callings.map(({ payload }) => payload), [{ text: "hello" }])
    }).pipe(Effect.provide(Length.layerMock(() => Effect.succeed(42)))))
})

describe("where a model is admitted", () => {
  const makeBackend = (call: (id: number) => Effect.Effect<unknown, AiError.InternalProviderError>) =>
    ServiceBackend.make({
      provider: "test",
      name: "counted",
      request: Schema.Struct({ id: Schema.Int, cost: Schema.optional(Schema.Int) }),
      cost: ({ cost = 0 }) => cost,
      retry: { delay: 1 },
      call: ({ id }) => call(id)
    })
  const answering = makeBackend((id) => Effect.succeed(id))

  it.effect("the executor in context is that of all models that state no limits", () =>
    Effect.gen(function*() {
      const executor = yield* Executor.Executor
      const [first, second] = [yield* iModel.make(yield* answering), yield* iModel.make(yield* answering)]
      const own = yield* iModel.make(yield* answering, { concurrency: 1 })
      assert.deepStrictEqual([first.executor, second.executor], [executor, executor])
      assert.notStrictEqual(own.executor, executor)
      yield* first.invoke({ id: 0, cost: 30 })
      yield* second.invoke({ id: 1, cost: 30 })
      assert.strictEqual((yield* executor.snapshot).limits.tokens?.available, 40)
    }).pipe(Effect.provide(Executor.layer({ tokens: { capacity: 100, window: "1 hour" } }))))

  it.effect("an executor of the options goes before the one in context", () =>
    Effect.gen(function*() {
      const executor = yield* Executor.make({ concurrency: 1 })
      assert.strictEqual((yield* iModel.make(yield* answering, { executor })).executor, executor)
    }).pipe(Effect.provide(Executor.layer({}))))

  it.effect("limits of one key are shared", () =>
    Effect.gen(function*() {
      const options = { key: "account", limitRequests: 5, capacityRefreshTime: "1 hour" } as const
      const [first, second] = [
        yield* iModel.make(yield* answering, options),
        yield* iModel.make(yield* answering, options)
      ]
      yield* first.invoke({ id: 0 })
      yield* second.invoke({ id: 1 })
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(first.executor), ({ snapshot }) => snapshot)
      assert.strictEqual(limits.requests?.available, 3)
    }).pipe(Effect.provide(RateLimiter.layer.pipe(Layer.provide(RateLimiter.layerStoreMemory)))))

  it.effect("a priority of the model is that of its calls, where they state none", () =>
    Effect.gen(function*() {
      const order: Array<number> = []
      const slow = yield* makeBackend((id) => Effect.delay(Effect.sync(() => order.push(id)), "1 second"))
      const executor = yield* Executor.make({ concurrency: 1 })
      const urgent = yield* iModel.make(slow, { executor, priority: -1 })
      const normal = yield* iModel.make(slow, { executor })
      const invoke = (model: typeof urgent, id: number, options?: iModel.InvokeOptions) =>
        Effect.forkChild(model.invoke({ id }, options), { startImmediately: true })
      yield* invoke(normal, 0)
      yield* TestClock.adjust(1)
      yield* invoke(normal, 1)
      yield* invoke(urgent, 2)
      yield* invoke(urgent, 3, { priority: 1 })
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(order, [0, 2, 1, 3])
    }))

  it.effect("a rate limiter is waited for by every attempt, a new call for half a minute at most", () =>
    Effect.gen(function*() {
      const starts: Array<number> = []
      const rateLimiter = yield* TokenBucket.make({ capacity: 1, window: "12 seconds" })
      const backend = yield* makeBackend((id) =>
        Effect.flatMap(Clock.currentTimeMillis, (at) => {
          starts.push(at)
          return starts.length === 1
            ? Effect.fail(new AiError.InternalProviderError({ description: "again" }))
            : Effect.succeed(id)
        })
      )
      const model = yield* iModel.make(backend, { rateLimiter })
      assert.isUndefined(model.executor)
      const fibers = yield* Effect.forEach([0, 1, 2], (id) => Effect.forkChild(Effect.result(model.invoke({ id }))))
      yield* TestClock.adjust("1 minute")
      const [repeated, second, third] = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(starts, [0, 12_000, 24_000])
      // A call that was admitted before goes first, and is let finish.
      assert.deepStrictEqual([repeated?._tag, second?._tag], ["Success", "Success"])
      assert.isTrue(
        third?._tag === "Failure" && third.failure._tag === "TimeoutError" &&
          third.failure.phase === "queue" && Duration.toMillis(third.failure.limit) === 30_000
      )
    }))

  it.effect("whoever leaves a rate limiter has taken nothing, and the end of the scope refuses who waits", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const rateLimiter = yield* TokenBucket.make({ capacity: 1, window: "10 seconds" })
      const model = yield* Scope.provide(iModel.make(yield* answering, { rateLimiter }), scope)
      yield* model.invoke({ id: 0 })
      const leaving = yield* Effect.forkChild(model.invoke({ id: 1 }), { startImmediately: true })
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(leaving)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* rateLimiter.available, 1)
      yield* model.invoke({ id: 2 })
      const refused = yield* Effect.forkChild(Effect.flip(model.invoke({ id: 3 })), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Scope.close(scope, Exit.void)
      const error = yield* Fiber.join(refused)
      assert.isTrue(error._tag === "PermissionDenied" && error.reason._tag === "Shutdown")
    }))

  it.effect("only one of them is given", () =>
    Effect.gen(function*() {
      const executor = yield* Executor.make({})
      const rateLimiter = yield* TokenBucket.make({ capacity: 1, window: 1 })
      for (
        const [options, message] of [
          [{ executor, limitRequests: 1 }, "a model has executor or limitRequests, not both"],
          [{ executor, rateLimiter }, "a model has executor or rateLimiter, not both"],
          [{ rateLimiter, concurrency: 1 }, "a model has rateLimiter or concurrency, not both"]
        ] as const
      ) {
        const error = yield* Effect.flip(iModel.make(yield* answering, options))
        assert.strictEqual(error.message, message)
      }
    }))
})
