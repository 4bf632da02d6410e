/** Detects that the store of the limits does not reply, logs it once, and polls the store until it replies again. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import type { Stored } from "./session.ts"

/** Time after which a store that has not replied counts as away. */
const timeoutMillis = 1_000
/** The same for operations that cannot go on without the store. */
const patienceMillis = 5_000
/** Delay before the store is asked again after a failure. */
const retryMillis = 1_000

/** Fails when the store does not reply in time. */
export const patiently = <A>(asked: Stored<A>): Stored<A> =>
  Effect.timeoutOrElse(asked, {
    duration: patienceMillis,
    orElse: () => Effect.fail(new RateLimiter.RateLimiterError({ reason: silence }))
  })

const silence = new RateLimiter.RateLimitStoreError({
  message: `The store of the limits has not replied within ${patienceMillis} milliseconds`
})

export interface Options {
  readonly name: string
  /** Whether the store is in this process: it replies at once and is never away. */
  readonly isLocal: boolean
  /** What happens during the outage, for the log. */
  readonly meanwhile: string
  /** A request without effect, to see whether the store replies. */
  readonly ask: Stored<unknown>
  /** Called when the store replies again. */
  readonly onReturn: () => void
}

export interface Outage {
  readonly isAway: () => boolean
  /**
   * Waits for a reply of the store; `undefined` when it is away or does not reply in time. A late reply is passed to `onLate`.
   */
  readonly within: <A>(asked: Stored<A>, onLate: (answer: A) => void) => Stored<A | undefined>
}

export const make = Effect.fnUntraced(function*(
  { ask, isLocal, meanwhile, name, onReturn }: Options
): Effect.fn.Return<Outage, never, Scope.Scope> {
  const scope = yield* Effect.scope
  let away = false

  const lose = (why: Cause.Cause<unknown> | string, pending: Effect.Effect<Exit.Exit<unknown, unknown>>) => {
    away = true
    const returned = Effect.gen(function*() {
      let exit = yield* pending
      while (Exit.isFailure(exit)) {
        yield* Effect.sleep(retryMillis)
        exit = yield* Effect.exit(ask)
      }
      away = false
      yield* Effect.logInfo(`The limit store of ${name} replies again`)
      onReturn()
    })
    return Effect.andThen(
      Effect.logWarning(`The limit store of ${name} does not reply, so ${meanwhile}`, why),
      Effect.forkIn(returned, scope)
    )
  }

  const within: Outage["within"] = Effect.fnUntraced(function*(asked, onLate) {
    const fiber = yield* Effect.forkIn(asked, scope, { startImmediately: true })
    const inTime = yield* Effect.timeoutOption(Fiber.await(fiber), timeoutMillis)
    if (Option.isNone(inTime)) {
      const late = Effect.tap(Fiber.await(fiber), (exit) =>
        Effect.sync(() => {
          if (Exit.isSuccess(exit)) onLate(exit.value)
        }))
      yield* lose(`no reply within ${timeoutMillis} milliseconds`, late)
      return undefined
    }
    const exit = inTime.value
    if (Exit.isSuccess(exit)) return exit.value
    // A store may interrupt itself too.
    if (Exit.hasInterrupts(exit) && scope.state._tag === "Closed") return yield* Effect.interrupt
    yield* lose(exit.cause, Effect.succeed(exit))
    return undefined
  })

  return { isAway: () => away, within: isLocal ? (asked) => asked : within }
})
