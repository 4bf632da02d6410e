/**
 * The three errors of the library.
 *
 * {@link TimeoutError} and {@link PermissionDenied} are the errors of an invocation. Failures of the backend are a
 * {@link BackendError} in the calling's `response`. The last two have a `reason` for `Effect.catchReason`. All three have
 * `isRetryable`.
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import * as Response from "effect/ai/Response"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { messageOf } from "./internal/errors/reasonMessage.ts"
import { requestedDelayOf } from "./internal/errors/requestedDelay.ts"
import { describe } from "./internal/errors/describe.ts"

/**
 * A timeout expired: `timeout` or `queueTimeout` of an invocation, or the timeout of a hook.
 *
 * **Example** (Answering late calls with a default)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = iModel.invoke({ prompt: "Hello" }, { timeout: "5 seconds" }).pipe(
 *   Effect.catchTag("TimeoutError", (error) => Effect.succeed(`late in phase ${error.phase}`))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TimeoutError extends Schema.TaggedError<TimeoutError>()("TimeoutError", {
  /** Where the calling was: in the queue, running, or in a hook. */
  phase: Schema.Literals(["queue", "invocation", "hook"]),
  /** The timeout. */
  limit: Schema.Duration,
  /** The `id` of the calling. */
  callingId: Schema.String
}) {
  /** Always: the same call may be faster later. */
  get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const where = this.phase === "queue" ? "waiting in the queue" : this.phase === "hook" ? "in a hook" : "running"
    return `Timed out after ${Duration.format(this.limit)}, ${where} (calling ${this.callingId})`
  }
}

/**
 * A configuration is invalid: it has an unknown shape or version, or lacks a part that could not be written as data.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  /** The file, if it was read from one. */
  file: Schema.optionalKey(Schema.String),
  /** The path of the field, such as `"backend.apiKey"` or `"models.main.backend.models.1"`; empty for the whole. */
  path: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return [this.file, this.path, this.description].filter((part) => part !== undefined && part !== "").join(": ")
  }
}

/**
 * The call costs more than the capacity of a limit, so it could never be admitted.
 *
 * @category errors
 * @since 0.1.0
 */
export class CostExceedsCapacity extends Schema.TaggedError<CostExceedsCapacity>()("CostExceedsCapacity", {
  /** Estimated cost of the call, in tokens (or requests). */
  cost: Schema.Finite,
  /** Capacity of the limit, in the same unit. */
  capacity: Schema.Finite
}) {
  override get message(): string {
    return `The call costs ${this.cost} tokens, but the limit is ${this.capacity} per window, so it can never be admitted. ` +
      "Shorten its prompt, lower its max_tokens, or raise limitTokens"
  }
}

/**
 * The executor was shut down, or the scope of its model was closed.
 *
 * @category errors
 * @since 0.1.0
 */
export class Shutdown extends Schema.TaggedError<Shutdown>()("Shutdown", {}) {
  override get message(): string {
    return "The executor is shut down and accepts no more calls"
  }
}

/**
 * The limits had no capacity for the call after `maxDenials` tries, in an executor with `onLimit: "deny"`.
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>()("LimitExceeded", {}) {
  override get message(): string {
    return "The limits had no capacity for the call. Call later, or let calls wait with onLimit: \"wait\""
  }
}

/**
 * The queue is full, in an executor with `onFull: "deny"`.
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  /** Capacity of the queue, in callings. */
  queueCapacity: Schema.Int
}) {
  override get message(): string {
    return `The queue is full (${this.queueCapacity} callings). Call later, or raise queueCapacity`
  }
}

/**
 * A hook rejected the calling by failing, or a hook with `exit: true` failed after it.
 *
 * @category errors
 * @since 0.1.0
 */
export class HookRejected extends Schema.TaggedError<HookRejected>()("HookRejected", {
  /** The phase of the hook. In `"postInvocation"` and `"onPart"` the backend has run. */
  phase: Schema.Literals(["preEventCreate", "preInvocation", "middleware", "onPart", "postInvocation"]),
  /** The name of the hook. */
  hook: Schema.String,
  /** The failure of the hook. */
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `The hook '${this.hook}' rejected the call in ${this.phase}: ${describe(this.cause)}`
  }
}

