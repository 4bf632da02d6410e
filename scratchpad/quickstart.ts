/**
 * One call. With OPENAI_API_KEY set it asks OpenAI, otherwise the embedded simulator.
 *
 *     npm run quickstart
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Duration, Effect, Layer, Option, Redacted } from "effect"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const program = Effect.gen(function*() {
  const calling = yield* iModel.invoke({ prompt: "Name three colours of autumn." })
  const response = yield* calling.response
  const { inputTokens, outputTokens } = response.usage
  const took = Duration.format(Duration.millis(Math.round(Duration.toMillis(calling.execution.duration ?? 0))))
  yield* Console.log(response.text)
  yield* Console.log(`${calling.execution.status} in ${took}, ${inputTokens.total} + ${outputTokens.total} tokens`)
})

const openAi = OpenAi.layerChat({ model: "gpt-4o-mini" }).pipe(Layer.provide(NodeHttpClient.layerUndici))

const simulated = OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") }).pipe(
  Layer.provide(Simulator.layerHttpClient())
)

const backend = Layer.unwrap(Effect.gen(function*() {
  const key = yield* Config.option(Config.Redacted("OPENAI_API_KEY"))
  yield* Console.log(
    Option.isSome(key) ? "asking OpenAI\n" : "no OPENAI_API_KEY: asking the simulator, which answers at random\n"
  )
  return Option.isSome(key) ? openAi : simulated
}))

program.pipe(
  Effect.provide(iModel.layer({ limitRequests: 500, limitTokens: 200_000 }).pipe(Layer.provide(backend))),
  NodeRuntime.runMain
)
