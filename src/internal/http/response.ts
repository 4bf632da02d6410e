/** Reads the answers of an HTTP API: whole ones, streamed ones, and those that are none. */
import * as AiError from "effect/ai/AiError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Sse from "effect/encoding/Sse"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import { makeResponse, type NormalizedResponse, type StreamPart } from "../../Calling.ts"
import { errorTextOf, textOf } from "./body.ts"
import type { Decoder, EventFailure } from "./decoder.ts"
import { type BackendErrorReason, StreamInterrupted } from "../../Errors.ts"
import { excerptOf, type FailedAnswer, failedAnswer, maxTextLength, networkError, parseJson } from "./failure.ts"
import { isTooDeep, tooDeep } from "../util/depth.ts"
import type { Scrub } from "../util/scrub.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { type RateLimits, rateLimitsOf } from "./rateLimitHeaders.ts"
import { eventsOf, eventsOfJson, isDone, type Over, readEvents, type StreamEvent, withoutFraming } from "./sse.ts"
import { impliedError } from "./statedError.ts"
import { type Emit, streamPartsOf } from "../calling/streaming.ts"
import { Notes, type TolerantDecoder } from "./tolerantDecoder.ts"
import { withRequestedDelay } from "../errors/requestedDelay.ts"
import type { Attempt } from "../calling/work.ts"

/** What the answers of an API look like. */
export interface Format<in Payload, in out Data> {
  readonly decode: TolerantDecoder<Data>
  readonly normalize:
    | ((data: Data, payload: Payload) => Effect.Effect<Partial<NormalizedResponse<Data>>, BackendErrorReason>)
    | undefined
  /** The error that a body of a 200, or an event, states, as the body of a failed answer. */
  readonly errorOf: (json: unknown) => unknown
  readonly reasonOf: (answer: FailedAnswer) => BackendErrorReason
  readonly scrub: Scrub
  /** The most bytes of a body, counted as it is unpacked. */
  readonly maxBytes: number
}

/** The head of an answer, which promises the rest of it. */
export interface Head {
  readonly response: HttpClientResponse.HttpClientResponse
  readonly metadata: Readonly<Record<string, unknown>>
}

