/** Calls with the same arguments that run at the same time are one. */
import * as Effect from "effect/Effect"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import { type Calling, type NormalizedResponse, TypeId as CallingTypeId } from "../Calling.ts"
import type { BackendErrorReason } from "../Errors.ts"
import type { Model } from "../iModel.ts"
import type { Backend } from "../ServiceBackend.ts"
import type { CallingImpl } from "./calling.ts"
import { allOf, backendOf } from "./composite.ts"
import { ModelTypeId } from "./identity.ts"

export const make = <Args, Data>(model: Model<Args, Data>): Effect.Effect<Backend<Args, Data>> =>
  Effect.suspend(() => {
    const running = MutableHashMap.empty<Args, Calling<Data>>()

    const join = Effect.fnUntraced(function*(args: Args, outer: CallingImpl<unknown>) {
      const found = outer.sink === undefined ? MutableHashMap.get(running, args) : Option.none()
      const calling = Option.isSome(found) ? found.value : yield* model[ModelTypeId].prepare(args, outer.sink?.take, {
        firstPartTimeout: outer.sink?.firstPartTimeout,
        idleTimeout: outer.sink?.idleTimeout
      })
      if (outer.sink === undefined) MutableHashMap.set(running, args, calling)
      const ended = Effect.sync(() => {
        outer.attempts = calling.attempts
        const isOver = calling[CallingTypeId].isSettled
        if (isOver && Option.contains(MutableHashMap.get(running, args), calling)) MutableHashMap.remove(running, args)
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
