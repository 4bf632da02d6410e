/**
 * Hooks: who may ask, what a call may say, what it may cost, and what became of it.
 *
 *     npm run guide -- hooks
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Metric, Redacted, Stream } from "effect"
import { Calling, Hook, iModel, OpenAi, Simulator } from "effect-imodel"
import { Persistence } from "effect/persistence"

const tokens = Metric.counter("streamed_tokens")

const guard = Hook.make({
  name: "guard",
  // Other arguments, which are checked as all are.
  preEventCreate: (args) => Effect.succeed({ ...args, temperature: 0 }),
  // To fail here is to say no: nothing is spent.
  preInvocation: ({ metadata }) => metadata["user"] === undefined ? Effect.fail("who asks?") : Effect.void,
  // An answer in place of the error.
  onError: (_calling, error) =>
    error._tag === "BackendError"
      ? Effect.succeed(Calling.makeResponse({ data: null, text: `Please come back later: ${error.reason._tag}` }))
      : Effect.void,
  // Each part of a stream.
  onPart: Hook.partsOf("text-delta", ({ delta }) => Metric.update(tokens, Math.ceil(delta.length / 4))),
  // The end, whatever it is.
  postInvocation: ({ attempts, metadata }, exit) =>
    Console.log(`  ${String(metadata["user"])}: ${exit._tag} after ${attempts.length} requests`)
})

const program = Effect.gen(function*() {
  const say = (prompt: string, user?: string) =>
    iModel.respond({ prompt, max_tokens: 50 }, { metadata: user === undefined ? {} : { user } }).pipe(
      Effect.match({ onFailure: ({ message }) => `denied: ${message}`, onSuccess: ({ text }) => text }),
      Effect.flatMap(Console.log)
    )
  yield* say("Name a colour.", "Ada")
  yield* say("Name a colour.", "Ada") // from the cache
  yield* say("Name a colour.")
  yield* say("Write about card 1234 5678 9012 3456.", "Ada")
  yield* say("Fail, please.", "Ada")
  yield* Stream.runDrain(iModel.stream({ prompt: "A story" }, { metadata: { user: "Ada" } }))
  yield* Console.log("about", (yield* Metric.value(tokens)).count, "tokens were streamed")
})

const model = iModel.layer({
  hooks: [
    guard, // the first is outermost
    Hook.redact(/\d{4}( \d{4}){3}/),
    Hook.cache({ timeToLive: "1 hour" }),
    Hook.budget({ costUsd: 5, per: "1 day" })
  ]
}).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed"), retry: { times: 0 } })),
  Layer.provide(Persistence.layerMemory), // what the cache needs is in the type of the layer
  Layer.provide(Simulator.layerHttpClient({
    answer: (prompt) => `You said: ${prompt}`,
    faults: ({ prompt }) => prompt.startsWith("Fail") ? Simulator.Fault.Overloaded() : undefined
  }))
)

program.pipe(Effect.provide(model), NodeRuntime.runMain)
