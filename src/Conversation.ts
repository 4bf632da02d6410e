/**
 * Conversations with a model that calls tools: each turn and each call of a tool is a calling of its own, under the hooks and the
 * limits of its model.
 *
 * @since 0.1.0
 */
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Calling, NormalizedResponse, ToolCall } from "./Calling.ts"
import { type BackendError, type PermissionDenied, TimeoutError, TurnsExceeded } from "./Errors.ts"
import { type CreateOptions, iModel, type InvokeOptions, type Model } from "./Model.ts"
import type { Arguments } from "./ServiceBackend.ts"
import { illegal, positiveDuration, positiveInteger } from "./internal/util/options.ts"
import { continuationOf, maxRepeats, mistakeIn } from "./internal/chat/turns.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface ConverseOptions extends Omit<InvokeOptions, "timeout">, CreateOptions {
  /** Models of a `ToolBackend`, whatever their types. */
  readonly tools: ReadonlyArray<Model<never>>
  /** How often the model may be asked. */
  readonly maxTurns: number
  /**
   * The longest time of the whole conversation: of all turns and of all tools, their waiting included.
   * @default none; each turn has the model's `timeout`
   */
  readonly timeout?: Duration.Input | undefined
  /** How many tools run at once. @default 8 */
  readonly concurrency?: number | undefined
  /** What else the model is asked with, for example its `temperature`. @default nothing */
  readonly args?: Omit<Arguments, "prompt" | "messages" | "input" | "tools"> | undefined
}

/**
 * A conversation that has come to its end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conversation {
  /** The last answer, which calls no tool. */
  readonly response: NormalizedResponse
  /** All that was said, to go on from there. */
  readonly prompt: Prompt.Prompt
  /** The turns, in their order. */
  readonly steps: ReadonlyArray<Step>
}

/**
 * A turn of a conversation: what the model answered, and the tools that it called.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly calling: Calling
  readonly tools: ReadonlyArray<ToolStep>
}

/**
 * A tool that was called in a conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolStep {
  readonly call: ToolCall
  /** `undefined` where there is no such tool, its arguments were malformed, or the call was denied. */
  readonly calling: Calling | undefined
  /** What the model was told. */
  readonly text: string
  readonly failed: boolean
}

/**
 * Asks the program's model, runs the tools that it calls, and asks it again with what they answered, until it calls none.
 *
 * **Details**
 *
 * Every turn and every call of a tool is a calling of its own, with the hooks and the limits of its model. What goes wrong with a tool
 * is told to the model in its own words: wrong arguments, a failure, a denial, a tool that does not exist. A call that the token
 * limit cut is not run, and neither are those beyond the 128th of one answer. A conversation that takes longer than its `timeout`,
 * with all its tools, fails with `TimeoutError`. An answer that the provider paused (`finishReason` `"pause"`) goes on in the next turn; one that ended with an
 * error is asked for again, twice in a row at most. The model's own errors end the conversation, and so does `TurnsExceeded`. A tool without a name of its own among the `tools`, or a model that is no tool,
 * is an `IllegalArgumentError` before anything is asked.
 *
 * **Example** (A model that can calculate)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Tool } from "effect/ai"
 * import { iModel, ToolBackend } from "effect-imodel"
 *
 * const Add = Tool.make("add", {
 *   description: "Adds two numbers.",
 *   parameters: Schema.Struct({ a: Schema.Finite, b: Schema.Finite }),
 *   success: Schema.Finite
 * })
 *
 * const program = Effect.gen(function*() {
 *   const add = yield* iModel.make(yield* ToolBackend.make(Add, ({ a, b }) => a + b))
 *   const { response, steps } = yield* iModel.converse("What is 123 + 456?", { tools: [add], maxTurns: 5 })
 *   return { text: response.text, turns: steps.length }
 * })
 * ```
 *
 * @category operations
 * @since 0.1.0
 */
