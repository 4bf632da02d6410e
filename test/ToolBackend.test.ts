import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Context, Data, Deferred, Duration, Effect, Fiber, Latch, Layer, Redacted, Schema } from "effect"
import { Tool, Toolkit } from "effect/ai"
import { TestClock } from "effect/testing"
import { BackendError, Errors, Hook, iModel, OpenAi, Simulator, ToolBackend } from "effect-imodel"
import { mortal } from "./support/mcp.ts"

const Divide = Tool.make("divide", {
  description: "Divides one number by another.",
  parameters: Schema.Struct({
    a: Schema.Finite.annotate({ description: "what is divided" }),
    b: Schema.FiniteFromString,
    rounding: Schema.optionalKey(Schema.Literals(["up", "down"]))
  }),
  success: Schema.Struct({ quotient: Schema.Finite })
})

class Broken extends Schema.TaggedError<Broken>()("Broken", {}) {
  override get message(): string {
    return "the abacus is broken"
  }
}

const reasonOf = (error: unknown) =>
  error instanceof BackendError ? error.reason : assert.fail(`no BackendError: ${error}`)

const failureOf = (error: unknown): Errors.ToolFailure => {
  const reason = reasonOf(error)
  return reason._tag === "ToolFailure" ? reason : assert.fail(`no ToolFailure: ${reason}`)
}

