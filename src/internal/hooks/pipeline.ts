/** Runs callings through the hooks of a model: the answer, and the parts of a streamed answer on their way to the reader. */
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
import { contentOfParts } from "../chat/partFold.ts"
import { makeSink, type Sink, streamPartsOf } from "../calling/streaming.ts"
import type { Answer, HookInstance } from "./instance.ts"

/** Has a calling admitted and run. */
export type Submit = (
  calling: Calling,
  submission: Submission
) => Effect.Effect<Calling, TimeoutError | PermissionDenied>

/** The runner of a model with hooks, in front of the one that admits its callings. Its callings end with the scope. */
export const make = (
  instance: HookInstance<unknown>
): Effect.Effect<(submit: Submit) => Runner, never, Scope.Scope> => {
  const running = new Map<CallingImpl<unknown>, Fiber.Fiber<unknown, unknown>>()
  let isOpen = true
  const close = Effect.suspend(() => {
    isOpen = false
    return Fiber.interruptAll(running.values())
  })
  return Effect.as(Effect.addFinalizer(() => close), (submit) => (calling, submission, context) => {
    const settle = (exit: Exit.Exit<NormalizedResponse, Failure>) => {
      running.delete(calling)
      calling.conclude(!isOpen && Exit.hasInterrupts(exit) ? Exit.fail(shutdown(calling.id)) : exit)
      calling.notify()
    }
    if (!isOpen) {
      settle(Exit.interrupt())
      return { leave: () => Effect.void }
    }
    calling.enterHooks()
    const answer = Effect.withFiber((fiber: Fiber.Fiber<unknown, unknown>) => {
      running.set(calling, fiber)
      return answerOf(calling, submission, instance, submit)
    })
    Effect.runForkWith(context)(answer).addObserver(settle)
    return {
      leave: () =>
        Effect.suspend(() => {
          const fiber = running.get(calling)
          return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
        })
    }
  })
}

const answerOf = (
  calling: CallingImpl<unknown>,
  submission: Submission,
  instance: HookInstance<unknown>,
  submit: Submit
): Answer<unknown> =>
  Effect.suspend(() => {
    const reader = submission.sink && makeReader(submission.sink, changeOf(calling, instance))
    // What was read cannot be taken back: an error after that is final.
    let broken: Failure | undefined
    // The reader gets the parts of one invocation of the backend, however many run at once.
    let isStreaming = false

    const ask = Effect.suspend(() => {
      if (broken !== undefined) return Effect.fail(broken)
      const streams = reader !== undefined && !isStreaming && !reader.sink.begun
      const part = calling.part(instance.redaction?.value)
      const asked = Effect.flatMap(
        submit(part, { ...submission, sink: streams ? reader.sink : undefined }),
        () => part.execution.status === "cancelled" ? Effect.interrupt : part.response
      )
      if (!streams) return asked
      isStreaming = true
      return reader.reading(asked).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            if (reader.sink.begun) broken = error
          })
        ),
        Effect.ensuring(Effect.sync(() => {
          isStreaming = false
        }))
      )
    })

    const answer = instance.around(ask)(calling)
    return reader === undefined
      ? answer
      : Effect.flatMap(
        answer,
        (response) => broken === undefined ? reader.finish(response) : Effect.fail(broken)
      )
  })

/** What becomes of a part: it is redacted first. */
const changeOf = (calling: Calling, { parts, redaction }: HookInstance<unknown>): Change | undefined => {
  const change = parts?.(calling)
  if (redaction === undefined || change === undefined) return change
  const redact = redaction.parts()
  return (part) => Effect.map(Effect.forEach(redact(part), change), (parts) => parts.flat())
}

interface Reader {
  readonly sink: Sink
  /** Fails when a hook refuses a part. */
  readonly reading: <A>(answer: Effect.Effect<A, Failure>) => Effect.Effect<A, Failure>
  /** The response as it was read. A response that did not come in parts is handed out now. */
  readonly finish: (response: NormalizedResponse) => Answer<unknown>
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
  const reading: Reader["reading"] = (answer) =>
    Effect.ensuring(
      change === undefined ? answer : Effect.raceFirst(answer, Deferred.await(refused)),
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
    return makeResponse({ data, value, usage, finishReason, rawResponse, metadata, content: contentOfParts(read) })
  })
  return { sink, reading, finish }
}
