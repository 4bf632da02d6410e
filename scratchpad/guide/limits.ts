/**
 * Limits: a batch of 30 calls under 10 requests and 1,000 tokens a second, against a provider that enforces the same limits.
 *
 *     npm run guide -- limits
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Layer, Redacted } from "effect"
import { Executor, iModel, OpenAi, Simulator } from "effect-imodel"

const limits = { limitRequests: 10, limitTokens: 1_000 }

const model = iModel.layer({
  ...limits,
  capacityRefreshTime: "1 second", // the window; a minute by default
  concurrency: 8, // calls that run at once
  queueCapacity: 100 // calls that wait
}).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provideMerge(Simulator.layerHttpClient({ ...limits, window: "1 second", latency: "20 millis" }))
)

const prompts = Array.from({ length: 30 }, (_, i) => ({ prompt: `Summarize topic ${i}`, max_tokens: 20 }))

const program = Effect.gen(function*() {
  const { executor } = yield* iModel.iModel
  if (executor === undefined) return

  // A batch in the background: a higher number is less urgent. Callers with keys of their own take turns.
  const batch = yield* iModel.invokeAll(prompts).pipe(
    Effect.provideService(Executor.Priority, 10),
    Effect.provideService(Executor.Key, "reports"),
    Effect.forkChild
  )
  yield* Effect.sleep("200 millis")
  const { limits, running, waiting } = yield* executor.snapshot
  yield* Console.log(`${running} calls run, ${waiting} wait;`, limits.requests, "requests are left")

  const urgent = yield* iModel.invoke({ prompt: "Now!", max_tokens: 20 }, { priority: 0, timeout: "5 seconds" })
  yield* Console.log(`an urgent call is ${urgent.execution.status}, ${yield* executor.size} still wait`)

  // What can never fit is denied at once.
  const large = yield* Effect.flip(iModel.invoke({ prompt: "A book", max_tokens: 5_000 }))
  yield* Console.log(large.message)

  const callings = yield* Fiber.join(batch)
  const { rejected } = yield* (yield* Simulator.Simulator).seen
  const completed = callings.filter(({ execution }) => execution.status === "completed").length
  yield* Console.log(`${completed} of ${callings.length} completed, the provider refused ${rejected}`)
})

program.pipe(Effect.provide(model), NodeRuntime.runMain)
