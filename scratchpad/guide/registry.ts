/**
 * Models by name: those of `imodel.json`, beside this program, and one made of data.
 *
 *     npm run guide -- registry
 */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { ConfigProvider, Console, Effect } from "effect"
import { iModel, ServiceRegistry, Simulator } from "effect-imodel"
import { join } from "node:path"

const program = Effect.gen(function*() {
  const registry = yield* ServiceRegistry.ServiceRegistry
  for (const name of yield* registry.names) {
    const model = yield* registry.get(name) // made now, released with the registry
    const calling = yield* model.invokeUnknown({ prompt: "Name a colour of autumn.", max_tokens: 20 })
    const { text } = yield* calling.response
    yield* Console.log(
      `${name}, by ${calling.attempts.map((attempt) => attempt.model ?? name).join(", then ")}: ${text}`
    )
  }

  // The fallback of the file asked gpt under the limits of gpt.
  const gpt = yield* registry.get("gpt")
  if (gpt.executor !== undefined) {
    yield* Console.log("requests left of gpt:", (yield* gpt.executor.snapshot).limits.requests)
  }

  // What a model was made of: never a key, only the name of its variable.
  const json = iModel.toJson(gpt)
  yield* Console.log(json)
  const { text } = yield* iModel.respond({ prompt: "Name a colour." }).pipe(Effect.provide(iModel.layerFromJson(json)))
  yield* Console.log("a new model of that, with full limits:", text)

  yield* Console.log((yield* Effect.flip(registry.get("gtp"))).message)
})

const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({
  OPENAI_API_KEY: "no key is needed",
  ANTHROPIC_API_KEY: "no key is needed"
}))

program.pipe(
  Effect.provide(ServiceRegistry.layerFromFile(join(import.meta.dirname, "imodel.json"))),
  Effect.provide([NodeFileSystem.layer, Simulator.layerHttpClient({ answer: () => "Amber." }), environment]),
  NodeRuntime.runMain
)
