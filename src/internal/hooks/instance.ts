/** A hook instantiated for one model, and the composition of two. */
import * as Effect from "effect/Effect"
import type { Calling, NormalizedResponse, StreamPart } from "../../Calling.ts"
import type { PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { Event } from "./event.ts"
import type { Failure } from "../calling/lifecycle.ts"
import type { Redactor } from "./redactor.ts"

/** The model that a hook is instantiated for. */
export interface Host {
  readonly provider: string
  readonly name: string
  readonly version: string
  /** The models that may answer, as their providers name them. A model of several has more than one. */
  readonly models: ReadonlyArray<string>
  /** Identifies the address and the account, without revealing its secret. */
  readonly fingerprint: string
  readonly publish: (event: Omit<Event, "dropped">) => Effect.Effect<void>
}

export type Args = { readonly [argument: PropertyKey]: unknown }

/** The Effect that answers a calling. */
export type Answer<Data> = Effect.Effect<NormalizedResponse<Data>, Failure>

type Refusal = TimeoutError | PermissionDenied

export interface HookInstance<out A> {
  /** Changes or rejects the arguments before a calling is created. */
  readonly create: ((args: Args, callingId: string) => Effect.Effect<Args, Refusal>) | undefined
  /** Wraps the Effect that answers a calling. */
  readonly around: <Data>(next: Answer<Data>) => (calling: Calling) => Answer<Data | A>
  /** Changes, drops or adds parts of the stream of a calling. */
  readonly parts:
    | ((calling: Calling) => (part: StreamPart) => Effect.Effect<ReadonlyArray<StreamPart>, Refusal>)
    | undefined
  /** Applied before anything else sees what comes back: traces, records and other hooks. */
  readonly redaction: Redaction | undefined
}

interface Redaction {
  /** For the answer and the error of each attempt. */
  readonly value: Redactor
  /** For the parts of one stream. */
  readonly parts: () => (part: StreamPart) => ReadonlyArray<StreamPart>
}

export const identity: HookInstance<never> = {
  create: undefined,
  around: (next) => () => next,
  parts: undefined,
  redaction: undefined
}

/** The first is outermost: it sees arguments first, and parts last. */
export const combine = <A, B>(outer: HookInstance<A>, inner: HookInstance<B>): HookInstance<A | B> => {
  const { create: outerCreate, parts: outerParts } = outer
  const { create: innerCreate, parts: innerParts } = inner
  return {
    create: outerCreate && innerCreate
      ? (args, callingId) => Effect.flatMap(outerCreate(args, callingId), (changed) => innerCreate(changed, callingId))
      : outerCreate ?? innerCreate,
    around: <Data>(next: Answer<Data>) => (calling: Calling) =>
      outer.around<Data | B>(inner.around(next)(calling))(calling),
    parts: outerParts && innerParts
      ? (calling) => {
        const first = innerParts(calling)
        const second = outerParts(calling)
        return (part) =>
          Effect.flatMap(first(part), (parts) => Effect.map(Effect.forEach(parts, second), (changed) => changed.flat()))
      }
      : outerParts ?? innerParts,
    redaction: outer.redaction && inner.redaction
      ? combineRedactions(outer.redaction, inner.redaction)
      : outer.redaction ?? inner.redaction
  }
}

const combineRedactions = (outer: Redaction, inner: Redaction): Redaction => ({
  value: (value) => outer.value(inner.value(value)),
  parts: () => {
    const first = inner.parts()
    const second = outer.parts()
    return (part) => first(part).flatMap((part) => second(part))
  }
})
