/** The executor: its queue, its pool of fibers, the submission of callings and their end. The dispatcher admits them. */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
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
import type { Runner } from "../calling/lifecycle.ts"
import { implOf } from "../calling/lifecycle.ts"
import { plain } from "../calling/submission.ts"
import { traceWait } from "../calling/telemetry.ts"
import { longestRest } from "../errors/retry.ts"
import { requestedDelayOf } from "../errors/requestedDelay.ts"
import * as Buckets from "../limits/buckets.ts"
import * as Limits from "../limits/limits.ts"
import * as Outage from "../limits/outage.ts"
import { usedOf } from "../limits/reservation.ts"
import type { Receipt } from "../limits/session.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import * as Counters from "./counters.ts"
import * as Dispatcher from "./dispatcher.ts"
import * as Metrics from "./metrics.ts"
import { type Executor, type SubmitOptions, TypeId } from "./options.ts"
import * as Pool from "./pool.ts"
import { PriorityQueue } from "./priorityQueue.ts"
import { Key, Priority } from "./references.ts"
import type { Settings } from "./settings.ts"
import { snapshotOf } from "./snapshot.ts"
import { type Host as TicketHost, Ticket } from "./ticket.ts"

export const make = Effect.fnUntraced(function*(
  settings: Settings
): Effect.fn.Return<Executor, Cause.IllegalArgumentError | RateLimiter.RateLimiterError, Scope.Scope> {
  const {
    buckets,
    concurrency,
    deniesFull,
    localShare,
    name,
    onStoreFailure,
    queueCapacity,
    sharedConcurrency
  } = settings
  const clock = yield* Clock.Clock
  const now = () => monotonicMillis(clock)

  const queue = new PriorityQueue<Ticket>(settings.agingMillis)
  const counters = Counters.make()
  let pausedUntil = 0
  // Callings that rest after a denial.
  let backingOff = 0
  // Whether it takes callings; and whether it still runs those that it has.
  let open = true
  let closed = false
  // Holds one message when the queue, the pool or the limits have changed since the dispatcher looked at them.
  const changes = yield* Queue.dropping<void>(1)
  const changed = () => {
    Queue.offerUnsafe(changes, undefined)
  }

  const limits = yield* Limits.make(buckets, {
    key: settings.key,
    sharedConcurrency,
    onSooner: () => {
      if (queue.size > 0) changed()
    },
    onPause: (millis) => {
      pausedUntil = Math.max(pausedUntil, now() + millis)
    }
  })
  const localLimits = onStoreFailure === "local"
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
  // Those that run here at once: a store in this process knows of no others.
  const places = limits.isShared ? concurrency : Math.min(concurrency, sharedConcurrency ?? concurrency)
  // Nothing waits where nothing is limited.
  const isUnlimited = places === Number.POSITIVE_INFINITY &&
    Object.values(buckets).every((bucket) => bucket === undefined)

  // ---------------------------------------------------------------------------
  // The end of a calling
  // ---------------------------------------------------------------------------

  const ended = (ticket: Ticket) => {
    ticket.stopTimer()
    counters.ended(ticket)
  }

  /** Settles one that does not run. */
  const settle = (ticket: Ticket, exit: Exit.Exit<never, TimeoutError | PermissionDenied>) => {
    if (ticket.calling.isSettled) return
    if (ticket === queue.head()) changed()
    queue.remove(ticket)
    Pool.settle(ticket, exit, ended)
  }

  const deny = (ticket: Ticket, reason: PermissionDeniedReason) =>
    settle(ticket, Exit.fail(new PermissionDenied({ reason, denials: ticket.denials, callingId: ticket.calling.id })))

  const denyFull = (ticket: Ticket) => {
    counters.totals.denials++
    deny(ticket, new QueueFull({ queueCapacity }))
  }

  const denyShutdown = (ticket: Ticket) => settle(ticket, Exit.fail(ticket.shutdown))

  // ---------------------------------------------------------------------------
  // The pool
  // ---------------------------------------------------------------------------

  // Finalizers run in reverse: what waits is refused, the dispatcher ends, the pool is interrupted, and what that gives
  // back to the limits is given back.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() =>
      Number.isFinite(limits.rest(0)) ? Effect.timeoutOption(Effect.ignore(limits.leave(0)), 1000) : Effect.void
    )
  )
  const pool = yield* Pool.make({
    attempted: (ticket, answer, retry) => {
      if (pool.running() === places - 1 || sharedConcurrency !== undefined) changed()
      const { grant, reservation, submission } = ticket
      const used = usedOf(reservation, answer, submission.sink)
      if (used.requests !== 1 || used.input !== reservation.input || used.output !== reservation.output) {
        grant?.limits?.settle(reservation, used, grant)
        changed()
      }
      ticket.grant = undefined
      if (Exit.isSuccess(answer) && limits.confirm()) changed()
      if (retry !== undefined) counters.totals.retries++
      const pause = isUnlimited ? 0 : pauseOf(answer, retry)
      if (pause > 0) {
        counters.totals.pauses++
        pausedUntil = Math.max(pausedUntil, now() + pause)
        limits.pause(pause)
      }
    },
    rested: (ticket) => {
      if (!ticket.hasRun) backingOff--
      if (closed || (!open && !ticket.hasRun)) return denyShutdown(ticket)
      ticket.arrivedAt = now()
      if (isUnlimited) return run(ticket, [], undefined)
      queue.addReturning(ticket)
      changed()
    },
    ended: (ticket) => {
      if (!ticket.hasRun) backingOff--
      ended(ticket)
    }
  })

  const noteWait = yield* Metrics.register({ executor: name, ...(settings.model && { model: settings.model }) }, {
    queued: () => queue.size,
    running: () => pool.running(),
    requests: () => counters.totals.requests,
    tokens: () => counters.totals.tokens,
    denials: () => counters.totals.denials,
    retries: () => counters.totals.retries,
    pauses: () => counters.totals.pauses,
    storeAway: () => outage.isAway() ? 1 : 0
  })

  /** Takes the ticket out of the queue and runs it. */
  const start = (ticket: Ticket, receipt: Receipt, by: Limits.Limits | undefined) => {
    const { calling, context } = ticket
    const waitedMillis = now() - ticket.arrivedAt
    noteWait(waitedMillis)
    traceWait(context, waitedMillis, () => ({ "imodel.calling.id": calling.id, "imodel.executor": name }))
    queue.shift(ticket)
    ticket.stopTimer()
    run(ticket, receipt, by)
  }

  const run = (ticket: Ticket, receipt: Receipt, by: Limits.Limits | undefined) => {
    ticket.grant = { receipt, limits: by, report: undefined }
    counters.began(ticket)
    pool.run(ticket)
  }

  // ---------------------------------------------------------------------------
  // Submission
  // ---------------------------------------------------------------------------

  const host: TicketHost = {
    report: (ticket, report) => {
      if (limits.confirm()) changed()
      const { grant } = ticket
      if (grant === undefined) return
      ticket.grant = { ...grant, report }
      if (grant.limits?.learn(grant.receipt, report)) changed()
    },
    leave: (ticket) =>
      Effect.suspend(() => {
        if (!queue.has(ticket)) return ticket.interrupt()
        settle(ticket, Exit.interrupt())
        return Effect.void
      })
  }

  const startTimer = (ticket: Ticket, limit: Duration.Duration) => {
    const timer = Effect.runForkWith(ticket.context)(Effect.sleep(limit))
    ticket.timer = timer
    timer.addObserver((exit) => {
      if (Exit.isFailure(exit) || ticket.calling.isSettled) return
      const error = new TimeoutError({ phase: "queue", limit, callingId: ticket.calling.id })
      if (queue.has(ticket)) settle(ticket, Exit.fail(error))
      else Effect.runForkWith(ticket.context)(ticket.interrupt(error))
    })
  }

  const admit = (ticket: Ticket, queueTimeout: Duration.Duration | undefined) => {
    counters.submitted()
    ticket.arrivedAt = now()
    if (!open) return denyShutdown(ticket)
    if (isUnlimited) return run(ticket, [], undefined)
    const tooSmall = limits.tooSmall(ticket.reservation)
    if (tooSmall !== undefined) return deny(ticket, new CostExceedsCapacity(tooSmall))
    const waits = dispatcher.isBlocked() || backingOff > 0
    if (deniesFull && waits && queue.size + backingOff >= queueCapacity) return denyFull(ticket)
    queue.add(ticket)
    if (queue.head() === ticket) changed()
    if (queueTimeout !== undefined) startTimer(ticket, queueTimeout)
  }

  const runner = (options?: SubmitOptions): Runner => {
    const queueTimeout = options?.queueTimeout === undefined
      ? undefined
      : Duration.fromInputUnsafe(options.queueTimeout)
    return (calling, submission, context) => {
      const ticket = new Ticket(calling, submission, context, {
        priority: bounded(options?.priority ?? Context.get(context, Priority)),
        key: options?.key ?? Context.get(context, Key)
      }, host)
      admit(ticket, queueTimeout)
      return ticket
    }
  }

  // A calling that was admitted before belongs to what runs, and is let finish unless the scope closes.
  const refuseWaiting = () => {
    open = false
    for (const ticket of queue) if (closed || !ticket.hasRun) denyShutdown(ticket)
    // Callings in the backoff after a denial wait too.
    for (const ticket of pool.resting()) if (!ticket.hasRun) ticket.withdraw(ticket.shutdown)
  }

  const backOff = (ticket: Ticket) => {
    counters.totals.denials++
    ticket.denials++
    if (ticket.denials >= settings.maxDenials) return deny(ticket, new LimitExceeded())
    queue.shift(ticket)
    backingOff++
    pool.rest(ticket, Duration.seconds(2 ** (ticket.denials - 1)))
  }

  const dispatcher = Dispatcher.make({
    settings,
    places,
    queue,
    limits,
    localLimits,
    outage,
    pool,
    changes,
    now,
    pausedUntil: () => pausedUntil,
    start,
    backOff,
    denyFull,
    fail: (ticket, defect) => settle(ticket, Exit.die(defect))
  })
  if (!isUnlimited) yield* Effect.forkScoped(dispatcher.run)

  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      closed = true
      refuseWaiting()
    })
  )

  const defaultRunner = runner()
  const runnerFor = (options?: SubmitOptions) => options === undefined ? defaultRunner : runner(options)

  return {
    [TypeId]: { runner: runnerFor },
    submit: (calling, options) =>
      Effect.suspend(() =>
        options?.timeout === undefined
          ? implOf(calling).join(runnerFor(options), plain)
          : implOf(calling).joinWithin(runnerFor(options), plain, Duration.fromInputUnsafe(options.timeout))
      ),
    counts: Effect.sync(counters.counts),
    size: Effect.sync(() => Math.min(queue.size, queueCapacity)),
    countsTokens: (buckets.tokens ?? buckets.inputTokens ?? buckets.outputTokens) !== undefined,
    capacity: concurrency + queueCapacity,
    snapshot: snapshotOf(buckets, () => ({
      counts: counters.counts(),
      running: pool.running(),
      waiting: queue.size,
      pausedFor: Duration.millis(Math.max(0, pausedUntil - now())),
      denials: counters.totals.denials,
      retries: counters.totals.retries
    })),
    awaitIdle: counters.awaitIdle,
    shutdown: Effect.suspend(() => {
      refuseWaiting()
      return counters.awaitIdle
    })
  }
})

/** For how many milliseconds everything is to be held back: the provider asks for it, or refused the call for being over its limit. */
const pauseOf = (answer: Exit.Exit<unknown, BackendErrorReason>, retry: Duration.Duration | undefined): number => {
  const reason = Option.getOrUndefined(Exit.findErrorOption(answer))
  if (reason?._tag !== "RateLimitError" && reason?._tag !== "InternalProviderError") return 0
  const pause = requestedDelayOf(reason) ?? (reason._tag === "RateLimitError" ? retry : undefined)
  return pause === undefined ? 0 : Duration.toMillis(Duration.min(pause, longestRest))
}

const bounded = (priority: number): number => Math.max(-1e9, Math.min(1e9, Number.isNaN(priority) ? 0 : priority))
