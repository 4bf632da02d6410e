/** How many callings an executor has, and has had. */
import * as Effect from "effect/Effect"
import type { Counts } from "./options.ts"
import type { Ticket } from "./ticket.ts"

export interface Counters {
  /** Sums since the executor was made. */
  readonly totals: {
    denials: number
    retries: number
    pauses: number
    /** Attempts that were admitted, and what was reserved for them. */
    requests: number
    tokens: number
  }
  readonly submitted: () => void
  /** An attempt begins. */
  readonly began: (ticket: Ticket) => void
  /** A calling has ended, in whatever way. */
  readonly ended: (ticket: Ticket) => void
  readonly counts: () => Counts
  /** Waits until every calling that was submitted has ended. */
  readonly awaitIdle: Effect.Effect<void>
}

export const make = (): Counters => {
  const totals = { denials: 0, retries: 0, pauses: 0, requests: 0, tokens: 0 }
  const settled = { completed: 0, failed: 0, cancelled: 0, aborted: 0, skipped: 0 }
  const idle = new Set<() => void>()
  let unsettled = 0
  let begun = 0
  return {
    totals,
    submitted: () => {
      unsettled++
    },
    began: (ticket) => {
      if (!ticket.hasRun) begun++
      ticket.hasRun = true
      totals.requests++
      totals.tokens += ticket.reservation.input + ticket.reservation.output
    },
    ended: ({ calling, hasRun }) => {
      const { status } = calling.execution
      if (status !== "pending" && status !== "processing") settled[status]++
      if (hasRun) begun--
      unsettled--
      if (unsettled > 0) return
      const resumes = [...idle]
      idle.clear()
      for (const resume of resumes) resume()
    },
    counts: () => ({ pending: unsettled - begun, processing: begun, ...settled }),
    awaitIdle: Effect.callback((resume) => {
      if (unsettled === 0) return resume(Effect.void)
      const observe = () => resume(Effect.void)
      idle.add(observe)
      return Effect.sync(() => {
        idle.delete(observe)
      })
    })
  }
}
