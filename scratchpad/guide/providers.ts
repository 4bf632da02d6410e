/**
 * Providers: one program on three wires, changed by its layer alone.
 *
 *     npm run guide -- providers              against the simulator, which speaks all of them
 *     npm run guide -- providers --live       against those whose key is set: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY
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
const key = (variable: string) => live ? variable : Redacted.make("not-needed")

const backends = {
  OPENAI_API_KEY: OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: key("OPENAI_API_KEY") }),
  ANTHROPIC_API_KEY: Anthropic.layerMessages({ model: "claude-sonnet-4-5", apiKey: key("ANTHROPIC_API_KEY") }),
  GEMINI_API_KEY: Gemini.layerGenerateContent({ model: "gemini-2.5-flash", apiKey: key("GEMINI_API_KEY") })
}

const client = live ? NodeHttpClient.layerUndici : Simulator.layerHttpClient()

const run = Effect.fnUntraced(function*([variable, backend]: readonly [string, (typeof backends)["OPENAI_API_KEY"]]) {
  if (live && !(yield* Effect.isSuccess(Config.Redacted(variable)))) {
    return yield* Console.log(`${variable} is not set\n`)
  }
  yield* Console.log(variable.split("_")[0])
  yield* program.pipe(
    Effect.provide(iModel.layer({ limitRequests: 50 }).pipe(Layer.provide(backend))),
    Effect.catchTag("BackendError", ({ message }) => Console.log(`  ${message}\n`))
  )
})

Effect.forEach(Object.entries(backends), run, { discard: true }).pipe(Effect.provide(client), NodeRuntime.runMain)
