/** Errors of ours in the words of Effect AI, and errors of Effect AI in ours. */
import * as AiError from "effect/ai/AiError"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { BackendError, type BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { unsendable } from "../errors/neverSent.ts"

type InvocationError = TimeoutError | PermissionDenied | BackendError

// -----------------------------------------------------------------------------
// From ours
// -----------------------------------------------------------------------------

export const toAiError = (method: string) => (error: InvocationError): AiError.AiError =>
  AiError.make({ module: "iModel", method, reason: aiReasonOf(error) })

const aiReasonOf = (error: InvocationError): AiError.AiErrorReason => {
  if (error._tag === "BackendError" && AiError.isAiErrorReason(error.reason)) return error.reason
  const description = error.message
  const metadata = remember(error)
  switch (error._tag === "TimeoutError" ? error.phase : error.reason._tag) {
    // Nothing was spent, and there may be room later.
    case "queue":
    case "LimitExceeded":
    case "QueueFull":
      return new AiError.RateLimitError({ metadata })
    // As when the provider itself says that it ran out of time, with a 408 or a 504.
    case "invocation":
      return new AiError.InternalProviderError({ description, metadata })
    case "CostExceedsCapacity":
    case "ContextLengthExceeded":
    case "Unsupported":
      return new AiError.InvalidRequestError({ description, metadata })
    case "StreamInterrupted":
      return new AiError.InvalidResponseError({ description, metadata })
    default:
      return error._tag === "BackendError" && error.isRetryable
        ? new AiError.InternalProviderError({ description, metadata })
        : new AiError.UnknownError({ description, metadata })
  }
}

// -----------------------------------------------------------------------------
// The original, in the metadata of the reason
// -----------------------------------------------------------------------------

const key = "effect-imodel"

const Original = Schema.fromJsonString(Schema.toCodecJson(Schema.Union([TimeoutError, PermissionDenied, BackendError])))
const encodeOriginal = Schema.encodeOption(Original)
const decodeOriginal = Schema.decodeUnknownOption(Original)

const remember = (error: InvocationError): Record<string, string> =>
  Option.match(encodeOriginal(error), { onNone: () => ({}), onSome: (json) => ({ [key]: json }) })

/**
 * The error of ours that became an `AiError`, when Effect AI has no word for it: a `TimeoutError`, a `PermissionDenied`, or a
 * `BackendError` whose reason is not one of Effect AI's.
 *
 * **Example** (What came before a stream broke off)
 *
 * ```ts
 * import { Effect, Option } from "effect"
 * import { LanguageModel } from "effect/ai"
 * import { iModel } from "effect-imodel"
 *
 * const program = LanguageModel.generateText({ prompt: "Tell me a story." }).pipe(
 *   Effect.catchTag("AiError", (error) => {
 *     const original = Option.getOrUndefined(iModel.fromAiError(error))
 *     return original?._tag === "PermissionDenied" ? Effect.succeed("not now") : Effect.fail(error)
 *   })
 * )
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export const fromAiError = (
  { reason }: AiError.AiError
): Option.Option<TimeoutError | PermissionDenied | BackendError> =>
  "metadata" in reason ? decodeOriginal(reason.metadata[key]) : Option.none()

// -----------------------------------------------------------------------------
// To ours
// -----------------------------------------------------------------------------

/** Why a backend failed whose work is done by Effect AI. */
export const backendReasonOf = (error: AiError.AiError): BackendErrorReason => {
  const original = Option.getOrUndefined(fromAiError(error))
  if (original?._tag === "BackendError") return original.reason
  const { reason } = error
  switch (reason._tag) {
    case "StructuredOutputError":
    case "ToolNotFoundError":
    case "ToolParameterValidationError":
      return new AiError.InvalidOutputError({ description: reason.message })
    case "UnsupportedSchemaError":
      return unsendable("response_format", reason.description)
    case "InvalidToolResultError":
    case "InvalidUserInputError":
    case "ToolConfigurationError":
    case "ToolResultEncodingError":
    case "ToolkitRequiredError":
      return new AiError.InvalidRequestError({ description: reason.message })
    default:
      return reason
  }
}

/** Why a stream broke off that told so in a part. */
export const reasonOfPart = (error: unknown): BackendErrorReason =>
  AiError.isAiError(error)
    ? backendReasonOf(error)
    : new AiError.UnknownError({
      description: Predicate.hasProperty(error, "message") ? String(error.message) : String(error)
    })
