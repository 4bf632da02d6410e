/** The job, done by several processes that share the limits in Redis. */
import { NodeHttpClient, NodeRedis } from "@effect/platform-node"
import { DateTime, Effect, Layer, Redacted } from "effect"
import { iModel, LimitStore, OpenAi } from "effect-imodel"
import { Redis } from "effect/persistence"
import { type ChildProcess, fork } from "node:child_process"
import { once } from "node:events"
import { serve } from "../../support/redis.ts"
import { cost, model } from "./clients.ts"
import type { Job } from "./job.ts"

interface Order extends Job {
  readonly redisUrl: string
}

/** What one process did. */
interface Done {
  readonly failed: number
  /** When its calls started, in milliseconds of Unix time. */
  readonly starts: ReadonlyArray<number>
}

export interface Outcome {
  readonly failed: number
  readonly millis: number
  /** Exchanges with Redis for each call that was admitted. */
  readonly roundTrips: number
  /** Of what a process would have had of the calls if all had had the same, the least that one had, while all had work. */
  readonly leastShare: number
}

const work = ({ baseUrl, calls, limits, redisUrl }: Order): Promise<Done> =>
  iModel.invokeAll(calls.map(({ maxTokens, prompt }) => ({ prompt, max_tokens: maxTokens }))).pipe(
    Effect.map((callings) => ({
      failed: callings.filter(({ execution }) => execution.status !== "completed").length,
      starts: callings.flatMap(({ attempts: [first] }) => first ? [DateTime.toEpochMillis(first.startedAt)] : [])
    })),
    Effect.provide(
      iModel.layer({
        key: "bench",
        limitRequests: limits.requests,
        limitTokens: limits.tokens,
        capacityRefreshTime: limits.windowMillis,
        cost
      }).pipe(
        Layer.provide(OpenAi.layerChat({ model, baseUrl, apiKey: Redacted.make("not-needed") })),
        Layer.provide(NodeHttpClient.layerUndici),
        Layer.provide(LimitStore.layerRedis(NodeRedis.layer({ url: redisUrl })))
      )
    ),
    Effect.runPromise
  )

const hear = async (child: ChildProcess) => {
  const [message] = await once(child, "message")
  return message
}

/** Deals the calls out to so many processes, which start at the same moment, and waits for all of them. */
export const runFleet = (processes: number, job: Job): Promise<Outcome> =>
  Effect.gen(function*() {
    const server = yield* serve()
    const children = yield* Effect.acquireRelease(
      Effect.sync(() => Array.from({ length: processes }, () => fork(import.meta.filename))),
      (children) => Effect.sync(() => children.map((child) => child.kill()))
    )
    yield* Effect.promise(() => Promise.all(children.map(hear)))
    const began = performance.now()
    const done = yield* Effect.promise(() =>
      Promise.all(children.map((child, i): Promise<Done> => {
        const calls = job.calls.filter((_, call) => call % processes === i)
        child.send({ ...job, calls, redisUrl: server.url } satisfies Order)
        return hear(child)
      }))
    )
    const millis = performance.now() - began
    const stats = yield* Effect.provide(
      Effect.flatMap(Redis.Redis, (redis) => redis.send<string>("INFO", "commandstats")),
      NodeRedis.layer({ url: server.url })
    )
    const exchanges = Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1])
    return {
      failed: done.reduce((sum, { failed }) => sum + failed, 0),
      millis,
      roundTrips: exchanges / job.calls.length,
      leastShare: leastShare(done.map(({ starts }) => starts.toSorted((a, b) => a - b)))
    }
  }).pipe(Effect.scoped, Effect.runPromise)

const leastShare = (starts: ReadonlyArray<ReadonlyArray<number>>): number => {
  const until = Math.min(...starts.map((own) => own.at(-1) ?? 0))
  const counts = starts.map((own) => own.filter((at) => at <= until).length)
  return (Math.min(...counts) * counts.length) / counts.reduce((sum, count) => sum + count, 0)
}

if (import.meta.main && process.send !== undefined) {
  process.on("message", (order: Order) => {
    void work(order).then((done) => {
      process.send?.(done)
      process.disconnect()
    })
  })
  process.send("ready")
}
