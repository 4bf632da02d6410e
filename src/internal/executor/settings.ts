/** The checked options of an executor. */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type { TokenBucket } from "../../TokenBucket.ts"
import * as Buckets from "../limits/buckets.ts"
import type { Buckets as LimitBuckets } from "../limits/limits.ts"
import { duration, illegal, oneOf, positiveInteger } from "../util/options.ts"
import * as Kind from "../util/optionKinds.ts"
import type { Options } from "./options.ts"

export interface Settings {
  readonly name: string
  readonly model: string | undefined
  readonly key: string | undefined
  readonly buckets: LimitBuckets
  readonly queueCapacity: number
  readonly concurrency: number
  readonly sharedConcurrency: number | undefined
  readonly onStoreFailure: "closed" | "local" | "open"
  readonly localShare: number
  /** Whether a calling that cannot start at once is tried again a few times, and then denied. */
  readonly denies: boolean
  readonly maxDenials: number
  /** Whether a full queue denies. */
  readonly deniesFull: boolean
  readonly agingMillis: number
}

export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Settings, Cause.IllegalArgumentError | RateLimiter.RateLimiterError> {
  yield* Kind.check("an executor", options, kinds)
  const { localShare = defaults.localShare, sharedConcurrency } = options
  if (!(localShare > 0 && localShare <= 1)) {
    return yield* illegal(`localShare must be a part of the limit, above zero and at most 1, got ${localShare}`)
  }
  return {
    name: options.name ?? defaults.name,
    model: options.model,
    key: options.key,
    concurrency: yield* positiveInteger("concurrency", options.concurrency ?? 100),
    queueCapacity: yield* positiveInteger("queueCapacity", options.queueCapacity ?? 100),
    maxDenials: yield* positiveInteger("maxDenials", options.maxDenials ?? defaults.maxDenials),
    agingMillis: Duration.toMillis(yield* duration("aging", options.aging ?? Duration.millis(defaults.agingMillis))),
    denies: (yield* oneOf("onLimit", options.onLimit ?? "wait", ["wait", "deny"])) === "deny",
    deniesFull: (yield* oneOf("onFull", options.onFull ?? "suspend", ["suspend", "deny"])) === "deny",
    sharedConcurrency: sharedConcurrency === undefined
      ? undefined
      : yield* positiveInteger("sharedConcurrency", sharedConcurrency),
    onStoreFailure: yield* oneOf("onStoreFailure", options.onStoreFailure ?? defaults.onStoreFailure, [
      "closed",
      "local",
      "open"
    ]),
    localShare,
    buckets: yield* Buckets.make(options)
  }
})

const bucket: Kind.Kind = { is: Kind.object.is, words: "a TokenBucket, or its options" }

/** Numbers and durations have checks of their own. */
const kinds = {
  name: Kind.text,
  model: Kind.text,
  key: Kind.text,
  requests: bucket,
  tokens: bucket,
  inputTokens: bucket,
  outputTokens: bucket,
  queueCapacity: Kind.given("a number"),
  concurrency: Kind.given("a number"),
  sharedConcurrency: Kind.given("a number"),
  onStoreFailure: Kind.oneOf("closed", "local", "open"),
  localShare: Kind.number,
  onLimit: Kind.oneOf("wait", "deny"),
  maxDenials: Kind.given("a number"),
  onFull: Kind.oneOf("suspend", "deny"),
  aging: Kind.given("a duration")
} satisfies { readonly [Name in keyof Options]: Kind.Kind }

const defaults = {
  name: "executor",
  maxDenials: 3,
  agingMillis: 30_000,
  onStoreFailure: "closed",
  localShare: 0.1
} as const

/** One request an attempt from the bucket; without a bucket nothing waits. */
export const unbounded = (name: string, requests?: TokenBucket): Settings => ({
  ...defaults,
  name,
  model: name,
  key: undefined,
  buckets: { requests, tokens: undefined, inputTokens: undefined, outputTokens: undefined },
  queueCapacity: Number.POSITIVE_INFINITY,
  concurrency: Number.POSITIVE_INFINITY,
  sharedConcurrency: undefined,
  denies: false,
  deniesFull: false
})
