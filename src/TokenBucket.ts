/**
 * One limit: a capacity that refills evenly over a window, for requests, tokens or anything that is counted.
 *
 * The state is kept in Effect's `RateLimiter` (`effect/persistence`), by its token-bucket algorithm. A bucket is kept
 * there as the milliseconds of its window: a full bucket holds the whole window, and taking `n` of a capacity `c` takes
 * `n / c` of it. So it refills by one each millisecond, whatever the capacity, and its arithmetic is exact.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import { uuid } from "./internal/identity.ts"
import { duration, illegal, positive, positiveDuration } from "./internal/options.ts"

/**
 * A limit.
 *
 * **Example** (Two at once, then two a second)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { TokenBucket } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const bucket = yield* TokenBucket.make({ capacity: 2, window: "1 second" })
 *   yield* Effect.forEach([1, 2, 3], (n) => Effect.andThen(bucket.acquire(), Effect.log(n)))
 * })
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenBucket {
  /** What a full bucket holds, and what comes back in a window. */
  readonly capacity: number
  /** The time in which an empty bucket becomes full again. */
  readonly window: Duration.Duration
  /** How much of the window is kept back. Longer than zero for a limit that a server counts. */
  readonly headroom: Duration.Duration
  /**
   * Takes `n` (default 1) as soon as they are there, first come first served. A waiter that is interrupted leaves the
   * line and has taken nothing.
   *
   * Fails with `IllegalArgumentError` when `n` is not above zero or is above the capacity, and with Effect's
   * `TimeoutError` when a `timeout` is given and runs out.
   */
  readonly acquire: (n?: number, options?: {
    /** How long to wait at most. @default for ever */
    readonly timeout?: Duration.Input | undefined
  }) => Effect.Effect<void, Cause.IllegalArgumentError | Cause.TimeoutError | RateLimiter.RateLimiterError>
  /** Takes `n` (default 1) if they are there now and nobody waits for them, and says whether it did. */
  readonly tryAcquire: (
    n?: number
  ) => Effect.Effect<boolean, Cause.IllegalArgumentError | RateLimiter.RateLimiterError>
  /**
   * Takes `n` if they are there now. Otherwise takes nothing, and tells how long it is until they will be there if nobody
   * else takes them. For schedulers that keep a line of their own.
   */
  readonly attempt: (n: number) => Effect.Effect<Attempt, RateLimiter.RateLimiterError>
  /**
   * Learns what the server that enforces the limit said of it, in its answer to what an `attempt` had taken.
   *
   * A limit below the capacity becomes the capacity, until the server says otherwise, unless its reset shows that it refills
   * faster than ours, over a shorter window. A remainder below ours lowers ours. When the server has more again, ours is
   * raised, by no more than it was lowered by and `withhold` has noted.
   */
  readonly reconcile: (attempt: Attempt, said: Allowance) => Effect.Effect<void, RateLimiter.RateLimiterError>
  /**
   * Notes that `n` were taken and not used, but not whether the server that enforces the limit counts it so: they are given
   * back as far as `reconcile` sees that the server has more than we do.
   */
  readonly withhold: (n: number) => void
  /**
   * Gives back `n` (default 1) that were taken and come to nothing, as if they had not been taken. The bucket never holds more
   * than its capacity.
   */
  readonly release: (
    n?: number
  ) => Effect.Effect<void, Cause.IllegalArgumentError | RateLimiter.RateLimiterError>
  /**
   * Corrects an estimate: what was reserved beyond the actual use is given back, and what was used beyond the
   * reservation is charged, as a debt if need be.
   */
  readonly settle: (
    reserved: number,
    actual: number
  ) => Effect.Effect<void, Cause.IllegalArgumentError | RateLimiter.RateLimiterError>
  /** Makes the bucket full. */
  readonly reset: Effect.Effect<void, RateLimiter.RateLimiterError>
  /** What it holds now, in whole numbers; zero while it is in debt. */
  readonly available: Effect.Effect<number, RateLimiter.RateLimiterError>
}

