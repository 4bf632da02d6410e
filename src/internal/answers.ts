/** Reads the answers of an HTTP API: whole ones, streamed ones, and those that are none. */
import * as AiError from "effect/ai/AiError"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Sse from "effect/encoding/Sse"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { type Calling, makeResponse, type NormalizedResponse, type StreamPart, TypeId } from "../Calling.ts"
import type { Decoder, EventFailure } from "../Endpoint.ts"
import { type BackendErrorReason, StreamInterrupted } from "../Errors.ts"
import { excerptOf, type FailedAnswer, failedAnswer, networkError, parseJson, type Scrub } from "./http.ts"
import { describeIssue } from "./invalidArgument.ts"
import { type RateLimits, rateLimitsOf } from "./rateLimits.ts"
import { readEvents } from "./sse.ts"
import type { Emit } from "./streaming.ts"

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
  const head = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse, calling: Calling) {
    const limits = rateLimitsOf(response.headers, yield* Clock.currentTimeMillis)
    calling[TypeId].hear({ limits, refused: response.status === 429 })
    if (response.status < 200 || response.status >= 300) {
      const told = yield* Effect.orElseSucceed(response.text, () => "")
      return yield* format.reasonOf(yield* failedAnswer(response, told, format.scrub))
    }
    const requestId = response.headers["x-request-id"] ?? response.headers["request-id"]
    const metadata = {
      ...(requestId !== undefined && { requestId }),
      ...reported(limits),
      attempts: calling.attempts.length + 1
    }
    return { response, metadata }
  })

  const normalized = Effect.fnUntraced(function*(
    data: Data,
    payload: Payload,
    rawResponse: unknown,
    metadata: Readonly<Record<string, unknown>>
  ) {
    const fields = format.normalize === undefined ? undefined : yield* format.normalize(data, payload)
    return makeResponse<Data>({
      ...fields,
      data,
      rawResponse,
      metadata: { ...fields?.metadata, ...metadata }
    })
  })

  /** Reads an answer that comes whole. */
  const whole = Effect.fnUntraced(function*(
    { metadata, response }: Head,
    payload: Payload
  ) {
    const text = yield* response.text
    const json = parseJson(text)
    if (Option.isNone(json)) {
      return yield* invalidResponse(
        text.trim() === "" ? "the body is empty" : `the body is not JSON: ${excerptOf(format.scrub(text))}`
      )
    }
    const decoded = format.decode(json.value)
    if (Result.isFailure(decoded)) {
      if (Predicate.hasProperty(json.value, "error") && json.value.error !== null) {
        return yield* format.reasonOf(yield* failedAnswer(response, text, format.scrub))
      }
      const { message, path } = describeIssue(decoded.failure)
      return yield* invalidResponse(path === "" ? message : `${path}: ${message}`)
    }
    return yield* normalized(decoded.success, payload, json.value, metadata)
  })

  /** Reads an answer that comes in events. */
  const stream = Effect.fnUntraced(function*(
    { metadata, response }: Head,
    payload: Payload,
    decoder: Decoder<Data>,
    emit: Emit
  ) {
    const read = Effect.fnUntraced(function*(events: ReadonlyArray<Sse.Event>) {
      const parts: Array<StreamPart> = []
      let failure: EventFailure | undefined
      let over = false
      for (const event of events) {
        if (event.data === "[DONE]") {
          over = true
          break
        }
        const json = parseJson(event.data)
        const pushed = Option.isNone(json)
          ? malformed(`an event is not JSON: ${excerptOf(event.data)}`)
          : decoder.push(json.value, event.event)
        if (Result.isFailure(pushed)) {
          failure = pushed.failure
          break
        }
        for (const part of pushed.success) parts.push(part)
      }
      yield* emit(parts, decoder.usage())
      if (failure?._tag === "ErrorEvent") {
        return yield* format.reasonOf(yield* failedAnswer(response, JSON.stringify(failure.body), format.scrub))
      }
      if (failure !== undefined) return yield* brokenOff(format.scrub(failure.description))
      return over || decoder.isOver()
    })
    // What breaks the connection after the provider has ended its answer breaks nothing.
    const broken = yield* Effect.match(readEvents(response, read), {
      onSuccess: () => undefined,
      onFailure: (error) =>
        error._tag === "SseError"
          ? new StreamInterrupted({ description: error.message })
          : error._tag === "HttpClientError"
          ? networkError(error)
          : error
    })
    const end = decoder.end()
    if (end === undefined || (broken !== undefined && broken._tag !== "StreamInterrupted")) {
      return yield* broken ?? (yield* brokenOff("the stream ended before the answer did"))
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

const malformed = (description: string) => Result.fail<EventFailure>({ _tag: "MalformedEvent", description })

const brokenOff = (description: string) => Effect.fail(new StreamInterrupted({ description }))

const invalidResponse = (description: string) => Effect.fail(new AiError.InvalidResponseError({ description }))
