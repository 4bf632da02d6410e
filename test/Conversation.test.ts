import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schema } from "effect"
import { AiError, Prompt, Tool } from "effect/ai"
import { TestClock } from "effect/testing"
import {
  Anthropic,
  BackendError,
  Calling,
  Errors,
  Gemini,
  Hook,
  iModel,
  OpenAi,
  ServiceBackend,
  Simulator,
  ToolBackend
} from "effect-imodel"
import { everything, missingServers } from "./support/mcp.ts"
import { unavailable } from "./support/required.ts"

const Add = Tool.make("add", {
  description: "Adds two numbers.",
  parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
  success: Schema.Finite
})

const Wait = Tool.make("wait", { parameters: Schema.Struct({ seconds: Schema.Finite }) })

type Calls = ReadonlyArray<readonly [name: string, params: unknown]>

/** Answers with these calls, one list a turn, and then with what the tools said. */
const scripted = (...turns: ReadonlyArray<Calls>) => {
  let turn = 0
  return ServiceBackend.layerMock(({ payload }) =>
    Effect.sync(() => {
      const calls = turns[turn++]
      if (calls !== undefined) {
        return Calling.makeResponse({
          data: "",
          toolCalls: calls.map(([name, params], i) => ({ id: `${turn}.${i}`, name, params })),
          finishReason: "tool-calls"
        })
      }
      const said = Prompt.isPrompt(payload["prompt"]) ? payload["prompt"].content : []
      const results = said.flatMap((message) =>
        message.role === "tool"
          ? message.content.flatMap((part) => part.type === "tool-result" ? [`${part.name}: ${part.result}`] : [])
          : []
      )
      return Calling.makeResponse({ data: "", text: results.join("\n") })
    })
  )
}

const model = (...turns: ReadonlyArray<Calls>) => iModel.layer().pipe(Layer.provideMerge(scripted(...turns)))

const makeAdd = Effect.flatMap(ToolBackend.make(Add, ({ a, b }) => a + b), (backend) => iModel.make(backend))

describe("iModel.converse", () => {
  it.effect("ends by its timeout when a tool does not answer", () =>
    Effect.gen(function*() {
      const silent = yield* iModel.make(yield* ToolBackend.make(Wait, () => Effect.never))
      const conversation = iModel.converse("Wait", { tools: [silent], maxTurns: 5, timeout: "5 seconds" })
      const fiber = yield* Effect.forkChild(Effect.flip(conversation))
      yield* TestClock.adjust("5 seconds")
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error._tag, "TimeoutError")
      if (error._tag === "TimeoutError") assert.isNotEmpty(error.callingId)
    }).pipe(Effect.provide(model([["wait", { seconds: 1 }]]))))

  it.effect("runs at most 128 calls of one answer, and tells the model of the others", () =>
    Effect.gen(function*() {
      let runs = 0
      const counting = ToolBackend.make(Add, ({ a, b }) => {
        runs++
        return a + b
      })
      const count = yield* iModel.make(yield* counting)
      const { steps } = yield* iModel.converse("Add", { tools: [count], maxTurns: 5 })
      assert.strictEqual(runs, 128)
      assert.strictEqual(steps[0]?.tools.length, 1_000)
      assert.strictEqual(steps[0]?.tools.filter(({ failed }) => failed).length, 1_000 - 128)
      assert.include(steps[0]?.tools.at(-1)?.text, "at most 128")
    }).pipe(Effect.provide(model(Array.from({ length: 1_000 }, () => ["add", { a: 1, b: 2 }] as const)))))

  it.effect("runs the tools that the model calls, and has all steps in its result", () =>
    Effect.gen(function*() {
      const add = yield* makeAdd
      const { prompt, response, steps } = yield* iModel.converse("What is it?", { tools: [add], maxTurns: 5 })
      assert.strictEqual(response.text, "add: 3\nadd: 7\nadd: 10")
      assert.deepStrictEqual(steps.map(({ tools }) => tools.map(({ text }) => text)), [["3", "7"], ["10"], []])
      const callings = steps.flatMap(({ calling, tools }) =>
        [calling].concat(tools.flatMap((step) => step.calling ?? []))
      )
      assert.strictEqual(callings.filter(({ execution }) => execution.status === "completed").length, 6)
      assert.deepStrictEqual(prompt.content.map(({ role }) => role), [
        "user",
        "assistant",
        "tool",
        "assistant",
        "tool",
        "assistant"
      ])
      const mock = yield* ServiceBackend.Mock
      assert.deepStrictEqual((yield* mock.callings).map(({ payload }) => payload["tools"]), [[Add], [Add], [Add]])
    }).pipe(Effect.provide(model([["add", { a: 1, b: 2 }], ["add", { a: 3, b: 4 }]], [["add", { a: 3, b: 7 }]]))))

  it.effect("tells the model what goes wrong with a tool", () =>
    Effect.gen(function*() {
      const add = yield* makeAdd
      const Broken = Tool.make("broken")
      const broken = yield* iModel.make(yield* ToolBackend.make(Broken, () => Effect.fail("out of order")))
      const Guarded = Tool.make("guarded")
      const guarded = yield* iModel.make(yield* ToolBackend.make(Guarded, () => undefined), {
        hooks: [Hook.make({ name: "guard", preInvocation: () => Effect.fail("not for you") })]
      })
      const { steps } = yield* iModel.converse("Try.", { tools: [add, broken, guarded], maxTurns: 2 })
      const [first] = steps
      const told = first?.tools.map(({ failed, text }) => failed ? text : "") ?? []
      for (
        const [i, text] of ["Missing key", "no such parameter", "out of order", "not for you", "only: add"].entries()
      ) {
        assert.include(told[i], text)
      }
    }).pipe(Effect.provide(model([
      ["add", { a: 1 }],
      ["add", { a: 1, b: 2, c: 3 }],
      ["broken", {}],
      ["guarded", {}],
      ["subtract", {}]
    ]))))

  it.effect("runs tools at once, as many as it may", () =>
    Effect.gen(function*() {
      let running = 0
      let most = 0
      const wait = yield* iModel.make(
        yield* ToolBackend.make(Wait, ({ seconds }) =>
          Effect.gen(function*() {
            most = Math.max(most, ++running)
            yield* Effect.sleep(seconds * 1000)
            running--
          }))
      )
      const fiber = yield* Effect.forkChild(iModel.converse("Wait.", { tools: [wait], maxTurns: 2, concurrency: 2 }))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.strictEqual(most, 2)
    }).pipe(Effect.provide(model(Array.from({ length: 4 }, () => ["wait", { seconds: 1 }] as const)))))

  it.effect("ends after its turns, with a typed error", () =>
    Effect.gen(function*() {
      const add = yield* makeAdd
      const error = yield* Effect.flip(iModel.converse("On and on", { tools: [add], maxTurns: 3 }))
      if (!(error instanceof Errors.TurnsExceeded)) return assert.fail(String(error))
      const mock = yield* ServiceBackend.Mock
      assert.deepStrictEqual(error.callingIds, (yield* mock.callings).map(({ id }) => id))
      assert.strictEqual(error.callingIds.length, 3)
    }).pipe(Effect.provide(model(...Array.from({ length: 9 }, (): Calls => [["add", { a: 1, b: 2 }]])))))

  it.effect("fails with the model's error", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(iModel.converse("Hello", { tools: [], maxTurns: 3 }))
      assert.isTrue(error instanceof BackendError && error.reason._tag === "QuotaExhaustedError")
    }).pipe(Effect.provide(
      iModel.layer().pipe(
        Layer.provide(ServiceBackend.layerMock(() => Effect.fail(new AiError.QuotaExhaustedError({}))))
      )
    )))

  it.effect("refuses what is no tool, two tools of one name, and no turns", () =>
    Effect.gen(function*() {
      const add = yield* makeAdd
      const chat = yield* iModel.iModel
      for (
        const options of [{ tools: [chat], maxTurns: 1 }, { tools: [add, add], maxTurns: 1 }, {
          tools: [],
          maxTurns: 0
        }]
      ) {
        const error = yield* Effect.flip(iModel.converse("Hello", options))
        assert.strictEqual(error._tag, "IllegalArgumentError")
      }
    }).pipe(Effect.provide(model())))
})