/**
 * Why a calling was not permitted to run.
 *
 * @category errors
 * @since 0.1.0
 */
export type PermissionDeniedReason = CostExceedsCapacity | LimitExceeded | QueueFull | HookRejected | Shutdown

/**
 * The calling was not admitted, so nothing was spent on it; or its executor was shut down while it ran, or a hook rejected its
 * answer. Its execution is `aborted`.
 *
 * **Example** (Handling one reason)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = iModel.invoke({ prompt: "A very long text" }).pipe(
 *   Effect.catchReason("PermissionDenied", "CostExceedsCapacity", (reason) =>
 *     Effect.succeed(`${reason.cost} of ${reason.capacity} tokens`))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  reason: Schema.Union([CostExceedsCapacity, LimitExceeded, QueueFull, HookRejected, Shutdown]),
  /** Number of tries that were denied. */
  denials: Schema.Int,
  /** The `id` of the calling. */
  callingId: Schema.String
}) {
  /** Whether the same call may be admitted later: after `LimitExceeded` or `QueueFull`. */
  get isRetryable(): boolean {
    return this.reason._tag === "LimitExceeded" || this.reason._tag === "QueueFull"
  }
  override get message(): string {
    return this.reason.message
  }
}

/**
 * The request exceeds the model's context window. Not retryable: shorten the request, or use a model with a larger window, as
 * a fallback does.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContextLengthExceeded extends Schema.TaggedError<ContextLengthExceeded>()("ContextLengthExceeded", {
  description: Schema.String,
  /** Context window in tokens, if the provider reports it. */
  contextWindow: Schema.optional(Schema.Finite)
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `The request exceeds the model's context window. ${this.description}`
  }
}

/**
 * The circuit breaker of the backend is open; no request was sent. Retryable once it closes.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  /** The name of the circuit. */
  circuit: Schema.String,
  /** Time until the next trial call, or `undefined` while a trial call runs. */
  retryAfter: Schema.optional(Schema.Duration)
}) {
  get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const until = this.retryAfter === undefined
      ? "a trial call is running"
      : `the next trial call is in ${Duration.format(this.retryAfter)}`
    return `The circuit breaker of '${this.circuit}' is open after too many failures, no request was sent: ${until}`
  }
}

const ProviderReason = Schema.Union([
  AiError.AuthenticationError,
  AiError.InvalidRequestError,
  AiError.RateLimitError,
  AiError.QuotaExhaustedError,
  AiError.ContentPolicyError,
  AiError.InternalProviderError,
  AiError.InvalidResponseError,
  AiError.InvalidOutputError,
  AiError.NetworkError,
  AiError.UnknownError
])

/**
 * A program could not be started (then there is neither an exit code nor a signal), or ended without an answer. Not retryable:
 * it may have done a part of its work.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProcessFailure extends Schema.TaggedError<ProcessFailure>()("ProcessFailure", {
  /** Which program failed, how, and what to do. */
  description: Schema.String,
  exitCode: Schema.optional(Schema.Int),
  /** The signal that ended it, for example `"SIGKILL"`. */
  signal: Schema.optional(Schema.String),
  /** The end of its standard error, without credentials. */
  stderr: Schema.String.pipe(Schema.withConstructorDefault(Effect.succeed("")))
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return this.stderr === "" ? this.description : `${this.description}: ${this.stderr}`
  }
}

/**
 * A streamed answer broke off: the connection was cut, no part came within `idleTimeout`, or the provider sent an error or
 * malformed data. Not retryable by default, since the provider bills the tokens that it generated.
 *
 * **Details**
 *
 * A malformed event does not break off a stream whose end shows that nothing is missing: the last event has the whole answer, or
 * the number of parts is the number of tokens that the provider counts. Until then later parts are held back.
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamInterrupted extends Schema.TaggedError<StreamInterrupted>()("StreamInterrupted", {
  description: Schema.String,
  /** The text until then. */
  text: Schema.String.pipe(Schema.withConstructorDefault(Effect.succeed(""))),
  /** Usage until then, as far as the provider reported it. */
  usage: Schema.Struct(Response.Usage.fields).pipe(
    Schema.withConstructorDefault(Effect.succeed({ inputTokens: {}, outputTokens: {} }))
  ),
  /** The failure of the provider or its process, if that is the cause. */
  reason: Schema.optional(Schema.Union([...ProviderReason.members, ProcessFailure]))
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `The answer broke off: ${this.description}`
  }
}

