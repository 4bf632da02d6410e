/**
 * Failover: another provider stands in for one that is down, and two keys share the load.
 *
 *     npm run guide -- failover
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, Stream } from "effect"
import { Anthropic, iModel, OpenAi, Simulator } from "effect-imodel"

const apiKey = Redacted.make("not-needed")

const program = Effect.gen(function*() {
  const gpt = yield* iModel.make(yield* OpenAi.makeChat({ model: "gpt-4o", apiKey }), { limitRequests: 500 })
  const claude = yield* iModel.make(yield* Anthropic.makeMessages({ model: "claude-sonnet-4-5", apiKey }))

  // The first is asked, and when it fails the next one. It is a model like any other.
  const either = yield* iModel.fallback([gpt, claude], { timeout: "1 minute", cooldown: "10 seconds", attempts: 2 })
  for (const prompt of ["Name a colour.", "Name another."]) {
    const calling = yield* either.invoke({ prompt })
    const { metadata, text } = yield* calling.response
    const attempts = calling.attempts.map(({ model, reason }) => `${model} ${reason?._tag ?? "answered"}`)
    yield* Console.log(`${text} (${String(metadata["model"])}; ${attempts.join(", ")})`)
  }

  // A stream turns to the next model until its first part is out, and with `restart` also after that.
  const restarting = yield* iModel.fallback([gpt, claude], { restart: true })
  const story = yield* restarting.stream({ prompt: "Tell a story." }).pipe(
    Stream.filter((part) => part.type === "text-delta"),
    Stream.runFold(() => "", (text, { delta }) => text + delta)
  )
  yield* Console.log(story)

  // Two keys have twice the limit. A call goes to the one that has more left of it.
  const limits = { limitRequests: 5, capacityRefreshTime: "1 minute" } as const
  const keys = yield* Effect.forEach(
    ["first", "second"],
    (name) => Effect.flatMap(OpenAi.makeChat({ model: "mini", apiKey }), (key) => iModel.make(key, { ...limits, name }))
  )
  const [first, second] = keys
  if (first === undefined || second === undefined) return
  const both = yield* iModel.balance([first, second])
  const callings = yield* iModel.invokeAllWith(both, Array.from({ length: 4 }, (_, i) => ({ prompt: `Topic ${i}` })))
  yield* Console.log(callings.map(({ attempts }) => attempts.map(({ model }) => model).join()).join(" "))
})

const simulator = Simulator.layerHttpClient({
  answer: (_prompt, { provider }) => `Blue, says ${provider}.`,
  faults: ({ model }) => model === "gpt-4o" ? Simulator.Fault.Overloaded() : undefined
})

program.pipe(Effect.scoped, Effect.provide(simulator), NodeRuntime.runMain)
