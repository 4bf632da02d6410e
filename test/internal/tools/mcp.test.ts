import { NodeHttpClient, NodeServices } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, realpathSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { iModel, ToolBackend } from "effect-imodel"
import { everything, everythingOverHttp, filesystem, missingServers, observed } from "../../support/mcp.ts"
import { unavailable } from "../../support/required.ts"

type Tools = ReadonlyMap<string, iModel.Model<Readonly<Record<string, unknown>>>>

const toolsOf = Effect.fnUntraced(function*(tools: ReadonlyArray<ToolBackend.McpTool>): Effect.fn.Return<
  Tools,
  iModel.OptionsError,
  Scope.Scope
> {
  return new Map(
    yield* Effect.forEach(tools, (tool) => Effect.map(iModel.make(tool), (model) => [tool.name, model] as const))
  )
})

const call = (tools: Tools, name: string, args: Readonly<Record<string, unknown>>) =>
  Effect.flatMap(Effect.fromNullishOr(tools.get(name)), (tool) => Effect.result(tool.respond(args)))

const checkEverything = Effect.fnUntraced(function*(tools: Tools) {
  const echo = yield* call(tools, "echo", { message: "over the wire" })
  assert.include(Result.isSuccess(echo) ? echo.success.text : "", "over the wire")
  const sum = yield* call(tools, "get-sum", { a: 2, b: 3 })
  assert.include(Result.isSuccess(sum) ? sum.success.text : "", "5")
  const image = yield* call(tools, "get-tiny-image", {})
  assert.isTrue(Result.isSuccess(image) && image.success.content.some(({ type }) => type === "file"))
  const wrong = yield* call(tools, "get-sum", { a: "two" })
  assert.isTrue(Result.isFailure(wrong) && wrong.failure._tag === "BackendError")
})

describe.skipIf(unavailable("MCP servers", missingServers))("real MCP servers", () => {
  const server = (script = "", ...args: ReadonlyArray<string>) => ({
    command: process.execPath,
    args: [script, ...args]
  })

  it.live("server-everything over standard input and output", () =>
    Effect.gen(function*() {
      const tools = yield* ToolBackend.fromMcp(ToolBackend.mcpStdio(server(everything, "stdio")))
      yield* checkEverything(yield* toolsOf(tools))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("server-everything over HTTP", () =>
    Effect.gen(function*() {
      const url = yield* everythingOverHttp
      const tools = yield* ToolBackend.fromMcp(ToolBackend.mcpHttp({ url }))
      yield* checkEverything(yield* toolsOf(tools))
    }).pipe(Effect.scoped, Effect.provide(NodeHttpClient.layerUndici)))

  it.live("server-filesystem", () =>
    Effect.gen(function*() {
      const directory = realpathSync(mkdtempSync(join(tmpdir(), "imodel-")))
      writeFileSync(join(directory, "note.txt"), "a note")
      const tools = yield* toolsOf(yield* ToolBackend.fromMcp(ToolBackend.mcpStdio(server(filesystem, directory))))
      const read = yield* call(tools, "read_text_file", { path: join(directory, "note.txt") })
      assert.strictEqual(Result.isSuccess(read) ? read.success.text : "", "a note")
      const outside = yield* call(tools, "read_text_file", { path: "/etc/passwd" })
      assert.isTrue(Result.isFailure(outside) && outside.failure.message.includes("denied"))
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})

describe("an MCP server", () => {
  it.effect("that does not answer a call fails it by the timeout", () =>
    Effect.gen(function*() {
      const tools = yield* toolsOf(
        yield* ToolBackend.fromMcp(ToolBackend.mcpStdio({ ...observed, timeout: "5 seconds" }))
      )
      const calling = yield* Effect.forkChild(call(tools, "silent", {}))
      let seconds = 0
      while (calling.pollUnsafe() === undefined) {
        yield* TestClock.adjust("1 second")
        yield* TestClock.withLive(Effect.sleep(10))
        seconds++
      }
      const answer = yield* Fiber.join(calling)
      assert.isAtLeast(seconds, 5)
      if (Result.isSuccess(answer) || answer.failure._tag !== "BackendError") return assert.fail("not a failed call")
      assert.strictEqual(answer.failure.reason._tag, "ToolFailure")
      assert.include(answer.failure.message, "deadline")
      const echo = yield* call(tools, "echo", { message: "still there" })
      assert.strictEqual(Result.isSuccess(echo) ? echo.success.text : "", "still there")
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))

  it.live("is not sent arguments that do not fit its schema", () =>
    Effect.gen(function*() {
      const tools = yield* toolsOf(yield* ToolBackend.fromMcp(ToolBackend.mcpStdio(observed)))
      const answer = yield* call(tools, "echo", { message: { text: "no text" } })
      if (Result.isSuccess(answer) || answer.failure._tag !== "BackendError") return assert.fail("not a failed call")
      assert.strictEqual(answer.failure.reason._tag, "ToolFailure")
      assert.match(answer.failure.message, /arguments do not fit[^]*message/)
    }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
})
