import { assert, describe, it } from "@effect/vitest"
import { Cause, Context, Deferred, Effect, Exit, Fiber, Latch, Queue, Ref, Schema, type Scope, Stream } from "effect"
import { AiError, Response } from "effect/ai"
import { TestClock } from "effect/testing"
import {
  BackendError,
  Calling,
  type Errors,
  Hook,
  iModel,
  PermissionDenied,
  ServiceBackend,
  TimeoutError
} from "effect-imodel"

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })

class Refusal extends Schema.TaggedError<Refusal>()("Refusal", {}) {
  override get message(): string {
    return "not today"
  }
}

interface Asked {
  readonly n?: number | undefined
}

type Call = (n: number | undefined) => Effect.Effect<string, BackendError | Errors.BackendErrorReason>

const Request = Schema.Struct({ n: Schema.optional(Schema.Int) })

const backend = (call: Call, stream?: (emit: ServiceBackend.Emit) => ReturnType<Call>) =>
  ServiceBackend.make({
    provider: "local",
    name: "local",
    request: Request,
    call: ({ n }: typeof Request.Type) => call(n),
    ...(stream && { stream: (_payload, emit) => stream(emit) })
  })

const modelOf = <H extends Hook.Any>(
  hooks: ReadonlyArray<H>,
  call: Call = (n) => Effect.succeed(`answer ${n}`),
  options: Omit<iModel.Options<Asked>, "hooks"> = {}
) => Effect.flatMap(backend(call), (made) => iModel.make(made, { ...options, hooks }))

const deniedBy = (error: unknown): Errors.HookRejected =>
  error instanceof PermissionDenied && error.reason._tag === "HookRejected"
    ? error.reason
    : assert.fail(`not rejected by a hook: ${error}`)

const isSettled = (fiber: Fiber.Fiber<unknown, unknown>) => fiber.pollUnsafe() !== undefined

const eventsOf = Effect.fnUntraced(function*(model: { readonly events: Stream.Stream<Hook.Event> }) {
  const events: Array<string> = []
  yield* Effect.forkChild(
    Stream.runForEach(
      model.events,
      ({ hook, outcome, phase }) => Effect.sync(() => events.push(`${hook} ${phase} ${outcome}`))
    ),
    { startImmediately: true }
  )
  return events
})

