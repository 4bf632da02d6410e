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
 * The options of a conversation.
 *
 * @category options
 * @since 0.1.0
 */
export interface ConverseOptions extends Omit<InvokeOptions, "timeout">, CreateOptions {
  /** Models of `ToolBackend`s. */
  readonly tools: ReadonlyArray<Model<never>>
  /** Maximum number of calls of the model. */
  readonly maxTurns: number
  /**
   * Maximum time of the whole conversation, with all turns, tools and time in queues.
   * @default none; each turn has the model's `timeout`
   */
  readonly timeout?: Duration.Input | undefined
  /** Maximum number of tools that run at once. @default 8 */
  readonly concurrency?: number | undefined
  /** Further arguments of each call of the model, for example `temperature`. @default none */
  readonly args?: Omit<Arguments, "prompt" | "messages" | "input" | "tools"> | undefined
}

/**
 * A finished conversation.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conversation {
  /** The last answer, which calls no tool. */
  readonly response: NormalizedResponse
  /** All messages, to continue from. */
  readonly prompt: Prompt.Prompt
  /** The turns, in order. */
  readonly steps: ReadonlyArray<Step>
}

/**
 * A turn of a conversation: the call of the model, and the tools that it called.
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
  /** `undefined` if the tool is unknown, its arguments were malformed, or the call was denied. */
  readonly calling: Calling | undefined
  /** The result that was sent to the model. */
  readonly text: string
  readonly failed: boolean
}

/**
 * Calls the program's model, runs the tools that it calls, and calls it again with their results, until it calls none.
 *
 * **Details**
 *
 * - Every turn and every tool call is a calling of its own, with the hooks and limits of its model.
 * - Failures of tools are sent to the model as results: invalid arguments, failures, denials, unknown tools.
 * - A tool call that was truncated by the token limit is not run, nor are calls beyond the 128th of one answer.
 * - An answer that the provider paused (`finishReason` `"pause"`) continues in the next turn. An answer that ended with an error is
 *   requested again, at most twice in a row.
 * - Errors of the model, `TurnsExceeded`, and `TimeoutError` after the `timeout` end the conversation.
 * - Two tools of the same name, or a model that is no tool, are an `IllegalArgumentError` before the first call.
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
 * As {@link converse}, for a given model.
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
    if (name === undefined) {
      return yield* illegal(`tools must be models of ToolBackends, but '${model.name}' is no tool`)
    }
    if (byName.has(name)) return yield* illegal(`tools has two tools with the name '${name}'`)
    byName.set(name, model)
  }
  return byName
})

/** Maximum number of tool calls of one answer that are run: a model can repeat the same call without end. */
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
