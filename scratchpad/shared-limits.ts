/**
 * One limit for four processes: 40 requests and 4,000 tokens in every 5 seconds, kept in a Redis of its own, against a simulated
 * provider that enforces the same limit and answers 429 when it is broken. One of the four is killed on the way.
 *
 *     npm run shared-limits    needs redis-server on the PATH (Debian: apt-get install redis-server)
 *
 * Ends with exit code 0 only if the provider never refused, and the three that were let live completed all their calls.
 */
import { NodeHttpClient, NodeHttpServer, NodeRedis, NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Data, Duration, Effect, Layer, Redacted } from "effect"
import { iModel, LimitStore, OpenAi, Simulator } from "effect-imodel"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { hasRedis, howToGetRedis, serve } from "../test/support/redis.ts"

const limits = { limitRequests: 40, limitTokens: 4_000 }
const window = Duration.seconds(5)
const processes = 4
const callsEach = 50
const killedAt = Duration.seconds(5)

// -----------------------------------------------------------------------------
// One of the four
// -----------------------------------------------------------------------------

interface Addresses {
  readonly redis: string
  readonly provider: string
}

interface Progress {
  readonly admitted: number
  readonly completed: number
  readonly waiting: number
}

const prompts = Array.from({ length: callsEach }, (_, i) => ({ prompt: `Summarize topic ${i}`, max_tokens: 60 }))

/** What any program does with one model; only the store of its limits is another. */
const work = ({ provider, redis }: Addresses) =>
  Effect.gen(function*() {
    const { executor } = yield* iModel.iModel
    if (executor === undefined) return
    const report = Effect.gen(function*() {
      const { completed, pending, processing } = yield* executor.counts
      process.send?.({ admitted: completed + processing, completed, waiting: pending } satisfies Progress)
    })
    yield* report
    yield* Effect.callback<void>((resume) => {
      process.once("message", () => resume(Effect.void))
    })
    yield* Effect.forkChild(Effect.forever(Effect.delay(report, "100 millis")))
    yield* iModel.invokeAll(prompts)
    yield* report
  }).pipe(Effect.provide(
    iModel.layer({ ...limits, capacityRefreshTime: window, key: "account" }).pipe(
      Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey: Redacted.make("not-needed"), baseUrl: provider })),
      Layer.provide(NodeHttpClient.layerUndici),
      Layer.provide(LimitStore.layerRedis(NodeRedis.layer({ url: redis })))
    )
  ))

// -----------------------------------------------------------------------------
// All of them, watched
// -----------------------------------------------------------------------------

interface Worker extends Progress {
  readonly child: ChildProcess
  readonly state: "works" | "is done" | "killed"
}

const start = (addresses: Addresses): Worker => {
  const child = fork(import.meta.filename, [addresses.redis, addresses.provider])
  const worker = { child, state: "works" as Worker["state"], admitted: 0, completed: 0, waiting: callsEach }
  child.on("message", (progress: Progress) => Object.assign(worker, progress))
  child.on("exit", (_, signal) => {
    worker.state = signal === null ? "is done" : "killed"
  })
  return worker
}

const terminal = process.stdout.isTTY

const table = (workers: ReadonlyArray<Worker>, millis: number) => {
  const rows = workers.map(({ admitted, state, waiting }, i) => {
    const bar = "█".repeat(Math.ceil(admitted / 2)).padEnd(callsEach / 2, "░")
    return `  process ${i + 1}  ${bar} ${String(admitted).padStart(4)} admitted ${
      String(waiting).padStart(4)
    } waiting  ${state}`
  })
  const admitted = workers.reduce((sum, worker) => sum + worker.admitted, 0)
  const allowed = Math.floor(limits.limitRequests * (1 + millis / Duration.toMillis(window)))
  const time = `${(millis / 1000).toFixed(1)} s`.padStart(7)
  return [...rows, `  together ${time}${String(admitted).padStart(28)} admitted ${String(allowed).padStart(4)} allowed`]
}

/** They begin together, once all are ready. */
const begin = (workers: ReadonlyArray<Worker>) =>
  Effect.promise(async () => {
    await Promise.all(workers.map(({ child }) => once(child, "message")))
    for (const { child } of workers) child.send("begin")
  })

const watch = Effect.fnUntraced(function*(workers: ReadonlyArray<Worker>) {
  const began = yield* Clock.currentTimeMillis
  let killed = false
  let printed = -1
  for (let isFirst = true; workers.some(({ state }) => state === "works"); isFirst = false) {
    const millis = (yield* Clock.currentTimeMillis) - began
    if (!killed && millis >= Duration.toMillis(killedAt)) {
      killed = true
      workers[1]?.child.kill("SIGKILL")
    }
    const lines = table(workers, millis)
    if (terminal) {
      process.stdout.write(`${isFirst ? "" : `\u001b[${lines.length}A`}${lines.join("\u001b[K\n")}\u001b[K\n`)
    } else if (Math.floor(millis / 1000) > printed) {
      printed = Math.floor(millis / 1000)
      yield* Console.log(`${lines.join("\n")}\n`)
    }
    yield* Effect.sleep("100 millis")
  }
  if (!terminal) yield* Console.log(table(workers, (yield* Clock.currentTimeMillis) - began).join("\n"))
})

class Failed extends Data.TaggedError("Failed")<{ readonly message: string }> {}

const demonstrate = Effect.gen(function*() {
  if (!hasRedis) return yield* new Failed({ message: howToGetRedis })
  const redis = yield* serve()
  const simulator = yield* Simulator.serve({ ...limits, window, latency: "60 millis" })
  yield* Console.log(`
  ${processes} processes with ${callsEach} calls each; ${limits.limitRequests} requests and ${limits.limitTokens} tokens in ${
    Duration.format(window)
  }. Process 2 is killed after ${Duration.format(killedAt)}.\n`)
  const workers = yield* Effect.acquireRelease(
    Effect.sync(() =>
      Array.from({ length: processes }, () => start({ redis: redis.url, provider: simulator.baseUrl }))
    ),
    (workers) => Effect.sync(() => workers.map(({ child }) => child.kill()))
  )
  yield* begin(workers)
  yield* watch(workers)
  const { admitted, rejected } = yield* simulator.seen
  yield* Console.log(`\n  The provider admitted ${admitted} calls and refused ${rejected}.\n`)
  const unfinished = workers.filter(({ completed, state }) => state !== "killed" && completed < callsEach)
  if (rejected > 0 || unfinished.length > 0) {
    return yield* new Failed({ message: "the limit was broken, or a call was lost" })
  }
}).pipe(
  Effect.scoped,
  Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

const [, , redis, provider] = process.argv
if (redis === undefined || provider === undefined) NodeRuntime.runMain(demonstrate)
else NodeRuntime.runMain(Effect.andThen(work({ redis, provider }), Effect.sync(() => process.disconnect())))
