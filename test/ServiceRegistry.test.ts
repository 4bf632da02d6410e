import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Context, Effect, Exit, Fiber, FileSystem, Layer, Path, Redacted, Schema, Scope } from "effect"
import { Tool } from "effect/ai"
import { Errors, iModel, OpenAi, ServiceBackend, ServiceRegistry, Simulator, ToolBackend } from "effect-imodel"
import { everything, everythingOverHttp, filesystem, missingServers, mortal, observed } from "./support/mcp.ts"
import { unavailable } from "./support/required.ts"

const modelOf = (name: string, tags: ReadonlyArray<string> = []) =>
  Effect.flatMap(
    ServiceBackend.make({
      provider: "local",
      name,
      tags,
      request: Schema.Struct({}),
      call: () => Effect.succeed(name)
    }),
    (backend) => iModel.make(backend)
  )

const Add = Tool.make("add", {
  description: "Adds two numbers.",
  parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
  success: Schema.Finite
})

const makeAdd = Effect.flatMap(ToolBackend.make(Add, ({ a, b }) => a + b), (backend) => iModel.make(backend))

const addLayer = iModel.layer().pipe(
  Layer.provide(ServiceBackend.layer(ToolBackend.make(Add, ({ a, b }) => a + b)))
)

const textOf = Effect.fnUntraced(function*(name: string, args: unknown = {}) {
  const registry = yield* ServiceRegistry.ServiceRegistry
  const model = yield* registry.get(name)
  return (yield* (yield* model.invokeUnknown(args)).response).text
})

const empty = Effect.provide(ServiceRegistry.layer({}))

describe("ServiceRegistry", () => {
  it.effect("finds models by name, id and tag", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      const small = yield* modelOf("small", ["cheap"])
      const large = yield* modelOf("large")
      yield* registry.register(small)
      yield* registry.register(large)
      assert.strictEqual(yield* registry.get("small"), small)
      assert.strictEqual(yield* registry.get(large.id), large)
      assert.deepStrictEqual(yield* registry.byTag("cheap"), [small])
      assert.deepStrictEqual(yield* registry.names, ["small", "large"])
      yield* registry.unregister(small.id)
      assert.deepStrictEqual([yield* registry.size, yield* registry.has("small"), yield* registry.has(small.id)], [
        1,
        false,
        false
      ])
      assert.strictEqual(yield* textOf("large"), "large")
    }).pipe(empty))

  it.effect("refuses a second model of a name, unless it is an update", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      const [first, second] = [yield* modelOf("one"), yield* modelOf("one")]
      yield* registry.register(first)
      assert.instanceOf(yield* Effect.flip(registry.register(second)), Errors.DuplicateModel)
      yield* registry.register(second, { update: true })
      assert.strictEqual(yield* registry.get("one"), second)
      assert.isFalse(yield* registry.has(first.id))
    }).pipe(empty))

  it.effect("a name that is missing is an error, with what may have been meant", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      for (const name of ["claude", "gpt-small", "gpt-large"]) yield* registry.register(yield* modelOf(name))
      for (
        const [name, near] of [
          ["cluade", ["claude"]],
          ["GPT-Small", ["gpt-small"]],
          ["gpt", ["gpt-small", "gpt-large"]],
          ["nothing like it", []]
        ] as const
      ) {
        const error = yield* Effect.flip(registry.get(name))
        if (!(error instanceof Errors.ModelNotFound)) return assert.fail(String(error))
        assert.sameMembers(error.suggestions.slice(0, near.length), [...near])
        assert.include(error.message, near[0] ?? "Known models: claude, gpt-small, gpt-large")
      }
      assert.instanceOf(yield* Effect.flip(registry.unregister("cluade")), Errors.ModelNotFound)
    }).pipe(empty))

  it.effect("describes tools in the words of the providers", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      yield* registry.register(yield* makeAdd)
      yield* registry.register(yield* modelOf("no tool"))
      const parameters = Tool.getJsonSchema(Add)
      const said = { name: "add", description: "Adds two numbers." }
      assert.deepStrictEqual(yield* registry.toolSchemas("openai"), [{
        type: "function",
        function: { ...said, parameters }
      }])
      assert.deepStrictEqual(yield* registry.toolSchemas("anthropic"), [{ ...said, input_schema: parameters }])
      assert.deepStrictEqual(yield* registry.toolSchemas("gemini", ["add"]), [{
        ...said,
        parametersJsonSchema: parameters
      }])
      assert.instanceOf(yield* Effect.flip(registry.toolSchemas("openai", ["ad"])), Errors.ModelNotFound)
      const error = yield* Effect.flip(registry.toolSchemas("openai", ["add", "no tool"]))
      assert.instanceOf(error, Errors.NotATool)
      assert.include(error.message, "'no tool'")
    }).pipe(empty))

  it.effect("finds a tool by both of its names, and describes it by that of the registry", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      const names = (yield* registry.toolSchemas("anthropic", ["sum", "plus"])).map(({ name }) => name)
      assert.deepStrictEqual(names, ["sum", "plus"])
      const sum = yield* registry.get("sum")
      assert.strictEqual(yield* registry.get(sum.id), sum)
      assert.strictEqual(yield* registry.unregister("sum"), sum)
      assert.isTrue(yield* registry.has("plus"))
      yield* registry.clear
      assert.deepStrictEqual(yield* registry.names, [])
    }).pipe(Effect.provide(ServiceRegistry.layer({
      sum: addLayer,
      plus: addLayer
    }))))
})

