/** The interface and the options of an executor. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import type { Calling, Execution } from "../../Calling.ts"
import type { PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { Runner } from "../calling/lifecycle.ts"
import type { Buckets } from "../limits/limits.ts"
import type { Options as BucketOptions, TokenBucket } from "../../TokenBucket.ts"

/**
 * @category type IDs
 * @since 0.1.0
 */
export const TypeId = "~effect-imodel/Executor"

/**
 * How many callings the executor has of each status. Those that have settled are counted since it was made.
 *
 * @category models
 * @since 0.1.0
 */
export type Counts = { readonly [Status in Execution.Status]: number }

/**
 * @category models
 * @since 0.1.0
 */
export interface Executor {
  readonly [TypeId]: {
    /** Admits and runs callings, as their submitter wants it. */
    readonly runner: (options?: SubmitOptions) => Runner
  }
  /**
   * Submits a calling and waits until it has settled. Interrupting it takes the calling out of the line, where it has
   * spent nothing, or cancels its work.
   */
  readonly submit: <Data>(
    calling: Calling<Data>,
    options?: SubmitOptions
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  /** How many callings there are of each status. */
  readonly counts: Effect.Effect<Counts>
  /** How many callings wait in the queue; those outside a full queue are not counted. */
  readonly size: Effect.Effect<number>
  /** Whether it limits tokens, so that callings are to be made with an estimate of what they cost. */
  readonly countsTokens: boolean
  /** How many callings can usefully be under way at once: those that run, and a full queue. */
  readonly capacity: number
  /** How it stands, for a display. */
  readonly snapshot: Effect.Effect<Snapshot, RateLimiter.RateLimiterError>
  /** Waits until no calling waits or runs. */
  readonly awaitIdle: Effect.Effect<void>
  /** Takes no more callings, refuses those that wait (`PermissionDenied`, `Shutdown`), and waits for those that run. */
  readonly shutdown: Effect.Effect<void>
}

/**
 * @category options
 * @since 0.1.0
 */
export interface SubmitOptions {
  /** The longest time from now until it has settled. @default for ever */
  readonly timeout?: Duration.Input | undefined
  /** The longest time that it waits to be admitted. @default for ever */
  readonly queueTimeout?: Duration.Input | undefined
  /** A lower number goes first. @default the reference `Priority` */
  readonly priority?: number | undefined
  /** On whose behalf (a tenant): the keys of one priority take turns. @default the reference `Key` */
  readonly key?: string | undefined
}

/**
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly counts: Counts
  /** How many run now; a calling that rests between two attempts does not. */
  readonly running: number
  readonly waiting: number
  /** For how long the provider has asked to hold everything back; zero when it has not. */
  readonly pausedFor: Duration.Duration
  /** What is left of each limit, and what it holds. */
  readonly limits: {
    readonly [Limit in keyof Buckets]: { readonly available: number; readonly capacity: number } | undefined
  }
  /** How often the limit or the full queue said no. */
  readonly denials: number
  readonly retries: number
}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Names the executor in metrics. @default "executor" */
  readonly name?: string | undefined
  /** Names the model whose callings it runs, in metrics. @default none */
  readonly model?: string | undefined
  /**
   * The name under which executors share their limits, in whatever process, by a `LimitStore` or a `RateLimiter` in context.
   * They state the same limits.
   * @default nothing is shared
   */
  readonly key?: string | undefined
  /** The limit of calls: a bucket, or what it is to be. @default none */
  readonly requests?: TokenBucket | BucketOptions | undefined
  /** The limit of tokens, of input and output together. @default none */
  readonly tokens?: TokenBucket | BucketOptions | undefined
  /** The limit of input tokens alone. @default none */
  readonly inputTokens?: TokenBucket | BucketOptions | undefined
  /** The limit of output tokens alone. @default none */
  readonly outputTokens?: TokenBucket | BucketOptions | undefined
  /** How many callings may wait in the queue. @default 100 */
  readonly queueCapacity?: number | undefined
  /** How many callings run at once. @default 100 */
  readonly concurrency?: number | undefined
  /**
   * How many callings run at once in all processes that share the `key`, by a `LimitStore` in context; without one, in this.
   * What a process holds of it that was killed is free again after the lease of the store.
   * @default no limit
   */
  readonly sharedConcurrency?: number | undefined
  /**
   * What happens while the store of the limits fails, or does not answer within a second: calls wait, and fail by their own
   * `timeout` (`"closed"`); they are admitted by `localShare` of the limits (`"local"`), or without limits (`"open"`).
   * @default "closed"
   */
  readonly onStoreFailure?: "closed" | "local" | "open" | undefined
  /**
   * The part of the limits by which this process admits on its own with `onStoreFailure: "local"`: at most one divided by the
   * number of processes, for their limit to be kept.
   * @default 0.1
   */
  readonly localShare?: number | undefined
  /**
   * What happens to a calling that cannot start at once: it waits its turn (`"wait"`), or it is tried again after a second,
   * then after two, and so on, and denied after `maxDenials` tries (`"deny"`).
   * @default "wait"
   */
  readonly onLimit?: "wait" | "deny" | undefined
  /** @default 3 */
  readonly maxDenials?: number | undefined
  /** What happens to a submitter when the queue is full: it waits outside, in its order, or it is denied. @default "suspend" */
  readonly onFull?: "suspend" | "deny" | undefined
  /**
   * What a step of priority is worth: a calling overtakes those one step less urgent that came less than this before it.
   * @default "30 seconds"
   */
  readonly aging?: Duration.Input | undefined
}

/**
 * An executor as a service, for the models that have no limits of their own: one account with many models.
 *
 * @category services
 * @since 0.1.0
 */
export const Executor: Context.Service<Executor, Executor> = Context.Service("effect-imodel/Executor")
