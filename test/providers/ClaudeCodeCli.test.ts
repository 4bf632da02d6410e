/** Claude Code as a backend: the real program, against the simulator on loopback. */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Layer, Redacted, Schema, Stream, SubscriptionRef } from "effect"
import { FetchHttpClient } from "effect/http"
import { Anthropic, ClaudeCode, iModel, OpenAi, Simulator } from "effect-imodel"
import { execFileSync } from "node:child_process"
import { createServer } from "node:http"
import { installed, processesWith, temporaryDirectory } from "../support/claude.ts"
import { serve } from "../support/server.ts"
import { unavailable } from "../support/required.ts"

const key = "sk-ant-very-secret"
const apiKey = Redacted.make(key)

const optionsFor = (executable: string, url: string, directory: string): ClaudeCode.QueryOptions => ({
  executable,
  root: directory,
  baseUrl: url,
  apiKey,
  retry: { times: 0 },
  env: {
    HOME: directory,
    CLAUDE_CONFIG_DIR: `${directory}/.claude`,
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
    DISABLE_TELEMETRY: "1",
    DISABLE_ERROR_REPORTING: "1"
  }
})

const layerServer = NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })

interface Agent {
  readonly model: iModel.Model<ClaudeCode.QueryRequest, ClaudeCode.QueryResult>
  readonly directory: string
  readonly seen: Effect.Effect<Simulator.Seen>
}

/** What the model was sent, each message apart; without the reminders that the program puts in. */
const saidIn = ({ messages }: Simulator.Request): ReadonlyArray<string> =>
  messages.flatMap(({ role, text }) =>
    role === "user" ? text.split("\n").filter((line) => /^(I|Who|And)\b/.test(line)) : []
  )

