/** Hooks that watch. */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type { Calling, NormalizedResponse } from "../../Calling.ts"
import { PermissionDenied } from "../../Errors.ts"
import type { Hook } from "./hook.ts"
import type { Failure } from "../calling/lifecycle.ts"
import { forHost, middleware } from "./make.ts"

type Outcome = Exit.Exit<NormalizedResponse, Failure>

/** What became of a call, in a word. */
const nameOf = (exit: Outcome, calling: Calling): string => {
  if (Exit.isSuccess(exit)) return calling.attempts.length === 0 ? "skipped" : "completed"
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error !== undefined) return error._tag === "TimeoutError" ? error._tag : error.reason._tag
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "defect"
}

/** What a call took. An answer that another hook remembered reports what it once took. */
const usageOf = (exit: Outcome, calling: Calling): NormalizedResponse["usage"] =>
  Exit.isSuccess(exit) && calling.attempts.length > 0 ? exit.value.usage : { inputTokens: {}, outputTokens: {} }

const watching = (name: string, watch: (exit: Outcome, millis: number, calling: Calling) => Effect.Effect<void>) =>
  middleware((next) => (calling) =>
    Effect.clockWith((clock) => {
      const startedAt = clock.currentTimeMillisUnsafe()
      return Effect.onExit(next, (exit) => watch(exit, clock.currentTimeMillisUnsafe() - startedAt, calling))
    }), { name })

/**
 * Logs each call when it has ended: at the level of information when it was answered, of a warning when not. The annotations are
 * `provider`, `model`, `calling`, `outcome`, `duration`, `inputTokens` and `outputTokens`. What is said, in and out, is not logged.
 *
 * **Details**
 *
 * The `outcome` is `completed`, `skipped` for what another hook answered without the backend, which took no tokens, `interrupted`,
 * or the tag of what went wrong.
 *
 * **Example** (A log line a call)
 *
 * ```ts
 * import { Hook, iModel } from "effect-imodel"
 *
 * const model = iModel.layer({ hooks: [Hook.logging()] })
 * ```
 *
 * @category hooks
 * @since 0.1.0
 */
export const logging = (): Hook =>
  forHost(({ name, provider }) =>
    watching("logging", (exit, millis, calling) => {
      const outcome = nameOf(exit, calling)
      const { inputTokens, outputTokens } = usageOf(exit, calling)
      const log = Exit.isSuccess(exit) || outcome === "interrupted"
        ? Effect.logInfo(`A call of ${name}: ${outcome}`)
        : Effect.logWarning(`A call of ${name}: ${outcome}`, withoutStack(exit.cause))
      return Effect.annotateLogs(log, {
        provider,
        model: name,
        calling: calling.id,
        outcome,
        duration: Duration.format(Duration.millis(millis)),
        ...(inputTokens.total !== undefined && { inputTokens: inputTokens.total }),
        ...(outputTokens.total !== undefined && { outputTokens: outputTokens.total })
      })
    })
  )

/** A denial is no bug: its message says all of it. */
const withoutStack = (cause: Cause.Cause<Failure>): Cause.Cause<Failure> | string => {
  const error = Option.getOrUndefined(Cause.findErrorOption(cause))
  return error instanceof PermissionDenied ? error.message : cause
}

const calls = Metric.counter("imodel_calls", { description: "Calls that have ended", incremental: true })
const tokens = Metric.counter("imodel_tokens", { description: "Tokens of answers, as reported", incremental: true })
const durations = Metric.histogram("imodel_call_millis", {
  description: "How long calls took with their waits and all attempts, in milliseconds",
  boundaries: Metric.exponentialBoundaries({ start: 1, factor: 4, count: 12 })
})

/**
 * Counts whole calls, as `imodel_calls` by `outcome` (as in {@link logging}), their durations as `imodel_call_millis`, and as
 * `imodel_tokens` what their answers report, by `type` (`input`, `output`); all by `provider` and `model`. A call that another hook
 * answered without the backend is `skipped`, and its tokens are not counted: nobody was asked for them.
 *
 * @category hooks
 * @since 0.1.0
 */
export const metrics = (): Hook =>
  forHost(({ name, provider }) => {
    const names = { provider, model: name }
    const took = Metric.withAttributes(durations, names)
    return watching("metrics", (exit, millis, calling) => {
      const { inputTokens, outputTokens } = usageOf(exit, calling)
      return Effect.all([
        Metric.update(Metric.withAttributes(calls, { ...names, outcome: nameOf(exit, calling) }), 1),
        Metric.update(took, millis),
        Metric.update(Metric.withAttributes(tokens, { ...names, type: "input" }), inputTokens.total ?? 0),
        Metric.update(Metric.withAttributes(tokens, { ...names, type: "output" }), outputTokens.total ?? 0)
      ], { discard: true })
    })
  })
