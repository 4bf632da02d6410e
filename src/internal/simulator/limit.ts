/** The simulator's own limit: both buckets or neither, and an answer at once. */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Simulator from "./options.ts"
import { positive, positiveDuration } from "../util/options.ts"
import { formatReset, makeBucket, refill, untilAvailable } from "./strictLimit.ts"
import type { Refusal, Standing } from "./wire.ts"

export interface Limit {
  readonly buckets: Standing["buckets"]
  /** Takes a request and its tokens, or says why not. */
  readonly admit: (nowMillis: number, tokens: number, model: string) => Refusal | undefined
  readonly seen: () => Pick<Simulator.Seen, "admitted" | "rejected" | "tokens" | "arrivals">
}

export const make = Effect.fnUntraced(function*(
  options: Simulator.Options
): Effect.fn.Return<Limit, Cause.IllegalArgumentError> {
  const windowMillis = Duration.toMillis(yield* positiveDuration("window", options.window ?? Duration.minutes(1)))
  const bucket = Effect.fnUntraced(function*(name: string, limit: number | undefined) {
    return limit === undefined ? undefined : makeBucket(yield* positive(name, limit), windowMillis)
  })
  const buckets = {
    requests: yield* bucket("limitRequests", options.limitRequests),
    tokens: yield* bucket("limitTokens", options.limitTokens)
  }
  const arrivals: Array<number> = []
  let firstArrival = 0
  let rejected = 0
  let tokens = 0

  return {
    buckets,
    admit: (now, cost, model) => {
      const wanted = [["requests", buckets.requests, 1], ["tokens", buckets.tokens, cost]] as const
      for (const [kind, bucket, n] of wanted) {
        if (bucket === undefined) continue
        refill(bucket, now)
        if (n > bucket.limit) {
          rejected++
          const message = `Request too large for ${model} on ${kind}: limit ${bucket.limit}.`
          return { _tag: "RateLimited", kind, message, waitMillis: undefined }
        }
        const waitMillis = untilAvailable(bucket, n)
        if (waitMillis > 0) {
          rejected++
          const message = `Rate limit reached for ${model} on ${kind}: limit ${bucket.limit}. Try again in ${
            formatReset(waitMillis)
          }.`
          return { _tag: "RateLimited", kind, message, waitMillis }
        }
      }
      for (const [, bucket, n] of wanted) if (bucket !== undefined) bucket.level -= n
      if (arrivals.length === 0) firstArrival = now
      arrivals.push(now - firstArrival)
      tokens += cost
      return undefined
    },
    seen: () => ({ admitted: arrivals.length, rejected, tokens, arrivals: [...arrivals] })
  }
})
