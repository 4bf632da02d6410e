/** Claude Code as a backend, against programs that behave as it does, and as it should not. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  Effect,
  Fiber,
  Layer,
  Redacted,
  Schema,
  type Scope,
  Sink,
  Stream,
  SubscriptionRef
} from "effect"
import { ClaudeCode, iModel } from "effect-imodel"
import { ChildProcessSpawner } from "effect/process"
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs"
import { join } from "node:path"
import { fake, processesWith } from "../support/claude.ts"

interface Agent {
  readonly model: iModel.Model<ClaudeCode.QueryRequest, ClaudeCode.QueryResult>
  readonly directory: string
}

/** Uses a model over a program of these lines, and looks that no process of it is left. */
const agent = Effect.fnUntraced(
  function*<A, E>(
    lines: string,
    use: (agent: Agent) => Effect.Effect<A, E, Scope.Scope>,
    options: ClaudeCode.QueryOptions = {}
  ) {
    const { directory, executable } = yield* fake(lines)
    const backend = yield* ClaudeCode.makeQuery({ executable, root: directory, retry: { times: 0 }, ...options })
    const model = yield* iModel.make(backend)
    const answer = yield* use({ model, directory })
    assert.deepStrictEqual(processesWith(directory), [])
    return answer
  },
  Effect.provide(NodeServices.layer)
)

const respond = (
  lines: string,
  request: ClaudeCode.QueryRequest = { prompt: "Hello" },
  options: ClaudeCode.QueryOptions = {}
) => agent(lines, ({ model }) => model.respond(request), options)

/** The reason for which it fails. */
const refusal = (lines: string, request?: ClaudeCode.QueryRequest, options?: ClaudeCode.QueryOptions) =>
  Effect.flatMap(
    Effect.flip(respond(lines, request, options)),
    (error) =>
      error._tag === "BackendError"
        ? Effect.succeed(error.reason)
        : Effect.die(new Error(`not a failure of the backend: ${String(error)}`))
  )

const tell = "init(); result(JSON.stringify({ args, asked, cwd: process.cwd(), env: process.env }))"
const Told = Schema.fromJsonString(Schema.Struct({
  args: Schema.Array(Schema.String),
  asked: Schema.String,
  cwd: Schema.String,
  env: Schema.Record(Schema.String, Schema.String)
}))

/** What the program was started with. */
const told = (request: ClaudeCode.QueryRequest, options?: ClaudeCode.QueryOptions) =>
  Effect.flatMap(respond(tell, request, options), ({ text }) => Schema.decodeEffect(Told)(text))

