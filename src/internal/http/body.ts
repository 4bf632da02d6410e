/** Reads the body of a response, up to a number of bytes. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import type * as HttpClientError from "effect/http/HttpClientError"
import type * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Stream from "effect/Stream"

/** 64 MiB. */
export const defaultMaxBytes = 64 * 1024 * 1024

/** The body of an error is read up to this size. */
const maxErrorBytes = 1024 * 1024

export const tooLarge = (maxBytes: number): AiError.InvalidResponseError =>
  new AiError.InvalidResponseError({
    description: `the answer has more than ${maxBytes} bytes. Raise maxResponseBytes if it is to be that large`
  })

/** The body as text. Fails when it is larger than `maxBytes`, counted as it is unpacked. */
export const textOf = (
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number
): Effect.Effect<string, HttpClientError.HttpClientError | AiError.InvalidResponseError> => {
  const size = statedSize(response)
  if (size === undefined) {
    return Effect.flatMap(
      firstBytes(response, maxBytes),
      ({ isWhole, text }) => isWhole ? Effect.succeed(text) : Effect.fail(tooLarge(maxBytes))
    )
  }
  return size > maxBytes ? Effect.fail(tooLarge(maxBytes)) : response.text
}

/** The body of an error as text, or the beginning of it. */
export const errorTextOf = (response: HttpClientResponse.HttpClientResponse): Effect.Effect<string> => {
  const size = statedSize(response)
  const text = size !== undefined && size <= maxErrorBytes
    ? response.text
    : Effect.map(firstBytes(response, maxErrorBytes), ({ text }) => text)
  return Effect.orElseSucceed(text, () => "")
}

/** The size that the headers state; `undefined` where they state none, or that of a body that is packed. */
const statedSize = ({ headers }: HttpClientResponse.HttpClientResponse): number | undefined => {
  const length = headers["content-length"]
  return length !== undefined && /^\d+$/.test(length) && headers["content-encoding"] === undefined
    ? Number(length)
    : undefined
}

const firstBytes = (
  response: HttpClientResponse.HttpClientResponse,
  maxBytes: number
): Effect.Effect<{ readonly text: string; readonly isWhole: boolean }, HttpClientError.HttpClientError> =>
  Effect.suspend(() => {
    const decoder = new TextDecoder()
    let text = ""
    let bytes = 0
    return Effect.map(
      Stream.runForEachWhile(response.stream, (chunk) =>
        Effect.sync(() => {
          bytes += chunk.byteLength
          if (bytes > maxBytes) return false
          text += decoder.decode(chunk, { stream: true })
          return true
        })),
      () => ({ text: text + decoder.decode(), isWhole: bytes <= maxBytes })
    )
  })
