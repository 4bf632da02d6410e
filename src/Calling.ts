/**
 * A `Calling` is one invocation of a model or tool: what is asked, what it costs, how it stands, and in the end the
 * answer. It settles once, however often and from however many fibers it is invoked.
 *
 * @since 0.1.0
 */
import * as Response from "effect/ai/Response"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Equal from "effect/Equal"
import type * as Inspectable from "effect/Inspectable"
import * as Predicate from "effect/Predicate"
import type { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "./Errors.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-imodel/Calling"

/**
 * One invocation. Two callings are `Equal` when they have the same `id`.
 *
 * **Example** (Reading a settled calling)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const calling = yield* iModel.invoke({ prompt: "Name a colour." })
 *   const { duration, status } = calling.execution
 *   const answer = yield* calling.response
 *   return { duration, status, text: answer.text, tokens: answer.usage.outputTokens.total }
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface Calling<out Data = unknown> extends Equal.Equal, Inspectable.Inspectable {
  readonly [TypeId]: typeof TypeId
  /** A UUID. */
  readonly id: string
  readonly createdAt: DateTime.Utc
  readonly metadata: Readonly<Record<string, unknown>>
  /** The arguments, as the backend's request schema decoded them. */
  readonly payload: Readonly<Record<string, unknown>>
  /** The estimated cost, in tokens: what admission reserves for it, until the answer says what it really was. */
  readonly cost: number
  /** What was tried so far, the first attempt first. A backend that retries makes several. */
  readonly attempts: ReadonlyArray<Attempt>
  /** How the calling stands at this moment. */
  readonly execution: Execution<Data>
  /**
   * The answer of the backend, or why it failed. Waits while the calling is not settled. A calling that was cancelled
   * or aborted has no answer: it fails with the reason `UnknownError`, which says so.
   */
  readonly response: Effect.Effect<NormalizedResponse<Data>, BackendError>
}

/**
 * Whether a value is a `Calling`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isCalling = (u: unknown): u is Calling => Predicate.hasProperty(u, TypeId)

/**
 * One attempt to get an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  /** Which model made it, of several that are one; otherwise `undefined`. */
  readonly model: string | undefined
  readonly startedAt: DateTime.Utc
  readonly duration: Duration.Duration
  readonly outcome: "completed" | "failed" | "cancelled"
  /** Why it failed. */
  readonly reason: BackendErrorReason | undefined
  /**
   * The tokens that it used, also when it failed: as the provider reported them, or of a streamed answer that broke off at
   * least what was seen of it, at four characters a token. `undefined` when nothing is known.
   */
  readonly usage: Response.Usage | undefined
}

// -----------------------------------------------------------------------------
// Execution
// -----------------------------------------------------------------------------

/**
 * How a calling stands. The last variant's `status` is final.
 *
 * - `pending`: not begun, perhaps waiting for admission
 * - `processing`: admitted, the backend works on it
 * - `completed`: the backend answered
 * - `failed`: the backend failed, or the arguments were wrong
 * - `cancelled`: given up by those who asked for it (interrupted, or out of time)
 * - `aborted`: not permitted to run
 * - `skipped`: answered by a hook, without the backend being asked
 *
 * `duration` is the time from its first start until it settled, with all attempts and the rests between them. It is
 * `undefined` until then, and for one that never ran.
 *
 * @category models
 * @since 0.1.0
 */
export type Execution<Data = unknown> =
  | Execution.Pending
  | Execution.Processing
  | Execution.Completed<Data>
  | Execution.Failed
  | Execution.Cancelled
  | Execution.Aborted
  | Execution.Skipped<Data>

/**
 * @since 0.1.0
 */
export declare namespace Execution {
  /**
   * @category models
   * @since 0.1.0
   */
  export type Status = Execution["status"]

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Pending {
    readonly status: "pending"
    readonly duration: undefined
  }

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Processing {
    readonly status: "processing"
    readonly duration: undefined
  }

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Completed<out Data = unknown> {
    readonly status: "completed"
    readonly duration: Duration.Duration
    readonly response: NormalizedResponse<Data>
  }

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Failed {
    readonly status: "failed"
    readonly duration: Duration.Duration | undefined
    readonly error: BackendError
  }

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Cancelled {
    readonly status: "cancelled"
    readonly duration: Duration.Duration | undefined
    /** The limit that ran out; `undefined` when it was interrupted. */
    readonly error: TimeoutError | undefined
  }

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Aborted {
    readonly status: "aborted"
    readonly duration: Duration.Duration | undefined
    readonly error: PermissionDenied
  }

  /**
   * @category models
   * @since 0.1.0
   */
  export interface Skipped<out Data = unknown> {
    readonly status: "skipped"
    readonly duration: undefined
    /** The answer of the hook that stood in for the backend. */
    readonly response: NormalizedResponse<Data>
  }
}

// -----------------------------------------------------------------------------
// NormalizedResponse
// -----------------------------------------------------------------------------

/**
 * @category type IDs
 * @since 0.1.0
 */
