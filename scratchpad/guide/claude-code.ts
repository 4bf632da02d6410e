/**
 * Claude Code as a backend: runs of the agent are callings, limited, streamed, and ended with all that they started.
 *
 *     npm run guide -- claude-code    needs claude on the PATH (npm install -g @anthropic-ai/claude-code)
 *
 * It reaches the simulator on loopback here, and keeps its sessions in a directory of its own.
 */
import { NodeHttpServer, NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer, Redacted, Stream, SubscriptionRef } from "effect"
import { ClaudeCode, iModel, Simulator } from "effect-imodel"
import { createServer } from "node:http"

const backend = Effect.gen(function*() {
  const root = yield* Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped())
  const { url } = yield* Simulator.serve({
    latency: 0,
    answer: (prompt) => prompt.includes("explain") ? "It adds." : "Done."
  })
  return yield* ClaudeCode.makeQuery({
    model: "sonnet",
    root, // the directory that calls work in, wherever links lead
    timeout: "30 minutes",
    baseUrl: url,
    apiKey: Redacted.make("not-needed"),
    env: { HOME: root, CLAUDE_CONFIG_DIR: `${root}/.claude`, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1" }
  })
})

class Agent extends iModel.Service<Agent>()("app/Agent", { backend, concurrency: 4 }) {}

const program = Effect.gen(function*() {
  const agent = yield* Agent
  const { data } = yield* agent.respond({
    prompt: "Fix the failing test of the parser.",
    allowedTools: ["Read", "Edit", "Bash(npm test)"],
    maxTurns: 20,
    autoFinish: true, // asks for a final message when the run has ended without one
    summary: true // files_read, files_written, files_edited, commands
  })
  yield* Console.log(data.text, data.summary)

  // The next call goes on with the session, unless it says `resume: false`.
  const session = (yield* SubscriptionRef.get(agent.providerMetadata))["session_id"]
  yield* Console.log(session === data.session_id ? "in the same session:" : "in another session:")
  yield* agent.stream({ prompt: "Now explain it." }).pipe(
    Stream.filter((part) => part.type === "text-delta"),
    Stream.runForEach((part) => Console.log(part.delta))
  )
}).pipe(
  Effect.catchReason("BackendError", "ProcessFailure", ({ message }) => Console.log(message)),
  Effect.provide(Agent.layer),
  Effect.scoped
)

const platform = Layer.mergeAll(NodeServices.layer, NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))

program.pipe(Effect.provide(platform), NodeRuntime.runMain)
