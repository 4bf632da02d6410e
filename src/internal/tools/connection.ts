/** Connections to MCP servers, which are there within their time or not at all. */
import * as McpClient from "effect/ai/McpClient"
import * as McpClientError from "effect/ai/McpClientError"
import * as McpProtocol from "effect/ai/McpProtocol"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as HttpClient from "effect/http/HttpClient"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { McpHttpOptions, McpStdioOptions } from "./options.ts"
import { makeScrub } from "../util/scrub.ts"
import { positiveDuration } from "../util/options.ts"
import { whyNotStarted } from "../process/process.ts"
import { readVariables, systemVariables } from "../process/systemEnvironment.ts"
import { Tail } from "../process/tail.ts"

type Connected<R> = Effect.Effect<McpClient.McpClient, McpClientError.McpClientError, R | Scope.Scope>

const protocol = McpProtocol.v2025_11_25

const failed = (reason: McpClientError.McpClientErrorReason) => new McpClientError.McpClientError({ reason })

/** How long a server may take to connect and to list its tools, unless it is said. */
const connectTimeout = Duration.seconds(30)

/** How long a call may take, unless it is said: tools that work for minutes are common. */
const callTimeout = Duration.minutes(10)

const initialize = Effect.fnUntraced(function*(transport: McpClient.Transport, timeout: Duration.Input | undefined) {
  const limit = timeout === undefined ? undefined : yield* Effect.mapError(
    positiveDuration("timeout", timeout),
    ({ message }) => failed(new McpClientError.ConfigurationError({ description: message }))
  )
  const client = McpClient.make({ name: "effect-imodel", version: "0.1.0", timeout: limit ?? connectTimeout })
  return yield* Effect.provideService(client, McpClient.Transport, withinTime(transport, limit ?? callTimeout))
})

/** Ends a call of a tool that the server does not answer. */
const withinTime = (transport: McpClient.Transport, duration: Duration.Duration): McpClient.Transport => ({
  ...transport,
  request: (message, tool) => {
    const asked = transport.request(message, tool)
    return message.method !== "tools/call" ? asked : Effect.timeoutOrElse(asked, {
      duration,
      orElse: () => Effect.fail(failed(new McpClientError.TimeoutError({ operation: message.method })))
    })
  }
})

export const http = ({ timeout, ...server }: McpHttpOptions): Connected<HttpClient.HttpClient> =>
  Effect.flatMap(McpClient.http({ ...server, protocol }), (transport) => initialize(transport, timeout))

/** How long a process may take to end, and what it said to arrive, before that is not waited for any more. */
const parting = Duration.seconds(1)

export const stdio = Effect.fnUntraced(function*(
  { args = [], command, env = {}, timeout }: McpStdioOptions
): Effect.fn.Return<
  McpClient.McpClient,
  McpClientError.McpClientError,
  ChildProcessSpawner.ChildProcessSpawner | Scope.Scope
> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const inherited = yield* Effect.mapError(
    readVariables(systemVariables),
    ({ message }) => failed(new McpClientError.ConfigurationError({ description: message }))
  )
  const program = ChildProcess.make(command, [...args], { env: { ...inherited, ...env } })
  const notStarted = (error: unknown) =>
    Effect.fail(failed(new McpClientError.TransportError({ description: whyNotStarted(command, error) })))
  const child = yield* spawner.spawn(program).pipe(Effect.catch(notStarted), Effect.catchDefect(notStarted))

  const scrub = makeScrub(Object.values(env))
  const complaints = new Tail(scrub)
  const complaining = yield* Effect.forkScoped(
    Stream.runForEach(Stream.decodeText(child.stderr), (text) => Effect.sync(() => complaints.push(text)))
  )
  /** What breaks a connection is told by the program, on its standard error. */
  const explained = Effect.fnUntraced(function*(error: McpClientError.McpClientError) {
    const { reason } = error
    if (reason._tag !== "TransportError") return yield* error
    yield* Effect.timeoutOption(Fiber.await(complaining), parting)
    // The trace of an exception is long, and what it is about stands at its beginning.
    const words = complaints.lines(20)
    const description = scrub(`${command}: ${reason.message}${words === "" ? "" : `: ${words}`}`)
    return yield* failed(new McpClientError.TransportError({ description, cause: reason.cause }))
  })

  // Its standard error is read here.
  const spawned = ChildProcessSpawner.make(() =>
    Effect.succeed(ChildProcessSpawner.makeHandle({ ...child, stderr: Stream.empty }))
  )
  const transport = yield* Effect.provideService(
    McpClient.stdio({ command: program, protocol }),
    ChildProcessSpawner.ChildProcessSpawner,
    spawned
  )
  const explaining: McpClient.Transport = {
    ...transport,
    request: (message, tool) => Effect.catch(transport.request(message, tool), explained),
    notify: (message) => Effect.catch(transport.notify(message), explained)
  }
  // A server that serves is asked to end, and has time to put things in order. One that does not is ended.
  return yield* Effect.onError(
    initialize(explaining, timeout),
    () => Effect.ignore(child.kill({ forceKillAfter: parting }))
  )
})
