/** Streams of answers without a network: bytes in pieces of any size, and what they are put together to. */
import { Effect } from "effect"
import { Prompt } from "effect/ai"
import { HttpClient, HttpClientResponse } from "effect/http"
import { Calling, type Errors, type iModel } from "effect-imodel"
import { makeSink } from "../../src/internal/streaming.ts"

/** A body of these pieces, as a `fetch` answers it. */
export const bodyOf = (pieces: ReadonlyArray<Uint8Array>, contentType = "text/event-stream"): Response =>
  new Response(piecewise(pieces), { headers: { "content-type": contentType } })

const piecewise = (pieces: ReadonlyArray<Uint8Array>): ReadableStream<Uint8Array> =>
  new ReadableStream({
    start: (controller) => {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    }
  })

/** A client that answers everything with these pieces, or with those of the moment. */
export const answering = (
  pieces: ReadonlyArray<Uint8Array> | (() => ReadonlyArray<Uint8Array>),
  contentType?: string
): HttpClient.HttpClient =>
  HttpClient.make((request) =>
    Effect.sync(() => {
      const body = bodyOf(typeof pieces === "function" ? pieces() : pieces, contentType)
      return HttpClientResponse.fromWeb(request, body)
    })
  )

/** Objects as the bytes of server-sent events, named by their `type` if they have one. */
export const bytesOf = (...events: ReadonlyArray<object | string>): Uint8Array =>
  new TextEncoder().encode(
    events.map((event) => {
      const name = typeof event === "object" && "type" in event ? `event: ${String(event.type)}\n` : ""
      return `${name}data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`
    }).join("")
  )

/** The bytes in two pieces, parted at every place there is. */
export const partings = (bytes: Uint8Array): ReadonlyArray<ReadonlyArray<Uint8Array>> =>
  Array.from({ length: bytes.length - 1 }, (_, i) => [bytes.subarray(0, i + 1), bytes.subarray(i + 1)])

/** What a model hands out of its answer, and the answer. */
export const streamed = <Args, Data>(
  model: iModel.Model<Args, Data>,
  args: Args
): Effect.Effect<
  { readonly parts: ReadonlyArray<Calling.StreamPart>; readonly response: Calling.NormalizedResponse<Data> },
  Errors.BackendError | Errors.PermissionDenied | Errors.TimeoutError
> =>
  Effect.gen(function*() {
    const calling = yield* model.createCalling(args)
    const parts: Array<Calling.StreamPart> = []
    calling[Calling.TypeId].sink = makeSink(
      (taken) => Effect.sync(() => parts.push(...taken)),
      { firstPartTimeout: undefined, idleTimeout: undefined }
    )
    yield* model.invoke(calling)
    return { parts, response: yield* calling.response }
  })

/** What parts say, put together: the same for those of a stream and for those of the whole answer. */
export const saidBy = (parts: ReadonlyArray<Calling.StreamPart | Calling.Part>) => ({
  prompt: Prompt.fromResponseParts(parts).content,
  beside: parts.filter(({ type }) => type === "response-metadata" || type === "source" || type === "finish")
})
