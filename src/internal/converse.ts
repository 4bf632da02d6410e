/** The tool loop: the model is asked, the tools it calls are run, and it is asked again with what they answered. */
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Calling, NormalizedResponse, ToolCall } from "../Calling.ts"
import { type BackendError, type PermissionDenied, type TimeoutError, TurnsExceeded } from "../Errors.ts"
import type { Conversation, ConverseOptions, Model, Step, ToolStep } from "../iModel.ts"
import { illegal, positiveInteger } from "./options.ts"

type AnyModel = Model<never>

export const converse = Effect.fnUntraced(function*(
  model: AnyModel,
  prompt: Prompt.RawInput,
  options: ConverseOptions
): Effect.fn.Return<
  Conversation,
  TimeoutError | PermissionDenied | BackendError | TurnsExceeded | Cause.IllegalArgumentError
> {
  const { args, concurrency = 8, maxTurns, tools, ...invokeOptions } = options
  yield* positiveInteger("maxTurns", maxTurns)
  yield* positiveInteger("concurrency", concurrency)
  const byName = yield* index(tools)
  const offered = [...byName.values()].map(({ tool }) => tool)
  const steps: Array<Step> = []
  let said = Prompt.make(prompt)

  while (steps.length < maxTurns) {
    const calling = yield* model.invokeUnknown(
      { ...args, prompt: said, ...(offered.length > 0 && { tools: offered }) },
      invokeOptions
    )
    const response = yield* calling.response
    const called = yield* Effect.forEach(response.toolCalls, (call) => run(byName, call), { concurrency })
    steps.push({ calling, tools: called })
    said = Prompt.concat(said, Prompt.fromResponseParts([...response.content, ...called.map(resultOf)]))
    if (called.length === 0) return { response, prompt: said, steps }
  }
  return yield* new TurnsExceeded({ maxTurns, callingIds: steps.map(({ calling }) => calling.id) })
})

const index = Effect.fnUntraced(function*(tools: ReadonlyArray<AnyModel>) {
  const byName = new Map<string, AnyModel>()
  for (const model of tools) {
    const name = model.tool?.name
    if (name === undefined) return yield* illegal(`The model '${model.name}' is no tool`)
    if (byName.has(name)) return yield* illegal(`There are two tools of the name '${name}'`)
    byName.set(name, model)
  }
  return byName
})

/** Whatever goes wrong with a tool is for the model to deal with. */
const run = (tools: ReadonlyMap<string, AnyModel>, call: ToolCall): Effect.Effect<ToolStep> => {
  const tool = tools.get(call.name)
  if (tool === undefined) {
    const names = [...tools.keys()].join(", ")
    return Effect.succeed({
      call,
      calling: undefined,
      text: `There is no tool '${call.name}', only: ${names}`,
      failed: true
    })
  }
  return Effect.matchEffect(tool.invokeUnknown(call.params), {
    onFailure: ({ message }) => Effect.succeed({ call, calling: undefined, text: message, failed: true }),
    onSuccess: (calling) =>
      Effect.match(calling.response, {
        onFailure: ({ message }) => answered(call, calling, message, true),
        onSuccess: ({ text }: NormalizedResponse) => answered(call, calling, text, false)
      })
  })
}

const answered = (call: ToolCall, calling: Calling, text: string, failed: boolean): ToolStep => ({
  call,
  calling,
  text,
  failed
})

const resultOf = ({ call: { id, name }, failed, text }: ToolStep) =>
  Response.makePart("tool-result", {
    id,
    name,
    isFailure: failed,
    result: text,
    encodedResult: text,
    providerExecuted: false,
    preliminary: false
  })
