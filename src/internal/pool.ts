/**
 * The callings that run. Each runs on a fiber of its own, outside the fibers that invoked it, so that several may wait
 * for one; all end with the scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { PermissionDenied, Shutdown } from "../Errors.ts"
import type { CallingImpl, Runner } from "./calling.ts"

export const shutdown = (calling: CallingImpl<unknown>): PermissionDenied =>
  new PermissionDenied({ reason: new Shutdown(), denials: 0, callingId: calling.id })

export interface Pool {
  readonly size: () => number
  readonly run: (calling: CallingImpl<unknown>, onEnd: (calling: CallingImpl<unknown>) => void) => void
}

export const make: Effect.Effect<Pool, never, Scope.Scope> = Effect.gen(function*() {
  const running = new Set<CallingImpl<unknown>>()
  yield* Effect.addFinalizer(() =>
    Effect.forEach(running, (calling) => calling.interrupt(shutdown(calling)), {
      concurrency: "unbounded",
      discard: true
    })
  )
  return {
    size: () => running.size,
    run: (calling, onEnd) => {
      running.add(calling)
      calling.run(() => {
        running.delete(calling)
        onEnd(calling)
      })
    }
  }
})

/** The runner of a model without limits: everything runs at once. */
export const makeDirect: Effect.Effect<Runner, never, Scope.Scope> = Effect.gen(function*() {
  let open = true
  const pool = yield* make
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      open = false
    })
  )
  return {
    start: (calling) => open ? pool.run(calling, noop) : calling.abandon(shutdown(calling)),
    withdraw: (calling) => calling.interrupt()
  }
})

const noop = () => {}
