/** Programs that take the place of `claude`, and what is left of them. */
import { Effect, type Scope } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

export interface Fake {
  readonly executable: string
  /** A directory of its own, which is in the arguments of every process that the program starts. */
  readonly directory: string
}

/** An executable that runs the lines of JavaScript. They may use what stands above them. */
export const fake = (lines: string): Effect.Effect<Fake, never, Scope.Scope> =>
  Effect.map(temporaryDirectory, (directory) => {
    const executable = join(directory, "claude")
    writeFileSync(executable, `#!${process.execPath}\n${prelude}\n${lines}\n`)
    chmodSync(executable, 0o755)
    return { executable, directory }
  })

export const temporaryDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => realpathSync(mkdtempSync(join(tmpdir(), "claude-test-")))),
  (directory) => Effect.sync(() => rmSync(directory, { recursive: true, force: true }))
)

const prelude = `
const { spawn } = require("node:child_process")
const { appendFileSync, existsSync, readFileSync, writeFileSync } = require("node:fs")
const { dirname, join } = require("node:path")
const directory = dirname(__filename)
const args = process.argv.slice(2)
const input = JSON.parse(readFileSync(0, "utf8"))
const asked = input.message.content.map((block) => block.text ?? "<" + block.type + ">").join("")
const session = args.find((arg) => arg.startsWith("--resume="))?.slice(9) ?? "session-" + process.pid
const usage = { input_tokens: 9, cache_creation_input_tokens: 3, cache_read_input_tokens: 5, output_tokens: 4 }
const write = (text) => process.stdout.write(text)
const say = (event) => write(JSON.stringify(event) + "\\n")
const init = () => say({ type: "system", subtype: "init", session_id: session, model: "fake" })
const assistant = (content, more) =>
  say({ type: "assistant", message: { id: "message-" + Math.random(), model: "fake", content, usage }, ...more })
const user = (content, more) => say({ type: "user", message: { role: "user", content }, ...more })
const partial = (event) => say({ type: "stream_event", event, parent_tool_use_id: null })
const result = (text, more) =>
  say({
    type: "result", subtype: "success", is_error: false, session_id: session, num_turns: 1, duration_ms: 20,
    duration_api_ms: 10, total_cost_usd: 0.02, usage, result: text, stop_reason: "end_turn", ...more
  })
const answer = (text) => {
  init()
  assistant([{ type: "text", text }])
  result(text)
}
const hang = () => setInterval(() => {}, 1000)
const sleeper = (options) =>
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)", directory], { stdio: "ignore", ...options })
`

/** The processes that have a text in their arguments or in their environment. */
export const processesWith = (text: string): ReadonlyArray<string> =>
  execFileSync("ps", ["axeww", "-o", "stat=,args="], { encoding: "utf8", maxBuffer: 1e8 })
    .split("\n")
    // One that has ended and is not yet collected by the system is no process of ours.
    .filter((line) => line.includes(text) && !line.startsWith("Z"))

const version = "2.1.330"

/**
 * The path of the real program, installed once for all runs of the tests; or why there is none.
 */
export const installed = ((): { readonly executable?: string; readonly missing?: string } => {
  const directory = join(tmpdir(), `effect-imodel-claude-code-${version}`)
  const executable = join(directory, "node_modules", ".bin", "claude")
  try {
    if (!existsSync(executable)) {
      const fresh = mkdtempSync(`${directory}-`)
      const args = ["install", "--prefix", fresh, "--no-audit", "--no-fund", `@anthropic-ai/claude-code@${version}`]
      execFileSync("npm", args, { stdio: "pipe", timeout: 120_000 })
      renameSync(fresh, directory)
    }
    execFileSync(executable, ["--version"], { stdio: "pipe", timeout: 20_000 })
    return { executable }
  } catch (error) {
    const [reason] = String(error).split("\n")
    return { missing: `npm install @anthropic-ai/claude-code@${version} in ${directory}: ${reason}` }
  }
})()
