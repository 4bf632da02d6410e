/**
 * One limit for three processes, kept in a Redis of its own, while one of them is killed.
 *
 *     npm run guide -- many-processes    needs redis-server on the PATH (Debian: apt-get install redis-server)
 */
import { NodeHttpClient, NodeHttpServer, NodeRedis, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { iModel, LimitStore, OpenAi, Simulator } from "effect-imodel"
import { fork } from "node:child_process"
import { once } from "node:events"
import { createServer } from "node:http"
import { missingRedis, serve } from "../support/redis.ts"

const limits = { limitRequests: 30, limitTokens: 3_000 }
const prompts = Array.from({ length: 25 }, (_, i) => ({ prompt: `Summarize topic ${i}`, max_tokens: 60 }))

/** The work of one process. A `key` and a `LimitStore` are all that sharing takes. */
const work = (redis: string, provider: string) =>
  iModel.invokeAll(prompts).pipe(Effect.provide(
    iModel.layer({ ...limits, capacityRefreshTime: "2 seconds", key: "account" }).pipe(
      Layer.provide(LimitStore.layerRedis(NodeRedis.layer({ url: redis }))),
      Layer.provide(OpenAi.layerChat({ model: "simulated", apiKey: Redacted.make("not-needed"), baseUrl: provider })),
      Layer.provide(NodeHttpClient.layerUndici)
    )
  ))

const program = Effect.gen(function*() {
  if (missingRedis !== undefined) return yield* Console.log(missingRedis)
  const redis = yield* serve()
  const simulator = yield* Simulator.serve({ ...limits, window: "2 seconds", latency: "60 millis" })
  const processes = Array.from({ length: 3 }, () => fork(import.meta.filename, [redis.url, simulator.baseUrl]))
  const ends = Effect.promise(() => Promise.all(processes.map((child) => once(child, "exit"))))

  const killed = Effect.gen(function*() {
    while ((yield* simulator.seen).admitted < 40) yield* Effect.sleep("50 millis")
    yield* Effect.sync(() => processes[1]?.kill("SIGKILL"))
  })
  const [codes] = yield* Effect.all([ends, killed], { concurrency: 2 })
  const { admitted, rejected } = yield* simulator.seen
  const completed = codes.filter(([code]) => code === 0).length
  yield* Console.log(`${completed} processes completed 25 calls each, one was killed`)
  yield* Console.log(`the provider admitted ${admitted} calls and refused ${rejected}`)
}).pipe(
  Effect.scoped,
  Effect.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
)

const [, , redis, provider] = process.argv
if (redis === undefined || provider === undefined) NodeRuntime.runMain(program)
else {
  process.once("disconnect", () => process.exit(1)) // the parent has ended
  NodeRuntime.runMain(Effect.andThen(work(redis, provider), Effect.sync(() => process.exit(0))))
}
