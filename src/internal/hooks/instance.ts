/** What a hook is once it has been made for a model, and how two are one. */
import * as Effect from "effect/Effect"
import type { Calling, NormalizedResponse, StreamPart } from "../../Calling.ts"
import type { PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { Event } from "./event.ts"
import type { Failure } from "../calling/lifecycle.ts"

/** The model for which a hook is made, and where it tells what it did. */
export interface Host {
  readonly provider: string
  readonly name: string
  readonly version: string
  /** Tells where it is asked, and for which account. */
  readonly fingerprint: string
  readonly publish: (event: Omit<Event, "dropped">) => Effect.Effect<void>
}

export type Args = { readonly [argument: PropertyKey]: unknown }

/** How a calling gets its answer. */
export type Way<Data> = Effect.Effect<NormalizedResponse<Data>, Failure>

type Refusal = TimeoutError | PermissionDenied

export interface Built<out A> {
  /** Looks at the arguments before there is a calling. */
  readonly create: ((args: Args, callingId: string) => Effect.Effect<Args, Refusal>) | undefined
  readonly around: <Data>(next: Way<Data>) => (calling: Calling) => Way<Data | A>
  /** Looks at the parts of one calling's stream. Each goes on, or others in its place. */
  readonly parts:
    | ((calling: Calling) => (part: StreamPart) => Effect.Effect<ReadonlyArray<StreamPart>, Refusal>)
    | undefined
}

export const identity: Built<never> = {
  create: undefined,
  around: (next) => () => next,
  parts: undefined
}

/** The first is outermost: it sees arguments first, and parts last. */
export const combine = <A, B>(outer: Built<A>, inner: Built<B>): Built<A | B> => {
  const { create: outerCreate, parts: outerParts } = outer
  const { create: innerCreate, parts: innerParts } = inner
  return {
    create: outerCreate && innerCreate
      ? (args, callingId) => Effect.flatMap(outerCreate(args, callingId), (changed) => innerCreate(changed, callingId))
      : outerCreate ?? innerCreate,
    around: <Data>(next: Way<Data>) => (calling: Calling) =>
      outer.around<Data | B>(inner.around(next)(calling))(calling),
    parts: outerParts && innerParts
      ? (calling) => {
        const first = innerParts(calling)
        const second = outerParts(calling)
        return (part) =>
          Effect.flatMap(first(part), (parts) => Effect.map(Effect.forEach(parts, second), (changed) => changed.flat()))
      }
      : outerParts ?? innerParts
  }
}
