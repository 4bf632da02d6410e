/** One attempt of a calling: its work on a fiber of its own, with its span and metrics, and the record of it. */
import type * as Response from "effect/ai/Response"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import { type Attempt as AttemptRecord, type Calling, isNormalizedResponse } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import { charactersPerToken } from "../chat/estimate.ts"
import { isRepairable } from "../chat/repair.ts"
import { backendFailure } from "../errors/backendReason.ts"
import type { RateLimitReport } from "../http/rateLimitHeaders.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import { type CallingImpl, type Failure, implOf } from "./lifecycle.ts"
import type { Sink } from "./streaming.ts"
import type { Submission } from "./submission.ts"
import { measureAttempt, traceAttempt } from "./telemetry.ts"
import type { Attempt } from "./work.ts"

/** A calling that is to run, what is asked of it, and the context that it runs in. */
export interface Job {
  readonly calling: CallingImpl<unknown>
  readonly submission: Submission
  readonly context: Context.Context<never>
  /** The fiber of the attempt, from its first step on. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** Whether it is interrupted, so that no attempt follows. */
  readonly isWithdrawn: boolean
  onRateLimits(report: RateLimitReport): void
}

/** How an attempt has ended. */
export interface Ended {
  /** What the calling settles with, unless there is another attempt. */
  readonly exit: Exit.Exit<unknown, Failure | BackendErrorReason>
  /** The same, by its reason. */
  readonly answer: Exit.Exit<unknown, BackendErrorReason>
  /** The rest before the next attempt; `undefined` when there is none. */
  readonly retry: Duration.Duration | undefined
}

class Running implements Attempt {
  readonly number: number
  private readonly job: Job
  /** Whether other models make the attempts. */
  isDelegated = false

  constructor(job: Job) {
    this.job = job
    this.number = job.calling.attempts.length + 1
  }

  get calling() {
    return this.job.calling
  }

  get sink() {
    return this.job.submission.sink
  }

  get policy() {
    return this.job.submission.policy
  }

  get deadline() {
    return this.job.submission.deadline
  }

  get peer() {
    return this.job.submission.peer
  }

  get repair() {
    return this.job.submission.repair
  }

  reportRateLimits(report: RateLimitReport): void {
    this.job.onRateLimits(report)
  }

  delegateTo(calling: Calling): void {
    this.isDelegated = true
    this.job.calling.delegateTo(implOf(calling))
  }

  addAttempts(attempts: ReadonlyArray<AttemptRecord>): void {
    this.isDelegated = true
    this.job.calling.addAttempts(attempts)
  }
}

/** Runs the work of a calling once. */
export const run = (job: Job, onEnd: (ended: Ended) => void): void => {
  const { calling, context, submission } = job
  const { operation } = calling.work
  const clock = Context.get(context, Clock.Clock)
  const startedAt = clock.currentTimeMillisUnsafe()
  const startedAtNanos = clock.monotonicTimeNanosUnsafe()
  calling.begin(clock)
  const attempt = new Running(job)
  // The work may ask for its own interruption in its first step.
  const work = Effect.withFiber((fiber) => {
    job.fiber = fiber
    return Effect.mapError(calling.work.run(calling.payload, attempt), backendFailure)
  })
  const traced = traceAttempt(
    work,
    context,
    operation,
    calling.payload,
    () => ({ "imodel.calling.id": calling.id, "imodel.attempt": attempt.number })
  )
  Effect.runForkWith(context)(traced).addObserver((ended) => {
    const exit = Exit.isSuccess(ended) && !isReadable(ended.value) ? Exit.die(unreadable) : ended
    const answer = Exit.mapError(exit, (error) => error._tag === "BackendError" ? error.reason : error)
    const durationNanos = clock.monotonicTimeNanosUnsafe() - startedAtNanos
    measureAttempt(operation, calling.payload, answer, durationNanos, context)
    if (!attempt.isDelegated) {
      calling.addAttempts([recordOf(submission, answer, startedAt, durationNanos)])
    }
    const retry = Result.try(() => attempt.isDelegated ? undefined : restAfter(job, answer))
    onEnd(
      Result.isSuccess(retry)
        ? { exit, answer, retry: retry.success }
        : { exit: Exit.die(retry.failure), answer, retry: undefined }
    )
  })
}

/** The rest before another attempt, if one may be made. */
const restAfter = (
  { calling, context, isWithdrawn, submission: { deadline, policy, repair = 1, sink } }: Job,
  exit: Exit.Exit<unknown, BackendErrorReason>
): Duration.Duration | undefined => {
  const { attempts, work: { retry } } = calling
  if (Exit.isSuccess(exit) || isWithdrawn || sink?.begun) return undefined
  const reason = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (reason === undefined) return undefined
  const rest = isRepairable(reason, attempts, repair)
    ? Duration.zero
    : retry?.(reason, attempts.length, Context.get(context, Random.Random).nextDoubleUnsafe())
  if (rest === undefined || policy === undefined) return rest
  const now = monotonicMillis(Context.get(context, Clock.Clock))
  const isAllowed = attempts.length < policy.attempts &&
    (policy.patience === undefined || Duration.isLessThanOrEqualTo(rest, policy.patience)) &&
    now + Duration.toMillis(rest) < deadline.millis
  return isAllowed ? rest : undefined
}

const unreadable = new TypeError("The backend answered with a response without usage, content or text")

/** Whether the fields of a response that are read here are there. Answers that are bare data are not looked into. */
const isReadable = (answer: unknown): boolean =>
  Result.getOrElse(
    Result.try(() =>
      !isNormalizedResponse(answer) ||
      (typeof answer.text === "string" && Array.isArray(answer.content) &&
        Predicate.isObject(answer.usage.inputTokens) && Predicate.isObject(answer.usage.outputTokens))
    ),
    () => false
  )

const recordOf = (
  { policy, sink }: Submission,
  exit: Exit.Exit<unknown, BackendErrorReason>,
  startedAtMillis: number,
  durationNanos: bigint
): AttemptRecord => {
  const failed = Exit.isFailure(exit)
  const reason = failed ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
  return {
    model: policy?.model,
    startedAt: DateTime.makeUnsafe(startedAtMillis),
    duration: Duration.nanos(durationNanos),
    outcome: !failed ? "completed" : Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "failed",
    reason,
    usage: failed ? usageOf(reason, sink) : isNormalizedResponse(exit.value) ? exit.value.usage : undefined
  }
}

/** The tokens of a failed attempt: those that the provider has reported, or what was seen of a streamed answer. */
const usageOf = (reason: BackendErrorReason | undefined, sink: Sink | undefined): Response.Usage | undefined => {
  if (reason?._tag === "InvalidOutputError") {
    return reason.usage && {
      inputTokens: { total: reason.usage.promptTokens },
      outputTokens: { total: reason.usage.completionTokens }
    }
  }
  const { inputTokens, outputTokens } = reason?._tag === "StreamInterrupted" ? reason.usage : noUsage
  const seen = sink === undefined ? 0 : Math.ceil(sink.characters / charactersPerToken)
  const output = Math.max(seen, outputTokens.total ?? 0)
  if (output === 0 && inputTokens.total === undefined) return undefined
  return { inputTokens, outputTokens: { ...outputTokens, total: output } }
}

const noUsage: Response.Usage = { inputTokens: {}, outputTokens: {} }
