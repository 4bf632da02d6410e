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
 * Number of callings of each status. Settled callings are counted since the executor was made.
 *
 * @category models
 * @since 0.1.0
 */
export type Counts = { readonly [Status in Execution.Status]: number }

/**
 * Admits callings under its limits and runs them on a pool of fibers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Executor {
  readonly [TypeId]: {
    /** Admits and runs callings with these options. */
    readonly runner: (options?: SubmitOptions) => Runner
  }
  /**
   * Submits a calling and waits until it has settled. If the waiting fiber is interrupted, a queued calling leaves the queue
   * without having used any quota, and a running one is interrupted.
   */
  readonly submit: <Data>(
    calling: Calling<Data>,
    options?: SubmitOptions
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  /** Number of callings of each status. */
  readonly counts: Effect.Effect<Counts>
  /** Number of callings in the queue. Submitters that wait because the queue is full are not counted. */
  readonly size: Effect.Effect<number>
  /** Whether it limits tokens, so that callings need an estimate of their cost. */
  readonly countsTokens: boolean
  /** Number of callings worth submitting at once: `concurrency` plus `queueCapacity`. */
  readonly capacity: number
  /** The current state, for a display. */
  readonly snapshot: Effect.Effect<Snapshot, RateLimiter.RateLimiterError>
  /** Waits until no calling is queued or running. */
  readonly awaitIdle: Effect.Effect<void>
  /** Rejects queued and new callings (`PermissionDenied` of reason `Shutdown`), and waits for the running ones. */
  readonly shutdown: Effect.Effect<void>
}

/**
 * The options of one submission.
 *
 * @category options
 * @since 0.1.0
 */
export interface SubmitOptions {
  /** Maximum time from now until the calling has settled. @default no limit */
  readonly timeout?: Duration.Input | undefined
  /** Maximum time in the queue before the first attempt. @default no limit */
  readonly queueTimeout?: Duration.Input | undefined
  /** Lower numbers go first. @default the reference `Priority`, which is 0 */
  readonly priority?: number | undefined
  /** The tenant. Tenants of the same priority take turns. @default the reference `Key` */
  readonly key?: string | undefined
}

/**
 * The state of an executor.
 *
 * @category models
 * @since 0.1.0
 */
export interface Snapshot {
  readonly counts: Counts
  /** Number of running attempts. A calling in the backoff between two attempts does not count. */
  readonly running: number
  readonly waiting: number
  /** Remaining time of the pause that the provider asked for (`retry-after`); zero if there is none. */
  readonly pausedFor: Duration.Duration
  /** What is available of each limit, and its capacity. */
  readonly limits: {
    readonly [Limit in keyof Buckets]: { readonly available: number; readonly capacity: number } | undefined
  }
  /** Number of denials, by a limit or a full queue. */
  readonly denials: number
  readonly retries: number
}

/**
 * How callings are queued and admitted.
 *
 * @category options
 * @since 0.1.0
 */
export interface QueueOptions {
  /**
   * The name under which limits are shared, by a `LimitStore` or a `RateLimiter` in context, with all executors of the same
   * limits and key in any process. @default limits are not shared
   */
  readonly key?: string | undefined
  /** Maximum number of queued callings. @default 100 */
  readonly queueCapacity?: number | undefined
  /** Maximum number of running callings. @default 100 */
  readonly concurrency?: number | undefined
  /**
   * What happens to a calling that cannot start at once:
   *
   * - `"wait"`: it waits for its turn
   * - `"deny"`: it is tried again after 1 second, 2 seconds, 4 seconds and so on, and denied (`LimitExceeded`) after
   *   `maxDenials` tries
   *
   * @default "wait"
   */
  readonly onLimit?: "wait" | "deny" | undefined
  /** Number of tries before `onLimit: "deny"` denies a calling. @default 3 */
  readonly maxDenials?: number | undefined
  /** What happens when the queue is full: the submitter waits, in order, or is denied (`QueueFull`). @default "suspend" */
  readonly onFull?: "suspend" | "deny" | undefined
  /**
   * What happens while the store of shared limits fails or does not reply within a second:
   *
   * - `"closed"`: callings wait, up to their own `timeout`
   * - `"local"`: callings are admitted by a tenth of the limits, or an executor's `localShare`
   * - `"open"`: callings are admitted without limits
   *
   * @default "closed"
   */
  readonly onStoreFailure?: "closed" | "local" | "open" | undefined
}

/**
 * The options of an executor. A limit is given as a bucket, or as the options of one.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends QueueOptions {
  /** The attribute `executor` of its metrics. @default "executor" */
  readonly name?: string | undefined
  /** The attribute `model` of its metrics. @default none */
  readonly model?: string | undefined
  /** Limit of requests. @default none */
  readonly requests?: TokenBucket | BucketOptions | undefined
  /** Limit of tokens, input and output together. @default none */
  readonly tokens?: TokenBucket | BucketOptions | undefined
  /** Limit of input tokens. @default none */
  readonly inputTokens?: TokenBucket | BucketOptions | undefined
  /** Limit of output tokens. @default none */
  readonly outputTokens?: TokenBucket | BucketOptions | undefined
  /**
   * Maximum number of callings that run at once in all processes that share the `key`; without a `LimitStore` in context, in
   * this process. Places of a process that was killed are free again after the lease of the store. @default no limit
   */
  readonly sharedConcurrency?: number | undefined
  /**
   * The share of the limits that this process uses with `onStoreFailure: "local"`. To stay within the limits it must be at most
   * one divided by the number of processes. @default 0.1
   */
  readonly localShare?: number | undefined
  /**
   * How far one step of priority reorders the queue: a calling overtakes those of the next higher number that were submitted up
   * to this much earlier. So no calling waits for ever. @default "30 seconds"
   */
  readonly aging?: Duration.Input | undefined
}

/**
 * The executor of models that state no limits of their own, such as several models of one account.
 *
 * @category services
 * @since 0.1.0
 */
export const Executor: Context.Service<Executor, Executor> = Context.Service("effect-imodel/Executor")
