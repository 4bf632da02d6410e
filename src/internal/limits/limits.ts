/**
 * The limits of an executor: what a calling takes from all of them or from none, what is given back when it has ended, and
 * what the provider says of them.
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type TokenBucket, TypeId } from "../../TokenBucket.ts"
import { type Answer, type Change, priceOf, type Question, type Receipt, type Stored, type Taken } from "./session.ts"
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
  /** What was admitted before the provider had answered for the first time. */
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
  /** What the one after it will want, if there is one and all processes stand in one line. */
  readonly next: Reservation | undefined
  /** Whether it waits in line when it cannot be admitted now. */
  readonly waits: boolean
  readonly running: number
}

export interface Limits {
  /** Whether they are kept in this process, which answers at once. */
  readonly isLocal: boolean
  /** Whether all processes that share them stand in one line. */
  readonly isShared: boolean
  /** Asks the store for nothing but a sign that it is there. */
  readonly ask: Stored<unknown>
  /** The limit that is too small for it, whatever the time. */
  readonly tooSmall: (reservation: Reservation) => { readonly cost: number; readonly capacity: number } | undefined
  /** Takes a reservation from all limits; or from none, and returns the milliseconds until it is due. */
  readonly take: (reservation: Reservation, queue: QueueState) => Stored<Receipt | number>
  /** When nobody is to be admitted: for how many milliseconds the store need not be told how things stand. */
  readonly rest: (running: number) => number
  /** Tells the store how things stand, and leaves the line of all processes. */
  readonly leave: (running: number) => Stored<void>
  /** Puts back what was taken a moment ago for a calling that does not start: nothing came of it, here or at the provider. */
  readonly putBack: (reservation: Reservation) => void
  /** For how many milliseconds it is held back because the provider has not answered yet. */
  readonly hold: (reservation: Reservation, nowMillis: number) => number
  /**
   * Corrects what was reserved to what was used. Where the provider has said what is left, its word goes before ours: what
   * was not used is given back only as far as the provider gives it back.
   */
  readonly settle: (
    reserved: Reservation,
    used: Reservation,
    grant?: Pick<Grant, "receipt" | "report"> | undefined
  ) => void
  /** Learns what the provider said in its answer to what the receipt is for. Answers whether that is news. */
  readonly learn: (receipt: Receipt, report: RateLimitReport) => boolean
  /** The provider has answered, so that it would have said if its limits were smaller. Answers whether that is news. */
  readonly confirm: () => boolean
  /** The provider has asked to hold everything back for so many milliseconds. */
  readonly pause: (millis: number) => void
}

/** Who limits are made for. */
export interface Options {
  readonly key: string | undefined
  readonly sharedConcurrency: number | undefined
  /** Is told that what waits may be due sooner than was said. */
  readonly onSooner?: () => void
  /** Is told for how many milliseconds a process was asked to hold everything back. */
  readonly onPause?: (millis: number) => void
}

/**
 * How long the first answer of a provider is waited for, with half of each limit kept back. A provider with smaller limits
 * than ours says so in its first answer; the whole bucket at once would be refused by half.
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
  // A member that is heard of three times in a lease is not forgotten.
  const renewalMillis = session.leaseMillis / 3

  // Only a server can have other limits than we know of.
  let confirmed = !limits.some(({ bucket }) => Duration.isPositive(bucket.headroom))
  let firstAt: number | undefined
  // What stands in line, and when it is to be asked for again; and whether the line is that of all processes.
  let due: { readonly want: ReadonlyArray<number>; readonly at: number } | undefined
  let inSharedLine = false
  // When the store is to be told what is noted, at the latest.
  let newsAt = Number.POSITIVE_INFINITY
  // How many ran when the store was told, and when that was.
  let toldRunning = 0
  let toldAt = 0

  const unsubscribe = session.onSooner(() => {
    due = undefined
    onSooner?.()
  })
  yield* Effect.addFinalizer(() => Effect.sync(unsubscribe))

  const note = (bucket: number, change: Change) => {
    session.note(bucket, change)
    if (isShared) newsAt = Math.min(newsAt, now() + session.patienceMillis)
    else {
      newsAt = Number.NEGATIVE_INFINITY
      due = undefined
    }
  }

  /** Notes what the store has answered. */
  const record = (question: Question, answer: Answer) => {
    const admitted = answer.receipt !== undefined
    const waiting = admitted ? question.next : question.waits ? question.want : undefined
    newsAt = session.hasNews() ? now() + session.patienceMillis : Number.POSITIVE_INFINITY
    due = waiting && { want: waiting, at: now() + Math.min(answer.waitMillis, renewalMillis) }
    if (answer.pausedMillis > 0) onPause?.(answer.pausedMillis)
    if (!isShared) return
    inSharedLine = waiting !== undefined
    toldRunning = question.running + (admitted ? 1 : 0)
    toldAt = now()
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
    if (due !== undefined && isSame(due.want, want) && (sharedConcurrency === undefined || running === toldRunning)) {
      const millis = Math.min(due.at, newsAt) - now()
      if (millis > 0) return Effect.succeed(millis)
    }
    const question = { want, next: next && wantOf(next), waits, running }
    return Effect.map(session.exchange(question), (answer) => {
      record(question, answer)
      if (answer.receipt === undefined) return Math.min(answer.waitMillis, renewalMillis)
      if (!confirmed) { for (const limit of limits) limit.unconfirmed += limit.amount(reservation) }
      return answer.receipt
    })
  }

  // What has no effect, by what is known of the bucket, is not told: if another process has changed it meanwhile, the next
  // answer of the provider shows that too.
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
    if (lowers || raises || newsAt < Number.POSITIVE_INFINITY) {
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
      if (inSharedLine || (isShared && sharedConcurrency !== undefined && running !== toldRunning)) return 0
      const renewAt = sharedConcurrency !== undefined && running > 0 ? toldAt + renewalMillis : Number.POSITIVE_INFINITY
      const at = Math.min(newsAt, renewAt)
      return Number.isFinite(at) ? Math.max(0, at - now()) : at
    },
    leave: (running) =>
      Effect.suspend(() => {
        const question = { want: undefined, next: undefined, waits: false, running }
        return Effect.map(session.exchange(question), (answer) => record(question, answer))
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
          // What was refused was given back when that was heard.
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
      return session.hasNews()
    },
    confirm: () => {
      const news = !confirmed
      confirmed = true
      return news
    },
    pause: (millis) => {
      session.pause(millis)
      if (isShared) newsAt = Number.NEGATIVE_INFINITY
    }
  }
})

const isSame = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): boolean => a.every((n, i) => n === b[i])

/**
 * A limit below the capacity becomes the capacity, until the provider says otherwise, unless its reset shows that it refills
 * faster than ours, over a shorter window.
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
