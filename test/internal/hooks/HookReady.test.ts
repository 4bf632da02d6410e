import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Logger, Metric, Redacted, Schema, Stream } from "effect"
import { AiError, Prompt, Response, Tool } from "effect/ai"
import { KeyValueStore, Persistence } from "effect/persistence"
import { TestClock } from "effect/testing"
import {
  Anthropic,
  Calling,
  type Errors,
  Gemini,
  Hook,
  iModel,
  OpenAi,
  PermissionDenied,
  ServiceBackend,
  Simulator
} from "effect-imodel"

const usage = (input: number, output: number) => ({ inputTokens: { total: input }, outputTokens: { total: output } })

const Request = Schema.Struct({
  prompt: Schema.optional(Schema.Unknown),
  model: Schema.optional(Schema.String),
  max_tokens: Schema.optional(Schema.Int),
  response_format: Schema.optional(Schema.Unknown)
})

const modelOf = <H extends Hook.Any>(
  hooks: ReadonlyArray<H>,
  call: (
    payload: typeof Request.Type
  ) => Effect.Effect<string | Calling.NormalizedResponse<string>, Errors.BackendErrorReason>,
  options: Omit<iModel.Options<typeof Request.Encoded>, "hooks"> = {}
) =>
  Effect.flatMap(
    ServiceBackend.make({ provider: "local", name: "local", request: Request, call }),
    (backend) => iModel.make(backend, { ...options, hooks })
  )

const causeOf = (error: unknown): unknown =>
  error instanceof PermissionDenied && error.reason._tag === "HookRejected"
    ? error.reason.cause
    : assert.fail(`not rejected by a hook: ${error}`)

const text = (response: { readonly text: string }) => response.text