const suite = (executable: string) => {
  /** Uses a model over a simulator, and looks that no process of it is left. */
  const agent = Effect.fnUntraced(
    function*<A, E>(
      simulation: Simulator.Options,
      use: (agent: Agent) => Effect.Effect<A, E>,
      options?: ClaudeCode.QueryOptions
    ) {
      const { seen, url } = yield* Simulator.serve({ latency: 0, ...simulation })
      const directory = yield* temporaryDirectory
      const backend = yield* ClaudeCode.makeQuery({ ...optionsFor(executable, url, directory), ...options })
      const used = yield* use({ model: yield* iModel.make(backend), directory, seen })
      assert.deepStrictEqual(processesWith(directory), [])
      return used
    },
    Effect.provide([NodeServices.layer, layerServer])
  )

  it.live("answers", () =>
    agent({
      answer: (_prompt, { maxTokens, messages }) =>
        maxTokens === 64 && messages.some(({ role, text }) => role === "system" && text.includes("Be brief."))
          ? { reasoning: "Let me see.", text: "blue 😀" }
          : "not what was asked"
    }, ({ model }) =>
      Effect.gen(function*() {
        const { data, text, usage } = yield* model.respond({
          messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Name a colour." }],
          max_tokens: 64
        })
        assert.strictEqual(text, "blue 😀")
        assert.strictEqual(data.thinking, "Let me see.")
        assert.isAbove(usage.inputTokens.total ?? 0, 0)
        assert.isAbove(usage.outputTokens.total ?? 0, 0)
        assert.strictEqual(data.num_turns, 1)
        assert.isAbove(data.duration_ms, 0)
        assert.isAbove(data.cost_usd, 0)
        assert.isFalse(data.is_error)
      })))

  it.live("reads a long system prompt and MCP servers from files", () =>
    agent({
      answer: (_prompt, { messages }) =>
        messages.some(({ text }) => text.includes("Answer in Latin.")) ? "caeruleus" : "not what was asked"
    }, ({ model }) =>
      Effect.gen(function*() {
        const { text } = yield* model.respond({
          prompt: "Name a colour.",
          systemPrompt: `${"Be brief. ".repeat(20_000)}Answer in Latin.`,
          mcpServers: { none: { command: "/bin/false", env: { TOKEN: "secret-token" } } }
        })
        assert.strictEqual(text, "caeruleus")
      })))

  it.live("streams", () =>
    agent({ answer: () => "blue, green and 😀" }, ({ model }) =>
      Effect.gen(function*() {
        const parts = yield* Stream.runCollect(model.stream({ prompt: "Name colours." }))
        const deltas = parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : [])
        assert.isAbove(deltas.length, 1)
        assert.strictEqual(deltas.join(""), "blue, green and 😀")
        assert.strictEqual(parts.at(-1)?.type, "finish")
      })))

  it.live("goes on with its session, unless it is told otherwise", () => {
    const said: Array<ReadonlyArray<string>> = []
    return agent({
      answer: (_prompt, request) => {
        said.push(saidIn(request))
        return "Hello."
      }
    }, ({ model }) =>
      Effect.gen(function*() {
        const first = yield* model.respond({ prompt: "I am Ann." })
        const second = yield* model.respond({ prompt: "Who am I?" })
        const third = yield* model.respond({ prompt: "Who?", resume: false })
        assert.strictEqual(second.data.session_id, first.data.session_id)
        assert.notStrictEqual(third.data.session_id, first.data.session_id)
        assert.deepStrictEqual(yield* SubscriptionRef.get(model.providerMetadata), {
          session_id: third.data.session_id
        })
        const latest = yield* model.respond({ prompt: "And who?", resume: first.data.session_id })
        assert.strictEqual(latest.data.session_id, first.data.session_id)
        assert.deepStrictEqual(said, [
          ["I am Ann."],
          ["I am Ann.", "Who am I?"],
          ["Who?"],
          ["I am Ann.", "Who am I?", "And who?"]
        ])
        const unknown = yield* Effect.flip(
          model.respond({ prompt: "Hello", resume: "00000000-0000-4000-8000-000000000000" })
        )
        assert(unknown._tag === "BackendError" && unknown.reason._tag === "InvalidRequestError")
        assert.strictEqual(unknown.reason.parameter, "resume")
      }))
  })

  it.live("uses the tools that it may, and finishes", () =>
    agent({
      answer: (_prompt, { toolResults }) =>
        toolResults.length > 0 ? "Done." : { toolCalls: [{ name: "Bash", arguments: { command: "echo hi" } }] }
    }, ({ model }) =>
      Effect.gen(function*() {
        const request = { prompt: "Say hi.", allowedTools: ["Bash(echo *)", "Read"], maxTurns: 1, summary: true }
        const { data, text } = yield* model.respond({ ...request, autoFinish: true })
        assert.strictEqual(text, "Done.")
        assert.deepStrictEqual(data.summary?.commands, ["echo hi"])
        assert.strictEqual(data.tool_uses[0]?.result, "hi")
        const { data: open } = yield* model.respond({ ...request, resume: false })
        assert.isTrue(open.is_error)
        assert.strictEqual(open.subtype, "error_max_turns")
      })))

  it.live("is refused for the reason of the API, after one request", () =>
    agent({
      faults: ({ messages }) =>
        messages.some(({ text }) => text.includes("overloaded"))
          ? Simulator.Fault.Overloaded()
          : Simulator.Fault.RateLimited({})
    }, ({ model, seen }) =>
      Effect.gen(function*() {
        for (
          const [prompt, expected] of [["often", "RateLimitError"], ["overloaded", "InternalProviderError"]] as const
        ) {
          const error = yield* Effect.flip(model.respond({ prompt, resume: false }))
          assert(error._tag === "BackendError")
          assert.strictEqual(error.reason._tag, expected)
        }
        assert.strictEqual((yield* seen).requests, 2)
      })))

  it.live("is refused for its key, which is shown nowhere", () =>
    Effect.gen(function*() {
      const body = { type: "error", error: { type: "authentication_error", message: `invalid x-api-key ${key}` } }
      const server = yield* serve({ status: 401, body })
      const directory = yield* temporaryDirectory
      const model = yield* iModel.make(yield* ClaudeCode.makeQuery(optionsFor(executable, server.url, directory)))
      const error = yield* Effect.flip(model.respond({ prompt: "Hello", temperature: 0.5 }))
      assert(error._tag === "BackendError" && error.reason._tag === "AuthenticationError")
      assert.notInclude(JSON.stringify(error), key)
      const [seen, ...more] = yield* server.seen
      assert.deepStrictEqual(more, [])
      assert.strictEqual(seen?.headers["x-api-key"], key)
      assert.isTrue(Schema.is(Schema.Struct({ temperature: Schema.Literal(0.5) }))(seen?.body))
    }).pipe(Effect.provide(NodeServices.layer)))

  it.live("fails when nobody is logged in", () =>
    agent({}, ({ model, seen }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(model.respond({ prompt: "Hello", env: { ANTHROPIC_API_KEY: "" } }))
        assert(error._tag === "BackendError" && error.reason._tag === "AuthenticationError")
        assert.strictEqual(error.reason.kind, "MissingKey")
        assert.strictEqual((yield* seen).requests, 0)
      })))

  it.live("is given up when it hangs", () =>
    agent({ faults: () => Simulator.Fault.NoResponse() }, ({ model }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(model.respond({ prompt: "Hello" }))
        assert(error._tag === "BackendError")
        assert.strictEqual(error.reason._tag, "StreamInterrupted")
      }), { idleTimeout: "1 second" }))

  it.live("is interrupted in the middle of its answer", () => {
    const asked = Latch.makeUnsafe()
    return agent({
      faults: () => {
        asked.openUnsafe()
        return Simulator.Fault.Silence({ after: 2 })
      }
    }, ({ model }) =>
      Effect.gen(function*() {
        const responding = yield* Effect.forkChild(model.respond({ prompt: "Name a colour." }))
        yield* asked.await
        yield* Fiber.interrupt(responding)
      }))
  })

  /** A tool that never ends. */
  const endless = { answer: () => ({ toolCalls: [{ name: "Bash", arguments: { command: "tail -f /dev/null" } }] }) }

  it.live("ends its tools with it", () =>
    agent(endless, ({ directory, model }) =>
      Effect.gen(function*() {
        const responding = yield* Effect.forkChild(model.respond({ prompt: "Wait.", allowedTools: ["Bash"] }))
        yield* running(directory)
        yield* Fiber.interrupt(responding)
      })))

  it.live("ends its tools when it is killed", () =>
    agent(endless, ({ directory, model }) =>
      Effect.gen(function*() {
        const failing = yield* Effect.forkChild(Effect.flip(model.respond({ prompt: "Wait.", allowedTools: ["Bash"] })))
        yield* running(directory)
        execFileSync("kill", ["-KILL", ...pidsOf(directory, executable)])
        const error = yield* Fiber.join(failing)
        assert(error._tag === "BackendError" && error.reason._tag === "StreamInterrupted")
        assert(error.reason.reason?._tag === "ProcessFailure")
        assert.strictEqual(error.reason.reason.signal, "SIGKILL")
      })))

  it.live("takes the place of another provider by its layer alone", () =>
    Effect.gen(function*() {
      const program = iModel.respond({
        messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Name a colour." }],
        temperature: 0.5,
        max_tokens: 64
      })
      const { baseUrl, url } = yield* Simulator.serve({ latency: 0, answer: () => "blue" })
      const directory = yield* temporaryDirectory
      const platform = Layer.merge(NodeServices.layer, FetchHttpClient.layer)
      const backends = [
        OpenAi.layerChat({ model: "gpt", apiKey, baseUrl }).pipe(Layer.provide(platform)),
        Anthropic.layerMessages({ model: "claude", apiKey, baseUrl }).pipe(Layer.provide(platform)),
        ClaudeCode.layerQuery(optionsFor(executable, url, directory)).pipe(Layer.provide(platform))
      ]
      for (const backend of backends) {
        const response = yield* Effect.provide(program, Layer.provide(iModel.layer(), backend))
        assert.strictEqual(response.text, "blue")
        assert.strictEqual(response.finishReason, "stop")
        assert.isAbove(response.usage.inputTokens.total ?? 0, 0)
      }
    }).pipe(Effect.provide(layerServer)))
}

/** The processes with the directory that run a program. */
const pidsOf = (directory: string, program: string): ReadonlyArray<string> =>
  execFileSync("ps", ["axeww", "-o", "pid=,args="], { encoding: "utf8", maxBuffer: 1e8 })
    .split("\n")
    .flatMap((line) => {
      const [, pid = "", args = ""] = /^\s*(\d+) (.*)$/.exec(line) ?? []
      return args.startsWith(program) && line.includes(directory) ? [pid] : []
    })

/** Waits until the command of the tool runs. */
const running = (directory: string): Effect.Effect<void> =>
  Effect.suspend(() =>
    pidsOf(directory, "tail -f /dev/null").length > 0 ? Effect.void : Effect.delay(running(directory), "50 millis")
  )

const { executable = "", missing } = installed

describe.skipIf(unavailable("Claude Code", missing)).concurrent("Claude Code", () => suite(executable))
