/** Streams of answers without a network: bytes in pieces of any size, and what they are put together to. */
import { assert } from "@effect/vitest"
import { Effect, Result } from "effect"
import { Prompt, Response as Parts } from "effect/ai"
import { HttpClient, HttpClientResponse } from "effect/http"
import { Calling, type Endpoint, type Errors, iModel } from "effect-imodel"
import { plain } from "../../src/internal/calling/submission.ts"

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

/**
 * The bytes in two pieces, parted at every seventh place, and at every place where a line ends or a character has several bytes. One of
 * the pieces may be empty.
 */
export const partings = (bytes: Uint8Array): ReadonlyArray<ReadonlyArray<Uint8Array>> => {
  const lineEnd = 0x0a
  const isDelicate = (at: number) =>
    [bytes[at - 1], bytes[at]].some((byte) => byte === undefined || byte === lineEnd || byte > 0x7f)
  return Array.from({ length: bytes.length + 1 }, (_, at) => at)
    .filter((at) => at % 7 === 0 || isDelicate(at))
    .map((at) => [bytes.subarray(0, at), bytes.subarray(at)])
}

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
    const { makeSink, submit } = model[iModel.TypeId]
    const sink = makeSink((taken) => Effect.sync(() => parts.push(...taken)), undefined)
    yield* submit(calling, { ...plain, sink })
    return { parts, response: yield* calling.response }
  })

/** What parts say, put together: the same for those of a stream and for those of the whole answer. */
export const saidBy = (parts: ReadonlyArray<Calling.StreamPart | Calling.Part>) => ({
  prompt: Prompt.fromResponseParts(parts).content,
  beside: parts.filter(({ type }) => type === "response-metadata" || type === "source" || type === "finish")
})

/** The parts of a stream as those of a whole answer. */
export const folded = (parts: ReadonlyArray<Calling.StreamPart>): ReadonlyArray<Calling.Part> => {
  const content: Array<Calling.Part> = []
  const open = new Map<string, number>()
  for (const part of parts) {
    switch (part.type) {
      case "text-start":
      case "reasoning-start": {
        assert.isFalse(open.has(part.id))
        open.set(part.id, content.length)
        const { metadata } = part
        content.push(Parts.makePart(part.type === "text-start" ? "text" : "reasoning", { text: "", metadata }))
        break
      }
      case "text-delta":
      case "reasoning-delta":
      case "text-end":
      case "reasoning-end": {
        const at = open.get(part.id) ?? -1
        const begun = content[at]
        if (begun?.type !== "text" && begun?.type !== "reasoning") {
          return assert.fail(`${part.type} of a part that is not open`)
        }
        const text = "delta" in part ? begun.text + part.delta : begun.text
        content[at] = Parts.makePart(begun.type, { text, metadata: { ...begun.metadata, ...part.metadata } })
        if (!("delta" in part)) open.delete(part.id)
        break
      }
      case "tool-params-start":
      case "tool-params-delta":
      case "tool-params-end":
        break
      default:
        content.push(part)
    }
  }
  assert.deepStrictEqual([...open.keys()], [])
  return content
}

/** What a decoder makes of all these events. */
export const assembled = <Data>(decoder: Endpoint.Decoder<Data>, events: ReadonlyArray<object>) => {
  const parts: Array<Calling.StreamPart> = []
  for (const event of events) {
    parts.push(...Result.getOrThrow(decoder.push(JSON.parse(JSON.stringify(event)), "message")))
  }
  const end = decoder.end(false)
  if (end === undefined) return assert.fail("the answer is not whole")
  parts.push(...end.parts)
  return { parts, data: end.data, isOver: decoder.isOver(), usage: decoder.usage() }
}
