/** Streamed answers: hands the parts to a reader, keeps the progress, and enforces the timeouts between parts. */
import * as Response from "effect/ai/Response"
import * as Arr from "effect/Array"
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import {
  isNormalizedResponse,
  makeResponse,
  type NormalizedResponse,
  type Part,
  type StreamPart
} from "../../Calling.ts"
import { type BackendError, type BackendErrorReason, StreamInterrupted } from "../../Errors.ts"
import { messageOf } from "../errors/reasonMessage.ts"
import { monotonicMillis } from "../util/monotonic.ts"

/** Hands parts to the reader of the stream, and completes when the reader has taken them. */
export type Emit = (parts: ReadonlyArray<StreamPart>, usage?: Response.Usage) => Effect.Effect<void>

/** The reader of a stream, and its progress. */
export interface Sink {
  readonly take: (parts: Arr.NonEmptyReadonlyArray<StreamPart>) => Effect.Effect<unknown>
  firstPartTimeout: Duration.Duration | undefined
  idleTimeout: Duration.Duration | undefined
  /** Whether parts were handed out: another attempt would repeat them. */
  begun: boolean
  /** Characters handed out so far: text, reasoning and tool parameters. */
  characters: number
}

export const makeSink = (
  take: Sink["take"],
  { firstPartTimeout, idleTimeout }: Pick<Sink, "firstPartTimeout" | "idleTimeout">
): Sink => ({ take, firstPartTimeout, idleTimeout, begun: false, characters: 0 })

type Reason = BackendError | BackendErrorReason

/**
 * Runs work that emits parts. A failure after the first part becomes `StreamInterrupted`. If the work returns plain data, the
 * response is made of the parts.
 */
export const streamInto = <Data>(
  sink: Sink,
  work: (emit: Emit) => Effect.Effect<Data | NormalizedResponse<Data>, Reason>
): Effect.Effect<NormalizedResponse<Data>, Reason> =>
  Effect.clockWith((clock) => {
    const now = monotonicMillis(clock)
    const progress: Progress = {
      text: "",
      usage: undefined,
      finish: undefined,
      taking: false,
      startedAt: now,
      since: now
    }
    // Metadata is held back until the first content, so that an attempt which fails before that can be retried.
    let heading: ReadonlyArray<StreamPart> = []

    const emit: Emit = (parts, usage) =>
      Effect.suspend(() => {
        progress.usage = usage ?? progress.usage
        progress.since = monotonicMillis(clock)
        if (!sink.begun && parts.every((part) => part.type === "response-metadata")) {
          heading = [...heading, ...parts]
          return Effect.void
        }
        const taken = sink.begun ? parts : [...heading, ...parts]
        if (!Arr.isReadonlyArrayNonEmpty(taken)) return Effect.void
        sink.begun = true
        for (const part of parts) {
          if ("delta" in part) sink.characters += part.delta.length
          if (part.type === "text-delta") progress.text += part.delta
          else if (part.type === "finish") progress.finish = part
        }
        progress.taking = true
        return Effect.map(sink.take(taken), () => {
          progress.taking = false
          progress.since = monotonicMillis(clock)
        })
      })

    const normalized = Effect.map(work(emit), (answer) => {
      if (isNormalizedResponse(answer)) return answer
      const { finish, text } = progress
      return makeResponse({
        data: answer,
        ...(text !== "" && { text }),
        ...(finish && { usage: finish.usage, finishReason: finish.reason })
      })
    })
    const guarded = Effect.mapError(normalized, (error) => sink.begun ? interrupted(error, progress) : error)
    return sink.firstPartTimeout === undefined && sink.idleTimeout === undefined
      ? guarded
      : Effect.raceFirst(guarded, watch(sink, progress, clock))
  })

interface Progress {
  text: string
  usage: Response.Usage | undefined
  finish: Response.FinishPart | undefined
  /** Whether the reader has not yet taken the last parts: then it is the reader that is slow, not the backend. */
  taking: boolean
  readonly startedAt: number
  /** Time of the last part, or of its taking. */
  since: number
}

/** A failure in the middle of an answer, with the text and usage so far. */
export const interrupted = (error: Reason, { text, usage }: Pick<Progress, "text" | "usage">): BackendErrorReason => {
  const reason = error._tag === "BackendError" ? error.reason : error
  const known = usage !== undefined && { usage }
  switch (reason._tag) {
    case "StreamInterrupted":
      return new StreamInterrupted({ ...reason, text: reason.text === "" ? text : reason.text, ...known })
    // The answer came whole.
    case "InvalidOutputError":
      return reason
    case "AllFailed":
    case "CircuitOpen":
    case "ContextLengthExceeded":
    case "ToolFailure":
    case "Unsupported":
      return new StreamInterrupted({ description: messageOf(reason), text, ...known })
    default:
      return new StreamInterrupted({ description: messageOf(reason), text, ...known, reason })
  }
}

/** Fails when no part comes in time. */
const watch = (sink: Sink, progress: Progress, clock: Clock.Clock): Effect.Effect<never, BackendErrorReason> =>
  Effect.suspend(() => {
    const now = monotonicMillis(clock)
    const limit = sink.begun ? sink.idleTimeout : sink.firstPartTimeout
    const idleMillis = sink.idleTimeout === undefined ? Number.POSITIVE_INFINITY : Duration.toMillis(sink.idleTimeout)
    const since = !sink.begun ? progress.startedAt : progress.taking ? now : progress.since
    const left = limit === undefined ? Number.POSITIVE_INFINITY : since + Duration.toMillis(limit) - now
    if (limit === undefined || left > 0) {
      // The first part may come at any time, and the idle timeout counts from then on.
      const rest = Math.max(1, Math.min(left, idleMillis))
      return Number.isFinite(rest)
        ? Effect.delay(Effect.suspend(() => watch(sink, progress, clock)), rest)
        : Effect.never
    }
    const description = sink.begun
      ? `no further part came within ${Duration.format(limit)}`
      : `no part came within ${Duration.format(limit)}`
    return Effect.fail(interrupted(new StreamInterrupted({ description }), progress))
  })

/** The content of a whole answer as stream parts. */
export const streamPartsOf = (content: ReadonlyArray<Part>): ReadonlyArray<StreamPart> =>
  content.flatMap((part, i): ReadonlyArray<StreamPart> => {
    const id = String(i)
    switch (part.type) {
      case "text":
        return [
          Response.makePart("text-start", { id, metadata: part.metadata }),
          Response.makePart("text-delta", { id, delta: part.text }),
          Response.makePart("text-end", { id })
        ]
      case "reasoning":
        return [
          Response.makePart("reasoning-start", { id, metadata: part.metadata }),
          Response.makePart("reasoning-delta", { id, delta: part.text }),
          Response.makePart("reasoning-end", { id })
        ]
      default:
        return [part]
    }
  })
