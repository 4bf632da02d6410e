/**
 * The three errors of the library.
 *
 * {@link TimeoutError} and {@link PermissionDenied} are how an invocation itself can fail. What the backend answered
 * badly is a {@link BackendError}, kept inside the calling. Each of the last two carries a `reason` that can be handled
 * with `Effect.catchReason`.
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
import { retryAfterOf } from "./internal/errors/retryAfter.ts"
import { describe } from "./internal/errors/describe.ts"

/**
 * A time limit ran out: the `timeout` of an invocation, or that of a hook.
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
  /** Where the time ran out: waiting for admission, running, or inside a hook. */
  phase: Schema.Literals(["queue", "invocation", "hook"]),
  /** The limit that ran out. */
  limit: Schema.Duration,
  /** The `id` of the calling. */
  callingId: Schema.String
}) {
  override get message(): string {
    const where = this.phase === "queue" ? "waiting in the queue" : this.phase === "hook" ? "in a hook" : "running"
    return `Timed out after ${Duration.format(this.limit)}, ${where} (calling ${this.callingId})`
  }
}

/**
 * A configuration of which no model can be made: it has another shape or version, or lacks what was no data when it was written.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  /** The file, if it was read from one. */
  file: Schema.optionalKey(Schema.String),
  /** Where, such as `"backend.apiKey"` or `"models.main.backend.models.1"`; empty for the whole. */
  path: Schema.String,
  description: Schema.String
}) {
  override get message(): string {
    return [this.file, this.path, this.description].filter((part) => part !== undefined && part !== "").join(": ")
  }
}

/**
 * The call asks for more tokens than its bucket can ever hold, so waiting would be for ever.
 *
 * @category errors
 * @since 0.1.0
 */
export class CostExceedsCapacity extends Schema.TaggedError<CostExceedsCapacity>()("CostExceedsCapacity", {
  /** What the call would cost, in tokens. */
  cost: Schema.Finite,
  /** What the bucket holds when full, in tokens. */
  capacity: Schema.Finite
}) {
  override get message(): string {
    return `The call costs ${this.cost} tokens, the limit is ${this.capacity} a window: it can never be admitted. ` +
      "Make the call smaller (its prompt, or its max_tokens) or raise limitTokens"
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
    return "The executor is shut down and takes no more calls"
  }
}

/**
 * The limit had no room for the call, and the executor denies instead of waiting (`onLimit: "deny"`).
 *
 * @category errors
 * @since 0.1.0
 */
export class LimitExceeded extends Schema.TaggedError<LimitExceeded>()("LimitExceeded", {}) {
  override get message(): string {
    return "The limit had no room for the call, however often it was tried. Call later, or wait with onLimit: \"wait\""
  }
}

/**
 * The queue is full, and the executor denies instead of having the submitter wait (`onFull: "deny"`).
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueFull extends Schema.TaggedError<QueueFull>()("QueueFull", {
  /** How many callings the queue holds. */
  queueCapacity: Schema.Int
}) {
  override get message(): string {
    return `The queue is full: ${this.queueCapacity} callings wait in it. Call later, or raise queueCapacity`
  }
}

/**
 * A hook said no by failing, or one with `exit` failed afterwards.
 *
 * @category errors
 * @since 0.1.0
 */
