/**
 * Models and tools by name: those of a program, those of its configuration, and those of MCP servers.
 *
 * **Example** (Models by name)
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { FetchHttpClient } from "effect/http"
 * import { Anthropic, iModel, OpenAi, ServiceRegistry } from "effect-imodel"
 *
 * const registry = ServiceRegistry.layer({
 *   gpt: iModel.layer({ limitRequests: 500 }).pipe(Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini" }))),
 *   claude: iModel.layer().pipe(Layer.provide(Anthropic.layerMessages({ model: "claude-haiku-4-5" })))
 * }).pipe(Layer.provide(FetchHttpClient.layer))
 *
 * const ask = Effect.fnUntraced(function*(name: string, prompt: string) {
 *   const { get } = yield* ServiceRegistry.ServiceRegistry
 *   const model = yield* get(name)
 *   const calling = yield* model.invokeUnknown({ prompt })
 *   return (yield* calling.response).text
 * })
 *
 * const program = ask("claude", "Hello").pipe(Effect.provide(registry))
 * ```
 *
 * @since 0.1.0
 */
import type * as McpClient from "effect/ai/McpClient"
import type * as McpClientError from "effect/ai/McpClientError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as FileSystem from "effect/FileSystem"
import type * as HttpClient from "effect/http/HttpClient"
import * as Layer from "effect/Layer"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Scope from "effect/Scope"
import { type ConfigurationError, type DuplicateModel, type McpConfigError, ModelUnavailable } from "./Errors.ts"
import * as iModel from "./iModel.ts"
import { readFile } from "./internal/configuration/file.ts"
import { readMcpConfig } from "./internal/registry/mcpConfig.ts"
import { own } from "./internal/registry/ownership.ts"
import { wholly } from "./internal/util/memoize.ts"
import * as internal from "./internal/registry/registry.ts"
import * as ToolBackend from "./ToolBackend.ts"
import type { McpConfigOptions, Registered, Registry } from "./internal/registry/options.ts"

export type { Format, McpConfigOptions, Registered, Registry, ToolSchema } from "./internal/registry/options.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * The registry of the program, as a service.
 *
 * @category services
 * @since 0.1.0
 */
export class ServiceRegistry extends Context.Service<ServiceRegistry, Registry>()("effect-imodel/ServiceRegistry") {}

// -----------------------------------------------------------------------------
// Layers
// -----------------------------------------------------------------------------

/**
 * A registry with these models, by the names given here. Each is made when it is asked for first, once, and released with the
 * registry. What fails while it is made is a `ModelUnavailable`, and tried again when it is asked for again.
 *
 * @category layers
 * @since 0.1.0
 */
export function layer<const Layers extends Readonly<Record<string, Layer.Layer<iModel.iModel, unknown, unknown>>>>(
  layers: Layers
): Layer.Layer<ServiceRegistry, never, Layer.Services<Layers[keyof Layers]>>
export function layer<E, R>(
  layers: Readonly<Record<string, Layer.Layer<iModel.iModel, E, R>>>
): Layer.Layer<ServiceRegistry, never, R> {
  const models = Object.entries(layers).map(([name, layer]) =>
    [name, wholly(Effect.map(Layer.build(layer), (context) => Context.get(context, iModel.iModel)))] as const
  )
  return Layer.effect(ServiceRegistry, make(models))
}