/**
 * What came of an `attempt`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  /** Zero when it was taken; otherwise the time until it would be. */
  readonly wait: Duration.Duration
  /** What was taken, in milliseconds of the window. */
  readonly taken: number
  /** What was left in the bucket then, in milliseconds of the window. */
  readonly left: number
  /** By how much corrections had lowered the bucket until then, in milliseconds of the window. */
  readonly lowered: number
}

/**
 * What a server says of a limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface Allowance {
  /** What its bucket holds when full. */
  readonly limit: number | undefined
  /** What is left in it. */
  readonly remaining: number | undefined
  /** The time until it is full again. */
  readonly resetAfter: Duration.Duration | undefined
  /** Whether the server refused, and took nothing: what was taken from ours is given back, if `remaining` is known. */
  readonly refused: boolean
}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How many a full bucket holds. Above zero. */
  readonly capacity: number
  /** The time in which an empty bucket becomes full again, at least one millisecond. */
  readonly window: Duration.Input
  /** What it holds at first. @default the capacity */
  readonly initial?: number | undefined
  /**
   * The name of the bucket in the `RateLimiter`. With a `RateLimiter` in context, all buckets of one key share their
   * state, in whatever process. @default a key of its own
   */
  readonly key?: string | undefined
  /**
   * How much of the window is kept back, so that a server which counts the same limit by its own clock never sees us
   * early: requests do not arrive as evenly as they are sent. A call that would use the last of the bucket starts up to
   * this much later. At most a twentieth of the window is kept back. @default none
   */
  readonly headroom?: Duration.Input | undefined
}

