/** One call in place of several with equal arguments that run at the same time. */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import type { Calling, NormalizedResponse } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import type { Model } from "../../Model.ts"
import type { Backend } from "../../ServiceBackend.ts"
import { implOf } from "../calling/lifecycle.ts"
import { LatestDeadline, type Submission } from "../calling/submission.ts"
import type { Attempt } from "../calling/work.ts"
import { keyOf } from "../chat/argumentsKey.ts"
import { Params } from "../hooks/params.ts"
import { allOf, ask, backendOf, passedOn } from "./composite.ts"
import { ModelTypeId } from "../util/identity.ts"

export const make = <Args, Data>(model: Model<Args, Data>): Effect.Effect<Backend<Args, Data>> =>
  Effect.suspend(() => {
    const running = new Map<string, Shared<Data>>()

    // One that is being withdrawn ends as it does for those who have left it.
    const joinable = (key: string) => {
      const shared = running.get(key)
      return shared === undefined || implOf(shared.calling).isLeft ? undefined : shared
    }

    const start = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
      const calling = yield* model[ModelTypeId].create(args)
      const { sink: to } = whole
      const sink = to && model[ModelTypeId].makeSink((parts) => {
        to.begun = true
        return to.take(parts)
      }, to)
      const deadline = new LatestDeadline(whole.deadline)
      return { calling, deadline, submission: { ...passedOn(whole, model.name), sink, deadline } }
    })

    const join = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
      const key = whole.sink === undefined ? keyOfCall(args, yield* Params) : undefined
      const known = key === undefined ? undefined : joinable(key)
      const made = known ?? (yield* start(args, whole))
      // Another caller may have started the same meanwhile: a hook of the model takes its time over the arguments.
      const shared = key === undefined ? made : joinable(key) ?? made
      if (key !== undefined) running.set(key, shared)
      const { calling, deadline, submission } = shared
      // A caller that joins may have more time than the others.
      deadline.add(whole.deadline)
      const ended = Effect.sync(() => {
        if (key !== undefined && implOf(calling).isSettled && running.get(key)?.calling === calling) running.delete(key)
      })
      yield* Effect.ensuring(ask(model, calling, submission, whole), ended)
      return { calling, isJoined: shared !== made || known !== undefined }
    })

    const run = (args: Args, whole: Attempt): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> =>
      Effect.matchEffect(join(args, whole), {
        onFailure: (reason) => Effect.fail(allOf([{ model: model.name, reason }])),
        onSuccess: ({ calling, isJoined }) =>
          calling.execution.status === "cancelled"
            // The last caller that waited was leaving when this one joined. A call of its own has interrupted itself.
            ? isJoined ? run(args, whole) : Effect.interrupt
            : Effect.mapError(calling.response, ({ reason }) => reason)
      })

    return backendOf("share", [model], run)
  })

/** A calling that several callers wait for, until the latest of their deadlines. */
interface Shared<out Data> {
  readonly calling: Calling<Data>
  readonly deadline: LatestDeadline
  readonly submission: Submission
}

/** The key of a call; `undefined` for arguments that cannot be compared, whose call is not shared. */
const keyOfCall = (args: unknown, params: unknown): string | undefined => {
  const key = keyOf([args, params], identityOf)
  return key && JSON.stringify([key.text, key.secrets])
}

const identities = new WeakMap<Schema.Top, string>()
let identityCount = 0

/** The decoded value of an answer is shared too, so that a schema equals only itself. */
const identityOf = (schema: Schema.Top): string => {
  const known = identities.get(schema)
  if (known !== undefined) return known
  const identity = String(identityCount++)
  identities.set(schema, identity)
  return identity
}
