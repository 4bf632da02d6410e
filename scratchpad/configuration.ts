/**
 * The models of a file, `imodel.json` beside this program: each by its name, and one that is made of the others and keeps to
 * their limits. They ask the simulator, which needs no key.
 *
 *     npm run configuration
 */
import { NodeFileSystem, NodeRuntime } from "@effect/platform-node"
import { ConfigProvider, Console, Effect } from "effect"
import { ServiceRegistry, Simulator } from "effect-imodel"
import { fileURLToPath } from "node:url"

const program = Effect.gen(function*() {
  const { get, names } = yield* ServiceRegistry.ServiceRegistry
  for (const name of yield* names) {
    const model = yield* get(name)
    const calling = yield* model.invokeUnknown({ prompt: "Name a colour of autumn." })
    const { text } = yield* calling.response
    const asked = calling.attempts.map((attempt) => attempt.model ?? name).join(", then ")
    yield* Console.log(`${name} (${asked} answered): ${text}`)
  }
  const { executor } = yield* get("gpt")
  if (executor !== undefined) yield* Console.log("\ngpt, of its requests:", (yield* executor.snapshot).limits.requests)
})

const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({
  OPENAI_API_KEY: "no key is needed",
  ANTHROPIC_API_KEY: "no key is needed"
}))

program.pipe(
  Effect.provide(ServiceRegistry.layerFromFile(fileURLToPath(new URL("imodel.json", import.meta.url)))),
  Effect.provide([NodeFileSystem.layer, Simulator.layerHttpClient(), environment]),
  NodeRuntime.runMain
)