export class HookRejected extends Schema.TaggedError<HookRejected>()("HookRejected", {
  /** Where in the way of a calling: only what failed in `"postInvocation"` or `"onPart"` has run. */
  phase: Schema.Literals(["preEventCreate", "preInvocation", "middleware", "onPart", "postInvocation"]),
  /** The name of the hook. */
  hook: Schema.String,
  /** What the hook failed with. */
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `The hook '${this.hook}' said no in ${this.phase}: ${describe(this.cause)}`
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
 * The calling was not permitted to run, and nothing was spent on it; or its executor was shut down while it ran, or a hook
 * refused what came of it. Its execution is `aborted`.
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
  /** How often the calling was denied before it was given up. */
  denials: Schema.Int,
  /** The `id` of the calling. */
  callingId: Schema.String
}) {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * The request does not fit into the model's context window. Never retryable: send less, or ask a model with a larger
 * window, as a fallback does.
 *
 * @category errors
 * @since 0.1.0
 */
export class ContextLengthExceeded extends Schema.TaggedError<ContextLengthExceeded>()("ContextLengthExceeded", {
  description: Schema.String,
  /** How many tokens fit into it, when the provider tells. */
  contextWindow: Schema.optional(Schema.Finite)
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    return `The request is longer than the model's context window. ${this.description}`
  }
}

/**
 * The backend is taken to be down, by its circuit breaker, and was not asked. Retryable once the circuit closes.
 *
 * @category errors
 * @since 0.1.0
 */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  /** The name of the circuit. */
  circuit: Schema.String,
  /** How long it stays open; `undefined` while another call tries whether the backend is back, or when nobody knows. */
  retryAfter: Schema.optional(Schema.Duration)
}) {
  get isRetryable(): boolean {
    return true
  }
  override get message(): string {
    const until = this.retryAfter === undefined
      ? "it is left alone, or another call is trying it"
      : `it is left alone for ${Duration.format(this.retryAfter)}`
    return `The backend '${this.circuit}' failed too often and was not asked: ${until}`
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
 * The program that does the work could not be started (then there is neither an exit code nor a signal), or ended without an
 * answer. Never retryable: it may have done some of its work.
 *
 * @category errors
 * @since 0.1.0
 */
export class ProcessFailure extends Schema.TaggedError<ProcessFailure>()("ProcessFailure", {
  /** What happened to which program, and what to do about it. */
  description: Schema.String,
  exitCode: Schema.optional(Schema.Int),
  /** The signal that ended it, for example `"SIGKILL"`. */
  signal: Schema.optional(Schema.String),
  /** The last lines of its standard error, without credentials. */
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
 * The answer broke off: it was on its way, and is not whole. It was cut or fell silent, or the provider sent an error or
 * nonsense in the middle of it. It is not repeated unless asked for, since the provider did the work and bills it.
 *
 * One event of nonsense breaks nothing off where it is known in the end that nothing else is missing: where the last event has the
 * whole answer, or there are as many pieces as the provider counts tokens. Until then what comes after it is kept back.
 *
 * @category errors
 * @since 0.1.0
 */
export class StreamInterrupted extends Schema.TaggedError<StreamInterrupted>()("StreamInterrupted", {
  description: Schema.String,
  /** The text that came before. */
  text: Schema.String.pipe(Schema.withConstructorDefault(Effect.succeed(""))),
  /** The tokens used until then, as far as the provider had reported them. */
  usage: Schema.Struct(Response.Usage.fields).pipe(
    Schema.withConstructorDefault(Effect.succeed({ inputTokens: {}, outputTokens: {} }))
  ),
  /** Why, when the provider or its process failed in the middle of the answer. */
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
 * The request asks for something that this backend, or its model, cannot do. Never retryable.
 *
 * @category errors
 * @since 0.1.0
 */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  /** What was asked for, for example `"prompt: a file of type audio/ogg"`. */
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
 * A tool failed: its handler, or the server that has it. Never retryable by itself, since it may have done some of its work. The
 * message is fit to be shown to the model that asked for it.
 *
 * @category errors
 * @since 0.1.0
 */
export class ToolFailure extends Schema.TaggedError<ToolFailure>()("ToolFailure", {
  /** The name of the tool. */
  tool: Schema.String,
  description: Schema.String,
  /** What its handler failed or died with. */
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
 * Of several models none has answered: each one's reason, in the order in which they were asked.
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
  /** Whether one of them may answer when it is asked again. */
  get isRetryable(): boolean {
    return this.failures.some(({ reason }) => {
      switch (reason._tag) {
        case "TimeoutError":
          return true
        case "PermissionDenied":
          return reason.reason._tag === "LimitExceeded" || reason.reason._tag === "QueueFull"
        default:
          return reason.isRetryable
      }
    })
  }
  /** The shortest wait that one of them asks for. */
  get retryAfter(): Duration.Duration | undefined {
    return this.failures.reduce<Duration.Duration | undefined>((least, { reason }) => {
      const asked = retryAfterOf(reason)
      return asked === undefined || (least !== undefined && Duration.isLessThan(least, asked)) ? least : asked
    }, undefined)
  }
  override get message(): string {
    return this.failures.map(({ model, reason }) => `${reason.message} [${model}]`).join("; then: ")
  }
}

/**
 * Schema of every reason a backend can fail for: `effect/ai`'s reasons, used as they are, and our own where it has none.
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
 * | `NetworkError` | connection refused, or broken before the answer | yes |
 * | `StreamInterrupted`, with the `text` and `usage` until then | broken during the answer | no |
 * | `InvalidOutputError`, with the text as `metadata.imodel.text` | text that the schema of `response_format` does not decode | yes |
 * | `InvalidResponseError` | a body that is not JSON, or of another shape | no |
 * | `ProcessFailure`, with `exitCode`, `signal`, the end of `stderr` | a program that is not installed, or ended without an answer | no |
 * | `ToolFailure` | a tool's handler, or its server, failed | no |
 * | `Unsupported` | what the provider's wire cannot carry, or the model cannot do | no |
 * | `CircuitOpen`, with `retryAfter` | none: the backend is left alone, because it failed | yes |
 * | `AllFailed`, with the `failures` of several models | | if one is |
 *
 * @category errors
 * @since 0.1.0
 */
export const BackendErrorReason = Schema.Union([...SingleReason.members, AllFailed])

/**
 * Why a backend failed.
 *
 * @category errors
 * @since 0.1.0
 */
export type BackendErrorReason = typeof BackendErrorReason.Type

/**
 * What the backend answered was a failure, or no answer came. Found in `calling.response`; `iModel.respond` fails with it.
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
  /** Whether the same call may succeed when it is made again. */
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }

  /** How long the provider asks to wait before the next call, or its circuit stays open, when that is known. */
  get retryAfter(): Duration.Duration | undefined {
    return retryAfterOf(this.reason)
  }

  override get message(): string {
    return messageOf(this.reason)
  }
}

/**
 * A conversation with tools did not come to its end within its turns.
 *
 * @category errors
 * @since 0.1.0
 */
export class TurnsExceeded extends Schema.TaggedError<TurnsExceeded>()("TurnsExceeded", {
  maxTurns: Schema.Int,
  /** Of the calls of the model, the first first. */
  callingIds: Schema.Array(Schema.String)
}) {
  override get message(): string {
    return `The model still called tools after ${this.maxTurns} turns`
  }
}

/**
 * A registry has no model of that name or id.
 *
 * @category errors
 * @since 0.1.0
 */
export class ModelNotFound extends Schema.TaggedError<ModelNotFound>()("ModelNotFound", {
  name: Schema.String,
  /** The names that may have been meant, the nearest first. */
  near: Schema.Array(Schema.String),
  /** All names there are. */
  names: Schema.Array(Schema.String)
}) {
  override get message(): string {
    const meant = this.near.length > 0
      ? `Did you mean ${this.near.join(" or ")}?`
      : `There are: ${this.names.join(", ") || "none"}`
    return `There is no model '${this.name}'. ${meant}`
  }
}

/**
 * A registry has another model of that name already.
 *
 * @category errors
 * @since 0.1.0
 */
export class DuplicateModel extends Schema.TaggedError<DuplicateModel>()("DuplicateModel", { name: Schema.String }) {
  override get message(): string {
    return `There is a model '${this.name}' already. To replace it, register with update: true`
  }
}

/**
 * A registered model cannot be made, or the server of a tool cannot be reached.
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
 * A configuration of MCP servers cannot be read.
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
 * The text of an answer that the schema asked for did not decode, to be shown or mended. It is kept in the `metadata` of the
 * `InvalidOutputError`; `undefined` for one without it.
 *
 * **Example** (Mending an answer)
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
