import { assert, describe, it } from "@effect/vitest"
import { Cause, DateTime, Effect, Layer, Logger, Option, References, Schema, Stream, Tracer } from "effect"
import { AiError, Prompt, Response } from "effect/ai"
import { KeyValueStore, Persistence } from "effect/persistence"
import { Calling, Errors, Hook, iModel, ServiceBackend } from "effect-imodel"
import { inspect } from "node:util"

const secret = "s3cret-4711"
const redact = Hook.redact(/s3cret-\d+/)

const Request = Schema.Struct({
  prompt: Schema.optional(Schema.Unknown),
  response_format: Schema.optional(Schema.Unknown),
  extra: Schema.optional(Schema.Unknown)
})

type Answer = Effect.Effect<unknown, Errors.BackendErrorReason>

const modelOf = <H extends Hook.Any>(
  hooks: ReadonlyArray<H>,
  call: (payload: typeof Request.Type) => Answer,
  stream?: (emit: ServiceBackend.Emit) => Answer
) =>
  Effect.flatMap(
    ServiceBackend.make({
      provider: "local",
      name: "local",
      request: Request,
      call,
      operation: { name: "chat" },
      ...(stream && { stream: (_payload, emit) => stream(emit) })
    }),
    (backend) => iModel.make(backend, { hooks })
  )

const shown = (value: unknown): string =>
  [String(value), inspect(value, { depth: 30, showHidden: true }), JSON.stringify(value, bigints)].join("\n")

const bigints = (_key: string, value: unknown) => typeof value === "bigint" ? String(value) : value

class Person extends Schema.Class<Person>("Person")({ name: Schema.String }) {
  get loud(): string {
    return this.name.toUpperCase()
  }
}

const url = Schema.decodeSync(Response.UrlSourcePart)({
  type: "source",
  sourceType: "url",
  id: "s",
  url: `http://localhost/?q=${secret}`,
  title: secret
})

const full = Calling.makeResponse({
  data: { [secret]: [secret], nested: { text: `my ${secret}` } },
  value: { person: new Person({ name: secret }), maybe: Option.some(secret), map: new Map([[secret, secret]]) },
  metadata: { note: secret },
  content: [
    Response.makePart("text", { text: `it is ${secret}`, metadata: { local: { cited: secret } } }),
    Response.makePart("reasoning", { text: secret }),
    Response.toolCallPart({ id: "1", name: "t", params: { [secret]: secret, n: 1 }, providerExecuted: false }),
    url,
    Response.makePart("finish", {
      reason: "stop",
      usage: { inputTokens: { total: 1 }, outputTokens: { total: 2 } },
      response: undefined
    })
  ]
})

const reasons: ReadonlyArray<Errors.BackendErrorReason> = [
  new AiError.InvalidOutputError({ description: secret, metadata: { imodel: { text: secret } } }),
  new AiError.InvalidRequestError({ description: secret }),
  new AiError.InternalProviderError({
    description: secret,
    http: { response: { status: 500, headers: { "x-request-id": secret } }, body: secret }
  }),
  new Errors.StreamInterrupted({ description: secret, text: `it is ${secret}` }),
  new Errors.ToolFailure({ tool: "t", description: secret, cause: new Error(secret) }),
  new Errors.AllFailed({ failures: [{ model: "a", reason: new AiError.ContentPolicyError({ description: secret }) }] })
]

/** Everything that a program can see of its calls. */
const everything = Effect.fnUntraced(function*<A, E, R>(program: Effect.Effect<A, E, R>) {
  const seen: Array<string> = []
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make((options) => {
    seen.push(shown(options.message), Cause.pretty(options.cause), shown(Logger.formatStructured.log(options)))
  })
  const exit = yield* Effect.exit(program).pipe(
    Effect.provideService(Tracer.Tracer, tracer),
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provideService(iModel.CaptureContent, true)
  )
  seen.push(shown(exit))
  for (const span of spans) seen.push(shown([...span.attributes]), shown(span.events), shown(span.status))
  return { all: seen.join("\n"), spans: spans.length }
})

const watching = (seen: Array<unknown>) =>
  Hook.make({
    name: "watching",
    onError: (_calling, error) => Effect.asVoid(Effect.sync(() => seen.push(error))),
    postInvocation: (calling, exit) => Effect.sync(() => seen.push(exit, calling))
  })

