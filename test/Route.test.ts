/** One model of several: who is asked, for how long, and what is told of it. */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Deferred, Duration, Effect, Exit, Fiber, Queue, Ref, Schema, Stream } from "effect"
import { AiError, Response } from "effect/ai"
import { TestClock } from "effect/testing"
import { Calling, Circuit, Errors, Executor, iModel, type Route, ServiceBackend } from "effect-imodel"
import { withRequestedDelay } from "../src/internal/errors/requestedDelay.ts"

type Answer = Effect.Effect<string, Errors.BackendErrorReason>

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })
const limited = (seconds: number) => new AiError.RateLimitError({ retryAfter: Duration.seconds(seconds) })
const wrongModel = new AiError.InvalidRequestError({ parameter: "model", description: "no such model" })
const wrong = new AiError.InvalidRequestError({ parameter: "temperature", description: "too hot" })

const made = Effect.fnUntraced(function*(
  name: string,
  answer: (n: number) => Answer,
  options?: iModel.Options<typeof Request.Encoded>,
  backend?: Partial<
    Pick<
      ServiceBackend.Options<typeof Request, string>,
      "circuit" | "contextWindow" | "retry" | "stream" | "unsupported"
    >
  >
) {
  let n = 0
  const asked = () => n
  const model = yield* iModel.make(
    yield* ServiceBackend.make({
      provider: name,
      name,
      request: Request,
      retry: { delay: 100 },
      call: () => Effect.suspend(() => answer(++n)),
      ...backend
    }),
    options
  )
  return { model, asked }
})

const Request = Schema.Struct({ text: Schema.optional(Schema.String), model: Schema.optional(Schema.String) })

type Models = Arr.NonEmptyReadonlyArray<iModel.Model<typeof Request.Encoded, string>>

const answers = (text: string) => () => Effect.succeed(text)
const fails = (reason: Errors.BackendErrorReason) => () => Effect.fail(reason)

/** Lets virtual time pass until it is over; answers with how it ended and how long that took, in milliseconds. */
const pass = Effect.fnUntraced(function*<A, E>(effect: Effect.Effect<A, E>, step: Duration.Input = 100) {
  const fiber = yield* Effect.forkChild(Effect.timed(Effect.exit(effect)))
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust(step)
  const [duration, exit] = yield* Fiber.join(fiber)
  return { exit, millis: Duration.toMillis(duration) }
})

const reasonOf = <A, E>(exit: Exit.Exit<A, E>) => {
  const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
  return error?._tag === "Some" && error.value instanceof Errors.BackendError
    ? error.value.reason
    : assert.fail(`no BackendError: ${exit}`)
}

const textOf = <E>(exit: Exit.Exit<Calling.NormalizedResponse, E>) =>
  Exit.isSuccess(exit) ? exit.value.text : assert.fail(`no answer: ${exit}`)

