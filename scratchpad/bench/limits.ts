/**
 * How close to a strict limit a client comes, and how often it breaks it: the same job for each, against a server in
 * another process that counts by its own clock.
 *
 *     npm run build && node scratchpad/bench/limits.ts
 *
 *     --rounds N     so many times each, in rotated order; the table then has the mean and the worst
 *     --only NAME    one client alone
 *     --processes N --redis
 *                    the library alone, in so many processes that share the limits in a Redis of their own
 *     --half         the server enforces half of what the clients are told, and says so in its headers alone
 */
import { setTimeout as delay } from "node:timers/promises"
import { parseArgs } from "node:util"
import { type Client, clients } from "./limits/clients.ts"
import { type Outcome, runFleet } from "./limits/fleet.ts"
import { halved, leastMillis, limits, makeCalls } from "./limits/job.ts"
import { startProvider } from "./limits/provider.ts"
import type { Rejection } from "./limits/server.ts"

const { values: options } = parseArgs({
  options: {
    half: { type: "boolean", default: false },
    only: { type: "string" },
    processes: { type: "string", default: "1" },
    redis: { type: "boolean", default: false },
    rounds: { type: "string", default: "1" }
  }
})

const rounds = Number(options.rounds)
const enforced = options.half ? halved(limits) : limits
const calls = makeCalls(options.half ? 300 : 600)
const least = leastMillis(calls, enforced)

const processes = Number(options.processes)
if (!(processes >= 1)) throw new Error("--processes is a number from 1")
if (processes > 1 && !options.redis) throw new Error("several processes share their limits in Redis: --redis")

const compared = options.half ? ["imodel", "cookbook"] : Object.keys(clients)
/** What is known of those who shared the limits, beside what is known of all. */
const shared: Array<Outcome> = []
const fleet: Client = async (job) => {
  const outcome = await runFleet(processes, job)
  shared.push(outcome)
  return outcome.failed
}
const subjects = options.redis ? [[`imodel, ${processes} processes`, fleet] as const] : Object.entries(clients).filter(
  ([name]) => options.only === undefined ? compared.includes(name) : name === options.only
)
if (subjects.length === 0) throw new Error(`--only is one of ${Object.keys(clients).join(", ")}`)
if (!(rounds >= 1)) throw new Error("--rounds is a number from 1")

// -----------------------------------------------------------------------------
// Running
// -----------------------------------------------------------------------------

interface Result {
  readonly name: string
  /** Over the least possible. */
  readonly wall: number
  readonly requests: number
  readonly rejected: number
  readonly failed: number
}

const provider = await startProvider()

const run = async (name: string, client: Client): Promise<Result> => {
  const { baseUrl } = await provider.reset(enforced)
  const began = performance.now()
  const outcome = client({ baseUrl, calls, limits }).then((failed) => ({
    failed,
    millis: shared.at(-1)?.millis ?? performance.now() - began
  }))
  while ((await Promise.race([outcome, delay(10_000)])) === undefined) {
    const { admitted, rejections } = await provider.report()
    console.log(`    ${seconds(performance.now() - began)}  ${admitted} admitted, ${rejections.length} 429s`)
  }

  const { failed, millis } = await outcome
  const { admitted, firstAdmission, lastAdmission, rejections, requests, tokens } = await provider.report()
  console.log(`    ${seconds(millis)}  ${requests} requests, ${rejections.length} 429s, ${failed} failed`)
  console.log(`    admitted ${admitted} with ${tokens} tokens in ${seconds(lastAdmission - firstAdmission)}`)
  for (const rejection of rejections.slice(0, 5)) console.log(`    ${describe(rejection)}`)
  return { name, wall: millis / least, requests, rejected: rejections.length, failed }
}

const describe = ({ atMillis, earlyMillis, kind }: Rejection) =>
  `429 at ${seconds(atMillis)}: ${earlyMillis.toFixed(1)} ms too early for its ${kind}`

const seconds = (millis: number) => `${(millis / 1000).toFixed(2).padStart(5)} s`

console.log(
  `${calls.length} calls at ${limits.requests} requests and ${limits.tokens} tokens in ${limits.windowMillis} ms` +
    `${options.half ? ", of which the server grants half" : ""}: at least ${seconds(least)}`
)

const results: Array<Result> = []
for (let round = 0; round < rounds; round++) {
  const first = round % subjects.length
  for (const [name, client] of [...subjects.slice(first), ...subjects.slice(0, first)]) {
    console.log(`\n  ${name}, round ${round + 1} of ${rounds}`)
    results.push(await run(name, client))
  }
}
provider.stop()

// -----------------------------------------------------------------------------
// The table
// -----------------------------------------------------------------------------

const columns = [
  ["wall / least", (result: Result) => result.wall, 3],
  ["requests", (result: Result) => result.requests, 0],
  ["429s", (result: Result) => result.rejected, 0],
  ["failed", (result: Result) => result.failed, 0]
] as const

const cell = (values: ReadonlyArray<number>, digits: number) => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return rounds === 1 ? mean.toFixed(digits) : `${mean.toFixed(digits || 1)} (${Math.max(...values).toFixed(digits)})`
}

console.log(`\n  ${rounds === 1 ? "one round" : `mean (worst) of ${rounds} rounds`}\n`)
console.log(`  ${"client".padEnd(24)}${columns.map(([title]) => title.padStart(16)).join("")}`)
for (const [name] of subjects) {
  const own = results.filter((result) => result.name === name)
  const cells = columns.map(([, of, digits]) => cell(own.map(of), digits).padStart(16))
  console.log(`  ${name.padEnd(24)}${cells.join("")}`)
}
for (const { leastShare, roundTrips } of shared) {
  console.log(
    `  ${roundTrips.toFixed(2)} round trips to Redis for each admission; the process with the least had ` +
      `${(leastShare * 100).toFixed(0)} % of its fair share`
  )
}
if (results.some(({ failed }) => failed > 0)) console.log("\n  A client that gives calls up is done the sooner.")
console.log("")
