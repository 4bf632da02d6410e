/** A model for a program that is not written in Effect. Its promises run on the real clock. */
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Cause, Effect, Layer, Redacted, Schema } from "effect"
import { Response } from "effect/ai"
import {
  BackendError,
  type Calling,
  iModel,
  OpenAi,
  PermissionDenied,
  ServiceBackend,
  Simulator,
  TimeoutError
} from "effect-imodel"

const answering = (handler: (calling: Calling.Calling) => Effect.Effect<unknown>, options?: iModel.Options) =>
  iModel.toPromise(iModel.layer(options).pipe(Layer.provide(ServiceBackend.layerMock(handler))))

const simulated = (options: Simulator.Options) =>
  iModel.toPromise(
    iModel.layer({ concurrency: 2 }).pipe(
      Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("any"), retry: { times: 0 } })),
      Layer.provide(Simulator.layerHttpClient({ latency: 0, chunkInterval: 0, ...options }))
    )
  )

const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

const gate = () => {
  let resolve = () => {}
  const promise = new Promise<void>((open) => {
    resolve = open
  })
  return { promise, resolve }
}

/** What a promise is rejected with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(() => assert.fail("was not rejected"), (error: unknown) => error)

/** A backend that never answers, and says when it is asked and when it is let go. */
const never = () => {
  const asked = gate()
  const left = gate()
  const handler = () =>
    Effect.onInterrupt(
      Effect.andThen(Effect.sync(asked.resolve), Effect.never),
      () => Effect.sync(left.resolve)
    )
  return { handler, asked: asked.promise, left: left.promise }
}

describe("a model in promises", () => {
  it("answers", async () => {
    await using model = answering(() => Effect.succeed("blue"))
    const response = await model.respond({ prompt: "Name a colour." })
    assert.strictEqual(response.text, "blue")
    const calling = await model.invoke({ prompt: "Name a colour." }, { metadata: { line: 1 } })
    expectTypeOf(calling).toEqualTypeOf<Calling.Calling>()
    assert.strictEqual(calling.execution.status, "completed")
    assert.deepStrictEqual(calling.metadata, { line: 1 })
  })

  it("is one model, under one limit", async () => {
    let running = 0
    let most = 0
    await using model = answering(
      () =>
        Effect.gen(function*() {
          most = Math.max(most, ++running)
          yield* Effect.yieldNow
          running--
        }),
      { concurrency: 2 }
    )
    await Promise.all(Array.from({ length: 10 }, () => model.invoke({ prompt: "Hello" })))
    assert.strictEqual(most, 2)
  })

  it("is rejected with the errors of the library", async () => {
    await using failing = simulated({ faults: () => Simulator.Fault.ServerError() })
    const failed = await rejection(failing.respond({ prompt: "Hello" }))
    assert.instanceOf(failed, BackendError)
    assert.strictEqual(failed.reason._tag, "InternalProviderError")
    assert.strictEqual((await failing.invoke({ prompt: "Hello" })).execution.status, "failed")

    await using small = answering(() => Effect.succeed("blue"), { limitTokens: 1, cost: () => 2 })
    assert.instanceOf(await rejection(small.invoke({ prompt: "Hello" })), PermissionDenied)

    await using slow = answering(() => Effect.never)
    assert.instanceOf(await rejection(slow.invoke({ prompt: "Hello" }, { timeout: 1 })), TimeoutError)
  })

  it("is rejected with why it could not be made", async () => {
    await using model = answering(() => Effect.succeed("blue"), { limitRequests: -1 })
    assert.instanceOf(await rejection(model.respond({ prompt: "Hello" })), Cause.IllegalArgumentError)
    assert.instanceOf(await rejection(collect(model.stream({ prompt: "Hello" }))), Cause.IllegalArgumentError)
  })

  it("streams, each loop a call of its own", async () => {
    await using model = simulated({ answer: () => "one two three" })
    const stream = model.stream({ prompt: "Count" })
    for (const parts of [await collect(stream), await collect(stream)]) {
      assert.strictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : "").join(""), "one two three")
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }
  })

  it("streams until it breaks off", async () => {
    await using model = simulated({ faults: () => Simulator.Fault.Cut({ after: 2 }) })
    let said = ""
    try {
      for await (const part of model.stream({ prompt: "Count" })) if (part.type === "text-delta") said += part.delta
      assert.fail("did not break off")
    } catch (error) {
      assert(error instanceof BackendError && error.reason._tag === "StreamInterrupted")
      assert.strictEqual(error.reason.text, said)
    }
  })
})