describe("a fallback", () => {
  it.effect("has no attempts but those of its models, also where they answer at once", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers("from a"))
      const model = yield* iModel.fallback([a.model])
      const calling = yield* model.invoke({ text: "hello" })
      assert.deepStrictEqual(calling.attempts.map((attempt) => attempt.model), ["a"])
    }))

  it.effect("answers with the first that does, names it, and has every attempt on the calling", () =>
    Effect.gen(function*() {
      const a = yield* made("a", fails(overloaded))
      const b = yield* made("b", () => Effect.succeed("from b"))
      const model = yield* iModel.fallback([a.model, b.model])
      const { exit } = yield* pass(model.invoke({ text: "hello" }))
      const calling = yield* exit
      const response = yield* calling.response
      assert.deepStrictEqual([response.data, response.metadata["model"]], ["from b", "b"])
      assert.strictEqual(response.metadata["attempts"], 4)
      assert.deepStrictEqual(
        calling.attempts.map(({ model, outcome, reason }) => [model, outcome, reason?._tag]),
        [
          ["a", "failed", "InternalProviderError"],
          ["a", "failed", "InternalProviderError"],
          ["a", "failed", "InternalProviderError"],
          ["b", "completed", undefined]
        ]
      )
    }))

  it.effect("tells each one's reason when all fail, the first one's first", () =>
    Effect.gen(function*() {
      const a = yield* made("a", fails(limited(60)))
      const b = yield* made("b", fails(new Errors.ContextLengthExceeded({ description: "9 of 8" })))
      const model = yield* iModel.fallback([a.model, b.model])
      const { exit } = yield* pass(model.respond({}))
      const reason = reasonOf(exit)
      assert.isTrue(reason instanceof Errors.AllFailed && reason.isRetryable)
      if (!(reason instanceof Errors.AllFailed)) return
      assert.deepStrictEqual(reason.failures.map(({ model, reason }) => [model, reason._tag]), [
        ["a", "RateLimitError"],
        ["b", "ContextLengthExceeded"]
      ])
      assert.isTrue(reason.message.startsWith(limited(60).message))
      assert.deepStrictEqual(reason.retryAfter, Duration.seconds(60))
    }))

  it.effect("of one model fails for its reason", () =>
    Effect.gen(function*() {
      const a = yield* made("a", fails(overloaded))
      const model = yield* iModel.fallback([a.model])
      assert.strictEqual(reasonOf((yield* pass(model.respond({}))).exit), overloaded)
    }))

  it.effect("waits for a short retry-after, and leaves a model alone for a long one", () =>
    Effect.gen(function*() {
      const short = yield* made("short", (n) => n === 1 ? Effect.fail(limited(5)) : Effect.succeed("short"))
      const long = yield* made("long", (n) => n === 1 ? Effect.fail(limited(40)) : Effect.succeed("long"))
      const b = yield* made("b", answers("b"))
      const patient = yield* pass((yield* iModel.fallback([short.model, b.model])).respond({}))
      assert.strictEqual(textOf(patient.exit), "short")
      assert.isAtLeast(patient.millis, 5_000)
      const model = yield* iModel.fallback([long.model, b.model])
      const hasty = yield* pass(model.respond({}))
      assert.strictEqual(textOf(hasty.exit), "b")
      assert.isAtMost(hasty.millis, 100)
      yield* TestClock.adjust("39 seconds")
      assert.strictEqual(textOf((yield* pass(model.respond({}))).exit), "b")
      assert.strictEqual(long.asked(), 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(textOf((yield* pass(model.respond({}))).exit), "long")
    }))

  it.effect("goes on, or not, by the kind of failure", () =>
    Effect.gen(function*() {
      const goesOn: ReadonlyArray<Errors.BackendErrorReason> = [
        new AiError.AuthenticationError({ kind: "InvalidKey" }),
        new AiError.QuotaExhaustedError({}),
        new AiError.InvalidResponseError({ description: "nonsense" }),
        wrongModel,
        new Errors.ContextLengthExceeded({ description: "" }),
        new Errors.Unsupported({ provider: "a", feature: "tools" }),
        new Errors.StreamInterrupted({ description: "cut" })
      ]
      const stops: ReadonlyArray<Errors.BackendErrorReason> = [
        new AiError.ContentPolicyError({ description: "no" }),
        wrong
      ]
      for (const reason of [...goesOn, ...stops]) {
        const a = yield* made("a", fails(reason))
        const b = yield* made("b", answers("b"))
        const { exit } = yield* pass((yield* iModel.fallback([a.model, b.model])).respond({}))
        assert.strictEqual(a.asked(), 1)
        if (goesOn.includes(reason)) assert.strictEqual(textOf(exit), "b")
        else assert.deepStrictEqual([reasonOf(exit), b.asked()], [reason, 0])
      }
    }))

  it.effect("does not take what a second model refuses for the last word", () =>
    Effect.gen(function*() {
      const a = yield* made("a", fails(overloaded))
      const b = yield* made("b", fails(wrong))
      const c = yield* made("c", answers("c"))
      const three = yield* iModel.fallback([a.model, b.model, c.model])
      assert.strictEqual(textOf((yield* pass(three.respond({}))).exit), "c")
      const two = yield* iModel.fallback([a.model, b.model])
      const reason = reasonOf((yield* pass(two.respond({}))).exit)
      assert.deepStrictEqual(
        reason._tag === "AllFailed" ? reason.failures.map(({ reason }) => reason._tag) : [],
        ["InternalProviderError", "InvalidRequestError"]
      )
    }))

  it.effect("leaves a model alone after it was given up, and has one call try it then, once", () =>
    Effect.gen(function*() {
      let down = true
      const a = yield* made(
        "a",
        () => Effect.suspend(() => down ? Effect.fail(overloaded) : Effect.delay(Effect.succeed("a"), 50))
      )
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model], { cooldown: "10 seconds" })
      const ask = Effect.map(pass(model.respond({})), ({ exit }) => textOf(exit))
      assert.deepStrictEqual([yield* ask, yield* ask, a.asked()], ["b", "b", 3])
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([yield* ask, a.asked()], ["b", 4])
      yield* TestClock.adjust("10 seconds")
      down = false
      const all = yield* pass(Effect.forEach([1, 2, 3], () => model.respond({}), { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* all.exit).map(({ text }) => text), ["a", "b", "b"])
      assert.strictEqual(yield* ask, "a")
    }))

  it.effect("asks those that are left alone rather than nobody", () =>
    Effect.gen(function*() {
      let down = true
      const flaky = (name: string) => () => Effect.suspend(() => down ? Effect.fail(overloaded) : Effect.succeed(name))
      const a = yield* made("a", flaky("a"))
      const b = yield* made("b", flaky("b"))
      const model = yield* iModel.fallback([a.model, b.model])
      assert.strictEqual(reasonOf((yield* pass(model.respond({}))).exit)._tag, "AllFailed")
      assert.strictEqual(reasonOf((yield* pass(model.respond({}))).exit)._tag, "AllFailed")
      assert.deepStrictEqual([a.asked(), b.asked()], [4, 4])
      down = false
      assert.strictEqual(textOf((yield* pass(model.respond({}))).exit), "a")
    }))

  it.effect("passes by a backend whose circuit is open", () =>
    Effect.gen(function*() {
      const circuit = yield* Circuit.make("a", { failures: 1, openFor: "1 hour" })
      const a = yield* made("a", fails(overloaded), { concurrency: 1 }, { circuit })
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model], { cooldown: 1 })
      yield* pass(model.respond({}))
      yield* TestClock.adjust("1 minute")
      const { exit, millis } = yield* pass(model.respond({}))
      assert.deepStrictEqual([textOf(exit), a.asked()], ["b", 1])
      assert.isAtMost(millis, 100)
    }))

  it.effect("turns to the next model when one may not take the call", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers("a"), { limitTokens: 10, cost: () => 11 })
      const b = yield* made("b", answers("b"))
      const { exit } = yield* pass((yield* iModel.fallback([a.model, b.model])).respond({}))
      assert.strictEqual(textOf(exit), "b")
      const alone = reasonOf((yield* pass((yield* iModel.fallback([a.model])).respond({}))).exit)
      assert.strictEqual(alone._tag === "AllFailed" ? alone.failures[0].reason._tag : "", "PermissionDenied")
    }))

  it.effect("has those that wait in the line of a model turn to the next when it is given up", () =>
    Effect.gen(function*() {
      const a = yield* made("a", () => Effect.delay(Effect.fail(limited(60)), 1_000), { concurrency: 1 })
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model])
      const all = yield* pass(Effect.forEach([1, 2, 3, 4], () => model.respond({}), { concurrency: "unbounded" }))
      assert.deepStrictEqual((yield* all.exit).map(({ text }) => text), ["b", "b", "b", "b"])
      assert.strictEqual(a.asked(), 1)
      assert.isAtMost(all.millis, 1_200)
    }))

  it.effect("interrupts the model that it asks, and nobody else is asked", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const a = yield* made("a", () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)))
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model])
      const asking = yield* Effect.forkChild(model.respond({}), { startImmediately: true })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(asking)
      yield* Deferred.await(interrupted)
      assert.strictEqual(b.asked(), 0)
    }))

  it.effect("of fallbacks is one way, with all its reasons", () =>
    Effect.gen(function*() {
      const [a, b, c] = yield* Effect.all([
        made("a", fails(overloaded)),
        made("b", fails(overloaded)),
        made("c", fails(overloaded))
      ])
      const inner = yield* iModel.fallback([a.model, b.model])
      const model = yield* iModel.fallback([inner, c.model])
      const { exit } = yield* pass(model.invoke({}))
      const { attempts, response } = yield* exit
      const reason = reasonOf(yield* Effect.exit(response))
      assert.deepStrictEqual(
        reason._tag === "AllFailed" ? reason.failures.map(({ model }) => model) : [],
        ["a", "b", "c"]
      )
      assert.deepStrictEqual(attempts.map(({ model }) => model).join(""), "aaabbbccc")
    }))

  it.effect("has the models of a model of several as impatient as itself", () =>
    Effect.gen(function*() {
      const b = yield* made("b", answers("b"))
      const ways = {
        balance: (models: Models) => iModel.balance(models),
        fallback: (models: Models) => iModel.fallback(models),
        hedge: ([one]: Models) => iModel.hedge(one),
        share: ([one]: Models) => iModel.share(one)
      }
      for (const way of Object.values(ways)) {
        const one = yield* made("one", fails(limited(60)))
        const other = yield* made("other", fails(limited(60)))
        const model = yield* iModel.fallback([yield* way([one.model, other.model]), b.model])
        const { exit, millis } = yield* pass(model.respond({}))
        assert.deepStrictEqual([textOf(exit), millis, one.asked()], ["b", 0, 1])
      }
      for (const way of [ways.hedge, ways.share]) {
        const down = yield* made("down", fails(overloaded))
        const model = yield* iModel.fallback([yield* way([down.model]), b.model])
        const calling = yield* (yield* pass(model.invoke({}))).exit
        assert.deepStrictEqual(calling.attempts.map(({ model }) => model), ["down", "down", "down", "b"])
      }
    }))

  it.effect("decodes the answer by a schema", () =>
    Effect.gen(function*() {
      const a = yield* iModel.make(
        yield* ServiceBackend.make({
          provider: "a",
          name: "a",
          request: Schema.Struct({ response_format: Schema.Unknown }),
          call: () => Effect.succeed(`{"n":1}`)
        })
      )
      const model = yield* iModel.fallback([a])
      const { value } = yield* model.respondAs(Schema.Struct({ n: Schema.Int }), { response_format: undefined })
      assert.strictEqual(value.n, 1)
    }))

  it.effect("leaves admission to its models, which may share an executor", () =>
    Effect.gen(function*() {
      const executor = yield* Executor.make({ concurrency: 1 })
      const model = yield* Effect.gen(function*() {
        const a = yield* made("a", fails(new AiError.QuotaExhaustedError({})))
        const b = yield* made("b", answers("b"))
        return yield* iModel.fallback([a.model, b.model])
      }).pipe(Effect.provideService(Executor.Executor, executor))
      assert.strictEqual(textOf((yield* pass(model.respond({}))).exit), "b")
      assert.strictEqual((yield* executor.counts).completed, 1)
      assert.strictEqual(model.capacity, 202)
    }))

  it.effect("has a call's priority and key in the lines of its models", () =>
    Effect.gen(function*() {
      const order: Array<string | undefined> = []
      const a = yield* iModel.make(
        yield* ServiceBackend.make({
          provider: "a",
          name: "a",
          request: Request,
          call: ({ text }) => Effect.delay(Effect.sync(() => order.push(text)), 100)
        }),
        { concurrency: 1 }
      )
      const model = yield* iModel.fallback([a])
      const ask = (text: string, priority: number) => model.respond({ text }, { priority, key: text })
      yield* pass(Effect.all([ask("later", 9), ask("sooner", -9)], { concurrency: "unbounded" }))
      assert.deepStrictEqual(order, ["sooner", "later"])
    }))

  it.effect("needs options that make sense", () =>
    Effect.gen(function*() {
      const { model } = yield* made("a", answers("a"))
      const bad: ReadonlyArray<Route.CommonOptions> = [
        { attempts: 0 },
        { patience: 0 },
        { cooldown: 0 },
        { answerTimeout: 0 }
      ]
      for (const options of bad) {
        const error = yield* Effect.flip(iModel.fallback([model], options))
        assert.include(error.message, Object.keys(options)[0] ?? "")
      }
    }))
})

