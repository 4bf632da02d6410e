/**
 * The limits of an executor: reserves the cost of a calling from all of them or from none, settles it by the usage, and adjusts
 * them to the rate-limit headers of the provider.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type TokenBucket, TypeId } from "../../TokenBucket.ts"
import { type Change, priceOf, type Receipt, type Reply, type Request, type Stored, type Taken } from "./session.ts"
import * as LimitSession from "./open.ts"
import type { Reservation } from "./reservation.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import type { Allowance, RateLimitReport } from "../http/rateLimitHeaders.ts"

export interface Buckets {
  readonly requests: TokenBucket | undefined
  readonly tokens: TokenBucket | undefined
  readonly inputTokens: TokenBucket | undefined
  readonly outputTokens: TokenBucket | undefined
}

type Kind = keyof Buckets

const amountOf: { readonly [K in Kind]: (reservation: Reservation) => number } = {
  requests: (reservation) => reservation.requests,
  tokens: (reservation) => reservation.input + reservation.output,
  inputTokens: (reservation) => reservation.input,
  outputTokens: (reservation) => reservation.output
}

interface Limit {
  readonly kind: Kind
  readonly bucket: TokenBucket
  readonly amount: (reservation: Reservation) => number
  /** What was admitted before the first answer of the provider. */
  unconfirmed: number
}

/** What an admitted calling has taken, and the rate-limit headers of the answer, once they have come. */
export interface Grant {
  readonly receipt: Receipt
  /** The limits that it was taken from; `undefined` when it was admitted without limits. */
  readonly limits: Limits | undefined
  readonly report: RateLimitReport | undefined
}

/** The state of the queue when one is to be admitted. */
interface QueueState {
  /** The reservation of the next one in the queue, if all processes wait in one queue. */
  readonly next: Reservation | undefined
  /** Whether it waits when it cannot be admitted now. */
  readonly waits: boolean
  readonly running: number
}

export interface Limits {
  /** Whether they are kept in this process, so that replies come at once. */
  readonly isLocal: boolean
  /** Whether all processes that share them wait in one queue. */
  readonly isShared: boolean
  /** A request without effect, to see whether the store replies. */
  readonly ask: Stored<unknown>
  /** The limit whose capacity is below the reservation, if there is one. */
  readonly tooSmall: (reservation: Reservation) => { readonly cost: number; readonly capacity: number } | undefined
  /** Takes a reservation from all limits; or from none, and returns the milliseconds until it is due. */
  readonly take: (reservation: Reservation, queue: QueueState) => Stored<Receipt | number>
  /** While nothing can be admitted: milliseconds until the store must be updated. */
  readonly rest: (running: number) => number
  /** Updates the store, and leaves the queue of all processes. */
  readonly leave: (running: number) => Stored<void>
  /** Gives back what was just taken for a calling that does not start. */
  readonly putBack: (reservation: Reservation) => void
  /** Milliseconds for which a reservation is held back until the provider has answered for the first time. */
  readonly hold: (reservation: Reservation, nowMillis: number) => number
  /**
   * Replaces a reservation by what was used. Where the provider reports what is left, unused tokens are given back only as far
   * as it reports them.
   */
  readonly settle: (
    reserved: Reservation,
    used: Reservation,
    grant?: Pick<Grant, "receipt" | "report"> | undefined
  ) => void
  /** Adjusts the limits to rate-limit headers. Returns whether anything changed. */
  readonly learn: (receipt: Receipt, report: RateLimitReport) => boolean
  /** The provider has answered: its headers would have shown smaller limits. Returns whether that was the first time. */
  readonly confirm: () => boolean
  /** The provider has asked to send nothing for so many milliseconds. */
  readonly pause: (millis: number) => void
}

/** The executor that limits are made for. */
export interface Options {
  readonly key: string | undefined
  readonly sharedConcurrency: number | undefined
  /** Called when the first of the queue may be due earlier than the last reply said. */
  readonly onSooner?: () => void
  /** Called with the milliseconds for which any process was asked to send nothing. */
  readonly onPause?: (millis: number) => void
}

/**
 * Time for which only half of each limit is used, until the first answer of the provider. A provider with smaller limits than
 * configured reports them in its first answer; a whole bucket sent before that would be refused in part.
 */
