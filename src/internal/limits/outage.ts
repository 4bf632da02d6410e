/** A store that does not answer: it is said once, asked again until it does, and said once more. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as RateLimiter from "effect/persistence/RateLimiter"
import type * as Scope from "effect/Scope"
import type { Stored } from "./session.ts"

/** How long an answer of the store is waited for before it is taken to be away. */
const timeoutMillis = 1_000
/** How long it is waited for by who can do nothing without it. */
const patienceMillis = 5_000
/** How long after a failure the store is asked again. */
const retryMillis = 1_000

/** What the store answers, or a failure when it does not in time. */
export const patiently = <A>(asked: Stored<A>): Stored<A> =>
  Effect.timeoutOrElse(asked, {
    duration: patienceMillis,
    orElse: () => Effect.fail(new RateLimiter.RateLimiterError({ reason: silence }))
  })

const silence = new RateLimiter.RateLimitStoreError({
  message: `The store of the limits does not answer within ${patienceMillis} milliseconds`
})

export interface Options {
  readonly name: string
  /** A store in this process answers at once, and is never away. */
  readonly isLocal: boolean
  /** What is done meanwhile, for the log. */
  readonly meanwhile: string
  /** Asks the store whether it is there. */
  readonly ask: Stored<unknown>
  /** Is told that the store answers again. */
  readonly onReturn: () => void
}

export interface Outage {
  readonly isAway: () => boolean
  /**
   * What the store answers; `undefined` when it is away, or goes away with this. What it answers too late goes to `onLate`.
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
      yield* Effect.logInfo(`The store of the limits of ${name} answers again`)
      onReturn()
    })
    return Effect.andThen(
      Effect.logWarning(`The store of the limits of ${name} does not answer, so ${meanwhile}`, why),
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
      yield* lose(`no answer within ${timeoutMillis} milliseconds`, late)
      return undefined
    }
    const exit = inTime.value
    if (Exit.isSuccess(exit)) return exit.value
    if (Exit.hasInterrupts(exit)) return yield* Effect.interrupt
    yield* lose(exit.cause, Effect.succeed(exit))
    return undefined
  })

  return { isAway: () => away, within: isLocal ? (asked) => asked : within }
})