describe("a run", () => {
  it.live("is answered with all that the agent said and did", () =>
    Effect.gen(function*() {
      const response = yield* respond(
        `
        init()
        assistant([{ type: "thinking", thinking: "Let me see.", signature: "x" }, { type: "text", text: "I look." }])
        assistant([{ type: "tool_use", id: "1", name: "Read", input: { file_path: "/a" } }])
        user([{ type: "tool_result", tool_use_id: "1", content: "contents" }])
        assistant([{ type: "tool_use", id: "2", name: "Task", input: { prompt: "go" } }])
        assistant([{ type: "text", text: "never said" }], { parent_tool_use_id: "2" })
        assistant([{ type: "tool_use", id: "3", name: "Bash", input: { command: "ls" } }], { parent_tool_use_id: "2" })
        user([{ type: "tool_result", tool_use_id: "3", content: "a b" }], { parent_tool_use_id: "2" })
        user([{ type: "tool_result", tool_use_id: "2", content: "gone", is_error: true }])
        say({ type: "something_new", of: 2030 })
        assistant([{ type: "text", text: "Done." }])
        result("Done.", { num_turns: 3, total_cost_usd: 5, model_usage_since_last_result: { fake: { costUSD: 0.25 } } })
        `,
        { prompt: "Hello", summary: true }
      )
      const { data } = response
      assert.strictEqual(response.text, "Done.")
      assert.strictEqual(response.finishReason, "stop")
      assert.deepStrictEqual(response.toolCalls, [])
      assert.deepStrictEqual(
        response.content.map(({ type }) => type),
        [
          "response-metadata",
          "reasoning",
          "text",
          "tool-call",
          "tool-result",
          "tool-call",
          "tool-result",
          "text",
          "finish"
        ]
      )
      assert.deepStrictEqual(response.usage, {
        inputTokens: { total: 17, uncached: 9, cacheRead: 5, cacheWrite: 3 },
        outputTokens: { total: 4 }
      })
      assert.match(data.session_id, /^session-/)
      assert.strictEqual(data.model, "fake")
      assert.strictEqual(data.thinking, "Let me see.")
      assert.strictEqual(data.cost_usd, 0.25)
      assert.strictEqual(data.num_turns, 3)
      assert.strictEqual(data.duration_ms, 20)
      assert.isFalse(data.is_error)
      assert.deepStrictEqual(
        data.tool_uses.map(({ id, is_error, parent_tool_use_id, result }) => ({
          id,
          is_error,
          parent_tool_use_id,
          result
        })),
        [
          { id: "1", is_error: false, parent_tool_use_id: null, result: "contents" },
          { id: "2", is_error: true, parent_tool_use_id: null, result: "gone" },
          { id: "3", is_error: false, parent_tool_use_id: "2", result: "a b" }
        ]
      )
      assert.deepStrictEqual(data.summary, {
        tools: { Read: 1, Task: 1, Bash: 1 },
        files_read: ["/a"],
        files_written: [],
        files_edited: [],
        commands: ["ls"]
      })
    }))

  it.live("is streamed in parts as they come, those of messages that come whole too", () =>
    Effect.gen(function*() {
      const parts = yield* agent(
        `
        init()
        const message = { id: "message-1", model: "fake", usage }
        partial({ type: "message_start", message })
        partial({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } })
        partial({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "I " } })
        partial({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "look." } })
        say({ type: "assistant", message: { ...message, content: [{ type: "text", text: "I look." }] } })
        partial({ type: "content_block_stop", index: 0 })
        partial({ type: "content_block_start", index: 1, content_block: { type: "tool_use", id: "1", name: "Bash", input: {} } })
        partial({ type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '{"command":' } })
        partial({ type: "content_block_delta", index: 1, delta: { type: "input_json_delta", partial_json: '"ls"}' } })
        partial({ type: "content_block_stop", index: 1 })
        partial({ type: "message_stop" })
        user([{ type: "tool_result", tool_use_id: "1", content: "unknown" }])
        say({ type: "assistant", message: { ...message, content: [{ type: "tool_use", id: "1", name: "Bash", input: { command: "ls" } }] } })
        user([{ type: "tool_result", tool_use_id: "1", content: "a b" }])
        assistant([{ type: "text", text: "Done." }])
        result("Done.")
        `,
        ({ model }) => Stream.runCollect(model.stream({ prompt: "Hello" }))
      )
      assert.deepStrictEqual(
        parts.map((part) => part.type === "text-delta" ? part.delta : part.type),
        [
          "response-metadata",
          "text-start",
          "I ",
          "look.",
          "text-end",
          "tool-params-start",
          "tool-params-delta",
          "tool-params-delta",
          "tool-params-end",
          "tool-call",
          "tool-result",
          "text-start",
          "Done.",
          "text-end",
          "finish"
        ]
      )
      const call = parts.find((part) => part.type === "tool-call")
      assert.deepStrictEqual(call?.params, { command: "ls" })
    }))

  it.live("takes a line of 10 MB, and says as much", () =>
    Effect.gen(function*() {
      const { text: asked } = yield* respond("answer(String(asked.length))", { prompt: "é".repeat(6_000_000) })
      assert.strictEqual(asked, "6000000")
      const { text } = yield* respond("answer('é😀'.repeat(2_000_000))")
      assert.strictEqual(text.length, 6_000_000)
    }))

  it.effect.prop(
    "is read the same wherever its bytes are split",
    [Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })))],
    ([sizes]) =>
      Effect.gen(function*() {
        const events = [
          { type: "system", subtype: "init", session_id: "1", model: "é" },
          {
            type: "assistant",
            message: { id: "1", model: "é", content: [{ type: "text", text: "naïve 😀\u2028 漢字" }] }
          },
          resultEvent("naïve 😀\u2028 漢字")
        ]
        const bytes = new TextEncoder().encode(events.map((event) => JSON.stringify(event)).join("\r\n"))
        const chunks: Array<Uint8Array> = []
        let at = 0
        for (const size of [...sizes, bytes.length]) chunks.push(bytes.slice(at, at += size))
        const backend = yield* ClaudeCode.makeQuery().pipe(
          Effect.provideService(ChildProcessSpawner.ChildProcessSpawner, saying(Stream.fromIterable(chunks)))
        )
        const model = yield* iModel.make(backend)
        assert.strictEqual((yield* model.respond({ prompt: "Hello" })).text, "naïve 😀\u2028 漢字")
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)),
    { arbitrary: { runs: 50 } }
  )
})