const confirmationMillis = 1_000

export const make = Effect.fnUntraced(function*(
  buckets: Buckets,
  { key, onPause, onSooner, sharedConcurrency }: Options
): Effect.fn.Return<Limits, Cause.IllegalArgumentError, Scope.Scope> {
  const limits: Array<Limit> = []
  for (const kind of ["requests", "tokens", "inputTokens", "outputTokens"] as const) {
    const bucket = buckets[kind]
    if (bucket !== undefined) limits.push({ kind, bucket, amount: amountOf[kind], unconfirmed: 0 })
  }
  const session = yield* LimitSession.open(limits.map(({ bucket }) => bucket[TypeId]), {
    key,
    concurrency: sharedConcurrency
  })
  const isShared = Number.isFinite(session.leaseMillis)
  const clock = yield* Clock.Clock
  const now = () => monotonicMillis(clock)
  // A member that renews its lease three times within it is not forgotten.
  const renewalMillis = session.leaseMillis / 3

  // Only limits that a server counts (those with headroom) can differ from the configured ones.
  let confirmed = !limits.some(({ bucket }) => Duration.isPositive(bucket.headroom))
  let firstAt: number | undefined
  // What waits, and when to ask for it again; and whether it waits in the queue of all processes.
  let due: { readonly want: ReadonlyArray<number>; readonly at: number } | undefined
  let inSharedLine = false
  // When recorded changes must be sent at the latest.
  let flushAt = Number.POSITIVE_INFINITY
  // What the store was last told of the number that run, and when.
  let reportedRunning = 0
  let reportedAt = 0

  const unsubscribe = session.onSooner(() => {
    due = undefined
    onSooner?.()
  })
  yield* Effect.addFinalizer(() => Effect.sync(unsubscribe))

  const note = (bucket: number, change: Change) => {
    session.note(bucket, change)
    if (isShared) flushAt = Math.min(flushAt, now() + session.flushMillis)
    else {
      flushAt = Number.NEGATIVE_INFINITY
      due = undefined
    }
  }

  /** Records a reply of the store. */
  const record = (request: Request, reply: Reply) => {
    const admitted = reply.receipt !== undefined
    const waiting = admitted ? request.next : request.waits ? request.want : undefined
    flushAt = session.hasChanges() ? now() + session.flushMillis : Number.POSITIVE_INFINITY
    due = waiting && { want: waiting, at: now() + Math.min(reply.waitMillis, renewalMillis) }
    if (reply.pausedMillis > 0) onPause?.(reply.pausedMillis)
    if (!isShared) return
    inSharedLine = waiting !== undefined
    reportedRunning = request.running + (admitted ? 1 : 0)
    reportedAt = now()
  }

  const hold = (reservation: Reservation, nowMillis: number): number => {
    if (confirmed) return 0
    firstAt ??= nowMillis
    const wait = firstAt + confirmationMillis - nowMillis
    if (wait <= 0) confirmed = true
    const fits = limits.every((limit) =>
      limit.unconfirmed === 0 || limit.unconfirmed + limit.amount(reservation) <= limit.bucket.capacity / 2
    )
    return confirmed || fits ? 0 : wait
  }

  const wantOf = (reservation: Reservation) => limits.map(({ amount }) => amount(reservation))

  const take: Limits["take"] = (reservation, { next, running, waits }) => {
    const want = wantOf(reservation)
    if (
      due !== undefined && isSame(due.want, want) && (sharedConcurrency === undefined || running === reportedRunning)
    ) {
      const millis = Math.min(due.at, flushAt) - now()
      if (millis > 0) return Effect.succeed(millis)
    }
    const request = { want, next: next && wantOf(next), waits, running }
    return Effect.map(session.exchange(request), (reply) => {
      record(request, reply)
      if (reply.receipt === undefined) return Math.min(reply.waitMillis, renewalMillis)
      if (!confirmed) { for (const limit of limits) limit.unconfirmed += limit.amount(reservation) }
      return reply.receipt
    })
  }

  // A reconciliation without effect, by what is known of the bucket, is not sent: if another process has changed the bucket
  // meanwhile, the next answer of the provider shows that too.
  const reconcile = (
    bucket: number,
    taken: Taken,
    remaining: number,
    { owes, refused }: { owes: boolean; refused: boolean }
  ) => {
    const { learned, options } = session.buckets[bucket] ?? {}
    if (learned === undefined || options === undefined) return
    const excess = taken.left - remaining * learned.price - (learned.lowered - taken.lowered)
    const lowers = excess > (refused ? 0 : learned.spent - taken.spent)
    const raises = -excess > options.headroomMillis + taken.recent && (owes || learned.owing > 0)
    if (lowers || raises || flushAt < Number.POSITIVE_INFINITY) {
      note(bucket, { op: "reconcile", taken, remaining, refused })
    }
  }

  return {
    isLocal: session.isLocal,
    isShared,
    ask: session.levels,
    tooSmall: (reservation) => {
      for (const { amount, bucket: { capacity } } of limits) {
        if (amount(reservation) > capacity) return { cost: amount(reservation), capacity }
      }
      return undefined
    },
    take,
    rest: (running) => {
      if (inSharedLine || (isShared && sharedConcurrency !== undefined && running !== reportedRunning)) return 0
      const renewAt = sharedConcurrency !== undefined && running > 0
        ? reportedAt + renewalMillis
        : Number.POSITIVE_INFINITY
      const at = Math.min(flushAt, renewAt)
      return Number.isFinite(at) ? Math.max(0, at - now()) : at
    },
    leave: (running) =>
      Effect.suspend(() => {
        const request = { want: undefined, next: undefined, waits: false, running }
        return Effect.map(session.exchange(request), (reply) => record(request, reply))
      }),
    putBack: (reservation) => {
      for (const [i, n] of wantOf(reservation).entries()) if (n > 0) note(i, { op: "release", n })
    },
    hold,
    settle: (reserved, used, grant) => {
      const { receipt, report } = grant ?? {}
      for (const [i, { amount, kind }] of limits.entries()) {
        const remaining = report?.limits[kind]?.remaining
        const taken = receipt?.[i]
        const unused = amount(reserved) - amount(used)
        if (report === undefined || taken === undefined || remaining === undefined) {
          if (unused !== 0) note(i, { op: "settle", n: -unused })
        } else if (!report.refused && unused > 0) {
          // What was refused was given back when the headers came.
          session.note(i, { op: "withhold", n: unused })
          reconcile(i, taken, remaining, { owes: true, refused: false })
        }
      }
    },
    learn: (receipt, { limits: reported, refused }) => {
      for (const [i, { bucket, kind }] of limits.entries()) {
        const taken = receipt[i]
        const allowance = reported[kind]
        if (taken === undefined || allowance === undefined) continue
        const price = reportedPrice(bucket, allowance)
        if (price !== undefined && price !== session.buckets[i]?.learned.price) note(i, { op: "price", price })
        if (allowance.remaining === undefined) continue
        if (refused) note(i, { op: "refused", taken })
        reconcile(i, taken, allowance.remaining, { owes: false, refused })
      }
      return session.hasChanges()
    },
    confirm: () => {
      const news = !confirmed
      confirmed = true
      return news
    },
    pause: (millis) => {
      session.pause(millis)
      if (isShared) flushAt = Number.NEGATIVE_INFINITY
    }
  }
})

const isSame = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): boolean => a.every((n, i) => n === b[i])

/**
 * The price at which a bucket holds the limit that the provider reports, if that is below its capacity; unless the reset shows
 * that it refills over a shorter window, and so faster than ours.
 */
const reportedPrice = (bucket: TokenBucket, { limit, remaining, resetAfter }: Allowance): number | undefined => {
  if (limit === undefined || limit <= 0) return undefined
  const { capacity } = bucket
  const windowMillis = Duration.toMillis(bucket.window)
  const refillMillis = resetAfter === undefined || remaining === undefined || remaining >= limit
    ? windowMillis
    : (Duration.toMillis(resetAfter) * limit) / (limit - remaining)
  const isSlower = limit / refillMillis < capacity / windowMillis
  return priceOf(windowMillis, isSlower ? Math.min(limit, capacity) : capacity)
}
