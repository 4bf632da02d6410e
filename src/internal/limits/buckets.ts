/** The buckets of an executor. */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as TokenBucket from "../../TokenBucket.ts"
import { inMemory } from "./memoryStore.ts"
import type { Buckets } from "./limits.ts"

/** The buckets that are to be made, and the key under which they are shared. */
interface Options
  extends Partial<Readonly<Record<keyof Buckets, TokenBucket.TokenBucket | TokenBucket.Options | undefined>>>
{
  readonly key?: string | undefined
}

type Made<A> = Effect.Effect<A, Cause.IllegalArgumentError | RateLimiter.RateLimiterError>

const forEach = Effect.fnUntraced(function*<A>(
  of: Readonly<Record<keyof Buckets, A>>,
  make: (given: A, kind: keyof Buckets) => Made<TokenBucket.TokenBucket | undefined>
) {
  return {
    requests: yield* make(of.requests, "requests"),
    tokens: yield* make(of.tokens, "tokens"),
    inputTokens: yield* make(of.inputTokens, "inputTokens"),
    outputTokens: yield* make(of.outputTokens, "outputTokens")
  } satisfies Buckets
})

/** Those that are only described are made, and named after the executor's key. */
export const make = ({ inputTokens, key, outputTokens, requests, tokens }: Options): Made<Buckets> =>
  forEach(
    { requests, tokens, inputTokens, outputTokens },
    (given, kind) =>
      given === undefined || TokenBucket.TypeId in given
        ? Effect.succeed(given)
        : TokenBucket.make({ ...given, key: given.key ?? (key === undefined ? undefined : `{${key}}:${kind}`) })
  )

/** Buckets in memory that refill by a part of the others. Nobody knows what is in those, so these start empty. */
export const makeLocal = (buckets: Buckets, share: number): Made<Buckets> =>
  forEach(buckets, (bucket) =>
    bucket === undefined
      ? Effect.succeed(bucket)
      : TokenBucket.make({
        capacity: bucket.capacity,
        window: Duration.times(bucket.window, 1 / share),
        initial: 0
      })).pipe(Effect.provideServiceEffect(RateLimiter.RateLimiter, inMemory))
