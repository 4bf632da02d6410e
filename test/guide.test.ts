/** Every program of the guide runs offline, and prints what it is to print. */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import { ConfigProvider, Console, Effect } from "effect"
import { execFile } from "node:child_process"
import { readdirSync } from "node:fs"
import { delimiter, dirname, join } from "node:path"
import { format, promisify } from "node:util"
import { vi } from "vitest"
import packageJson from "../package.json" with { type: "json" }
import { missingRedis } from "../scratchpad/support/redis.ts"
import { installed } from "./support/claude.ts"
import { unavailable } from "./support/required.ts"

const root = join(import.meta.dirname, "..")
const folder = join(root, "scratchpad", "guide")

// The programs run in this process, which saves each of them the import of the library.
const { runMain, started } = vi.hoisted(() => {
  const started: Array<Effect.Effect<void>> = []
  return {
    started,
    runMain: <A, E>(program: Effect.Effect<A, E>) => void started.push(Effect.asVoid(Effect.orDie(program)))
  }
})
vi.mock("@effect/platform-node", async (original) => ({
  ...await original<typeof import("@effect/platform-node")>(),
  NodeRuntime: { runMain }
}))

/** What each prints, in this order. */
const printed: Readonly<Record<string, ReadonlyArray<RegExp>>> = {
  approvals: [/^deleting draft\.txt$/m, /thesis\.txt.*declined/, /^Done\.$/m],
  "claude-code": [/^Done\./m, /^in the same session:$/m, /^It\n adds\.$/m],
  "csv-job": [/^\d+ of 40 verdicts/, /^40 of 40 verdicts/m],
  "effect-ai": [/Oslo.*The opera\./, /^The opera\.$/m, /^2 vectors, 4 requests/m],
  embeddings: [/^1\.00 Snow is white\.$/m],
  failover: [/^Blue, says anthropic\..*gpt-4o InternalProviderError.*answered/, /^first second first second$/m],
  hooks: [
    /You said: Name a colour\./,
    /Success after 0 requests/,
    /denied: .*who asks\?/,
    /\[redacted\]/,
    /\d tokens were/
  ],
  limits: [
    /wait;/,
    /urgent call is completed/,
    /can never be admitted/,
    /^30 of 30 completed, the provider refused 0$/m
  ],
  lionpride: [/^hook: Success$/m, /^completed Hi!$/m, /^5$/m, /^Hi!$/m],
  providers: [/^OPENAI\n/, /, stop, /, /streamed: .*text-delta/, /^ANTHROPIC$/m, /^GEMINI$/m],
  registry: [
    /^gpt, by gpt: Amber\.$/m,
    /^main, by gpt/m,
    /available: \d+, capacity: 500/,
    /with full limits: Amber/,
    /Did you mean gpt\?/
  ],
  "sse-endpoint": [
    /^acme\nevent: text\ndata: It\n/,
    /event: end/,
    /^event: error\ndata: .*budget/m,
    /^globex\nevent: text/m
  ],
  streams: [/^Once\n upon\n a\n time$/m, /^broke off after "Once upon a"/m, /^stop \d+$/m],
  telemetry: [/batch/, /iModel\.wait/, /chat gpt-4o-mini.*output_tokens=/],
  testing: [/^passed: 2 calls/],
  tools: [/declare function weather/, /town.*failed:.*no such parameter/, /^Warmer in Reykjavik\. \(6 messages\)$/m],
  vote: [/^decided: Yes \{ yes: 2 \}\n/, /gemini-2\.5-flash: cancelled/]
}

const assertPrints = (output: string, expected: ReadonlyArray<RegExp>) => {
  let rest = output
  for (const pattern of expected) {
    const found = pattern.exec(rest)
    assert.isNotNull(found, `${pattern} is not in the rest of the output:\n${rest}\n\nwhich is:\n${output}`)
    rest = rest.slice((found?.index ?? 0) + (found?.[0].length ?? 0))
  }
}

/** A console that keeps its lines. */
const recorder = () => {
  const lines: Array<string> = []
  return { lines, console: { ...console, log: (...args: ReadonlyArray<unknown>) => void lines.push(format(...args)) } }
}

/** The command of `npm run guide`. */
const guide = (...args: ReadonlyArray<string>) => {
  const [, ...command] = packageJson.scripts.guide.split(" ")
  return promisify(execFile)(process.execPath, [...command, ...args], { cwd: root, encoding: "utf8", timeout: 110_000 })
}

/** Claude Code is where the tests have installed it. */
const environment = ConfigProvider.fromEnv({
  env: { ...process.env, PATH: [dirname(installed.executable ?? ""), process.env["PATH"]].join(delimiter) }
})

const programs = new Map<string, Effect.Effect<void>>()

beforeAll(async () => {
  for (const name of Object.keys(printed)) {
    await import(join(folder, `${name}.ts`))
    const program = started.pop()
    if (program !== undefined) programs.set(name, program)
  }
})

describe.concurrent("the guide", () => {
  for (const [name, expected] of Object.entries(printed)) {
    const skipped = name === "claude-code" && unavailable("Claude Code", installed.missing)
    it.live.skipIf(skipped)(name, () =>
      Effect.gen(function*() {
        const { console, lines } = recorder()
        yield* (programs.get(name) ?? Effect.void).pipe(
          Effect.provideService(Console.Console, console),
          Effect.provideService(ConfigProvider.ConfigProvider, environment)
        )
        assertPrints(lines.join("\n"), expected)
      }))
  }

  it("javascript", async () => {
    const { console: recording, lines } = recorder()
    const log = vi.spyOn(console, "log").mockImplementation(recording.log)
    await import(join(folder, "javascript.js"))
    log.mockRestore()
    assertPrints(lines.join("\n"), [/ \d+$/m, /^string number\nstreamed\n2\nTimeoutError$/m])
  })

  it.skipIf(unavailable("Redis", missingRedis))("many-processes", { timeout: 120_000 }, async () => {
    const { stdout } = await guide("many-processes") // five processes, on a busy machine
    assertPrints(stdout, [/^2 processes completed 25 calls each, one was killed$/m, /^the provider admitted \d+/m])
  })

  it("lists all of them", async () => {
    const { stdout } = await guide()
    const names = stdout.split("\n\n")[0]?.split("\n").map((line) => line.split(" ")[0])
    const files = readdirSync(folder).filter((file) => /\.[jt]s$/.test(file))
    assert.deepStrictEqual(names, files.map((file) => file.split(".")[0]))
    const elsewhere = ["javascript", "many-processes", "unit-tests"] // a test of its own, above or in its file
    assert.sameMembers([...Object.keys(printed), ...elsewhere], names ?? [])
  })
})
