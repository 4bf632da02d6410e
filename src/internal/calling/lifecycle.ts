/**
 * The life of a calling: `pending`, then `processing`, then settled, once. Whoever invokes it joins it; when the last
 * one who joined leaves, it is withdrawn.
 */
import * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Hash from "effect/Hash"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import {
  type Attempt,
  type Calling,
  type Execution,
  isNormalizedResponse,
  makeResponse,
  type NormalizedResponse,
  TypeId
} from "../../Calling.ts"
import { BackendError, type BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { backendFailure } from "../errors/backendReason.ts"
import { uuid } from "../util/identity.ts"
import type { RateLimitReport } from "../http/rateLimitHeaders.ts"
import type { Node } from "../executor/priorityQueue.ts"
import type { Sink } from "./streaming.ts"
import type { Tokens } from "./tokens.ts"
import { measureAttempt, type Operation, traceAttempt } from "./telemetry.ts"

/** Runs callings, and takes back those that nobody waits for any more. */
export interface Runner {
  /** Is told what the provider said of its limits, in its answer to a calling that runs. */
  readonly heard: (calling: CallingImpl<unknown>, said: RateLimitReport) => void
  /** Takes a pending calling, at once. */
  readonly start: (calling: CallingImpl<unknown>) => void
  /** Stops what was started and has not settled: its waiting, or its work. Completes when nothing of it is left. */
  readonly withdraw: (calling: CallingImpl<unknown>) => Effect.Effect<void>
}

/** Why there is no answer. */
export type Failure = TimeoutError | PermissionDenied | BackendError

/** How an invocation ends: with the settled calling, or because it was not permitted, or too late. */
type Outcome<Data> = Exit.Exit<Calling<Data>, TimeoutError | PermissionDenied>

/** What a backend does for a calling. */
export interface Work<out Data, Payload> {
  /** How long to rest before the next attempt, after so many failed ones; `undefined` to give up. */
  readonly retry:
    | ((reason: BackendErrorReason, failures: number, random: number) => Duration.Duration | undefined)
    | undefined
  /** Whether other models do the work, whose attempts it adds to the calling. */
  readonly delegates: boolean
  /** What it is to an observer, if it asks a model. */
  readonly operation: Operation | undefined
  // A method, so that the payload of a calling need not show in its type: a calling passes its own payload, no other.
  run(payload: Payload, calling: Calling): Answer<Data>
}

/** Removes texts from a value. */
type Redact = <A>(value: A) => A

/** Redacts before the attempt is traced, recorded or settled. */
const redactedWork = <Data, P>(work: Work<Data, P>, redact: Redact): Work<Data, P> => ({
  retry: work.retry,
  delegates: work.delegates,
  operation: work.operation,
  run: (payload, calling) =>
    Effect.suspend(() => work.run(payload, calling)).pipe(
      Effect.mapBoth({ onFailure: redact, onSuccess: redact }),
      Effect.catchDefect((defect) => Effect.die(redact(defect)))
    )
})

/** What is asked of a calling by one who can turn to somebody else. */
export interface Terms {
  /** Which of several models makes them. */
  readonly model: string
  /** How many attempts it may make. */
  readonly attempts: number
  /** The longest rest before another one. */
  readonly patience: Duration.Duration | undefined
}

type Answer<Data> = Effect.Effect<Data | NormalizedResponse<Data>, BackendError | BackendErrorReason>

type Payload = Readonly<Record<string, unknown>>

interface Waiter {
  readonly notify: () => void
  next: Waiter | undefined
}

const pending: Execution.Pending = { status: "pending", duration: undefined }
const processing: Execution.Processing = { status: "processing", duration: undefined }

export class CallingImpl<out Data, out P extends Payload = Payload> extends Inspectable.Class implements Calling<Data> {
  readonly payload: P
  readonly metadata: Readonly<Record<string, unknown>>
  readonly tokens: Tokens
  readonly createdAtMillis: number
  execution: Execution<Data> = pending
  attempts: ReadonlyArray<Attempt> = none
  /** Its place in line. */
  priority = 0
  key: string | undefined = undefined
  arrivedAt = 0
  node: Node<CallingImpl<unknown>> | undefined = undefined
  /** How often it was denied. */
  denials = 0
  /** Who reads its answer while it comes. */
  sink: Sink | undefined = undefined
  terms: Terms | undefined = undefined
  /** The last one that asked for this one: the backend, where hooks stand around this one, or one of several models. */
  part: CallingImpl<unknown> | undefined = undefined
  /** The one that asks for the same, and takes too long. */
  twin: CallingImpl<unknown> | undefined = undefined
  /** When it must have settled. */
  deadlineMillis: number | undefined = undefined
  /** Of the fiber that invoked it first: the work runs with the references and the parent span of that fiber. */
  context: Context.Context<never> = Context.empty()
  private readonly work: Work<Data, P>
  private uuid: string | undefined = undefined
  /** The calling that hooks stand around, for which this one asks the backend. */
  private whole: CallingImpl<unknown> | undefined = undefined
  /** Removes what hooks redact from the answer and the error of each attempt. */
  private redact: Redact | undefined = undefined
  private passing = false
  private runner: Runner | undefined = undefined
  private fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  private startedAtNanos: bigint | undefined = undefined
  private withdrawn = false
  /** Why it is withdrawn, when that is not the interruption of those who wait for it. */
  private withdrawal: TimeoutError | PermissionDenied | undefined = undefined
  private outcome: Outcome<Data> | undefined = undefined
  /** A list, the last one who came first. Mostly there is one. */
  private waiters: Waiter | undefined = undefined

  constructor(
    payload: P,
    work: Work<Data, P>,
    tokens: Tokens,
    createdAtMillis: number,
    metadata: Readonly<Record<string, unknown>>
  ) {
    super()
    this.payload = payload
    this.work = work
    this.tokens = tokens
    this.createdAtMillis = createdAtMillis
    this.metadata = metadata
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
      this.outcome === undefined ? Effect.flatMap(Effect.exit(this.wait), () => this.answer) : this.answer
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

  /** Starts the calling if nobody has, and waits until it has settled. */
  join(runner: Runner): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> {
    return Effect.withFiber((fiber) => {
      if (this.runner === undefined && this.outcome === undefined) {
        this.runner = runner
        this.context = fiber.context
        runner.start(this)
      }
      return this.outcome ?? this.wait
    })
  }

  /** Joins, and leaves again with a `TimeoutError` when that takes longer than the limit. */
  joinWithin(runner: Runner, limit: Duration.Duration): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> {
    const expire = Effect.suspend(() => {
      const error = new TimeoutError({ phase: this.phase, limit, callingId: this.id })
      if (this.waiters?.next === undefined) this.withdrawal = error
      return Effect.fail(error)
    })
    const join = Effect.clockWith((clock) => {
      if (this.runner === undefined) {
        const deadline = clock.currentTimeMillisUnsafe() + Duration.toMillis(limit)
        this.deadlineMillis = Math.min(deadline, this.deadlineMillis ?? deadline)
      }
      return this.join(runner)
    })
    // The error is made before the loser of the race is interrupted, and so becomes what the calling is withdrawn for.
    // @effect-diagnostics-next-line raceFirstWithSleepToTimeout:off
    return Effect.raceFirst(join, Effect.delay(expire, limit))
  }

  private get phase(): TimeoutError["phase"] {
    if (this.part !== undefined && !this.part.isSettled) return this.part.phase
    return this.passing ? "hook" : this.execution.status === "pending" ? "queue" : "invocation"
  }

  private get wait(): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied> {
    return Effect.callback((resume) => {
      const waiter: Waiter = {
        notify: () => {
          if (this.outcome !== undefined) resume(this.outcome)
        },
        next: this.waiters
      }
      this.waiters = waiter
      return Effect.suspend(() => this.leave(waiter))
    })
  }

  private leave(waiter: Waiter): Effect.Effect<void> {
    if (this.outcome !== undefined) return Effect.void
    this.waiters = without(this.waiters, waiter)
    return this.waiters === undefined && this.runner !== undefined ? this.runner.withdraw(this) : Effect.void
  }

  private get answer(): Effect.Effect<NormalizedResponse<Data>, BackendError> {
    const execution = this.execution
    if (execution.status === "completed" || execution.status === "skipped") return Effect.succeed(execution.response)
    return Effect.fail(execution.status === "failed" ? execution.error : this.unanswered(execution.status))
  }

  // ---------------------------------------------------------------------------
  // For those who run it
  // ---------------------------------------------------------------------------

  /** Runs the work on a fiber of its own, once; `onExit` is told how that ended. */
  run(onExit: (exit: Exit.Exit<unknown, BackendErrorReason>, retry: Duration.Duration | undefined) => void): void {
    const clock = Context.get(this.context, Clock.Clock)
    const startedAt = clock.currentTimeMillisUnsafe()
    const startedAtNanos = clock.monotonicTimeNanosUnsafe()
    this.begin(startedAtNanos)
    const work = this.onFiber(() => Effect.mapError(this.work.run(this.payload, this), backendFailure))
    const fiber = Effect.runForkWith(this.context)(
      traceAttempt(
        work,
        this.context,
        this.work.operation,
        this.payload,
        () => ({ "imodel.calling.id": this.id, "imodel.attempt": this.attempts.length + 1 })
      )
    )
    fiber.addObserver((ended) => {
      const exit = Exit.isSuccess(ended) && !isReadable(ended.value) ? Exit.die(unreadable) : ended
      const answer = Exit.mapError(exit, (error) => error._tag === "BackendError" ? error.reason : error)
      const durationNanos = clock.monotonicTimeNanosUnsafe() - startedAtNanos
      measureAttempt(this.work.operation, this.payload, answer, durationNanos, this.context)
      // A backend that calls other models adds their attempts itself.
      if (!this.work.delegates) this.addAttempts([attemptOf(this.terms?.model, answer, startedAt, durationNanos)])
      const retry = Result.try(() => this.retryAfter(answer))
      if (Result.isFailure(retry)) this.conclude(Exit.die(retry.failure))
      else if (retry.success === undefined) this.conclude(exit)
      onExit(answer, Result.getOrUndefined(retry))
    })
  }

  /** The work may call for its own interruption, in what it does before it first waits. */
  private onFiber<A, E>(work: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    return Effect.withFiber((fiber) => {
      this.fiber = fiber
      return work()
    })
  }

  private begin(atNanos: bigint): void {
    this.startedAtNanos ??= atNanos
    this.execution = processing
    this.whole?.begin(atNanos)
  }

  /** Adds attempts, also to the calling on whose behalf this one runs. */
  addAttempts(attempts: ReadonlyArray<Attempt>): void {
    const added = this.redact?.(attempts) ?? attempts
    this.attempts = [...this.attempts, ...added]
    this.whole?.addAttempts(added)
  }

  /** Whether its work was started, at least once. */
  get hasBegun(): boolean {
    return this.startedAtNanos !== undefined
  }

  /** Runs, on a fiber of its own, what hooks make of it; `onExit` is told when that has ended. */
  pass(way: Effect.Effect<NormalizedResponse<Data>, Failure>, onExit: () => void): void {
    this.passing = true
    const fiber = Effect.runForkWith(this.context)(this.onFiber(() => way))
    fiber.addObserver((exit) => {
      this.conclude(exit)
      onExit()
      this.settle()
    })
  }

  /** One that asks the backend on behalf of this one, to be admitted and run by itself. */
  asking(sink: Sink | undefined, redact?: Redact): CallingImpl<Data, P> {
    const work = redact === undefined ? this.work : redactedWork(this.work, redact)
    const part = new CallingImpl(this.payload, work, this.tokens, this.createdAtMillis, this.metadata)
    part.whole = this
    part.redact = redact
    part.sink = sink
    part.terms = this.terms
    part.deadlineMillis = this.deadlineMillis
    part.twin = this.twin
    this.part = part
    return part
  }

  /** Does nothing for a while; `onExit` is told whether it was let. */
  rest(duration: Duration.Duration, onExit: (exit: Exit.Exit<void>) => void): void {
    const fiber = Effect.runForkWith(this.context)(Effect.sleep(duration))
    this.fiber = fiber
    fiber.addObserver(onExit)
  }

  /** Tells what the provider said of its limits. */
  hear(said: RateLimitReport): void {
    this.runner?.heard(this, said)
  }

  private retryAfter(exit: Exit.Exit<unknown, BackendErrorReason>): Duration.Duration | undefined {
    if (Exit.isSuccess(exit) || this.work.retry === undefined || this.withdrawn || this.sink?.begun) {
      return undefined
    }
    const reason = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    const random = Context.get(this.context, Random.Random).nextDoubleUnsafe()
    const rest = reason && this.work.retry(reason, this.attempts.length, random)
    return rest === undefined || this.terms === undefined || this.allows(this.terms, rest) ? rest : undefined
  }

  /** Whether another attempt may be made after this rest. */
  private allows({ attempts, patience }: Terms, rest: Duration.Duration): boolean {
    const now = Context.get(this.context, Clock.Clock).currentTimeMillisUnsafe()
    return this.attempts.length < attempts &&
      (patience === undefined || Duration.isLessThanOrEqualTo(rest, patience)) &&
      (this.deadlineMillis === undefined || now + Duration.toMillis(rest) < this.deadlineMillis)
  }

  /** Ends the work that runs, and waits until it has ended. */
  interrupt(reason?: TimeoutError | PermissionDenied): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.withdrawn = true
      this.withdrawal ??= reason
      return this.fiber === undefined ? Effect.void : Fiber.interrupt(this.fiber)
    })
  }

  /** Ends a calling that does not run: it is not permitted to, or nobody waits for it any more. */
  abandon(reason?: TimeoutError | PermissionDenied): void {
    this.withdrawal ??= reason
    this.conclude(Exit.interrupt())
  }

  /** Settles a calling that nobody has started, in place of starting it. */
  refuse(reason: BackendErrorReason): void {
    if (this.runner !== undefined || this.outcome !== undefined) return
    this.reject(reason)
    this.settle()
  }

  /** Settles a calling that cannot begin: it asks for something wrong. */
  reject(reason: BackendErrorReason): this {
    this.conclude(Exit.fail(reason))
    return this
  }

  private conclude(exit: Exit.Exit<Data | NormalizedResponse<Data>, Failure | BackendErrorReason>) {
    const duration = this.startedAtNanos === undefined
      ? undefined
      : Duration.nanos(Context.get(this.context, Clock.Clock).monotonicTimeNanosUnsafe() - this.startedAtNanos)
    this.outcome = Exit.succeed(this)
    if (Exit.isSuccess(exit)) {
      const response = isNormalizedResponse(exit.value) ? exit.value : makeResponse({ data: exit.value })
      this.execution = (this.passing || this.work.delegates) && this.attempts.length === 0
        ? { status: "skipped", duration: undefined, response }
        : { status: "completed", duration: duration ?? Duration.zero, response }
      return
    }
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    if (error?._tag === "TimeoutError" || error?._tag === "PermissionDenied") {
      this.withdrawal ??= error
    } else if (error !== undefined) {
      this.execution = {
        status: "failed",
        duration,
        error: error._tag === "BackendError" ? error : this.failure(error)
      }
      return
    } else if (Cause.hasDies(exit.cause)) {
      this.execution = { status: "failed", duration, error: this.unanswered("ended by a defect") }
      this.outcome = Exit.die(Cause.squash(exit.cause))
      return
    }
    if (this.withdrawal instanceof PermissionDenied) {
      this.execution = { status: "aborted", duration, error: this.withdrawal }
      this.outcome = Exit.fail(this.withdrawal)
    } else {
      this.execution = { status: "cancelled", duration, error: this.withdrawal }
      this.outcome = this.withdrawal === undefined ? Exit.succeed(this) : Exit.fail(this.withdrawal)
    }
  }

  private failure(reason: BackendErrorReason): BackendError {
    return new BackendError({ reason, callingId: this.id })
  }

  private unanswered(what: string): BackendError {
    return this.failure(new AiError.UnknownError({ description: `There is no response: the calling was ${what}` }))
  }

  /** Is what another calling was when it had settled. */
  restore(id: string, execution: Execution<Data>, attempts: ReadonlyArray<Attempt>): this {
    this.uuid = id
    this.execution = execution
    this.attempts = attempts
    const error = execution.status === "aborted" || execution.status === "cancelled" ? execution.error : undefined
    this.outcome = error === undefined ? Exit.succeed(this) : Exit.fail(error)
    return this
  }

  /** Tells those who wait that it has ended. */
  settle(): void {
    this.fiber = undefined
    this.part = undefined
    this.context = Context.empty()
    let waiter = reverse(this.waiters)
    this.waiters = undefined
    for (; waiter !== undefined; waiter = waiter.next) waiter.notify()
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
): CallingImpl<Data> => new CallingImpl<Data>({}, unstarted, noTokens, createdAtMillis, metadata).reject(reason)

