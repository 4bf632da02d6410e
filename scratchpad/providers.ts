/**
 * One program on three providers, changed by its layer alone: a whole answer, and the same as a stream.
 *
 *     npm run providers              against the simulator, which speaks all three wires
 *     npm run providers -- --live    against those whose key is set: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY
 */
import { NodeHttpClient, NodeRuntime } from "@effect/platform-node"
import { Config, Console, Effect, Layer, Redacted, Stream } from "effect"
import { Anthropic, Gemini, iModel, OpenAi, Simulator } from "effect-imodel"

const ask = {
  messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Name three colours of autumn." }],
  temperature: 0.5,
  max_tokens: 64
} as const

const program = Effect.gen(function*() {
  const { finishReason, metadata, text, usage } = yield* iModel.respond(ask)
  yield* Console.log(`  ${text}`)
  const tokens = `${usage.inputTokens.total} + ${usage.outputTokens.total} tokens`
  yield* Console.log(`  ${String(metadata["model"])}, ${finishReason}, ${tokens}`)

  const kinds = yield* iModel.stream(ask).pipe(
    Stream.runFold(() => new Map<string, number>(), (kinds, { type }) => kinds.set(type, (kinds.get(type) ?? 0) + 1))
  )
  yield* Console.log(`  streamed: ${[...kinds].map(([kind, n]) => `${n} ${kind}`).join(", ")}\n`)
})

const live = process.argv.includes("--live")
const key = (variable: string) => live ? variable : Redacted.make("no key is needed")

const backends: ReadonlyArray<{
  readonly name: string
  readonly variable: string
  readonly layer: ReturnType<typeof OpenAi.layerChat>
}> = [
  {
    name: "OpenAI",
    variable: "OPENAI_API_KEY",
    layer: OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: key("OPENAI_API_KEY") })
  },
  {
    name: "Anthropic",
    variable: "ANTHROPIC_API_KEY",
    layer: Anthropic.layerMessages({ model: "claude-sonnet-4-5", apiKey: key("ANTHROPIC_API_KEY") })
  },
  {
    name: "Gemini",
    variable: "GEMINI_API_KEY",
    layer: Gemini.layerGenerateContent({ model: "gemini-2.5-flash", apiKey: key("GEMINI_API_KEY") })
  }
]

const client = live ? NodeHttpClient.layerUndici : Simulator.layerHttpClient()

const run = Effect.fnUntraced(function*({ layer, name, variable }: (typeof backends)[number]) {
  const hasKey = yield* Effect.isSuccess(Config.Redacted(variable))
  if (live && !hasKey) return yield* Console.log(`${name}: ${variable} is not set\n`)
  yield* Console.log(name)
  yield* program.pipe(
    Effect.provide(iModel.layer({ limitRequests: 50 }).pipe(Layer.provide(layer), Layer.provide(client)))
  )
})

NodeRuntime.runMain(Effect.forEach(backends, run, { discard: true }))
