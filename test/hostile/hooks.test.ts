/**
 * Hooks and backends that fail in every way. Every calling settles, with no defect; its place and its tokens are given back; what
 * `Hook.redact` redacts is nowhere.
 */
// @effect-diagnostics missingEffectError:off anyUnknownInErrorContext:off
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Layer, Logger, References, Schema, Stream, Tracer } from "effect"
import { AiError, Prompt, Response } from "effect/ai"
import { Persistence } from "effect/persistence"
import { TestClock } from "effect/testing"
import { Calling, Errors, Hook, iModel, ServiceBackend } from "effect-imodel"
import { inspect } from "node:util"
import { type Draw, fuzz, hostile, testTimeout } from "../support/fuzz.ts"

const canary = "canary-4711"

const foreign = <A>(value: unknown): A =>
  // @ts-expect-error a program without types can pass anything
  value

/** What user code does in place of what it should. */
const bug = <A>(draw: Draw, fine: () => A, echo: string): Effect.Effect<A> => {
  const value = hostile(draw)
  switch (draw.int(8)) {
    case 0:
      throw foreign(value)
    case 1:
      return foreign(value)
    case 2:
      return Effect.succeed(foreign<A>(value))
    case 3:
      return foreign(Effect.fail(draw.bool() ? value : echo))
    case 4:
      return Effect.die(draw.bool() ? value : new Error(echo))
    case 5:
      return Effect.delay(Effect.sync(fine), draw.int(60_000))
    case 6:
      return Effect.andThen(Effect.sleep(draw.int(1_000)), foreign(Effect.fail(value)))
    default:
      return Effect.sync(fine)
  }
}

const shown = (value: unknown): string => inspect(value, { depth: 12, showHidden: true, getters: false })

const failures = (echo: string): readonly [Errors.BackendErrorReason, ...ReadonlyArray<Errors.BackendErrorReason>] => [
  new AiError.InternalProviderError({ description: echo }),
  new AiError.InvalidOutputError({ description: echo, metadata: { imodel: { text: echo } } }),
  new AiError.RateLimitError({}),
  new Errors.StreamInterrupted({ description: echo, text: echo }),
  new Errors.ToolFailure({ tool: "t", description: echo, cause: new Error(echo) })
]

const usage = { inputTokens: { total: 1 }, outputTokens: { total: 1 } }

const parts = (text: string): ReadonlyArray<Calling.StreamPart> => [
  Response.makePart("text-start", { id: "0" }),
  ...Array.from(text, (delta) => Response.makePart("text-delta", { id: "0", delta })),
  Response.makePart("text-end", { id: "0" }),
  Response.makePart("tool-call", { id: "1", name: "t", params: { [text]: [text] }, providerExecuted: false }),
  Response.makePart("finish", { reason: "stop", usage, response: undefined })
]

const hookOf = (draw: Draw): Hook.Hook<unknown, never, unknown> => {
  const answer = () => Calling.makeResponse({ data: "by a hook" })
  const options = { name: `hook ${draw.int(100)}`, exit: draw.bool(), ...(draw.bool() && { timeout: 1_000 }) }
  switch (draw.int(7)) {
    case 0:
      return Hook.make({ ...options, preEventCreate: (args) => bug(draw, () => args, shown(args)) })
    case 1:
      return Hook.make({ ...options, preInvocation: (calling) => bug(draw, () => 1, shown(calling.payload)) })
    case 2:
      return Hook.make({ ...options, postInvocation: (calling, exit) => bug(draw, () => 1, shown([calling, exit])) })
    case 3:
      return Hook.make({ ...options, onError: (calling, error) => bug(draw, answer, shown([calling, error])) })
    case 4:
      return Hook.make({
        ...options,
        onPart: (part) =>
          bug(
            draw,
            () => draw.one<Calling.StreamPart | ReadonlyArray<Calling.StreamPart>>([part, [], [part, part]]),
            shown(part)
          )
      })
    case 5:
      return Hook.middleware<unknown, never, unknown>((next) => (calling) =>
        draw.bool() ? Effect.andThen(next, bug(draw, answer, shown(calling))) : bug(draw, answer, shown(calling))
      )
    default:
      return Hook.middleware((next) => () =>
        draw.bool()
          ? Effect.map(Effect.all([next, next], { concurrency: 2 }), ([one]) => one)
          : Effect.retry(next, { times: 1 })
      )
  }
}