describe("the time of a fallback", () => {
  it.effect("is not spent on one that is not well and asks for a long rest: it has that rest", () =>
    Effect.gen(function*() {
      const unwell = withRequestedDelay(new AiError.InternalProviderError({ description: "503" }), Duration.minutes(1))
      const a = yield* made("a", fails(unwell))
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model])
      const { exit, millis } = yield* pass(model.respond({}))
      assert.deepStrictEqual([textOf(exit), millis, a.asked()], ["b", 0, 1])
      yield* TestClock.adjust("59 seconds")
      yield* model.respond({})
      assert.strictEqual(a.asked(), 1)
      yield* TestClock.adjust("1 second")
      yield* model.respond({})
      assert.strictEqual(a.asked(), 2)
    }))

  it.effect("runs out where the call is: in the line of a model, or with its backend", () =>
    Effect.gen(function*() {
      const busy = yield* made("busy", () => Effect.never, { concurrency: 1 })
      const model = yield* iModel.fallback([busy.model])
      const phases = yield* Effect.forEach(
        ["2 seconds", "1 second"] as const,
        (timeout) => Effect.flip(model.invoke({ text: "hello" }, { timeout })),
        { concurrency: "unbounded" }
      ).pipe(pass)
      const errors = yield* phases.exit
      assert.deepStrictEqual(
        errors.map((error) => error._tag === "TimeoutError" ? error.phase : error._tag),
        ["invocation", "queue"]
      )
    }))

  it.effect("is shared evenly by those that are left, its queue included", () =>
    Effect.gen(function*() {
      const silent = yield* made("silent", () => Effect.never)
      const queued = yield* made("queued", answers("late"), { limitRequests: 1, capacityRefreshTime: "1 hour" })
      yield* queued.model.respond({})
      const c = yield* made("c", answers("c"))
      const model = yield* iModel.fallback([silent.model, queued.model, c.model])
      const { exit, millis } = yield* pass(model.respond({}, { timeout: "30 seconds" }))
      assert.strictEqual(textOf(exit), "c")
      assert.strictEqual(Math.round(millis / 1_000), 20)
    }))

  it.effect("is the same for what is asked by models of several", () =>
    Effect.gen(function*() {
      const silent = yield* made("silent", () => Effect.never)
      const down = yield* made("down", fails(wrongModel))
      const b = yield* made("b", answers("b"))
      const both = iModel.fallback([silent.model, b.model])
      const models = [
        yield* iModel.hedge(yield* both),
        yield* iModel.share(yield* both),
        yield* iModel.fallback([down.model, yield* both])
      ]
      for (const model of models) {
        const { exit, millis } = yield* pass(model.respond({}, { timeout: "20 seconds" }))
        assert.deepStrictEqual([textOf(exit), Math.round(millis / 1_000)], ["b", 10])
      }
    }))

  it.effect("is not rested away: a limit that lasts longer is told, and the next one asked", () =>
    Effect.gen(function*() {
      const a = yield* made("a", fails(limited(8)))
      const b = yield* made("b", fails(overloaded), {}, { retry: { times: 0 } })
      const model = yield* iModel.fallback([a.model, b.model])
      const { exit, millis } = yield* pass(model.respond({}, { timeout: "12 seconds" }))
      const reason = reasonOf(exit)
      assert.deepStrictEqual(reason._tag === "AllFailed" ? reason.failures.map(({ reason }) => reason._tag) : reason, [
        "RateLimitError",
        "InternalProviderError"
      ])
      assert.strictEqual(millis, 0)
    }))

  it.effect("of a stream is that of its line too", () =>
    Effect.gen(function*() {
      const queued = yield* made("queued", answers("late"), { limitRequests: 1, capacityRefreshTime: "1 hour" })
      yield* queued.model.respond({})
      const b = yield* made("b", answers("b"))
      const asked = Effect.fnUntraced(function*(options: Route.CommonOptions) {
        const model = yield* iModel.fallback([queued.model, b.model], options)
        const { exit, millis } = yield* pass(Stream.runDrain(model.stream({})), "1 second")
        yield* exit
        return Math.round(millis / 1_000)
      })
      assert.deepStrictEqual([yield* asked({}), yield* asked({ answerTimeout: "5 seconds" })], [120, 5])
    }))

  it.effect("ends with the timeout of the call, whoever is being asked", () =>
    Effect.gen(function*() {
      const a = yield* made("a", () => Effect.never)
      const b = yield* made("b", () => Effect.never)
      const model = yield* iModel.fallback([a.model, b.model], { timeout: "10 seconds" })
      const { exit, millis } = yield* pass(model.respond({}))
      assert.isTrue(Exit.isFailure(exit) && String(exit.cause).includes("Timed out after 10s"))
      assert.strictEqual(Math.round(millis / 1_000), 10)
    }))

  it.effect("is two minutes for a model that is silent, and none for the last", () =>
    Effect.gen(function*() {
      const a = yield* made("a", () => Effect.never)
      const b = yield* made("b", () => Effect.delay(Effect.succeed("b"), "10 minutes"))
      const { exit, millis } = yield* pass((yield* iModel.fallback([a.model, b.model])).respond({}), "1 second")
      assert.strictEqual(textOf(exit), "b")
      assert.strictEqual(Math.round(millis / 1_000), 720)
    }))

  it.effect("is the model's own until its first part, where it has one", () =>
    Effect.gen(function*() {
      const parts = [Response.makePart("text-delta", { id: "0", delta: "a" })]
      const slow = yield* made("slow", answers(""), { firstPartTimeout: "1 minute" }, {
        stream: (_request, emit) => Effect.delay(Effect.as(emit(parts), "a"), "30 seconds")
      })
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([slow.model, b.model])
      const { millis } = yield* pass(Stream.runDrain(model.stream({})))
      assert.strictEqual(Math.round(millis / 1_000), 30)
      assert.strictEqual(b.asked(), 0)
    }))
})

