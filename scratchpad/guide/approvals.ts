/**
 * An agent whose dangerous tools ask for an approval before they run.
 *
 *     npm run guide -- approvals
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Context, Effect, Layer, Redacted, Schema } from "effect"
import { Tool } from "effect/ai"
import { Hook, iModel, OpenAi, Simulator, ToolBackend } from "effect-imodel"

/** The one who decides: a dialogue, a queue, a policy. */
class Approvals extends Context.Service<Approvals, {
  readonly ask: (question: string) => Effect.Effect<boolean>
}>()("app/Approvals") {}

/** To fail before a call is to deny it. The model is told why, and goes on. */
const needsApproval = Hook.make({
  name: "approval",
  timeout: "1 hour",
  preInvocation: Effect.fnUntraced(function*({ payload }) {
    const { ask } = yield* Approvals
    if (!(yield* ask(JSON.stringify(payload)))) return yield* Effect.fail("the user declined")
  })
})

const path = Schema.Struct({ path: Schema.String })
const Read = Tool.make("read", { description: "Reads a file.", parameters: path, success: Schema.String })
const Delete = Tool.make("delete", { description: "Deletes a file.", parameters: path, success: Schema.String })

const agent = Effect.gen(function*() {
  const read = yield* iModel.make(yield* ToolBackend.make(Read, ({ path }) => `The text of ${path}`))
  const remove = yield* iModel.make(
    yield* ToolBackend.make(Delete, ({ path }) => Effect.as(Console.log(`deleting ${path}`), "It is gone.")),
    { hooks: [needsApproval] }
  )
  const { response, steps } = yield* iModel.converse("Tidy up.", { tools: [read, remove], maxTurns: 10 })
  for (const { call, text } of steps.flatMap(({ tools }) => tools)) {
    yield* Console.log(call.name, call.params, "=>", text)
  }
  yield* Console.log(response.text)
})

const policy = Layer.succeed(Approvals, {
  ask: (question) => Effect.as(Console.log(`may the agent delete ${question}?`), question.includes("draft"))
})

const call = (name: string, path: string) => ({ toolCalls: [{ name, arguments: { path } }] })
const turns = [call("read", "notes.txt"), call("delete", "draft.txt"), call("delete", "thesis.txt")]

const model = iModel.layer().pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provide(
    Simulator.layerHttpClient({ answer: (_prompt, { toolResults }) => turns[toolResults.length] ?? "Done." })
  )
)

agent.pipe(Effect.scoped, Effect.provide([model, policy]), NodeRuntime.runMain)
