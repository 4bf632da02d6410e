/** Runs the functions of a hook: with its services, within its time limit, and with an event about the outcome. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { HookRejected, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { shown } from "../util/options.ts"
import type { Event } from "./event.ts"
import type { Host } from "./instance.ts"
import { monotonicMillis } from "../util/monotonic.ts"

interface HookRun<B> {
  readonly phase: Event["phase"]
  readonly callingId: string
  readonly limit: Duration.Duration | undefined
  /** The outcome to publish; `undefined` publishes no event. */
  readonly outcome: (answer: B) => Event["outcome"] | undefined
}

/** Runs an Effect of a hook, and publishes the outcome. */
export const runHookWith = <R>(host: Host, hook: string, services: Context.Context<R>) =>
<B, E>(
  effect: Effect.Effect<B, E, R>,
  { callingId, limit, outcome, phase }: HookRun<B>
): Effect.Effect<B, E | TimeoutError> =>
  Effect.clockWith((clock) => {
    const startedAt = monotonicMillis(clock)
    const publish = (exit: Exit.Exit<B, E | TimeoutError>) => {
      const what = Exit.isSuccess(exit) ? outcome(exit.value) : failed(phase, exit.cause)
      if (what === undefined) return Effect.void
      return host.publish({
        hook,
        phase,
        callingId,
        at: DateTime.makeUnsafe(clock.currentTimeMillisUnsafe()),
        duration: Duration.millis(monotonicMillis(clock) - startedAt),
        outcome: what,
        error: Exit.isFailure(exit) ? errorOf(exit.cause) : undefined
      })
    }
    const provided = Effect.updateContext(effect, (context: Context.Context<never>) => Context.merge(services, context))
    // An Effect that has ended already needs no timer.
    const limited = limit === undefined || Exit.isExit(effect)
      ? provided
      : Effect.timeoutOrElse(provided, {
        duration: limit,
        orElse: () => Effect.fail(new TimeoutError({ phase: "hook", limit, callingId }))
      })
    return Effect.onExit(limited, publish)
  })

const failed = (phase: Event["phase"], cause: Cause.Cause<unknown>): Event["outcome"] => {
  if (Option.getOrUndefined(Cause.findErrorOption(cause)) instanceof TimeoutError) return "timed-out"
  return phase === "preEventCreate" || phase === "preInvocation" ? "rejected" : "failed"
}

const errorOf = (cause: Cause.Cause<unknown>): unknown => {
  const error = Cause.squash(cause)
  return error instanceof HookBug ? error.cause : error
}

/** The refusal of a hook that failed. */
export const rejecting = (hook: string, phase: HookRejected["phase"], callingId: string) => (cause: unknown) =>
  new PermissionDenied({ reason: new HookRejected({ phase, hook, cause }), denials: 0, callingId })

/** What a function of a hook returned, or did, that its type does not allow. */
export class HookBug {
  readonly cause: unknown

  constructor(cause: unknown) {
    this.cause = cause
  }
}

interface HookCall<B, E, E2> {
  /** Names the function in messages. */
  readonly name: string
  /** What the function must answer with. */
  readonly expected: string
  readonly isExpected: (result: B) => boolean
  readonly mapError: (error: E | HookBug) => E2
}

/**
 * Calls a function of a hook. A `HookBug` is what it threw or died with, that it returned no Effect, or a result that is not
 * of the expected kind.
 */
export const callHook = <B, E, R, E2>(
  call: () => Effect.Effect<B, E, R>,
  { expected, isExpected, mapError, name }: HookCall<B, E, E2>
): Effect.Effect<B, E2, R> => {
  const bug = (cause: unknown): Effect.Effect<never, E2> => Effect.fail(mapError(new HookBug(cause)))
  const misfit = (message: string, value: unknown) =>
    bug(new TypeError(`${name} must ${message}, got ${kindOf(value)}`))
  const checked = (result: B): Effect.Effect<B, E2> => {
    try {
      return isExpected(result) ? Effect.succeed(result) : misfit(`answer with ${expected}`, result)
    } catch (error) {
      return bug(error)
    }
  }
  const failed = (error: E): Effect.Effect<never, E2> => {
    try {
      return Effect.fail(mapError(error))
    } catch {
      // The error is a proxy whose traps throw, for example.
      return bug(error)
    }
  }
  let effect: Effect.Effect<B, E, R>
  try {
    effect = call()
    // The types promise an Effect, programs without types do not.
    if (!isEffect(effect)) return misfit("return an Effect", effect)
  } catch (error) {
    return bug(error)
  }
  // A result that is there already stays one, which needs neither a fiber operation nor a timer.
  if (isExit(effect) && Exit.isSuccess(effect)) return checked(effect.value)
  return Effect.matchCauseEffect(effect, {
    onSuccess: checked,
    onFailure: (cause): Effect.Effect<never, E2> => {
      const error = Cause.findErrorOption(cause)
      if (Option.isSome(error)) return failed(error.value)
      return Cause.hasDies(cause) ? bug(Cause.squash(cause)) : Effect.failCause(Cause.map(cause, mapError))
    }
  })
}

const isEffect = (value: unknown): boolean => Effect.isEffect(value)

const isExit = <B, E, R>(effect: Effect.Effect<B, E, R>): effect is Exit.Exit<B, E> => Exit.isExit(effect)

const kindOf = (value: unknown): string =>
  typeof value === "object" && value !== null ? (Array.isArray(value) ? "an array" : "an object") : shown(value)
