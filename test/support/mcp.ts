/** MCP servers: our own for tests, and the real ones of npm where they are installed. */
import { Effect, Schedule } from "effect"
import { ToolBackend } from "effect-imodel"
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { freePort } from "../../scratchpad/support/redis.ts"

/** A server that dies when it is asked to. */
export const mortal = {
  command: process.execPath,
  args: [fileURLToPath(new URL("mcpServer.ts", import.meta.url))]
}

/** One that has two more tools: "silent" does not answer, "environment" answers with the environment of the server. */
export const observed = { command: mortal.command, args: [...mortal.args, "more"] }

const packages = "@modelcontextprotocol/server-everything @modelcontextprotocol/server-filesystem"
const prefix = join(tmpdir(), "effect-imodel-mcp")
const places = [fileURLToPath(new URL("../../node_modules/", import.meta.url)), join(prefix, "node_modules")]

const find = (path: string) => places.map((place) => join(place, "@modelcontextprotocol", path)).find(existsSync)

/** The scripts of the real servers; `undefined` when they are not installed. */
export const everything = find("server-everything/dist/index.js")
export const filesystem = find("server-filesystem/dist/index.js")

/** Why they are not there; `undefined` when they are. */
export const missingServers = everything !== undefined && filesystem !== undefined
  ? undefined
  : `npm install --prefix ${prefix} ${packages}`

/** Serves `server-everything` over HTTP until the scope closes, and answers with its address when it is there. */
export const everythingOverHttp = Effect.gen(function*() {
  const port = yield* freePort
  yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [everything ?? "", "streamableHttp"], {
        env: { ...process.env, PORT: String(port) },
        stdio: "ignore"
      })
    ),
    (process) => Effect.sync(() => process.kill())
  )
  const url = `http://127.0.0.1:${port}/mcp`
  yield* Effect.scoped(ToolBackend.fromMcp(ToolBackend.mcpHttp({ url }))).pipe(
    Effect.retry(Schedule.spaced(50)),
    Effect.timeout("10 seconds")
  )
  return url
})