const resultEvent = (text: string) => ({
  type: "result",
  subtype: "success",
  is_error: false,
  session_id: "1",
  num_turns: 1,
  duration_ms: 1,
  duration_api_ms: 1,
  result: text
})

/** A spawner whose processes say what they are told to. */
const saying = (stdout: Stream.Stream<Uint8Array>) =>
  ChildProcessSpawner.make(() =>
    Effect.succeed(ChildProcessSpawner.makeHandle({
      pid: ChildProcessSpawner.ProcessId(1),
      exitCode: Effect.succeed(ChildProcessSpawner.ExitCode(0)),
      isRunning: Effect.succeed(false),
      kill: () => Effect.void,
      stdin: Sink.drain,
      stdout,
      stderr: Stream.empty,
      all: stdout,
      getInputFd: () => Sink.drain,
      getOutputFd: () => Stream.empty,
      unref: Effect.succeed(Effect.void)
    }))
  )

describe("what it is started with", () => {
  it.live("is what the request says, without a way for a value to be an option", () =>
    Effect.gen(function*() {
      const { args, asked } = yield* told({
        prompt: [
          { role: "system", content: "Be brief." },
          { role: "user", content: "$(rm -rf /) 'Hello'" }
        ],
        model: "--help",
        systemPrompt: "You are terse.\nVery.",
        appendSystemPrompt: "--version",
        maxTurns: 3,
        allowedTools: ["Read", "Bash(git *)", "--dangerously-skip-permissions"],
        disallowedTools: ["WebFetch"],
        permissionMode: "acceptEdits",
        mcpServers: { files: { command: "mcp-files", args: ["--root", "."] } },
        additionalDirectories: ["."],
        resume: "some-session"
      })
      assert.strictEqual(asked, "$(rm -rf /) 'Hello'")
      assert.deepStrictEqual(
        args.map((arg) => arg.replace(/claude-test-.*/, "DIRECTORY")).map((arg) => arg.replace(/=\/.*\//, "=")),
        [
          "--print",
          "--input-format=stream-json",
          "--output-format=stream-json",
          "--verbose",
          "--model=--help",
          "--system-prompt=You are terse.\nVery.\n\nBe brief.",
          "--append-system-prompt=--version",
          "--max-turns=3",
          "--allowedTools=Read",
          "--allowedTools=Bash(git *)",
          "--allowedTools=--dangerously-skip-permissions",
          "--disallowedTools=WebFetch",
          "--permission-mode=acceptEdits",
          "--mcp-config={\"mcpServers\":{\"files\":{\"command\":\"mcp-files\",\"args\":[\"--root\",\".\"]}}}",
          "--add-dir=DIRECTORY",
          "--resume=some-session"
        ]
      )
    }))

  it.live("has long prompts and MCP servers with credentials in files of its user alone", () =>
    Effect.gen(function*() {
      const systemPrompt = "Be brief. ".repeat(20_000)
      const token = "secret-token-of-the-server"
      const { text } = yield* respond(
        `
        const { statSync } = require("node:fs")
        const file = (option) => args.find((arg) => arg.startsWith(option + "="))?.slice(option.length + 1)
        const [prompt, more, servers] = ["--system-prompt-file", "--append-system-prompt-file", "--mcp-config"].map(file)
        answer(JSON.stringify({
          args,
          lengths: [prompt, more].map((path) => readFileSync(path, "utf8").length),
          servers: JSON.parse(readFileSync(servers, "utf8")),
          modes: [prompt, more, servers].map((path) => (statSync(path).mode & 0o777).toString(8)),
          directory: (statSync(dirname(prompt)).mode & 0o777).toString(8)
        }))
        `,
        {
          prompt: "Hello",
          systemPrompt,
          appendSystemPrompt: systemPrompt,
          mcpServers: { one: { command: "mcp-one", env: { TOKEN: token } } }
        }
      )
      const told = JSON.parse(text)
      assert.notInclude(told.args.join(" "), "secret-token")
      assert.deepStrictEqual(told.lengths, [systemPrompt.length, systemPrompt.length])
      // What is a credential is taken out of the answer, not of the file.
      assert.deepStrictEqual(Object.keys(told.servers.mcpServers.one.env), ["TOKEN"])
      assert.deepStrictEqual(told.modes, ["600", "600", "600"])
      assert.strictEqual(told.directory, "700")
      const prompt = told.args.find((arg: string) => arg.startsWith("--system-prompt-file=")) ?? ""
      assert.isFalse(existsSync(prompt.slice("--system-prompt-file=".length)))
    }))

  it.live("tells of a conversation before, and carries images", () =>
    Effect.gen(function*() {
      const { asked } = yield* told({
        prompt: [
          { role: "user", content: "My name is Ann." },
          { role: "assistant", content: "Hello Ann." },
          {
            role: "user",
            content: [
              { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2]) },
              { type: "text", text: "What is my name?" }
            ]
          }
        ]
      })
      assert.strictEqual(
        asked,
        "<conversation><user>My name is Ann.</user><assistant>Hello Ann.</assistant></conversation><image>What is my name?"
      )
    }))

  it.live("has an environment of what it needs, and no more", () =>
    Effect.gen(function*() {
      const { env } = yield* told(
        { prompt: "Hello", max_tokens: 64, temperature: 0.5, stop: "END", env: { OF_THE_CALL: Redacted.make("1") } },
        { env: { OF_THE_BACKEND: "2" }, baseUrl: "http://localhost:1" }
      ).pipe(Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromUnknown({
          PATH: "/bin",
          HOME: "/home/ann",
          DATABASE_PASSWORD: "secret",
          ANTHROPIC_API_KEY: "sk-1"
        })
      ))
      const { EFFECT_IMODEL_RUN: mark, ...rest } = env
      assert.match(mark ?? "", /^[\da-f-]{36}$/)
      assert.deepStrictEqual(rest, {
        ANTHROPIC_API_KEY: "sk-1",
        ANTHROPIC_BASE_URL: "http://localhost:1",
        CLAUDE_CODE_EXTRA_BODY: "{\"temperature\":0.5,\"stop_sequences\":[\"END\"]}",
        CLAUDE_CODE_MAX_OUTPUT_TOKENS: "64",
        CLAUDE_CODE_MAX_RETRIES: "0",
        DISABLE_AUTOUPDATER: "1",
        HOME: "/home/ann",
        OF_THE_BACKEND: "2",
        OF_THE_CALL: "1",
        PATH: "/bin"
      })
    }))

  it.live("is a directory inside the root, wherever links lead", () =>
    agent(tell, ({ directory, model }) =>
      Effect.gen(function*() {
        mkdirSync(join(directory, "inside"))
        symlinkSync("/", join(directory, "out"))
        symlinkSync(join(directory, "inside"), join(directory, "in"))
        const cwd = (cwd: string) =>
          Effect.flatMap(model.respond({ prompt: "Hello", cwd }), ({ text }) => Schema.decodeEffect(Told)(text))
        assert.strictEqual((yield* cwd("in")).cwd, join(directory, "inside"))
        assert.strictEqual((yield* cwd(directory)).cwd, directory)
        for (const outside of ["..", "/", "out", "out/tmp", "inside/../..", "nowhere", "claude"]) {
          const error = yield* Effect.flip(cwd(outside))
          assert(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError", outside)
          assert.strictEqual(error.reason.parameter, "cwd")
        }
        const error = yield* Effect.flip(model.respond({ prompt: "Hello", additionalDirectories: ["in", "out"] }))
        assert(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError")
        assert.strictEqual(error.reason.parameter, "additionalDirectories")
      })))

  it.live("is refused by name before anything is started", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [ClaudeCode.QueryRequest, string]> = [
        [{}, "messages"],
        [{ prompt: "Hello", maxTurns: 0 }, "maxTurns"],
        [{ prompt: "Hello", resume: "one", continue: true }, "resume"]
      ]
      for (const [request, parameter] of cases) {
        const reason = yield* refusal("process.exit(9)", request)
        assert(reason._tag === "InvalidRequestError")
        assert.strictEqual(reason.parameter, parameter)
      }
      const reason = yield* refusal("process.exit(9)", {
        messages: [{ role: "user", content: "Hello" }, { role: "assistant", content: "Hel" }]
      })
      assert.strictEqual(reason._tag, "Unsupported")
    }))
})