/**
 * A registry with the models of a file, by the names that they have there, made as those of `layer` are. All of the file is read
 * and checked when the layer is built.
 *
 * **Details**
 *
 * A model has the form that `iModel.toJson` writes, without version and name, which the file has. The backend of a model of several
 * (`"type": "fallback"`, `"balance"`) refers to models of the same file by name, which share their limits, or contains them. The
 * type `"provider"` is the default. Keys are given by the names of their environment variables.
 *
 * Fails with `ConfigurationError`, which has the file and the path, for
 *
 * - a file that cannot be read, is not JSON, or has another version
 * - an unknown or repeated field, or an invalid value
 * - a key in place of the name of its environment variable
 * - a reference to a model that is not in the file, or of a model to itself
 *
 * A model whose environment variable is not set is `ModelUnavailable`, with the `ConfigurationError` as its `cause`.
 *
 * **Example** (The models of a program)
 *
 * ```json
 * {
 *   "$schema": "./node_modules/effect-imodel/dist/imodel.schema.json",
 *   "version": 1,
 *   "models": {
 *     "gpt": {
 *       "backend": { "provider": "openai", "endpoint": "chat", "model": "gpt-4o-mini", "apiKey": "OPENAI_API_KEY" },
 *       "limitRequests": 500
 *     },
 *     "claude": {
 *       "backend": { "provider": "anthropic", "endpoint": "messages", "model": "claude-haiku-4-5" }
 *     },
 *     "main": {
 *       "backend": { "type": "fallback", "models": ["gpt", "claude"], "cooldown": "30 seconds" },
 *       "timeout": "1 minute"
 *     }
 *   }
 * }
 * ```
 *
 * ```ts
 * import { NodeHttpClient, NodeServices } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { ServiceRegistry } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const { get } = yield* ServiceRegistry.ServiceRegistry
 *   const main = yield* get("main")
 *   const calling = yield* main.invokeUnknown({ prompt: "Hello" })
 *   return (yield* calling.response).text
 * }).pipe(
 *   Effect.provide(ServiceRegistry.layerFromFile("imodel.json")),
 *   Effect.provide([NodeServices.layer, NodeHttpClient.layerUndici])
 * )
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerFromFile = (
  path: string
): Layer.Layer<ServiceRegistry, ConfigurationError, FileSystem.FileSystem | HttpClient.HttpClient> =>
  Layer.effect(ServiceRegistry, Effect.flatMap(readFile(path), make))

const make = Effect.fnUntraced(function*<E, R>(
  models: Iterable<readonly [string, Effect.Effect<Registered, E, R | Scope.Scope>]>
): Effect.fn.Return<Registry, never, R | Scope.Scope> {
  const scope = yield* Effect.scope
  const services = yield* Effect.context<R>()
  const lazy = Array.from(models, ([name, model]) =>
    [
      name,
      model.pipe(
        Effect.mapError((cause) => new ModelUnavailable({ name, cause })),
        Scope.provide(scope),
        // It is that of the registry, whoever asks for it first: an executor of theirs may end before it does.
        Effect.updateContext((_asking: Context.Context<never>) => services)
      )
    ] as const)
  return { ...internal.make(new Map(lazy)), scope }
})

// -----------------------------------------------------------------------------
// MCP
// -----------------------------------------------------------------------------

/**
 * Registers the tools of an MCP server, and answers with their names. The connection lives until the last of them is unregistered
 * or replaced (`update: true`), and as long as the registry. When one of them
 * cannot be registered none is, and the connection is closed.
 *
 * @category operations
 * @since 0.1.0
 */
export const registerMcp = <R>(
  connect: Effect.Effect<McpClient.McpClient, McpClientError.McpClientError, R>,
  options?: ToolBackend.McpOptions & { readonly update?: boolean | undefined }
): Effect.Effect<
  ReadonlyArray<string>,
  McpClientError.McpClientError | DuplicateModel | iModel.OptionsError,
  ServiceRegistry | Exclude<R, Scope.Scope>
> => registerAll(ToolBackend.fromMcp(connect, options), options)

