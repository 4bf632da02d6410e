/** Claude Code as a backend: the real program, against a server on loopback that speaks Anthropic's wire. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Stream, SubscriptionRef } from "effect"
import { FetchHttpClient } from "effect/http"
import { ClaudeCode, iModel, OpenAi } from "effect-imodel"
import { execFileSync } from "node:child_process"
import { bodyOf, errorAnswer, hasToolResult, textAnswer, textsOf, toolAnswer } from "./support/anthropic.ts"
import { installed, processesWith, temporaryDirectory } from "./support/claude.ts"
import { type Answer, type Seen, serve, type TestServer } from "./support/server.ts"

const apiKey = Redacted.make("sk-ant-very-secret")

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

interface Agent {
  readonly model: iModel.Model<ClaudeCode.QueryRequest, ClaudeCode.QueryResult>
  readonly server: TestServer
  readonly directory: string
}

const suite = (executable: string) => {
  /** Uses a model over a server, and looks that no process of it is left. */
  const agent = <A, E>(
    answer: Answer | ((seen: Seen) => Effect.Effect<Answer>),
    use: (agent: Agent) => Effect.Effect<A, E>,
    options?: ClaudeCode.QueryOptions
  ) =>
    Effect.gen(function*() {
      const server = yield* serve(answer)
      const directory = yield* temporaryDirectory
      const backend = yield* ClaudeCode.makeQuery({ ...optionsFor(executable, server.url, directory), ...options })
      const used = yield* use({ model: yield* iModel.make(backend), server, directory })
      assert.deepStrictEqual(processesWith(directory), [])
      return used
    }).pipe(Effect.provide(NodeServices.layer))

  /** The command of a tool that never ends. */
  const endless = { command: "tail -f /dev/null", description: "waits" }

  it.live("answers, under the system prompt and with the limits of the call", () =>
    agent(textAnswer("bl", "ue 😀"), ({ model, server }) =>
      Effect.gen(function*() {
        const { data, text, usage } = yield* model.respond({
          messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Name a colour." }],
          max_tokens: 64,
          temperature: 0.5
        })
        assert.strictEqual(text, "blue 😀")
        assert.strictEqual(usage.inputTokens.total, 9)
        assert.strictEqual(usage.outputTokens.total, 4)
        assert.strictEqual(data.num_turns, 1)
        assert.isAbove(data.duration_ms, 0)
        assert.isFalse(data.is_error)
        const [seen] = yield* server.seen
        assert(seen !== undefined)
        assert.strictEqual(seen.headers["x-api-key"], Redacted.value(apiKey))
        const body = bodyOf(seen)
        assert.strictEqual(body.max_tokens, 64)
        assert.strictEqual(body.temperature, 0.5)
        assert.isTrue(body.system?.some(({ text }) => text === "Be brief."))
        assert.strictEqual(textsOf(seen, "user").at(-1), "Name a colour.")
      })))

  it.live("streams", () =>
    agent(textAnswer("bl", "ue", " 😀"), ({ model }) =>
      Effect.gen(function*() {
        const parts = yield* Stream.runCollect(model.stream({ prompt: "Name a colour." }))
        assert.deepStrictEqual(
          parts.map((part) => part.type === "text-delta" ? part.delta : part.type),
          ["response-metadata", "text-start", "bl", "ue", " 😀", "text-end", "finish"]
        )
      })))

  it.live("goes on with its session, unless it is told otherwise", () =>
    agent(textAnswer("Hello."), ({ model, server }) =>
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
        const users = (yield* server.seen).map((seen) => textsOf(seen, "user").filter((text) => !text.startsWith("<")))
        assert.deepStrictEqual(users, [
          ["I am Ann."],
          ["I am Ann.", "Who am I?"],
          ["Who?"],
          ["I am Ann.", "Who am I?", "And who?"]
        ])
        assert.closeTo(second.data.cost_usd, first.data.cost_usd, 1e-9)
        const unknown = yield* Effect.flip(
          model.respond({ prompt: "Hello", resume: "00000000-0000-4000-8000-000000000000" })
        )
        assert(unknown._tag === "BackendError" && unknown.reason._tag === "InvalidRequestError")
        assert.strictEqual(unknown.reason.parameter, "resume")
      })))

  it.live("uses the tools that it may, and finishes", () =>
    agent(
      (seen) =>
        Effect.succeed(
          hasToolResult(seen) ? textAnswer("Done.") : toolAnswer("Bash", { command: "echo hi", description: "says hi" })
        ),
      ({ model }) =>
        Effect.gen(function*() {
          const request = { prompt: "Say hi.", allowedTools: ["Bash(echo *)", "Read"], maxTurns: 1, summary: true }
          const { data, text } = yield* model.respond({ ...request, autoFinish: true })
          assert.strictEqual(text, "Done.")
          assert.deepStrictEqual(data.summary?.commands, ["echo hi"])
          assert.strictEqual(data.tool_uses[0]?.result, "hi")
          const { data: open } = yield* model.respond({ ...request, resume: false })
          assert.isTrue(open.is_error)
          assert.strictEqual(open.subtype, "error_max_turns")
        })
    ))

  it.live("fails for the reason of the API, after one request", () =>
    agent(
      (seen) => {
        const [type = "", status = ""] = textsOf(seen, "user").at(-1)?.split(" ") ?? []
        return Effect.succeed(errorAnswer(Number(status), type, `Not with ${seen.headers["x-api-key"]}`))
      },
      ({ model, server }) =>
        Effect.gen(function*() {
          const cases = [
            ["authentication_error 401", "AuthenticationError"],
            ["rate_limit_error 429", "RateLimitError"],
            ["overloaded_error 529", "InternalProviderError"]
          ] as const
          for (const [prompt, expected] of cases) {
            const error = yield* Effect.flip(model.respond({ prompt, resume: false }))
            assert(error._tag === "BackendError")
            assert.strictEqual(error.reason._tag, expected)
            assert.notInclude(JSON.stringify(error), Redacted.value(apiKey))
          }
          assert.strictEqual((yield* server.seen).length, cases.length)
        })
    ))

  it.live("fails when nobody is logged in", () =>
    agent(textAnswer("Hello."), ({ model }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(model.respond({ prompt: "Hello", env: { ANTHROPIC_API_KEY: "" } }))
        assert(error._tag === "BackendError")
        assert.strictEqual(error.reason._tag, "AuthenticationError")
      })))

  it.live("is given up when the server is silent", () =>
    agent(() => Effect.never, ({ model, server }) =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(model.respond({ prompt: "Hello" }))
        assert(error._tag === "BackendError")
        assert.strictEqual(error.reason._tag, "StreamInterrupted")
        assert.strictEqual((yield* server.seen).length, 1)
      }), { idleTimeout: "1 second" }))

  it.live("is interrupted in the middle of its answer", () =>
    agent({ ...textAnswer("a colour ".repeat(200)), end: "stall" }, ({ model, server }) =>
      Effect.gen(function*() {
        const running = yield* Effect.forkChild(model.respond({ prompt: "Name a colour." }))
        yield* server.arrival
        yield* Fiber.interrupt(running)
        yield* server.hangUp
      })))

  it.live("ends its tools with it", () =>
    agent(toolAnswer("Bash", endless), ({ directory, model }) =>
      Effect.gen(function*() {
        const used = Stream.takeUntil(
          model.stream({ prompt: "Wait.", allowedTools: ["Bash"] }),
          (part) => part.type === "tool-call"
        )
        // Interrupted once the command runs.
        yield* Stream.runDrain(Stream.tap(used, (part) => part.type === "tool-call" ? running(directory) : Effect.void))
        assert.deepStrictEqual(processesWith(directory), [])
      })))

  it.live("ends its tools when it is killed", () =>
    agent(toolAnswer("Bash", endless), ({ directory, model }) =>
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
      const server = yield* serve((seen) =>
        Effect.succeed(
          seen.path.startsWith("/v1/messages") ? textAnswer("blue") : {
            body: {
              id: "1",
              model: "gpt",
              choices: [{ message: { role: "assistant", content: "blue" }, finish_reason: "stop" }],
              usage: { prompt_tokens: 9, completion_tokens: 4 }
            }
          }
        )
      )
      const directory = yield* temporaryDirectory
      const openAi = OpenAi.layerChat({ model: "gpt", apiKey, baseUrl: `${server.url}/v1` }).pipe(
        Layer.provide(FetchHttpClient.layer)
      )
      const claude = ClaudeCode.layerQuery(optionsFor(executable, server.url, directory)).pipe(
        Layer.provide(NodeServices.layer)
      )
      for (const backend of [openAi, claude]) {
        const response = yield* program.pipe(Effect.provide(iModel.layer()), Effect.provide(backend))
        assert.strictEqual(response.text, "blue")
        assert.strictEqual(response.finishReason, "stop")
        assert.strictEqual(response.usage.inputTokens.total, 9)
        assert.strictEqual(response.usage.outputTokens.total, 4)
      }
    }))
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

const { executable, missing } = installed
if (executable !== undefined) describe.concurrent("Claude Code", () => suite(executable))
else {
  describe("Claude Code", () => {
    it.skip(`needs the real program: ${missing}`, () => {})
  })
}
