/** A backend that asks other models: what it is to those who call it. */
import * as AiError from "effect/ai/AiError"
import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { NormalizedResponse } from "../../Calling.ts"
import { AllFailed, type BackendErrorReason, type PermissionDenied, type TimeoutError } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import { type Backend, TypeId } from "../../ServiceBackend.ts"
import { CallingImpl, implOf, rejected, type Work } from "../calling/lifecycle.ts"
import { tokensOf } from "../calling/tokens.ts"
import { estimateTokens } from "../chat/estimate.ts"
import { identify, ModelTypeId, noMetadata } from "../util/identity.ts"

/** Makes the backend of models, of what asks them. That notes their attempts on the calling, and hands out their parts. */
export const backendOf = Effect.fnUntraced(function*<Args, Data>(
  provider: string,
  models: Arr.NonEmptyReadonlyArray<Model<Args, Data>>,
  run: (args: Args, calling: CallingImpl<unknown>) => Effect.Effect<NormalizedResponse<Data>, BackendErrorReason>
): Effect.fn.Return<Backend<Args, Data>> {
  const work: Work<Data, Args & Readonly<Record<string, unknown>>> = {
    retry: undefined,
    delegates: true,
    operation: undefined,
    run: (args, calling) => run(args, implOf(calling))
  }
  return {
    [TypeId]: { _Args: identity, _Data: identity },
    ...identify(yield* Clock.currentTimeMillis),
    provider,
    name: models.map(({ name }) => name).join(", "),
    version: "1",
    fingerprint: JSON.stringify(models.map((model) => [model.name, model[ModelTypeId].fingerprint])),
    tags: new Set(models.flatMap(({ tags }) => Array.from(tags))),
    headroom: Duration.zero,
    idleTimeout: undefined,
    circuit: undefined,
    tool: undefined,
    configuration: null,
    contextWindow: largestWindow(models),
    capacity: models.reduce((sum, { capacity }) => sum + capacity, 0),
    providerMetadata: yield* SubscriptionRef.make({}),
    loadTokenizer: Effect.void,
    createCalling: (args, callingOptions) =>
      Effect.clockWith((clock) => {
        const metadata = callingOptions?.metadata ?? noMetadata
        const createdAtMillis = clock.currentTimeMillisUnsafe()
        if (!isArguments<Args>(args)) {
          const reason = new AiError.InvalidRequestError({ description: "The arguments of a call must be an object" })
          return Effect.succeed(rejected<Data>(reason, createdAtMillis, metadata))
        }
        const tokens = tokensOf(
          callingOptions?.cost?.() ?? estimateTokens(args, undefined, callingOptions?.expectedOutput ?? 0)
        )
        return Effect.succeed(
          Result.isFailure(tokens)
            ? rejected<Data>(tokens.failure, createdAtMillis, metadata)
            : new CallingImpl(args, work, tokens.success, createdAtMillis, metadata)
        )
      })
  }
})

/** Of which nothing is known as long as that of one of them is not. */
const largestWindow = (models: ReadonlyArray<Model<never>>): number | undefined =>
  models.reduce<number | undefined>(
    (largest, { contextWindow }) =>
      largest === undefined || contextWindow === undefined ? undefined : Math.max(largest, contextWindow),
    0
  )

/** Whoever made the backend of them has seen to it by the types; each model decodes them by its own schema. */
const isArguments = <Args>(u: unknown): u is Args & Readonly<Record<string, unknown>> => Predicate.isObject(u)

/** Has of one that is asked for the whole what is asked of the whole: how often, with what patience, and until when. */
export const passOn = (outer: CallingImpl<unknown>, inner: CallingImpl<unknown>, model: string): void => {
  inner.terms = { attempts: Number.POSITIVE_INFINITY, patience: undefined, ...outer.terms, model }
  inner.deadlineMillis = outer.deadlineMillis
}

// -----------------------------------------------------------------------------
// Failures
// -----------------------------------------------------------------------------

/** Why a model did not answer. */
export type Reason = AllFailed["failures"][number]["reason"] | AllFailed

/** Which model did not answer, and why. */
export interface Failed {
  readonly model: string
  readonly reason: Reason
}

export const isBackendReason = (reason: Reason): reason is Exclude<Reason, TimeoutError | PermissionDenied> =>
  reason._tag !== "TimeoutError" && reason._tag !== "PermissionDenied"

/** The reason of one, and the reasons of several, with those of models of several among them. */
export const allOf = (failed: ReadonlyArray<Failed>): BackendErrorReason => {
  const failures = failed.flatMap(({ model, reason }) =>
    reason._tag === "AllFailed" ? reason.failures : [{ model, reason }]
  )
  if (!Arr.isArrayNonEmpty(failures)) return new AiError.UnknownError({ description: "No model was asked" })
  const [{ reason }] = failures
  return failures.length === 1 && isBackendReason(reason) ? reason : new AllFailed({ failures })
}
