/** The backend of a model of several, and how it calls one of them. */
import * as AiError from "effect/ai/AiError"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Calling, NormalizedResponse } from "../../Calling.ts"
import { AllFailed, type BackendErrorReason, type PermissionDenied, type TimeoutError } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import type { Backend } from "../../ServiceBackend.ts"
import * as internal from "../backend.ts"
import type { Submission } from "../calling/submission.ts"
import type { Attempt } from "../calling/work.ts"
import { ModelTypeId } from "../util/identity.ts"

/** Makes the backend of several models from the function that calls them, adds their attempts and hands out their parts. */
export const backendOf = <Args, Data>(
  provider: string,
  models: Arr.NonEmptyReadonlyArray<Model<Args, Data>>,
  run: (args: Args, attempt: Attempt) => Effect.Effect<NormalizedResponse<Data>, BackendErrorReason>
): Effect.Effect<Backend<Args, Data>> =>
  internal.make({
    provider,
    name: models.map(({ name }) => name).join(", "),
    fingerprint: JSON.stringify(models.map((model) => [model.name, model[ModelTypeId].fingerprint])),
    models: models.flatMap((model) => model[ModelTypeId].models),
    tags: models.flatMap(({ tags }) => Array.from(tags)),
    contextWindow: largestWindow(models),
    capacity: models.reduce((sum, { capacity }) => sum + capacity, 0),
    decode: (args) =>
      isArguments<Args>(args)
        ? Result.succeed(args)
        : Result.fail(new AiError.InvalidRequestError({ description: "The arguments of a call must be an object" })),
    work: {
      retry: undefined,
      operation: undefined,
      run: (args, attempt) => {
        attempt.addAttempts([])
        return run(args, attempt)
      }
    }
  })

/** `undefined` if that of one of them is. */
const largestWindow = (models: ReadonlyArray<Model<never>>): number | undefined =>
  models.reduce<number | undefined>(
    (largest, { contextWindow }) =>
      largest === undefined || contextWindow === undefined ? undefined : Math.max(largest, contextWindow),
    0
  )

/** The types ensure that arguments fit all models; each model decodes them by its own schema. */
const isArguments = <Args>(u: unknown): u is Args & Readonly<Record<string, unknown>> => Predicate.isObject(u)

/** The submission to one model on behalf of the whole: with the same policy and deadline. */
export const passedOn = (
  { deadline, peer, policy, repair }: Submission,
  model: string
): Omit<Submission, "sink"> => ({
  policy: { attempts: Number.POSITIVE_INFINITY, patience: undefined, ...policy, model },
  deadline,
  repair,
  peer
})

/** Submits a calling to one model, and adds its attempts to those of the whole when it has ended. */
export const ask = <Args, Data>(
  model: Model<Args, Data>,
  calling: Calling<Data>,
  submission: Submission,
  attempt: Attempt
): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> =>
  Effect.suspend(() => {
    attempt.delegateTo(calling)
    return Effect.ensuring(
      model[ModelTypeId].submit(calling, submission),
      Effect.sync(() => attempt.addAttempts(calling.attempts))
    )
  })

// -----------------------------------------------------------------------------
// Failures
// -----------------------------------------------------------------------------

/** The reason of one model. */
export type Reason = AllFailed["failures"][number]["reason"] | AllFailed

/** A model that failed, and its reason. */
export interface Failed {
  readonly model: string
  readonly reason: Reason
}

export const isBackendReason = (reason: Reason): reason is Exclude<Reason, TimeoutError | PermissionDenied> =>
  reason._tag !== "TimeoutError" && reason._tag !== "PermissionDenied"

/** The reason of a single failure, or `AllFailed` with all reasons, nested ones flattened. */
export const allOf = (failed: ReadonlyArray<Failed>): BackendErrorReason => {
  const failures = failed.flatMap(({ model, reason }) =>
    reason._tag === "AllFailed" ? reason.failures : [{ model, reason }]
  )
  if (!Arr.isArrayNonEmpty(failures)) return new AiError.UnknownError({ description: "No model was called" })
  const [{ reason }] = failures
  return failures.length === 1 && isBackendReason(reason) ? reason : new AllFailed({ failures })
}