describe("ToolBackend.make", () => {
  const divide = ({ a, b }: { readonly a: number; readonly b: number }) => ({ quotient: a / b })

  it.effect("takes plain, Promise and Effect handlers", () =>
    Effect.gen(function*() {
      for (
        const backend of [
          yield* ToolBackend.make(Divide, divide),
          yield* ToolBackend.make(Divide, (args) => Promise.resolve(divide(args))),
          yield* ToolBackend.make(Divide, (args) => Effect.as(Effect.yieldNow, divide(args)))
        ]
      ) {
        const model = yield* iModel.make(backend)
        const { data, text } = yield* model.respond({ a: 6, b: "3" })
        assert.deepStrictEqual([data, text], [{ quotient: 2 }, "{\"quotient\":2}"])
        assert.strictEqual(model.tool, Divide)
      }
    }))

  it.effect("refuses arguments by name, in words that a model understands", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* ToolBackend.make(Divide, divide), { limitRequests: 10 })
      for (
        const [args, parameter] of [
          [{ a: 1, b: "2", c: 3 }, "c"],
          [{ a: "one", b: "2" }, "a"],
          [{ b: "2" }, "a"],
          [{ a: 1, b: "2", rounding: "sideways" }, "rounding"],
          ["text", undefined]
        ] as const
      ) {
        const calling = yield* model.invokeUnknown(args)
        const reason = reasonOf(yield* Effect.flip(calling.response))
        if (reason._tag !== "InvalidRequestError") return assert.fail(reason._tag)
        assert.strictEqual(reason.parameter, parameter)
        assert.notInclude(reason.message, "undefined")
      }
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), (executor) => executor.snapshot)
      assert.strictEqual(limits.requests?.available, 10)
    }))

  it.effect("a handler that throws, rejects, fails, dies or answers nonsense is a ToolFailure", () =>
    Effect.gen(function*() {
      const thrown = yield* ToolBackend.make(Divide, () => {
        throw new Broken()
      })
      const rejected = yield* ToolBackend.make(Divide, () => Promise.reject(new Broken()))
      const failed = yield* ToolBackend.make(Divide, () => Effect.fail(new Broken()))
      const died = yield* ToolBackend.make(Divide, () => Effect.die(new Broken()))
      for (const backend of [thrown, rejected, failed, died]) {
        const reason = failureOf(yield* Effect.flip((yield* iModel.make(backend)).respond({ a: 1, b: "1" })))
        assert.strictEqual(reason.message, "The tool 'divide' failed: the abacus is broken")
        assert.instanceOf(reason.cause, Broken)
        assert.isFalse(reason.isRetryable)
      }
      const infinite = yield* iModel.make(yield* ToolBackend.make(Divide, divide))
      assert.include(failureOf(yield* Effect.flip(infinite.respond({ a: 1, b: "0" }))).message, "quotient")
    }))

  it.effect("says what an error holds that has no message, and no credential", () =>
    Effect.gen(function*() {
      class DbDown
        extends Data.TaggedError("DbDown")<{ readonly host: string; readonly password: Redacted.Redacted }>
      {}
      for (
        const [error, words] of [
          [new DbDown({ host: "pg", password: Redacted.make("hunter2") }), [`"DbDown"`, `"pg"`, "redacted"]],
          [{ code: 5 }, [`{"code":5}`]],
          [{ message: "no rows", code: 5 }, ["no rows"]],
          [new Broken(), ["the abacus is broken"]],
          [new TypeError(), ["TypeError"]],
          ["plain words", ["plain words"]],
          [undefined, ["undefined"]]
        ] as const
      ) {
        const backend = yield* ToolBackend.make(Divide, () => Effect.fail(error))
        const failure = failureOf(yield* Effect.flip((yield* iModel.make(backend)).respond({ a: 1, b: "1" })))
        for (const word of words) assert.include(failure.message, word)
        assert.notInclude(failure.message, "hunter2")
      }
    }))

  it.effect("a handler that interrupts itself is cancelled: it has not failed", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* ToolBackend.make(Divide, () => Effect.interrupt))
      const calling = yield* model.invoke({ a: 1, b: "1" })
      assert.strictEqual(calling.execution.status, "cancelled")
    }))

  it.effect("takes what the handler needs while it is made", () =>
    Effect.gen(function*() {
      class Abacus extends Context.Service<Abacus, number>()("test/Abacus") {}
      const backend = yield* Effect.provideService(
        ToolBackend.make(Divide, () => Effect.map(Abacus, (quotient) => ({ quotient }))),
        Abacus,
        42
      )
      assert.strictEqual((yield* (yield* iModel.make(backend)).respond({ a: 1, b: "1" })).data.quotient, 42)
    }))

  it.effect("ends a handler that takes too long, or for which nobody waits", () =>
    Effect.gen(function*() {
      const slow = yield* ToolBackend.make(Divide, () => Effect.never, { timeout: "5 seconds" })
      const late = yield* Effect.forkChild(Effect.flip((yield* iModel.make(slow)).respond({ a: 1, b: "1" })))
      yield* TestClock.adjust("5 seconds")
      assert.include(failureOf(yield* Fiber.join(late)).message, "5s")

      const began = yield* Deferred.make<void>()
      const aborted = yield* Latch.make()
      const promised = yield* ToolBackend.make(Divide, (_args, { signal }) => {
        signal.addEventListener("abort", () => aborted.openUnsafe())
        queueMicrotask(() => Deferred.doneUnsafe(began, Effect.void))
        return new Promise<{ readonly quotient: number }>(() => {})
      })
      const fiber = yield* Effect.forkChild((yield* iModel.make(promised)).respond({ a: 1, b: "1" }))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(fiber)
      yield* aborted.await
    }))

  it.effect("has hooks and limits as any model", () =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* ToolBackend.make(Divide, divide), {
        limitRequests: 2,
        hooks: [
          Hook.make({ preInvocation: ({ payload }) => payload["b"] === 0 ? Effect.fail("by zero") : Effect.void })
        ]
      })
      const error = yield* Effect.flip(model.respond({ a: 1, b: "0" }))
      assert.strictEqual(error._tag, "PermissionDenied")
      yield* model.respond({ a: 1, b: "1" })
      const { limits } = yield* Effect.flatMap(Effect.fromNullishOr(model.executor), (executor) => executor.snapshot)
      assert.strictEqual(limits.requests?.available, 1)
    }))
})

