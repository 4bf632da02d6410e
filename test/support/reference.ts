/**
 * First come, first served, under buckets that refill evenly: when each call must start, told from what came before it.
 */
import { assert } from "@effect/vitest"

export interface Limit {
  readonly capacity: number
  readonly windowMillis: number
}

/** What happened to one call, in the order in which they came. Times in milliseconds since the beginning. */
export interface Happened {
  /** What it takes from each of the limits. */
  readonly costs: ReadonlyArray<number>
  readonly arrivedAt: number
  /** When it started; `undefined` when it left before. */
  readonly startedAt: number | undefined
  /** When it left, had it not started. */
  readonly leavesAt: number
  /** When it ended, so that a place was free again. */
  readonly endedAt: number | undefined
}

// Timers fire on whole milliseconds; sums of fractions are not exact.
const tick = 1.001

/**
 * Asserts that no call started before the limits allowed it, none later than it could, all in their order, and that none
 * left that could have started. Answers what each limit holds at the end.
 */
export const assertExact = (
  limits: ReadonlyArray<Limit>,
  concurrency: number,
  calls: ReadonlyArray<Happened>,
  endAt: number
): ReadonlyArray<number> => {
  const levels = limits.map(({ capacity }) => ({ level: capacity, at: 0 }))
  const refilled = (i: number, at: number) => {
    const { capacity, windowMillis } = limits[i] ?? { capacity: 0, windowMillis: 1 }
    const bucket = levels[i] ?? { level: 0, at: 0 }
    return Math.min(capacity, bucket.level + ((at - bucket.at) * capacity) / windowMillis)
  }
  const ends: Array<number> = []
  let free = 0
  for (const { arrivedAt, costs, endedAt, leavesAt, startedAt } of calls) {
    const atHead = Math.max(arrivedAt, free)
    // A place is free once fewer than `concurrency` of the earlier calls are still running.
    const place = ends.length < concurrency ? 0 : ends.toSorted((a, b) => b - a)[concurrency - 1] ?? 0
    const due = costs.reduce((due, cost, i) => {
      const { capacity, windowMillis } = limits[i] ?? { capacity: 1, windowMillis: 1 }
      return Math.max(due, (levels[i]?.at ?? 0) + ((cost - (levels[i]?.level ?? 0)) * windowMillis) / capacity)
    }, Math.max(atHead, place))
    if (startedAt === undefined) {
      assert.isAtLeast(due, leavesAt - tick, "it left though it could have started")
      free = Math.max(free, leavesAt)
      continue
    }
    assert.isAtLeast(startedAt, due - 1e-3, "it started before it was allowed to")
    assert.isAtMost(startedAt, due + tick, "it started later than it could")
    costs.forEach((cost, i) => {
      levels[i] = { level: refilled(i, startedAt) - cost, at: startedAt }
    })
    ends.push(endedAt ?? Number.POSITIVE_INFINITY)
    free = Math.max(free, startedAt)
  }
  return limits.map((_, i) => refilled(i, endAt))
}