describe("a session", () => {
  it.live("is kept, and resumed by the next call unless it is told otherwise", () =>
    agent(
      "init(); result(args.filter((arg) => /resume|continue/.test(arg)).join(' '))",
      ({ model }) =>
        Effect.gen(function*() {
          const ask = (request: Pick<ClaudeCode.QueryRequest, "resume" | "continue">) =>
            Effect.map(model.respond({ prompt: "Hello", ...request }), ({ data }) => data)
          const kept = Effect.map(SubscriptionRef.get(model.providerMetadata), ({ session_id }) => session_id)
          const first = yield* ask({})
          assert.strictEqual(first.text, "")
          assert.strictEqual(yield* kept, first.session_id)
          assert.strictEqual((yield* ask({})).text, `--resume=${first.session_id}`)
          const second = yield* ask({ resume: false })
          assert.strictEqual(second.text, "")
          assert.strictEqual(yield* kept, second.session_id)
          assert.strictEqual((yield* ask({ resume: "other" })).text, "--resume=other")
          assert.strictEqual((yield* ask({})).text, "--resume=other")
          assert.strictEqual((yield* ask({ continue: true })).text, "--continue")
        })
    ))

  it.live("is not that of a call that failed", () =>
    agent("init(); if (asked === 'fail') process.exit(3); result('')", ({ model }) =>
      Effect.gen(function*() {
        const { data } = yield* model.respond({ prompt: "Hello" })
        yield* Effect.flip(model.respond({ prompt: "fail", resume: false }))
        assert.deepStrictEqual(yield* SubscriptionRef.get(model.providerMetadata), { session_id: data.session_id })
      })))

  it.live("is used by one call at a time, and different ones side by side", () =>
    agent(
      `
      const log = join(directory, "log")
      const busy = join(directory, session.replace(/-\\d+/, "") + ".busy")
      if (existsSync(busy)) appendFileSync(log, "mixed ")
      writeFileSync(busy, "")
      init()
      setTimeout(() => {
        require("node:fs").rmSync(busy)
        appendFileSync(log, asked + " ")
        result(session)
      }, 50)
      `,
      ({ directory, model }) =>
        Effect.gen(function*() {
          const ask = (prompt: string, resume?: string) =>
            model.respond({ prompt, ...(resume !== undefined && { resume }) })
          const answers = yield* Effect.all([
            ask("1"),
            ask("2"),
            ask("3"),
            ask("4", "other"),
            ask("5", "other"),
            ask("6")
          ], { concurrency: "unbounded" })
          const said = readFileSync(join(directory, "log"), "utf8")
          assert.notInclude(said, "mixed")
          assert.deepStrictEqual(said.trim().split(" ").filter((n) => "1236".includes(n)), ["1", "2", "3", "6"])
          assert.strictEqual(answers[3].text, "other")
        })
    ))

  it.live("is not waited for by a call that left", () =>
    agent("asked === 'hang' ? hang() : answer('Hi')", ({ model }) =>
      Effect.gen(function*() {
        const first = yield* Effect.forkChild(model.respond({ prompt: "hang" }))
        const second = yield* Effect.forkChild(model.respond({ prompt: "hang" }))
        const third = yield* Effect.forkChild(model.respond({ prompt: "Hello" }))
        yield* Effect.yieldNow
        yield* Fiber.interrupt(second)
        yield* Fiber.interrupt(first)
        assert.strictEqual((yield* Fiber.join(third)).text, "Hi")
      })))
})

