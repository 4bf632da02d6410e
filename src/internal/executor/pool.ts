/**
 * The tickets that run, or rest between two attempts. Each does so on a fiber of its own, outside the fibers that invoked
 * its calling, so that several may wait for one; all end with the scope.
 */
import * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { BackendErrorReason } from "../../Errors.ts"
import * as Attempt from "../calling/attempt.ts"
import type { Failure } from "../calling/lifecycle.ts"
import type { Ticket } from "./ticket.ts"

/** The executor of a pool. */
export interface Host {
  /** An attempt has ended, and its place in the pool is free. It rests before the next one if there is to be one. */
  readonly attempted: (
    ticket: Ticket,
    answer: Exit.Exit<unknown, BackendErrorReason>,
    retry: Duration.Duration | undefined
  ) => void
  /** A rest is over, and the calling is to run again. */
  readonly rested: (ticket: Ticket) => void
  /** The calling has ended. Those who wait for it are notified after this. */
  readonly ended: (ticket: Ticket) => void
}

export interface Pool {
  /** How many run. */
  readonly running: () => number
  readonly run: (ticket: Ticket) => void
  readonly rest: (ticket: Ticket, duration: Duration.Duration) => void
  /** Those that rest. */
  readonly resting: () => ReadonlyArray<Ticket>
}

/** Settles the calling of a ticket. */
export const settle = (
  ticket: Ticket,
  exit: Exit.Exit<unknown, Failure | BackendErrorReason>,
  ended: Host["ended"]
): void => {
  ticket.fiber = undefined
  const isInterrupted = Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
  ticket.calling.conclude(isInterrupted && ticket.withdrawal !== undefined ? Exit.fail(ticket.withdrawal) : exit)
  ended(ticket)
  ticket.calling.notify()
}

export const make = Effect.fnUntraced(function*(host: Host): Effect.fn.Return<Pool, never, Scope.Scope> {
  const running = new Set<Ticket>()
  const resting = new Set<Ticket>()

  const run = (ticket: Ticket) => {
    running.add(ticket)
    Attempt.run(ticket, ({ answer, exit, retry }) => {
      running.delete(ticket)
      host.attempted(ticket, answer, retry)
      if (retry === undefined) settle(ticket, exit, host.ended)
      else rest(ticket, retry)
    })
  }

  const rest = (ticket: Ticket, duration: Duration.Duration) => {
    resting.add(ticket)
    const fiber = Effect.runForkWith(ticket.context)(Effect.sleep(duration))
    ticket.fiber = fiber
    fiber.addObserver((exit) => {
      resting.delete(ticket)
      if (Exit.isSuccess(exit)) host.rested(ticket)
      else settle(ticket, exit, host.ended)
    })
  }

  yield* Effect.addFinalizer(() =>
    Effect.forEach([...running, ...resting], (ticket) => ticket.interrupt(ticket.shutdown), {
      concurrency: "unbounded",
      discard: true
    })
  )
  return { running: () => running.size, resting: () => [...resting], run, rest }
})
