/**
 * A loopback HTTP server for tests: it records what it is asked, and answers from a function. It can keep the client
 * waiting, break the connection before it answers, and break or stall in the middle of its answer.
 */
import { Effect, FiberSet, Option, Queue, Schema, type Scope } from "effect"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { connect, type Socket } from "node:net"
import { text } from "node:stream/consumers"

export interface Seen {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** Decoded from JSON; the text when it is not JSON, and `undefined` when it is empty. */
  readonly body: unknown
}

export interface Answer {
  /** @default 200 */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A string is sent as it is, anything else as JSON. @default nothing */
  readonly body?: unknown
  /**
   * How it ends: with the whole body, with a connection that is closed or reset before a byte of the answer is sent, or
   * after half of the body with a connection that is closed (`"cut"`) or silent (`"stall"`).
   * @default "whole"
   */
  readonly end?: "whole" | "close" | "reset" | "cut" | "stall"
}

export interface TestServer {
  /** Without a slash at its end. */
  readonly url: string
  /** All requests until now. */
  readonly seen: Effect.Effect<ReadonlyArray<Seen>>
  /** Waits for the next request to arrive, each one once. */
  readonly arrival: Effect.Effect<Seen>
  /** Waits for the next request whose connection ends before it has been answered, each one once. */
  readonly hangUp: Effect.Effect<Seen>
}

/** Serves on a free port until the scope closes. An answer that takes its time is an effect that does. */
export const serve = Effect.fnUntraced(function*(
  answer: Answer | ((seen: Seen) => Effect.Effect<Answer>)
): Effect.fn.Return<TestServer, never, Scope.Scope> {
  const all: Array<Seen> = []
  const arrivals = yield* Queue.unbounded<Seen>()
  const hangUps = yield* Queue.unbounded<Seen>()
  const run = yield* FiberSet.makeRuntime<never, void, never>()

  const handle = Effect.fnUntraced(function*(request: IncomingMessage, response: ServerResponse) {
    const seen = yield* read(request)
    response.once("close", () => {
      if (!response.writableFinished) Queue.offerUnsafe(hangUps, seen)
    })
    all.push(seen)
    yield* Queue.offer(arrivals, seen)
    send(response, typeof answer === "function" ? yield* answer(seen) : answer)
  })

  const server = createServer((request, response) => {
    run(handle(request, response))
  })
  const port = yield* Effect.acquireRelease(listen(server), () => close(server))
  return {
    url: `http://127.0.0.1:${port}`,
    seen: Effect.sync(() => [...all]),
    arrival: Queue.take(arrivals),
    hangUp: Queue.take(hangUps)
  }
})

/** The address of a port on loopback where nobody listens, nor will while the scope is open: a client has it. */
export const nobody: Effect.Effect<string, never, Scope.Scope> = Effect.gen(function*() {
  const server = createServer()
  const port = yield* Effect.acquireRelease(listen(server), () => close(server))
  const socket = yield* Effect.acquireRelease(
    Effect.callback<Socket>((resume) => {
      const socket = connect(port, "127.0.0.1", () => resume(Effect.succeed(socket)))
    }),
    (socket) => Effect.sync(() => socket.destroy())
  )
  return `http://127.0.0.1:${socket.localPort}`
})

const listen = (server: Server): Effect.Effect<number> =>
  Effect.callback((resume) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resume(
        address === null || typeof address === "string"
          ? Effect.die(new Error(`not an address of the internet: ${address}`))
          : Effect.succeed(address.port)
      )
    })
  })

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

const read = (request: IncomingMessage): Effect.Effect<Seen> =>
  Effect.map(Effect.promise(() => text(request)), (body) => ({
    method: request.method ?? "",
    path: request.url ?? "",
    headers: Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)])),
    body: body === "" ? undefined : Option.getOrElse(parseJson(body), () => body)
  }))

const parseJson = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

const send = (response: ServerResponse, { body = "", end = "whole", headers, status = 200 }: Answer): void => {
  const { socket } = response
  // The client has gone.
  if (socket === null || socket.destroyed) return
  if (end === "close") return void socket.destroy()
  if (end === "reset") return void socket.resetAndDestroy()
  const bytes = Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
  response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length, ...headers })
  if (end === "whole") return void response.end(bytes)
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => {
    if (end === "cut") socket.destroy()
  })
}
