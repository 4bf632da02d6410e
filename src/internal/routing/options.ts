/** The models of a route, and its options. */
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
  /** How many attempts a call makes at one model, if its backend makes more than one at all. @default 3 */
  readonly attempts?: number | undefined
  /**
   * The longest rest before another attempt at the same model. When a provider asks for a longer one (`retry-after`), the next
   * model is asked. The last one is waited for as long as its backend's `retry` says.
   * @default 10 seconds
   */
  readonly patience?: Duration.Input | undefined
  /**
   * How long a model is left alone after it was given up: after its last attempt or its silence, unless others were answered by
   * it meanwhile, or after a limit that it told of, which may be longer. Then one call tries it, once, while the others go on
   * without it. When all others fail it is asked all the same.
   * @default 10 seconds
   */
  readonly cooldown?: Duration.Input | undefined
  /**
   * How long a model has for an answer, or for the first part of one that streams, its queue included, before the next one is
   * asked; and, where `restart` keeps the parts, how long it may be silent in the middle. The last one has what is left.
   * @default 2 minutes, or its even share of what is left of the `timeout` of the call if that is less
   */
  readonly answerTimeout?: Duration.Input | undefined
  /**
   * Whether an answer that breaks off in the middle of a stream is begun again, by the next model. The parts are kept until the
   * answer is whole then, so that nobody reads the beginning of one and the end of another.
   * @default false: the stream fails with what came until then (`StreamInterrupted`)
   */
  readonly restart?: boolean | undefined
}

/**
 * @category options
 * @since 0.1.0
 */
export interface BalanceOptions<Several extends ReadonlyArray<Model<never>> = Models> extends CommonOptions {
  /**
   * Who is asked first:
   *
   * - `"capacity"`: the one with the most left of its limits, less what waits in its line already; among those without limits,
   *   the least busy
   * - `"least-busy"`: the one with the fewest callings that wait or run
   * - `{ weights }`: in turn, each as often as its weight says
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
   * A call is made a second time when it takes longer than this percentage of the last hundred answers did; of a stream, its
   * first part. The first twenty calls are made once.
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
