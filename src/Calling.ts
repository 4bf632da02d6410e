/**
 * A `Calling` is one invocation of a model or tool: its arguments, estimated cost, state and answer. It settles once, no matter
 * how many fibers invoke it.
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
 * One invocation. Callings with the same `id` are `Equal`.
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
  /** The arguments, decoded by the backend's request schema. */
  readonly payload: Readonly<Record<string, unknown>>
  /** The estimated cost in tokens, which is reserved from the limits until the answer reports its usage. */
  readonly cost: number
  /** The attempts so far, in order. A backend that retries makes several. */
  readonly attempts: ReadonlyArray<Attempt>
  /** The current state. */
  readonly execution: Execution<Data>
  /**
   * Waits until the calling has settled, and returns the answer or fails with the backend's error. For a calling that was
   * cancelled or aborted it fails with reason `UnknownError`.
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
  /** Name of the model, for a model of several; otherwise `undefined`. */
  readonly model: string | undefined
  readonly startedAt: DateTime.Utc
  readonly duration: Duration.Duration
  readonly outcome: "completed" | "failed" | "cancelled"
  /** The reason of its failure. */
  readonly reason: BackendErrorReason | undefined
  /**
   * The tokens used, of failed attempts too: as the provider reported them, and for a streamed answer that broke off at least
   * the received text at four characters a token. `undefined` if unknown.
   */
  readonly usage: Response.Usage | undefined
}

// -----------------------------------------------------------------------------
// Execution
// -----------------------------------------------------------------------------

/**
 * The state of a calling. All but `pending` and `processing` are final.
 *
 * - `pending`: not started, or waiting for admission
 * - `processing`: running
 * - `completed`: the backend answered
 * - `failed`: the backend failed, or the arguments were invalid
 * - `cancelled`: interrupted, or timed out
 * - `aborted`: not admitted, see `PermissionDenied`
 * - `skipped`: answered by a hook without calling the backend
 *
 * `duration` is the time from the start of the first attempt to settlement, backoff included. It is `undefined` for a calling
 * that has not settled or never ran.
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
    /** The timeout that expired; `undefined` for an interruption. */
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
    /** The answer of the hook. */
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
 * A part of an answer, as in `effect/ai`: text, reasoning, tool calls, files, sources, and at the end `finish` with the reason
 * and the usage.
 *
 * @category models
 * @since 0.1.0
 */
export type Part =
  | Response.Part<{}>
  | Response.ToolCallPart<string, unknown>
  | Response.ToolResultPart<string, unknown, unknown>

/**
 * A part of a streamed answer, as in `effect/ai`: text, reasoning and tool parameters come as deltas. There is no error part:
 * the stream fails.
 *
 * @category models
 * @since 0.1.0
 */
export type StreamPart =
  | Exclude<Response.StreamPart<{}>, Response.ErrorPart>
  | Response.ToolCallPart<string, unknown>
  | Response.ToolResultPart<string, unknown, unknown>

/**
 * A call of a tool that the model asks for.
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
 * An answer in the same shape from every backend, with the provider's own `data`.
 *
 * @category models
 * @since 0.1.0
 */
export interface NormalizedResponse<out Data = unknown> {
  readonly [ResponseTypeId]: typeof ResponseTypeId
  readonly status: "success"
  /** The provider's answer, decoded by the backend's response schema. */
  readonly data: Data
  /** The parts of the answer, in order. */
  readonly content: ReadonlyArray<Part>
  /** The text, or an empty string. */
  readonly text: string
  /** The decoded value of a structured answer, or the vectors of embeddings. */
  readonly value: unknown
  /** The tool calls that the caller is asked to run. */
  readonly toolCalls: ReadonlyArray<ToolCall>
  /** Tokens used. Numbers that the provider does not report are `undefined`. */
  readonly usage: Response.Usage
  readonly finishReason: Response.FinishReason
  /** The answer as received, with fields that the schema does not know. */
  readonly rawResponse: unknown
  /**
   * The provider's request id, the model that answered, and others. Fields that were left out of `data` for their shape are
   * listed in `imodel.notes`.
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
 * Makes a `NormalizedResponse`. Only `data` is required. Missing fields are taken from `content`, and a missing `content` from the
 * other fields. If `data` is a string, it is the `text`. The default of `finishReason` is `"stop"`.
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
