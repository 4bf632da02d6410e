/**
 * What happens in a program's calls, by one hook: requests and errors are counted, and tokens while they stream.
 *
 *     npm run hooks
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Metric, Redacted, Stream } from "effect"
import { Hook, iModel, OpenAi, Simulator } from "effect-imodel"

const requests = Metric.counter("requests")
const errors = Metric.frequency("errors")
const tokens = Metric.counter("tokens")

const observe = Hook.make({
  name: "observe",
  preInvocation: () => Metric.update(requests, 1),
  onError: (_calling, error) => Metric.update(errors, "reason" in error ? error.reason._tag : error._tag),
  onPart: Hook.partsOf("text-delta", (part) => Metric.update(tokens, Math.ceil(part.delta.length / 4)))
})

const program = Effect.gen(function*() {
  yield* Effect.forEach(["spring", "autumn", "winter"], (season) => Stream.runDrain(iModel.stream({ prompt: season })))
  yield* iModel.invoke({ prompt: "Write a book.", max_tokens: 1_000_000 })
  yield* Console.log("requests", (yield* Metric.value(requests)).count)
  yield* Console.log("errors", [...(yield* Metric.value(errors)).occurrences])
  yield* Console.log("tokens", (yield* Metric.value(tokens)).count)
})

const model = iModel.layer({ hooks: [observe] }).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provide(Simulator.layerHttpClient({
    faults: ({ prompt }) => prompt.includes("book") ? { _tag: "ContextTooLong" } : undefined
  }))
)

program.pipe(Effect.provide(model), NodeRuntime.runMain)
