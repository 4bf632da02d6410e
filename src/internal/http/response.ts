/** Reads the answers of an HTTP API: whole ones, streamed ones, and those that are none. */
import * as AiError from "effect/ai/AiError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Sse from "effect/encoding/Sse"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type Calling, makeResponse, type NormalizedResponse, type StreamPart } from "../../Calling.ts"
import type { Decoder, EventFailure } from "./decoder.ts"
import { type BackendErrorReason, StreamInterrupted } from "../../Errors.ts"
import { excerptOf, type FailedAnswer, failedAnswer, networkError, parseJson, type Scrub } from "./failure.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { type RateLimits, rateLimitsOf } from "./rateLimitHeaders.ts"
import { readEvents } from "./sse.ts"
import type { Emit } from "../calling/streaming.ts"
import { notingRetryAfter } from "../errors/retryAfter.ts"
import { implOf } from "../calling/lifecycle.ts"

/** What the answers of an API look like. */
export interface Format<in Payload, in out Data> {
  readonly decode: (json: unknown) => Result.Result<Data, Schema.SchemaError>
  readonly normalize:
    | ((data: Data, payload: Payload) => Effect.Effect<Partial<NormalizedResponse<Data>>, BackendErrorReason>)
    | undefined
  readonly reasonOf: (answer: FailedAnswer) => BackendErrorReason
  readonly scrub: Scrub
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
    calling: Calling
  ): Effect.Effect<Head, BackendErrorReason> =>
    Effect.clockWith((clock) => {
      const limits = rateLimitsOf(response.headers, clock.currentTimeMillisUnsafe())
      implOf(calling).hear({ limits, refused: response.status === 429 })
      if (response.status < 200 || response.status >= 300) {
        return Effect.flatMap(Effect.orElseSucceed(response.text, () => ""), (text) => failed(response, text))
      }
      const requestId = response.headers["x-request-id"] ?? response.headers["request-id"]
      const metadata = {
        ...(requestId !== undefined && { requestId }),
        ...reported(limits),
        attempts: calling.attempts.length + 1
      }
      return Effect.succeed({ response, metadata })
    })

  const failed = (response: HttpClientResponse.HttpClientResponse, text: string) =>
    Effect.flatMap(
      failedAnswer(response, text, format.scrub),
      (answer) => Effect.fail(notingRetryAfter(format.reasonOf(answer), answer.retryAfter))
    )

  const normalized = (
    data: Data,
    payload: Payload,
    rawResponse: unknown,
    metadata: Readonly<Record<string, unknown>>
  ): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> =>
    format.normalize === undefined
      ? Effect.succeed(makeResponse({ data, rawResponse, metadata }))
      : Effect.map(format.normalize(data, payload), (fields) =>
        makeResponse({ ...fields, data, rawResponse, metadata: { ...fields.metadata, ...metadata } }))

  /** Reads an answer that comes whole. */
  const whole = ({ metadata, response }: Head, payload: Payload) =>
    Effect.flatMap(response.text, (text): Effect.Effect<NormalizedResponse<Data>, BackendErrorReason> => {
      const json = parseJson(text)
      if (Option.isNone(json)) {
        return invalidResponse(
          text.trim() === "" ? "the body is empty" : `the body is not JSON: ${excerptOf(format.scrub(text))}`
        )
      }
      const decoded = format.decode(json.value)
      if (Result.isSuccess(decoded)) return normalized(decoded.success, payload, json.value, metadata)
      if (tellsOfError(json.value)) return failed(response, text)
      const { message, path } = describeIssue(decoded.failure)
      return invalidResponse(path === "" ? message : `${path}: ${message}`)
    })

  /** Fails for a body that was to have events, and has none. */
  const noEvents = (response: HttpClientResponse.HttpClientResponse, text: string) =>
    Option.exists(parseJson(text), tellsOfError)
      ? failed(response, text)
      : invalidResponse(`the body has no events: ${excerptOf(format.scrub(text))}`)

  /** Reads an answer that comes in events. */
  const stream = Effect.fnUntraced(function*(
    { metadata, response }: Head,
    payload: Payload,
    decoder: Decoder<Data>,
    emit: Emit,
    idleTimeout: Duration.Duration | undefined
  ) {
    let skipped: string | undefined
    /** Whether an event that makes no sense can be passed over: one can. */
    const skip = (description: string) => {
      if (skipped !== undefined || decoder.skip === undefined) return false
      skipped = format.scrub(description)
      decoder.skip()
      return true
    }
    const read = (events: ReadonlyArray<Sse.Event>) => {
      const parts: Array<StreamPart> = []
      let failure: EventFailure | undefined
      let over = false
      for (const event of events) {
        // Some keep the connection open with it.
        if (event.data === "") continue
        if (event.data === "[DONE]") {
          over = true
          break
        }
        const json = parseJson(event.data)
        const pushed = Option.isNone(json)
          ? malformed(`an event is not JSON: ${excerptOf(format.scrub(event.data))}`)
          : decoder.push(json.value, event.event)
        if (Result.isFailure(pushed)) {
          if (pushed.failure._tag === "MalformedEvent" && skip(pushed.failure.description)) continue
          failure = pushed.failure
          break
        }
        for (const part of pushed.success) parts.push(part)
      }
      return Effect.flatMap(emit(parts, decoder.usage()), () =>
        failure === undefined
          ? Effect.succeed(over || decoder.isOver())
          : failure._tag === "ErrorEvent"
          ? failed(response, JSON.stringify(failure.body))
          : brokenOff(format.scrub(failure.description)))
    }
    // What breaks the connection after the provider has ended its answer breaks nothing.
    const readAll = Effect.flatMap(
      readEvents(response, read, idleTimeout),
      (text) => text.trim() === "" ? Effect.void : noEvents(response, text)
    )
    const broken = yield* Effect.match(readAll, {
      onSuccess: () => undefined,
      onFailure: (error) =>
        error._tag === "SseError"
          ? new StreamInterrupted({ description: error.message })
          : error._tag === "HttpClientError"
          ? networkError(error)
          : error
    })
    const end = decoder.end(broken !== undefined)
    if (end === undefined || (broken !== undefined && broken._tag !== "StreamInterrupted")) {
      return yield* broken ?? (yield* brokenOff(skipped ?? "the stream ended before the answer did"))
    }
    yield* emit(end.parts, decoder.usage())
    return yield* normalized(end.data, payload, end.data, metadata)
  })

  return { head, whole, stream }
}

const reported = ({ inputTokens, outputTokens, requests, tokens }: RateLimits) => {
  const rateLimits = {
    ...(requests && { requests }),
    ...(tokens && { tokens }),
    ...(inputTokens && { inputTokens }),
    ...(outputTokens && { outputTokens })
  }
  return Object.keys(rateLimits).length === 0 ? {} : { rateLimits }
}

const tellsOfError = (json: unknown): boolean => Predicate.hasProperty(json, "error") && json.error !== null

const malformed = (description: string) => Result.fail<EventFailure>({ _tag: "MalformedEvent", description })

const brokenOff = (description: string) => Effect.fail(new StreamInterrupted({ description }))

const invalidResponse = (description: string) => Effect.fail(new AiError.InvalidResponseError({ description }))