const builtIn = (draw: Draw): ReadonlyArray<Hook.Hook<unknown, Persistence.Persistence, unknown>> => [
  ...(draw.bool() ? [Hook.logging()] : []),
  ...(draw.bool() ? [Hook.metrics()] : []),
  ...(draw.bool() ? [Hook.budget({ tokens: 1e6, per: "1 day" })] : [])
]

const modelOf = Effect.fnUntraced(function*(draw: Draw) {
  const echo = `it is ${canary}`
  const answers = <A>(fine: () => Effect.Effect<A, Errors.BackendErrorReason>) =>
    Effect.suspend(() => draw.int(3) === 0 ? Effect.fail(draw.one(failures(echo))) : fine())
  const backend = yield* ServiceBackend.make({
    provider: "local",
    name: "local",
    request: Schema.Struct({ prompt: Schema.Unknown, extra: Schema.optional(Schema.Unknown) }),
    operation: { name: "chat" },
    retry: { times: draw.int(3), while: () => true },
    call: () =>
      answers(() =>
        Effect.delay(
          Effect.succeed(
            Calling.makeResponse<unknown>({
              data: draw.bool() ? echo : hostile(draw),
              text: echo,
              value: { [echo]: echo },
              usage
            })
          ),
          draw.int(1_000)
        )
      ),
    stream: (_payload, emit) =>
      Effect.andThen(
        emit(parts(echo).slice(0, draw.int(30))),
        answers(() => Effect.as(emit(parts(echo)), echo))
      )
  })
  const mine = [...draw.some(3, () => hookOf(draw)), ...builtIn(draw)].toSorted(() => draw.next() - 0.5)
  return yield* iModel.make(backend, {
    hooks: [Hook.redact(/canary-\d+/), ...mine],
    limitTokens: 1_000_000,
    concurrency: 2,
    timeout: "1 hour"
  })
})

/** Everything that a program can see: answers, errors, events, logs and spans. */
const watching = <A, E, R>(program: Effect.Effect<A, E, R>, seen: Array<unknown>) => {
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      seen.push(span)
      return span
    }
  })
  const logger = Logger.make(({ cause, message }) => {
    seen.push(message, cause)
  })
  return program.pipe(
    Effect.provideService(Tracer.Tracer, tracer),
    Effect.provide(Layer.merge(Logger.layer([logger]), Persistence.layerMemory)),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provideService(iModel.CaptureContent, true)
  )
}

const run = Effect.fnUntraced(function*(draw: Draw) {
  const seen: Array<unknown> = []
  const program = Effect.gen(function*() {
    const model = yield* modelOf(draw)
    yield* Effect.forkChild(
      Stream.runForEach(model.events, (event) => Effect.sync(() => seen.push(event))),
      { startImmediately: true }
    )
    const ask = (): Effect.Effect<Exit.Exit<unknown, unknown>> => {
      const args = {
        prompt: draw.bool() ? `say ${canary}` : Prompt.make(`say ${canary}`),
        ...(draw.bool() && { extra: draw.bool() ? [canary] : hostile(draw) })
      }
      return draw.bool()
        ? Effect.exit(Stream.runCollect(model.stream(args)))
        : Effect.exit(Effect.flatMap(model.invoke(args), (calling) => {
          seen.push(calling.attempts, calling.execution)
          return calling.response
        }))
    }
    const fiber = yield* Effect.forkChild(Effect.forEach([1, 2, 3, 4], ask, { concurrency: 4 }))
    for (let i = 0; i < 200 && fiber.pollUnsafe() === undefined; i++) yield* TestClock.adjust("1 minute")
    assert.isDefined(fiber.pollUnsafe(), "a call did not settle")
    const exits = yield* Fiber.join(fiber)
    seen.push(...exits)
    for (const exit of exits) {
      assert.isFalse(
        Exit.isFailure(exit) && Cause.hasDies(exit.cause),
        Exit.isFailure(exit) ? Cause.pretty(exit.cause) : ""
      )
    }
    const { counts, limits } = yield* model.executor?.snapshot ?? Effect.die("no executor")
    assert.include(counts, { pending: 0, processing: 0 })
    yield* TestClock.adjust("1 hour")
    assert.isAtMost(limits.tokens?.available ?? 0, 1_000_000)
  })
  yield* watching(Effect.scoped(program), seen)
  for (const thing of seen) assert.notInclude(shown(thing), canary)
})

describe("hooks that fail in every way", () => {
  it.effect("settle their calls, and leak nothing", () => fuzz(150, run), testTimeout)
})
