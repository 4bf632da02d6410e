/**
 * A batch under a limit: 100 prompts, 50 requests and 4,000 tokens in every 10 seconds, over real HTTP.
 *
 *     npm run demo              against the simulator, which enforces the same limit and answers 429 when it is broken
 *     npm run demo -- --live    against OpenAI, with OPENAI_API_KEY set
 *
 * Ends with exit code 0 only if all 100 calls completed.
 */
import { NodeHttpClient, NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Clock, Console, Data, Duration, Effect, Fiber, Layer, Redacted, Ref } from "effect"
import { Calling, type Executor, iModel, OpenAi, Simulator } from "effect-imodel"
import { createServer } from "node:http"

const limits = { limitRequests: 50, limitTokens: 4_000 }
const window = Duration.seconds(10)
const latency = Duration.millis(60)
const maxTokens = 60

const prompts = Array.from({ length: 100 }, (_, i) => ({ prompt: `Summarize topic ${i}`, max_tokens: maxTokens }))

// -----------------------------------------------------------------------------
// The program: the batch, watched
// -----------------------------------------------------------------------------

const run = Effect.gen(function*() {
  const model = yield* iModel.iModel
  const samples = yield* Ref.make<ReadonlyArray<Sample>>([])
  const startedAt = yield* Clock.currentTimeMillis
  const watcher = model.executor === undefined
    ? undefined
    : yield* Effect.forkChild(watch(model.executor, startedAt, samples))
  const callings = yield* iModel.invokeAll(prompts)
  const wall = (yield* Clock.currentTimeMillis) - startedAt
  if (watcher !== undefined) yield* Fiber.interrupt(watcher)
  const last = { at: wall, admitted: callings.length, settled: callings.length }
  return { callings, wall, samples: [...yield* Ref.get(samples), last] }
})

interface Sample {
  readonly at: number
  readonly admitted: number
  readonly settled: number
}

const terminal = process.stdout.isTTY

const watch = Effect.fnUntraced(function*(
  executor: Executor.Executor,
  startedAt: number,
  samples: Ref.Ref<ReadonlyArray<Sample>>
) {
  let printed = -1
  while (true) {
    const { completed, failed, pending, processing } = yield* executor.counts
    const at = (yield* Clock.currentTimeMillis) - startedAt
    const settled = completed + failed
    yield* Ref.update(samples, (all) => [...all, { at, admitted: settled + processing, settled }])
    if (terminal) {
      const bar = "█".repeat(Math.round(settled * 0.4)).padEnd(40, "░")
      process.stdout.write(`\r${bar} ${settled}/100   running ${processing}, waiting ${pending}   ${seconds(at)}  `)
    } else if (Math.floor(at / 1000) > printed) {
      printed = Math.floor(at / 1000)
      yield* Console.log(`${seconds(at).padStart(6)}   ${settled}/100 done, ${processing} running, ${pending} waiting`)
    }
    yield* Effect.sleep("100 millis")
  }
}, Effect.ensuring(Effect.sync(() => terminal && process.stdout.write(`\r${" ".repeat(90)}\r`))))

// -----------------------------------------------------------------------------
// The summary
// -----------------------------------------------------------------------------

interface Result {
  readonly callings: ReadonlyArray<Calling.Calling>
  readonly wall: number
  readonly samples: ReadonlyArray<Sample>
  readonly rejected: number
}

/** The least time: what the first full bucket does not cover has to refill, and the last call takes its time. */
const leastMillis = (total: number, limit: number) => Math.max(0, (total - limit) / limit) * Duration.toMillis(window)

const summarize = Effect.fnUntraced(function*({ callings, rejected, samples, wall }: Result, answerMillis: number) {
  const byStatus = new Map<string, number>()
  let used = 0
  for (const { execution } of callings) {
    byStatus.set(execution.status, (byStatus.get(execution.status) ?? 0) + 1)
    if (execution.status !== "completed") continue
    const { inputTokens, outputTokens } = execution.response.usage
    used += (inputTokens.total ?? 0) + (outputTokens.total ?? 0)
  }
  const reserved = callings.reduce((sum, calling) => sum + calling.cost, 0)
  const least =
    Math.max(leastMillis(callings.length, limits.limitRequests), leastMillis(reserved, limits.limitTokens)) +
    answerMillis
  const statuses = Array.from(byStatus, ([status, n]) => `${n} ${status}`).join(", ")

  yield* Console.log(`
  calls       ${statuses}
  429s        ${rejected}
  tokens      ${used} used, ${reserved} reserved
  limit       ${limits.limitRequests} requests and ${limits.limitTokens} tokens in ${Duration.format(window)}
  wall time   ${seconds(wall)}, the least the limit allows is ${seconds(least)}: ${
    ((wall / least - 1) * 100).toFixed(1)
  } % over

  admitted calls over time; │ is what the limit allows by then (half of it until the first answer)
`)
  for (let at = 0; at < wall + 500; at += 500) {
    const admitted = samples.findLast((sample) => sample.at <= at + 50)?.admitted ?? 0
    const allowed = Math.min(100, limits.limitRequests * (1 + at / Duration.toMillis(window)))
    const bar = "█".repeat(Math.round(admitted / 2)).padEnd(51)
    const mark = Math.round(allowed / 2)
    yield* Console.log(`  ${seconds(at).padStart(6)}  ${bar.slice(0, mark)}│${bar.slice(mark + 1)} ${admitted}`)
  }
  yield* Console.log("")
})

const seconds = (millis: number) => `${(millis / 1000).toFixed(1)} s`

// -----------------------------------------------------------------------------
// Where it runs
// -----------------------------------------------------------------------------

class Incomplete extends Data.TaggedError("Incomplete")<{ readonly message: string }> {}

const model = (options: OpenAi.ChatOptions) =>
  iModel.layer({ ...limits, capacityRefreshTime: window, queueCapacity: 100 }).pipe(
    Layer.provide(OpenAi.layerChat(options)),
    Layer.provide(NodeHttpClient.layerUndici)
  )

const simulated = Effect.gen(function*() {
  const simulator = yield* Simulator.serve({ ...limits, window, latency })
  yield* Console.log(`100 prompts to the simulator at ${simulator.baseUrl}\n`)
  const result = yield* Effect.provide(
    run,
    model({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed"), baseUrl: simulator.baseUrl })
  )
  const { rejected } = yield* simulator.seen
  yield* summarize({ ...result, rejected }, Duration.toMillis(latency))
  return result.callings
}).pipe(
  Effect.scoped,
  Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

const live = Effect.gen(function*() {
  yield* Console.log("100 prompts to OpenAI\n")
  const result = yield* Effect.provide(run, model({ model: "gpt-4o-mini" }))
  const rejected = result.callings.filter(({ execution }) =>
    execution.status === "failed" && execution.error.reason._tag === "RateLimitError"
  ).length
  yield* summarize({ ...result, rejected }, 0)
  return result.callings
})

const demo = Effect.gen(function*() {
  const callings = yield* (process.argv.includes("--live") ? live : simulated)
  const failed = callings.find((calling) => calling.execution.status !== "completed")
  if (failed === undefined) return
  const why = yield* Effect.flip(failed.response)
  return yield* new Incomplete({ message: `not all calls completed, for example: ${why.message}` })
})

NodeRuntime.runMain(demo)