describe("ToolBackend.fromToolkit", () => {
  class Abacus extends Context.Service<Abacus, number>()("test/Abacus") {}

  const Count = Tool.make("count", {
    parameters: Schema.Struct({ from: Schema.FiniteFromString }),
    success: Schema.Struct({ at: Schema.Finite }),
    dependencies: [Abacus]
  })
  const Fail = Tool.make("fail", {
    parameters: Schema.Struct({ how: Schema.String }),
    success: Schema.String,
    failure: Schema.Struct({ code: Schema.Int }),
    failureMode: "return"
  })
  const toolkit = Toolkit.make(Count, Fail)
  const handlers = toolkit.toLayer({
    count: ({ from }, { preliminary }) =>
      Effect.flatMap(Abacus, (at) => Effect.as(preliminary({ at: 0 }), { at: at + from })),
    fail: ({ how }) => how === "die" ? Effect.die(new Error("a bug")) : Effect.fail({ code: 5 })
  })

  it.effect("its handlers are tools of a conversation", () =>
    Effect.gen(function*() {
      const backends = yield* ToolBackend.fromToolkit(toolkit)
      assert.deepStrictEqual(backends.map(({ name, tool }) => [name, tool]), [["count", Count], ["fail", Fail]])
      const tools = yield* Effect.forEach(backends, (backend) => iModel.make(backend))
      const calls = [
        { name: "count", arguments: { from: "2" } },
        { name: "count", arguments: { from: 2 } },
        { name: "count", arguments: { from: "2", by: "3" } },
        { name: "fail", arguments: { how: "return" } },
        { name: "fail", arguments: { how: "die" } }
      ]
      const { steps: [step] } = yield* iModel.converse("Count", { tools, maxTurns: 2 }).pipe(
        Effect.provide(
          iModel.layer().pipe(
            Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey: Redacted.make("not-needed") })),
            Layer.provide(Simulator.layerHttpClient({
              latency: 0,
              answer: (_prompt, { toolResults }) => toolResults.length === 0 ? { toolCalls: calls } : "done"
            }))
          )
        )
      )
      if (step === undefined) return assert.fail("no step")
      const [counted, ...failed] = step.tools
      assert.deepStrictEqual([counted?.text, counted?.failed], ["{\"at\":42}", false])
      assert.isTrue(failed.every(({ failed }) => failed))
      for (const [i, words] of [`"from"`, `"by"`, "{\"code\":5}", "a bug"].entries()) {
        assert.include(failed[i]?.text, words)
      }
    }).pipe(Effect.provide(handlers), Effect.provideService(Abacus, 40)))

  it.effect("does not run what needs an approval, which nobody is asked for", () => {
    let runs = 0
    const toolkit = Toolkit.make(Tool.make("wipe", { success: Schema.String, needsApproval: true }))
    return Effect.gen(function*() {
      const [backend] = yield* ToolBackend.fromToolkit(toolkit)
      if (backend === undefined) return assert.fail("no tool")
      const error = yield* Effect.flip((yield* iModel.make(backend)).respond({}))
      assert.match(error.message, /'wipe' failed: It needs an approval/)
      assert.strictEqual(runs, 0)
    }).pipe(Effect.provide(toolkit.toLayer({ wipe: () => Effect.sync(() => `${++runs}`) })))
  })
})