describe("Hook.cache", () => {
  it.effect("gives an answer again, until its time is over, and costs no quota", () =>
    Effect.gen(function*() {
      let asked = 0
      const model = yield* modelOf(
        [Hook.cache({ timeToLive: "1 hour" })],
        ({ prompt }) =>
          Effect.sync(() =>
            Calling.makeResponse({
              data: `${prompt} ${++asked}`,
              usage: usage(3, 4),
              metadata: { model: "m" },
              toolCalls: [{ id: "1", name: "look", params: { far: true } }]
            })
          ),
        { limitRequests: 10 }
      )
      const first = yield* model.respond({ prompt: "a" })
      const calling = yield* model.invoke({ prompt: "a" })
      assert.strictEqual(calling.execution.status, "skipped")
      const { data, finishReason, metadata, toolCalls, usage: used } = yield* calling.response
      assert.deepStrictEqual({ data, metadata, toolCalls, finishReason }, {
        data: "a 1",
        metadata: { model: "m" },
        toolCalls: [{ id: "1", name: "look", params: { far: true } }],
        finishReason: "stop"
      })
      assert.strictEqual(used.outputTokens.total, first.usage.outputTokens.total)
      assert.strictEqual(text(yield* model.respond({ prompt: "b" })), "b 2")
      const parts = yield* Stream.runCollect(model.stream({ prompt: "a" }))
      assert.deepStrictEqual(parts.map(({ type }) => type).slice(0, 3), ["text-start", "text-delta", "text-end"])
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), (executor) => executor.snapshot)
      assert.strictEqual(limits.requests?.available, 8)
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(text(yield* model.respond({ prompt: "a" })), "a 3")
    }).pipe(Effect.provide(Persistence.layerMemory)))

  it.effect("keeps apart what is asked for by different schemas, and its values", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.cache({ timeToLive: "1 hour" })],
        ({ response_format }) =>
          Effect.succeed(response_format === A ? JSON.stringify({ a: "1" }) : JSON.stringify({ b: true }))
      )
      for (const _ of [1, 2]) {
        assert.deepStrictEqual((yield* model.respondAs(A, { prompt: "p" })).value, { a: 1 })
        assert.deepStrictEqual((yield* model.respondAs(B, { prompt: "p" })).value, { b: true })
      }
    }).pipe(Effect.provide(Persistence.layerMemory)))

  const A = Schema.Struct({ a: Schema.FiniteFromString })
  const B = Schema.Struct({ b: Schema.Boolean })

  it.effect("remembers data by its schema, in a KeyValueStore, and no failure", () =>
    Effect.gen(function*() {
      let asked = 0
      const model = yield* modelOf(
        [Hook.cache({ timeToLive: "1 hour", data: Schema.String, key: () => "one" })],
        () =>
          Effect.suspend(() =>
            ++asked === 1 ? new AiError.InternalProviderError({ description: "" }) : Effect.succeed("x")
          )
      )
      yield* Effect.flip(model.respond({ prompt: "a" }))
      yield* model.respond({ prompt: "a" })
      const response = yield* model.respond({ prompt: "b" })
      const data: string = response.data
      assert.deepStrictEqual([data, asked], ["x", 2])
    }).pipe(Effect.provide(Persistence.layerKvs.pipe(Layer.provide(KeyValueStore.layerMemory)))))

  it.effect("keeps the data of every provider typed, by its schema", () =>
    Effect.gen(function*() {
      const apiKey = Redacted.make("not-needed")
      const tools = [Tool.make("paint", { parameters: Schema.Struct({ colour: Schema.String }) })]
      const asks = [{ prompt: "Hello" }, { prompt: "Paint", tools, tool_choice: "required" }] as const
      const input = ["blue", "red"]

      const twice = Effect.fnUntraced(function*<Args extends object, Data>(
        backend: ServiceBackend.Backend<Args, Data>,
        data: Schema.Codec<Data>,
        asks: ReadonlyArray<Args>
      ) {
        const cached: iModel.Model<Args, Data> = yield* iModel.make(backend, {
          hooks: [Hook.cache({ timeToLive: "1 hour", data })]
        })
        for (const args of asks) {
          const first = yield* cached.respond(args)
          const again = yield* cached.invoke(args)
          assert.strictEqual(again.execution.status, "skipped")
          assert.deepStrictEqual((yield* again.response).data, first.data)
        }
      })
      yield* twice(yield* OpenAi.makeChat({ model: "m", apiKey }), OpenAi.ChatCompletion, asks)
      yield* twice(yield* OpenAi.makeResponses({ model: "m", apiKey }), OpenAi.Response, asks)
      yield* twice(yield* OpenAi.makeEmbeddings({ model: "m", apiKey }), OpenAi.Embeddings, [{ input }])
      yield* twice(yield* Anthropic.makeMessages({ model: "m", apiKey }), Anthropic.Message, asks)
      yield* twice(yield* Gemini.makeGenerateContent({ model: "m", apiKey }), Gemini.GenerateContentResponse, asks)
      yield* twice(yield* Gemini.makeEmbedContent({ model: "m", apiKey }), Gemini.EmbedContentResponse, [{ input }])
    }).pipe(
      Effect.provide([
        Persistence.layerKvs.pipe(Layer.provide(KeyValueStore.layerMemory)),
        Simulator.layerHttpClient({ latency: 0 })
      ])
    ))

  const bug = () => {
    throw new Error("bug")
  }

  const storeOf = (operation: () => Effect.Effect<never, Persistence.PersistenceError>) =>
    Persistence.layer.pipe(Layer.provide(Layer.succeed(Persistence.BackingPersistence, {
      make: () =>
        Effect.succeed({
          get: operation,
          getMany: operation,
          set: operation,
          setMany: operation,
          remove: operation,
          clear: Effect.suspend(operation)
        })
    })))

  it.effect.each(
    [
      ["fails", () => Effect.fail(new Persistence.PersistenceError({ message: "disk full" }))],
      ["dies", () => Effect.die("bug")],
      ["throws", bug]
    ] as const
  )("whose store %s costs no call", ([, operation]) =>
    Effect.gen(function*() {
      const model = yield* Effect.provide(
        modelOf([Hook.cache({ timeToLive: "1 hour" })], () => Effect.succeed("fine")),
        storeOf(operation)
      )
      assert.strictEqual(text(yield* model.respond({ prompt: "a" })), "fine")
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("whose store hangs, even without interruption, costs a second", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const model = yield* Effect.provide(
        modelOf([Hook.cache({ timeToLive: "1 hour" })], () => Effect.succeed("fine")),
        storeOf(() => Effect.uninterruptible(Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)))
      )
      const fiber = yield* Effect.forkChild(model.respond({ prompt: "a" }))
      yield* Deferred.await(asked)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(text(yield* Fiber.join(fiber)), "fine")
    }).pipe(Effect.provide(Logger.layer([]))))

  it.effect("whose key throws, or whose store refuses the answer, costs no call", () =>
    Effect.gen(function*() {
      const answer = () => Effect.succeed(Calling.makeResponse({ data: "fine", metadata: { big: 1n } }))
      for (const options of [{ key: bug }, { data: Schema.Finite }, {}]) {
        const model = yield* modelOf([Hook.cache({ timeToLive: "1 hour", ...options })], answer)
        assert.strictEqual(text(yield* model.respond({ prompt: "a" })), "fine")
        assert.strictEqual(text(yield* model.respond({ prompt: "a" })), "fine")
      }
    }).pipe(Effect.provide([Logger.layer([]), Persistence.layerMemory])))

  it.effect("gives the answer of one secret, tenant or map to no other", () =>
    Effect.gen(function*() {
      let asked = 0
      const model = yield* modelOf([Hook.cache({ timeToLive: "1 hour" })], () => Effect.sync(() => String(++asked)))
      const ask = (prompt: unknown, params = {}) =>
        Effect.map(Effect.provideService(model.respond({ prompt }), Hook.Params, params), text)
      const asks = [
        ask({ token: Redacted.make("one") }),
        ask({ token: Redacted.make("two") }),
        ask(new Map([["a", 1]])),
        ask(new Map([["a", 2]])),
        ask("a", { tenant: "one" }),
        ask("a", { tenant: "two" })
      ]
      const answers = ["1", "2", "3", "4", "5", "6"]
      assert.deepStrictEqual(yield* Effect.all(asks), answers)
      assert.deepStrictEqual(yield* Effect.all(asks), answers)
      // Parameters that have no encoding.
      const apart = ask("a", { tenant: () => 1 })
      assert.deepStrictEqual([yield* apart, yield* apart], ["7", "8"])
    }).pipe(Effect.provide(Persistence.layerMemory)))

  it.effect("keeps a bounded number of answers, and none that has expired", () =>
    Effect.gen(function*() {
      const stored = new Map<string, object>()
      const backing = Layer.succeed(Persistence.BackingPersistence, {
        make: () =>
          Effect.succeed({
            get: (key: string) => Effect.sync(() => stored.get(key)),
            getMany: () => Effect.die("unused"),
            set: (key: string, value: object) => Effect.asVoid(Effect.sync(() => stored.set(key, value))),
            setMany: () => Effect.die("unused"),
            remove: (key: string) => Effect.asVoid(Effect.sync(() => stored.delete(key))),
            clear: Effect.void
          })
      })
      const model = yield* Effect.provide(
        modelOf([Hook.cache({ timeToLive: "1 hour", maxEntries: 3 })], ({ prompt }) => Effect.succeed(`${prompt}`)),
        Persistence.layer.pipe(Layer.provide(backing))
      )
      yield* Effect.forEach(["1", "2", "3", "4", "5"], (prompt) => model.respond({ prompt }))
      assert.strictEqual(stored.size, 3)
      assert.deepStrictEqual([...stored.values()].map((value) => /"text":"(\d)"/.exec(JSON.stringify(value))?.[1]), [
        "3",
        "4",
        "5"
      ])
      yield* TestClock.adjust("1 hour")
      yield* model.respond({ prompt: "6" })
      assert.strictEqual(stored.size, 1)
      assert.strictEqual(
        (yield* Effect.flip(
          modelOf([Hook.cache({ timeToLive: 1, maxEntries: 0 })], () => Effect.succeed("")).pipe(
            Effect.provide(Persistence.layerMemory)
          )
        ))._tag,
        "IllegalArgumentError"
      )
    }))
})

