/** A Redis of one's own on a free port of loopback, when `redis-server` is installed. */
import { NodeRedis } from "@effect/platform-node"
import { Effect, Layer, Schedule } from "effect"
import { spawn, spawnSync } from "node:child_process"
import { connect, createServer } from "node:net"

export const hasRedis = spawnSync("redis-server", ["--version"]).status === 0

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

export const layerRedis = Layer.unwrap(Effect.gen(function*() {
  const port = yield* freePort
  const flags = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
  yield* Effect.acquireRelease(
    Effect.sync(() => spawn("redis-server", flags, { stdio: "ignore" })),
    (process) => Effect.sync(() => process.kill())
  )
  yield* Effect.retry(reachable(port), Schedule.spaced(20)).pipe(Effect.timeout("10 seconds"))
  return NodeRedis.layer({ socket: { port, host: "127.0.0.1" } })
}))