describe("ServiceRegistry.layer", () => {
  it.effect("makes models when they are asked for, once, and releases them with its scope", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const layerOf = (name: string) =>
        Layer.effect(
          iModel.iModel,
          Effect.gen(function*() {
            yield* Effect.acquireRelease(
              Effect.sync(() => seen.push(`${name} made`)),
              () => Effect.sync(() => seen.push(`${name} released`))
            )
            const backend = ServiceBackend.layerMock(() => Effect.succeed(name))
            return Context.get(yield* Layer.build(iModel.layer().pipe(Layer.provide(backend))), iModel.iModel)
          })
        )
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(ServiceRegistry.layer({ a: layerOf("a"), b: layerOf("b") }), scope)
      const registry = Context.get(context, ServiceRegistry.ServiceRegistry)
      assert.deepStrictEqual(yield* registry.names, ["a", "b"])
      assert.deepStrictEqual(seen, [])
      const [first, second] = yield* Effect.all([registry.get("a"), registry.get("a")], { concurrency: 2 })
      assert.strictEqual(first, second)
      assert.strictEqual(yield* registry.get(first.id), first)
      assert.deepStrictEqual(seen, ["a made"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(seen, ["a made", "a released"])
    }))

  it.effect("a model that cannot be made is unavailable, and tried again", () =>
    Effect.gen(function*() {
      let tries = 0
      let held = 0
      const acquired = Layer.effectDiscard(
        Effect.acquireRelease(Effect.sync(() => ++held), () => Effect.sync(() => --held))
      )
      const flaky = iModel.layer().pipe(
        Layer.provide(Layer.unwrap(Effect.suspend(() =>
          ++tries === 1 ? Effect.fail("no key") : Effect.succeed(ServiceBackend.layerMock(() =>
            Effect.succeed("here")
          ))
        ))),
        Layer.provide(acquired)
      )
      yield* Effect.gen(function*() {
        const registry = yield* ServiceRegistry.ServiceRegistry
        const error = yield* Effect.flip(registry.get("flaky"))
        assert.instanceOf(error, Errors.ModelUnavailable)
        assert.include(error.message, "no key")
        assert.strictEqual(held, 0)
        assert.strictEqual(yield* textOf("flaky"), "here")
        assert.strictEqual(held, 1)
      }).pipe(Effect.provide(ServiceRegistry.layer({ flaky })))
    }))
})

