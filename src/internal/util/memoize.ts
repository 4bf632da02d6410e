/** Memoized effects and scoped constructors. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"

/** Makes it at the first time of asking; what failed is tried again when it is asked for again. */
export const memoize = <A, E, R>(make: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const lock = Semaphore.makeUnsafe(1)
  let made: { readonly value: A } | undefined
  const remembered = Effect.tap(make, (value) =>
    Effect.sync(() => {
      made = { value }
    }))
  return Effect.suspend(() =>
    made === undefined
      ? lock.withPermit(Effect.suspend(() => made === undefined ? remembered : Effect.succeed(made.value)))
      : Effect.succeed(made.value)
  )
}

/** Makes the whole of it, or leaves nothing: what fails is released then, and not when the scope is closed. */
export const wholly = Effect.fnUntraced(function*<A, E, R>(
  make: Effect.Effect<A, E, R>
): Effect.fn.Return<A, E, Exclude<R, Scope.Scope> | Scope.Scope> {
  const scope = yield* Scope.fork(yield* Effect.scope)
  return yield* Effect.onError(Scope.provide(make, scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
})
