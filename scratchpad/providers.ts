/**
 * One program on three providers and on Claude Code, changed by its layer alone: a whole answer, and the same as a stream.
 *
 *     npm run providers              against the simulator, which speaks all three wires
 *     npm run providers -- --live    against those whose key is set: OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY
 *
 * Claude Code takes part where `claude` is installed.
 */
import { NodeHttpClient, NodeHttpServer, NodeRuntime, NodeServices } from "@effect/platform-node"
import { type Cause, Config, Console, Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { Anthropic, ClaudeCode, Gemini, iModel, OpenAi, type ServiceBackend, Simulator } from "effect-imodel"
import { createServer } from "node:http"

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

/** Against the simulator, Claude Code reaches it on loopback, and keeps its sessions to itself. */
const simulated = Layer.unwrap(Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const { url } = yield* Simulator.serve()
  const directory = yield* Effect.orDie(fs.makeTempDirectoryScoped())
  return ClaudeCode.layerQuery({
    root: directory,
    baseUrl: url,
    apiKey: key("ANTHROPIC_API_KEY"),
    env: { CLAUDE_CONFIG_DIR: directory, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" }
  })
})).pipe(Layer.provide(Layer.orDie(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))))

const backends: ReadonlyArray<{
  readonly name: string
  readonly variable: string
  readonly layer: Layer.Layer<
    ServiceBackend.ServiceBackend,
    Config.ConfigError | Cause.IllegalArgumentError,
    HttpClient.HttpClient | ClaudeCode.Platform
  >
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
  },
  {
    name: "Claude Code",
    variable: "ANTHROPIC_API_KEY",
    layer: live ? ClaudeCode.layerQuery() : simulated
  }
]

const client = live ? NodeHttpClient.layerUndici : Simulator.layerHttpClient()

const run = Effect.fnUntraced(function*({ layer, name, variable }: (typeof backends)[number]) {
  const hasKey = yield* Effect.isSuccess(Config.Redacted(variable))
  if (live && !hasKey) return yield* Console.log(`${name}: ${variable} is not set\n`)
  yield* Console.log(name)
  const model = iModel.layer({ limitRequests: 50 }).pipe(
    Layer.provide(layer),
    Layer.provide([client, NodeServices.layer])
  )
  yield* program.pipe(
    Effect.provide(model),
    Effect.catchTag("BackendError", ({ message }) => Console.log(`  ${message}\n`))
  )
})

NodeRuntime.runMain(Effect.forEach(backends, run, { discard: true }))
