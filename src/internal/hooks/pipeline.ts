/** The way of a calling through the hooks of a model: to its answer, and of the parts of its answer to who reads them. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { type Calling, makeResponse, type NormalizedResponse, type StreamPart } from "../../Calling.ts"
import type { PermissionDenied, TimeoutError } from "../../Errors.ts"
import type { CallingImpl, Failure, Runner } from "../calling/lifecycle.ts"
import type { Submission } from "../calling/submission.ts"
import { shutdown } from "../executor/ticket.ts"
import { contentOf, makeSink, type Sink, streamPartsOf } from "../calling/streaming.ts"
import type { Built, Way } from "./instance.ts"

/** Has a calling admitted and run. */
export type Submit = (
  calling: Calling,
  submission: Submission
) => Effect.Effect<Calling, TimeoutError | PermissionDenied>

/** The runner of a model with hooks, in front of what admits its callings. Its callings end with the scope. */
export const make = (built: Built<unknown>): Effect.Effect<(submit: Submit) => Runner, never, Scope.Scope> => {
  const running = new Map<CallingImpl<unknown>, Fiber.Fiber<unknown, unknown>>()
  let open = true
  const close = Effect.suspend(() => {
    open = false
    return Fiber.interruptAll(running.values())
  })
  return Effect.as(Effect.addFinalizer(() => close), (submit) => (calling, submission, context) => {
    const settle = (exit: Exit.Exit<NormalizedResponse, Failure>) => {
      running.delete(calling)
      calling.conclude(!open && Exit.hasInterrupts(exit) ? Exit.fail(shutdown(calling.id)) : exit)
      calling.notify()
    }
    if (!open) {
      settle(Exit.interrupt())
      return Effect.void
    }
    calling.enterHooks()
    const way = Effect.withFiber((fiber: Fiber.Fiber<unknown, unknown>) => {
      running.set(calling, fiber)
      return wayOf(calling, submission, built, submit)
    })
    Effect.runForkWith(context)(way).addObserver(settle)
    return Effect.suspend(() => {
      const fiber = running.get(calling)
      return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
    })
  })
}

const wayOf = (
  calling: CallingImpl<unknown>,
  submission: Submission,
  built: Built<unknown>,
  submit: Submit
): Way<unknown> =>
  Effect.suspend(() => {
    const reader = submission.sink && makeReader(submission.sink, built.parts?.(calling))
    // What was read cannot be taken back: an error after that is the end.
    let broken: Failure | undefined

    const ask = Effect.suspend(() => {
      if (broken !== undefined) return Effect.fail(broken)
      const part = calling.part()
      const sink = reader?.sink.begun ? undefined : reader?.sink
      const asked = Effect.flatMap(
        submit(part, { ...submission, sink }),
        () => part.execution.status === "cancelled" ? Effect.interrupt : part.response
      )
      if (reader === undefined) return asked
      return Effect.tapError(reader.reading(asked), (error) =>
        Effect.sync(() => {
          if (reader.sink.begun) broken = error
        }))
    })

    const way = built.around(ask)(calling)
    return reader === undefined
      ? way
      : Effect.flatMap(way, (response) => broken === undefined ? reader.finish(response) : Effect.fail(broken))
  })

interface Reader {
  readonly sink: Sink
  /** Fails when a hook refuses what is read. */
  readonly reading: <A>(way: Effect.Effect<A, Failure>) => Effect.Effect<A, Failure>
  /** The response as it was read. One that did not come in parts is handed out now. */
  readonly finish: (response: NormalizedResponse) => Way<unknown>
}

type Change = (part: StreamPart) => Effect.Effect<ReadonlyArray<StreamPart>, TimeoutError | PermissionDenied>

const makeReader = (to: Sink, change: Change | undefined): Reader => {
  const read: Array<StreamPart> = []
  const refused = Deferred.makeUnsafe<never, TimeoutError | PermissionDenied>()
  let isChanged = false

  const changing = (change: Change): Sink["take"] =>
    Effect.fnUntraced(
      function*(parts) {
        const taken: Array<StreamPart> = []
        for (const part of parts) {
          const changed = yield* change(part)
          if (changed.length !== 1 || changed[0] !== part) isChanged = true
          taken.push(...changed)
        }
        read.push(...taken)
        const [first, ...rest] = taken
        if (first !== undefined) yield* to.take([first, ...rest])
      },
      Effect.catch((error) => Effect.andThen(Deferred.fail(refused, error), Effect.never))
    )
  const sink = makeSink(change === undefined ? to.take : changing(change), to)
  const reading: Reader["reading"] = (way) =>
    Effect.ensuring(
      change === undefined ? way : Effect.raceFirst(way, Deferred.await(refused)),
      Effect.sync(() => {
        to.characters = sink.characters
      })
    )

  const finish = Effect.fnUntraced(function*(response: NormalizedResponse) {
    const [first, ...rest] = sink.begun ? [] : streamPartsOf(response.content)
    if (first !== undefined) {
      sink.begun = true
      yield* reading(Effect.asVoid(sink.take([first, ...rest])))
    }
    if (!isChanged) return response
    const { data, finishReason, metadata, rawResponse, usage, value } = response
    return makeResponse({ data, value, usage, finishReason, rawResponse, metadata, content: contentOf(read) })
  })
  return { sink, reading, finish }
}
