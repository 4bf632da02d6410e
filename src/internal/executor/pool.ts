/**
 * The callings that run, or rest between two attempts. Each does so on a fiber of its own, outside the fibers that invoked
 * it, so that several may wait for one; all end with the scope.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { type BackendErrorReason, PermissionDenied, Shutdown } from "../../Errors.ts"
import type { CallingImpl, Runner } from "../calling/lifecycle.ts"

export const shutdown = (calling: CallingImpl<unknown>): PermissionDenied =>
  new PermissionDenied({ reason: new Shutdown(), denials: 0, callingId: calling.id })

/** Who has callings run. */
export interface Host {
  /** An attempt is over, and its place in the pool is free. It rests before the next one if there is to be one. */
  readonly attempted: (
    calling: CallingImpl<unknown>,
    exit: Exit.Exit<unknown, BackendErrorReason>,
    retry: Duration.Duration | undefined
  ) => void
  /** A rest is over, and the calling is to run again. */
  readonly rested: (calling: CallingImpl<unknown>) => void
  /** The calling has ended, and is about to settle. */
  readonly ended: (calling: CallingImpl<unknown>) => void
}

export interface Pool {
  /** How many run. */
  readonly running: () => number
  /** How many rest. */
  readonly resting: () => number
  readonly run: (calling: CallingImpl<unknown>) => void
  readonly rest: (calling: CallingImpl<unknown>, duration: Duration.Duration) => void
}

export const make = Effect.fnUntraced(function*(host: Host): Effect.fn.Return<Pool, never, Scope.Scope> {
  const running = new Set<CallingImpl<unknown>>()
  const resting = new Set<CallingImpl<unknown>>()

  const end = (calling: CallingImpl<unknown>) => {
    host.ended(calling)
    calling.settle()
  }

  const run = (calling: CallingImpl<unknown>) => {
    running.add(calling)
    calling.run((exit, retry) => {
      running.delete(calling)
      host.attempted(calling, exit, retry)
      if (retry === undefined) end(calling)
      else rest(calling, retry)
    })
  }

  const rest = (calling: CallingImpl<unknown>, duration: Duration.Duration) => {
    resting.add(calling)
    calling.rest(duration, (exit) => {
      resting.delete(calling)
      if (Exit.isSuccess(exit)) return host.rested(calling)
      calling.abandon()
      end(calling)
    })
  }

  yield* Effect.addFinalizer(() =>
    Effect.forEach([...running, ...resting], (calling) => calling.interrupt(shutdown(calling)), {
      concurrency: "unbounded",
      discard: true
    })
  )
  return { running: () => running.size, resting: () => resting.size, run, rest }
})

/** The runner of a model without limits: everything runs at once. */
export const makeDirect: Effect.Effect<Runner, never, Scope.Scope> = Effect.gen(function*() {
  let open = true
  const pool = yield* make({ attempted: noop, rested: (calling) => pool.run(calling), ended: noop })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      open = false
    })
  )
  return {
    start: (calling) => {
      if (open) return pool.run(calling)
      calling.abandon(shutdown(calling))
      calling.settle()
    },
    withdraw: (calling) => calling.interrupt(),
    heard: noop
  }
})

const noop = () => {}
