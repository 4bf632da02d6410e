/** Hooks that throw, die, or return what their types do not allow: typed failures of the hook, and paid answers are kept. */
// @effect-diagnostics missingEffectError:off anyUnknownInErrorContext:off
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Logger, Schema, Stream } from "effect"
import { AiError, Response } from "effect/ai"
import { BackendError, Calling, type Errors, Hook, iModel, PermissionDenied, ServiceBackend } from "effect-imodel"

const overloaded = new AiError.InternalProviderError({ description: "overloaded" })

const bug = (): never => {
  throw new Error("bug")
}

const dies = () => Effect.die(new Error("bug"))

/** A value where the types demand another, as it comes from JavaScript. */
const foreign = <A>(value: unknown): A =>
  // @ts-expect-error the types do not allow it
  value

const usage = { inputTokens: { total: 3 }, outputTokens: { total: 2 } }

const modelOf = Effect.fnUntraced(function*(
  hooks: ReadonlyArray<Hook.Hook<Errors.BackendErrorReason | unknown, never, unknown>>,
  call: () => Effect.Effect<string, Errors.BackendErrorReason> = () => Effect.succeed("paid")
) {
  let asked = 0
  const backend = yield* ServiceBackend.make({
    provider: "local",
    name: "local",
    request: Schema.Struct({}),
    call: () =>
      Effect.suspend(() => {
        asked++
        return call()
      }),
    stream: (_payload, emit) =>
      Effect.suspend(() => {
        asked++
        return Effect.as(
          emit([
            Response.makePart("text-start", { id: "0" }),
            Response.makePart("text-delta", { id: "0", delta: "paid" }),
            Response.makePart("text-end", { id: "0" }),
            Response.makePart("finish", { reason: "stop", usage, response: undefined })
          ]),
          "paid"
        )
      })
  })
  return { model: yield* iModel.make(backend, { hooks, concurrency: 1 }), asked: () => asked }
})

const rejectedIn = (error: unknown): string =>
  error instanceof PermissionDenied && error.reason._tag === "HookRejected"
    ? `${error.reason.phase}: ${error.message}`
    : assert.fail(`not rejected by a hook: ${String(error)}`)

const textOf = Effect.fnUntraced(function*<E>(stream: Stream.Stream<Calling.StreamPart, E>) {
  const parts = yield* Stream.runCollect(stream)
  return parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []).join("")
})

const silently = Effect.provide(Logger.layer([]))

describe("a hook that fails before the backend is asked rejects the call", () => {
  const before: ReadonlyArray<readonly [string, Hook.Options<unknown>, RegExp]> = [
    ["preEventCreate throws", { preEventCreate: bug }, /^preEventCreate: .*bug/],
    ["preEventCreate dies", { preEventCreate: dies }, /^preEventCreate: .*bug/],
    ["preEventCreate returns null", { preEventCreate: () => foreign(null) }, /must return an Effect, got null/],
    ["preEventCreate answers null", { preEventCreate: () => Effect.succeed(foreign(null)) }, /arguments or nothing/],
    ["preEventCreate answers a text", { preEventCreate: () => Effect.succeed(foreign("x")) }, /arguments or nothing/],
    ["preInvocation throws", { preInvocation: bug }, /^preInvocation: .*bug/],
    ["preInvocation dies", { preInvocation: dies }, /^preInvocation: .*bug/],
    ["preInvocation returns a promise", { preInvocation: () => foreign(Promise.resolve()) }, /must return an Effect/]
  ]
  it.effect.each(before)("%s", ([, options, message]) =>
    Effect.gen(function*() {
      const { asked, model } = yield* modelOf([Hook.make(options)])
      assert.match(rejectedIn(yield* Effect.flip(model.invoke({}))), message)
      assert.match(rejectedIn(yield* Effect.flip(textOf(model.stream({})))), message)
      assert.strictEqual(asked(), 0)
    }))

  const middleware: ReadonlyArray<readonly [string, () => Hook.Hook<never, never, unknown>]> = [
    ["middleware throws", () => Hook.middleware(bug)],
    ["middleware throws when it sees the calling", () => Hook.middleware(() => bug)],
    ["middleware dies", () => Hook.middleware(() => dies)],
    ["middleware returns no Effect", () => Hook.middleware(() => () => foreign(42))],
    ["middleware answers with no response", () => Hook.middleware(() => () => Effect.succeed(foreign("text")))],
    [
      "middleware answers with half a response",
      () => Hook.middleware(() => () => Effect.succeed({ ...Calling.makeResponse({ data: 1 }), usage: foreign(null) }))
    ]
  ]
  it.effect.each(middleware)("%s", ([, hook]) =>
    Effect.gen(function*() {
      const { asked, model } = yield* modelOf([hook()])
      assert.match(rejectedIn(yield* Effect.flip(model.invoke({}))), /^middleware/)
      assert.strictEqual(asked(), 0)
    }))
})

