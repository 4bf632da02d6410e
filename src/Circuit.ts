/**
 * Stops sending calls to a backend that is down: Effect's `CircuitBreaker`, which opens after failures of the provider.
 *
 * These failures count against the provider: no connection, a status of the 500s, an invalid answer, an answer that breaks off, a
 * stream that is silent for too long (`firstPartTimeout`, `idleTimeout`). A refused call (400, 401, 429) does not count, nor does an
 * interrupted one, such as by its own `timeout`.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Breaker from "effect/persistence/CircuitBreaker"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import { type BackendError, type BackendErrorReason, CircuitOpen } from "./Errors.ts"
import { healthOf } from "./internal/errors/health.ts"
import { ownStore } from "./internal/util/breakerStore.ts"
import { positiveDuration, positiveInteger } from "./internal/util/options.ts"

// -----------------------------------------------------------------------------
// Models
// -----------------------------------------------------------------------------

/**
 * The circuit breaker of a backend: closed while calls run, open after too many failures. After `openFor` it is half-open, and a
 * single trial call decides.
 *
 * @category models
 * @since 0.1.0
 */
export interface Circuit {
  readonly name: string
  readonly state: Effect.Effect<Breaker.State, Breaker.CircuitBreakerError>
  /** Transitions caused by this process, from now on. */
  readonly transitions: Stream.Stream<Breaker.Transition>
  /** The reason why a call would be refused now, or `undefined`. */
  readonly refusal: Effect.Effect<CircuitOpen | undefined>
  /** Runs an attempt and records its outcome. Fails with `CircuitOpen` while the circuit is open. */
  readonly attempt: <A>(
    attempt: Effect.Effect<A, BackendError | BackendErrorReason>
  ) => Effect.Effect<A, BackendError | BackendErrorReason>
}

/**
 * The options of a circuit breaker.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Number of consecutive failed attempts that open the circuit. @default 5 */
  readonly failures?: number | undefined
  /** Time until a trial call, which closes the circuit or opens it again. @default 15 seconds */
  readonly openFor?: Duration.Input | undefined
}

// -----------------------------------------------------------------------------
// Constructors
// -----------------------------------------------------------------------------

/**
 * Makes a circuit breaker. With Effect's `CircuitBreakerStore` in context, such as the one on Redis, circuits with the same name are
 * shared by all processes. Without one, the circuit is in memory and private. While the store fails, all calls run.
 *
 * Fails with `IllegalArgumentError` for an invalid option.
 *
 * Its metrics are `imodel_circuit_open` (1 while it is open, 0.5 while it is tried, 0 while it is closed) and
 * `imodel_circuit_transitions`, by the attribute `circuit`.
 *
 * **Example** (A custom backend)
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { AiError } from "effect/ai"
 * import { Circuit, ServiceBackend } from "effect-imodel"
 *
 * const backend = Effect.gen(function*() {
 *   return yield* ServiceBackend.make({
 *     provider: "local",
 *     name: "moody",
 *     request: Schema.Struct({ text: Schema.String }),
 *     call: ({ text }) => text === "" ? new AiError.InternalProviderError({ description: "not today" }) : Effect.succeed(text),
 *     circuit: yield* Circuit.make("moody", { failures: 3, openFor: "1 minute" })
 *   })
 * })
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function*(
  name: string,
  options: Options = {}
): Effect.fn.Return<Circuit, Cause.IllegalArgumentError> {
  const failures = yield* positiveInteger("failures", options.failures ?? 5)
  const openFor = yield* positiveDuration("openFor", options.openFor ?? Duration.seconds(15))
  const shared = yield* Effect.serviceOption(Breaker.CircuitBreakerStore)
  const store = observed(Option.isSome(shared) ? shared.value : yield* ownStore)
  const breaker = yield* Breaker.make({ tripPolicy: Breaker.consecutive(failures), openDuration: openFor }).pipe(
    Effect.provideService(Breaker.CircuitBreakerStore, store),
    // It holds nothing that would have to be closed.
    Effect.provideService(Scope.Scope, yield* Scope.make())
  )
  const open = (retryAfter?: Duration.Duration) =>
    new CircuitOpen({ circuit: name, ...(retryAfter !== undefined && { retryAfter }) })
  return {
    name,
    state: breaker.state(name),
    transitions: breaker.transitions,
    refusal: Effect.match(breaker.state(name), {
      onFailure: () => undefined,
      onSuccess: (state) => {
        switch (state._tag) {
          case "Open":
            return Duration.isPositive(state.retryAfter) ? open(state.retryAfter) : undefined
          case "HalfOpen":
            return state.probing ? open() : undefined
          case "Closed":
            return undefined
        }
      }
    }),
    attempt: (attempt) =>
      breaker.execute(attempt, { key: name, classify: outcomeOf }).pipe(
        Effect.catchTag("CircuitBreakerError", ({ reason }) =>
          open(reason._tag === "CircuitOpen" ? reason.retryAfter : undefined))
      )
  }
})

const outcomeOf = (exit: Exit.Exit<unknown, BackendError | BackendErrorReason>): Breaker.Outcome => {
  if (exit._tag === "Success") return Breaker.success
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error === undefined) return Breaker.ignored
  switch (healthOf(error._tag === "BackendError" ? error.reason : error)) {
    case "well":
      return Breaker.success
    case "unwell":
      return Breaker.failure()
    case "unknown":
      return Breaker.ignored
  }
}

// -----------------------------------------------------------------------------
// Metrics
// -----------------------------------------------------------------------------

type Store = Breaker.CircuitBreakerStore["Service"]

/** The store, with what it does seen in the metrics at once. */
const observed = (store: Store): Store => ({
  admit: (key) => Effect.tap(store.admit(key), ({ transition }) => note(transition)),
  record: (outcome) => Effect.tap(store.record(outcome), note),
  state: store.state
})

const note = (transition: Breaker.Transition | undefined): Effect.Effect<void> => {
  if (transition === undefined) return Effect.void
  const { from, key: circuit, to } = transition
  return Effect.andThen(
    Metric.update(Metric.withAttributes(total, { circuit, from, to }), 1),
    Metric.update(Metric.withAttributes(standing, { circuit }), levels[to])
  )
}

const total = Metric.counter("imodel_circuit_transitions", {
  description: "How often the circuit of a backend opened, was tried and closed",
  incremental: true
})

const standing = Metric.gauge("imodel_circuit_open", {
  description: "Whether the circuit of a backend is open (1), tried (0.5) or closed (0)"
})

const levels = { Closed: 0, HalfOpen: 0.5, Open: 1 }
