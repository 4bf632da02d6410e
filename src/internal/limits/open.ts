/** Where buckets are kept: in memory, in the `RateLimiter` in context, or in the `LimitStore` in context. */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import { LimitStore } from "./limitStore.ts"
import * as MemorySession from "./memory.ts"
import { inMemory } from "./memoryStore.ts"
import type { BucketOptions, LimitSession, Store } from "./session.ts"
import { uuid } from "../util/identity.ts"
import { illegal } from "../util/options.ts"

/** A bucket that a store shares by its name. */
interface SharedBucket {
  readonly _tag: "Shared"
  readonly store: Store
  readonly name: string
  readonly options: BucketOptions
}

export type Bucket = MemorySession.Bucket | SharedBucket

const sharedStore = Effect.map(Effect.serviceOption(LimitStore), Option.getOrUndefined)

export const makeBucket = Effect.fnUntraced(function*(
  key: string | undefined,
  options: BucketOptions
): Effect.fn.Return<Bucket, RateLimiter.RateLimiterError> {
  const store = yield* sharedStore
  if (store !== undefined && key !== undefined) return { _tag: "Shared", store, name: key, options }
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

/** Opens a session for buckets that are taken from together. All of them are kept in one store. */
export const open = Effect.fnUntraced(function*(
  buckets: ReadonlyArray<Bucket>,
  options: { readonly key: string | undefined; readonly concurrency: number | undefined }
): Effect.fn.Return<LimitSession, Cause.IllegalArgumentError> {
  const local = buckets.filter((bucket) => bucket._tag === "RateLimiter")
  const shared = buckets.filter((bucket) => bucket._tag === "Shared")
  const [first] = shared
  const store = first?.store ?? (options.key === undefined ? undefined : yield* sharedStore)
  if (store === undefined || buckets.length > 0 && first === undefined) return MemorySession.make(local)
  if (local.length > 0 || shared.some((bucket) => bucket.store !== store)) {
    return yield* illegal(
      "the buckets of an executor must be kept in one store: give each of them a key, or none of them"
    )
  }
  return yield* store.open({
    key: options.key ?? first?.name ?? uuid(),
    concurrency: options.concurrency,
    buckets: shared
  })
})
