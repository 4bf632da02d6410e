/** Failover: tries models in order, bounds the time and attempts of each, and skips those that failed recently. */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Breaker from "effect/persistence/CircuitBreaker"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type { Calling, StreamPart } from "../../Calling.ts"
import { CircuitOpen, StreamInterrupted, TimeoutError } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import type { CommonOptions } from "./options.ts"
import type { Backend } from "../../ServiceBackend.ts"
import type { Attempt } from "../calling/work.ts"
import { allOf, ask, backendOf, type Failed, isBackendReason, type Reason } from "./composite.ts"
import { healthOf } from "../errors/health.ts"
import { ownStore } from "../util/breakerStore.ts"
import { ModelTypeId } from "../util/identity.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import { positiveDuration, positiveInteger } from "../util/options.ts"
import { requestedDelayOf } from "../errors/requestedDelay.ts"

/** A model, and its callings that are queued or running. */
export interface Route<in Args, out Data> {
  readonly key: string
  readonly model: Model<Args, Data>
  /** Each with how it leaves the queue of this model. */
  readonly callings: Map<Calling, Effect.Effect<unknown>>
  /** Time of the last answer, or first part, since its circuit was opened. */
  answeredAt: number | undefined
}

export const routesOf = <Args, Data>(
  models: Arr.NonEmptyReadonlyArray<Model<Args, Data>>
): Arr.NonEmptyReadonlyArray<Route<Args, Data>> =>
  Arr.map(models, (model, i) => ({ key: String(i), model, callings: new Map(), answeredAt: undefined }))

/** The failure of one model. */
interface Failure {
  readonly _tag: "Failure"
  readonly reason: Reason
  /** Whether parts of its answer were received. */
  readonly begun: boolean
  /** Whether the model answered other calls meanwhile. */
  readonly answersOthers: boolean
}

/** Default `firstPartTimeout` of a stream while another model can be tried. */
const firstPartTimeout = Duration.seconds(10)

/** Default `answerTimeout`, in milliseconds. */
const longestMillis = 120_000

const never = Number.POSITIVE_INFINITY

const now = Effect.clockWith((clock) => Effect.succeed(monotonicMillis(clock)))