export const makeReader = <Payload, Data>(format: Format<Payload, Data>) => {
  /** Reads a head, and fails for what promises no answer. */
  const head = (
    response: HttpClientResponse.HttpClientResponse,
    attempt: Attempt
  ): Effect.Effect<Head, BackendErrorReason> =>
    Effect.clockWith((clock) => {
      const limits = rateLimitsOf(response.headers, clock.currentTimeMillisUnsafe())
      attempt.reportRateLimits({ limits, refused: response.status === 429 })
      if (response.status < 200 || response.status >= 300) {
        return Effect.flatMap(errorTextOf(response), (text) => failed(response, text))
      }
      const requestId = response.headers["x-request-id"] ?? response.headers["request-id"]
      const metadata = {
        ...(requestId !== undefined && { requestId: format.scrub(requestId) }),
        ...reported(limits),
        attempts: attempt.number
      }
      return Effect.succeed({ response, metadata })
    })

  const failed = (response: HttpClientResponse.HttpClientResponse, text: string) =>
    Effect.flatMap(
      failedAnswer(response, text, format.scrub),
      (answer) => Effect.fail(withRequestedDelay(format.reasonOf(answer), answer.retryAfter))
    )

  const normalized = (
    data: Data,
    payload: Payload,
    rawResponse: unknown,
    metadata: Readonly<Record<string, unknown>>,
    notes: ReadonlyArray<string>
  ): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> => {
    const noted = notes.length === 0 ? metadata : { ...metadata, imodel: { notes: notes.map(format.scrub) } }
    return format.normalize === undefined
      ? Effect.succeed(makeResponse({ data, rawResponse, metadata: noted }))
      : Effect.map(
        format.normalize(data, payload),
        (fields) => makeResponse({ ...fields, data, rawResponse, metadata: { ...fields.metadata, ...noted } })
      )
  }

  /** Reads the JSON of an answer that came whole. */
  const answered = ({ metadata, response }: Head, payload: Payload, json: unknown) => {
    if (isTooDeep(json)) return invalidResponse(`the body is ${tooDeep}`)
    const stated = format.errorOf(json)
    if (stated !== undefined) return failed(response, JSON.stringify(stated))
    const notes = new Notes()
    const decoded = format.decode(json, notes)
    if (Result.isSuccess(decoded)) return normalized(decoded.success, payload, json, metadata, notes.all)
    const implied = impliedError(json)
    if (implied !== undefined) return failed(response, JSON.stringify(implied))
    const { message, path } = describeIssue(decoded.failure)
    return invalidResponse(format.scrub(path === "" ? message : `${path}: ${message}`))
  }

  /** Fails for a body that is no answer. */
  const noAnswer = (text: string) =>
    invalidResponse(
      text.trim() === ""
        ? "the body is empty"
        : `the body is not JSON: ${excerptOf(format.scrub(text.slice(0, maxTextLength)))}`
    )

  /** Reads an answer that was asked for as a whole. Some send events all the same, where there is a decoder of them. */
  const whole = (
    head: Head,
    payload: Payload,
    makeDecoder: ((payload: Payload) => Decoder<Data>) | undefined
  ): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason | HttpClientError.HttpClientError> =>
    Effect.flatMap(
      textOf(head.response, format.maxBytes),
      (text): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> => {
        const json = jsonOf(text)
        const events = makeDecoder === undefined ? [] : Option.isSome(json) ? eventsOfJson(json.value) : eventsOf(text)
        if (makeDecoder === undefined || events.length === 0) {
          return Option.isSome(json) ? answered(head, payload, json.value) : noAnswer(text)
        }
        const decoder = makeDecoder(payload)
        const reader = eventReader(decoder)
        const { failure } = reader.read(events, true)
        if (failure !== undefined) return eventFailed(head.response, failure)
        return ended(head, payload, decoder, reader, () => Effect.void)
      }
    )

  const eventFailed = (response: HttpClientResponse.HttpClientResponse, failure: EventFailure) =>
    failure._tag === "ErrorEvent"
      ? failed(response, JSON.stringify(failure.body))
      : brokenOff(format.scrub(failure.description))

  /** Has a decoder read events, until one fails. */
  const eventReader = (decoder: Decoder<Data>) => {
    let skipped: string | undefined
    /** Whether an event that makes no sense can be passed over: one can. */
    const skip = (description: string) => {
      if (skipped !== undefined || decoder.skip === undefined) return false
      skipped = format.scrub(description)
      decoder.skip()
      return true
    }
    const push = (event: StreamEvent): ReturnType<Decoder<Data>["push"]> => {
      const json = parseJson(event.data)
      if (Option.isNone(json)) {
        return event.event === "error"
          ? Result.fail({ _tag: "ErrorEvent", body: { error: event.data } })
          : malformed(`an event is not JSON: ${excerptOf(format.scrub(event.data.slice(0, maxTextLength)))}`)
      }
      if (!Predicate.isObjectOrArray(json.value)) return nothing
      if (isTooDeep(json.value)) return malformed(`an event is ${tooDeep}`)
      const stated = format.errorOf(json.value) ??
        (event.isBare === true || event.event === "error" ? impliedError(json.value) : undefined)
      return stated === undefined
        ? decoder.push(json.value, event.event)
        : Result.fail({ _tag: "ErrorEvent", body: stated })
    }
    const read = (events: ReadonlyArray<StreamEvent>, isUnterminated: boolean) => {
      const parts: Array<StreamPart> = []
      let failure: EventFailure | undefined
      let over: Over | undefined
      for (const event of events) {
        if (isDone(event)) {
          over = true
          break
        }
        const pushed = push(event)
        if (Result.isFailure(pushed)) {
          // It was cut in the middle.
          if (isUnterminated && event === events.at(-1) && Option.isNone(parseJson(event.data))) break
          if (pushed.failure._tag === "MalformedEvent" && skip(pushed.failure.description)) continue
          failure = pushed.failure
          break
        }
        for (const part of pushed.success) parts.push(part)
      }
      return { parts, failure, over: over ?? decoder.isOver() }
    }
    return { read, skipped: () => skipped }
  }

  /** The answer, when there is no event after those that were read. */
  const ended = Effect.fnUntraced(function*(
    { metadata }: Head,
    payload: Payload,
    decoder: Decoder<Data>,
    reader: ReturnType<typeof eventReader>,
    emit: Emit,
    broken?: BackendErrorReason
  ) {
    const end = decoder.end(broken !== undefined)
    if (end === undefined || (broken !== undefined && broken._tag !== "StreamInterrupted")) {
      return yield* broken ?? (yield* brokenOff(reader.skipped() ?? "the stream ended before the answer did"))
    }
    yield* emit(end.parts, decoder.usage())
    return yield* normalized(end.data, payload, end.data, metadata, end.notes ?? [])
  })

  /** Reads an answer that was asked for in events. Some send it whole all the same. */
  const stream = Effect.fnUntraced(function*(
    head: Head,
    payload: Payload,
    decoder: Decoder<Data>,
    emit: Emit,
    idleTimeout: Duration.Duration | undefined
  ) {
    const reader = eventReader(decoder)
    const read = (events: ReadonlyArray<StreamEvent>, isUnterminated: boolean) => {
      const { failure, over, parts } = reader.read(events, isUnterminated)
      return Effect.flatMap(
        emit(parts, decoder.usage()),
        () => failure === undefined ? Effect.succeed(over) : eventFailed(head.response, failure)
      )
    }
    // A connection that breaks after the provider has ended its answer breaks nothing.
    const { broken, text } = yield* Effect.match(
      readEvents(head.response, read, { idleTimeout, maxBytes: format.maxBytes }),
      {
        onSuccess: (text) => ({ broken: undefined, text }),
        onFailure: (error) => ({ broken: reasonOf(error, format.scrub), text: "" })
      }
    )
    if (text.trim() === "") return yield* ended(head, payload, decoder, reader, emit, broken)
    const json = jsonOf(text)
    const items = Option.isSome(json) ? eventsOfJson(json.value) : []
    if (Option.isSome(json) && items.length === 0) {
      const response = yield* answered(head, payload, json.value)
      yield* emit(streamPartsOf(response.content))
      return response
    }
    const events = items.length > 0 ? items : eventsOf(text)
    if (events.every(isDone)) return yield* noAnswer(text)
    yield* read(events, true)
    return yield* ended(head, payload, decoder, reader, emit)
  })

  return { head, whole, stream }
}