describe("Hook.budget", () => {
  it.effect("denies when its tokens are spent, and is whole again after its time", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.budget({ tokens: 100, per: "1 day" })],
        () => Effect.succeed(Calling.makeResponse({ data: "", usage: usage(20, 40) }))
      )
      yield* model.respond({ prompt: "12345678" })
      const cause = causeOf(yield* Effect.flip(model.respond({ prompt: "1234", max_tokens: 40 })))
      assert.instanceOf(cause, Hook.BudgetSpent)
      if (cause instanceof Hook.BudgetSpent) assert.deepInclude(cause, { unit: "tokens", limit: 100, left: 40 })
      yield* TestClock.adjust("1 day")
      yield* model.respond({ prompt: "1234", max_tokens: 40 })
    }))

  it.effect("is not overdrawn by many at once: what they will cost is reserved", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.budget({ tokens: 100, per: "1 day" })],
        () => Effect.as(Effect.sleep("1 second"), Calling.makeResponse({ data: "", usage: usage(1, 9) }))
      )
      const batch = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 10 }),
          () => Effect.exit(model.invoke({ prompt: "1234", max_tokens: 29 })),
          { concurrency: "unbounded" }
        )
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(batch)).filter(Exit.isSuccess).length, 3)
      // What they did not use is there again.
      yield* Effect.forkChild(model.respond({ prompt: "1234", max_tokens: 69 }))
      yield* TestClock.adjust("1 second")
    }))

  it.effect("in dollars goes by the prices, of a dated model too", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.budget({ costUsd: 1, per: "1 day", prices: { "m-1": { input: 10, output: 100, cacheRead: 1 } } })],
        () =>
          Effect.succeed(Calling.makeResponse({
            data: "",
            usage: { inputTokens: { total: 20_000, cacheRead: 10_000 }, outputTokens: { total: 5_000 } }
          }))
      )
      const ask = model.respond({ prompt: "", model: "m-1-2026-01-01" })
      yield* ask
      const cause = causeOf(yield* Effect.flip(model.respond({ prompt: "", model: "m-1", max_tokens: 4_000 })))
      assert.isTrue(cause instanceof Hook.BudgetSpent && Math.abs(cause.left - 0.39) < 1e-9)
    }))

  it.effect("in dollars denies a model whose price it does not know", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([Hook.budget({ costUsd: 1, per: "1 day" })], () => Effect.succeed(""))
      assert.deepInclude(causeOf(yield* Effect.flip(model.respond({ model: "gpt-4-turbo-nobody" }))), {
        _tag: "PriceUnknown",
        model: "gpt-4-turbo-nobody"
      })
      yield* model.respond({ model: "gpt-4o-mini-2024-07-18" })
    }))

  const wrong = new AiError.InvalidOutputError({
    description: "no JSON",
    usage: { promptTokens: 10, completionTokens: 20, totalTokens: 30 }
  })

  const leftOf = (error: unknown): number => {
    const cause = causeOf(error)
    return cause instanceof Hook.BudgetSpent ? cause.left : assert.fail(`not spent: ${String(cause)}`)
  }

  it.effect("counts every attempt that was paid, also those that failed", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "local",
        request: Request,
        retry: { times: 2, delay: 0, while: () => true },
        call: () => Effect.fail(wrong)
      })
      const model = yield* iModel.make(backend, { hooks: [Hook.budget({ tokens: 100, per: "1 day" })] })
      const fiber = yield* Effect.forkChild(model.invoke({ prompt: "a" }))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).attempts.length, 3)
      assert.strictEqual(leftOf(yield* Effect.flip(model.respond({ prompt: "a", max_tokens: 50 }))), 10)
    }))

  const twice = (concurrency: number) =>
    Hook.middleware((next) => () => Effect.map(Effect.all([next, next], { concurrency }), ([answer]) => answer))

  it.effect.each([1, 2])(
    "counts each attempt once, whatever hook asks twice, with concurrency %d",
    (concurrency) =>
      Effect.gen(function*() {
        const budget = Hook.budget({ tokens: 100, per: "1 day" })
        for (const hooks of [[budget, twice(concurrency)], [twice(concurrency), budget]]) {
          const model = yield* modelOf(
            hooks,
            () => Effect.as(Effect.yieldNow, Calling.makeResponse({ data: "", usage: usage(10, 20) }))
          )
          yield* model.respond({ prompt: "a" })
          assert.strictEqual(leftOf(yield* Effect.flip(model.respond({ prompt: "a", max_tokens: 50 }))), 40)
        }
      })
  )

  it.effect.each([Number.NaN, -1e9, -1])(
    "admits nothing extra for max_tokens: %d",
    (max_tokens) =>
      Effect.gen(function*() {
        const backend = yield* ServiceBackend.make({
          provider: "local",
          name: "local",
          request: Schema.Struct({ prompt: Schema.String, max_tokens: Schema.Unknown }),
          call: () => Effect.as(Effect.sleep(1), Calling.makeResponse({ data: "", usage: usage(1, 1) }))
        })
        const model = yield* iModel.make(backend, { hooks: [Hook.budget({ tokens: 100, per: "1 day" })] })
        const ask = (max_tokens: number) => Effect.exit(model.invoke({ prompt: "a", max_tokens }))
        yield* Effect.forkChild(ask(max_tokens))
        const batch = yield* Effect.forkChild(
          Effect.all(Array.from({ length: 10 }, () => ask(48)), { concurrency: 10 })
        )
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(batch)).filter(Exit.isSuccess).length, 2)
      })
  )

  it.effect("denies a call of infinite cost, and does not believe a usage that is no count", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.budget({ tokens: 100, costUsd: 1, per: "1 day", prices: { m: { input: 1, output: 0 } } })],
        () => Effect.succeed(Calling.makeResponse({ data: "", usage: usage(-1e6, Number.NaN) }))
      )
      yield* Effect.replicateEffect(model.respond({ prompt: "1234", model: "m", max_tokens: 9 }), 3)
      const left = leftOf(yield* Effect.flip(model.respond({ prompt: "1234", model: "m", max_tokens: 99 })))
      assert.isTrue(left > 50 && left < 73, String(left))
    }))

  it.effect("over several models takes the price of the one that answers, and reserves the highest", () =>
    Effect.gen(function*() {
      const memberOf = (
        name: string,
        answer: Effect.Effect<Calling.NormalizedResponse<string>, Errors.BackendErrorReason>
      ) =>
        Effect.flatMap(
          ServiceBackend.make({ provider: "local", name, request: Request, call: () => answer }),
          (backend) => iModel.make(backend)
        )
      const prices = { cheap: { input: 1, output: 1 }, dear: { input: 10, output: 10 } }
      const model = yield* iModel.fallback([
        yield* memberOf("dear", Effect.fail(wrong)),
        yield* iModel.fallback([
          yield* memberOf(
            "cheap-2026-01-01",
            Effect.succeed(Calling.makeResponse({ data: "", usage: usage(100_000, 100_000) }))
          )
        ])
      ], { hooks: [Hook.budget({ costUsd: 1, per: "1 day", prices })] })
      yield* model.respond({ prompt: "a" })
      // The dear one was asked too: 30 tokens of it.
      const left = leftOf(yield* Effect.flip(model.respond({ prompt: "a", max_tokens: 80_000 })))
      assert.approximately(left, 1 - 0.2 - 0.0003, 1e-9)

      const unpriced = yield* iModel.fallback([
        yield* memberOf("cheap", Effect.fail(wrong)),
        yield* memberOf("nobody", Effect.fail(wrong))
      ], { hooks: [Hook.budget({ costUsd: 1, per: "1 day", prices })] })
      assert.deepInclude(causeOf(yield* Effect.flip(unpriced.respond({ prompt: "a" }))), {
        _tag: "PriceUnknown",
        model: "nobody"
      })
      yield* Effect.flip(unpriced.respond({ prompt: "a", model: "cheap" }))
    }))

  it.effect("is refused with a price that is none", () =>
    Effect.gen(function*() {
      for (const price of [{ input: Number.NaN, output: 1 }, { input: 1, output: -1 }]) {
        const error = yield* Effect.flip(
          modelOf([Hook.budget({ costUsd: 1, per: "1 day", prices: { m: price } })], () => Effect.succeed(""))
        )
        assert.include(error.message, `prices["m"]`)
      }
    }))

  it.effect("is refused without a limit, or with one that is none", () =>
    Effect.gen(function*() {
      const nothing = () => Effect.succeed("")
      yield* Effect.flip(modelOf([Hook.budget({ per: "1 day" })], nothing))
      yield* Effect.flip(modelOf([Hook.budget({ per: "1 day", tokens: 0 })], nothing))
      yield* Effect.flip(modelOf([Hook.budget({ per: 0, tokens: 1 })], nothing))
    }))

  it.effect("pays nothing for what the backend refused, and the input of what was interrupted", () =>
    Effect.gen(function*() {
      let answer: Effect.Effect<string, Errors.BackendErrorReason> = new AiError.RateLimitError({})
      const model = yield* modelOf([Hook.budget({ tokens: 100, per: "1 day" })], () => Effect.suspend(() => answer))
      const ask = model.invoke({ prompt: "1234", max_tokens: 90 })
      yield* ask
      answer = Effect.never
      yield* Effect.timeoutOption(ask, 10).pipe(Effect.forkChild, Effect.andThen(TestClock.adjust(10)))
      answer = Effect.succeed("")
      yield* ask
      assert.instanceOf(causeOf(yield* Effect.flip(ask)), Hook.BudgetSpent)
    }))
})

