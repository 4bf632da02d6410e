/** Calls several models at once and returns the answer that most of them give. */
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { NormalizedResponse } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import type { Backend } from "../../ServiceBackend.ts"
import { streamPartsOf } from "../calling/streaming.ts"
import type { Attempt } from "../calling/work.ts"
import { ModelTypeId } from "../util/identity.ts"
import * as Kind from "../util/optionKinds.ts"
import { allOf, ask, backendOf, type Failed, passedOn } from "./composite.ts"
import { checkModels, type VoteOptions } from "./options.ts"

/** Answers with the same key. */
interface Party<out Data> {
  readonly responses: Arr.NonEmptyArray<NormalizedResponse<Data>>
}

export const make = <Args, Data>(
  models: Arr.NonEmptyReadonlyArray<Model<Args, Data>>,
  options: VoteOptions<Data>
): Effect.Effect<Backend<Args, Data>, Cause.IllegalArgumentError> => {
  const { key = ({ text }) => text.trim() } = options
  const run = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
    const { sink } = whole
    const parties = new Map<string, Party<Data>>()
    const failed: Array<Failed> = []
    let open = models.length
    const decided = yield* Deferred.make<NormalizedResponse<Data>, BackendErrorReason>()

    const count = Effect.suspend(() => {
      open--
      const [first, second] = [...parties.values()].toSorted((a, b) => b.responses.length - a.responses.length)
      if (first === undefined) return open === 0 ? Deferred.fail(decided, allOf(failed)) : Effect.void
      if (open > 0 && first.responses.length <= (second?.responses.length ?? 0) + open) return Effect.void
      const [response] = first.responses
      const votes = Object.fromEntries([...parties].map(([key, { responses }]) => [key, responses.length]))
      return Deferred.succeed(decided, { ...response, metadata: { ...response.metadata, votes } })
    })

    const cast = (response: NormalizedResponse<Data>) => {
      const its = key(response)
      const party = parties.get(its)
      if (party === undefined) parties.set(its, { responses: [response] })
      else party.responses.push(response)
    }

    const asking = Effect.forEach(models, (model) =>
      Effect.gen(function*() {
        const calling = yield* model[ModelTypeId].create(args)
        yield* ask(model, calling, { ...passedOn(whole, model.name), sink: undefined }, whole)
        const response = yield* calling.response
        cast({ ...response, metadata: { model: model.name, ...response.metadata } })
      }).pipe(
        Effect.catch((error) =>
          Effect.sync(() => {
            failed.push({ model: model.name, reason: error._tag === "BackendError" ? error.reason : error })
          })
        ),
        Effect.andThen(count)
      ), { concurrency: "unbounded", discard: true })

    const response = yield* Effect.raceFirst(Deferred.await(decided), Effect.andThen(asking, Effect.never))
    const parts = sink && streamPartsOf(response.content)
    if (sink !== undefined && parts !== undefined && Arr.isReadonlyArrayNonEmpty(parts)) {
      sink.begun = true
      yield* sink.take(parts)
    }
    return response
  })

  return Effect.flatMap(
    Effect.andThen(checkModels("a vote", models), Kind.check("a vote", options, { key: Kind.fn })),
    () => backendOf("vote", models, run)
  )
}