describe("before a calling", () => {
  it.effect("preEventCreate changes arguments, which are then checked as all are", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([Hook.make({ preEventCreate: (args) => Effect.succeed({ ...args, n: 7 }) })])
      assert.strictEqual((yield* model.respond({ n: 1 })).text, "answer 7")

      const wrong = yield* modelOf([Hook.make({ preEventCreate: () => Effect.succeed({ n: "seven" }) })])
      const error = yield* Effect.flip(wrong.respond({ n: 1 }))
      assert.isTrue(error instanceof BackendError && error.reason._tag === "InvalidRequestError")
    }))

  it.effect("preEventCreate denies, and there is no calling", () =>
    Effect.gen(function*() {
      const hook = Hook.make({ name: "guard", preEventCreate: () => Effect.fail(new Refusal()) })
      const model = yield* modelOf([hook], undefined, { concurrency: 1 })
      const error = yield* Effect.flip(model.invoke({ n: 1 }))
      const rejected = deniedBy(error)
      assert.deepInclude(rejected, { phase: "preEventCreate", hook: "guard" })
      assert.include(error.message, "guard")
      assert.include(error.message, "not today")
      deniedBy(yield* Effect.flip(model.createCalling({ n: 1 })))
      deniedBy(yield* Effect.flip(Stream.runDrain(model.stream({ n: 1 }))))
    }))

  it.effect("preInvocation denies: the calling is aborted, and has taken no quota and no place", () =>
    Effect.gen(function*() {
      const hook = Hook.make({ name: "guard", preInvocation: () => Effect.fail("no") })
      const model = yield* modelOf([hook], undefined, { limitRequests: 1 })
      const calling = yield* model.createCalling({ n: 1 })
      deniedBy(yield* Effect.flip(model.invoke(calling)))
      assert.strictEqual(calling.execution.status, "aborted")
      assert.deepStrictEqual(calling.attempts, [])
      const { counts, limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), (made) => made.snapshot)
      assert.strictEqual(limits.requests?.available, 1)
      assert.deepStrictEqual(counts, {
        pending: 0,
        processing: 0,
        completed: 0,
        failed: 0,
        cancelled: 0,
        aborted: 0,
        skipped: 0
      })
    }))

  it.effect("a denial can be written and read again, with its cause", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([Hook.make({ name: "guard", preInvocation: () => Effect.fail(new Refusal()) })])
      const error = yield* Effect.flip(model.invoke({}))
      const codec = Schema.toCodecJson(PermissionDenied)
      const json = JSON.stringify(yield* Schema.encodeUnknownEffect(codec)(error))
      const decoded = yield* Schema.decodeUnknownEffect(codec)(JSON.parse(json))
      assert.strictEqual(decoded.message, error.message)
    }))

  for (
    const [phase, limit, hook] of [
      ["preEventCreate", 10_000, Hook.make({ preEventCreate: () => Effect.never })],
      ["preInvocation", 30_000, Hook.make({ preInvocation: () => Effect.never })],
      ["preInvocation with a timeout", 5_000, Hook.make({ preInvocation: () => Effect.never, timeout: 5_000 })]
    ] as const
  ) {
    it.effect(`${phase} that takes too long is a TimeoutError of a hook`, () =>
      Effect.gen(function*() {
        const model = yield* modelOf([hook])
        const fiber = yield* Effect.forkChild(Effect.flip(model.invoke({})))
        yield* TestClock.adjust(limit - 1)
        assert.isFalse(isSettled(fiber))
        yield* TestClock.adjust(1)
        const error = yield* Fiber.join(fiber)
        assert.isTrue(error instanceof TimeoutError && error.phase === "hook")
      }))
  }

  it.effect("a timeout that is none is refused when the model is made", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(modelOf([Hook.make({ timeout: -1 })]))
      assert.strictEqual(error._tag, "IllegalArgumentError")
    }))
})