describe("Hook.logging and Hook.metrics", () => {
  const countsOf = (model: string) =>
    Effect.map(
      Metric.snapshot,
      (snapshot) =>
        new Map(snapshot.flatMap(({ attributes, id, state }) =>
          "count" in state && attributes?.["model"] === model
            ? [[`${id} ${attributes["outcome"] ?? attributes["type"] ?? ""}`, Number(state.count)] as const]
            : []
        ))
    )

  it.effect("log a call, and not what is said", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatLogFmt, (line) => lines.push(line))
      const model = yield* modelOf(
        [Hook.logging()],
        ({ prompt }) =>
          prompt === "bad"
            ? new AiError.QuotaExhaustedError({})
            : Effect.succeed(Calling.makeResponse({ data: "secret answer", usage: usage(3, 4) }))
      )
      yield* Effect.all([model.invoke({ prompt: "secret" }), model.invoke({ prompt: "bad" })]).pipe(
        Effect.provide(Logger.layer([logger]))
      )
      const [good = "", bad = ""] = lines
      for (const piece of ["level=INFO", "model=local", "outcome=completed", "inputTokens=3", "outputTokens=4"]) {
        assert.include(good, piece)
      }
      assert.notInclude(good, "secret")
      assert.include(bad, "level=WARN")
      assert.include(bad, "outcome=QuotaExhaustedError")
    }))

  it.effect("count calls, errors and tokens", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.metrics()],
        ({ prompt }) =>
          prompt === "bad"
            ? new AiError.QuotaExhaustedError({})
            : Effect.succeed(Calling.makeResponse({ data: "", usage: usage(3, 4) }))
      )
      yield* Effect.forEach(["a", "b", "bad"], (prompt) => model.invoke({ prompt }))
      const counts = yield* countsOf("local")
      assert.strictEqual(counts.get("imodel_calls completed"), 2)
      assert.strictEqual(counts.get("imodel_calls QuotaExhaustedError"), 1)
      assert.strictEqual(counts.get("imodel_tokens input"), 6)
      assert.strictEqual(counts.get("imodel_tokens output"), 8)
      assert.strictEqual(counts.get("imodel_call_millis "), 3)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.effect("tell what was answered without the backend from what was paid", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.map(Logger.formatLogFmt, (line) => lines.push(line))
      const model = yield* modelOf(
        [Hook.logging(), Hook.metrics(), Hook.cache({ timeToLive: "1 hour" })],
        () => Effect.succeed(Calling.makeResponse({ data: "", usage: usage(3, 4) }))
      )
      yield* Effect.provide(Effect.replicateEffect(model.invoke({ prompt: "a" }), 3), Logger.layer([logger]))
      assert.deepStrictEqual(
        lines.map((line) => [/outcome=(\w+)/.exec(line)?.[1], line.includes("Tokens=")]),
        [["completed", true], ["skipped", false], ["skipped", false]]
      )
      const counts = yield* countsOf("local")
      assert.strictEqual(counts.get("imodel_calls completed"), 1)
      assert.strictEqual(counts.get("imodel_calls skipped"), 2)
      assert.strictEqual(counts.get("imodel_tokens input"), 3)
      assert.strictEqual(counts.get("imodel_tokens output"), 4)
    }).pipe(
      Effect.provideService(Metric.MetricRegistry, new Map()),
      Effect.provide(Persistence.layerMemory)
    ))
})

