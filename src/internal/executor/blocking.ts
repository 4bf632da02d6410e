/** The runner of a model that has a bucket in place of an executor: every attempt waits for one of it, for so long at most. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { type PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { TokenBucket } from "../../TokenBucket.ts"
import type { CallingImpl, Runner } from "../calling/lifecycle.ts"
import * as Pool from "./pool.ts"

/** Answers with a runner whose callings wait for the bucket no longer than the limit. */
export const make = Effect.fnUntraced(function*(
  bucket: TokenBucket
): Effect.fn.Return<(limit: Duration.Input) => Runner, never, Scope.Scope> {
  const limits = new Map<CallingImpl<unknown>, Duration.Duration>()
  const waiting = new Map<CallingImpl<unknown>, Fiber.Fiber<unknown, unknown>>()
  let open = true
  // A store that fails is asked again for as long as the calling waits.
  const acquire = Effect.retry(bucket.acquire(), Schedule.spaced("1 second"))

  const abandon = (calling: CallingImpl<unknown>, reason: TimeoutError | PermissionDenied | undefined) => {
    limits.delete(calling)
    calling.abandon(reason)
    calling.settle()
  }

  const admit = (calling: CallingImpl<unknown>) => {
    const limit = limits.get(calling)
    if (!open || limit === undefined) return abandon(calling, Pool.shutdown(calling))
    const fiber = Effect.runForkWith(calling.context)(Effect.timeoutOption(acquire, limit))
    waiting.set(calling, fiber)
    fiber.addObserver((exit) => {
      waiting.delete(calling)
      if (Exit.hasInterrupts(exit)) return abandon(calling, open ? undefined : Pool.shutdown(calling))
      if (Exit.isSuccess(exit) && Option.isSome(exit.value)) return pool.run(calling)
      abandon(calling, new TimeoutError({ phase: "queue", limit, callingId: calling.id }))
    })
  }

  const pool = yield* Pool.make({
    attempted: () => {},
    rested: admit,
    ended: (calling) => {
      limits.delete(calling)
    }
  })
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      open = false
      return Fiber.interruptAll(waiting.values())
    })
  )

  return (limit) => ({
    start: (calling) => {
      limits.set(calling, Duration.fromInputUnsafe(limit))
      admit(calling)
    },
    withdraw: (calling) => {
      const fiber = waiting.get(calling)
      return fiber === undefined ? calling.interrupt() : Fiber.interrupt(fiber)
    },
    heard: () => {}
  })
})