// Much of what follows waits for what does not end by itself.
describe.concurrent("a failure", () => {
  it.live("is typed when it is one of the API, and goes by is_error", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [string, string]> = [
        ["api_error_status: 401, api_error_type: 'authentication_error'", "AuthenticationError"],
        ["api_error_status: 403", "AuthenticationError"],
        ["api_error_status: 429", "RateLimitError"],
        ["api_error_status: 500", "InternalProviderError"],
        ["api_error_status: 529, api_error_type: 'overloaded_error'", "InternalProviderError"],
        ["api_error_status: 404", "InvalidRequestError"],
        ["terminal_reason: 'prompt_too_long', api_error_status: 400", "ContextLengthExceeded"],
        ["result: 'You have hit your weekly limit', api_error_status: 429", "QuotaExhaustedError"],
        ["result: 'Credit balance is too low', api_error_status: 400", "QuotaExhaustedError"],
        ["subtype: 'error_during_execution'", "UnknownError"]
      ]
      const reasons = yield* Effect.forEach(cases, ([fields, expected]) =>
        Effect.map(
          refusal(`init(); result("API Error", { is_error: true, ${fields} }); process.exitCode = 1`),
          ({ _tag }) => [fields, _tag, expected] as const
        ), { concurrency: 4 })
      for (const [fields, actual, expected] of reasons) assert.strictEqual(actual, expected, fields)
    }))

  it.live("tells who is not logged in what to do, and whose connection broke that it did", () =>
    Effect.gen(function*() {
      const failed = (error: string, text: string, more = "") =>
        refusal(`
          init()
          assistant([{ type: "text", text: "${text}" }], { error: "${error}" })
          result("${text}", { is_error: true, ${more} })
          process.exitCode = 1
        `)
      const login = yield* failed("authentication_failed", "Not logged in")
      assert(login._tag === "AuthenticationError")
      assert.match(login.message, /Run `claude` and log in/)
      const broken = yield* failed("server_error", "Connection dropped", "api_error: 'connection_failed'")
      assert.strictEqual(broken._tag, "NetworkError")
    }))

  it.live("says how to install what is not installed", () =>
    Effect.gen(function*() {
      const reason = yield* refusal("", undefined, { executable: "claude-that-nobody-has" })
      assert(reason._tag === "ProcessFailure")
      assert.match(reason.message, /npm install -g @anthropic-ai\/claude-code/)
      assert.isUndefined(reason.exitCode)
    }))

  it.live("does not repeat the arguments that it could not be started with", () =>
    Effect.gen(function*() {
      const secret = "s3cret".repeat(50_000)
      for (const args of [{ allowedTools: [secret] }, { systemPrompt: `${secret.slice(0, 60)}\0` }]) {
        const reason = yield* refusal("answer('Hi')", { prompt: "Hello", ...args })
        assert(reason._tag === "ProcessFailure")
        assert.match(reason.message, /could not be started/)
        assert.notInclude(reason.message, "s3cret")
      }
    }))

  it.live("names the option that an old version does not know", () =>
    Effect.gen(function*() {
      const reason = yield* refusal("console.error(\"error: unknown option '--json-schema=x'\"); process.exit(1)")
      assert(reason._tag === "Unsupported")
      assert.match(reason.feature, /--json-schema.*claude update/)
    }))

  it.live("has the code and the last lines of standard error, without credentials", () =>
    Effect.gen(function*() {
      const secret = "sk-very-secret-1234567890"
      const lines = `
        init()
        for (let i = 0; i < 5000; i++) console.error("line " + i)
        console.error("key " + process.env.ANTHROPIC_API_KEY + " and " + process.env.OTHER)
        process.exitCode = 7`
      const reason = yield* refusal(lines, { prompt: "Hello", env: { OTHER: Redacted.make("another-secret") } }, {
        apiKey: Redacted.make(secret)
      })
      assert(reason._tag === "ProcessFailure")
      assert.strictEqual(reason.exitCode, 7)
      assert.match(reason.stderr, /line 4999\nkey <redacted> and <redacted>$/)
      assert.strictEqual(reason.stderr.split("\n").length, 10)
      assert.notInclude(JSON.stringify(reason), "secret")
    }))

  it.live("names the signal", () =>
    Effect.gen(function*() {
      const reason = yield* refusal("init(); process.kill(process.pid, 'SIGKILL'); hang()")
      assert(reason._tag === "ProcessFailure")
      assert.strictEqual(reason.signal, "SIGKILL")
    }))

  it.live("is that of a line which is no JSON, or none of its own", () =>
    Effect.gen(function*() {
      const key = Redacted.make("sk-very-secret-1234567890")
      const bad = yield* refusal("write('key ' + process.env.ANTHROPIC_API_KEY + '\\n'); hang()", undefined, {
        apiKey: key
      })
      assert(bad._tag === "InvalidResponseError")
      assert.notInclude(bad.message, "very-secret")
      const strange = yield* refusal("say({ type: 'assistant', message: 5 }); hang()")
      assert(strange._tag === "InvalidResponseError")
      assert.match(strange.message, /assistant\.message/)
      const bytes = yield* refusal("process.stdout.write(Buffer.from([0xff, 0x0a])); hang()")
      assert.strictEqual(bytes._tag, "InvalidResponseError")
    }))

  it.live("has the text until then, when the output is cut", () =>
    Effect.gen(function*() {
      const said = "init(); assistant([{ type: 'text', text: 'Half of' }]); "
      const cut = yield* refusal(`${said} write('{"type":"result","subty')`)
      assert(cut._tag === "StreamInterrupted")
      assert.strictEqual(cut.text, "Half of")
      assert.strictEqual(cut.usage.outputTokens.total, 4)
      const closed = yield* refusal(`${said} process.stdout.end(); require("node:fs").closeSync(1); hang()`)
      assert(closed._tag === "StreamInterrupted")
      const failed = yield* refusal(`${said} result("Overloaded", { is_error: true, api_error_status: 529 })`)
      assert(failed._tag === "StreamInterrupted")
      assert.strictEqual(failed.reason?._tag, "InternalProviderError")
      const ended = yield* refusal(`${said} console.error("out of memory"); process.exit(134)`)
      assert(ended._tag === "StreamInterrupted" && ended.reason?._tag === "ProcessFailure")
      assert.strictEqual(ended.reason.exitCode, 134)
    }))

  it.live("in the middle of a stream has what was streamed", () =>
    Effect.gen(function*() {
      const error = yield* agent(
        `
        init()
        partial({ type: "message_start", message: { id: "1", usage } })
        partial({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "Half" } })
        setTimeout(() => process.exit(7), 100)
        `,
        ({ model }) => Effect.flip(Stream.runDrain(model.stream({ prompt: "Hello" })))
      )
      assert(error._tag === "BackendError" && error.reason._tag === "StreamInterrupted")
      assert.strictEqual(error.reason.text, "Half")
      assert.strictEqual(error.reason.reason?._tag, "ProcessFailure")
    }))

  it.live("is made again when the agent had not begun, and never after", () =>
    Effect.gen(function*() {
      const busy = "result('Busy', { is_error: true, api_error_status: 529 })"
      const again = `
        const tries = join(directory, "tries")
        appendFileSync(tries, "x")
        if (readFileSync(tries, "utf8").length === 3) answer("At last")
        else {
          init()
          if (asked === "work") assistant([{ type: "text", text: "Working" }])
          ${busy}
        }`
      const retry = { times: 5, delay: 1 }
      assert.strictEqual((yield* respond(again, undefined, { retry })).text, "At last")
      assert.strictEqual((yield* refusal(again, { prompt: "work" }, { retry }))._tag, "StreamInterrupted")
    }))
})