describe("around a calling", () => {
  it.effect("hooks run once, however many fibers wait for it", () =>
    Effect.gen(function*() {
      let count = 0
      const model = yield* modelOf([
        Hook.make({ preInvocation: () => Effect.sync(() => count++), postInvocation: () => Effect.sync(() => count++) })
      ])
      const calling = yield* model.createCalling({ n: 1 })
      yield* Effect.all([model.invoke(calling), model.invoke(calling), calling.response], { concurrency: "unbounded" })
      yield* model.invoke(calling)
      assert.strictEqual(count, 2)
    }))

  it.effect("the first hook is outermost", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const note = (what: string) => Effect.sync(() => seen.push(what))
      const hook = (name: string) =>
        Hook.make({
          preEventCreate: () => Effect.asVoid(note(`${name} create`)),
          preInvocation: () => note(`${name} pre`),
          onError: () => Effect.asVoid(note(`${name} error`)),
          postInvocation: () => note(`${name} post`)
        })
      const model = yield* modelOf([hook("a"), hook("b")], () => Effect.fail(overloaded))
      yield* model.invoke({})
      assert.deepStrictEqual(seen, [
        "a create",
        "b create",
        "a pre",
        "b pre",
        "b error",
        "b post",
        "a error",
        "a post"
      ])
    }))

  it.effect("postInvocation sees every outcome, and spoils none", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const hook = Hook.make({
        postInvocation: (_calling, exit) =>
          Effect.andThen(Effect.sync(() => seen.push(exit._tag)), Effect.fail("the watcher stumbled"))
      })
      const model = yield* modelOf([hook], (n) => n === 1 ? Effect.succeed("fine") : Effect.fail(overloaded))
      assert.strictEqual((yield* model.respond({ n: 1 })).text, "fine")
      const error = yield* Effect.flip(model.respond({ n: 2 }))
      assert.isTrue(error instanceof BackendError && error.reason._tag === "InternalProviderError")
      assert.deepStrictEqual(seen, ["Success", "Failure"])
    }))

  it.effect("postInvocation with exit fails a call that had succeeded", () =>
    Effect.gen(function*() {
      const hook = Hook.make({ name: "judge", exit: true, postInvocation: () => Effect.fail("too bad an answer") })
      const model = yield* modelOf([hook], (n) => n === 1 ? Effect.succeed("fine") : Effect.fail(overloaded))
      const calling = yield* model.createCalling({ n: 1 })
      assert.strictEqual(deniedBy(yield* Effect.flip(model.invoke(calling))).phase, "postInvocation")
      assert.strictEqual(calling.execution.status, "aborted")
      assert.strictEqual(calling.attempts.length, 1)
      const error = yield* Effect.flip(model.respond({ n: 2 }))
      assert.isTrue(error instanceof BackendError)
    }))

  it.effect("onError recovers, or turns one error into another", () =>
    Effect.gen(function*() {
      const hook = Hook.make({
        onError: (_calling, error) =>
          error._tag === "BackendError" && error.isRetryable
            ? Effect.succeed(Calling.makeResponse({ data: 0, text: "sorry" }))
            : Effect.fail(new AiError.UnknownError({ description: "another" }))
      })
      const model = yield* modelOf(
        [hook],
        (n) => Effect.fail(n === 1 ? overloaded : new AiError.QuotaExhaustedError({}))
      )
      const calling = yield* model.invoke({ n: 1 })
      assert.strictEqual(calling.execution.status, "completed")
      const response = yield* calling.response
      const data: string | number = response.data
      assert.deepStrictEqual([data, response.text], [0, "sorry"])
      const error = yield* Effect.flip(model.respond({ n: 2 }))
      assert.isTrue(error instanceof BackendError && error.reason._tag === "UnknownError")
    }))

  it.effect("a recovery before the backend was asked is skipped", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [Hook.make({ onError: () => Effect.succeed(Calling.makeResponse({ data: "later" })) })],
        () => Effect.never,
        { concurrency: 1, queueCapacity: 1, onFull: "deny" }
      )
      yield* Effect.forkChild(Effect.forEach([1, 2], (n) => model.invoke({ n }), { concurrency: 2 }))
      yield* TestClock.adjust(1)
      const calling = yield* model.invoke({ n: 3 })
      assert.strictEqual(calling.execution.status, "skipped")
      assert.strictEqual((yield* calling.response).text, "later")
      assert.strictEqual(calling.execution.duration, undefined)
    }))

  it.effect("middleware asks again, each time through admission, and the calling has all attempts", () =>
    Effect.gen(function*() {
      let attempts = 0
      const again = Hook.middleware((next) => () => Effect.retry(next, { times: 2 }))
      const model = yield* modelOf(
        [again],
        () => Effect.suspend(() => ++attempts < 3 ? Effect.fail(overloaded) : Effect.succeed("third")),
        { limitRequests: 100 }
      )
      const calling = yield* model.invoke({})
      assert.strictEqual((yield* calling.response).text, "third")
      assert.deepStrictEqual(calling.attempts.map(({ outcome }) => outcome), ["failed", "failed", "completed"])
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), (made) => made.snapshot)
      assert.strictEqual(limits.requests?.available, 97)
    }))

  it.effect("errors of middleware of no kind of ours are denials", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([Hook.middleware(() => () => Effect.fail("no"), { name: "wall" })])
      assert.deepInclude(deniedBy(yield* Effect.flip(model.invoke({}))), { phase: "middleware", hook: "wall" })
      const reason = yield* modelOf([Hook.middleware(() => () => Effect.fail(overloaded))])
      const calling = yield* reason.invoke({})
      assert.strictEqual(calling.execution.status, "failed")
    }))

  it.effect("interrupting the caller reaches the backend, and postInvocation is told", () =>
    Effect.gen(function*() {
      const began = yield* Deferred.make<void>()
      const interrupted = yield* Deferred.make<void>()
      const told = yield* Deferred.make<boolean>()
      const model = yield* modelOf(
        [
          Hook.make({
            postInvocation: (_calling, exit) =>
              Deferred.succeed(told, Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
          })
        ],
        () =>
          Deferred.succeed(began, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          ),
        { concurrency: 1 }
      )
      const calling = yield* model.createCalling({})
      const fiber = yield* Effect.forkChild(model.invoke(calling))
      yield* Deferred.await(began)
      assert.strictEqual(calling.execution.status, "processing")
      yield* Fiber.interrupt(fiber)
      yield* Deferred.await(interrupted)
      assert.isTrue(yield* Deferred.await(told))
      assert.strictEqual(calling.execution.status, "cancelled")
    }))

  it.effect("a time limit covers the whole way, and says where it ran out", () =>
    Effect.gen(function*() {
      const phaseOf = Effect.fnUntraced(
        function*(hook: Hook.Hook<Cause.IllegalArgumentError>, call: Call, busy: boolean) {
          const model = yield* modelOf([hook], call, { concurrency: 1 })
          if (busy) yield* Effect.forkChild(model.invoke({}))
          yield* TestClock.adjust(1)
          const fiber = yield* Effect.forkChild(Effect.flip(model.invoke({ n: 2 }, { timeout: 1_000 })))
          yield* TestClock.adjust(1_000)
          const error = yield* Fiber.join(fiber)
          return error._tag === "TimeoutError" ? error.phase : error._tag
        }
      )
      const slow = Hook.make({ preInvocation: () => Effect.sleep(5_000) })
      assert.strictEqual(yield* phaseOf(slow, () => Effect.succeed(""), false), "hook")
      assert.strictEqual(yield* phaseOf(Hook.make({}), () => Effect.never, false), "invocation")
      assert.strictEqual(yield* phaseOf(Hook.make({}), () => Effect.never, true), "queue")
    }))

  it.effect("closing the model ends what its hooks are at", () =>
    Effect.gen(function*() {
      const began = yield* Deferred.make<void>()
      const fiber = yield* Effect.scoped(Effect.gen(function*() {
        const hook = Hook.make({
          preInvocation: () => Effect.andThen(Deferred.succeed(began, undefined), Effect.never)
        })
        const model = yield* modelOf([hook])
        const fiber = yield* Effect.forkDetach(Effect.flip(model.invoke({})))
        yield* Deferred.await(began)
        return fiber
      }))
      const error = yield* Fiber.join(fiber)
      assert.isTrue(error instanceof PermissionDenied && error.reason._tag === "Shutdown")
    }))
})