describe("the stream of a fallback", () => {
  const delta = (text: string) => Response.makePart("text-delta", { id: "0", delta: text })
  const silence = {
    stream: (_request: unknown, emit: ServiceBackend.Emit) => Effect.andThen(emit([delta("half")]), Effect.never)
  }
  const breaking: ServiceBackend.Options<typeof Request, string>["stream"] = (_request, emit) =>
    emit([delta("half "), delta("of it")]).pipe(
      Effect.andThen(Effect.sleep("1 second")),
      Effect.andThen(Effect.fail(overloaded))
    )
  const streamed = Effect.fnUntraced(function*(restart: boolean) {
    const a = yield* made("a", answers(""), {}, { stream: breaking })
    const b = yield* made("b", answers("whole"))
    const model = yield* iModel.fallback([a.model, b.model], { restart })
    const read = yield* Queue.unbounded<string>()
    const text = yield* Ref.make("")
    const reading = yield* Effect.forkChild(Effect.exit(
      Stream.runForEach(model.stream({}), (part) =>
        part.type === "text-delta"
          ? Effect.andThen(Queue.offer(read, part.delta), Ref.update(text, (text) => text + part.delta))
          : Effect.void)
    ))
    yield* TestClock.adjust("500 millis")
    const early = yield* Queue.size(read)
    yield* TestClock.adjust("1 second")
    return { early, exit: yield* Fiber.join(reading), text: yield* Ref.get(text), b }
  })

  it.effect("comes as it is read, and fails with what came when it breaks off", () =>
    Effect.gen(function*() {
      const { b, early, exit, text } = yield* streamed(false)
      const reason = reasonOf(exit)
      assert.deepStrictEqual([early, text, b.asked()], [2, "half of it", 0])
      assert.isTrue(reason._tag === "StreamInterrupted" && reason.text === "half of it")
    }))

  it.effect("shows that a model is back with its first part, however long it takes", () =>
    Effect.gen(function*() {
      let down = true
      const slow: typeof breaking = (_request, emit) =>
        down
          ? Effect.fail(overloaded)
          : Effect.as(Effect.andThen(emit([delta("a")]), Effect.sleep("5 minutes")), "a")
      const a = yield* made("a", answers("a"), {}, { stream: slow })
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model])
      yield* pass(Stream.runDrain(model.stream({})))
      down = false
      yield* TestClock.adjust("10 seconds")
      const trying = yield* Effect.forkChild(Stream.runDrain(model.stream({})))
      yield* TestClock.adjust("1 second")
      const other = yield* pass(model.respond({}))
      assert.strictEqual(textOf(other.exit), "a")
      yield* Fiber.interrupt(trying)
    }))

  it.effect("has broken off when the time of the model itself is up, with what came until then", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers(""), { timeout: "5 seconds" }, silence)
      const b = yield* made("b", answers("b"))
      const { exit } = yield* pass(Stream.runDrain((yield* iModel.fallback([a.model, b.model])).stream({})))
      const reason = reasonOf(exit)
      assert.isTrue(reason._tag === "StreamInterrupted" && reason.text === "half")
      assert.strictEqual(b.asked(), 0)
    }))

  it.effect("leaves time to begin it again", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers(""), {}, silence)
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model], { restart: true, timeout: "30 seconds" })
      const { exit, millis } = yield* pass(Stream.runDrain(model.stream({})))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual([Math.round(millis / 1_000), b.asked()], [15, 1])
    }))

  it.effect("is kept until it is whole where it may be begun again", () =>
    Effect.gen(function*() {
      const { early, exit, text } = yield* streamed(true)
      assert.deepStrictEqual([early, text], [0, "whole"])
      assert.isTrue(Exit.isSuccess(exit))
    }))
})