/** The JSON of a body, whatever stands around it. */
const jsonOf = (text: string): Option.Option<unknown> =>
  Option.orElse(parseJson(text), () => parseJson(withoutFraming(text)))

const reasonOf = (
  error: BackendErrorReason | Sse.SseError | HttpClientError.HttpClientError,
  scrub: Scrub
): BackendErrorReason =>
  error._tag === "SseError"
    ? new StreamInterrupted({ description: scrub(error.message) })
    : error._tag === "HttpClientError"
    ? networkError(error, scrub)
    : error

const reported = ({ inputTokens, outputTokens, requests, tokens }: RateLimits) => {
  const rateLimits = {
    ...(requests && { requests }),
    ...(tokens && { tokens }),
    ...(inputTokens && { inputTokens }),
    ...(outputTokens && { outputTokens })
  }
  return Object.keys(rateLimits).length === 0 ? {} : { rateLimits }
}

const nothing: Result.Result<ReadonlyArray<StreamPart>, EventFailure> = Result.succeed([])

const malformed = (description: string) => Result.fail<EventFailure>({ _tag: "MalformedEvent", description })

const brokenOff = (description: string) => Effect.fail(new StreamInterrupted({ description }))

const invalidResponse = (description: string) => Effect.fail(new AiError.InvalidResponseError({ description }))
