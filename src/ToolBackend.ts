/**
 * Tools as backends: a function with a schema, or the tools of a toolkit or of an MCP server. An `iModel` around one has the
 * limits, hooks and callings of any other, and a model can be given it to call.
 *
 * **Example** (A tool)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool } from "effect/ai"
 * import { iModel, ToolBackend } from "effect-imodel"
 *
 * const Add = Tool.make("add", {
 *   description: "Adds two numbers.",
 *   parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
 *   success: Schema.Finite
 * })
 *
 * const program = Effect.gen(function*() {
 *   const add = yield* iModel.make(yield* ToolBackend.make(Add, ({ a, b }) => a + b), { concurrency: 4 })
 *   const { data } = yield* add.respond({ a: 1, b: 2 })
 *   return data
 * })
 *
 * console.log(await Effect.runPromise(Effect.scoped(program))) // => 3
 * ```
 *
 * @since 0.1.0
 */
import type * as McpClient from "effect/ai/McpClient"
import type * as McpClientError from "effect/ai/McpClientError"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as HttpClient from "effect/http/HttpClient"
import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { Calling } from "./Calling.ts"
import { ToolFailure } from "./Errors.ts"
import { isTooDeep, tooDeep } from "./internal/util/depth.ts"
import { positiveDuration } from "./internal/util/options.ts"
import { failingWith, failureOf, responseOf } from "./internal/tools/answer.ts"
import * as connection from "./internal/tools/connection.ts"
import * as mcp from "./internal/tools/mcp.ts"
import * as toolkits from "./internal/tools/toolkit.ts"
import * as typescript from "./internal/tools/typescript.ts"
import { type Backend, make as makeBackend, type RequestSchema } from "./ServiceBackend.ts"
import type {
  Handler,
  McpHttpOptions,
  McpOptions,
  McpStdioOptions,
  McpTool,
  Options,
  ResultSchema,
  ToolkitTool
} from "./internal/tools/options.ts"

export type {
  Handler,
  McpHttpOptions,
  McpOptions,
  McpStdioOptions,
  McpTool,
  Options,
  ResultSchema,
  ToolkitTool
} from "./internal/tools/options.ts"

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes a backend from a tool of `effect/ai` and its handler. The services of the handler are taken when the backend is made.
 *
 * **Details**
 *
 * Arguments are decoded by the schema of the tool; unknown ones are refused by name. A failure, exception, rejection or defect of
 * the handler is the `cause` of a `BackendError` of reason `ToolFailure`, and so is an answer that does not fit the schema of the
 * tool. The model sees the message of the failure; if there is none, its tag and fields without `Redacted` values. An interruption
 * stays an interruption.
 *
 * `data` is the answer of the handler. `text` is what a model sees: a string as it is, other values as JSON.
 *
 * **Example** (Handlers of all kinds)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool } from "effect/ai"
 * import { HttpClient } from "effect/http"
 * import { ToolBackend } from "effect-imodel"
 *
 * const Fetch = Tool.make("fetch", { parameters: Schema.Struct({ url: Schema.String }), success: Schema.String })
 *
 * const promised = ToolBackend.make(Fetch, async ({ url }, { signal }) => (await fetch(url, { signal })).text())
 *
 * const effectful = ToolBackend.make(Fetch, ({ url }) =>
 *   HttpClient.get(url).pipe(Effect.flatMap((response) => response.text)), { timeout: "10 seconds" })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*<
  Name extends string,
  P extends RequestSchema,
  S extends ResultSchema,
  F extends Schema.Top,
  M extends Tool.FailureMode,
  E = never,
  R = never
