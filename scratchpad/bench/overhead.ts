/**
 * What a client adds to a call and to a chunk of a stream, as ratios of CPU time to raw `fetch`, against a server in another
 * process that answers at once.
 *
 *     npm run bench:overhead
 *
 *     --rounds N     so many interleaved rounds, of which the median counts; 5 unless told
 *     --only NAME    one client beside `fetch`
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { parseArgs } from "node:util"
import { type Client, clients } from "./overhead/clients.ts"
import { chunks } from "./overhead/job.ts"

const { values: options } = parseArgs({
  options: { rounds: { type: "string", default: "5" }, only: { type: "string" }, memory: { type: "string" } }
})
const rounds = Number(options.rounds)
const callsEach = 2_000
const streamsEach = 40
const inFlight = 10_000
const prompt = "word ".repeat(160)

const server = fork(new URL("./overhead/server.ts", import.meta.url), { execArgv: [] })
const ask = async (message: "held" | "release"): Promise<{ readonly held: number }> => {
  server.send(message)
  const [answer] = await once(server, "message")
  return answer
}
const [{ baseUrl }] = await once(server, "message")

if (options.memory !== undefined) {
  await weigh(options.memory)
  process.exit()
}

/** The heap of one call in flight, in bytes; told to the parent. */
async function weigh(name: string) {
  const client = clients[name]?.(baseUrl)
  if (client === undefined) return
  for (let i = 0; i < 200; i++) await client.call("warm")
  globalThis.gc?.()
  const before = process.memoryUsage().heapUsed
  const calls = Array.from({ length: inFlight }, () => client.call("hold"))
  while ((await ask("held")).held < inFlight) await new Promise((resolve) => setTimeout(resolve, 50))
  globalThis.gc?.()
  process.send?.({ bytes: (process.memoryUsage().heapUsed - before) / inFlight })
  server.send("release")
  await Promise.all(calls)
}

const subjects = Object.entries(clients)
  .filter(([name]) => options.only === undefined || name === "fetch" || name === options.only)
  .map(([name, make]) => ({
    name,
    client: make(baseUrl),
    call: [] as Array<number>,
    rate: [] as Array<number>,
    chunk: [] as Array<number>
  }))

/** Microseconds of CPU. */
const cpu = async (work: () => Promise<unknown>): Promise<number> => {
  const before = process.cpuUsage()
  await work()
  const { system, user } = process.cpuUsage(before)
  return system + user
}

const sequential = async ({ call }: Client) => {
  for (let i = 0; i < callsEach; i++) await call(prompt)
}

const atOnce = async ({ call }: Client) => {
  let left = callsEach
  await Promise.all(Array.from({ length: 64 }, async () => {
    while (left-- > 0) await call(prompt)
  }))
}

const streams = async ({ stream }: Client) => {
  for (let i = 0; i < streamsEach; i++) await stream(prompt)
}

for (const { client, name } of subjects) {
  process.stdout.write(`warming ${name}\n`)
  const text = await client.stream(prompt)
  if (text.split("word").length !== chunks + 1) throw new Error(`${name} lost a part of its stream`)
  for (let i = 0; i < 5; i++) await atOnce(client)
  for (let i = 0; i < 3; i++) await streams(client)
}

for (let round = 0; round < rounds; round++) {
  for (const subject of subjects) {
    subject.call.push(await cpu(() => sequential(subject.client)) / callsEach)
    const began = performance.now()
    await atOnce(subject.client)
    subject.rate.push(callsEach / ((performance.now() - began) / 1_000))
    subject.chunk.push(await cpu(() => streams(subject.client)) / (streamsEach * chunks))
  }
  process.stdout.write(`round ${round + 1} of ${rounds}\n`)
}

const median = (values: ReadonlyArray<number>): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

function fail(message: string): never {
  throw new Error(message)
}

const heaps = new Map<string, number>()
for (const { name } of subjects) {
  const child = fork(new URL(import.meta.url), ["--memory", name], { execArgv: ["--expose-gc"] })
  const [{ bytes }] = await once(child, "message")
  heaps.set(name, bytes)
  await once(child, "exit")
}

const fetched = subjects.find(({ name }) => name === "fetch") ?? fail("there is nothing to compare with")
type Subject = (typeof subjects)[number]
const ratio = (of: (subject: Subject) => ReadonlyArray<number>, subject: Subject) =>
  (median(of(subject)) / median(of(fetched))).toFixed(2)

console.table(Object.fromEntries(subjects.map((subject) => [subject.name, {
  "CPU a call": ratio(({ call }) => call, subject),
  "calls/s, 64 at once": ratio(({ rate }) => rate, subject),
  "CPU a chunk": ratio(({ chunk }) => chunk, subject),
  "heap a call in flight, KB": ((heaps.get(subject.name) ?? Number.NaN) / 1_024).toFixed(1)
}])))
console.log(
  `fetch: ${median(fetched.call).toFixed(0)} µs of CPU a call, ${median(fetched.rate).toFixed(0)} calls/s, ` +
    `${median(fetched.chunk).toFixed(1)} µs of CPU a chunk`
)
process.exit()
