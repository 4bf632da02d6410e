/** The configuration of MCP servers that many programs share, as a file `.mcp.json`: https://code.claude.com/docs/en/mcp */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"
import { McpConfigError } from "../Errors.ts"
import { describeIssue } from "./invalidArgument.ts"

const Texts = Schema.Record(Schema.String, Schema.String)

const Server = Schema.Union([
  Schema.Struct({ url: Schema.String, headers: Schema.optional(Texts) }),
  Schema.Struct({
    command: Schema.String,
    args: Schema.optional(Schema.Array(Schema.String)),
    env: Schema.optional(Texts)
  })
])

const decode = Schema.decodeEffect(
  Schema.fromJsonString(Schema.Struct({ mcpServers: Schema.Record(Schema.String, Server) }))
)

/** The servers by their names, with the values of the configuration put in. */
export const readMcpConfig = Effect.fnUntraced(function*(
  path: string
): Effect.fn.Return<ReadonlyArray<readonly [string, typeof Server.Type]>, McpConfigError, FileSystem.FileSystem> {
  const failed = (description: string) => new McpConfigError({ path, description })
  const fileSystem = yield* FileSystem.FileSystem
  const file = yield* Effect.mapError(fileSystem.readFileString(path), ({ message }) => failed(message))
  const { mcpServers } = yield* Effect.mapError(decode(file), (error) => {
    const { message, path } = describeIssue(error)
    return failed(path === "" ? message : `${path}: ${message}`)
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
  return yield* Effect.forEach(
    Object.entries(mcpServers),
    Effect.fnUntraced(function*([name, server]) {
      if ("url" in server) {
        return [name, { url: yield* fill(server.url), headers: yield* fillAll(server.headers) }] as const
      }
      const { args = [], command, env } = server
      return [name, {
        command: yield* fill(command),
        args: yield* Effect.forEach(args, fill),
        env: yield* fillAll(env)
      }] as const
    })
  )
})

const fillIn = Effect.fnUntraced(function*(text: string): Effect.fn.Return<string, Config.ConfigError> {
  let filled = ""
  let from = 0
  for (const { 0: whole, 1: name = "", 2: otherwise, index } of text.matchAll(/\$\{(\w+)(?::-([^}]*))?\}/g)) {
    const config = Config.String(name)
    filled += text.slice(from, index)
    filled += yield* otherwise === undefined ? config : Config.withDefault(config, otherwise)
    from = index + whole.length
  }
  return filled + text.slice(from)
})