describe.concurrent("time", () => {
  it.live("runs out for the first event, for silence, and for the run", () =>
    Effect.gen(function*() {
      const first = yield* refusal("hang()", undefined, { firstEventTimeout: "300 millis" })
      assert(first._tag === "StreamInterrupted")
      assert.match(first.message, /said nothing for 300ms/)
      const said = "init(); assistant([{ type: 'text', text: 'Half of' }]); "
      const silence = yield* refusal(`${said} hang()`, undefined, { idleTimeout: "300 millis" })
      assert(silence._tag === "StreamInterrupted")
      assert.strictEqual(silence.text, "Half of")
      const run = yield* refusal(`${said} setInterval(() => say({ type: "keep_alive" }), 20)`, undefined, {
        timeout: "3 seconds"
      })
      assert(run._tag === "StreamInterrupted")
      assert.strictEqual(run.text, "Half of")
      assert.match(run.message, /longer than 3s/)
    }))

  it.live("of silence in a stream is not up while there is any sign of life", () =>
    Effect.gen(function*() {
      const parts = yield* agent(
        `
        init()
        assistant([{ type: "text", text: "I look." }])
        const alive = setInterval(() => say({ type: "system", subtype: "status" }), 50)
        setTimeout(() => { clearInterval(alive); result("I look.") }, 3000)
        `,
        ({ model }) => Stream.runCollect(model.stream({ prompt: "Hello" }, { idleTimeout: "2 seconds" }))
      )
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }))

  it.effect("must be positive", () =>
    Effect.gen(function*() {
      for (const options of [{ timeout: 0 }, { firstEventTimeout: -1 }, { idleTimeout: 0 }, { root: "/nowhere" }]) {
        const error = yield* Effect.flip(ClaudeCode.makeQuery(options))
        assert.strictEqual(error._tag, "IllegalArgumentError")
      }
    }).pipe(Effect.provide(NodeServices.layer)))
})

