/** The models and options of fallback, balance, hedge and vote. */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type { NormalizedResponse } from "../../Calling.ts"
import type { Model } from "../../Model.ts"
import { ModelTypeId } from "../util/identity.ts"
import * as Kind from "../util/optionKinds.ts"
import { illegal } from "../util/options.ts"

/**
 * Several models, of any types.
 *
 * @category models
 * @since 0.1.0
 */
export type Models = Arr.NonEmptyReadonlyArray<Model<never>>

/**
 * The arguments that all of the models take: those that they have in common.
 *
 * @category models
 * @since 0.1.0
 */
export type ArgsOf<Several extends ReadonlyArray<Model<never>>> = Several extends
  readonly [Model<infer Args>, ...infer Rest extends Models] ? Common<Args, ArgsOf<Rest>>
  : Several extends ReadonlyArray<Model<infer Args>> ? Args
  : never

// What only one of them knows the others would refuse.
type Common<A, B> = [A, B] extends [B, A] ? A : Pick<A & B, keyof A & keyof B>

/**
 * What one of the models answers with.
 *
 * @category models
 * @since 0.1.0
 */
export type DataOf<Several extends ReadonlyArray<Model<never>>> = Several[number] extends Model<never, infer Data> ?
  Data
  : never

/**
 * @category options
 * @since 0.1.0
 */
export interface CommonOptions {
  /** Maximum number of attempts at one model, for a backend that retries. @default 3 */
  readonly attempts?: number | undefined
  /**
   * Maximum backoff before the same model is retried. When a provider asks for a longer one (`retry-after`), the next model is
   * tried. The last model waits as its backend's `retry` says.
   * @default 10 seconds
   */
  readonly patience?: Duration.Input | undefined
  /**
   * Time for which a model is skipped after it failed (all attempts, or a timeout), or longer if it reported a rate limit. It is
   * not skipped while it answers other calls. After that a single trial call is made. If all other models fail, a skipped model
   * is tried all the same.
   * @default 10 seconds
   */
  readonly cooldown?: Duration.Input | undefined
  /**
   * Maximum time for a model to answer, or to send the first part of a stream, time in the queue included. With `restart` it
   * also bounds the time between parts. The last model has the remaining time of the call.
   * @default 2 minutes, or an even share of the remaining time of the call if that is less
   */
  readonly answerTimeout?: Duration.Input | undefined
  /**
   * Whether a stream that breaks off is started again with the next model. All parts are held back until the answer is complete,
   * so that a reader never gets parts of two answers.
   * @default false: the stream fails with `StreamInterrupted`
   */
  readonly restart?: boolean | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface BalanceOptions<Several extends ReadonlyArray<Model<never>> = Models> extends CommonOptions {
  /**
   * Which model is tried first:
   *
   * - `"capacity"`: the model with the largest available fraction of its limits, less what is queued; among models without
   *   limits, the least busy
   * - `"least-busy"`: the model with the fewest queued and running callings
   * - `{ weights }`: weighted round robin
   *
   * @default "capacity"
   */
  readonly strategy?:
    | "capacity"
    | "least-busy"
    | { readonly weights: { readonly [Index in keyof Several]: number } }
    | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface HedgeOptions {
  /**
   * A second call is made when the first takes longer than this percentile of the last 100 answers; for a stream, longer to its
   * first part. The first 20 calls are made once.
   * @default 95
   */
  readonly percentile?: number | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface VoteOptions<in Data = unknown> {
  /** What of an answer is voted for: answers with equal keys are votes for the same. @default the text, without blanks around it */
  readonly key?: ((response: NormalizedResponse<Data>) => string) | undefined
}

/** Numbers and durations have checks of their own. */
const commonKinds = {
  attempts: Kind.given("a number"),
  patience: Kind.given("a duration"),
  cooldown: Kind.given("a duration"),
  answerTimeout: Kind.given("a duration"),
  restart: Kind.flag
} satisfies { readonly [Name in keyof CommonOptions]: Kind.Kind }

const strategyKind: Kind.Kind = {
  is: (u) =>
    u === "capacity" || u === "least-busy" || (Predicate.hasProperty(u, "weights") && Array.isArray(u.weights)),
  words: `"capacity", "least-busy" or { weights: […] }`
}

const modelKind = Kind.branded(ModelTypeId, "a model")

/** Refuses what is no list of models, at least one. */
export const checkModels = (owner: string, models: unknown): Effect.Effect<void, Cause.IllegalArgumentError> =>
  Array.isArray(models) && models.length > 0 && models.every(modelKind.is)
    ? Effect.void
    : illegal(`the models of ${owner} must be an array of at least one model`)

export const checkFallback = (options: CommonOptions) => Kind.check("a fallback", options, commonKinds)

export const checkBalance = (options: object) =>
  Kind.check("a balance", options, { ...commonKinds, strategy: strategyKind })
