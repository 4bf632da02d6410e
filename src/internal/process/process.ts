/**
 * Runs a program that answers in lines of JSON, and leaves nothing of it behind.
 *
 * The program is the head of a process group. Whatever happens (it has answered, it failed, it was silent for too long, nobody
 * waits for it any more), the group is ended with SIGTERM, or with SIGKILL if it does not listen, and then what it has started
 * outside of the group.
 */
import * as AiError from "effect/ai/AiError"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Ndjson from "effect/encoding/Ndjson"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as PlatformError from "effect/PlatformError"
import * as Predicate from "effect/Predicate"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Pull from "effect/Pull"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { ProcessFailure, StreamInterrupted } from "../../Errors.ts"
import { excerptOf } from "../http/failure.ts"
import type { Scrub } from "../util/scrub.ts"
import { isTooDeep, tooDeep } from "../util/depth.ts"
import { uuid } from "../util/identity.ts"
import { endStragglers, markVariable } from "./stragglers.ts"
import { Tail } from "./tail.ts"

export interface Program {
  /** A name to be found on the `PATH` of its environment, or a path. */
  readonly executable: string
  /** How it is installed. */
  readonly installation: string
  readonly args: ReadonlyArray<string>
  readonly cwd: string
  /** All of its environment. */
  readonly env: Readonly<Record<string, string | Redacted.Redacted>>
  /** All of its standard input. */
  readonly input: string
  /** The longest time until it says something. */
  readonly firstEventTimeout: Duration.Duration
  /** The longest silence after that. */
  readonly idleTimeout: Duration.Duration
  /** Takes the credentials out of what it says. */
  readonly scrub: Scrub
}

export type Platform = ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem

type Failure = ProcessFailure | StreamInterrupted | AiError.InvalidResponseError

/** How long it may go on when it has answered, and how long others may hold its output open when it has ended. */
const parting = Duration.seconds(2)

/** From SIGTERM to SIGKILL. An agent uses the time to end the commands that it runs. */
const forceKillAfter = Duration.seconds(5)

/** Runs the program. `read` is handed what it says, until it has an answer: what comes after that is dropped. */
export const run = Effect.fnUntraced(function*<A, E>(
  program: Program,
  read: (events: ReadonlyArray<unknown>) => Effect.Effect<Option.Option<A>, E>
): Effect.fn.Return<A, Failure | E, Platform | Scope.Scope> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const mark = uuid()
  // What is added first is run last.
  yield* Effect.addFinalizer(() => endStragglers(mark))
  const command = ChildProcess.make(program.executable, program.args, {
    cwd: program.cwd,
    env: { ...program.env, [markVariable]: mark },
    stdin: Stream.make(new TextEncoder().encode(program.input)),
    forceKillAfter
  })
  const child = yield* spawner.spawn(command).pipe(
    Effect.catch((error) => notStarted(program, error)),
    // Node throws what it does not expect of the system, such as arguments that are too long.
    Effect.catchDefect((error) => notStarted(program, error))
  )
  const complaints = new Tail(program.scrub)
  const complaining = yield* Effect.forkScoped(
    Stream.runForEach(Stream.decodeText(child.stderr), (text) => Effect.sync(() => complaints.push(text)))
  )
  const exit = Effect.exit(child.exitCode)
  const answered = Deferred.makeUnsafe<A>()

  const reading = Effect.gen(function*() {
    const pull = yield* Stream.toPull(linesOf(child.stdout, program))
    let limit = program.firstEventTimeout
    while (!Deferred.isDoneUnsafe(answered)) {
      const events = yield* Effect.timeoutOrElse(pull, { duration: limit, orElse: () => silent(program, limit) })
      limit = program.idleTimeout
      if (events.some(isTooDeep)) {
        return yield* new AiError.InvalidResponseError({
          description: `${program.executable} sent JSON that is ${tooDeep}`
        })
      }
      const answer = yield* read(events)
      if (Option.isSome(answer)) yield* Deferred.succeed(answered, answer.value)
    }
    // It must not find its output closed while it ends.
    return yield* Effect.forever(pull)
  }).pipe(Pull.catchDone(() => Effect.void))

  yield* Effect.raceFirst(
    Effect.catch(reading, (error) => Deferred.isDoneUnsafe(answered) ? Effect.void : Effect.fail(error)),
    Effect.andThen(Effect.raceFirst(Deferred.await(answered), exit), Effect.sleep(parting))
  )
  if (Deferred.isDoneUnsafe(answered)) return yield* Deferred.await(answered)
  const ended = yield* Effect.timeoutOption(exit, parting)
  yield* Effect.timeoutOption(Fiber.await(complaining), parting)
  return yield* unanswered(program, Option.getOrUndefined(ended), complaints.lines(10))
}, Effect.scoped)