describe("a hook that fails after the backend has answered costs no answer", () => {
  const after: ReadonlyArray<readonly [string, () => Hook.Hook<unknown, never, unknown>]> = [
    ["postInvocation throws", () => Hook.make({ postInvocation: bug })],
    ["postInvocation dies", () => Hook.make({ postInvocation: dies })],
    ["postInvocation returns nothing", () => Hook.make({ postInvocation: () => foreign(undefined) })],
    ["onPart throws", () => Hook.make({ onPart: bug })],
    ["onPart dies", () => Hook.make({ onPart: dies })],
    ["onPart answers null", () => Hook.make({ onPart: () => Effect.succeed(foreign(null)) })],
    ["onPart answers a text", () => Hook.make({ onPart: () => Effect.succeed(foreign("x")) })],
    ["onPart answers parts of no kind", () => Hook.make({ onPart: () => Effect.succeed(foreign([{ type: "x" }])) })],
    [
      "onPart answers a delta that is no text",
      () => Hook.make({ onPart: Hook.partsOf("text-delta", (part) => Effect.succeed({ ...part, delta: foreign(7) })) })
    ],
    ["middleware dies later", () => Hook.middleware((next) => () => Effect.andThen(next, dies))],
    ["middleware drops the answer", () => Hook.middleware((next) => () => Effect.as(next, foreign(null)))]
  ]
  it.effect.each(after)("%s", ([, hook]) =>
    Effect.gen(function*() {
      const { asked, model } = yield* modelOf([hook()])
      assert.strictEqual((yield* model.respond({})).text, "paid")
      assert.strictEqual(yield* textOf(model.stream({})), "paid")
      assert.strictEqual(asked(), 2)
    }).pipe(silently))

  it.effect("and with exit fails the call that it was to judge", () =>
    Effect.gen(function*() {
      const { model } = yield* modelOf([Hook.make({ exit: true, postInvocation: bug })])
      assert.match(rejectedIn(yield* Effect.flip(model.invoke({}))), /^postInvocation: .*bug/)
      const strict = yield* modelOf([Hook.make({ exit: true, onPart: () => Effect.succeed(foreign(null)) })])
      assert.match(rejectedIn(yield* Effect.flip(textOf(strict.model.stream({})))), /^onPart: .*got null/)
    }))

  it.effect("and is published as failed", () =>
    Effect.gen(function*() {
      const { model } = yield* modelOf([
        Hook.middleware((next) => () => Effect.andThen(next, Effect.die("bug")), { name: "m" }),
        Hook.make({ name: "p", postInvocation: bug })
      ])
      const events: Array<unknown> = []
      yield* Effect.forkChild(
        Stream.runForEach(model.events, ({ error, hook, outcome }) =>
          Effect.sync(() => events.push([hook, outcome, error]))),
        { startImmediately: true }
      )
      yield* model.respond({})
      yield* Effect.yieldNow
      assert.deepInclude(events, ["m", "failed", "bug"])
      assert.strictEqual(events.length, 2)
    }).pipe(silently))
})

describe("onError that fails keeps the error", () => {
  const recovering: ReadonlyArray<readonly [string, Hook.Options<unknown>]> = [
    ["throws", { onError: bug }],
    ["dies", { onError: dies }],
    ["returns nothing", { onError: () => foreign(undefined) }],
    ["answers null", { onError: () => Effect.succeed(foreign(null)) }],
    ["answers a text", { onError: () => Effect.succeed(foreign("sorry")) }],
    ["fails with a text", { onError: () => Effect.fail(foreign("no")) }],
    ["fails with a reason without fields", { onError: () => Effect.fail(foreign({ _tag: "RateLimitError" })) }]
  ]
  it.effect.each(recovering)("%s", ([, options]) =>
    Effect.gen(function*() {
      const { model } = yield* modelOf([Hook.make(options)], () => Effect.fail(overloaded))
      const error = yield* Effect.flip(model.respond({}))
      assert.isTrue(error instanceof BackendError && error.reason._tag === "InternalProviderError")
    }).pipe(silently))
})

describe("middleware that asks twice", () => {
  const twice = {
    "one after the other": Hook.middleware((next) => () => Effect.andThen(next, next)),
    "at once": Hook.middleware((next) => () => Effect.map(Effect.all([next, next], { concurrency: 2 }), ([a]) => a)),
    "in a race": Hook.middleware((next) => () => Effect.raceFirst(next, next))
  }
  it.effect.each(Object.entries(twice))(
    "%s does not double the parts of a stream",
    ([, hook]) =>
      Effect.gen(function*() {
        const { model } = yield* modelOf([hook])
        assert.strictEqual(yield* textOf(model.stream({})), "paid")
        const marked = yield* modelOf([Hook.make({ onPart: (part) => Effect.succeed([part]) }), hook])
        assert.strictEqual(yield* textOf(marked.model.stream({})), "paid")
      })
  )

  it.effect("streams the second answer when the first failed before its first part", () =>
    Effect.gen(function*() {
      let calls = 0
      const flaky = Hook.middleware((next) => () =>
        Effect.andThen(Effect.suspend(() => calls++ === 0 ? Effect.fail(overloaded) : Effect.void), next)
      )
      const { model } = yield* modelOf([Hook.middleware((next) => () => Effect.retry(next, { times: 1 })), flaky])
      assert.strictEqual(yield* textOf(model.stream({})), "paid")
    }))
})

it.effect("a defect of the backend is not blamed on the middleware around it", () =>
  Effect.gen(function*() {
    const { model } = yield* modelOf([Hook.middleware((next) => () => Effect.map(next, (answer) => answer))], dies)
    const exit = yield* Effect.exit(model.respond({}))
    const error = Exit.isFailure(exit) ? Exit.findErrorOption(exit) : undefined
    assert.isFalse(error?._tag === "Some" && error.value instanceof PermissionDenied)
  }))