describe("what hooks need", () => {
  class Database extends Context.Service<Database, { readonly allowed: number }>()("test/Database") {}

  it.effect("is taken while the model is made, and a state is each model's own", () =>
    Effect.gen(function*() {
      const counting = Hook.unwrap(Effect.gen(function*() {
        const count = yield* Ref.make(0)
        return Hook.make({
          preInvocation: Effect.fnUntraced(function*() {
            const { allowed } = yield* Database
            if ((yield* Ref.updateAndGet(count, (n) => n + 1)) > allowed) return yield* Effect.fail("enough")
          })
        })
      }))
      const make = Effect.provideService(modelOf([counting]), Database, { allowed: 1 })
      const [a, b] = [yield* make, yield* make]
      yield* a.respond({})
      yield* b.respond({})
      deniedBy(yield* Effect.flip(a.respond({})))
    }))

  it.effect("Params reach every hook of a call", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const note = Effect.gen(function*() {
        seen.push((yield* Hook.Params)["tenant"])
      })
      const model = yield* modelOf([
        Hook.make({ preEventCreate: () => note, preInvocation: () => note, postInvocation: () => note })
      ])
      yield* model.respond({}).pipe(Effect.provideService(Hook.Params, { tenant: "acme" }))
      assert.deepStrictEqual(seen, ["acme", "acme", "acme"])
    }))
})

// -----------------------------------------------------------------------------
// Streams
// -----------------------------------------------------------------------------

const start = Response.makePart("text-start", { id: "0" })
const delta = (text: string) => Response.makePart("text-delta", { id: "0", delta: text })
const end = Response.makePart("text-end", { id: "0" })
const finish = Response.makePart("finish", {
  reason: "stop",
  usage: { inputTokens: { total: 3 }, outputTokens: { total: 2 } },
  response: undefined
})

const streamOf = <H extends Hook.Any>(
  hooks: ReadonlyArray<H>,
  stream: (emit: ServiceBackend.Emit) => ReturnType<Call> = (emit) =>
    Effect.as(emit([start, delta("a"), delta("b"), end, finish]), "ab")
): Effect.Effect<
  iModel.Model<Asked, string | Hook.Data<H>>,
  iModel.OptionsError | Hook.Error<H>,
  Scope.Scope | Hook.Services<H>