describe("what comes back", () => {
  it.effect("is redacted in every field of an answer", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const model = yield* modelOf([watching(seen), redact, Hook.logging(), watching(seen)], () => Effect.succeed(full))
      const { all, spans } = yield* everything(Effect.gen(function*() {
        const calling = yield* model.invoke({ prompt: `say ${secret}` })
        const response = yield* calling.response
        yield* Effect.log(calling, response)
        assert.strictEqual(response.text, "it is [redacted]")
        assert.deepStrictEqual(response.toolCalls, [{
          id: "1",
          name: "t",
          params: { "[redacted]": "[redacted]", n: 1 }
        }])
        assert.strictEqual(response.usage.outputTokens.total, 2)
        const { value } = response
        assert(typeof value === "object" && value !== null && "person" in value && "maybe" in value)
        assert.instanceOf(value.person, Person)
        assert.deepStrictEqual(value.maybe, Option.some("[redacted]"))
        if (value.person instanceof Person) assert.strictEqual(value.person.loud, "[REDACTED]")
        return { calling, response, attempts: calling.attempts }
      }))
      assert.isAbove(spans, 0)
      assert.include(all, "[redacted]")
      assert.notInclude(all, secret)
      assert.notInclude(shown(seen), secret)
    }))

  it.effect("is the same object where there is nothing to redact", () =>
    Effect.gen(function*() {
      const data = { harmless: [1, "two", DateTime.toDateUtc(DateTime.makeUnsafe(0)), new Uint8Array(1)] }
      const model = yield* modelOf([redact], () => Effect.succeed(Calling.makeResponse({ data })))
      assert.strictEqual((yield* model.respond({})).data, data)
    }))

  it.effect("is redacted in the value of respondAs", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([redact], () => Effect.succeed(JSON.stringify({ name: secret })))
      const { text, value } = yield* model.respondAs(Person, {})
      assert.deepStrictEqual([value.name, text], ["[redacted]", `{"name":"[redacted]"}`])
      assert.notInclude(shown(yield* Effect.flip(model.respondAs(Schema.Struct({ name: Schema.Int }), {}))), secret)
    }))

  it.effect.each(reasons)("is redacted in a failure: $_tag", (reason) =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const model = yield* modelOf([redact, Hook.logging(), watching(seen)], () => Effect.fail(reason))
      const { all } = yield* everything(Effect.gen(function*() {
        const calling = yield* model.invoke({})
        const error = yield* Effect.flip(calling.response)
        assert.instanceOf(error, Errors.BackendError)
        assert.strictEqual(error.reason._tag, reason._tag)
        assert.strictEqual(error.isRetryable, reason.isRetryable)
        yield* Effect.logError(error, calling.attempts, calling)
        return yield* error
      }))
      assert.include(all, reason._tag)
      assert.notInclude(all, secret)
      assert.notInclude(shown(seen), secret)
    }))

  it.effect("is redacted in a stream that breaks off", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const model = yield* modelOf([redact, watching(seen)], () => Effect.succeed(""), (emit) =>
        Effect.andThen(
          emit([
            Response.makePart("text-delta", { id: "0", delta: "it is s3cret-" }),
            Response.makePart("text-delta", { id: "0", delta: "4711" })
          ]),
          Effect.fail(new AiError.InternalProviderError({ description: secret }))
        ))
      const { all } = yield* everything(Stream.runForEach(model.stream({}), (part) => Effect.log(part)))
      assert.include(all, "StreamInterrupted")
      assert.notInclude(all, secret)
      assert.notInclude(shown(seen), secret)
    }))

  it.effect("is redacted in every part of a stream, of a text that has no end too", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([redact], () => Effect.succeed(""), (emit) =>
        Effect.as(
          emit([
            Response.makePart("text-delta", { id: "0", delta: "it is s3cret-" }),
            Response.makePart("text-delta", { id: "0", delta: "4711." }),
            ...full.content.flatMap((part) => part.type === "text" || part.type === "reasoning" ? [] : [part])
          ]),
          ""
        ))
      const parts = yield* Stream.runCollect(model.stream({}))
      assert.include(shown(parts), "it is [redacted].")
      assert.notInclude(shown(parts), secret)
    }))

  it.effect("is redacted in what is cached", () =>
    Effect.gen(function*() {
      const stored: Array<string> = []
      const store = yield* KeyValueStore.KeyValueStore
      const spy = KeyValueStore.make({
        ...store,
        set: (key, value) => Effect.andThen(Effect.sync(() => stored.push(String(value))), store.set(key, value))
      })
      const cache = Hook.cache({ timeToLive: "1 hour" })
      const persistence = Persistence.layerKvs.pipe(Layer.provide(Layer.succeed(KeyValueStore.KeyValueStore, spy)))
      for (const hooks of [[cache, redact], [redact, cache]]) {
        const model = yield* Effect.provide(modelOf(hooks, () => Effect.succeed(`it is ${secret}`)), persistence)
        for (const _ of [1, 2]) {
          assert.strictEqual((yield* model.respond({ prompt: secret })).text, "it is [redacted]")
        }
      }
      assert.isAbove(stored.length, 0)
      assert.notInclude(stored.join(), secret)
    }).pipe(Effect.provide(KeyValueStore.layerMemory)))

  it.effect("is redacted when another hook says it", () =>
    Effect.gen(function*() {
      const model = yield* modelOf(
        [
          redact,
          Hook.middleware<never, never, string>(() => () => Effect.succeed(Calling.makeResponse({ data: secret })))
        ],
        () => Effect.succeed("")
      )
      const response = yield* model.respond({})
      assert.deepStrictEqual([response.data, response.text], ["[redacted]", "[redacted]"])
      const failing = yield* modelOf([redact, Hook.make({ preInvocation: () => Effect.fail(secret) })], () =>
        Effect.succeed(""))
      assert.notInclude(shown(yield* Effect.flip(failing.invoke({}))), secret)
    }))

  it.effect("is redacted once, by a replacement that matches too", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([Hook.redact(/card( \d+)?/, "[card]")], () =>
        Effect.succeed("my card 4711"), (emit) =>
        Effect.as(
          emit([
            Response.makePart("text-delta", { id: "0", delta: "my card 4711" }),
            Response.makePart("text-end", { id: "0" })
          ]),
          ""
        ))
      assert.strictEqual((yield* model.respond({})).text, "my [card]")
      const parts = yield* Stream.runCollect(model.stream({}))
      assert.deepStrictEqual(
        parts.flatMap((part) =>
          part.type === "text-delta" ? [part.delta] : []
        ),
        ["my [card]"]
      )
    }))
})