describe("an abort", () => {
  it("ends a call that runs, and rejects with its reason", async () => {
    const { asked, handler, left } = never()
    await using model = answering(handler)
    const controller = new AbortController()
    const rejected = rejection(model.invoke({ prompt: "Hello" }, { signal: controller.signal }))
    await asked
    const reason = new Error("changed my mind")
    controller.abort(reason)
    assert.strictEqual(await rejected, reason)
    await left
  })

  it("before a call begins lets it not begin", async () => {
    let calls = 0
    await using model = answering(() => Effect.sync(() => ++calls))
    const error = await rejection(model.respond({ prompt: "Hello" }, { signal: AbortSignal.abort() }))
    assert.propertyVal(error, "name", "AbortError")
    assert.propertyVal(
      await rejection(collect(model.stream({ prompt: "Hello" }, { signal: AbortSignal.abort() }))),
      "name",
      "AbortError"
    )
    assert.strictEqual(calls, 0)
  })

  it("does not wait for a model that is being made, which goes on being made for others", async () => {
    const { promise, resolve } = gate()
    const mock = iModel.layer().pipe(Layer.provide(ServiceBackend.layerMock(() => Effect.succeed("blue"))))
    await using model = iModel.toPromise(Layer.unwrap(Effect.as(Effect.promise(() => promise), mock)))
    const controller = new AbortController()
    const other = model.respond({ prompt: "Hello" })
    const rejected = rejection(model.respond({ prompt: "Hello" }, { signal: controller.signal }))
    controller.abort("enough")
    assert.strictEqual(await rejected, "enough")
    resolve()
    assert.strictEqual((await other).text, "blue")
  })

  it("ends a stream, which throws its reason", async () => {
    const { asked, handler, left } = never()
    await using model = answering(handler)
    const controller = new AbortController()
    const rejected = rejection(collect(model.stream({ prompt: "Hello" }, { signal: controller.signal })))
    await asked
    controller.abort("enough")
    assert.strictEqual(await rejected, "enough")
    await left
  })

  it("leaves no listener behind", async () => {
    await using model = answering(() => Effect.succeed("blue"))
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--
      removeEventListener.apply(signal, args)
    }
    await model.respond({ prompt: "Hello" }, { signal })
    await collect(model.stream({ prompt: "Hello" }, { signal }))
    assert.strictEqual(listeners, 0)
  })
})

describe("disposing", () => {
  it("ends what runs", async () => {
    const { asked, handler, left } = never()
    const model = answering(handler, { concurrency: 1 })
    const rejected = rejection(model.invoke({ prompt: "Hello" }))
    await asked
    await model.dispose()
    await left
    assert.instanceOf(await rejected, Error)
  })

  it("ends a stream", async () => {
    const { asked, handler, left } = never()
    const model = answering(handler, { concurrency: 1 })
    const rejected = rejection(collect(model.stream({ prompt: "Hello" })))
    await asked
    await model.dispose()
    await left
    assert.instanceOf(await rejected, PermissionDenied)
  })

  it("is for good", async () => {
    const model = answering(() => Effect.succeed("blue"))
    await model.respond({ prompt: "Hello" })
    await model.dispose()
    await model.dispose()
    for (const late of [model.respond({ prompt: "Hello" }), collect(model.stream({ prompt: "Hello" }))]) {
      const error = await rejection(late)
      assert.match(error instanceof Error ? error.message : "", /disposed/)
    }
  })

  it("is not needed for a loop that is left: it ends its call", async () => {
    const { promise: left, resolve } = gate()
    await using model = iModel.toPromise(
      iModel.layer().pipe(Layer.provide(ServiceBackend.layer(ServiceBackend.make({
        provider: "local",
        name: "endless",
        request: Schema.Record(Schema.String, Schema.Unknown),
        call: () => Effect.never,
        stream: (_payload, emit) =>
          Effect.forever(emit([Response.makePart("text-delta", { id: "0", delta: "la" })])).pipe(
            Effect.onInterrupt(() => Effect.sync(resolve))
          )
      }))))
    )
    for await (const part of model.stream({ prompt: "Sing" })) {
      assert.strictEqual(part.type, "text-delta")
      break
    }
    await left
  })
})

describe("a model with a tag of its own", () => {
  class Length extends iModel.Service<Length>()("test/Length", {
    backend: ServiceBackend.make({
      provider: "test",
      name: "length",
      request: Schema.Struct({ text: Schema.String }),
      call: ({ text }) => Effect.succeed(text.length)
    })
  }) {}

  it("has its types", async () => {
    await using model = iModel.toPromise(Length.layer, Length)
    const { data } = await model.respond({ text: "hello" })
    expectTypeOf(data).toEqualTypeOf<number>()
    assert.strictEqual(data, 5)
  })
})

describe("a value", () => {
  it("is decoded", async () => {
    await using model = answering(() => Effect.succeed(`{"name":"blue"}`))
    const { value } = await model.respondAs(Schema.Struct({ name: Schema.String }), { prompt: "A colour?" })
    assert.strictEqual(value.name, "blue")
  })
})