export const ResponseTypeId = "~effect-imodel/Calling/NormalizedResponse"

/**
 * A piece of an answer, as `effect/ai` has them: text, reasoning, tool calls, files, sources, and at the end `finish`, with
 * the reason and the usage.
 *
 * @category models
 * @since 0.1.0
 */
export type Part =
  | Response.Part<{}>
  | Response.ToolCallPart<string, unknown>
  | Response.ToolResultPart<string, unknown, unknown>

/**
 * A piece of an answer that comes in a stream, as `effect/ai` has them: the text and the reasoning and the parameters of
 * tools come in deltas. A failure of the provider is no part: the stream fails.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamPart =
  | Exclude<Response.StreamPart<{}>, Response.ErrorPart>
  | Response.ToolCallPart<string, unknown>
  | Response.ToolResultPart<string, unknown, unknown>

/**
 * A tool that the model asks to be called.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** The arguments, decoded from JSON. */
  readonly params: unknown
}

/**
 * The same answer shape from every backend, beside the provider's own `data`.
 *
 * @category models
 * @since 0.1.0
 */
export interface NormalizedResponse<out Data = unknown> {
  readonly [ResponseTypeId]: typeof ResponseTypeId
  readonly status: "success"
  /** The backend's own answer, decoded by its response schema. */
  readonly data: Data
  /** The answer in its parts, in their order. */
  readonly content: ReadonlyArray<Part>
  /** The text of the answer; empty when there is none. */
  readonly text: string
  /** What the text decodes to, for a call that asked for the output of a schema; the vectors of embeddings. */
  readonly value: unknown
  /** The tools that the model asks the caller to call. */
  readonly toolCalls: ReadonlyArray<ToolCall>
  /** Tokens used. Each number is `undefined` where the backend does not report it. */
  readonly usage: Response.Usage
  readonly finishReason: Response.FinishReason
  /** The answer as it came, with fields that no schema knows. */
  readonly rawResponse: unknown
  /**
   * For example the provider's request id and the model that answered. Fields of a wrong shape that were left out of the `data` are in
   * `imodel.notes`.
   */
  readonly metadata: Readonly<Record<string, unknown>>
}

/**
 * Whether a value is a `NormalizedResponse`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isNormalizedResponse = (u: unknown): u is NormalizedResponse => Predicate.hasProperty(u, ResponseTypeId)

/**
 * Makes a `NormalizedResponse`. Only `data` is required. What is not given is taken from the `content`, and the `content` from
 * the rest; the text of a string is the string itself, the finish reason is `stop`, everything else is empty or unknown.
 *
 * **Example** (A mock that reports usage)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Calling, ServiceBackend } from "effect-imodel"
 *
 * const backend = ServiceBackend.layerMock(() =>
 *   Effect.succeed(Calling.makeResponse({
 *     data: "blue",
 *     usage: { inputTokens: { total: 9 }, outputTokens: { total: 1 } }
 *   }))
 * )
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeResponse = <Data>(
  fields: Pick<NormalizedResponse<Data>, "data"> & Partial<Omit<NormalizedResponse<Data>, "data" | "status">>
): NormalizedResponse<Data> => {
  const given = fields.content
  const finish = given?.findLast((part) => part.type === "finish")
  const text = fields.text ?? (given === undefined ? stringOf(fields.data) : textOf(given))
  const toolCalls = fields.toolCalls ?? (given === undefined ? [] : toolCallsOf(given))
  const usage = fields.usage ?? finish?.usage ?? unknownUsage
  const finishReason = fields.finishReason ?? finish?.reason ?? "stop"
  return {
    [ResponseTypeId]: ResponseTypeId,
    status: "success",
    data: fields.data,
    content: given ?? contentOf(text, toolCalls, usage, finishReason),
    text,
    value: fields.value,
    toolCalls,
    usage,
    finishReason,
    rawResponse: fields.rawResponse ?? fields.data,
    metadata: fields.metadata ?? {}
  }
}

const unknownUsage: Response.Usage = { inputTokens: {}, outputTokens: {} }

const stringOf = (data: unknown): string => typeof data === "string" ? data : ""

const textOf = (content: ReadonlyArray<Part>): string => {
  let text = ""
  for (const part of content) if (part.type === "text") text += part.text
  return text
}

const toolCallsOf = (content: ReadonlyArray<Part>): ReadonlyArray<ToolCall> =>
  content.flatMap((part) =>
    part.type === "tool-call" && !part.providerExecuted ? [{ id: part.id, name: part.name, params: part.params }] : []
  )

const contentOf = (
  text: string,
  toolCalls: ReadonlyArray<ToolCall>,
  usage: Response.Usage,
  reason: Response.FinishReason
): ReadonlyArray<Part> => {
  const content: Array<Part> = toolCalls.map((call) =>
    Response.makePart("tool-call", { ...call, providerExecuted: false })
  )
  if (text !== "") content.unshift(Response.makePart("text", { text }))
  content.push(Response.makePart("finish", { reason, usage, response: undefined }))
  return content
}
