/** A loopback HTTP server for tests that answers with a stream, chunk by chunk, and then ends, cuts it or leaves it open. */
import { Context, Effect, Layer, Queue, type Scope, Stream } from "effect"
import { HttpServer, HttpServerRequest, HttpServerResponse } from "effect/http"
import { NetAddress } from "effect/net"
import { NodeHttpServer } from "@effect/platform-node"
import { createServer } from "node:http"

export interface Streamed {
  readonly chunks: Stream.Stream<string | Uint8Array>
  /** @default "end" */
  readonly after?: "end" | "cut" | "hang"
  /** @default "text/event-stream" */
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface EventServer {
  readonly url: string
  /** Waits for the body of the next request, each one once. */
  readonly request: Effect.Effect<unknown>
  /** Waits for the next answer that is no longer wanted, or has been sent. */
  readonly closed: Effect.Effect<void>
}

export const serveEvents = Effect.fnUntraced(function*(
  answer: (body: unknown, n: number) => Streamed
): Effect.fn.Return<EventServer, never, Scope.Scope> {
  const requests = yield* Queue.unbounded<unknown>()
  const closed = yield* Queue.unbounded<void>()
  let n = 0
  const context = yield* Effect.orDie(
    Layer.build(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", disablePreemptiveShutdown: true }))
  )
  const server = Context.get(context, HttpServer.HttpServer)
  const app = Effect.gen(function*() {
    const request = yield* HttpServerRequest.HttpServerRequest
    const body = yield* Effect.orElseSucceed(request.json, () => undefined)
    yield* Queue.offer(requests, body)
    const { chunks, contentType = "text/event-stream", headers, after = "end" } = answer(body, n++)
    const rest = after === "end" ? Stream.empty : after === "cut" ? cut : Stream.never
    const bytes = Stream.map(chunks, (chunk) => typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk)
    return HttpServerResponse.stream(
      Stream.concat(bytes, rest).pipe(Stream.ensuring(Queue.offer(closed, undefined))),
      { contentType, headers }
    )
  })
  yield* server.serve(app).pipe(Effect.provide(context))
  return {
    url: NetAddress.formatUrlUnsafe(server.address),
    request: Queue.take(requests),
    closed: Queue.take(closed)
  }
})

// What was written before must have left before the connection is destroyed.
const cut = Stream.fromEffect(Effect.delay(Effect.fail("cut"), 50))

/** Text as server-sent events, each a chunk of its own. */
export const events = (...data: ReadonlyArray<unknown>): Stream.Stream<string> =>
  Stream.fromIterable(data.map((item) => `data: ${typeof item === "string" ? item : JSON.stringify(item)}\n\n`)).pipe(
    Stream.rechunk(1)
  )