/**
 * The backend or its model lacks a feature that the request needs. Not retryable; no request was sent.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  /** The feature, for example `"prompt: a file of type audio/ogg"`. */
  feature: Schema.String,
  provider: Schema.String
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `The backend of provider '${this.provider}' does not support ${this.feature}`
  }
}

/**
 * The handler of a tool, or its server, failed. Not retryable by default, since the tool may have done a part of its work. The
 * message can be shown to the model that called the tool.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolFailure extends Schema.TaggedError<ToolFailure>()("ToolFailure", {
  /** The name of the tool. */
  tool: Schema.String,
  description: Schema.String,
  /** The failure or defect of the handler. */
  cause: Schema.optional(Schema.Defect())
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `The tool '${this.tool}' failed: ${this.description}`
  }
}

const SingleReason = Schema.Union([
  ...ProviderReason.members,
  CircuitOpen,
  ContextLengthExceeded,
  ProcessFailure,
  StreamInterrupted,
  ToolFailure,
  Unsupported
])

/**
 * None of several models answered. It has the reason of each, in the order in which they were called.
 *
 * **Example** (Why each of them failed)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(
 *   Effect.map((response) => response.text),
 *   Effect.catchReason("BackendError", "AllFailed", ({ failures }) =>
 *     Effect.succeed(failures.map(({ model, reason }) => `${model}: ${reason._tag}`).join(", ")))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class AllFailed extends Schema.TaggedError<AllFailed>()("AllFailed", {
  failures: Schema.NonEmptyArray(Schema.Struct({
    /** The name of the model. */
    model: Schema.String,
    reason: Schema.Union([...SingleReason.members, PermissionDenied, TimeoutError])
  }))
}) {
  /** Whether one of the reasons is retryable. */
  get isRetryable(): boolean {
    return this.failures.some(({ reason }) => reason.isRetryable)
  }
  /** The shortest `retryAfter` of the reasons. */
  get retryAfter(): Duration.Duration | undefined {
    return this.failures.reduce<Duration.Duration | undefined>((least, { reason }) => {
      const asked = requestedDelayOf(reason)
      return asked === undefined || (least !== undefined && Duration.isLessThan(least, asked)) ? least : asked
    }, undefined)
  }
  override get message(): string {
    return this.failures.map(({ model, reason }) => `${reason.message} [${model}]`).join("; then: ")
  }
}

/**
 * Schema of the reasons of a {@link BackendError}: those of `effect/ai` unchanged, and others where it has none.
 *
 * **Details**
 *
 * | reason | HTTP | retryable |
 * | --- | --- | --- |
 * | `InvalidRequestError`, names the `parameter` | 400, 404, 413, 422, and arguments refused before sending | no |
 * | `AuthenticationError` | 401, 403 | no |
 * | `RateLimitError`, with `retryAfter` | 429 | yes |
 * | `QuotaExhaustedError` | 402, 429 `insufficient_quota` | no |
 * | `ContentPolicyError` | 400 `content_policy_violation` | no |
 * | `ContextLengthExceeded`, with the `contextWindow` if the provider tells | 400 `context_length_exceeded` | no |
 * | `InternalProviderError` | 408, 409, 5xx | yes |
 * | `NetworkError` | no connection, or one that broke before the answer | yes |
 * | `StreamInterrupted`, with `text` and `usage` | a connection that broke during the answer | no |
 * | `InvalidOutputError`, whose text `outputTextOf` returns | text that does not decode with the schema of `response_format` | yes |
 * | `InvalidResponseError` | a body that is not JSON, or of another shape | no |
 * | `ProcessFailure`, with `exitCode`, `signal`, the end of `stderr` | a program is not installed, or ended without an answer | no |
 * | `ToolFailure` | the handler of a tool, or its server, failed | no |
 * | `Unsupported` | a feature that the provider or the model lacks | no |
 * | `CircuitOpen`, with `retryAfter` | no request: the circuit breaker is open | yes |
 * | `AllFailed`, with the `failures` of several models | | if one of them is |
 *
 * @category errors
 * @since 0.1.0
 */
export const BackendErrorReason = Schema.Union([...SingleReason.members, AllFailed])