>(
  tool: Tool.Tool<Name, { parameters: P; success: S; failure: F; failureMode: M }>,
  handler: Handler<P["Type"], S["Type"], E, R>,
  options: Options = {}
): Effect.fn.Return<Backend<P["Encoded"], S["Type"]>, Cause.IllegalArgumentError, NoInfer<R>> {
  const timeout = options.timeout === undefined ? undefined : yield* positiveDuration("timeout", options.timeout)
  const services = yield* Effect.context<R>()
  const encode = Schema.encodeUnknownEffect(Schema.toCodecJson(tool.successSchema))
  const failed = failureOf(tool.name)
  const late = (limit: Duration.Duration) =>
    new ToolFailure({ tool: tool.name, description: `It took longer than ${Duration.format(limit)}` })

  return yield* makeBackend({
    provider: "tool",
    name: tool.name,
    version: options.version,
    tags: ["tool", ...(options.tags ?? [])],
    request: tool.parametersSchema,
    operation: { name: "execute_tool" },
    tool,
    call: Effect.fnUntraced(function*(params: P["Type"], calling) {
      const handled = Effect.updateContext(
        handle(handler, params, calling, failed),
        (context: Context.Context<never>) => Context.merge(services, context)
      )
      const answer = yield* timeout === undefined
        ? handled
        : Effect.timeoutOrElse(handled, { duration: timeout, orElse: () => Effect.fail(late(timeout)) })
      if (isTooDeep(answer)) return yield* failed(new TypeError(`the result is ${tooDeep}`))
      return yield* Effect.suspend(() => encode(answer)).pipe(
        Effect.map((encoded) => responseOf(answer, encoded)),
        failingWith(failed)
      )
    }, Effect.catchDefect((defect) => Effect.fail(failed(defect))))
  })
})

const handle = <Params, A, E, R>(
  handler: Handler<Params, A, E, R>,
  params: Params,
  calling: Calling,
  failed: (cause: unknown) => ToolFailure
): Effect.Effect<A, ToolFailure, R> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    const handled = Effect.suspend((): Effect.Effect<A, E, R> => {
      const answer = handler(params, { calling, signal: controller.signal })
      if (Effect.isEffect(answer)) return answer
      return Predicate.isPromise(answer)
        ? Effect.promise(() => answer)
        : Effect.succeed(answer)
    }).pipe(failingWith(failed))
    return Effect.onInterrupt(handled, () => Effect.sync(() => controller.abort()))
  })

// -----------------------------------------------------------------------------
// Toolkits
// -----------------------------------------------------------------------------

