/** Hooks that log and measure. */
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
import { monotonicMillis } from "../util/monotonic.ts"
import { forHost, middleware } from "./make.ts"

type Outcome = Exit.Exit<NormalizedResponse, Failure>

/** The outcome of a call as a word. */
const nameOf = (exit: Outcome, calling: Calling): string => {
  if (Exit.isSuccess(exit)) return calling.attempts.length === 0 ? "skipped" : "completed"
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error !== undefined) return error._tag === "TimeoutError" ? error._tag : error.reason._tag
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : "defect"
}

/** The tokens of a call. Those of a cached answer were used by another call. */
const usageOf = (exit: Outcome, calling: Calling): NormalizedResponse["usage"] =>
  Exit.isSuccess(exit) && calling.attempts.length > 0 ? exit.value.usage : { inputTokens: {}, outputTokens: {} }

const watching = (name: string, watch: (exit: Outcome, millis: number, calling: Calling) => Effect.Effect<void>) =>
  middleware((next) => (calling) =>
    Effect.clockWith((clock) => {
      const startedAt = monotonicMillis(clock)
      return Effect.onExit(next, (exit) => watch(exit, monotonicMillis(clock) - startedAt, calling))
    }), { name })

/**
 * Logs each call when it ends: at level `Info` if it was answered or interrupted, otherwise at level `Warn` with the error. Neither
 * prompts nor answers are logged.
 *
 * **Details**
 *
 * The annotations are `provider`, `model`, `calling`, `outcome`, `duration`, `inputTokens` and `outputTokens`. The `outcome` is
 * `completed`, `skipped` (another hook answered without the backend, which used no tokens), `interrupted`, or the tag of the error.
 *
 * **Example** (Logging every call)
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
        ? Effect.logInfo(`Call of ${name}: ${outcome}`)
        : Effect.logWarning(`Call of ${name}: ${outcome}`, withoutStack(exit.cause))
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
  description: "Durations of calls with their waits and all attempts, in milliseconds",
  boundaries: Metric.exponentialBoundaries({ start: 1, factor: 4, count: 12 })
})

/**
 * Measures whole calls, with their waits and all attempts. All metrics have the attributes `provider` and `model`.
 *
 * - `imodel_calls`: a counter of calls, by `outcome` (as in {@link logging})
 * - `imodel_call_millis`: a histogram of durations in milliseconds
 * - `imodel_tokens`: a counter of reported tokens, by `type` (`input` or `output`). A call that another hook answered without the
 *   backend has none.
 *
 * **Example** (Counting the calls of a model)
 *
 * ```ts
 * import { Hook, iModel } from "effect-imodel"
 *
 * const model = iModel.layer({ hooks: [Hook.metrics()] })
 * ```
 *
 * @see {@link logging}
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
