/**
 * Tools: a model calls a function, under limits of its own, until it has an answer.
 *
 *     npm run guide -- tools
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted, Schema } from "effect"
import { Tool } from "effect/ai"
import { iModel, OpenAi, Simulator, ToolBackend } from "effect-imodel"

const Weather = Tool.make("weather", {
  description: "The weather of a city, now.",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.Struct({ celsius: Schema.Finite })
})

const program = Effect.gen(function*() {
  const weather = yield* iModel.make(
    yield* ToolBackend.make(Weather, ({ city }) => Effect.succeed({ celsius: city.length }), { timeout: "5 seconds" }),
    { limitRequests: 60 }
  )

  // A tool is a model: it can be called without any other.
  yield* Console.log((yield* weather.respond({ city: "Rome" })).data)
  yield* Console.log(ToolBackend.toTypeScript(Weather))

  const { prompt, response, steps } = yield* iModel.converse("Is it warm in Oslo and in Reykjavik?", {
    tools: [weather],
    maxTurns: 5
  })
  for (const { calling, tools } of steps) {
    yield* Console.log(`a turn, ${calling.execution.status}:`)
    for (const { call, failed, text } of tools) {
      yield* Console.log(`  ${call.name}`, call.params, failed ? "failed:" : "=>", text)
    }
  }
  yield* Console.log(`${response.text} (${prompt.content.length} messages)`)
})

/** A model that calls the tool, once with a mistake, which it is told. */
const model = iModel.layer({ limitRequests: 500 }).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provide(Simulator.layerHttpClient({
    answer: (_prompt, { toolResults }) =>
      toolResults.length === 0
        ? {
          toolCalls: [{ name: "weather", arguments: { city: "Oslo" } }, {
            name: "weather",
            arguments: { town: "Reykjavik" }
          }]
        }
        : toolResults.length === 2
        ? { toolCalls: [{ name: "weather", arguments: { city: "Reykjavik" } }] }
        : "Warmer in Reykjavik."
  }))
)

program.pipe(Effect.scoped, Effect.provide(model), NodeRuntime.runMain)
