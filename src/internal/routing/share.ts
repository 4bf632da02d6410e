/** Calls with the same arguments that run at the same time are one. */
import * as Effect from "effect/Effect"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import type { Calling, NormalizedResponse } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import type { Backend } from "../../ServiceBackend.ts"
import { type CallingImpl, implOf } from "../calling/lifecycle.ts"
import { allOf, backendOf, passOn } from "./composite.ts"
import { ModelTypeId } from "../util/identity.ts"

export const make = <Args, Data>(model: Model<Args, Data>): Effect.Effect<Backend<Args, Data>> =>
  Effect.suspend(() => {
    const running = MutableHashMap.empty<unknown, Calling<Data>>()

    const join = Effect.fnUntraced(function*(args: Args, outer: CallingImpl<unknown>) {
      const key = copyOf(args)
      const found = outer.sink === undefined ? MutableHashMap.get(running, key) : Option.none()
      const calling = Option.isSome(found) ? found.value : yield* model[ModelTypeId].prepare(args, outer.sink?.take, {
        firstPartTimeout: outer.sink?.firstPartTimeout,
        idleTimeout: outer.sink?.idleTimeout
      })
      const inner = implOf(calling)
      // What one of them has no time for, another may.
      if (Option.isSome(found)) inner.deadlineMillis = later(inner.deadlineMillis, outer.deadlineMillis)
      else passOn(outer, inner, model.name)
      outer.part = inner
      if (outer.sink === undefined) MutableHashMap.set(running, key, calling)
      const ended = Effect.sync(() => {
        outer.addAttempts(calling.attempts)
        const isLast = Option.contains(MutableHashMap.get(running, key), calling)
        if (inner.isSettled && isLast) MutableHashMap.remove(running, key)
      })
      yield* Effect.ensuring(model.invoke(calling), ended)
      return calling
    })

    const run = (
      args: Args,
      outer: CallingImpl<unknown>
    ): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> =>
      Effect.matchEffect(join(args, outer), {
        onFailure: (reason) => Effect.fail(allOf([{ model: model.name, reason }])),
        // The last one who waited for it was leaving when this one came.
        onSuccess: (calling) =>
          calling.execution.status === "cancelled"
            ? run(args, outer)
            : Effect.mapError(calling.response, ({ reason }) => reason)
      })

    return backendOf("share", [model], run)
  })

const later = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : Math.max(one, other)

/** The arguments as they are now: the caller may change what is in them while the call runs. */
const copyOf = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(copyOf) : isPlain(value) ? Record.map(value, copyOf) : value

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && Object.getPrototypeOf(value) === Object.prototype
