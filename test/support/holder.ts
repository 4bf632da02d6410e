/**
 * A process that shares limits by the Redis of its first argument, until it is killed: two of its calls run for ever, and a
 * third waits in line for more than there is.
 */
import { NodeRedis } from "@effect/platform-node"
import { Effect, Layer, Schema } from "effect"
import { Executor, LimitStore, ServiceBackend } from "../../src/index.ts"

const [, , url = ""] = process.argv

const hold = Effect.gen(function*() {
  const backend = yield* ServiceBackend.make({
    provider: "test",
    name: "holder",
    request: Schema.Struct({ cost: Schema.Int }),
    cost: ({ cost }) => cost,
    call: () => Effect.andThen(Effect.sync(() => process.send?.("runs")), Effect.never)
  })
  const executor = yield* Executor.Executor
  yield* Effect.forEach(
    [10, 10, 90],
    (cost) => Effect.flatMap(backend.createCalling({ cost }), (calling) => executor.submit(calling)),
    { concurrency: "unbounded" }
  )
})

const shared = LimitStore.layerRedis(NodeRedis.layer({ url }), { lease: "1 second" })

Effect.runFork(Effect.provide(
  hold,
  Executor.layer({ key: "held", tokens: { capacity: 100, window: "1 hour" }, sharedConcurrency: 3 }).pipe(
    Layer.provide(shared)
  )
))
