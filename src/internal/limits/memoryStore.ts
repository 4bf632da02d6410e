/**
 * Effect's limiter in the memory of this process, with its token buckets on the monotonic clock: a system clock that is set
 * back or forth changes no limit. Effect's own store in memory reads the time of day.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Duration from "effect/Duration"
import { monotonicMillis } from "../util/monotonic.ts"

/** A bucket, and the time up to which its refill is counted. */
interface TokenBucket {
  tokens: number
  refilledAt: number
}

const store = Effect.map(RateLimiter.RateLimiterStore, (memory) => {
  const buckets = new Map<string, TokenBucket>()
  return RateLimiter.RateLimiterStore.of({
    ...memory,
    tokenBucket: ({ allowOverflow, key, limit, refillRate, tokens }) =>
      Effect.clockWith((clock) => {
        const now = monotonicMillis(clock)
        const refillMillis = Duration.toMillis(refillRate)
        let bucket = buckets.get(key)
        if (bucket === undefined) buckets.set(key, bucket = { tokens: limit, refilledAt: now })
        const refilled = Math.floor((now - bucket.refilledAt) / refillMillis)
        if (refilled > 0) {
          bucket.tokens = Math.min(limit, bucket.tokens + refilled)
          bucket.refilledAt += refilled * refillMillis
        }
        if (bucket.tokens >= limit) bucket.refilledAt = now
        const left = bucket.tokens - tokens
        if (allowOverflow || left >= 0) bucket.tokens = left
        const elapsedMillis: number = Math.max(0, now - bucket.refilledAt)
        return Effect.succeed([left, elapsedMillis] as const)
      })
  })
})

export const inMemory: Effect.Effect<RateLimiter.RateLimiter> = Effect.provide(
  RateLimiter.make,
  Layer.fresh(Layer.provide(Layer.effect(RateLimiter.RateLimiterStore, store), RateLimiter.layerStoreMemory))
)