/**
 * The reason of a backend's failure.
 *
 * @category errors
 * @since 0.1.0
 */
export type BackendErrorReason = typeof BackendErrorReason.Type

/**
 * The backend failed or did not answer. `calling.response` and `iModel.respond` fail with it.
 *
 * **Example** (Handling a rejected key)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { iModel } from "effect-imodel"
 *
 * const program = iModel.respond({ prompt: "Hello" }).pipe(
 *   Effect.map((response) => response.text),
 *   Effect.catchReason("BackendError", "AuthenticationError", () => Effect.succeed("check your key"))
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class BackendError extends Schema.TaggedError<BackendError>()("BackendError", {
  reason: BackendErrorReason,
  /** The `id` of the calling. */
  callingId: Schema.String
}) {
  /** Whether the same call may succeed later. */
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }

  /** Delay before the next call: the provider's `retry-after`, or until the circuit breaker closes. */
  get retryAfter(): Duration.Duration | undefined {
    return requestedDelayOf(this.reason)
  }

  override get message(): string {
    return messageOf(this.reason)
  }
}

/**
 * A conversation did not end within `maxTurns`.
 *
 * @category errors
 * @since 0.1.0
 */
export class TurnsExceeded extends Schema.TaggedError<TurnsExceeded>()("TurnsExceeded", {
  maxTurns: Schema.Int,
  /** The `id`s of its callings, in order. */
  callingIds: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The model still called tools after ${this.maxTurns} turns. Raise maxTurns, or stop the conversation by its tools`
  }
}

/**
 * A registry has no model with this name or id.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelNotFound extends Schema.TaggedError<ModelNotFound>()("ModelNotFound", {
  name: Schema.String,
  /** Similar names, the most similar first. */
  suggestions: Schema.Array(Schema.String),
  /** All names. */
  names: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const hint = this.suggestions.length > 0
      ? `Did you mean ${this.suggestions.join(" or ")}?`
      : `Known models: ${this.names.join(", ") || "none"}`
    return `There is no model '${this.name}'. ${hint}`
  }
}

/**
 * A model of a registry was asked for as a tool, and is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotATool extends Schema.TaggedError<NotATool>()("NotATool", { name: Schema.String }) {
  override get message(): string {
    return `The model '${this.name}' is not a tool`
  }
}

/**
 * A registry already has another model with this name.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateModel extends Schema.TaggedError<DuplicateModel>()("DuplicateModel", { name: Schema.String }) {
  override get message(): string {
    return `There is already a model '${this.name}'. To replace it, register with update: true`
  }
}

/**
 * A registered model could not be made, or the server of a tool could not be reached.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelUnavailable extends Schema.TaggedError<ModelUnavailable>()("ModelUnavailable", {
  name: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `The model '${this.name}' is not available: ${describe(this.cause)}`
  }
}

/**
 * A configuration file of MCP servers is invalid.
 *
 * @category errors
 * @since 0.1.0
 */
export class McpConfigError extends Schema.TaggedError<McpConfigError>()("McpConfigError", {
  path: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return `${this.path}: ${this.description}`
  }
}

// -----------------------------------------------------------------------------
// Accessors
// -----------------------------------------------------------------------------

/**
 * The text of an answer that did not decode, to show or repair it. It is in the `metadata` of the `InvalidOutputError`;
 * `undefined` if there is none.
 *
 * **Example** (Repairing an answer)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Errors, iModel } from "effect-imodel"
 *
 * const colour = iModel.respondAs(Schema.Struct({ hex: Schema.String }), { prompt: "A colour?" }).pipe(
 *   Effect.map(({ value }) => value),
 *   Effect.catchReason("BackendError", "InvalidOutputError", (reason) => {
 *     const text = Errors.outputTextOf(reason) ?? ""
 *     return Effect.succeed({ hex: /#[0-9a-f]{6}/.exec(text)?.[0] ?? "#000000" })
 *   })
 * )
 * ```
 *
 * @category accessors
 * @since 0.1.0
 */
export const outputTextOf = ({ metadata }: AiError.InvalidOutputError): string | undefined => {
  const own = metadata["imodel"]
  return Predicate.hasProperty(own, "text") && typeof own.text === "string" ? own.text : undefined
}