> => Effect.flatMap(backend(() => Effect.succeed("whole"), stream), (made) => iModel.make(made, { hooks }))

const read = Effect.fnUntraced(function*<E>(stream: Stream.Stream<Calling.StreamPart, E>) {
  const texts: Array<string> = []
  const exit = yield* Effect.exit(
    Stream.runForEach(stream, (part) =>
      Effect.sync(() => {
        if (part.type === "text-delta") texts.push(part.delta)
      }))
  )
  return { texts, exit }
})

/** Keeps the response of a streamed calling. */
const keeping = () => {
  const kept: Array<Calling.NormalizedResponse> = []
  return { kept, hook: Hook.make({ postInvocation: (calling) => Effect.forkDetach(keep(calling)) }) }

  function keep(calling: Calling.Calling) {
    return Effect.map(calling.response, (response) => {
      kept.push(response)
    })
  }
}

describe("onPart", () => {
  it.effect("sees the parts of a type, changes them and drops them, and the settled response is what was read", () =>
    Effect.gen(function*() {
      const { hook, kept } = keeping()
      const model = yield* streamOf([
        hook,
        Hook.make({ onPart: Hook.partsOf("text-delta", (part) => Effect.succeed(part.delta === "a" ? [] : part)) }),
        Hook.make({
          onPart: Hook.partsOf("text-delta", (part) => Effect.succeed({ ...part, delta: `<${part.delta}>` }))
        }),
        Hook.make({
          onPart: Hook.partsOf("text-delta", (part) => part.delta === "b" ? Effect.succeed([]) : Effect.void)
        })
      ])
      const { exit, texts } = yield* read(model.stream({}))
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(texts, ["<a>"])
      yield* Effect.yieldNow
      assert.deepStrictEqual(kept.map(({ text }) => text), ["<a>"])
      assert.deepStrictEqual(kept.map(({ data }) => data), ["ab"])
      assert.strictEqual(kept[0]?.usage.outputTokens.total, 2)
    }))

  it.effect("sees an answer that a hook gave in the place of the backend", () =>
    Effect.gen(function*() {
      const model = yield* streamOf([
        Hook.make({
          onPart: Hook.partsOf("text-delta", (part) => Effect.succeed({ ...part, delta: part.delta.toUpperCase() }))
        }),
        Hook.middleware<never, never, string>(() => () => Effect.succeed(Calling.makeResponse({ data: "cached" })))
      ])
      assert.deepStrictEqual((yield* read(model.stream({}))).texts, ["CACHED"])
    }))

  it.effect("that fails lets the part go on, and with exit fails the stream", () =>
    Effect.gen(function*() {
      const failing = (exit: boolean) =>
        Hook.make({
          name: "censor",
          exit,
          onPart: Hook.partsOf("text-delta", (part) => part.delta === "b" ? Effect.fail("no b") : Effect.void)
        })
      const lenient = yield* streamOf([failing(false)])
      assert.deepStrictEqual((yield* read(lenient.stream({}))).texts, ["a", "b"])

      const strict = yield* streamOf(
        [failing(true)],
        Effect.fnUntraced(function*(emit) {
          yield* emit([start, delta("a")])
          yield* emit([delta("b")])
          return "ab"
        })
      )
      const { exit, texts } = yield* read(strict.stream({}))
      assert.deepStrictEqual(texts, ["a"])
      const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
      assert.strictEqual(error?._tag === "Some" ? deniedBy(error.value).phase : "none", "onPart")
    }))

  it.effect("an error is not recovered once a part of the stream is out", () =>
    Effect.gen(function*() {
      const recovering = Hook.make({ onError: () => Effect.succeed(Calling.makeResponse({ data: "instead" })) })
      const late = yield* streamOf(
        [recovering],
        (emit) => Effect.andThen(emit([start, delta("a")]), Effect.fail(overloaded))
      )
      const { exit, texts } = yield* read(late.stream({}))
      assert.deepStrictEqual(texts, ["a"])
      assert.isTrue(Exit.isFailure(exit))

      const early = yield* streamOf([recovering], () => Effect.fail(overloaded))
      assert.deepStrictEqual((yield* read(early.stream({}))).texts, ["instead"])
    }))

  it.effect("does not keep the backend at work when nobody reads on", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const told = yield* Deferred.make<void>()
      const model = yield* streamOf(
        [Hook.make({
          onPart: (part) => Effect.succeed(part),
          postInvocation: () => Deferred.succeed(told, undefined)
        })],
        (emit) =>
          Effect.andThen(emit([start, delta("a")]), Effect.never).pipe(
            Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
          )
      )
      const { texts } = yield* read(Stream.take(model.stream({}), 2))
      assert.deepStrictEqual(texts, ["a"])
      yield* Deferred.await(interrupted)
      yield* Deferred.await(told)
    }))

  it.effect("does not let the backend run ahead of who reads", () =>
    Effect.gen(function*() {
      let emitted = 0
      const taken = yield* Queue.unbounded<Calling.StreamPart>()
      const go = yield* Latch.make()
      const model = yield* streamOf(
        [Hook.make({ onPart: (part) => Effect.succeed(part) })],
        Effect.fnUntraced(function*(emit) {
          for (let i = 0; i < 100; i++) {
            yield* emit([delta(String(i))])
            emitted++
          }
          return ""
        })
      )
      const reader = yield* Effect.forkChild(
        Stream.runForEach(model.stream({}), (part) => Effect.andThen(Queue.offer(taken, part), go.await))
      )
      yield* Queue.take(taken)
      yield* TestClock.adjust("1 minute")
      assert.isAtMost(emitted, 3)
      yield* go.open
      yield* Fiber.join(reader)
      assert.strictEqual(emitted, 100)
    }))
})

