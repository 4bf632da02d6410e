/**
 * Admits callings, under request and token limits, and runs them on a pool of fibers.
 *
 * Submitted callings stand in one line, first come first served. One dispatcher fiber looks at the head of the line,
 * takes what it costs from both buckets or from neither, and starts it. When the head cannot start yet, the dispatcher
 * sleeps until its tokens are due, a fiber of the pool is free, or the line has changed: nothing polls.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { type Calling, type Execution, TypeId } from "./Calling.ts"
import { CostExceedsCapacity, PermissionDenied, type TimeoutError } from "./Errors.ts"
import type { CallingImpl, Runner } from "./internal/calling.ts"
import { positiveInteger } from "./internal/options.ts"
import * as Pool from "./internal/pool.ts"
import type { TokenBucket } from "./TokenBucket.ts"

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
  /**
   * Submits a calling and waits until it has settled. Interrupting it takes the calling out of the line, where it has
   * spent nothing, or cancels its work.
   */
  readonly submit: <Data>(
    calling: Calling<Data>,
    options?: {
      /** The longest time from now until it has settled. @default for ever */
      readonly timeout?: Duration.Input | undefined
    }
  ) => Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  /** How many callings there are of each status. */
  readonly counts: Effect.Effect<Counts>
  /** How many callings wait in the queue; those outside a full queue are not counted. */
  readonly size: Effect.Effect<number>
  /** How many callings can usefully be under way at once: those that run, and a full queue. */
  readonly capacity: number
  /** Waits until no calling waits or runs. */
  readonly awaitIdle: Effect.Effect<void>
  /** Takes no more callings, refuses those that wait (`PermissionDenied`, `Shutdown`), and waits for those that run. */
  readonly shutdown: Effect.Effect<void>
}

/**
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The limit of calls. @default none */
  readonly requests?: TokenBucket | undefined
  /** The limit of their tokens. @default none */
  readonly tokens?: TokenBucket | undefined
  /**
   * How many callings may wait in the queue. A submitter beyond it waits outside, in its order.
   * @default 100
   */
  readonly queueCapacity?: number | undefined
  /** How many callings run at once. @default 100 */
  readonly concurrency?: number | undefined
}

/**
 * Makes an executor that lives in the current scope: closing the scope interrupts what runs and refuses what waits.
 *
 * Fails with `IllegalArgumentError` when an option is wrong.
 *
 * **Example** (An executor of one's own)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Executor, TokenBucket } from "effect-imodel"
 *
 * const program = Effect.gen(function*() {
 *   const requests = yield* TokenBucket.make({ capacity: 500, window: "1 minute" })
 *   const executor = yield* Executor.make({ requests, concurrency: 20 })
 *   return yield* executor.counts
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Executor, Cause.IllegalArgumentError, Scope.Scope> {
  const concurrency = yield* positiveInteger("concurrency", options.concurrency ?? 100)
  const queueCapacity = yield* positiveInteger("queueCapacity", options.queueCapacity ?? 100)
  const { requests, tokens } = options

  const pool = yield* Pool.make
  const line = new Set<CallingImpl<unknown>>()
  const counts = { pending: 0, processing: 0, completed: 0, failed: 0, cancelled: 0, aborted: 0, skipped: 0 }
  // Holds one message when the line, the pool or the buckets have changed since the dispatcher looked at them.
  const changes = yield* Queue.dropping<void>(1)
  const changed = () => {
    Queue.offerUnsafe(changes, undefined)
  }
  const idle: Array<() => void> = []
  let open = true

  const head = () => line.values().next().value

  const ended = (calling: CallingImpl<unknown>) => {
    counts[calling.execution.status]++
    if (line.size > 0 || pool.size() > 0) return
    for (const resume of idle.splice(0)) resume()
  }

  const abandon = (calling: CallingImpl<unknown>, reason?: PermissionDenied) => {
    if (calling === head()) changed()
    line.delete(calling)
    calling.abandon(reason)
    ended(calling)
  }

  const refuseAll = () => {
    open = false
    for (const calling of line) abandon(calling, Pool.shutdown(calling))
  }

  const run = (calling: CallingImpl<unknown>) => {
    line.delete(calling)
    pool.run(calling, () => {
      if (pool.size() === concurrency - 1) changed()
      ended(calling)
    })
  }

  const runner: Runner = {
    start: (calling) => {
      if (!open) return abandon(calling, Pool.shutdown(calling))
      if (tokens !== undefined && calling.cost > tokens.capacity) {
        const reason = new CostExceedsCapacity({ cost: calling.cost, capacity: tokens.capacity })
        return abandon(calling, new PermissionDenied({ reason, denials: 0, callingId: calling.id }))
      }
      line.add(calling)
      if (line.size === 1) changed()
    },
    withdraw: (calling) => line.has(calling) ? Effect.sync(() => abandon(calling)) : calling.interrupt()
  }

  /** Takes what the calling costs from both buckets, or from neither; answers how long to wait before it may be there. */
  const admit = Effect.fnUntraced(function*(calling: CallingImpl<unknown>) {
    if (requests !== undefined) {
      const wait = yield* requests.attempt(1)
      if (!Duration.isZero(wait)) return wait
    }
    if (tokens !== undefined && calling.cost > 0) {
      const wait = yield* tokens.attempt(calling.cost)
      if (!Duration.isZero(wait) && requests !== undefined) yield* requests.settle(1, 0)
      return wait
    }
    return Duration.zero
  })

  const refund = Effect.fnUntraced(function*(calling: CallingImpl<unknown>) {
    if (requests !== undefined) yield* requests.settle(1, 0)
    if (tokens !== undefined) yield* tokens.settle(calling.cost, 0)
  })

  const dispatchNext = Effect.gen(function*() {
    const next = pool.size() < concurrency ? head() : undefined
    if (next === undefined) return yield* Queue.take(changes)
    const wait = yield* admit(next)
    if (!Duration.isZero(wait)) return yield* Effect.timeoutOption(Queue.take(changes), wait)
    return line.has(next) ? run(next) : yield* refund(next)
  }).pipe(Effect.catchTag("RateLimiterError", waitForStore))

  const awaitIdle = Effect.callback<void>((resume) => {
    if (line.size === 0 && pool.size() === 0) return resume(Effect.void)
    const observe = () => resume(Effect.void)
    idle.push(observe)
    return Effect.sync(() => {
      idle.splice(idle.indexOf(observe), 1)
    })
  })

  yield* Effect.addFinalizer(() => Effect.sync(refuseAll))
  yield* Effect.forkScoped(Effect.forever(dispatchNext, { disableYield: true }))

  return {
    submit: (calling, submitOptions) =>
      submitOptions?.timeout === undefined
        ? calling[TypeId].join(runner)
        : calling[TypeId].joinWithin(runner, Duration.fromInputUnsafe(submitOptions.timeout)),
    counts: Effect.sync(() => ({ ...counts, pending: line.size, processing: pool.size() })),
    size: Effect.sync(() => Math.min(line.size, queueCapacity)),
    capacity: concurrency + queueCapacity,
    awaitIdle,
    shutdown: Effect.suspend(() => {
      refuseAll()
      return awaitIdle
    })
  }
})

// Nothing is admitted that the limit does not know of: callings wait until its store answers again.
const waitForStore = (error: RateLimiter.RateLimiterError) =>
  Effect.andThen(Effect.logWarning("The limit's store failed, trying again in a second", error), Effect.sleep(1000))
