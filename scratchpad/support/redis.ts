/** A Redis of one's own on a free port of loopback, when `redis-server` is installed. */
import { NodeRedis } from "@effect/platform-node"
import { Effect, Layer, Schedule } from "effect"
import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { connect, createServer } from "node:net"

/** Why there is no Redis; `undefined` when there is one. */
export const missingRedis = spawnSync("redis-server", ["--version"]).status === 0
  ? undefined
  : "redis-server is not on the PATH (Debian: apt-get install redis-server)"

export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0)))
  })
})

const reachable = (port: number) =>
  Effect.callback<void, "closed">((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.void)
    })
    socket.once("error", () => resume(Effect.fail("closed")))
  })

interface Server {
  readonly url: string
  /** Kills it, with all that it holds: it keeps nothing on disk. */
  readonly stop: Effect.Effect<void>
  /** Starts it again on its port, empty. */
  readonly start: Effect.Effect<void>
}

/** A server that ends with the scope. */
export const serve = Effect.fnUntraced(function*(flags: ReadonlyArray<string> = []) {
  const port = yield* freePort
  let child: ChildProcess | undefined
  const stop = Effect.promise(async () => {
    const running = child
    child = undefined
    if (running === undefined) return
    running.kill("SIGKILL")
    await once(running, "exit")
  })
  const start = Effect.suspend(() => {
    const own = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    child = spawn("redis-server", [...own, ...flags], { stdio: "ignore" })
    return Effect.retry(reachable(port), Schedule.spaced(20))
  }).pipe(Effect.timeout("10 seconds"), Effect.orDie)
  yield* Effect.acquireRelease(start, () => stop)
  return { url: `redis://127.0.0.1:${port}`, start, stop } satisfies Server
})

export const layerRedis = Layer.unwrap(Effect.map(serve(), ({ url }) => NodeRedis.layer({ url })))
