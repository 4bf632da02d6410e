/**
 * The dispatcher of an executor: a loop that takes the cost of the first calling of the queue from the limits and starts it, or
 * sleeps until it is due or something has changed.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import * as Queue from "effect/Queue"
import type { Limits } from "../limits/limits.ts"
import type { Outage } from "../limits/outage.ts"
import type { Receipt } from "../limits/session.ts"
import type { Pool } from "./pool.ts"
import type { PriorityQueue } from "./priorityQueue.ts"
import type { Settings } from "./settings.ts"
import type { Ticket } from "./ticket.ts"

/** The executor of a dispatcher. */
export interface Host {
  readonly settings: Settings
  /** The most callings that run at once in this process. */
  readonly places: number
  readonly queue: PriorityQueue<Ticket>
  readonly limits: Limits
  /** The limits during an outage of the store, with `onStoreFailure: "local"`. */
  readonly localLimits: Limits | undefined
  readonly outage: Outage
  readonly pool: Pool
  /** Holds a message when the queue, the pool or the limits have changed since the dispatcher looked at them. */
  readonly changes: Queue.Dequeue<void>
  /** The monotonic clock, in milliseconds. */
  readonly now: () => number
  /** When the pause ends that the provider asked for. */
  readonly pausedUntil: () => number
  readonly start: (ticket: Ticket, receipt: Receipt, limits: Limits | undefined) => void
  /** Lets a calling rest before the next try, or denies it after the last one. */
  readonly backOff: (ticket: Ticket) => void
  readonly denyFull: (ticket: Ticket) => void
  /** Settles a calling with a defect. */
  readonly fail: (ticket: Ticket, defect: unknown) => void
}

export interface Dispatcher {
  readonly run: Effect.Effect<never, RateLimiter.RateLimiterError>
  /** Whether the first of the queue could not start when the dispatcher looked last. */
  readonly isBlocked: () => boolean
}

export const make = (
  { changes, limits, localLimits, now, outage, pausedUntil, places, pool, queue, settings, ...host }: Host
): Dispatcher => {
  const { denies, deniesFull, name, onStoreFailure, queueCapacity } = settings
  let blocked = false

  // Before the dispatcher knew that it cannot go on, more may have come in than the queue holds: the last ones go.
  const denyOverflow = () => {
    if (!deniesFull || queue.size <= queueCapacity) return
    // Callings that were admitted before are let finish.
    const waiting = [...queue].filter(({ hasRun }) => !hasRun)
    for (const ticket of waiting.toSorted((a, b) => a.arrivedAt - b.arrivedAt).slice(queueCapacity)) {
      if (queue.has(ticket)) host.denyFull(ticket)
    }
  }

  /** The first of the queue cannot start for so many milliseconds, or until something changes. */
  const wait = (ticket: Ticket, millis: number) =>
    denies && !ticket.hasRun
      ? Effect.sync(() => {
        if (queue.has(ticket)) host.backOff(ticket)
      })
      : hold(millis)

  const hold = (millis: number) =>
    Effect.suspend(() => {
      denyOverflow()
      blocked = true
      return awaitChange(millis)
    })

  /** Something has changed, or so many milliseconds have passed. */
  const awaitChange = (millis: number) =>
    Number.isFinite(millis)
      ? Effect.asVoid(Effect.timeoutOption(Queue.take(changes), Math.ceil(millis)))
      : Queue.take(changes)

  /** Sends recorded changes to the store before the dispatcher sleeps. */
  const flushThen = (sleep: (millis: number) => Effect.Effect<void>) =>
    Effect.suspend(() => {
      const running = pool.running()
      const millis = limits.rest(running)
      return millis > 0 ? sleep(millis) : Effect.asVoid(outage.within(limits.leave(running), () => {}))
    })

  const sleepUntilChange = flushThen(awaitChange)

  const dispatchNext = Effect.suspend(() => {
    blocked = false
    if (outage.isAway()) return dispatchInOutage
    const next = queue.head()
    if (next === undefined) return sleepUntilChange
    const running = pool.running()
    if (running >= places) return flushThen((millis) => wait(next, millis))
    const at = now()
    if (pausedUntil() > at) return flushThen((millis) => wait(next, Math.min(millis, pausedUntil() - at)))
    const unconfirmed = limits.hold(next.reservation, at)
    if (unconfirmed > 0) return flushThen((millis) => hold(Math.min(millis, unconfirmed)))
    const waits = !denies || next.hasRun
    const follower = limits.isShared && waits && running + 1 < places ? next.node?.after : undefined
    const asked = limits.take(next.reservation, { next: follower?.reservation, waits, running })
    const within = outage.within(asked, (late) => {
      if (typeof late !== "number") limits.putBack(next.reservation)
    })
    return Effect.flatMap(within, (taken) => {
      if (taken === undefined) return Effect.void
      if (typeof taken === "number") return wait(next, taken)
      // The store may have taken its time over this.
      if (!queue.has(next) || pausedUntil() > now()) limits.putBack(next.reservation)
      else host.start(next, taken, limits)
      return Effect.void
    })
  })

  const dispatchInOutage = Effect.gen(function*() {
    const next = queue.head()
    if (next === undefined) return yield* Queue.take(changes)
    if (onStoreFailure === "closed" || pool.running() >= places) return yield* wait(next, Number.POSITIVE_INFINITY)
    const at = now()
    if (pausedUntil() > at) return yield* wait(next, pausedUntil() - at)
    if (localLimits === undefined) return host.start(next, [], undefined)
    const taken = yield* localLimits.take(next.reservation, { next: undefined, waits: true, running: 0 })
    if (typeof taken === "number") return yield* wait(next, taken)
    if (queue.has(next)) host.start(next, taken, localLimits)
    else localLimits.putBack(next.reservation)
  })

  // A defect of a limit is that of the calling that was to be admitted: the others go on without it.
  const failNext = (cause: Cause.Cause<unknown>) =>
    Cause.hasInterruptsOnly(cause)
      ? Effect.interrupt
      : Effect.andThen(
        Effect.logError(`The executor ${name} could not admit a calling, which fails`, cause),
        Effect.suspend(() => {
          const next = queue.head()
          if (next === undefined) return Effect.sleep(1000)
          host.fail(next, Cause.squash(cause))
          return Effect.void
        })
      )

  return {
    run: Effect.forever(Effect.catchCause(dispatchNext, failNext), { disableYield: true }),
    isBlocked: () => blocked
  }
}
