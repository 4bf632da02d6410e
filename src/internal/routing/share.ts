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
import { implOf } from "../calling/lifecycle.ts"
import type { Submission } from "../calling/submission.ts"
import type { Attempt } from "../calling/work.ts"
import { allOf, ask, backendOf, passedOn } from "./composite.ts"
import { ModelTypeId } from "../util/identity.ts"

export const make = <Args, Data>(model: Model<Args, Data>): Effect.Effect<Backend<Args, Data>> =>
  Effect.suspend(() => {
    const running = MutableHashMap.empty<unknown, Shared<Data>>()

    const start = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
      const calling = yield* model[ModelTypeId].create(args)
      const sink = whole.sink && model[ModelTypeId].makeSink(whole.sink.take, whole.sink)
      return { calling, submission: { ...passedOn(whole, model.name), sink } }
    })

    const join = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
      const key = copyOf(args)
      const found = whole.sink === undefined ? MutableHashMap.get(running, key) : Option.none()
      const shared = Option.isSome(found) ? found.value : yield* start(args, whole)
      const { calling, submission } = shared
      // What one of them has no time for, another may.
      submission.deadlineMillis = Math.max(submission.deadlineMillis, whole.deadlineMillis)
      if (whole.sink === undefined) MutableHashMap.set(running, key, shared)
      const ended = Effect.sync(() => {
        const isLast = Option.contains(MutableHashMap.get(running, key), shared)
        if (implOf(calling).isSettled && isLast) MutableHashMap.remove(running, key)
      })
      yield* Effect.ensuring(ask(model, calling, submission, whole), ended)
      return calling
    })

    const run = (args: Args, whole: Attempt): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> =>
      Effect.matchEffect(join(args, whole), {
        onFailure: (reason) => Effect.fail(allOf([{ model: model.name, reason }])),
        // The last one who waited for it was leaving when this one came.
        onSuccess: (calling) =>
          calling.execution.status === "cancelled"
            ? run(args, whole)
            : Effect.mapError(calling.response, ({ reason }) => reason)
      })

    return backendOf("share", [model], run)
  })

/** A calling that several wait for, until the latest of their deadlines. */
interface Shared<out Data> {
  readonly calling: Calling<Data>
  readonly submission: Submission & { deadlineMillis: number }
}

/** The arguments as they are now: the caller may change what is in them while the call runs. */
const copyOf = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(copyOf) : isPlain(value) ? Record.map(value, copyOf) : value

const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && Object.getPrototypeOf(value) === Object.prototype