// -----------------------------------------------------------------------------
// Events
// -----------------------------------------------------------------------------

describe("events", () => {
  it.effect("tell what hooks did", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([
        Hook.make({ name: "a", preEventCreate: (args) => Effect.succeed(args), preInvocation: () => Effect.void }),
        Hook.make({ name: "b", onError: () => Effect.succeed(Calling.makeResponse({ data: "" })) }),
        Hook.make({ name: "c", preInvocation: ({ payload }) => payload["n"] === 1 ? Effect.fail("no") : Effect.void }),
        Hook.make({ name: "d", timeout: 10, postInvocation: () => Effect.never })
      ])
      const events = yield* eventsOf(model)
      yield* Effect.forkChild(Effect.forEach([0, 1], (n) => model.invoke({ n })))
      yield* TestClock.adjust(10)
      assert.deepStrictEqual(events, [
        "a preEventCreate changed",
        "a preInvocation passed",
        "c preInvocation passed",
        "d postInvocation timed-out",
        "a preEventCreate changed",
        "a preInvocation passed",
        "c preInvocation rejected",
        "b onError recovered"
      ])
    }))

  it.effect("nobody waits for who does not take them: the oldest are dropped, and counted", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([Hook.make({ preInvocation: () => Effect.void })])
      const go = yield* Latch.make()
      const seen: Array<Hook.Event> = []
      const final = yield* model.createCalling({})
      const reader = yield* Effect.forkChild(
        model.events.pipe(
          Stream.takeUntil(({ callingId }) => callingId === final.id),
          Stream.runForEach((event) => Effect.andThen(go.await, Effect.sync(() => seen.push(event))))
        ),
        { startImmediately: true }
      )
      yield* Effect.forEach(Array.from({ length: 2_999 }), () => model.invoke({}))
      yield* model.invoke(final)
      yield* go.open
      yield* Fiber.join(reader)
      const last = seen.at(-1)
      assert.isAbove(last?.dropped ?? 0, 0)
      assert.strictEqual(seen.length + (last?.dropped ?? 0), 3_000)
    }))

  it.effect("end with the model", () =>
    Effect.gen(function*() {
      const reader = yield* Effect.scoped(Effect.gen(function*() {
        const model = yield* modelOf([Hook.identity])
        return yield* Effect.forkDetach(Stream.runDrain(model.events), { startImmediately: true })
      }))
      yield* Fiber.await(reader)
    }))
})

// -----------------------------------------------------------------------------
// Laws
// -----------------------------------------------------------------------------

const behaviours = [
  "change",
  "deny",
  "fail",
  "recover",
  "convert",
  "time out",
  "answer",
  "retry",
  "exit",
  "watch"
] as const

