/** Where a bucket is kept: in the memory of the process, in the `RateLimiter` in context, or in the `LimitStore` in context. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { LimitStore, TypeId } from "../../LimitStore.ts"
import type { BucketOptions, LimitSession } from "./session.ts"
import { uuid } from "../util/identity.ts"
import { onMonotonicTime } from "../util/monotonic.ts"
import { illegal } from "../util/options.ts"
import * as MemorySession from "./memory.ts"
import * as RedisSession from "./redis.ts"

export type Bucket = MemorySession.Bucket | RedisSession.Bucket

const sharedStore = Effect.map(
  Effect.serviceOption(LimitStore),
  (store) => Option.getOrUndefined(store)?.[TypeId]
)

export const makeBucket = Effect.fnUntraced(function*(
  key: string | undefined,
  options: BucketOptions
): Effect.fn.Return<Bucket, RateLimiter.RateLimiterError> {
  const store = yield* sharedStore
  if (store !== undefined && key !== undefined) return RedisSession.makeBucket(store, key, options)
  const limiter = store === undefined
    ? Option.getOrUndefined(yield* Effect.serviceOption(RateLimiter.RateLimiter))
    : undefined
  return yield* MemorySession.makeBucket(
    limiter ?? (yield* inMemory),
    key ?? uuid(),
    limiter === undefined,
    options
  )
})

/** Effect's limiter in the memory of this process, on the monotonic clock. */
export const inMemory: Effect.Effect<RateLimiter.RateLimiter> = Effect.map(
  Effect.provide(RateLimiter.make, Layer.fresh(RateLimiter.layerStoreMemory)),
  (limiter) => ({ ...limiter, consume: (options) => onMonotonicTime(limiter.consume(options)) })
)

/** Opens a session for buckets that are taken from together. They are kept in one store. */
export const open = Effect.fnUntraced(function*(
  buckets: ReadonlyArray<Bucket>,
  options: { readonly key: string | undefined; readonly concurrency: number | undefined }
): Effect.fn.Return<LimitSession, Cause.IllegalArgumentError> {
  const here = buckets.filter((bucket) => bucket._tag === "RateLimiter")
  const inRedis = buckets.filter((bucket) => bucket._tag === "Redis")
  const [first] = inRedis
  const store = first?.store ?? (options.key === undefined ? undefined : yield* sharedStore)
  if (store === undefined || buckets.length > 0 && first === undefined) return MemorySession.make(here)
  if (here.length > 0 || inRedis.some((bucket) => bucket.store !== store)) {
    return yield* illegal(
      "the buckets of an executor must be kept in one store: give each of them a key, or none of them"
    )
  }
  return yield* RedisSession.make(store, inRedis, { ...options, key: options.key ?? first?.name ?? uuid() })
})