/** Makes a backend that tries the routes in an order computed for each call. */
export const make = Effect.fnUntraced(function*<Args, Data>(
  provider: string,
  routes: Arr.NonEmptyReadonlyArray<Route<Args, Data>>,
  order: (attempt: Attempt) => Effect.Effect<ReadonlyArray<Route<Args, Data>>>,
  options: CommonOptions
): Effect.fn.Return<Backend<Args, Data>, Cause.IllegalArgumentError> {
  const attempts = yield* positiveInteger("attempts", options.attempts ?? 3)
  const patience = yield* positiveDuration("patience", options.patience ?? Duration.seconds(10))
  const cooldown = yield* positiveDuration("cooldown", options.cooldown ?? Duration.seconds(10))
  const answerTimeout = options.answerTimeout === undefined
    ? undefined
    : yield* positiveDuration("answerTimeout", options.answerTimeout)
  const buffered = options.restart ?? false
  const breaker = yield* Breaker.make({ tripPolicy: Breaker.consecutive(1), openDuration: cooldown }).pipe(
    Effect.provideServiceEffect(Breaker.CircuitBreakerStore, ownStore),
    // It holds no resources.
    Effect.provideService(Scope.Scope, yield* Scope.make())
  )

  /** Calls one model. If others follow, it has less time and shorter backoff. */
  const askRoute = Effect.fnUntraced(function*(
    route: Route<Args, Data>,
    args: Args,
    whole: Attempt,
    { allowed, limit, next }: { readonly allowed: number; readonly limit: number | undefined; readonly next: boolean }
  ) {
    const { model } = route
    const { sink } = whole
    const held: Array<StreamPart> = []
    let begun = false
    let text = ""
    const noteAnswer = Effect.map(now, (millis) => {
      route.answeredAt = millis
    })
    const take = sink && Effect.fnUntraced(function*(parts: Arr.NonEmptyReadonlyArray<StreamPart>) {
      if (!begun) yield* noteAnswer
      begun = true
      for (const part of parts) if (part.type === "text-delta") text += part.delta
      if (buffered) return held.push(...parts)
      sink.begun = true
      return yield* sink.take(parts)
    })
    const calling = yield* Effect.mapError(
      model[ModelTypeId].create(args),
      // A hook of the model rejected it.
      (reason): Failure => ({ _tag: "Failure", reason, begun, answersOthers: false })
    )
    const policy = {
      model: model.name,
      attempts: Math.min(allowed, whole.policy?.attempts ?? allowed),
      patience: shorter(next ? patience : undefined, whole.policy?.patience)
    }
    const startedAt = yield* now
    const inner = take && model[ModelTypeId].makeSink(take, sink)
    if (inner !== undefined) {
      if (next) inner.firstPartTimeout ??= firstPartTimeout
      // Parts that are held back count as not begun.
      if (buffered && limit !== undefined) inner.idleTimeout = shorter(inner.idleTimeout, Duration.millis(limit))
    }

    const failure = (reason: Reason): Failure => ({
      _tag: "Failure",
      // The timeout of the model itself.
      reason: begun && reason._tag === "TimeoutError"
        ? new StreamInterrupted({ description: reason.message, text })
        : reason,
      begun,
      answersOthers: !begun && route.answeredAt !== undefined && route.answeredAt >= startedAt
    })
    const submission = {
      sink: inner,
      policy,
      repair: whole.repair,
      deadline: {
        get millis() {
          return Math.min(startedAt + (limit ?? never), whole.deadline.millis)
        }
      },
      peer: undefined
    }
    const answered = Effect.flatMap(ask(model, calling, submission, whole), ({ response }) => response).pipe(
      Effect.mapError((error) => failure(error._tag === "BackendError" ? error.reason : error))
    )
    const left = yield* Deferred.make<never, Failure>()
    const late = Effect.suspend(() => {
      if (begun || limit === undefined) return Effect.never
      const phase = calling.execution.status === "pending" ? "queue" : "invocation"
      return Effect.fail(failure(new TimeoutError({ phase, limit: Duration.millis(limit), callingId: calling.id })))
    })
    route.callings.set(calling, Deferred.fail(left, failure(leftAlone(model.name))))
    const response = yield* Effect.raceAllFirst([
      answered,
      ...(next ? [Deferred.await(left)] : []),
      ...(limit === undefined ? [] : [Effect.delay(late, limit)])
    ]).pipe(
      Effect.ensuring(Effect.sync(() => {
        route.callings.delete(calling)
      }))
    )
    yield* noteAnswer
    if (sink !== undefined && Arr.isArrayNonEmpty(held)) {
      sink.begun = true
      yield* sink.take(held)
    }
    return {
      ...response,
      metadata: { model: model.name, ...response.metadata, attempts: whole.calling.attempts.length }
    }
  })

  /** Moves callings that are queued at a model to the next one. */
  const dismiss = ({ callings }: Route<Args, Data>) =>
    Effect.forEach(callings, ([{ execution }, leave]) => execution.status === "pending" ? leave : Effect.void, {
      discard: true
    })

  /** The models in the order to try them. Models in cooldown come last: they are tried if all others fail. */
  const standing = Effect.fnUntraced(function*(whole: Attempt) {
    const all = yield* Effect.forEach(
      yield* order(whole),
      (route) => Effect.map(Effect.orDie(breaker.state(route.key)), (state) => standingOf(route, state))
    )
    return [...all.filter(({ rests }) => !rests), ...all.filter(({ rests }) => rests)]
  })

  const run = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
    const failures: Array<Failed> = []
    const hasOthers = whole.policy?.patience !== undefined
    // The window of a model that the call names is unknown.
    const namesModel = Predicate.hasProperty(args, "model") && args.model !== undefined
    let waiting = yield* standing(whole)
    for (let asked = waiting.shift(); asked !== undefined; asked = waiting.shift()) {
      const { isBack, isTried, rests, route } = asked
      if (rests !== undefined && hasOthers) {
        failures.push({ model: route.model.name, reason: rests })
        continue
      }
      const next = waiting.some((other) => rests !== undefined || other.rests === undefined)
      const asking = askRoute(route, args, whole, {
        allowed: isTried ? 1 : attempts,
        limit: limitOf(whole, waiting.length, next, yield* now),
        next
      })
      const result = yield* Effect.result(
        rests !== undefined || isBack ? asking : breaker.execute(asking, { key: route.key, classify: coolingOfExit })
      )
      if (Result.isSuccess(result)) return result.success
      if (result.failure._tag === "CircuitBreakerError") {
        waiting.push({ route, isBack: false, isTried: true, rests: leftAlone(route.model.name) })
        continue
      }
      const { begun, reason } = result.failure
      if (coolingOf(result.failure)._tag === "Failure") {
        route.answeredAt = undefined
        yield* dismiss(route)
      }
      const window = namesModel ? undefined : exceededBy(reason, route.model.contextWindow)
      if (window !== undefined) waiting = waiting.filter((other) => !isWithin(window, other.route.model.contextWindow))
      const stops = (begun && !buffered) || isFinal(reason, failures.every(wasPassedOver))
      failures.push({ model: route.model.name, reason })
      if (stops && isBackendReason(reason)) return yield* reason
      if (stops) break
    }
    return yield* allOf(failures)
  })

  /**
   * Milliseconds for one model to answer, or to send its first part: its share of the remaining time of the call. The last
   * model that is not in cooldown has all of it.
   */
  const limitOf = (
    { deadline }: Attempt,
    others: number,
    next: boolean,
    now: number
  ): number | undefined => {
    if (next && answerTimeout !== undefined) return Duration.toMillis(answerTimeout)
    const most = next ? longestMillis : never
    const share = others === 0 || deadline.millis === never ? most : (deadline.millis - now) / (others + 1)
    const limit = Math.min(most, share)
    return Number.isFinite(limit) ? Math.ceil(limit) : undefined
  }

  return yield* backendOf(provider, Arr.map(routes, ({ model }) => model), run)
})