/**
 * Makes a backend of each tool of a toolkit of `effect/ai`, carried out by the handlers in context. What the handlers need is taken
 * while they are made. Tools that a provider defines are left out.
 *
 * **Details**
 *
 * Arguments that the tool's schema does not know, and whatever its handler fails or dies with, are a `BackendError` of reason
 * `ToolFailure`; so is a failure that the handler returns (`failureMode: "return"`). Of preliminary results only the last counts.
 *
 * **Gotchas**
 *
 * A tool with `needsApproval` is not run, since nobody is asked here: its calls are `ToolFailure`s. Leave it out of the tool, and
 * have a hook of its model ask, in `preInvocation`.
 *
 * **Example** (The tool loop with a toolkit)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool, Toolkit } from "effect/ai"
 * import { iModel, ToolBackend } from "effect-imodel"
 *
 * const toolkit = Toolkit.make(
 *   Tool.make("weather", { parameters: Schema.Struct({ city: Schema.String }), success: Schema.String })
 * )
 *
 * const handlers = toolkit.toLayer({ weather: ({ city }) => Effect.succeed(`rain in ${city}`) })
 *
 * const program = Effect.gen(function*() {
 *   const tools = yield* Effect.forEach(yield* ToolBackend.fromToolkit(toolkit), (tool) => iModel.make(tool))
 *   return yield* iModel.converse("Do I need an umbrella in Oslo?", { tools, maxTurns: 5 })
 * }).pipe(Effect.provide(handlers))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromToolkit: <Tools extends Readonly<Record<string, Tool.Any>>>(
  toolkit: Toolkit.Toolkit<Tools>
) => Effect.Effect<
  ReadonlyArray<ToolkitTool>,
  never,
  Tool.HandlersFor<Tools> | Tool.HandlerServices<Tools[keyof Tools]>
> = toolkits.fromToolkit

// -----------------------------------------------------------------------------
// MCP
// -----------------------------------------------------------------------------

/**
 * Makes a backend of each tool of an MCP server. They share one connection, which is closed with the current scope. When it breaks,
 * the running call fails with a `ToolFailure`, whose `cause` says why, and the next call reconnects.
 *
 * **Details**
 *
 * Arguments that do not fit the JSON schema of the tool are a `ToolFailure`, and are not sent. An error of the server (`isError`) is
 * a `ToolFailure` with its message. The `timeout` of a call is that of the connection: see {@link mcpStdio} and {@link mcpHttp}.
 *
 * **Example** (The tools of a server)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { ToolBackend } from "effect-imodel"
 *
 * const tools = ToolBackend.fromMcp(
 *   ToolBackend.mcpStdio({ command: "npx", args: ["-y", "@modelcontextprotocol/server-everything"] })
 * )
 *
 * const names = Effect.map(tools, (tools) => tools.map(({ name }) => name))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromMcp: <R>(
  connect: Effect.Effect<McpClient.McpClient, McpClientError.McpClientError, R>,
  options?: McpOptions
) => Effect.Effect<ReadonlyArray<McpTool>, McpClientError.McpClientError, R | Scope.Scope> = mcp.fromMcp

/**
 * Starts an MCP server and connects to it, by its standard input and output. It ends with the scope.
 *
 * **Details**
 *
 * When the program cannot be started or ends by itself, the `TransportError` has its name and the last lines of its standard error,
 * from which the values of `env` are taken out. A server that has not answered in time is ended at once (SIGTERM, SIGKILL a second
 * later). One that serves has its input closed, as the protocol wants it, and 5 seconds to end by itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const mcpStdio: (
  server: McpStdioOptions
) => Effect.Effect<
  McpClient.McpClient,
  McpClientError.McpClientError,
  ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> = connection.stdio

/**
 * Connects to an MCP server over HTTP (the transport "Streamable HTTP").
 *
 * @category constructors
 * @since 0.1.0
 */
export const mcpHttp: (
  server: McpHttpOptions
) => Effect.Effect<McpClient.McpClient, McpClientError.McpClientError, HttpClient.HttpClient | Scope.Scope> =
  connection.http

// -----------------------------------------------------------------------------
// Descriptions
// -----------------------------------------------------------------------------

/**
 * The JSON schema of a tool's arguments.
 *
 * @category operations
 * @since 0.1.0
 */
export const jsonSchema = (tool: Tool.Any): JsonSchema.JsonSchema => Tool.getJsonSchema(tool)

/**
 * The arguments that a tool must have.
 *
 * @category operations
 * @since 0.1.0
 */
export const requiredFields = (tool: Tool.Any): ReadonlyArray<string> => typescript.requiredOf(jsonSchema(tool))

/**
 * A tool as a declaration of TypeScript, for prompts. Comments have the descriptions, defaults and integers; recursive types are
 * declared before it.
 *
 * **Example** (A declaration)
 *
 * ```ts
 * import { Schema } from "effect"
 * import { Tool } from "effect/ai"
 * import { ToolBackend } from "effect-imodel"
 *
 * const Add = Tool.make("add", {
 *   description: "Adds two numbers.",
 *   parameters: Schema.Struct({ a: Schema.Finite, b: Schema.optional(Schema.Finite) })
 * })
 *
 * // declare function add(args: {
 * //   a: number
 * //   b?: number
 * // }): Promise<unknown>, with the description above it
 * const declaration = ToolBackend.toTypeScript(Add)
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const toTypeScript = (tool: Tool.Any): string => {
  const description = Tool.getDescription(tool)
  const comment = description === undefined ? "" : `/** ${description.replaceAll("*/", "* /")} */\n`
  const { declarations, type } = typescript.typeOf(jsonSchema(tool))
  const types = declarations.map((declaration) => `${declaration}\n\n`).join("")
  return `${types}${comment}declare function ${tool.name}(args: ${type}): Promise<unknown>`
}
