/** The reason of a failure, whatever a backend fails with: user code may fail with values of any kind. */
import * as AiError from "effect/ai/AiError"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { BackendError, BackendErrorReason } from "../../Errors.ts"
import { backendReasonOf } from "../effectAi/errors.ts"
import { describe } from "./describe.ts"

const isReason = Schema.is(BackendErrorReason)

const isFailure = (error: unknown): error is BackendError | BackendErrorReason =>
  error instanceof BackendError || isReason(error)

/** A failure as it is, if it fits the types; otherwise `UnknownError` with a description of the value. Never throws. */
export const backendFailure = (error: unknown): BackendError | BackendErrorReason =>
  Result.getOrElse(
    Result.try(() =>
      isFailure(error) ? error : AiError.isAiError(error) ? checked(backendReasonOf(error)) : unknown(error)
    ),
    () => new AiError.UnknownError({ description: "The backend failed with a value that cannot be read" })
  )

const checked = (reason: BackendErrorReason): BackendErrorReason => isReason(reason) ? reason : unknown(reason)

const unknown = (error: unknown) =>
  new AiError.UnknownError({
    description: `The backend failed with an unexpected value: ${describe(error).slice(0, 500)}`
  })