/**
 * Makes a bucket. Its state is in memory, unless a `RateLimiter` is in context.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<TokenBucket, Cause.IllegalArgumentError | RateLimiter.RateLimiterError> {
  const capacity = yield* positive("capacity", options.capacity)
  const window = yield* positiveDuration("window", options.window)
  const headroom = yield* duration("headroom", options.headroom ?? Duration.zero)
  const initial = options.initial ?? capacity
  if (!(initial >= 0 && initial <= capacity)) {
    return yield* illegal(`initial must be from 0 to the capacity of ${capacity}, got ${initial}`)
  }

  const limiter = Option.getOrElse(yield* Effect.serviceOption(RateLimiter.RateLimiter), () => undefined) ??
    (yield* inMemory)
  const windowMillis = Math.max(1, Math.round(Duration.toMillis(window)))
  const headroomMillis = Math.min(Math.round(Duration.toMillis(headroom)), Math.floor(windowMillis / 20))
  const full = windowMillis - headroomMillis
  let millisEach = (windowMillis / capacity) * roundingGuard
  let lowered = 0
  let owing = 0
  const bucket = {
    algorithm: "token-bucket",
    key: options.key ?? uuid(),
    limit: full,
    window: Duration.millis(full)
  } as const

  const turn = Semaphore.makeUnsafe(1)
  const returned = Latch.makeUnsafe()

  const take = (millis: number) => limiter.consume({ ...bucket, tokens: millis, onExceeded: "fail" })
  const charge = (millis: number) => limiter.consume({ ...bucket, tokens: millis, onExceeded: "delay" })

  // The state must not rise above the capacity: what stands above it is not kept by every store.
  const refund = Effect.fnUntraced(function*(millis: number) {
    const { remaining } = yield* charge(0)
    const back = Math.min(millis, full - remaining)
    if (back > 0) yield* charge(-back)
    yield* returned.release
  })

  const attempt = (n: number): Effect.Effect<Attempt, RateLimiter.RateLimiterError> => {
    const millis = n * millisEach
    // What costs more than is there after the headroom starts from a bucket that is as full as it gets, and owes the rest.
    const owed = Math.max(0, millis - full)
    const taken = take(millis - owed)
    return Effect.matchEffect(owed === 0 ? taken : Effect.andThen(taken, charge(owed)), {
      onSuccess: ({ remaining }) => Effect.succeed({ wait: Duration.zero, taken: millis, left: remaining, lowered }),
      onFailure: (error) =>
        error.reason._tag === "RateLimitExceeded"
          ? Effect.succeed({ wait: error.reason.retryAfter, taken: 0, left: 0, lowered })
          : Effect.fail(error)
    })
  }

  // What is missing from the bucket was taken at the old price, and counts at the new one.
  const reprice = Effect.fnUntraced(function*(price: number) {
    if (price === millisEach) return
    const { remaining } = yield* charge(0)
    const more = (full - remaining) * (price / millisEach - 1)
    millisEach = price
    lowered += more
    yield* more > 0 ? charge(more) : refund(-more)
  })

  // The difference was there when the attempt reached the server, and is there still but for what was corrected since. Ours
  // may be lower by the headroom: that is what it is for.
  const reconcile: TokenBucket["reconcile"] = Effect.fnUntraced(function*(attempt, said) {
    const { limit, remaining, resetAfter } = said
    if (limit !== undefined && limit > 0) {
      const refillMillis = resetAfter === undefined || remaining === undefined || remaining >= limit
        ? windowMillis
        : (Duration.toMillis(resetAfter) * limit) / (limit - remaining)
      const slower = limit / refillMillis < capacity / windowMillis
      yield* reprice((windowMillis / (slower ? Math.min(limit, capacity) : capacity)) * roundingGuard)
    }
    if (remaining === undefined) return
    if (said.refused) {
      lowered -= attempt.taken
      yield* refund(attempt.taken)
    }
    const excess = attempt.left - remaining * millisEach - (lowered - attempt.lowered)
    if (excess > 0) {
      lowered += excess
      owing += excess
      yield* charge(excess)
    } else if (owing > 0 && excess < -headroomMillis) {
      const back = Math.min(owing, -excess - headroomMillis)
      lowered -= back
      owing -= back
      yield* refund(back)
    }
  })

  // A store may answer late: who is interrupted meanwhile gives back what was taken in the end.
  const awaitTurn = (n: number): Effect.Effect<void, RateLimiter.RateLimiterError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(attempt(n), ({ taken, wait }) =>
        Duration.isZero(wait)
          ? Effect.onInterrupt(restore(Effect.void), () => Effect.ignore(refund(taken)))
          : Effect.andThen(restore(Effect.timeoutOption(returned.await, wait)), restore(awaitTurn(n))))
    )

  const fitting = (n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
    n > capacity
      ? illegal(`n must be at most the capacity of ${capacity}, got ${n}: it would wait for ever`)
      : positive("n", n)

  if (initial < capacity) yield* charge((capacity - initial) * millisEach)

  return {
    capacity,
    window,
    headroom: Duration.millis(headroomMillis),
    attempt,
    reconcile,
    withhold: (n) => {
      owing = Math.min(full, owing + n * millisEach)
    },
    acquire: (n = 1, acquireOptions) => {
      const acquired = turn.withPermit(awaitTurn(n))
      return Effect.andThen(
        fitting(n),
        acquireOptions?.timeout === undefined ? acquired : Effect.timeout(acquired, acquireOptions.timeout)
      )
    },
    tryAcquire: (n = 1) =>
      Effect.andThen(
        fitting(n),
        Effect.map(
          turn.withPermitsIfAvailable(1)(attempt(n)),
          (attempt) => Option.isSome(attempt) && Duration.isZero(attempt.value.wait)
        )
      ),
    release: (n = 1) => Effect.andThen(positive("n", n), refund(n * millisEach)),
    settle: (reserved, actual) => {
      if (!(reserved >= 0 && actual >= 0 && Number.isFinite(reserved) && Number.isFinite(actual))) {
        return illegal(`reserved and actual must be finite and not negative, got ${reserved} and ${actual}`)
      }
      const more = (actual - reserved) * millisEach
      lowered += more
      return more > 0 ? Effect.asVoid(charge(more)) : more < 0 ? refund(-more) : Effect.void
    },
    reset: Effect.flatMap(charge(0), ({ remaining }) => remaining < full ? refund(full - remaining) : Effect.void),
    available: Effect.map(
      charge(0),
      ({ remaining }) => remaining >= full ? capacity : Math.max(0, Math.floor(remaining / millisEach))
    )
  }
})

// Costs are made smaller by a billionth, so that `capacity` takings of one always fit into a full bucket, though their
// sum in floating point may be a little more than the whole.
const roundingGuard = 1 - 1e-9

const inMemory = Effect.provide(RateLimiter.make, Layer.fresh(RateLimiter.layerStoreMemory))
