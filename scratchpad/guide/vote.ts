/**
 * A vote: several models are asked at once, and when a majority agrees the others are interrupted.
 *
 *     npm run guide -- vote
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, Stream } from "effect"
import { Anthropic, Gemini, iModel, OpenAi, Simulator } from "effect-imodel"

const apiKey = Redacted.make("not-needed")

const program = Effect.gen(function*() {
  const models: ReadonlyArray<iModel.Model<{ readonly prompt: string }>> = [
    yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey })),
    yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-haiku-4-5", apiKey })),
    yield* iModel.make(yield* Gemini.makeGenerateContent({ model: "gemini-2.5-flash", apiKey }))
  ]
  const votes = models.map((model) =>
    Stream.fromEffect(model.respond({ prompt: "Is a tomato a fruit? Yes or no." })).pipe(
      Stream.tap(({ text }) => Console.log(`${model.name}: ${text}`))
    )
  )
  const decided = yield* Stream.mergeAll(votes, { concurrency: "unbounded" }).pipe(
    Stream.scan((): ReadonlyArray<string> => [], (all, { text }) => [...all, text]),
    Stream.map((all) => all.find((vote) => all.filter((other) => other === vote).length > models.length / 2)),
    Stream.filter((vote) => vote !== undefined),
    Stream.runHead
  )
  yield* Console.log("decided:", decided._tag === "Some" ? decided.value : "no majority")
})

const simulator = Simulator.layerHttpClient({
  answer: () => "Yes",
  faults: ({ provider }) => provider === "gemini" ? Simulator.Fault.SlowStart({ delay: "1 minute" }) : undefined
})

program.pipe(Effect.scoped, Effect.provide(simulator), NodeRuntime.runMain)
