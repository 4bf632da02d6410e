/** Calls several models at once; the first answer wins. */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { NormalizedResponse, StreamPart } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import type { Backend } from "../../ServiceBackend.ts"
import type { Attempt } from "../calling/work.ts"
import { ModelTypeId } from "../util/identity.ts"
import { allOf, ask, backendOf, type Failed, passedOn } from "./composite.ts"
import { checkModels } from "./options.ts"

export const make = <Args, Data>(
  models: Arr.NonEmptyReadonlyArray<Model<Args, Data>>
): Effect.Effect<Backend<Args, Data>, Cause.IllegalArgumentError> => {
  const run = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
    const { sink } = whole
    const failed: Array<Failed> = []
    // The model whose stream began first; the others are interrupted.
    const chosen = yield* Deferred.make<number>()
    let winner: number | undefined

    const attempt = Effect.fnUntraced(function*(
      model: Model<Args, Data>,
      n: number
    ): Effect.fn.Return<NormalizedResponse<Data>, BackendErrorReason> {
      const take = sink && ((parts: Arr.NonEmptyReadonlyArray<StreamPart>) =>
        Effect.gen(function*() {
          if (winner === undefined) {
            winner = n
            sink.begun = true
            yield* Deferred.succeed(chosen, n)
          }
          return winner === n ? yield* sink.take(parts) : yield* Effect.never
        }))
      const answered = Effect.gen(function*() {
        const calling = yield* model[ModelTypeId].create(args)
        yield* ask(model, calling, {
          ...passedOn(whole, model.name),
          sink: take && model[ModelTypeId].makeSink(take, sink)
        }, whole)
        const response = yield* calling.response
        return { ...response, metadata: { model: model.name, ...response.metadata } }
      }).pipe(
        Effect.catch((error) => {
          failed.push({ model: model.name, reason: error._tag === "BackendError" ? error.reason : error })
          // The others may still answer.
          return failed.length < models.length && winner !== n ? Effect.never : Effect.fail(allOf(failed))
        })
      )
      const beaten = Effect.flatMap(Deferred.await(chosen), (winner) => winner === n ? Effect.never : Effect.undefined)
      return (yield* Effect.raceFirst(answered, beaten)) ?? (yield* Effect.never)
    })

    return yield* Effect.raceAllFirst(models.map(attempt))
  })

  return Effect.flatMap(checkModels("a race", models), () => backendOf("race", models, run))
}