describe("descriptions", () => {
  it("JSON schema, required fields and TypeScript", () => {
    assert.deepInclude(ToolBackend.jsonSchema(Divide), { type: "object", required: ["a", "b"] })
    assert.deepStrictEqual(ToolBackend.requiredFields(Divide), ["a", "b"])
    assert.strictEqual(
      ToolBackend.toTypeScript(Divide),
      `/** Divides one number by another. */
declare function divide(args: {
  /** what is divided */
  a: number
  b: string
  rounding?: "up" | "down"
}): Promise<unknown>`
    )
  })

  it("TypeScript of every kind of JSON schema", () => {
    const typed = (parameters: Readonly<Record<string, unknown>>) =>
      ToolBackend.toTypeScript(Tool.dynamic("t", { parameters })).replace(
        /^[^]*declare function t\(args: |\): Promise.*$/g,
        ""
      )
    assert.strictEqual(typed({ type: "object" }), "{}")
    assert.strictEqual(
      typed({
        type: "object",
        $defs: { Tree: { type: "object", properties: { next: { $ref: "#/$defs/Tree" } } } },
        properties: {
          "a b": { type: ["string", "null"] },
          list: { type: "array", items: { anyOf: [{ type: "integer" }, { const: "x" }] } },
          map: { type: "object", additionalProperties: { type: "boolean" } },
          tree: { $ref: "#/$defs/Tree" },
          both: { allOf: [{ type: "string" }, {}] }
        }
      }),
      `{
  "a b"?: string | null
  list?: Array<number | "x">
  map?: Record<string, boolean>
  tree?: Tree
  both?: string & unknown
}`
    )
    assert.strictEqual(
      typed({
        type: "object",
        properties: {
          count: { type: "integer", default: 10, description: "How many" },
          point: { type: "array", prefixItems: [{ type: "number" }, { type: "string" }], items: false },
          rest: { type: "array", items: [{ type: "boolean" }], additionalItems: { type: "number" } },
          mode: { type: "string", default: "*/" }
        }
      }),
      `{
  /** How many (integer, default: 10) */
  count?: number
  point?: [number, string]
  rest?: [boolean, ...number[]]
  /** default: "* /" */
  mode?: string
}`
    )
  })

  it("TypeScript of recursive schemas, with the types that they name", () => {
    const typescript = (parameters: Readonly<Record<string, unknown>>) =>
      ToolBackend.toTypeScript(Tool.dynamic("t", { parameters }))
    const node = { type: "object", properties: { next: { $ref: "#/$defs/1-node" } } }
    assert.strictEqual(
      typescript({ type: "object", $defs: { "1-node": node }, properties: { first: { $ref: "#/$defs/1-node" } } }),
      `type _1_node = {
  next?: _1_node
}

declare function t(args: {
  first?: _1_node
}): Promise<unknown>`
    )
    assert.strictEqual(
      typescript({ type: "object", properties: { next: { $ref: "#" } } }),
      `type Args = {
  next?: Args
}

declare function t(args: {
  next?: Args
}): Promise<unknown>`
    )
  })
})

describe("ToolBackend.fromMcp", () => {
  it.live("calls the tools of a server, whose errors are ToolFailures", () =>
    Effect.gen(function*() {
      const tools = yield* ToolBackend.fromMcp(ToolBackend.mcpStdio(mortal), { prefix: "t_", only: ["echo", "pid"] })
      assert.deepStrictEqual(tools.map(({ name, version }) => [name, version]), [["t_echo", "7.0.0"], [
        "t_pid",
        "7.0.0"
      ]])
      const [echo] = yield* Effect.forEach(tools, (tool) => iModel.make(tool))
      if (echo === undefined) return assert.fail("no echo")
      assert.strictEqual((yield* echo.respond({ message: "hello" })).text, "hello")
      const failure = failureOf(yield* Effect.flip(echo.respond({})))
      assert.strictEqual(failure.message, "The tool 't_echo' failed: message is missing")
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("a server that dies in the middle of a call is a ToolFailure, and the next call connects again", () =>
    Effect.gen(function*() {
      const tools = yield* ToolBackend.fromMcp(ToolBackend.mcpStdio(mortal))
      const [, pid, die] = yield* Effect.forEach(tools, (tool) => iModel.make(tool))
      if (pid === undefined || die === undefined) return assert.fail("no tools")
      const before = (yield* pid.respond({})).text
      const failure = failureOf(yield* Effect.flip(die.respond({})))
      assert.strictEqual(failure.message, "The tool 'die' failed: the connection to its server is broken")
      assert.include(String(failure.cause), "out of memory")
      assert.notStrictEqual((yield* pid.respond({})).text, before)
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("a server that is not there is known at once", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        Effect.scoped(ToolBackend.fromMcp(ToolBackend.mcpStdio({ command: "no-such-command-anywhere" })))
      )
      assert.strictEqual(error.reason._tag, "TransportError")
      yield* Effect.flip(Effect.scoped(ToolBackend.fromMcp(ToolBackend.mcpHttp({ url: "http://127.0.0.1:9/mcp" }))))
    }).pipe(
      Effect.provide([NodeServices.layer, NodeHttpClient.layerUndici]),
      Effect.timeout(Duration.seconds(10))
    ))
})
