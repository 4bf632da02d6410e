/**
 * The protocol between an executor, or a bucket by itself, and the store that keeps its limits.
 *
 * A bucket is kept in milliseconds of its window: a full bucket holds the whole window, and taking `n` of a capacity `c` takes
 * `n / c` of it. So every bucket refills by one each millisecond, whatever its capacity, and the arithmetic is exact.
 */
import type * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"

/**
 * A bucket as it is configured.
 *
 * @category models
 * @since 0.1.0
 */
export interface BucketOptions {
  readonly capacity: number
  readonly windowMillis: number
  /** Safety margin: the part of the window that is never used. */
  readonly headroomMillis: number
  /** What the bucket holds when it is created. */
  readonly initial: number
}

/**
 * What is known of a bucket beside its level, in milliseconds of the window, as this process last saw it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Learned {
  /** Milliseconds of the window that one of the capacity costs. */
  price: number
  /** Sum of the corrections that lowered the level since the bucket was created. */
  lowered: number
  /** How far the level may be raised again when the provider reports more than expected. */
  owing: number
  /** Sum of everything taken since the bucket was created; zero in a store of one process. */
  spent: number
  /** Identifies this creation of the bucket: a store may lose it and create it again. */
  born: string
}

/**
 * What was taken from a bucket, and the state of the bucket at that time, in milliseconds of the window.
 *
 * @category models
 * @since 0.1.0
 */
export interface Taken {
  readonly taken: number
  /** The level after taking. */
  readonly left: number
  /** What all processes took within the last moments: the provider may not have counted it yet. */
  readonly recent: number
  /** `Learned.spent` after taking. */
  readonly spent: number
  readonly lowered: number
  readonly born: string
}

/**
 * What was taken from the buckets of a session, in their order; `undefined` where nothing was.
 *
 * @category models
 * @since 0.1.0
 */
export type Receipt = ReadonlyArray<Taken | undefined>

/**
 * A change of a bucket other than taking from it.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  /** Gives back `n` that were taken for a call that was not made. The level never exceeds the capacity. */
  | { readonly op: "release"; readonly n: number }
  /** Corrects a reservation: `n` more were used than reserved; fewer if negative. */
  | { readonly op: "settle"; readonly n: number }
  /** Fills the bucket. */
  | { readonly op: "fill" }
  /** `n` were not used. They come back only as far as a later `reconcile` shows that the provider has them. */
  | { readonly op: "withhold"; readonly n: number }
  /** Changes the price of one; what is missing from a full bucket is converted to the new price. */
  | { readonly op: "price"; readonly price: number }
  /** The provider refused the call and did not count it. */
  | { readonly op: "refused"; readonly taken: Taken }
  /** The provider reported how many were left when it answered the call that had taken `taken`. */
  | { readonly op: "reconcile"; readonly taken: Taken; readonly remaining: number; readonly refused: boolean }

/**
 * What a member of a session asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  /** What to take from each bucket, all or nothing; `undefined` when nothing waits. */
  readonly want: ReadonlyArray<number> | undefined
  /** What the next call in the queue wants, if it is known: with it the reply to this request tells when that is due. */
  readonly next: ReadonlyArray<number> | undefined
  /** Whether the member keeps its place in the queue of all members when `want` cannot be taken now. */
  readonly waits: boolean
  /** How many calls of the member run now. */
  readonly running: number
}

/**
 * The reply of the store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  /** What was taken, or `undefined` when nothing was. */
  readonly receipt: Receipt | undefined
  /** Milliseconds until `want` is due, or `next` if `want` was taken; infinite when only another change can make it due. */
  readonly waitMillis: number
  /** Milliseconds for which the provider has asked any member to send nothing. */
  readonly pausedMillis: number
}

export type Stored<A> = Effect.Effect<A, RateLimiter.RateLimiterError>

/**
 * A bucket of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionBucket {
  readonly options: BucketOptions
  readonly learned: Readonly<Learned>
}

/**
 * The buckets of one executor at a store. Executors with the same key, in whatever process, are members of the same session.
 *
 * @category models
 * @since 0.1.0
 */
export interface LimitSession {
  /** Whether the store is in the memory of this process and replies at once. */
  readonly isLocal: boolean
  readonly buckets: ReadonlyArray<SessionBucket>
  /** Records a change of the bucket with this index. It is sent with the next exchange. */
  readonly note: (bucket: number, change: Change) => void
  /** Records that the provider asked to send nothing for so many milliseconds. It is sent with the next exchange. */
  readonly pause: (millis: number) => void
  /** Whether changes are recorded that were not sent yet. */
  readonly hasChanges: () => boolean
  /** Milliseconds for which changes may be kept before they are sent. */
  readonly flushMillis: number
  /** Milliseconds after which the store forgets a member that waits or runs, unless it hears of it again. */
  readonly leaseMillis: number
  /**
   * Sends the recorded changes, and takes what the request wants from all buckets or from none. Without a request nothing is
   * taken and the member's place in the queue stays. Changes that could not be sent are sent the next time, and applied once.
   */
  readonly exchange: (request?: Request) => Stored<Reply>
  /** The level of each bucket, in milliseconds of its window. */
  readonly levels: Stored<ReadonlyArray<number>>
  /** Registers a callback for when `want` may be due earlier than the last reply said. Returns how to unregister it. */
  readonly onSooner: (callback: () => void) => () => void
}

/**
 * The buckets of a session, and who shares them.
 *
 * @category options
 * @since 0.1.0
 */
export interface SessionOptions {
  /** The name of the session. */
  readonly key: string
  /** The most calls that may run at once over all members, or `undefined` for any number. */
  readonly concurrency: number | undefined
  /** Buckets with the same name are the same bucket, also in different sessions. */
  readonly buckets: ReadonlyArray<{ readonly name: string; readonly options: BucketOptions }>
}

/**
 * What a store of shared limits implements.
 *
 * @category models
 * @since 0.1.0
 */
export interface Store {
  /** Joins a session as a new member. */
  readonly open: (options: SessionOptions) => Effect.Effect<LimitSession>
}

/** The level of a full bucket. */
export const fullMillis = ({ headroomMillis, windowMillis }: BucketOptions): number => windowMillis - headroomMillis

/**
 * The price of one of a capacity. It is smaller by a billionth, so that `capacity` takings of one always fit into a full
 * bucket, though their sum in floating point may be a little more than the whole.
 */
export const priceOf = (windowMillis: number, capacity: number): number => (windowMillis / capacity) * (1 - 1e-9)