describe.concurrent("nothing is left", () => {
  it.live("of a program that goes on after its result, and keeps on talking", () =>
    Effect.gen(function*() {
      const { text } = yield* respond("answer('Hi'); setInterval(() => say({ type: 'system' }), 5)")
      assert.strictEqual(text, "Hi")
    }))

  const child = "sleeper({ stdio: 'inherit' }).unref()"

  it.live("of children that hold the output open after the result", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* respond(`${child}; answer('Hi'); process.exit(0)`)).text, "Hi")
    }))

  it.live("of children that hold the output open without one", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refusal(`${child}; process.exit(0)`))._tag, "StreamInterrupted")
    }))

  it.live("of children that hold the output open after a failure", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* refusal(`${child}; process.exit(3)`))._tag, "ProcessFailure")
    }))

  it.live("of one that is interrupted", () =>
    agent(
      "sleeper(); init(); assistant([{ type: 'text', text: 'Half' }]); hang()",
      ({ directory, model }) =>
        Effect.gen(function*() {
          const parts = yield* Stream.runCollect(Stream.takeUntil(
            model.stream({ prompt: "Hello" }),
            (part) => part.type === "text-delta"
          ))
          assert.strictEqual(parts.at(-1)?.type, "text-delta")
          assert.deepStrictEqual(processesWith(directory), [])
          const late = yield* Effect.flip(model.respond({ prompt: "Hello" }, { timeout: "500 millis" }))
          assert.strictEqual(late._tag, "TimeoutError")
          assert.deepStrictEqual(processesWith(directory), [])
        })
    ))

  it.live("of one that does not listen, and of what it started in groups of their own", () =>
    agent(
      `
      process.on("SIGTERM", () => {})
      sleeper({ detached: true }).unref()
      init()
      assistant([{ type: "text", text: "Half" }])
      hang()
      `,
      ({ directory, model }) =>
        Effect.gen(function*() {
          yield* Stream.runDrain(Stream.take(model.stream({ prompt: "Hello" }), 2))
          assert.deepStrictEqual(processesWith(directory), [])
          assert.isTrue(existsSync(directory))
        }),
      { env: {} }
    ))
})