export const converse = (
  prompt: Prompt.RawInput,
  options: ConverseOptions
): Effect.Effect<
  Conversation,
  TimeoutError | PermissionDenied | BackendError | TurnsExceeded | Cause.IllegalArgumentError,
  iModel
> => Effect.flatMap(iModel, (model) => converseWith(model, prompt, options))

/**
 * As `converse`, with a model at hand.
 *
 * @category operations
 * @since 0.1.0
 */
export const converseWith = Effect.fnUntraced(function*(
  model: Model<never>,
  prompt: Prompt.RawInput,
  options: ConverseOptions
): Effect.fn.Return<
  Conversation,
  TimeoutError | PermissionDenied | BackendError | TurnsExceeded | Cause.IllegalArgumentError
> {
  const { args, concurrency = 8, maxTurns, timeout, tools, ...invokeOptions } = options
  const limit = timeout === undefined ? undefined : yield* positiveDuration("timeout", timeout)
  yield* positiveInteger("maxTurns", maxTurns)
  yield* positiveInteger("concurrency", concurrency)
  const byName = yield* index(tools)
  const offered = [...byName.values()].map(({ tool }) => tool)
  const steps: Array<Step> = []
  let callingId = ""
  const conversation = Effect.gen(function*() {
    let said = Prompt.make(prompt)
    let repeats = 0
    while (steps.length < maxTurns) {
      const calling = yield* model.invokeUnknown(
        { ...args, prompt: said, ...(offered.length > 0 && { tools: offered }) },
        { ...invokeOptions, timeout }
      )
      callingId = calling.id
      const response = yield* calling.response
      const called = yield* Effect.forEach(response.toolCalls, (call, n) => run(byName, response, call, n), {
        concurrency
      })
      steps.push({ calling, tools: called })
      const continuation = continuationOf(response)
      repeats = continuation?._tag === "Repeated" ? repeats + 1 : 0
      if (continuation !== undefined && repeats <= maxRepeats) {
        said = Prompt.concat(said, continuation.messages)
        continue
      }
      said = Prompt.concat(said, Prompt.fromResponseParts([...response.content, ...called.map(resultOf)]))
      if (called.length === 0) return { response, prompt: said, steps }
    }
    return yield* new TurnsExceeded({ maxTurns, callingIds: steps.map(({ calling }) => calling.id) })
  })
  return yield* limit === undefined ? conversation : Effect.timeoutOrElse(conversation, {
    duration: limit,
    orElse: () => Effect.fail(new TimeoutError({ phase: "invocation", limit, callingId }))
  })
})

const index = Effect.fnUntraced(function*(tools: ReadonlyArray<Model<never>>) {
  const byName = new Map<string, Model<never>>()
  for (const model of tools) {
    const name = model.tool?.name
    if (name === undefined) return yield* illegal(`The model '${model.name}' is no tool`)
    if (byName.has(name)) return yield* illegal(`There are two tools of the name '${name}'`)
    byName.set(name, model)
  }
  return byName
})

/** Tool calls of one answer that are run. A model that is stuck calls the same tool without end. */
const maxToolCalls = 128

/** What goes wrong with a tool is told to the model. */
const run = (
  tools: ReadonlyMap<string, Model<never>>,
  response: NormalizedResponse,
  call: ToolCall,
  position: number
): Effect.Effect<ToolStep> => {
  const failed = (text: string) => Effect.succeed({ call, calling: undefined, text, failed: true })
  if (position >= maxToolCalls) return failed(`Not run: at most ${maxToolCalls} calls of one answer are`)
  const tool = tools.get(call.name)
  if (tool === undefined) {
    const names = [...tools.keys()].join(", ")
    return failed(`There is no tool '${call.name}', only: ${names}`)
  }
  const mistake = mistakeIn(response, call)
  if (mistake !== undefined) return failed(mistake)
  return Effect.matchEffect(tool.invokeUnknown(call.params ?? {}), {
    onFailure: ({ message }) => failed(message),
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
