/**
 * A vote: several models are called at once, and when a majority agrees the others are interrupted.
 *
 *     npm run guide -- vote
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted } from "effect"
import { Anthropic, Gemini, iModel, OpenAi, Simulator } from "effect-imodel"

const apiKey = Redacted.make("not-needed")

const program = Effect.gen(function*() {
  const jury = yield* iModel.vote([
    yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey })),
    yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-haiku-4-5", apiKey })),
    yield* iModel.make(yield* Gemini.makeGenerateContent({ model: "gemini-2.5-flash", apiKey }))
  ], { key: ({ text }) => text.toLowerCase() })
  const calling = yield* jury.invoke({ prompt: "Is a tomato a fruit? Yes or no." })
  const { metadata, text } = yield* calling.response
  yield* Console.log("decided:", text, metadata["votes"])
  yield* Effect.forEach(calling.attempts, ({ model, outcome }) => Console.log(`${model}: ${outcome}`))
})

const simulator = Simulator.layerHttpClient({
  answer: () => "Yes",
  faults: ({ provider }) => provider === "gemini" ? Simulator.Fault.SlowStart({ delay: "1 minute" }) : undefined
})

program.pipe(Effect.scoped, Effect.provide(simulator), NodeRuntime.runMain)