describe("autoFinish", () => {
  const unfinished = `
    init()
    if (args.includes("--tools=")) {
      assistant([{ type: "text", text: "All in all." }])
      result("All in all.")
    } else {
      assistant([{ type: "text", text: "I look." }, { type: "tool_use", id: "1", name: "Bash", input: {} }])
      result(undefined, { is_error: true, subtype: "error_max_turns", stop_reason: "tool_use", errors: ["Too many"] })
    }`

  it.live("asks for the final message of a run that ended without one", () =>
    Effect.gen(function*() {
      const { content, data, text, usage } = yield* respond(unfinished, { prompt: "Hello", autoFinish: true })
      assert.strictEqual(text, "All in all.")
      assert.isFalse(data.is_error)
      assert.strictEqual(data.num_turns, 2)
      assert.strictEqual(usage.outputTokens.total, 8)
      assert.strictEqual(content.filter((part) => part.type === "finish").length, 1)
    }))

  it.live("is not done unasked: the answer tells that it is none", () =>
    Effect.gen(function*() {
      const { data, finishReason, text } = yield* respond(unfinished)
      assert.strictEqual(text, "I look.")
      assert.isTrue(data.is_error)
      assert.strictEqual(data.subtype, "error_max_turns")
      assert.strictEqual(finishReason, "other")
    }))
})

describe("a schema of the answer", () => {
  const Colour = Schema.Struct({ name: Schema.String })

  it.live("goes to the program, and decodes what it says", () =>
    Effect.gen(function*() {
      const lines = `
        const schema = JSON.parse(args.find((arg) => arg.startsWith("--json-schema=")).slice(14))
        init()
        result("", { structured_output: { name: Object.keys(schema.properties).join() } })`
      const { data, value } = yield* agent(lines, ({ model }) => model.respondAs(Colour, { prompt: "A colour" }))
      assert.deepStrictEqual(value, { name: "name" })
      assert.deepStrictEqual(data.structured_output, { name: "name" })
      const reason = yield* refusal("answer('blue')", { prompt: "A colour", response_format: Colour })
      assert.strictEqual(reason._tag, "InvalidOutputError")
    }))
})

describe("layerQuery", () => {
  it.live("is a backend of any program", () =>
    Effect.gen(function*() {
      const { directory, executable } = yield* fake("answer(asked)")
      const backend = ClaudeCode.layerQueryConfig({
        executable: Config.succeed(executable),
        root: Config.succeed(directory)
      })
      const model = iModel.layer({ limitRequests: 10, limitTokens: 1000 }).pipe(
        Layer.provide(backend),
        Layer.provide(NodeServices.layer)
      )
      const { text } = yield* Effect.provide(iModel.respond({ prompt: "Name a colour." }), model)
      assert.strictEqual(text, "Name a colour.")
    }))
})
