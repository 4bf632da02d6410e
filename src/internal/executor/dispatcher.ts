/** The line, the dispatcher and the pool behind `Executor`. */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import {
  type BackendErrorReason,
  CostExceedsCapacity,
  LimitExceeded,
  PermissionDenied,
  type PermissionDeniedReason,
  QueueFull,
  TimeoutError
} from "../../Errors.ts"
import type { Counts, Executor, Options, SubmitOptions } from "./options.ts"
import type { TokenBucket } from "../../TokenBucket.ts"
import type { Receipt } from "../limits/session.ts"
import * as Buckets from "../limits/buckets.ts"
import { type CallingImpl, implOf, type Runner } from "../calling/lifecycle.ts"
import * as Limits from "../limits/reservation.ts"
import { PriorityQueue } from "./priorityQueue.ts"
import * as Metrics from "./metrics.ts"
import { duration, illegal, oneOf, positiveInteger } from "../util/options.ts"
import * as Outage from "../limits/outage.ts"
import * as Pool from "./pool.ts"
import { Key, Priority } from "./references.ts"
import { longestRest } from "../errors/retry.ts"
import { traceWait } from "../calling/telemetry.ts"
import { retryAfterOf } from "../errors/retryAfter.ts"

export const make = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Executor, Cause.IllegalArgumentError | RateLimiter.RateLimiterError, Scope.Scope> {
  const concurrency = yield* positiveInteger("concurrency", options.concurrency ?? 100)
  const queueCapacity = yield* positiveInteger("queueCapacity", options.queueCapacity ?? 100)
  const maxDenials = yield* positiveInteger("maxDenials", options.maxDenials ?? 3)
  const aging = yield* duration("aging", options.aging ?? Duration.seconds(30))
  const name = options.name ?? "executor"
  const denies = (yield* oneOf("onLimit", options.onLimit ?? "wait", ["wait", "deny"])) === "deny"
  const deniesFull = (yield* oneOf("onFull", options.onFull ?? "suspend", ["suspend", "deny"])) === "deny"
  const sharedConcurrency = options.sharedConcurrency === undefined
    ? undefined
    : yield* positiveInteger("sharedConcurrency", options.sharedConcurrency)
  const localShare = options.localShare ?? 0.1
  if (!(localShare > 0 && localShare <= 1)) {
    return yield* illegal(`localShare must be a part of the limit, above zero and at most 1, got ${localShare}`)
  }
  const onStoreFailure = yield* oneOf("onStoreFailure", options.onStoreFailure ?? "closed", ["closed", "local", "open"])
  const buckets = yield* Buckets.make(options)
  const clock = yield* Clock.Clock

  const line = new PriorityQueue<CallingImpl<unknown>>(Duration.toMillis(aging))
  const admitted = new Map<CallingImpl<unknown>, Limits.Answered>()
  const queueTimers = new Map<CallingImpl<unknown>, Fiber.Fiber<void>>()
  const settled = { completed: 0, failed: 0, cancelled: 0, aborted: 0, skipped: 0 }
  const totals = { denials: 0, retries: 0, pauses: 0, requests: 0, tokens: 0 }
  let unsettled = 0
  let begun = 0
  let pausedUntil = 0
  // Callings that rest after a denial.
  let backingOff = 0
  // Whether it takes callings; and whether it still runs those that it has.
  let open = true
  let closed = false
  // Whether the one whose turn it is cannot start now.
  let blocked = false
  const idle = new Set<() => void>()
  // Holds one message when the line, the pool or the limits have changed since the dispatcher looked at them.
  const changes = yield* Queue.dropping<void>(1)
  const changed = () => {
    Queue.offerUnsafe(changes, undefined)
  }

  const limits = yield* Limits.make(buckets, {
    key: options.key,
    sharedConcurrency,
    onSooner: () => {
      if (line.size > 0) changed()
    },
    onPause: (millis) => {
      pausedUntil = Math.max(pausedUntil, clock.currentTimeMillisUnsafe() + millis)
    }
  })
  const meanwhile = onStoreFailure === "local"
    ? yield* Limits.make(yield* Buckets.makeLocal(buckets, localShare), {
      key: undefined,
      sharedConcurrency: undefined
    })
    : undefined
  const outage = yield* Outage.make({
    name,
    isLocal: limits.isLocal,
    meanwhile: {
      closed: "calls wait",
      local: `calls are admitted by ${localShare} of the limits`,
      open: "calls are admitted without limits"
    }[onStoreFailure],
    ask: limits.ask,
    onReturn: changed
  })
  // Those that run here at once: a store of its own process knows of no others.
  const places = limits.isShared ? concurrency : Math.min(concurrency, sharedConcurrency ?? concurrency)

  // ---------------------------------------------------------------------------
  // What becomes of a calling
  // ---------------------------------------------------------------------------

  const ended = (calling: CallingImpl<unknown>) => {
    const { status } = calling.execution
    if (status !== "pending" && status !== "processing") settled[status]++
    if (calling.hasBegun) begun--
    unsettled--
    stopTimer(calling)
    if (unsettled > 0) return
    const resumes = [...idle]
    idle.clear()
    for (const resume of resumes) resume()
  }

  const stopTimer = (calling: CallingImpl<unknown>) => {
    queueTimers.get(calling)?.interruptUnsafe()
    queueTimers.delete(calling)
  }

  const abandon = (calling: CallingImpl<unknown>, reason?: TimeoutError | PermissionDenied) => {
    if (calling.isSettled) return
    if (calling === line.head()) changed()
    line.remove(calling)
    calling.abandon(reason)
    ended(calling)
    calling.settle()
  }

  const deny = (calling: CallingImpl<unknown>, reason: PermissionDeniedReason) =>
    abandon(calling, new PermissionDenied({ reason, denials: calling.denials, callingId: calling.id }))

  // Finalizers run in reverse: what waits is refused, the dispatcher ends, the pool is interrupted, and what that gives
  // back to the limits is given back.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() =>
      Number.isFinite(limits.rest(0)) ? Effect.timeoutOption(Effect.ignore(limits.leave(0)), 1000) : Effect.void
    )
  )
  const pool = yield* Pool.make({
    attempted: (calling, exit, retry) => {
      if (pool.running() === places - 1 || sharedConcurrency !== undefined) changed()
      const reserved = Limits.reservationOf(calling)
      const used = Limits.useOf(reserved, exit, calling.sink)
      if (used.requests !== 1 || used.input !== reserved.input || used.output !== reserved.output) {
        const answered = admitted.get(calling)
        answered?.by?.settle(reserved, used, answered)
        changed()
      }
      admitted.delete(calling)
      if (Exit.isSuccess(exit) && limits.confirm()) changed()
      if (retry !== undefined) totals.retries++
      const pause = pauseOf(exit, retry)
      if (pause > 0) {
        totals.pauses++
        pausedUntil = Math.max(pausedUntil, clock.currentTimeMillisUnsafe() + pause)
        limits.pause(pause)
      }
    },
    rested: (calling) => {
      if (!calling.hasBegun) backingOff--
      if (closed || (!open && !calling.hasBegun)) return abandon(calling, Pool.shutdown(calling))
      calling.arrivedAt = clock.currentTimeMillisUnsafe()
      line.addReturning(calling)
      changed()
    },
    ended: (calling) => {
      if (!calling.hasBegun) backingOff--
      ended(calling)
    }
  })

  const noteWait = yield* Metrics.register({ executor: name, ...(options.model && { model: options.model }) }, {
    queued: () => line.size,
    running: () => pool.running(),
    requests: () => totals.requests,
    tokens: () => totals.tokens,
    denials: () => totals.denials,
    retries: () => totals.retries,
    pauses: () => totals.pauses,
    storeAway: () => outage.isAway() ? 1 : 0
  })

  const run = (calling: CallingImpl<unknown>, receipt: Receipt, by: Limits.Limits | undefined) => {
    noteWait(clock.currentTimeMillisUnsafe() - calling.arrivedAt)
    traceWait(calling.context, calling.arrivedAt, () => ({ "imodel.calling.id": calling.id, "imodel.executor": name }))
    if (!calling.hasBegun) begun++
    line.shift(calling)
    stopTimer(calling)
    admitted.set(calling, { receipt, by, said: undefined })
    totals.requests++
    totals.tokens += calling.cost
    pool.run(calling)
  }

  // A calling that was admitted before belongs to what runs, and is let finish unless the scope closes.
  const refuseWaiting = () => {
    open = false
    for (const calling of line) if (closed || !calling.hasBegun) abandon(calling, Pool.shutdown(calling))
  }

  const startTimer = (calling: CallingImpl<unknown>, limit: Duration.Duration) => {
    const timer = Effect.runForkWith(calling.context)(Effect.sleep(limit))
    queueTimers.set(calling, timer)
    timer.addObserver((exit) => {
      if (Exit.isFailure(exit)) return
      if (calling.isSettled) return
      const error = new TimeoutError({ phase: "queue", limit, callingId: calling.id })
      if (line.has(calling)) abandon(calling, error)
      else Effect.runForkWith(calling.context)(calling.interrupt(error))
    })
  }

  const runner = (submitOptions: SubmitOptions | undefined): Runner => {
    const queueTimeout = submitOptions?.queueTimeout === undefined
      ? undefined
      : Duration.fromInputUnsafe(submitOptions.queueTimeout)
    return {
      start: (calling) => {
        unsettled++
        if (!open) return abandon(calling, Pool.shutdown(calling))
        const tooSmall = limits.tooSmall(Limits.reservationOf(calling))
        if (tooSmall !== undefined) return deny(calling, new CostExceedsCapacity(tooSmall))
        const waits = blocked || backingOff > 0
        if (deniesFull && waits && line.size + backingOff >= queueCapacity) return denyFull(calling)
        calling.arrivedAt = clock.currentTimeMillisUnsafe()
        calling.priority = bounded(submitOptions?.priority ?? Context.get(calling.context, Priority))
        calling.key = submitOptions?.key ?? Context.get(calling.context, Key)
        line.add(calling)
        if (line.head() === calling) changed()
        if (queueTimeout !== undefined) startTimer(calling, queueTimeout)
      },
      withdraw: (calling) => line.has(calling) ? Effect.sync(() => abandon(calling)) : calling.interrupt(),
      heard: (calling, said) => {
        const attempt = admitted.get(calling)
        if (limits.confirm()) changed()
        if (attempt === undefined) return
        admitted.set(calling, { ...attempt, said })
        if (attempt.by?.learn(attempt.receipt, said)) changed()
      }
    }
  }
  const defaultRunner = runner(undefined)

  // ---------------------------------------------------------------------------
  // The dispatcher
  // ---------------------------------------------------------------------------

  const denyFull = (calling: CallingImpl<unknown>) => {
    totals.denials++
    deny(calling, new QueueFull({ queueCapacity }))
  }

  // Before the dispatcher knew that it cannot go on, more may have come in than the queue holds: the last ones go.
  const denyOverflow = () => {
    if (!deniesFull || line.size <= queueCapacity) return
    for (const calling of [...line].toSorted((a, b) => a.arrivedAt - b.arrivedAt).slice(queueCapacity)) {
      if (line.has(calling)) denyFull(calling)
    }
  }

  /** The one whose turn it is cannot start for so many milliseconds, or until something changes. */
  const wait = (calling: CallingImpl<unknown>, millis: number) =>
    denies && !calling.hasBegun ? Effect.sync(() => backOff(calling)) : hold(millis)

  const hold = (millis: number) =>
    Effect.suspend(() => {
      denyOverflow()
      blocked = true
      return change(millis)
    })

  /** Something has changed, or so many milliseconds have passed. */
  const change = (millis: number) =>
    Number.isFinite(millis)
      ? Effect.asVoid(Effect.timeoutOption(Queue.take(changes), Math.ceil(millis)))
      : Queue.take(changes)

  const backOff = (calling: CallingImpl<unknown>) => {
    if (!line.has(calling)) return
    totals.denials++
    calling.denials++
    if (calling.denials >= maxDenials) return deny(calling, new LimitExceeded())
    line.shift(calling)
    backingOff++
    pool.rest(calling, Duration.seconds(2 ** (calling.denials - 1)))
  }

  /** Before it sleeps, it tells the store what that does not know yet. */
  const tellAnd = (sleep: (millis: number) => Effect.Effect<void>) =>
    Effect.suspend(() => {
      const running = pool.running()
      const millis = limits.rest(running)
      return millis > 0 ? sleep(millis) : Effect.asVoid(outage.within(limits.leave(running), () => {}))
    })

  const sleepUntilChange = tellAnd(change)

  const dispatchNext = Effect.suspend(() => {
    blocked = false
    if (outage.isAway()) return dispatchMeanwhile
    const next = line.head()
    if (next === undefined) return sleepUntilChange
    const running = pool.running()
    if (running >= places) return tellAnd((millis) => wait(next, millis))
    const now = clock.currentTimeMillisUnsafe()
    if (pausedUntil > now) return tellAnd((millis) => wait(next, Math.min(millis, pausedUntil - now)))
    const reserved = Limits.reservationOf(next)
    const unconfirmed = limits.hold(reserved, now)
    if (unconfirmed > 0) return tellAnd((millis) => hold(Math.min(millis, unconfirmed)))
    const waits = !denies || next.hasBegun
    const follower = limits.isShared && waits && running + 1 < places ? next.node?.after : undefined
    const asked = limits.take(reserved, {
      next: follower && Limits.reservationOf(follower),
      waits,
      running
    })
    const within = outage.within(asked, (late) => {
      if (typeof late !== "number") limits.putBack(reserved)
    })
    return Effect.flatMap(within, (taken) => {
      if (taken === undefined) return Effect.void
      if (typeof taken === "number") return wait(next, taken)
      // The store may have taken its time over this.
      if (!line.has(next) || pausedUntil > clock.currentTimeMillisUnsafe()) limits.putBack(reserved)
      else run(next, taken, limits)
      return Effect.void
    })
  }).pipe(Effect.catchCause(goOn))

  /** The store of the limits is away. */
  const dispatchMeanwhile = Effect.gen(function*() {
    const next = line.head()
    if (next === undefined) return yield* Queue.take(changes)
    if (onStoreFailure === "closed" || pool.running() >= concurrency) return yield* wait(next, Number.POSITIVE_INFINITY)
    const now = clock.currentTimeMillisUnsafe()
    if (pausedUntil > now) return yield* wait(next, pausedUntil - now)
    if (meanwhile === undefined) return run(next, [], undefined)
    const taken = yield* meanwhile.take(Limits.reservationOf(next), { next: undefined, waits: true, running: 0 })
    return typeof taken === "number" ? yield* wait(next, taken) : run(next, taken, meanwhile)
  })

  yield* Effect.forkScoped(Effect.forever(dispatchNext, { disableYield: true }))

  const awaitIdle = Effect.callback<void>((resume) => {
    if (unsettled === 0) return resume(Effect.void)
    const observe = () => resume(Effect.void)
    idle.add(observe)
    return Effect.sync(() => {
      idle.delete(observe)
    })
  })

  const countsNow = (): Counts => ({ pending: unsettled - begun, processing: begun, ...settled })

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      refuseWaiting()
    })
  )

  return {
    submit: (calling, submitOptions) =>
      submitOptions === undefined
        ? implOf(calling).join(defaultRunner)
        : Effect.suspend(() =>
          submitOptions.timeout === undefined
            ? implOf(calling).join(runner(submitOptions))
            : implOf(calling).joinWithin(runner(submitOptions), Duration.fromInputUnsafe(submitOptions.timeout))
        ),
    counts: Effect.sync(countsNow),
    size: Effect.sync(() => Math.min(line.size, queueCapacity)),
    countsTokens: (buckets.tokens ?? buckets.inputTokens ?? buckets.outputTokens) !== undefined,
    capacity: concurrency + queueCapacity,
    snapshot: Effect.gen(function*() {
      const left = Effect.fnUntraced(function*(bucket: TokenBucket | undefined) {
        return bucket === undefined ? undefined : { available: yield* bucket.available, capacity: bucket.capacity }
      })
      return {
        counts: countsNow(),
        running: pool.running(),
        waiting: line.size,
        pausedFor: Duration.millis(Math.max(0, pausedUntil - clock.currentTimeMillisUnsafe())),
        limits: {
          requests: yield* left(buckets.requests),
          tokens: yield* left(buckets.tokens),
          inputTokens: yield* left(buckets.inputTokens),
          outputTokens: yield* left(buckets.outputTokens)
        },
        denials: totals.denials,
        retries: totals.retries
      }
    }),
    awaitIdle,
    shutdown: Effect.suspend(() => {
      refuseWaiting()
      return awaitIdle
    })
  }
})

/** For how many milliseconds everything is to be held back: the provider asks for it, or refused the call for being over its limit. */
const pauseOf = (exit: Exit.Exit<unknown, BackendErrorReason>, retry: Duration.Duration | undefined): number => {
  const reason = Option.getOrUndefined(Exit.findErrorOption(exit))
  if (reason?._tag !== "RateLimitError" && reason?._tag !== "InternalProviderError") return 0
  const pause = retryAfterOf(reason) ?? (reason._tag === "RateLimitError" ? retry : undefined)
  return pause === undefined ? 0 : Duration.toMillis(Duration.min(pause, longestRest))
}

// Nothing is admitted that the limit does not know of: callings wait until its store answers again. Whatever goes wrong, the
// dispatcher goes on: without it all who wait would wait for ever.
const goOn = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.interrupt
    : Effect.andThen(Effect.logWarning("Admission failed, trying again in a second", cause), Effect.sleep(1000))

const bounded = (priority: number): number => Math.max(-1e9, Math.min(1e9, Number.isNaN(priority) ? 0 : priority))
