/**
 * 100,000 calls through a limited executor, one in ten interrupted, some failing and made again: what is left afterwards.
 *
 *     npm run bench:leaks
 */
import { AiError } from "effect/ai"
import { Effect, Fiber, Random, Schema } from "effect"
import { iModel, ServiceBackend } from "effect-imodel"

const calls = 100_000
const atOnce = 1_000

const args = { prompt: "Hello" }

const backend = ServiceBackend.make({
  provider: "bench",
  name: "unsteady",
  request: Schema.Struct({ prompt: Schema.String }),
  retry: { delay: 1 },
  call: (_payload, calling) =>
    Effect.flatMap(Random.next, (chance) =>
      chance < 0.02 && calling.attempts.length === 0
        ? Effect.fail(new AiError.InternalProviderError({ description: "overloaded" }))
        : chance < 0.3
        ? Effect.as(Effect.sleep(1), "done")
        : Effect.succeed("done"))
})

const heap = () => {
  if (globalThis.gc === undefined) throw new Error("run with node --expose-gc")
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed / 1e6
}

const batch = Effect.fnUntraced(function*(model: iModel.Model<typeof args, string>, total: number) {
  for (let done = 0; done < total; done += atOnce) {
    const fibers = yield* Effect.replicateEffect(Effect.forkChild(Effect.exit(model.invoke(args))), atOnce)
    yield* Effect.sleep(1)
    yield* Fiber.interruptAll(fibers.filter((_, i) => i % 10 === 0))
    yield* Fiber.awaitAll(fibers)
  }
})

const measured = Effect.gen(function*() {
  const model = yield* iModel.make(yield* backend, { limitRequests: 1e9, limitTokens: 1e12, concurrency: 500 })
  const resources = () => process.getActiveResourcesInfo().length
  yield* batch(model, 10_000)
  const before = { heap: heap(), resources: resources() }
  yield* batch(model, calls)
  const after = { heap: heap(), resources: resources() }
  const executor = yield* Effect.fromNullishOr(model.executor)
  return { before, after, snapshot: yield* executor.snapshot }
})

const { after, before, snapshot } = await Effect.runPromise(Effect.scoped(measured))
console.log(`
  ${calls} calls, one in ten interrupted, after 10,000 of them to warm up

                      before      after
  heap, MB        ${before.heap.toFixed(2).padStart(10)} ${after.heap.toFixed(2).padStart(10)}
  handles, timers ${String(before.resources).padStart(10)} ${String(after.resources).padStart(10)}

  settled         ${JSON.stringify(snapshot.counts)}
  running ${snapshot.running}, waiting ${snapshot.waiting}, made again ${snapshot.retries}
`)
