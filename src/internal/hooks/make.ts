/** The constructors of hooks. */
// Whatever a hook fails with becomes the cause of its refusal: its type is nobody's business.
// @effect-diagnostics anyUnknownInErrorContext:off
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import type { Calling, NormalizedResponse, StreamPart } from "../../Calling.ts"
import { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { TypeId } from "./hook.ts"
import type { Event } from "./event.ts"
import type { Any, Data, Error, Hook, Middleware, Options, Services } from "./hook.ts"
import type { Failure } from "../calling/lifecycle.ts"
import { positiveDuration } from "../util/options.ts"
import { attending, rejecting } from "./instrument.ts"
import * as Built from "./instance.ts"

export const make = <A = never, R1 = never, R2 = never, R3 = never, R4 = never, R5 = never>(
  options: Options<A, R1, R2, R3, R4, R5>
): Hook<Cause.IllegalArgumentError, R1 | R2 | R3 | R4 | R5, A> => ({
  [TypeId]: Effect.fnUntraced(function*(host) {
    const { exit: exits, onError, onPart, postInvocation, preEventCreate, preInvocation } = options
    const name = options.name ?? "hook"
    const own = options.timeout === undefined ? undefined : yield* positiveDuration("timeout", options.timeout)
    const limit = own ?? Duration.seconds(30)
    const attend = attending(host, name, yield* Effect.context<R1 | R2 | R3 | R4 | R5>())

    const create = preEventCreate && ((args: Built.Args, callingId: string) =>
      Effect.map(
        attend(Effect.mapError(preEventCreate(args), rejecting(name, "preEventCreate", callingId)), {
          phase: "preEventCreate",
          callingId,
          limit: own ?? Duration.seconds(10),
          outcome: (changed) => changed === undefined ? "passed" : "changed"
        }),
        (changed) => changed ?? args
      ))

    const before = preInvocation &&
      ((calling: Calling) =>
        attend(Effect.mapError(preInvocation(calling), rejecting(name, "preInvocation", calling.id)), {
          phase: "preInvocation",
          callingId: calling.id,
          limit,
          outcome: passed
        }))

    const after = postInvocation && ((calling: Calling, exit: Exit.Exit<NormalizedResponse, Failure>) => {
      const attended = Effect.asVoid(
        attend(Effect.mapError(postInvocation(calling, exit), rejecting(name, "postInvocation", calling.id)), {
          phase: "postInvocation",
          callingId: calling.id,
          limit,
          outcome: passed
        })
      )
      return exits && Exit.isSuccess(exit) ? attended : logged(attended, name, "postInvocation")
    })

    const recover = onError &&
      ((calling: Calling, error: Failure) =>
        attend(Effect.mapError(onError(calling, error), backendError(calling)), {
          phase: "onError",
          callingId: calling.id,
          limit,
          outcome: (answer) => answer === undefined ? "passed" : "recovered"
        }).pipe(
          Effect.mapError((changed) => changed._tag === "TimeoutError" && !exits ? error : changed),
          Effect.filterOrFail((answer) => answer !== undefined, () => error)
        ))

    const change = onPart && ((part: StreamPart, calling: Calling) => {
      const attended = attend(Effect.mapError(onPart(part, calling), rejecting(name, "onPart", calling.id)), {
        phase: "onPart",
        callingId: calling.id,
        limit,
        outcome: (parts) => parts === undefined || parts === part ? undefined : "changed"
      })
      return Effect.map(
        exits ? attended : logged(attended, name, "onPart"),
        (parts) => parts === undefined ? [part] : isPart(parts) ? [parts] : parts
      )
    })

    return {
      create,
      around: <D>(next: Built.Way<D>) => (calling: Calling): Built.Way<D | A> => {
        const recovering: Built.Way<D | A> = recover === undefined
          ? next
          : Effect.catch(next, (error): Built.Way<A> => recover(calling, error))
        const ending = after === undefined ? recovering : Effect.onExit(recovering, (exit) => after(calling, exit))
        return before === undefined ? ending : Effect.andThen(before(calling), ending)
      },
      parts: change && ((calling) => (part) => change(part, calling))
    }
  })
})

const passed = () => "passed" as const

const isPart = (parts: StreamPart | ReadonlyArray<StreamPart>): parts is StreamPart =>
  Predicate.hasProperty(parts, "type")

const logged = <A, E>(effect: Effect.Effect<A, E>, hook: string, phase: Event["phase"]) =>
  Effect.catchCause(
    effect,
    (cause) => Effect.as(Effect.logWarning(`The hook '${hook}' failed in ${phase}`, cause), undefined)
  )

const isReason = Schema.is(BackendErrorReason)

const backendError = (calling: Calling) => (error: BackendError | BackendErrorReason) =>
  error._tag === "BackendError" ? error : new BackendError({ reason: error, callingId: calling.id })

export const middleware = <E = never, R = never, A = never>(
  wrap: Middleware<E, R, A>,
  options?: { readonly name?: string | undefined }
): Hook<never, R, A> => ({
  [TypeId]: Effect.fnUntraced(function*(host) {
    const name = options?.name ?? "hook"
    const attend = attending(host, name, yield* Effect.context<R>())
    return {
      ...Built.identity,
      around: <D>(next: Built.Way<D>) => (calling: Calling) =>
        Effect.suspend(() => {
          let asked = false
          const asking = Effect.suspend(() => {
            asked = true
            return next
          })
          const wrapped = Effect.mapError(wrap(asking)(calling), (error) => {
            if (error instanceof TimeoutError || error instanceof PermissionDenied || error instanceof BackendError) {
              return error
            }
            return isReason(error)
              ? backendError(calling)(error)
              : rejecting(name, "middleware", calling.id)(error)
          })
          return attend(wrapped, {
            phase: "middleware",
            callingId: calling.id,
            limit: undefined,
            outcome: () => asked ? "passed" : "answered"
          })
        })
    }
  })
})

/** A hook that knows the model it is made for. */
export const forHost = <E, R, A>(hook: (host: Built.Host) => Hook<E, R, A>): Hook<E, R, A> => ({
  [TypeId]: (host) => hook(host)[TypeId](host)
})

export const identity: Hook = { [TypeId]: () => Effect.succeed(Built.identity) }

const combine = (outer: Any, inner: Any): Any => ({
  [TypeId]: (host) => Effect.zipWith(outer[TypeId](host), inner[TypeId](host), Built.combine)
})

export function all<const Hooks extends ReadonlyArray<Any>>(
  hooks: Hooks
): Hook<Error<Hooks[number]>, Services<Hooks[number]>, Data<Hooks[number]>>
export function all(hooks: ReadonlyArray<Any>): Any {
  return hooks.reduce(combine, identity)
}

export const unwrap = <E1, R1, A, E, R>(hook: Effect.Effect<Hook<E1, R1, A>, E, R>): Hook<E | E1, R | R1, A> => ({
  [TypeId]: (host) => Effect.flatMap(hook, (made) => made[TypeId](host))
})