const linesOf = (
  output: Stream.Stream<Uint8Array, PlatformError.PlatformError>,
  { executable, scrub }: Program
): Stream.Stream<unknown, AiError.InvalidResponseError | StreamInterrupted> =>
  output.pipe(
    Stream.mapError((error) => new StreamInterrupted({ description: scrub(error.message) })),
    Stream.pipeThroughChannel(Ndjson.decode({ ignoreEmptyLines: true })),
    Stream.catchTag("NdjsonError", ({ cause, unterminated }) =>
      // The end of the program tells why a line has no end.
      unterminated
        ? Stream.empty
        : Stream.fail(
          new AiError.InvalidResponseError({
            description: scrub(`${executable} said what is no line of JSON: ${excerptOf(messageOf(cause))}`)
          })
        ))
  )

const messageOf = (cause: unknown): string => cause instanceof Error ? cause.message : String(cause)

const silent = ({ executable }: Program, limit: Duration.Duration) =>
  Effect.fail(new StreamInterrupted({ description: `${executable} said nothing for ${Duration.format(limit)}` }))

const notStarted = ({ executable, installation }: Program, error: unknown) =>
  Effect.fail(new ProcessFailure({ description: whyNotStarted(executable, error, installation) }))

/** Why a program could not be started. The words of the platform hold all arguments, and are not repeated. */
export const whyNotStarted = (executable: string, error: unknown, installation?: string): string => {
  const reason = PlatformError.isPlatformError(error) ? error.reason : undefined
  if (reason?._tag === "NotFound") {
    const missing = `${executable} is not installed, or not on the PATH`
    return installation === undefined ? missing : `${missing}: ${installation}`
  }
  const code = codeOf(reason?.cause ?? error) ?? reason?.description ?? reason?._tag
  return `${executable} could not be started${code === undefined ? "" : `: ${code}`}`
}

const codeOf = (error: unknown): string | undefined =>
  Predicate.hasProperty(error, "code") && typeof error.code === "string" ? error.code : undefined

const unanswered = (
  { executable }: Program,
  exit: Exit.Exit<number, PlatformError.PlatformError> | undefined,
  stderr: string
): Effect.Effect<never, ProcessFailure | StreamInterrupted> => {
  if (exit === undefined) {
    return Effect.fail(new StreamInterrupted({ description: `${executable} closed its output before it had answered` }))
  }
  if (Exit.isFailure(exit)) {
    // The platform tells the signal in words alone.
    const signal = /\bSIG[A-Z0-9]+\b/.exec(Cause.pretty(exit.cause))?.[0]
    const description = `${executable} was ended by ${signal ?? "a signal"} before it had answered`
    return Effect.fail(new ProcessFailure({ description, stderr, signal: signal ?? "unknown" }))
  }
  return Effect.fail(
    exit.value === 0
      ? new StreamInterrupted({ description: `${executable} ended before it had answered` })
      : new ProcessFailure({
        description: `${executable} ended with the code ${exit.value}`,
        exitCode: exit.value,
        stderr
      })
  )
}
