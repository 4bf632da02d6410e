/** A model whose answers are complete: what it pauses, or breaks off by a mistake, is asked for in further calls. */
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { makeResponse, type NormalizedResponse, type Part, type StreamPart } from "../../Calling.ts"
import type { BackendError, PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { ChatArguments } from "../../ServiceBackend.ts"
import { type Continuation, continuationOf, maxRepeats } from "../chat/turns.ts"
import { PartFold } from "../chat/partFold.ts"

type InvocationError = TimeoutError | PermissionDenied | BackendError

/** The operations of a model that a `LanguageModel` uses. */
export interface Answerer {
  readonly respond: (args: ChatArguments) => Effect.Effect<NormalizedResponse, InvocationError>
  readonly stream: (args: ChatArguments) => Stream.Stream<StreamPart, InvocationError>
}

/** How many calls one answer may take. */
const maxCalls = 8

/** What was answered until now. */
interface Before {
  readonly calls: number
  readonly repeats: number
  readonly content: ReadonlyArray<Part>
  readonly usage: Response.Usage
}

const nothing: Before = { calls: 0, repeats: 0, content: [], usage: { inputTokens: {}, outputTokens: {} } }

export const continuing = (model: Answerer): Answerer => ({
  respond: (args) => respond(model, args, nothing),
  stream: (args) => stream(model, args, nothing)
})

const respond: (
  model: Answerer,
  args: ChatArguments,
  before: Before
) => Effect.Effect<NormalizedResponse, InvocationError> = Effect.fnUntraced(function*(model, args, before) {
  const response = yield* model.respond(args)
  const content = [...before.content, ...response.content]
  const usage = sum(before.usage, response.usage)
  const next = nextCall(response, args, before, usage)
  if (next !== undefined) return yield* respond(model, next.args, next.before)
  if (before.calls === 0) return response
  const { data, finishReason, metadata, rawResponse, toolCalls, value } = response
  return makeResponse({
    content: content.map((part) => withUsage(part, usage)),
    usage,
    data,
    finishReason,
    metadata,
    rawResponse,
    toolCalls,
    value
  })
})

const stream = (
  model: Answerer,
  args: ChatArguments,
  before: Before
): Stream.Stream<StreamPart, InvocationError> =>
  Stream.suspend(() => {
    const fold = new PartFold()
    let next: Next | undefined
    const parts = Stream.flatMap(model.stream(args), (part) => {
      fold.add(part)
      if (part.type !== "finish") return Stream.succeed(inCall(part, before.calls))
      const usage = sum(before.usage, part.usage)
      // What was said of an answer to be repeated cannot be taken back.
      const response = makeResponse({ data: undefined, content: fold.content })
      next = response.text !== "" && response.finishReason === "error"
        ? undefined
        : nextCall(response, args, before, usage)
      return next === undefined ? Stream.succeed(withUsage(part, usage)) : Stream.empty
    })
    return Stream.concat(
      parts,
      Stream.suspend(() => next === undefined ? Stream.empty : stream(model, next.args, next.before))
    )
  })

interface Next {
  readonly args: ChatArguments
  readonly before: Before
}

const nextCall = (
  response: NormalizedResponse,
  args: ChatArguments,
  before: Before,
  usage: Response.Usage
): Next | undefined => {
  const continuation = continuationOf(response)
  const repeats = continuation?._tag === "Repeated" ? before.repeats + 1 : 0
  const calls = before.calls + 1
  return continuation === undefined || repeats > maxRepeats || calls >= maxCalls ? undefined : {
    args: { ...args, prompt: Prompt.concat(args.prompt, continuation.messages) },
    before: { calls, repeats, usage, content: [...before.content, ...kept(continuation, response.content)] }
  }
}

const kept = ({ _tag }: Continuation, content: ReadonlyArray<Part>): ReadonlyArray<Part> =>
  _tag === "Repeated" ? [] : content.filter(({ type }) => type !== "finish")

const withUsage = <P extends Part | StreamPart>(part: P, usage: Response.Usage): P =>
  part.type === "finish" ? { ...part, usage: new Response.Usage(usage) } : part

/** Texts of several calls have ids of their own. */
const inCall = (part: StreamPart, call: number): StreamPart => {
  if (call === 0) return part
  switch (part.type) {
    case "text-start":
    case "text-delta":
    case "text-end":
    case "reasoning-start":
    case "reasoning-delta":
    case "reasoning-end":
      return { ...part, id: `${call}.${part.id}` }
    default:
      return part
  }
}

const sum = (one: Response.Usage, other: Response.Usage): Response.Usage => ({
  inputTokens: {
    total: plus(one.inputTokens.total, other.inputTokens.total),
    uncached: plus(one.inputTokens.uncached, other.inputTokens.uncached),
    cacheRead: plus(one.inputTokens.cacheRead, other.inputTokens.cacheRead),
    cacheWrite: plus(one.inputTokens.cacheWrite, other.inputTokens.cacheWrite)
  },
  outputTokens: {
    total: plus(one.outputTokens.total, other.outputTokens.total),
    text: plus(one.outputTokens.text, other.outputTokens.text),
    reasoning: plus(one.outputTokens.reasoning, other.outputTokens.reasoning)
  }
})

const plus = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined ? other : one + (other ?? 0)