describe("arguments", () => {
  it.effect("are redacted wherever there is a text, and are otherwise what they were", () =>
    Effect.gen(function*() {
      const sent: Array<typeof Request.Type> = []
      const model = yield* modelOf([redact], (payload) => Effect.sync(() => sent.push(payload)))
      const bytes = new Uint8Array([1])
      yield* model.respond({
        prompt: Prompt.make([{ role: "user", content: [{ type: "text", text: secret }] }]),
        extra: { list: [secret], set: new Set([secret]), url: new URL(`http://localhost/${secret}`), bytes }
      })
      assert.isFalse(shown(sent).includes(secret))
      const [{ extra, prompt } = {}] = sent
      assert.isTrue(Prompt.isPrompt(prompt))
      assert.deepStrictEqual(extra, {
        list: ["[redacted]"],
        set: new Set(["[redacted]"]),
        url: new URL("http://localhost/[redacted]"),
        bytes
      })
    }))

  it.effect("with a field __proto__ of their own do not change a prototype", () =>
    Effect.gen(function*() {
      const sent: Array<typeof Request.Type> = []
      const model = yield* modelOf([redact], (payload) => Effect.sync(() => sent.push(payload)))
      const extra: unknown = JSON.parse(`{"__proto__":{"admin":true,"text":"${secret}"},"text":"${secret}"}`)
      yield* model.respond({ extra })
      const [{ extra: received } = {}] = sent
      assert(typeof received === "object" && received !== null)
      assert.strictEqual(Object.getPrototypeOf(received), Object.prototype)
      assert.isFalse("admin" in received)
      assert.deepStrictEqual(Object.keys(received), ["__proto__", "text"])
      assert.notInclude(JSON.stringify(received), secret)
    }))

  it.effect("that are nested too deep are rejected, and say so", () =>
    Effect.gen(function*() {
      const model = yield* modelOf([redact], () => Effect.succeed(""))
      let deep: unknown = secret
      for (let i = 0; i < 50_000; i++) deep = [deep]
      const error = yield* Effect.flip(model.respond({ extra: deep }))
      assert.match(error.message, /nested more than 256 levels deep/)
      const cyclic: Array<unknown> = [secret]
      cyclic.push(cyclic)
      yield* model.respond({ extra: cyclic })
    }))
})

it.effect("an answer that is nested too deep, contains itself or throws is cut there", () =>
  Effect.gen(function*() {
    let deep: unknown = secret
    for (let i = 0; i < 50_000; i++) deep = [deep]
    const cyclic: Array<unknown> = [secret]
    cyclic.push(cyclic)
    const throwing = {
      get text(): string {
        throw new Error("no")
      }
    }
    const model = yield* modelOf([redact], () => Effect.succeed({ deep, cyclic, throwing }))
    const { data } = yield* model.respond({})
    assert(typeof data === "object" && data !== null && "cyclic" in data && "throwing" in data && "deep" in data)
    assert.deepStrictEqual(data.cyclic, ["[redacted]", undefined])
    assert.strictEqual(data.throwing, "[redacted]")
    assert.include(JSON.stringify(data.deep), "[[\"[redacted]\"]]")
  }))
