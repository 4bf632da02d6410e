/** The state of an executor, with what is left of its limits. */
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type { TokenBucket } from "../../TokenBucket.ts"
import type { Buckets } from "../limits/limits.ts"
import type { Snapshot } from "./options.ts"

export const snapshotOf = (
  { inputTokens, outputTokens, requests, tokens }: Buckets,
  state: () => Omit<Snapshot, "limits">
): Effect.Effect<Snapshot, RateLimiter.RateLimiterError> =>
  Effect.map(
    Effect.all({
      requests: levelOf(requests),
      tokens: levelOf(tokens),
      inputTokens: levelOf(inputTokens),
      outputTokens: levelOf(outputTokens)
    }),
    (limits) => ({ ...state(), limits })
  )

const levelOf = (bucket: TokenBucket | undefined) =>
  bucket === undefined
    ? Effect.undefined
    : Effect.map(bucket.available, (available) => ({ available, capacity: bucket.capacity }))