describe("Hook.redact", () => {
  const secret = /s3cr\w+/i

  it.effect("replaces what matches, in the prompt before it is sent and in the answer before it is read", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const model = yield* modelOf([Hook.redact(secret)], ({ prompt }) => {
        seen.push(JSON.stringify(prompt))
        return Effect.succeed(Calling.makeResponse({
          data: "",
          content: [
            Response.makePart("text", { text: "S3CRET and s3cret" }),
            Response.makePart("reasoning", { text: "s3cret" }),
            Response.toolCallPart({ id: "1", name: "t", params: { deep: ["s3cret"], n: 1 }, providerExecuted: false })
          ]
        }))
      })
      yield* model.respond({ prompt: Prompt.make("my s3cret") })
      const { content, text, toolCalls } = yield* model.respond({ prompt: [{ role: "user", content: "s3cretive" }] })
      assert.strictEqual(text, "[redacted] and [redacted]")
      assert.deepStrictEqual(toolCalls, [{ id: "1", name: "t", params: { deep: ["[redacted]"], n: 1 } }])
      assert.notInclude(JSON.stringify(content).toLowerCase(), "s3cret")
      assert.notInclude(seen.join().toLowerCase(), "s3cret")
      assert.isTrue(seen.every((prompt) => prompt.includes("[redacted]")))
    }))

  it.effect("finds in a stream what is cut into pieces", () =>
    Effect.gen(function*() {
      const backend = yield* ServiceBackend.make({
        provider: "local",
        name: "local",
        request: Schema.Struct({}),
        call: () => Effect.succeed(""),
        stream: (_payload, emit) =>
          Effect.as(
            Effect.forEach(
              ["my s3", "cr", "et."],
              (delta) => emit([Response.makePart("text-delta", { id: "0", delta })])
            )
              .pipe(Effect.andThen(emit([Response.makePart("text-end", { id: "0" })]))),
            ""
          )
      })
      const model = yield* iModel.make(backend, { hooks: [Hook.redact(secret)] })
      const parts = yield* Stream.runCollect(model.stream({}))
      const read = parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []).join("")
      assert.strictEqual(read, "my [redacted].")
    }))
})

describe("hooks of a provider", () => {
  it.live("stand around its real requests", () =>
    Effect.gen(function*() {
      const response = yield* iModel.respond({ prompt: "Hello" })
      assert.isAbove(response.text.length, 0)
      const calling = yield* iModel.invoke({ prompt: "Hello" })
      assert.strictEqual(calling.execution.status, "skipped")
      const simulator = yield* Simulator.Simulator
      assert.strictEqual((yield* simulator.seen).admitted, 1)
    }).pipe(Effect.provide(
      iModel.layer({
        limitRequests: 10,
        hooks: [Hook.logging(), Hook.cache({ timeToLive: "1 hour" }), Hook.budget({ costUsd: 1, per: "1 day" })]
      }).pipe(
        Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
        Layer.provideMerge(Simulator.layerHttpClient()),
        Layer.provide(Persistence.layerMemory),
        Layer.provide(Logger.layer([]))
      )
    )))
})
