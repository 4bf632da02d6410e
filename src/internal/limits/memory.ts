/**
 * Buckets in Effect's `RateLimiter`, by its token-bucket algorithm. It takes from one bucket at a time: buckets are taken from
 * one after the other, and what was taken is given back when a later bucket has too little. What is learned of a bucket stays
 * in this process.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import {
  type BucketOptions,
  type Change,
  fullMillis,
  type Learned,
  type LimitSession,
  priceOf,
  type Receipt,
  type Reply,
  type Stored,
  type Taken
} from "./session.ts"

export interface Bucket {
  readonly _tag: "RateLimiter"
  /** Whether the limiter is in memory. */
  readonly isLocal: boolean
  readonly options: BucketOptions
  readonly learned: Readonly<Learned>
  /** Takes `n` if they are available; otherwise returns the milliseconds until they are. */
  readonly take: (n: number) => Stored<Taken | number>
  readonly apply: (change: Change) => Stored<void>
  /** The level, in milliseconds of the window. */
  readonly level: Stored<number>
  /** Callbacks for when something was given back. */
  readonly returns: Set<() => void>
}

export const makeBucket = Effect.fnUntraced(function*(
  limiter: RateLimiter.RateLimiter,
  key: string,
  isLocal: boolean,
  options: BucketOptions
): Effect.fn.Return<Bucket, RateLimiter.RateLimiterError> {
  const full = fullMillis(options)
  const learned: Learned = {
    price: priceOf(options.windowMillis, options.capacity),
    lowered: 0,
    owing: 0,
    spent: 0,
    born: ""
  }
  const bucket = { algorithm: "token-bucket", key, limit: full, window: Duration.millis(full) } as const

  const returns = new Set<() => void>()
  const takeMillis = (millis: number) => limiter.consume({ ...bucket, tokens: millis, onExceeded: "fail" })
  const charge = (millis: number) => limiter.consume({ ...bucket, tokens: millis, onExceeded: "delay" })
  const level = Effect.map(charge(0), ({ remaining }) => remaining)

  // The level must not exceed the capacity: not every store keeps what is above it.
  const refund = (millis: number): Stored<void> =>
    Effect.flatMap(level, (held) => {
      const back = Math.min(millis, full - held)
      return back <= 0 ? Effect.void : Effect.map(charge(-back), () => {
        for (const notify of returns) notify()
      })
    })

  // Recorded after the store has applied it, so that a failed change can be applied again.
  const lower = (millis: number): Stored<void> =>
    Effect.map(millis > 0 ? charge(millis) : refund(-millis), () => {
      learned.lowered += millis
    })

  const take = (n: number): Stored<Taken | number> => {
    const millis = n * learned.price
    // A cost above the level of a full bucket (capacity less headroom) is taken from a full bucket, which then owes the rest.
    const owed = Math.max(0, millis - full)
    const taken = takeMillis(millis - owed)
    return Effect.matchEffect(owed === 0 ? taken : Effect.andThen(taken, charge(owed)), {
      onSuccess: ({ remaining }) =>
        Effect.succeed({
          taken: millis,
          left: remaining,
          recent: 0,
          spent: 0,
          lowered: learned.lowered,
          born: learned.born
        }),
      onFailure: (error) =>
        error.reason._tag === "RateLimitExceeded"
          ? Effect.succeed(Duration.toMillis(error.reason.retryAfter))
          : Effect.fail(error)
    })
  }

  const reprice = Effect.fnUntraced(function*(price: number) {
    yield* lower((full - (yield* level)) * (price / learned.price - 1))
    learned.price = price
  })

  // The difference between our level and the provider's when it counted the call, less what was corrected since. Our level may
  // be lower by the headroom.
  const reconcile = (taken: Taken, remaining: number): Stored<void> => {
    const excess = taken.left - remaining * learned.price - (learned.lowered - taken.lowered)
    const more = excess > 0 ? excess : -Math.min(learned.owing, Math.max(0, -excess - options.headroomMillis))
    return more === 0 ? Effect.void : Effect.map(lower(more), () => {
      learned.owing += more
    })
  }

  const apply = (change: Change): Stored<void> => {
    switch (change.op) {
      case "release":
        return refund(change.n * learned.price)
      case "settle":
        return lower(change.n * learned.price)
      case "fill":
        return refund(Number.POSITIVE_INFINITY)
      case "withhold":
        learned.owing = Math.min(full, learned.owing + change.n * learned.price)
        return Effect.void
      case "price":
        return change.price === learned.price ? Effect.void : reprice(change.price)
      case "refused":
        return lower(-change.taken.taken)
      case "reconcile":
        return reconcile(change.taken, change.remaining)
    }
  }

  if (options.initial < options.capacity) yield* charge((options.capacity - options.initial) * learned.price)
  return { _tag: "RateLimiter", isLocal, options, learned, take, apply, level, returns }
})

export const make = (buckets: ReadonlyArray<Bucket>): LimitSession => {
  const changes: Array<readonly [bucket: number, change: Change]> = []

  // A change that could not be applied is applied the next time, those before it are not applied again.
  const applyChanges: Stored<void> = Effect.suspend(() => {
    const next = changes.shift()
    if (next === undefined) return Effect.void
    const [bucket, change] = next
    const applied = Effect.onError(
      buckets[bucket]?.apply(change) ?? Effect.void,
      () => Effect.sync(() => changes.unshift(next))
    )
    return Effect.andThen(applied, applyChanges)
  })

  const undo = (receipt: Receipt, want: ReadonlyArray<number>) =>
    Effect.suspend(() => {
      for (const [i, taken] of receipt.entries()) {
        if (taken !== undefined) changes.push([i, { op: "release", n: want[i] ?? 0 }])
      }
      return Effect.ignore(applyChanges)
    })

  const take = Effect.fnUntraced(function*(want: ReadonlyArray<number>) {
    const receipt: Array<Receipt[number]> = []
    for (const bucket of buckets) {
      const n = want[receipt.length] ?? 0
      const first = receipt.length === 0
      const taken = n === 0
        ? undefined
        : yield* (first ? bucket.take(n) : Effect.tapError(bucket.take(n), () => undo(receipt, want)))
      if (typeof taken === "number") {
        yield* undo(receipt, want)
        return { receipt: undefined, waitMillis: taken, pausedMillis: 0 }
      }
      receipt.push(taken)
    }
    return { receipt, waitMillis: 0, pausedMillis: 0 }
  })

  return {
    isLocal: buckets.every(({ isLocal }) => isLocal),
    buckets,
    note: (bucket, change) => {
      changes.push([bucket, change])
    },
    pause: () => {},
    hasChanges: () => changes.length > 0,
    flushMillis: 0,
    leaseMillis: Number.POSITIVE_INFINITY,
    exchange: (request) => {
      const reply = request?.want === undefined ? nothing : buckets.length === 0 ? everything : take(request.want)
      return changes.length === 0 ? reply : Effect.andThen(applyChanges, reply)
    },
    levels: Effect.forEach(buckets, ({ level }) => level),
    onSooner: (callback) => {
      for (const { returns } of buckets) returns.add(callback)
      return () => {
        for (const { returns } of buckets) returns.delete(callback)
      }
    }
  }
}

const everything: Effect.Effect<Reply> = Effect.succeed({ receipt: [], waitMillis: 0, pausedMillis: 0 })
const nothing: Effect.Effect<Reply> = Effect.succeed({ receipt: undefined, waitMillis: 0, pausedMillis: 0 })
