/**
 * What an executor, or a bucket by itself, has at the store that keeps its limits.
 *
 * A bucket is kept as the milliseconds of its window: a full bucket holds the whole window, and taking `n` of a capacity `c`
 * takes `n / c` of it. So it refills by one each millisecond, whatever the capacity, and its arithmetic is exact.
 */
import type * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"

/** A bucket, as it is configured. */
export interface BucketOptions {
  readonly capacity: number
  readonly windowMillis: number
  /** How much of the window is kept back. */
  readonly headroomMillis: number
  /** What it holds when it is made. */
  readonly initial: number
}

/** What is learned of a bucket, as this process last saw it, in milliseconds of the window. */
export interface Learned {
  /** What one of the capacity takes. */
  price: number
  /** By how much corrections have lowered it in all. */
  lowered: number
  /** By how much it may be raised again when the provider turns out to have more. */
  owing: number
  /** What was taken from it in all, where others take too. */
  spent: number
  /** Names this life of the bucket: a store may lose it. */
  born: string
}

/** What was taken from a bucket, and how it was then, in milliseconds of the window. */
export interface Taken {
  readonly taken: number
  readonly left: number
  /** What was taken a moment before, by any process: the provider may not have heard of that. */
  readonly recent: number
  /** What was taken in all by then, itself included, where others take too. */
  readonly spent: number
  readonly lowered: number
  readonly born: string
}

/** What was taken from all buckets of a session; `undefined` where nothing was. */
export type Receipt = ReadonlyArray<Taken | undefined>

/** What happens to a bucket beside being taken from. */
export type Change =
  /** So many were taken for something that did not happen: it is as if they had not been taken. */
  | { readonly op: "release"; readonly n: number }
  /** So many were used beyond what was taken; below zero, not used. */
  | { readonly op: "settle"; readonly n: number }
  /** It is made full. */
  | { readonly op: "fill" }
  /** So many were not used. They are given back only as far as the provider turns out to have them. */
  | { readonly op: "withhold"; readonly n: number }
  /** One of the capacity takes so much from now on; what is missing from the bucket counts at the new price too. */
  | { readonly op: "price"; readonly price: number }
  /** The provider refused what was taken, and did not count it. */
  | { readonly op: "refused"; readonly taken: Taken }
  /** The provider said how many were left, when it answered to what was taken. */
  | { readonly op: "reconcile"; readonly taken: Taken; readonly remaining: number; readonly refused: boolean }

/** How it stands with the callings of a session. */
export interface Question {
  /** What is to be taken from each bucket; `undefined` when nobody waits. */
  readonly want: ReadonlyArray<number> | undefined
  /** What will be wanted after that, where it is known. */
  readonly next: ReadonlyArray<number> | undefined
  /** Whether it waits in the line of all processes when it cannot be taken now. */
  readonly waits: boolean
  /** How many run now. */
  readonly running: number
}

export interface Answer {
  /** What was taken: all that was wanted, or nothing. */
  readonly receipt: Receipt | undefined
  /** How long it is until `want` is due, or after it was taken `next`; infinite for as long as nothing else changes. */
  readonly waitMillis: number
  /** For how much longer the provider has asked anyone to hold everything back. */
  readonly pausedMillis: number
}

export type Stored<A> = Effect.Effect<A, RateLimiter.RateLimiterError>

/** A bucket of a session. */
export interface SessionBucket {
  readonly options: BucketOptions
  readonly learned: Readonly<Learned>
}

export interface LimitSession {
  /** Whether the store is this process: it answers at once. */
  readonly isLocal: boolean
  readonly buckets: ReadonlyArray<SessionBucket>
  /** Notes what has happened to a bucket, for the next exchange. */
  readonly note: (bucket: number, change: Change) => void
  /** Notes that the provider has asked to hold everything back. */
  readonly pause: (millis: number) => void
  /** Whether something is noted that the store has not been told. */
  readonly hasNews: () => boolean
  /** For how long news may wait for the next exchange, in milliseconds. */
  readonly patienceMillis: number
  /** After how many milliseconds the store forgets who waits or runs, unless it hears of it again. */
  readonly leaseMillis: number
  /**
   * Tells the store the news, and takes what is wanted from all buckets or from none. Without a question it leaves
   * everything else as it is. What could not be told is told the next time.
   */
  readonly exchange: (question?: Question) => Stored<Answer>
  /** What each bucket holds. */
  readonly levels: Stored<ReadonlyArray<number>>
  /** Calls back when what is waited for may be due sooner than was said; answers how to end that. */
  readonly onSooner: (callback: () => void) => () => void
}

/** What a full bucket holds. */
export const fullMillis = ({ headroomMillis, windowMillis }: BucketOptions): number => windowMillis - headroomMillis

/**
 * What one of a capacity takes. It is made smaller by a billionth, so that `capacity` takings of one always fit into a full
 * bucket, though their sum in floating point may be a little more than the whole.
 */
export const priceOf = (windowMillis: number, capacity: number): number => (windowMillis / capacity) * (1 - 1e-9)