describe("a request that is too long", () => {
  const tooLong = (contextWindow?: number) =>
    new Errors.ContextLengthExceeded({ description: "too long", contextWindow })

  /** Models of these windows, in this order, that say no to a request of so many tokens; and who was asked. */
  const sized = Effect.fnUntraced(function*(
    windows: ReadonlyArray<{ readonly known?: number | undefined; readonly told?: number; readonly real: number }>,
    tokens: number
  ) {
    const asked: Array<string> = []
    const models = yield* Effect.forEach(windows, ({ known, real, told }, i) => {
      const name = `${i}: ${known}`
      const answer = Effect.gen(function*() {
        asked.push(name)
        yield* Effect.yieldNow
        return tokens > real ? yield* tooLong(told) : name
      })
      return Effect.map(made(name, () => answer, {}, { contextWindow: known }), ({ model }) => model)
    })
    if (!Arr.isReadonlyArrayNonEmpty(models)) return assert.fail("no models")
    return { models, asked }
  })

  it.effect("goes to the next larger model, past those that are no larger, and is asked of nobody twice", () =>
    Effect.gen(function*() {
      const windows = [8, 8, 4, 16, undefined, 32].map((known) => ({ known, real: known ?? 1 }))
      const { asked, models } = yield* sized(windows, 20)
      const model = yield* iModel.fallback(models)
      const { exit } = yield* pass(model.invoke({}))
      const calling = yield* exit
      assert.strictEqual((yield* calling.response).text, "5: 32")
      assert.deepStrictEqual(asked, ["0: 8", "3: 16", "4: undefined", "5: 32"])
      assert.deepStrictEqual(calling.attempts.map(({ model }) => model), asked)
    }))

  it.effect("is the end, with the provider's own reason, where nobody is larger", () =>
    Effect.gen(function*() {
      const { asked, models } = yield* sized([{ known: 8, real: 8 }, { known: 8, real: 8 }, { known: 4, real: 4 }], 9)
      const model = yield* iModel.fallback(models)
      const { exit } = yield* pass(model.invoke({}))
      const calling = yield* exit
      assert.strictEqual((yield* Effect.flip(calling.response)).reason._tag, "ContextLengthExceeded")
      assert.deepStrictEqual(calling.attempts.map(({ model, outcome }) => [model, outcome]), [["0: 8", "failed"]])
      assert.deepStrictEqual(asked, ["0: 8"])
    }))

  it.effect("goes by what the provider tells before what was known", () =>
    Effect.gen(function*() {
      const small = yield* sized([{ known: 32, told: 8, real: 8 }, { known: 8, real: 8 }, { known: 16, real: 16 }], 9)
      const { exit } = yield* pass((yield* iModel.fallback(small.models)).respond({}))
      assert.strictEqual(textOf(exit), "2: 16")
      assert.deepStrictEqual(small.asked, ["0: 32", "2: 16"])
      const unknown = yield* sized([{ told: 8, real: 8 }, { known: 8, real: 8 }, { known: 9, real: 9 }], 9)
      yield* pass((yield* iModel.fallback(unknown.models)).respond({}))
      assert.deepStrictEqual(unknown.asked, ["0: undefined", "2: 9"])
    }))

  it.effect("goes by no window where the call names the model", () =>
    Effect.gen(function*() {
      const { asked, models } = yield* sized([{ known: 8, real: 8 }, { known: 8, real: 16 }], 9)
      const { exit } = yield* pass((yield* iModel.fallback(models)).respond({ model: "other" }))
      assert.strictEqual(textOf(exit), "1: 8")
      assert.strictEqual(asked.length, 2)
    }))

  it.effect("goes past a smaller model of a balance, and on in a stream", () =>
    Effect.gen(function*() {
      const { asked, models } = yield* sized([{ known: 8, real: 8 }, { known: 4, real: 4 }, { known: 9, real: 9 }], 9)
      const balance = yield* iModel.balance(models)
      assert.strictEqual(textOf((yield* pass(balance.respond({}))).exit), "2: 9")
      asked.length = 0
      const fallback = yield* iModel.fallback(models)
      const { exit } = yield* pass(Stream.runCollect(fallback.stream({})))
      const parts = yield* exit
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []), ["2: 9"])
      assert.deepStrictEqual(asked, ["0: 8", "2: 9"])
    }))

  it.effect("which a model of several has the largest window of", () =>
    Effect.gen(function*() {
      const { models } = yield* sized([{ known: 8, real: 8 }, { known: 32, real: 32 }, { known: 16, real: 16 }], 1)
      const other = yield* sized([{ real: 8 }], 1)
      const fallback = yield* iModel.fallback(models)
      assert.strictEqual(fallback.contextWindow, 32)
      assert.strictEqual((yield* iModel.hedge(fallback)).contextWindow, 32)
      assert.strictEqual((yield* iModel.share(fallback)).contextWindow, 32)
      assert.isUndefined((yield* iModel.balance(Arr.appendAll(models, other.models))).contextWindow)
    }))

  const Sizes = Schema.Struct({
    windows: Schema.NonEmptyArray(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 6 }))),
    tokens: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 }))
  })

  it.effect.prop("is answered by the first that it fits, and each one asked is larger than those before", [Sizes], ([
    { tokens, windows }
  ]) =>
    Effect.gen(function*() {
      const { asked, models } = yield* sized(windows.map((known) => ({ known, real: known })), tokens)
      const { exit } = yield* pass((yield* iModel.fallback(models)).respond({}))
      const sizes = asked.map((name) => Number(name.split(": ")[1]))
      assert.isTrue(sizes.every((size, i) => i === 0 || size > (sizes[i - 1] ?? 0)))
      const first = windows.findIndex((window) => window >= tokens)
      if (first >= 0) return assert.strictEqual(textOf(exit), `${first}: ${windows[first]}`)
      const reason = reasonOf(exit)
      const reasons = reason._tag === "AllFailed" ? reason.failures.map(({ reason }) => reason._tag) : [reason._tag]
      assert.deepStrictEqual(reasons, asked.map(() => "ContextLengthExceeded"))
    }))
})