/** The state of a model: whether it is in cooldown, and whether the next call is a trial. */
const standingOf = <Args, Data>(route: Route<Args, Data>, state: Breaker.State) => {
  const { answeredAt, model } = route
  const isTrying = state._tag === "HalfOpen" && state.probing
  // The trial call may run to the end of its answer.
  const isBack = isTrying && answeredAt !== undefined
  const rests = state._tag === "Open" && Duration.isPositive(state.retryAfter)
    ? leftAlone(model.name, state.retryAfter)
    : isTrying && !isBack
    ? leftAlone(model.name)
    : undefined
  return { route, isBack, isTried: state._tag !== "Closed" && !isBack, rests }
}

const shorter = (
  one: Duration.Duration | undefined,
  other: Duration.Duration | undefined
): Duration.Duration | undefined => one === undefined || other === undefined ? one ?? other : Duration.min(one, other)

const leftAlone = (circuit: string, retryAfter?: Duration.Duration): CircuitOpen =>
  new CircuitOpen({ circuit, ...(retryAfter !== undefined && { retryAfter }) })

/** Whether the reason is about the request, so that other models would give the same one. */
const isFinal = (reason: Reason, isFirst: boolean): boolean => {
  switch (reason._tag) {
    case "ContentPolicyError":
      return true
    case "StreamInterrupted":
      return reason.reason?._tag === "ContentPolicyError"
    // A refusal after another model failed may be about the model.
    case "InvalidRequestError":
      return isFirst && reason.parameter !== "model"
    default:
      return false
  }
}

const wasPassedOver = ({ reason }: Failed): boolean => reason._tag === "Unsupported"

/** The context window that the request exceeds, as reported or as known. */
const exceededBy = (reason: Reason, known: number | undefined): number | undefined =>
  reason._tag === "ContextLengthExceeded" ? reason.contextWindow ?? known : undefined

const isWithin = (window: number, other: number | undefined): boolean => other !== undefined && other <= window

/** Whether a failure starts the cooldown of its model. It does not while the model answers other calls. */
const coolingOf = ({ answersOthers, begun, reason }: Failure): Breaker.Outcome => {
  const unlessItAnswers = answersOthers ? Breaker.ignored : Breaker.failure()
  switch (reason._tag) {
    case "RateLimitError":
      return restingFor(requestedDelayOf(reason)) ?? unlessItAnswers
    case "InternalProviderError":
      return restingFor(requestedDelayOf(reason)) ?? unlessItAnswers
    case "QuotaExhaustedError":
      return Breaker.failure()
    case "TimeoutError":
      return reason.phase === "invocation" ? unlessItAnswers : Breaker.ignored
    case "AllFailed":
    case "PermissionDenied":
      return Breaker.ignored
    // A broken answer says little of the model; silence does.
    case "StreamInterrupted":
      return begun ? Breaker.ignored : unlessItAnswers
    default: {
      const health = healthOf(reason)
      if (health === "well") return Breaker.success
      return health === "unwell" ? unlessItAnswers : Breaker.ignored
    }
  }
}

const restingFor = (retryAfter: Duration.Duration | undefined) => retryAfter && Breaker.failure({ retryAfter })

const coolingOfExit = (exit: Exit.Exit<unknown, Failure>): Breaker.Outcome => {
  if (exit._tag === "Success") return Breaker.success
  const failure = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return failure === undefined ? Breaker.ignored : coolingOf(failure)
}
