/** The constructors of hooks. */
// Whatever a hook fails with becomes the cause of a `HookRejected`, so its type does not matter.
// @effect-diagnostics anyUnknownInErrorContext:off
import * as Response from "effect/ai/Response"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type Calling, isNormalizedResponse, type NormalizedResponse, type StreamPart } from "../../Calling.ts"
import { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "../../Errors.ts"
import { TypeId } from "./hook.ts"
import type { Event } from "./event.ts"
import type { Any, Data, Error, Hook, Middleware, Options, Services } from "./hook.ts"
import type { Failure } from "../calling/lifecycle.ts"
import * as Kind from "../util/optionKinds.ts"
import { positiveDuration } from "../util/options.ts"
import { callHook, HookBug, rejecting, runHookWith } from "./runHook.ts"
import * as Instance from "./instance.ts"

const kinds = {
  preEventCreate: Kind.fn,
  preInvocation: Kind.fn,
  postInvocation: Kind.fn,
  onError: Kind.fn,
  onPart: Kind.fn,
  timeout: Kind.given("a duration"),
  exit: Kind.flag,
  name: Kind.text
} satisfies { readonly [Name in keyof Options<never, never, never, never, never, never>]: Kind.Kind }

export const make = <A = never, R1 = never, R2 = never, R3 = never, R4 = never, R5 = never>(
  options: Options<A, R1, R2, R3, R4, R5>
): Hook<Cause.IllegalArgumentError, NoInfer<R1 | R2 | R3 | R4 | R5>, NoInfer<A>> => ({
  [TypeId]: Effect.fnUntraced(function*(host) {
    yield* Kind.check("a hook", options, kinds)
    const { exit: exits, onError, onPart, postInvocation, preEventCreate, preInvocation } = options
    const name = options.name ?? "hook"
    const own = options.timeout === undefined ? undefined : yield* positiveDuration("timeout", options.timeout)
    const limit = own ?? Duration.seconds(30)
    const runPhase = runHookWith(host, name, yield* Effect.context<R1 | R2 | R3 | R4 | R5>())

    const create = preEventCreate && ((args: Instance.Args, callingId: string) =>
      Effect.map(
        runPhase(
          callHook(() => preEventCreate(args), {
            name: "preEventCreate",
            expected: "arguments or nothing",
            isExpected: isArgsOrNothing,
            mapError: rejectingBug(name, "preEventCreate", callingId)
          }),
          {
            phase: "preEventCreate",
            callingId,
            limit: own ?? Duration.seconds(10),
            outcome: (changed) => changed === undefined ? "passed" : "changed"
          }
        ),
        (changed) => changed ?? args
      ))

    const before = preInvocation &&
      ((calling: Calling) =>
        runPhase(
          callHook(() => preInvocation(calling), {
            name: "preInvocation",
            expected: "anything",
            isExpected: isAnything,
            mapError: rejectingBug(name, "preInvocation", calling.id)
          }),
          { phase: "preInvocation", callingId: calling.id, limit, outcome: passed }
        ))

    const after = postInvocation && ((calling: Calling, exit: Exit.Exit<NormalizedResponse, Failure>) => {
      const observed = Effect.asVoid(
        runPhase(
          callHook(() => postInvocation(calling, exit), {
            name: "postInvocation",
            expected: "anything",
            isExpected: isAnything,
            mapError: rejectingBug(name, "postInvocation", calling.id)
          }),
          { phase: "postInvocation", callingId: calling.id, limit, outcome: passed }
        )
      )
      return exits && Exit.isSuccess(exit) ? observed : logged(observed, name, "postInvocation")
    })

    const recover = onError &&
      ((calling: Calling, error: Failure): Effect.Effect<NormalizedResponse<A>, Failure> =>
        runPhase(
          callHook(() => onError(calling, error), {
            name: "onError",
            expected: "a response or nothing",
            isExpected: isResponseOrNothing,
            mapError: backendErrorOf(calling)
          }),
          {
            phase: "onError",
            callingId: calling.id,
            limit,
            outcome: (answer) => answer === undefined ? "passed" : "recovered"
          }
        ).pipe(
          Effect.catch((changed) =>
            changed instanceof HookBug
              ? Effect.andThen(logFailure(name, "onError", Cause.fail(changed.cause)), Effect.fail(error))
              : Effect.fail(changed._tag === "TimeoutError" && !exits ? error : changed)
          ),
          Effect.filterOrFail((answer) => answer !== undefined, () => error)
        ))

    const change = onPart && ((part: StreamPart, calling: Calling) => {
      const observed = runPhase(
        callHook(() => onPart(part, calling), {
          name: "onPart",
          expected: "a part, an array of parts or nothing",
          isExpected: isPartsOrNothing,
          mapError: rejectingBug(name, "onPart", calling.id)
        }),
        {
          phase: "onPart",
          callingId: calling.id,
          limit,
          outcome: (parts) => parts === undefined || parts === part ? undefined : "changed"
        }
      )
      return Effect.map(
        exits ? observed : logged(observed, name, "onPart"),
        (parts) => parts === undefined ? [part] : isPart(parts) ? [parts] : parts
      )
    })

    return {
      create,
      around: <D>(next: Instance.Answer<D>) => (calling: Calling): Instance.Answer<D | A> => {
        const recovering: Instance.Answer<D | A> = recover === undefined
          ? next
          : Effect.catch(next, (error): Instance.Answer<A> => recover(calling, error))
        const ending = after === undefined ? recovering : Effect.onExit(recovering, (exit) => after(calling, exit))
        return before === undefined ? ending : Effect.andThen(before(calling), ending)
      },
      parts: change && ((calling) => (part) => change(part, calling)),
      redaction: undefined
    }
  })
})

const passed = () => "passed" as const

// -----------------------------------------------------------------------------
// Results of hooks
// -----------------------------------------------------------------------------

const isAnything = () => true

const isArgsOrNothing = (result: unknown): boolean => result === undefined || Predicate.isObject(result)

const isResponseOrNothing = (result: unknown): boolean => result === undefined || isResponse(result)

const isResponse = (result: unknown): boolean =>
  isNormalizedResponse(result) && typeof result.text === "string" && Array.isArray(result.content) &&
  Predicate.isObject(result.usage.inputTokens) && Predicate.isObject(result.usage.outputTokens)

const isPartsOrNothing = (result: unknown): boolean =>
  result === undefined || (Array.isArray(result) ? result.every(isStreamPart) : isStreamPart(result))

const isStreamPart = (result: unknown): boolean =>
  Response.isPart(result) && result.type !== "text" && result.type !== "reasoning" && result.type !== "error" &&
  (!("delta" in result) || typeof result.delta === "string")

const isPart = (parts: StreamPart | ReadonlyArray<StreamPart>): parts is StreamPart =>
  Predicate.hasProperty(parts, "type")

// -----------------------------------------------------------------------------
// Failures of hooks
// -----------------------------------------------------------------------------

const logFailure = (hook: string, phase: Event["phase"], cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logWarning(`Hook '${hook}' failed in ${phase}`, cause)

const logged = <A, E>(effect: Effect.Effect<A, E>, hook: string, phase: Event["phase"]) =>
  Effect.catchCause(effect, (cause) => Effect.as(logFailure(hook, phase, cause), undefined))

const rejectingBug = (
  ...[hook, phase, callingId]: Parameters<typeof rejecting>
): (error: unknown) => PermissionDenied => {
  const reject = rejecting(hook, phase, callingId)
  return (error) => reject(error instanceof HookBug ? error.cause : error)
}

const isReason = Schema.is(BackendErrorReason)

const backendErrorOf = (calling: Calling) => (error: unknown): BackendError | HookBug =>
  error instanceof BackendError || error instanceof HookBug
    ? error
    : isReason(error)
    ? new BackendError({ reason: error, callingId: calling.id })
    : new HookBug(error)

// -----------------------------------------------------------------------------
// Middleware
// -----------------------------------------------------------------------------

export const middleware = <E = never, R = never, A = never>(
  wrap: Middleware<E, R, A>,
  options?: { readonly name?: string | undefined }
): Hook<never, NoInfer<R>, NoInfer<A>> => ({
  [TypeId]: Effect.fnUntraced(function*(host) {
    const name = options?.name ?? "hook"
    const runPhase = runHookWith(host, name, yield* Effect.context<R>())
    return {
      ...Instance.identity,
      around: <D>(next: Instance.Answer<D>) => (calling: Calling) =>
        Effect.suspend(() => {
          const calls: Calls<D> = { isAsked: false, answer: undefined, defects: [] }
          const reject = rejecting(name, "middleware", calling.id)
          return runPhase(
            callHook(() => wrap(watching(next, calls))(calling), {
              name: "middleware",
              expected: "a response",
              isExpected: isResponse,
              mapError: (error): Failure | HookBug => {
                if (error instanceof TimeoutError || error instanceof PermissionDenied) return error
                const failure = backendErrorOf(calling)(error)
                return failure instanceof HookBug && failure !== error ? reject(error) : failure
              }
            }),
            {
              phase: "middleware",
              callingId: calling.id,
              limit: undefined,
              outcome: () => calls.isAsked ? "passed" : "answered"
            }
          ).pipe(
            Effect.catch((error): Instance.Answer<D> => {
              if (!(error instanceof HookBug)) return Effect.fail(error)
              // The defect is not the hook's own.
              if (calls.defects.includes(error.cause)) return Effect.die(error.cause)
              return calls.answer === undefined
                ? Effect.fail(reject(error.cause))
                : Effect.as(logFailure(name, "middleware", Cause.fail(error.cause)), calls.answer)
            })
          )
        })
    }
  })
})

/** What `next` of a middleware has come to. */
interface Calls<D> {
  isAsked: boolean
  /** Kept when the middleware has a bug: it may have been paid for. */
  answer: NormalizedResponse<D> | undefined
  readonly defects: Array<unknown>
}

const watching = <D>(next: Instance.Answer<D>, calls: Calls<D>): Instance.Answer<D> =>
  Effect.suspend(() => {
    calls.isAsked = true
    return Effect.onExit(next, (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) calls.answer = exit.value
        else if (Cause.hasDies(exit.cause)) calls.defects.push(Cause.squash(exit.cause))
      }))
  })

// -----------------------------------------------------------------------------
// Combinators
// -----------------------------------------------------------------------------

/** A hook that depends on the model it is instantiated for. */
export const forHost = <E, R, A>(hook: (host: Instance.Host) => Hook<E, R, A>): Hook<E, R, A> => ({
  [TypeId]: (host) => hook(host)[TypeId](host)
})

export const identity: Hook = { [TypeId]: () => Effect.succeed(Instance.identity) }

const combine = (outer: Any, inner: Any): Any => ({
  [TypeId]: (host) => Effect.zipWith(outer[TypeId](host), inner[TypeId](host), Instance.combine)
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