describe("what a model cannot do", () => {
  const unsupported = (feature: string) => () => new Errors.Unsupported({ provider: "p", feature })

  it.effect("is asked of the next one, and not of that one", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers("a"), { limitRequests: 1 }, { unsupported: unsupported("tools") })
      const b = yield* made("b", () => Effect.as(Effect.yieldNow, "b"))
      for (const make of [iModel.fallback, iModel.balance]) {
        const model = yield* make([a.model, b.model])
        const { exit } = yield* pass(model.invoke({}))
        const calling = yield* exit
        assert.strictEqual((yield* calling.response).text, "b")
        assert.deepStrictEqual(calling.attempts.map(({ model }) => model), ["b"])
        const parts = yield* (yield* pass(Stream.runCollect(model.stream({})))).exit
        assert.deepStrictEqual(parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []), ["b"])
      }
      assert.deepStrictEqual([a.asked(), b.asked()], [0, 4])
    }))

  it.effect("does not have a model left alone", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers("a"), {}, {
        unsupported: ({ text }) => text === "hard" ? unsupported("hard texts")() : undefined
      })
      const b = yield* made("b", answers("b"))
      const model = yield* iModel.fallback([a.model, b.model])
      assert.strictEqual(textOf((yield* pass(model.respond({ text: "hard" }))).exit), "b")
      assert.strictEqual(textOf((yield* pass(model.respond({ text: "easy" }))).exit), "a")
    }))

  it.effect("leaves the last word on the request to the first that is asked", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers("a"), {}, { unsupported: unsupported("tools") })
      const b = yield* made("b", fails(wrong))
      const c = yield* made("c", answers("c"))
      const { exit } = yield* pass((yield* iModel.fallback([a.model, b.model, c.model])).respond({}))
      assert.deepStrictEqual([reasonOf(exit), c.asked()], [wrong, 0])
    }))

  it.effect("is told of each one, when all fail", () =>
    Effect.gen(function*() {
      const a = yield* made("a", answers("a"), {}, { unsupported: unsupported("tools") })
      const b = yield* made("b", fails(overloaded))
      const c = yield* made("c", answers("c"), {}, { unsupported: unsupported("images") })
      const reason = reasonOf((yield* pass((yield* iModel.fallback([a.model, b.model, c.model])).respond({}))).exit)
      if (reason._tag !== "AllFailed") return assert.fail(reason._tag)
      assert.deepStrictEqual(reason.failures.map(({ model, reason }) => [model, reason._tag]), [
        ["a", "Unsupported"],
        ["b", "InternalProviderError"],
        ["c", "Unsupported"]
      ])
    }))
})