type Behaviour = (typeof behaviours)[number]

type Any = Hook.Hook<Cause.IllegalArgumentError, never, string>

/** A hook that does one thing, and notes what it sees. */
const hookOf = (behaviour: Behaviour, i: number, note: (what: string) => void): Any => {
  const seen = (what: string) => Effect.sync(() => note(`${i} ${what}`))
  const answer = Calling.makeResponse({ data: `by ${i}` })
  switch (behaviour) {
    case "change":
      return Hook.make({ preEventCreate: (args) => Effect.as(seen("create"), { n: Number(args["n"]) * 3 + i }) })
    case "deny":
      return Hook.make({ preInvocation: () => Effect.andThen(seen("deny"), Effect.fail(`no ${i}`)) })
    case "fail":
      return Hook.middleware((next) => () =>
        Effect.andThen(next, Effect.andThen(seen("fail"), Effect.fail(`bad ${i}`)))
      )
    case "recover":
      return Hook.make({ onError: () => Effect.as(seen("recover"), answer) })
    case "convert":
      return Hook.make({
        onError: (_calling, { _tag }) =>
          Effect.andThen(seen(_tag), Effect.fail(new AiError.UnknownError({ description: String(i) })))
      })
    case "time out":
      return Hook.make({ preInvocation: () => Effect.andThen(seen("wait"), Effect.never), timeout: 100 + i })
    case "answer":
      return Hook.middleware<never, never, string>(() => () => Effect.as(seen("answer"), answer))
    case "retry":
      return Hook.middleware((next) => () => Effect.retry(Effect.andThen(seen("try"), next), { times: 1 }))
    case "exit":
      return Hook.make({ exit: true, postInvocation: () => Effect.andThen(seen("exit"), Effect.fail(`late ${i}`)) })
    case "watch":
      return Hook.make({
        preInvocation: () => seen("before"),
        postInvocation: (_calling, exit) => seen(`after ${exit._tag}`)
      })
  }
}

/** All that can be seen of a call. */
const observe = Effect.fnUntraced(function*(
  group: (hooks: ReadonlyArray<Any>) => Any,
  kinds: ReadonlyArray<Behaviour>,
  succeeds: boolean
) {
  const notes: Array<string> = []
  const hook = group(kinds.map((kind, i) => hookOf(kind, i, (what) => notes.push(what))))
  const model = yield* modelOf(
    [hook],
    (n) =>
      Effect.andThen(
        Effect.sync(() => notes.push(`asked ${n}`)),
        succeeds ? Effect.succeed("") : Effect.fail(overloaded)
      )
  )
  const calling = yield* model.createCalling({ n: 1 })
  const fiber = yield* Effect.forkChild(Effect.exit(model.invoke(calling)))
  while (!isSettled(fiber)) yield* TestClock.adjust(50)
  const exit = yield* Fiber.join(fiber)
  const { execution } = calling
  return {
    notes,
    status: execution.status,
    outcome: Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n")[0]?.replaceAll(calling.id, "") : undefined,
    answer: "response" in execution ? execution.response.data : undefined,
    error: execution.status === "failed" ? execution.error.message : undefined
  }
})

describe("Hook.all", () => {
  const kind = Schema.Literals(behaviours)

  it.effect.prop(
    "is associative, and identity is its unit",
    [kind, kind, kind, Schema.Boolean],
    ([a, b, c, succeeds]) =>
      Effect.scoped(Effect.gen(function*() {
        const kinds = [a, b, c]
        const flat = yield* observe((hooks) => Hook.all(hooks), kinds, succeeds)
        const groups = [
          ([x, ...rest]: ReadonlyArray<Any>) => Hook.all([...(x ? [x] : []), Hook.all(rest)]),
          (hooks: ReadonlyArray<Any>) => Hook.all([Hook.all(hooks.slice(0, 2)), ...hooks.slice(2)]),
          (hooks: ReadonlyArray<Any>) => Hook.all([Hook.identity, ...hooks.flatMap((hook) => [hook, Hook.identity])])
        ]
        for (const group of groups) assert.deepStrictEqual(yield* observe(group, kinds, succeeds), flat)
      }))
  )
})
