/** Where circuits are kept in memory. */
import * as Effect from "effect/Effect"
import * as Breaker from "effect/persistence/CircuitBreaker"
import { onMonotonicTime } from "./monotonic.ts"

/** A store in memory for circuits of one owner. A system clock that is set keeps none of them open. */
export const ownStore: Effect.Effect<Breaker.CircuitBreakerStore["Service"]> = Effect.map(
  Effect.provide(Breaker.CircuitBreakerStore, Breaker.layerStoreMemory(), { local: true }),
  (store) => ({
    admit: (key) => onMonotonicTime(store.admit(key)),
    record: (outcome) => onMonotonicTime(store.record(outcome)),
    state: (key) => onMonotonicTime(store.state(key))
  })
)
