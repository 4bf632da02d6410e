/** A hook at work: with the services it was made with, within its time, and seen by those who watch. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { HookRejected, PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { Event } from "./event.ts"
import type { Host } from "./instance.ts"

interface Attended<B> {
  readonly phase: Event["phase"]
  readonly callingId: string
  readonly limit: Duration.Duration | undefined
  /** What it is to those who watch; `undefined` for nothing worth telling. */
  readonly outcome: (answer: B) => Event["outcome"] | undefined
}

/** Runs what a hook does, and tells of it. */
export const attending = <R>(host: Host, hook: string, services: Context.Context<R>) =>
<B, E>(
  effect: Effect.Effect<B, E, R>,
  { callingId, limit, outcome, phase }: Attended<B>
): Effect.Effect<B, E | TimeoutError> =>
  Effect.clockWith((clock) => {
    const startedAt = clock.currentTimeMillisUnsafe()
    const tell = (exit: Exit.Exit<B, E | TimeoutError>) => {
      const what = Exit.isSuccess(exit) ? outcome(exit.value) : failed(phase, exit.cause)
      if (what === undefined) return Effect.void
      const now = clock.currentTimeMillisUnsafe()
      return host.publish({
        hook,
        phase,
        callingId,
        at: DateTime.makeUnsafe(now),
        duration: Duration.millis(now - startedAt),
        outcome: what,
        error: Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
      })
    }
    const provided = Effect.updateContext(effect, (context: Context.Context<never>) => Context.merge(services, context))
    // What is an answer already takes no time.
    const limited = limit === undefined || Exit.isExit(effect)
      ? provided
      : Effect.timeoutOrElse(provided, {
        duration: limit,
        orElse: () => Effect.fail(new TimeoutError({ phase: "hook", limit, callingId }))
      })
    return Effect.onExit(limited, tell)
  })

const failed = (phase: Event["phase"], cause: Cause.Cause<unknown>): Event["outcome"] => {
  if (Option.getOrUndefined(Cause.findErrorOption(cause)) instanceof TimeoutError) return "timed-out"
  return phase === "preEventCreate" || phase === "preInvocation" ? "rejected" : "failed"
}

/** The refusal of a hook that failed. */
export const rejecting = (hook: string, phase: HookRejected["phase"], callingId: string) => (cause: unknown) =>
  new PermissionDenied({ reason: new HookRejected({ phase, hook, cause }), denials: 0, callingId })