/** All of them or none: what goes wrong, or is interrupted, leaves nothing behind. */
const registerAll = Effect.fnUntraced(function*<E, R>(
  connect: Effect.Effect<ReadonlyArray<ToolBackend.McpTool>, E, R>,
  options: { readonly update?: boolean | undefined } | undefined
): Effect.fn.Return<
  ReadonlyArray<string>,
  E | DuplicateModel | iModel.OptionsError,
  ServiceRegistry | Exclude<R, Scope.Scope>
> {
  const { register, scope, unregister } = yield* ServiceRegistry
  const models: Array<Registered> = []
  const registering = Effect.gen(function*() {
    const made = yield* Effect.forEach(yield* connect, (tool) => iModel.make(tool))
    yield* Effect.uninterruptible(
      Effect.forEach(made, (model) => Effect.map(register(model, options), () => models.push(model)))
    )
    return models.map(({ name }) => name)
  })
  return yield* Effect.acquireUseRelease(
    // Servers take their time to end, all at once.
    Scope.fork(scope, "parallel"),
    (connection) => Scope.provide(registering, connection),
    (connection, exit) =>
      Exit.isSuccess(exit)
        ? Effect.sync(() => own(models, Scope.close(connection, Exit.void)))
        : Effect.andThen(
          Effect.ignore(Effect.forEach(models, ({ name }) => unregister(name))),
          Scope.close(connection, exit)
        )
  )
})

/**
 * Registers the tools of all servers in a configuration of the kind `.mcp.json`, and answers with their names. Each begins with the
 * name of its server and a `_`.
 *
 * **Details**
 *
 * The file has `mcpServers`, each with a `command` (and `args`, `env`) or a `url` (and `headers`); in these `${NAME}` is the
 * configuration value of that name, and `${NAME:-otherwise}` has a default: https://code.claude.com/docs/en/mcp
 *
 * **Gotchas**
 *
 * A `.mcp.json` runs programs: `allowCommands` guards what it may start. The servers get no environment but what they need to run and
 * the `env` of the file.
 *
 * All servers or none: one that cannot be reached is a `ModelUnavailable` of its name, and what was started before is ended. A program
 * that can do without a server has it in a file of its own, of which it ignores the failure.
 *
 * **Example** (The tools of a project)
 *
 * ```ts
 * import { NodeHttpClient, NodeServices } from "@effect/platform-node"
 * import { Effect, Layer } from "effect"
 * import { ServiceRegistry } from "effect-imodel"
 *
 * const names = ServiceRegistry.loadMcpConfig(".mcp.json").pipe(
 *   Effect.provide(Layer.mergeAll(ServiceRegistry.layer({}), NodeServices.layer, NodeHttpClient.layerUndici))
 * )
 * ```
 *
 * **Example** (Servers that the program can do without)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ServiceRegistry } from "effect-imodel"
 *
 * const load = Effect.andThen(
 *   ServiceRegistry.loadMcpConfig(".mcp.json"),
 *   Effect.ignore(ServiceRegistry.loadMcpConfig(".mcp.optional.json", { timeout: "10 seconds" }))
 * )
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const loadMcpConfig = Effect.fnUntraced(function*(
  path: string,
  options?: McpConfigOptions
): Effect.fn.Return<
  ReadonlyArray<string>,
  McpConfigError | ModelUnavailable | DuplicateModel | iModel.OptionsError,
  ServiceRegistry | FileSystem.FileSystem | ChildProcessSpawner.ChildProcessSpawner | HttpClient.HttpClient
> {
  const servers = yield* readMcpConfig(path, options ?? {})
  const toolsOf = Effect.fnUntraced(function*([server, how]: (typeof servers)[number]) {
    const from = <R>(connect: Effect.Effect<McpClient.McpClient, McpClientError.McpClientError, R>) =>
      Effect.mapError(
        ToolBackend.fromMcp(connect, { prefix: `${server}_` }),
        (cause) => new ModelUnavailable({ name: server, cause })
      )
    const timeout = options?.timeout
    return "url" in how
      ? yield* from(ToolBackend.mcpHttp({ ...how, timeout }))
      : yield* from(ToolBackend.mcpStdio({ ...how, timeout }))
  })
  const tools = Effect.forEach(servers, toolsOf, { concurrency: "unbounded" })
  return yield* registerAll(Effect.map(tools, (tools) => tools.flat()), options)
})