describe("MCP servers in a registry", () => {
  const services = Layer.mergeAll(ServiceRegistry.layer({}), NodeServices.layer, NodeHttpClient.layerUndici)

  const writeConfig = Effect.fnUntraced(function*(config: unknown) {
    const fileSystem = yield* FileSystem.FileSystem
    const path = (yield* Path.Path).join(yield* fileSystem.makeTempDirectoryScoped(), ".mcp.json")
    yield* fileSystem.writeFileString(path, typeof config === "string" ? config : JSON.stringify(config))
    return path
  })

  /** A server that notes its process in a file, and then does this. */
  const noted = Effect.fnUntraced(function*(script: string) {
    const fileSystem = yield* FileSystem.FileSystem
    const file = (yield* Path.Path).join(yield* fileSystem.makeTempDirectoryScoped(), "pid")
    const note = `require("fs").writeFileSync(process.argv[1], String(process.pid));`
    const pid = fileSystem.readFileString(file).pipe(Effect.map(Number), Effect.filterOrFail((pid) => pid > 0))
    return {
      server: { command: process.execPath, args: ["-e", `${note}${script}`, file] },
      hasStarted: Effect.eventually(pid),
      isAlive: Effect.match(pid, { onFailure: () => false, onSuccess: isAlive })
    }
  })

  const isAlive = (pid: number) => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }

  it.live("their tools are registered, all or some", () =>
    Effect.gen(function*() {
      const connect = ToolBackend.mcpStdio(mortal)
      assert.deepStrictEqual(yield* ServiceRegistry.registerMcp(connect, { only: ["echo"] }), ["echo"])
      assert.strictEqual(yield* textOf("echo", { message: "hi" }), "hi")
      const registry = yield* ServiceRegistry.ServiceRegistry
      assert.strictEqual((yield* registry.byTag("mcp")).length, 1)
      const rest = { only: ["pid", "echo"] }
      assert.instanceOf(yield* Effect.flip(ServiceRegistry.registerMcp(connect, rest)), Errors.DuplicateModel)
      assert.deepStrictEqual(yield* registry.names, ["echo"])
      yield* ServiceRegistry.registerMcp(connect, { update: true })
      assert.deepStrictEqual(yield* registry.names, ["echo", "pid", "die"])
    }).pipe(Effect.provide(services)))

  it.live("end when their tools are replaced, and when the last of them is unregistered", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      const connect = ToolBackend.mcpStdio(mortal)
      yield* ServiceRegistry.registerMcp(connect)
      const first = Number(yield* textOf("pid", {}))
      assert.isTrue(isAlive(first))
      yield* ServiceRegistry.registerMcp(connect, { update: true })
      assert.isFalse(isAlive(first))
      const second = Number(yield* textOf("pid", {}))
      assert.strictEqual((yield* registry.unregister("echo"))?.name, "echo")
      assert.isTrue(isAlive(second))
      yield* registry.clear
      assert.isFalse(isAlive(second))
      assert.strictEqual(yield* registry.size, 0)
    }).pipe(Effect.provide(services)))

  it.live("get no environment but what they need, and what the configuration says", () =>
    Effect.gen(function*() {
      const path = yield* writeConfig({
        mcpServers: { one: { ...observed, url: null, env: { TOKEN: "${SERVER_TOKEN}" } } }
      })
      const names = yield* ServiceRegistry.loadMcpConfig(path)
      assert.include(names, "one_environment")
      const environment = Object.keys(JSON.parse(yield* textOf("one_environment", {})))
      assert.sameMembers(environment.filter((name) => !name.startsWith("__CF")), ["PATH", "TOKEN"])
    }).pipe(
      Effect.scoped,
      Effect.provide(services),
      Effect.provideService(
        ConfigProvider.ConfigProvider,
        ConfigProvider.fromUnknown({ PATH: "/usr/bin", OPENAI_API_KEY: "sk-secret", SERVER_TOKEN: "token" })
      )
    ))

  it.live("are chosen by name, and start only what the program allows", () =>
    Effect.gen(function*() {
      const registry = yield* ServiceRegistry.ServiceRegistry
      const path = yield* writeConfig({ mcpServers: { one: mortal, two: { command: "/bin/rm", args: ["-rf", "x"] } } })
      for (const allowCommands of [[mortal.command], (command: string) => command !== "/bin/rm"]) {
        const error = yield* Effect.flip(ServiceRegistry.loadMcpConfig(path, { allowCommands }))
        assert.instanceOf(error, Errors.McpConfigError)
        assert.include(error.message, "/bin/rm")
        assert.strictEqual(yield* registry.size, 0)
      }
      const names = yield* ServiceRegistry.loadMcpConfig(path, { servers: ["one"], allowCommands: [mortal.command] })
      assert.sameMembers([...names], ["one_echo", "one_pid", "one_die"])
      const missing = yield* Effect.flip(ServiceRegistry.loadMcpConfig(path, { servers: ["three"] }))
      assert.include(missing.message, "three")
      assert.deepStrictEqual(yield* ServiceRegistry.loadMcpConfig(yield* writeConfig({})), [])
      assert.deepStrictEqual(yield* ServiceRegistry.loadMcpConfig(yield* writeConfig({ mcpServers: null })), [])
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("come from a configuration, with the values it names", () =>
    Effect.gen(function*() {
      const [script = ""] = mortal.args
      const path = yield* writeConfig({
        mcpServers: {
          one: { command: "${NODE}", args: [script] },
          two: { command: "${NODE}", args: ["${NOWHERE:-" + script + "}"] }
        }
      })
      const names = yield* ServiceRegistry.loadMcpConfig(path)
      assert.sameMembers([...names], ["one_echo", "one_pid", "one_die", "two_echo", "two_pid", "two_die"])
      assert.strictEqual(yield* textOf("two_echo", { message: "hi" }), "hi")
    }).pipe(
      Effect.scoped,
      Effect.provide(services),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({ NODE: mortal.command }))
    ))

  it.live("a configuration that is none, or a server that is not there, is a typed error", () =>
    Effect.gen(function*() {
      for (
        const [config, words] of [
          ["no json", "JSON"],
          [{ mcpServers: [] }, "mcpServers"],
          [
            { mcpServers: { one: { comand: "node" } } },
            "mcpServers.one: a server has a command or a url, this one has comand"
          ],
          [{ mcpServers: { one: { command: 1 } } }, "mcpServers.one.command: "],
          [
            { mcpServers: { one: { url: "http://localhost", headers: { accept: 1 } } } },
            "mcpServers.one.headers.accept: "
          ],
          [{ mcpServers: { one: { command: "${NO_SUCH_VALUE}" } } }, "NO_SUCH_VALUE"]
        ] as const
      ) {
        const error = yield* Effect.flip(ServiceRegistry.loadMcpConfig(yield* writeConfig(config)))
        assert.instanceOf(error, Errors.McpConfigError)
        assert.include(error.message, words)
      }
      const nowhere = yield* writeConfig({ mcpServers: { gone: { command: "no-such-command-anywhere" } } })
      const error = yield* Effect.flip(ServiceRegistry.loadMcpConfig(nowhere))
      assert.isTrue(error instanceof Errors.ModelUnavailable && error.name === "gone")
      assert.include(error.message, "no-such-command-anywhere is not installed")
      assert.instanceOf(yield* Effect.flip(ServiceRegistry.loadMcpConfig("no/such/file")), Errors.McpConfigError)
    }).pipe(
      Effect.scoped,
      Effect.provide(services),
      Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown({}))
    ))

  it.live("a server that says nothing is given up in time, and ended", () =>
    Effect.gen(function*() {
      const { isAlive, server } = yield* noted("setInterval(() => {}, 1000)")
      const path = yield* writeConfig({ mcpServers: { mute: server } })
      const error = yield* Effect.flip(ServiceRegistry.loadMcpConfig(path, { timeout: "1 second" }))
      assert.isTrue(error instanceof Errors.ModelUnavailable && error.name === "mute")
      assert.include(error.message, "deadline")
      assert.isFalse(yield* isAlive)
      const wrong = yield* Effect.flip(ServiceRegistry.loadMcpConfig(path, { timeout: 0 }))
      assert.include(wrong.message, "timeout must be longer than zero")
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("who is interrupted while they start leaves none behind", () =>
    Effect.gen(function*() {
      const { hasStarted, isAlive, server } = yield* noted("setInterval(() => {}, 1000)")
      const loading = yield* Effect.forkChild(
        ServiceRegistry.loadMcpConfig(yield* writeConfig({ mcpServers: { mute: server } }))
      )
      yield* hasStarted
      yield* Fiber.interrupt(loading)
      assert.isFalse(yield* isAlive)
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live("one that ends says why, without credentials, and leaves nothing of the others", () =>
    Effect.gen(function*() {
      const good = yield* noted(`import(${JSON.stringify(mortal.args[0])})`)
      const [, , file] = good.server.args
      const bad = {
        command: process.execPath,
        args: [
          "-e",
          `setInterval(() => {
            if (!require("fs").existsSync(process.argv[1])) return
            console.error("no access with", process.env.TOKEN)
            process.exit(1)
          }, 10)`,
          file
        ],
        env: { TOKEN: "a-long-secret" }
      }
      const path = yield* writeConfig({ mcpServers: { good: good.server, bad } })
      const error = yield* Effect.flip(ServiceRegistry.loadMcpConfig(path))
      assert.isTrue(error instanceof Errors.ModelUnavailable && error.name === "bad")
      assert.include(error.message, process.execPath)
      assert.include(error.message, "no access with <redacted>")
      assert.isFalse(yield* good.isAlive)
      assert.deepStrictEqual(yield* (yield* ServiceRegistry.ServiceRegistry).names, [])
    }).pipe(Effect.scoped, Effect.provide(services)))

  it.live.skipIf(unavailable("MCP servers", missingServers))(
    "the real ones, through the registry and the tool loop",
    () =>
      Effect.gen(function*() {
        const directory = yield* Effect.flatMap(FileSystem.FileSystem, (fs) =>
          Effect.flatMap(fs.makeTempDirectoryScoped(), fs.realPath))
        const note = `${directory}/note.txt`
        const path = yield* writeConfig({
          mcpServers: {
            all: { command: process.execPath, args: [everything, "stdio"] },
            web: { type: "http", url: yield* everythingOverHttp },
            files: { command: process.execPath, args: [filesystem, directory] }
          }
        })
        yield* ServiceRegistry.loadMcpConfig(path)
        const registry = yield* ServiceRegistry.ServiceRegistry
        const tools = yield* Effect.forEach(
          ["all_get-sum", "web_echo", "files_write_file", "files_read_text_file"],
          registry.get
        )
        const model = iModel.layer({ limitRequests: 10 }).pipe(
          Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey: Redacted.make("not-needed") })),
          Layer.provide(Simulator.layerHttpClient({
            latency: 0,
            answer: (_prompt, { toolResults }) =>
              [
                { toolCalls: [{ name: "all_get-sum", arguments: { a: 20, b: 22 } }] },
                { toolCalls: [{ name: "web_echo", arguments: { message: toolResults.at(-1)?.text } }] },
                {
                  toolCalls: [{
                    name: "files_write_file",
                    arguments: { path: note, content: toolResults.at(-1)?.text }
                  }]
                },
                { toolCalls: [{ name: "files_read_text_file", arguments: { path: note } }] }
              ][toolResults.length] ?? toolResults.map(({ text }) =>
                text
              ).join("\n")
          }))
        )
        const { response, steps } = yield* Effect.provide(
          iModel.converse("Write down what 20 and 22 are, and read it.", { tools, maxTurns: 6 }),
          model
        )
        assert.strictEqual(steps.length, 5)
        assert.include(response.text, "42")
        assert.isFalse(steps.some((step) => step.tools.some(({ failed }) => failed)))
      }).pipe(Effect.scoped, Effect.provide(services))
  )
})