const unstarted: Work<never, Readonly<Record<string, unknown>>> = {
  run: () => Effect.never,
  delegates: false,
  retry: undefined,
  operation: undefined
}
const noTokens = { input: 0, output: 0 }

const none: ReadonlyArray<Attempt> = []

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

const attemptOf = (
  model: string | undefined,
  exit: Exit.Exit<unknown, BackendErrorReason>,
  startedAtMillis: number,
  durationNanos: bigint
): Attempt => {
  const failed = Exit.isFailure(exit)
  return {
    model,
    startedAt: DateTime.makeUnsafe(startedAtMillis),
    duration: Duration.nanos(durationNanos),
    outcome: !failed ? "completed" : Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "failed",
    reason: failed ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined,
    usage: !failed && isNormalizedResponse(exit.value) ? exit.value.usage : undefined
  }
}

const without = (waiters: Waiter | undefined, leaving: Waiter): Waiter | undefined => {
  if (waiters === leaving) return leaving.next
  for (let waiter = waiters; waiter !== undefined; waiter = waiter.next) {
    if (waiter.next === leaving) waiter.next = leaving.next
  }
  return waiters
}

const reverse = (waiters: Waiter | undefined): Waiter | undefined => {
  let reversed: Waiter | undefined = undefined
  for (let waiter = waiters; waiter !== undefined;) {
    const { next } = waiter
    waiter.next = reversed
    reversed = waiter
    waiter = next
  }
  return reversed
}
