/** The configuration of MCP servers that many programs share, as a file `.mcp.json`: https://code.claude.com/docs/en/mcp */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { McpConfigError } from "../../Errors.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import type { McpConfigOptions } from "./options.ts"

const Texts = Schema.Record(Schema.String, Schema.String)

const Http = Schema.Struct({ url: Schema.String, headers: Schema.optional(Texts) })

const Stdio = Schema.Struct({
  command: Schema.String,
  args: Schema.optional(Schema.Array(Schema.String)),
  env: Schema.optional(Texts)
})

const decodeFile = Schema.decodeEffect(
  Schema.fromJsonString(
    Schema.Struct({
      mcpServers: Schema.optional(Schema.NullOr(
        Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Unknown))
      ))
    })
  )
)
const decodeHttp = Schema.decodeUnknownEffect(Http)
const decodeStdio = Schema.decodeUnknownEffect(Stdio)

type Server = typeof Http.Type | typeof Stdio.Type

/** The servers by their names, with the values of the configuration put in. */
export const readMcpConfig = Effect.fnUntraced(function*(
  path: string,
  { allowCommands, servers }: Pick<McpConfigOptions, "allowCommands" | "servers">
): Effect.fn.Return<ReadonlyArray<readonly [string, Server]>, McpConfigError, FileSystem.FileSystem> {
  const failed = (...words: ReadonlyArray<string>) =>
    new McpConfigError({ path, description: words.filter((word) => word !== "").join(": ") })
  const fileSystem = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(fileSystem.readFileString(path), ({ message }) => failed(message))
  const { mcpServers: declared } = yield* Effect.mapError(decodeFile(file), (error) => {
    const { message, path } = describeIssue(error)
    return failed(path, message)
  })
  const read = Effect.fnUntraced(function*(
    name: string,
    given: Readonly<Record<string, unknown>>
  ): Effect.fn.Return<Server, McpConfigError> {
    // Some editors write `null` for the fields that a server does not have.
    const fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null))
    const at = `mcpServers.${name}`
    if (!("url" in fields || "command" in fields)) {
      const others = Object.keys(fields)
      return yield* failed(at, `a server has a command or a url, this one has ${others.join(", ") || "nothing"}`)
    }
    const decoded: Effect.Effect<Server, Schema.SchemaError> = "url" in fields
      ? decodeHttp(fields)
      : decodeStdio(fields)
    return yield* Effect.mapError(decoded, (error) => {
      const { message, path } = describeIssue(error)
      return failed(`${at}.${path}`, message)
    })
  })
  const fill = (text: string) => Effect.mapError(fillIn(text), ({ message }) => failed(message))
  const fillAll = Effect.fnUntraced(function*(texts: typeof Texts.Type = {}) {
    return Object.fromEntries(
      yield* Effect.forEach(
        Object.entries(texts),
        ([name, text]) => Effect.map(fill(text), (text) => [name, text] as const)
      )
    )
  })
  const mcpServers = declared ?? {}
  const missing = servers?.find((name) => !Object.hasOwn(mcpServers, name))
  if (missing !== undefined) {
    const names = Object.keys(mcpServers)
    return yield* failed("mcpServers", `there is no server ${missing}, only: ${names.join(", ") || "none"}`)
  }
  return yield* Effect.forEach(
    Object.entries(mcpServers).filter(([name]) => servers === undefined || servers.includes(name)),
    Effect.fnUntraced(function*([name, fields]) {
      const server = yield* read(name, fields)
      if ("url" in server) {
        return [name, { url: yield* fill(server.url), headers: yield* fillAll(server.headers) }] as const
      }
      const command = yield* fill(server.command)
      const args = yield* Effect.forEach(server.args ?? [], fill)
      const isAllowed = typeof allowCommands === "function"
        ? allowCommands(command, args)
        : allowCommands?.includes(command) ?? true
      if (!isAllowed) return yield* failed(`mcpServers.${name}`, `the command ${command} is not one of allowCommands`)
      return [name, { command, args, env: yield* fillAll(server.env) }] as const
    })
  )
})

const fillIn = Effect.fnUntraced(function*(text: string): Effect.fn.Return<string, Config.ConfigError> {
  let filled = ""
  let from = 0
  for (const { 0: whole, 1: name = "", 2: otherwise, index } of text.matchAll(/\$\{(\w+)(?::-([^{}]*))?\}/g)) {
    const config = Config.String(name)
    filled += text.slice(from, index)
    filled += yield* otherwise === undefined ? config : Config.withDefault(config, otherwise)
    from = index + whole.length
  }
  return filled + text.slice(from)
})
