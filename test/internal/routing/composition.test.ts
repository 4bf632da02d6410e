/** Models of several, under hooks, and over each other: a calling is what it would be of a plain model. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema, Stream } from "effect"
import { AiError } from "effect/ai"
import { Calling, Hook, iModel, Route, ServiceBackend } from "effect-imodel"

const layers = ["hook", "fallback", "balance", "hedge", "share"] as const

/** What stands over the model, the innermost first. */
const Layers = Schema.Array(Schema.Literals(layers)).check(Schema.isMaxLength(4))

const usage = { inputTokens: { total: 200 }, outputTokens: { total: 38 } }

type Model = iModel.Model<unknown, string>

const plain = Effect.fnUntraced(function*(fails: boolean) {
  const { backend } = yield* ServiceBackend.makeMock(() =>
    fails
      ? Effect.fail(new AiError.InvalidRequestError({ description: "no" }))
      : Effect.succeed(Calling.makeResponse({ data: "blue", text: "blue", usage }))
  )
  return yield* iModel.make(backend)
})

const wrap = Effect.fnUntraced(function*(model: Model, layer: (typeof layers)[number]) {
  switch (layer) {
    case "hook": {
      return yield* iModel.fallback([model], { hooks: [Hook.make({ preInvocation: () => Effect.void })] })
    }
    case "fallback":
      return yield* iModel.fallback([model])
    case "balance":
      return yield* iModel.balance([model])
    case "hedge":
      return yield* iModel.hedge(model)
    case "share":
      return yield* iModel.share(model)
  }
})

const treeOf = Effect.fnUntraced(function*(names: ReadonlyArray<(typeof layers)[number]>, fails: boolean) {
  let model: Model = yield* plain(fails)
  for (const name of names) model = yield* wrap(model, name)
  return model
})

describe("a model over others", () => {
  it.effect.prop(
    "settles a call as a plain model does",
    { names: Layers, fails: Schema.Boolean },
    Effect.fnUntraced(function*({ fails, names }) {
      const model = yield* treeOf(names, fails)
      const calling = yield* model.invoke({ prompt: "A colour?" })
      assert.strictEqual(calling.execution.status, fails ? "failed" : "completed")
      assert.strictEqual(calling.attempts.length, 1)
      const [attempt] = calling.attempts
      assert.strictEqual(attempt?.outcome, fails ? "failed" : "completed")
      if (fails) {
        assert.strictEqual(attempt?.reason?._tag, "InvalidRequestError")
        assert.strictEqual((yield* Effect.flip(calling.response)).reason._tag, "InvalidRequestError")
      } else {
        assert.deepStrictEqual(attempt?.usage, usage)
        assert.deepStrictEqual((yield* calling.response).usage, usage)
      }
    })
  )

  it.effect.prop(
    "streams an answer as a plain model does",
    { names: Layers },
    Effect.fnUntraced(function*({ names }) {
      const model = yield* treeOf(names, false)
      const parts = yield* Stream.runCollect(model.stream({ prompt: "A colour?" }))
      const text = parts.map((part) => part.type === "text-delta" ? part.delta : "").join("")
      assert.strictEqual(text, "blue")
    })
  )

  it.effect.prop(
    "is under a budget as a plain model is",
    { names: Layers },
    Effect.fnUntraced(function*({ names }) {
      const inner = yield* treeOf(names, false)
      const model = yield* iModel.fallback([inner], { hooks: [Hook.budget({ tokens: 300, per: "1 day" })] })
      const outcomes = yield* Effect.forEach([1, 2, 3], (n) => Effect.result(model.invoke({ prompt: `Colour ${n}?` })))
      // The first call leaves room for the estimate of a second one, which overdraws the budget.
      assert.deepStrictEqual(outcomes.map(({ _tag }) => _tag), ["Success", "Success", "Failure"])
    })
  )

  it.effect("skips a call that a hook of the only model has answered", () =>
    Effect.gen(function*() {
      const { backend, mock } = yield* ServiceBackend.makeMock(() => Effect.succeed("asked"))
      const answering = Hook.middleware<never, never, string>(() => () =>
        Effect.succeed(Calling.makeResponse({ data: "known" }))
      )
      const inner = yield* iModel.make(backend, { hooks: [answering] })
      const model = yield* iModel.fallback([inner])
      const calling = yield* model.invoke({ prompt: "A colour?" })
      assert.strictEqual(calling.execution.status, "skipped")
      assert.strictEqual(calling.attempts.length, 0)
      assert.strictEqual((yield* mock.callings).length, 0)
    }))

  it.effect("counts its calls right where it has limits of its own", () =>
    Effect.gen(function*() {
      const inner = yield* plain(false)
      const model = yield* iModel.fallback([inner], { limitRequests: 10 })
      yield* iModel.invokeAllWith(model, [{ prompt: "1" }, { prompt: "2" }])
      const counts = yield* model.executor?.counts ?? Effect.die("no executor")
      assert.include(counts, { pending: 0, processing: 0, completed: 2, skipped: 0 })
    }))

  it.effect("has the hooks of a layer over a backend of several", () => {
    const seen: Array<string> = []
    const watching = Hook.make({
      postInvocation: (calling) =>
        Effect.sync(() => {
          seen.push(`${calling.attempts.length} ${calling.attempts[0]?.usage?.outputTokens.total}`)
        })
    })
    const several = Effect.flatMap(plain(false), (model) => Route.fallback([model]))
    return iModel.respond({ prompt: "A colour?" }).pipe(
      Effect.map(({ text }) => {
        assert.strictEqual(text, "blue")
        assert.deepStrictEqual(seen, ["1 38"])
      }),
      Effect.provide(iModel.layer({ hooks: [watching] }).pipe(Layer.provide(ServiceBackend.layer(several))))
    )
  })
})
