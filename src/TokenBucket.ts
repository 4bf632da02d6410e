/**
 * A rate limit: a capacity that refills evenly over a window, for requests, tokens or anything that is counted.
 *
 * The state is kept in Effect's `RateLimiter` (`effect/persistence`), by its token-bucket algorithm: in memory, or in the
 * `RateLimiter` in context. A `LimitStore` in context keeps the buckets that have a `key`, for all processes.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { identity } from "effect/Function"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import { type Change, priceOf, type Reply } from "./internal/limits/session.ts"
import * as LimitSession from "./internal/limits/open.ts"
import * as Outage from "./internal/limits/outage.ts"
import { duration, illegal, positive, positiveDuration } from "./internal/util/options.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-imodel/TokenBucket"

/**
 * A token bucket.
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
  /** Lets an executor take from several buckets at once. */
  readonly [TypeId]: LimitSession.Bucket
  /** What a full bucket holds, and what refills within a window. */
  readonly capacity: number
  /** The time in which an empty bucket becomes full again. */
  readonly window: Duration.Duration
  /** Safety margin: the part of the window that is never used. Above zero for a limit that a server counts. */
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
 * Makes a bucket. Its state is in memory, unless a `RateLimiter` is in context, or a `LimitStore` and it has a `key`.
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

  const windowMillis = Math.max(1, Math.round(Duration.toMillis(window)))
  const headroomMillis = Math.min(Math.round(Duration.toMillis(headroom)), Math.floor(windowMillis / 20))
  const bucket = yield* LimitSession.makeBucket(options.key, { capacity, windowMillis, headroomMillis, initial })
  const session = yield* LimitSession.open([bucket], { key: undefined, concurrency: undefined })
  const turn = Semaphore.makeUnsafe(1)

  const ask = (n: number, waits: boolean) => session.exchange({ want: [n], next: undefined, waits, running: 0 })
  const leave = Effect.suspend(() => session.exchange({ want: undefined, next: undefined, waits: false, running: 0 }))
  const patiently = session.isLocal ? identity : Outage.patiently
  const tell = (change: Change) =>
    Effect.suspend(() => {
      session.note(0, change)
      return Effect.asVoid(patiently(session.exchange()))
    })

  // A store may answer late: what it gave to one who has left meanwhile goes back.
  const takeBack = (asked: Fiber.Fiber<Reply, RateLimiter.RateLimiterError>, n: number) =>
    Fiber.await(asked).pipe(
      Effect.flatMap((exit) =>
        Exit.isSuccess(exit) && exit.value.receipt !== undefined ? tell({ op: "release", n }) : leave
      ),
      Effect.ignore,
      Effect.forkDetach({ startImmediately: true })
    )

  const awaitTurn = Effect.fnUntraced(function*(n: number) {
    const sooner = Latch.makeUnsafe()
    yield* Effect.acquireRelease(
      Effect.sync(() => session.onSooner(() => sooner.openUnsafe())),
      (unsubscribe) => Effect.sync(unsubscribe)
    )
    let isTaken = false
    while (!isTaken) {
      sooner.closeUnsafe()
      const asked = yield* Effect.forkDetach(ask(n, true), { startImmediately: true })
      isTaken = yield* Effect.flatMap(
        Fiber.join(asked),
        ({ receipt, waitMillis }) =>
          receipt !== undefined
            ? Effect.succeed(true)
            : Effect.as(
              Effect.timeoutOption(sooner.await, Math.ceil(Math.min(waitMillis, session.leaseMillis / 3))),
              false
            )
      ).pipe(Effect.onInterrupt(() => takeBack(asked, n)))
    }
  }, Effect.scoped)

  const fitting = (n: number): Effect.Effect<number, Cause.IllegalArgumentError> =>
    n > capacity
      ? illegal(`n must be at most the capacity of ${capacity}, got ${n}: it would wait for ever`)
      : positive("n", n)

  return {
    [TypeId]: bucket,
    capacity,
    window,
    headroom: Duration.millis(headroomMillis),
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
          turn.withPermitsIfAvailable(1)(patiently(ask(n, false))),
          (answer) => Option.isSome(answer) && answer.value.receipt !== undefined
        )
      ),
    release: (n = 1) => Effect.andThen(positive("n", n), tell({ op: "release", n })),
    settle: (reserved, actual) =>
      reserved >= 0 && actual >= 0 && Number.isFinite(reserved) && Number.isFinite(actual)
        ? tell({ op: "settle", n: actual - reserved })
        : illegal(`reserved and actual must be finite and not negative, got ${reserved} and ${actual}`),
    reset: tell({ op: "fill" }),
    available: Effect.map(
      patiently(session.levels),
      ([level = 0]) => {
        const price = session.buckets[0]?.learned.price ?? priceOf(windowMillis, capacity)
        return level >= windowMillis - headroomMillis ? capacity : Math.max(0, Math.floor(level / price))
      }
    )
  }
})