describe("with the simulator, over the wires of the providers", () => {
  const apiKey = Redacted.make("not-needed")
  const answer = (_prompt: string, { toolResults }: Simulator.Request): string | Simulator.Answer =>
    toolResults.length === 0
      ? { toolCalls: [{ name: "add", arguments: { a: 1, b: 2 } }, { name: "add", arguments: { a: 3 } }] }
      : toolResults.map(({ text }) => text).join("; ")

  for (
    const [name, backend] of [
      ["OpenAI", OpenAi.layerChat({ model: "simulated", apiKey })],
      ["Anthropic", Anthropic.layerMessages({ model: "simulated", apiKey })],
      ["Gemini", Gemini.layerGenerateContent({ model: "simulated", apiKey })]
    ] as const
  ) {
    it.live(name, () =>
      Effect.gen(function*() {
        const add = yield* makeAdd
        const { response, steps } = yield* iModel.converse("What is 1 + 2?", { tools: [add], maxTurns: 3 })
        assert.deepStrictEqual(steps.map(({ tools }) => tools.map(({ failed }) => failed)), [[false, true], []])
        assert.match(response.text, /3.*; .*parameter 'b'/)
      }).pipe(Effect.provide(
        iModel.layer({ limitRequests: 10 }).pipe(
          Layer.provide(backend),
          Layer.provide(Simulator.layerHttpClient({ answer, latency: 0 }))
        )
      )))
  }

  it.live.skipIf(unavailable("MCP servers", missingServers))(
    "calls the tools of a real MCP server",
    () =>
      Effect.gen(function*() {
        const connect = ToolBackend.mcpStdio({ command: process.execPath, args: [everything ?? "", "stdio"] })
        const tools = yield* Effect.forEach(
          yield* ToolBackend.fromMcp(connect, { only: ["get-sum", "echo"] }),
          (tool) => iModel.make(tool)
        )
        const { response } = yield* iModel.converse("What is 2 + 5?", { tools, maxTurns: 3 })
        assert.include(response.text, "7")
      }).pipe(
        Effect.provide(
          iModel.layer().pipe(
            Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey })),
            Layer.provide(Simulator.layerHttpClient({
              latency: 0,
              answer: (_prompt, { toolResults: [result] }) =>
                result === undefined
                  ? { toolCalls: [{ name: "get-sum", arguments: { a: 2, b: 5 } }] }
                  : result.text
            })),
            Layer.provideMerge(NodeServices.layer)
          )
        )
      )
  )
})
