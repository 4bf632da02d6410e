/**
 * The life of a calling: `pending`, then `processing`, then settled, once. Whoever invokes it joins it; when the last
 * one who joined leaves, it is withdrawn. Its state is written here alone.
 */
import * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import {
  type Attempt as AttemptRecord,
  type Calling,
  type Execution,
  isNormalizedResponse,
  makeResponse,
  type NormalizedResponse,
  TypeId
} from "../../Calling.ts"
import { BackendError, type BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { uuid } from "../util/identity.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import { LatestDeadline, plain, type Submission } from "./submission.ts"
import type { Tokens } from "./tokens.ts"
import { Waiters } from "./waiters.ts"
import type { Work } from "./work.ts"

/** Starts a calling that is pending. Its work runs with the context of the fiber that invoked the calling first. */
export type Runner = (
  calling: CallingImpl<unknown>,
  submission: Submission,
  context: Context.Context<never>
) => Started

/** A calling that was started. */
export interface Started {
  /** Ends its waiting, or its work. */
  leave(): Effect.Effect<void>
}

/** The state between the start of a calling and its end where there is nothing to withdraw. */
const nothingToLeave: Started = { leave: () => Effect.void }

/** The errors of a call. */
export type Failure = TimeoutError | PermissionDenied | BackendError

/** How an invocation ends: with the settled calling, or because it was not permitted, or too late. */
type Outcome<Data> = Exit.Exit<Calling<Data>, TimeoutError | PermissionDenied>

type Payload = Readonly<Record<string, unknown>>

/** Removes texts from a value. */
type Redact = <A>(value: A) => A

/** Redacts before the attempt is traced, recorded or settled. */
const redactedWork = <Data, P>(work: Work<Data, P>, redact: Redact): Work<Data, P> => ({
  retry: work.retry,
  operation: work.operation,
  run: (payload, attempt) =>
    Effect.suspend(() => work.run(payload, attempt)).pipe(
      Effect.mapBoth({ onFailure: redact, onSuccess: redact }),
      Effect.catchDefect((defect) => Effect.die(redact(defect)))
    )
})

/** How a calling has settled. */
interface Settled<Data> {
  readonly id: string
  readonly execution: Execution<Data>
  readonly attempts: ReadonlyArray<AttemptRecord>
}

const pending: Execution.Pending = { status: "pending", duration: undefined }
const processing: Execution.Processing = { status: "processing", duration: undefined }
const noAttempts: ReadonlyArray<AttemptRecord> = []

export class CallingImpl<out Data, out P extends Payload = Payload> extends Inspectable.Class implements Calling<Data> {
  readonly payload: P
  readonly work: Work<Data, P>
  readonly metadata: Readonly<Record<string, unknown>>
  readonly tokens: Tokens
  readonly createdAtMillis: number
  execution: Execution<Data> = pending
  attempts: ReadonlyArray<AttemptRecord> = noAttempts
  /** The calling that hooks stand around; this one asks the backend for it, and has its identity. */
  private readonly whole: CallingImpl<unknown> | undefined
  /** Removes what hooks redact from the attempts of other models. */
  private redact: Redact | undefined = undefined
  private uuid: string | undefined = undefined
  /** The last calling that this one waits for: the part that asks the backend, or that of one of several models. */
  private delegate: CallingImpl<unknown> | undefined = undefined
  private inHooks = false
  private started: Started | undefined = undefined
  /** Why it is withdrawn, when that is not the interruption of those who wait for it. */
  private withdrawal: TimeoutError | undefined = undefined
  private clock: Clock.Clock | undefined = undefined
  private startedAtNanos = 0n
  private outcome: Outcome<Data> | undefined = undefined
  private readonly waiters = new Waiters()
  /** When it must have settled, unless there is no limit. */
  private deadline: LatestDeadline | undefined = undefined

  constructor(
    payload: P,
    work: Work<Data, P>,
    tokens: Tokens,
    createdAtMillis: number,
    metadata: Readonly<Record<string, unknown>>,
    whole?: CallingImpl<unknown>
  ) {
    super()
    this.payload = payload
    this.work = work
    this.tokens = tokens
    this.createdAtMillis = createdAtMillis
    this.metadata = metadata
    this.whole = whole
  }

  get [TypeId](): typeof TypeId {
    return TypeId
  }

  get id(): string {
    return this.whole?.id ?? (this.uuid ??= uuid())
  }

  /** Gives it the id under which its creation was known. */
  identify(id: string): void {
    this.uuid = id
  }

  get cost(): number {
    return this.tokens.input + this.tokens.output
  }

  get createdAt(): DateTime.Utc {
    return DateTime.makeUnsafe(this.createdAtMillis)
  }

  get response(): Effect.Effect<NormalizedResponse<Data>, BackendError> {
    return Effect.suspend(() =>
      this.outcome === undefined ? Effect.flatMap(Effect.exit(this.wait()), () => this.answer) : this.answer
    )
  }

  [Hash.symbol](): number {
    return Hash.string(this.id)
  }

  [Equal.symbol](that: Equal.Equal): boolean {
    return that instanceof CallingImpl && that.id === this.id
  }

  toJSON(): unknown {
    const { duration, ...execution } = this.execution
    return {
      _id: "Calling",
      id: this.id,
      createdAt: DateTime.formatIso(this.createdAt),
      metadata: this.metadata,
      payload: this.payload,
      cost: this.cost,
      execution: { ...execution, durationMillis: duration && Duration.toMillis(duration) }
    }
  }

  // ---------------------------------------------------------------------------
  // For those who invoke it
  // ---------------------------------------------------------------------------

  get isSettled(): boolean {
    return this.outcome !== undefined
  }

  /** Whether all waiters have left, so that it is being withdrawn. */
  get isLeft(): boolean {
    return this.started !== undefined && this.outcome === undefined && this.waiters.isEmpty
  }

  /** Starts the calling if it was not started, and waits until it has settled. */
  join(runner: Runner, submission: Submission): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> {
    return Effect.withFiber((fiber) => this.outcome ?? this.wait(runner, submission, fiber.context))
  }

  private start(runner: Runner, submission: Submission, context: Context.Context<never>): void {
    if (this.outcome !== undefined) return
    // A later waiter may have more time than the first one.
    if (this.started !== undefined) return this.deadline?.add(submission.deadline)
    if (submission.deadline.millis < Number.POSITIVE_INFINITY) this.deadline = new LatestDeadline(submission.deadline)
    this.started = nothingToLeave
    this.started = runner(this, this.deadline ? { ...submission, deadline: this.deadline } : submission, context)
  }

  /** Joins, and leaves again with a `TimeoutError` when that takes longer than the limit. */
  joinWithin(
    runner: Runner,
    submission: Submission,
    limit: Duration.Duration
  ): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> {
    const expire = Effect.suspend(() => {
      const error = new TimeoutError({ phase: this.phase, limit, callingId: this.id })
      if (this.waiters.isSole) this.withdrawal = error
      return Effect.fail(error)
    })
    const join = Effect.clockWith((clock) => {
      const millis = monotonicMillis(clock) + Duration.toMillis(limit)
      return this.join(
        runner,
        millis < submission.deadline.millis ? { ...submission, deadline: { millis } } : submission
      )
    })
    // The error is made before the loser of the race is interrupted, and so becomes what the calling is withdrawn for.
    // @effect-diagnostics-next-line raceFirstWithSleepToTimeout:off
    return Effect.raceFirst(join, Effect.delay(expire, limit))
  }

  private get phase(): TimeoutError["phase"] {
    if (this.delegate !== undefined && !this.delegate.isSettled) return this.delegate.phase
    return this.inHooks ? "hook" : this.execution.status === "pending" ? "queue" : "invocation"
  }

  /**
   * Waits until it has settled. With a runner it is started once the waiter is known: between the two the fiber could be
   * interrupted, and nothing would withdraw the calling.
   */
  private wait(
    runner?: Runner,
    submission: Submission = plain,
    context: Context.Context<never> = Context.empty()
  ): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> {
    return Effect.callback((resume) => {
      if (this.outcome !== undefined) return resume(this.outcome)
      const waiter = this.waiters.add(() => {
        if (this.outcome !== undefined) resume(this.outcome)
      })
      if (runner !== undefined) this.start(runner, submission, context)
      return Effect.suspend(() => {
        if (this.outcome !== undefined) return Effect.void
        this.waiters.remove(waiter)
        return this.waiters.isEmpty && this.started !== undefined ? this.started.leave() : Effect.void
      })
    })
  }

  private get answer(): Effect.Effect<NormalizedResponse<Data>, BackendError> {
    const execution = this.execution
    if (execution.status === "completed" || execution.status === "skipped") return Effect.succeed(execution.response)
    return Effect.fail(execution.status === "failed" ? execution.error : this.unanswered(execution.status))
  }

  /** Fails a calling that was not started. */
  refuse(reason: BackendErrorReason): void {
    if (this.started !== undefined || this.outcome !== undefined) return
    this.conclude(Exit.fail(reason))
    this.notify()
  }

  // ---------------------------------------------------------------------------
  // For those who run it
  // ---------------------------------------------------------------------------

  /** Its work begins, or begins again. */
  begin(clock: Clock.Clock): void {
    // A hook may have let the call go on behind an answer of its own.
    if (this.outcome !== undefined) return
    if (this.clock === undefined) {
      this.clock = clock
      this.startedAtNanos = clock.monotonicTimeNanosUnsafe()
    }
    this.execution = processing
    this.whole?.begin(clock)
  }

  /** Adds attempts, also to the calling on whose behalf this one runs. */
  addAttempts(attempts: ReadonlyArray<AttemptRecord>): void {
    if (this.outcome !== undefined) return
    const added = this.redact?.(attempts) ?? attempts
    this.attempts = [...this.attempts, ...added]
    this.whole?.addAttempts(added)
  }

  /** Its hooks run. */
  enterHooks(): void {
    this.inHooks = true
  }

  /** The calling that it waits for from now on. */
  delegateTo(calling: CallingImpl<unknown>): void {
    this.delegate = calling
  }

  /** Whether it waits for that calling, itself or through others. */
  delegatesTo(calling: Calling): boolean {
    return this.delegate !== undefined && (this.delegate === calling || this.delegate.delegatesTo(calling))
  }

  /** A calling that asks the backend on behalf of this one, to be admitted and run by itself. */
  part(redact?: Redact): CallingImpl<Data, P> {
    const work = redact === undefined ? this.work : redactedWork(this.work, redact)
    const part = new CallingImpl(this.payload, work, this.tokens, this.createdAtMillis, this.metadata, this)
    part.redact = redact
    this.delegate = part
    return part
  }

  /** It has ended. Those who wait for it are notified apart, so that its place can be given back before. */
  conclude(exit: Exit.Exit<Data | NormalizedResponse<Data>, Failure | BackendErrorReason>): void {
    const duration = this.clock && Duration.nanos(this.clock.monotonicTimeNanosUnsafe() - this.startedAtNanos)
    this.outcome = Exit.succeed(this)
    if (Exit.isSuccess(exit)) {
      const response = isNormalizedResponse(exit.value) ? exit.value : makeResponse({ data: exit.value })
      // What no attempt was made for was answered without the backend.
      this.execution = this.attempts.length === 0
        ? { status: "skipped", duration: undefined, response }
        : { status: "completed", duration: duration ?? Duration.zero, response }
      return
    }
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    if (error === undefined && Cause.hasDies(exit.cause)) {
      this.execution = { status: "failed", duration, error: this.unanswered("ended by a defect") }
      this.outcome = Exit.die(Cause.squash(exit.cause))
      return
    }
    if (error !== undefined && error._tag !== "TimeoutError" && error._tag !== "PermissionDenied") {
      this.execution = {
        status: "failed",
        duration,
        error: error._tag === "BackendError" ? error : this.failure(error)
      }
      return
    }
    const refusal = this.withdrawal ?? error
    this.execution = refusal instanceof PermissionDenied
      ? { status: "aborted", duration, error: refusal }
      : { status: "cancelled", duration, error: refusal }
    if (refusal !== undefined) this.outcome = Exit.fail(refusal)
  }

  /** Notifies those who wait that it has ended. */
  notify(): void {
    this.delegate = undefined
    this.started = nothingToLeave
    this.waiters.notify()
  }

  /** Is what another calling was when it had settled. */
  restore({ attempts, execution, id }: Settled<Data>): this {
    this.uuid = id
    this.execution = execution
    this.attempts = attempts
    const error = execution.status === "aborted" || execution.status === "cancelled" ? execution.error : undefined
    this.outcome = error === undefined ? Exit.succeed(this) : Exit.fail(error)
    return this
  }

  private failure(reason: BackendErrorReason): BackendError {
    return new BackendError({ reason, callingId: this.id })
  }

  private unanswered(what: string): BackendError {
    return this.failure(new AiError.UnknownError({ description: `There is no response: the calling was ${what}` }))
  }
}

/** The implementation behind a calling. All callings are made here. */
export const implOf = <Data>(calling: Calling<Data>): CallingImpl<Data> => {
  if (calling instanceof CallingImpl) return calling
  throw new TypeError("A calling must be made by createCalling or invoke of a model")
}

/** A calling that has failed before it was begun. */
export const rejected = <Data>(
  reason: BackendErrorReason,
  createdAtMillis: number,
  metadata: Readonly<Record<string, unknown>>
): CallingImpl<Data> => {
  const calling = new CallingImpl<Data>({}, noWork, noTokens, createdAtMillis, metadata)
  calling.conclude(Exit.fail(reason))
  return calling
}

/** A calling that had settled, as it was then. */
export const restored = <Data>(
  { createdAtMillis, metadata, payload, tokens, ...settled }:
    & Pick<CallingImpl<Data>, "payload" | "tokens" | "createdAtMillis" | "metadata">
    & Settled<Data>
): CallingImpl<Data> => new CallingImpl<Data>(payload, noWork, tokens, createdAtMillis, metadata).restore(settled)

/** The work of a calling that has settled when it is made. */
const noWork: Work<never, Payload> = { retry: undefined, operation: undefined, run: () => Effect.never }
const noTokens = { input: 0, output: 0 }
