/**
 * A process that shares limits by the Redis at its first argument, until it is killed: it runs two calls that never end, and
 * then waits in line for more of the bucket than there is.
 */
import { NodeRedis } from "@effect/platform-node"
import { Effect, Layer } from "effect"
import { Executor, LimitStore, ServiceBackend } from "../../src/index.ts"

const [, , url = ""] = process.argv

const hold = Effect.gen(function*() {
  const executor = yield* Executor.Executor
  const backend = yield* ServiceBackend.ServiceBackend
  const submit = (cost: number) =>
    Effect.flatMap(backend.createCalling({}, { cost: () => cost }), (calling) => executor.submit(calling))
  yield* Effect.forEach([10, 10, 90], submit, { concurrency: "unbounded" })
})

const mock = ServiceBackend.layerMock(() =>
  Effect.sync(() => process.send?.("holds")).pipe(Effect.andThen(Effect.never))
)

hold.pipe(
  Effect.provide([
    mock,
    Executor.layer({ key: "held", tokens: { capacity: 100, window: "1 hour" }, sharedConcurrency: 3 }).pipe(
      Layer.provide(LimitStore.layerRedis(NodeRedis.layer({ url }), { lease: "1 second" }))
    )
  ]),
  Effect.runFork
)
