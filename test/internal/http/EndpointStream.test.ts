import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Option, Queue, Redacted, Stream } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { type Layer } from "effect"
import { BackendError, type Calling, iModel, OpenAi } from "effect-imodel"
import { events, serveEvents, type Streamed } from "../../support/events.ts"

const canary = "sk-canary-0123456789"

const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "gpt-4o-mini",
  choices: [{ index: 0, delta, finish_reason }]
})
const text = (content: string) => chunk({ content })
const call = (written: string) => chunk({ tool_calls: [{ index: 0, function: { arguments: written } }] })
const stop = chunk({}, "stop")
const usage = {
  ...stop,
  choices: [],
  usage: { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 }
}
const error = (message: string, type: string) => ({ error: { message, type, param: null, code: null } })

const modelOf = Effect.fnUntraced(
  function*(answer: (body: unknown, n: number) => Streamed, options?: iModel.Options<OpenAi.ChatRequest>) {
    const server = yield* serveEvents(answer)
    const backend = yield* OpenAi.makeChat({
      model: "gpt-4o-mini",
      apiKey: Redacted.make(canary),
      baseUrl: `${server.url}/v1`,
      retry: { delay: 1 }
    })
    return { server, model: yield* iModel.make(backend, options) }
  }
)

const ask = { prompt: "Name a colour." }

const collect = Effect.fnUntraced(function*<E>(stream: Stream.Stream<Calling.StreamPart, E>) {
  const parts: Array<Calling.StreamPart> = []
  const exit = yield* Effect.exit(Stream.runForEach(stream, (part) => Effect.sync(() => parts.push(part))))
  return {
    exit,
    parts,
    text: parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []).join(""),
    error: Exit.isFailure(exit) ? Option.getOrUndefined(Cause.findErrorOption(exit.cause)) : undefined
  }
})

const reasonOf = (error: unknown) => error instanceof BackendError ? error.reason : undefined

const brokenOff = (error: unknown) => {
  const reason = reasonOf(error)
  return reason?._tag === "StreamInterrupted" ? reason : assert.fail(`not broken off: ${error}`)
}

const suite = (name: string, client: Layer.Layer<HttpClient.HttpClient>) =>
  layer(client, { excludeTestServices: true })(`a stream on ${name}`, (it) => {
    it.effect("asks for its usage, and has the parts and the end", () =>
      Effect.gen(function*() {
        const { model, server } = yield* modelOf(() => ({
          chunks: events(text(""), text("bl"), text("ue"), stop, usage, "[DONE]")
        }))
        const { exit, parts, text: said } = yield* collect(model.stream({ ...ask, max_tokens: 5 }))
        assert.isTrue(Exit.isSuccess(exit))
        assert.strictEqual(said, "blue")
        assert.deepStrictEqual(
          parts.map((part) => part.type),
          ["response-metadata", "text-start", "text-delta", "text-delta", "text-end", "finish"]
        )
        const last = parts.at(-1)
        assert.isTrue(last?.type === "finish" && last.reason === "stop" && last.usage.outputTokens.total === 4)
        assert.deepStrictEqual(yield* server.request, {
          model: "gpt-4o-mini",
          messages: [{ role: "user", content: "Name a colour." }],
          max_tokens: 5,
          stream: true,
          stream_options: { include_usage: true }
        })
      }))

    describe("its end", () => {
      const ends: ReadonlyArray<readonly [string, Streamed]> = [
        ["[DONE]", { chunks: events(text("blue"), stop, usage, "[DONE]") }],
        ["a finish and its usage, without [DONE]", { chunks: events(text("blue"), stop, usage) }],
        ["a finish alone", { chunks: events(text("blue"), stop) }],
        ["a finish and its usage, on a connection that stays open", {
          chunks: events(text("blue"), stop, usage),
          after: "hang"
        }],
        ["[DONE], on a connection that stays open", { chunks: events(text("blue"), stop, "[DONE]"), after: "hang" }],
        ["a finish alone, on a connection that stays open", { chunks: events(text("blue"), stop), after: "hang" }],
        ["[DONE], after events of nothing", { chunks: events("", text("blue"), "", stop, usage, "[DONE]") }],
        ["a finish, on a connection that is cut then", { chunks: events(text("blue"), stop), after: "cut" }]
      ]
      for (const [what, answer] of ends) {
        it.effect(`is ${what}`, () =>
          Effect.gen(function*() {
            const { model } = yield* modelOf(() => answer)
            const { exit, parts, text: said } = yield* collect(model.stream(ask, { idleTimeout: "2 seconds" }))
            assert.isTrue(Exit.isSuccess(exit), String(exit))
            assert.strictEqual(said, "blue")
            assert.strictEqual(parts.at(-1)?.type, "finish")
          }))
      }

      it.effect("is a finish alone, before its silence is taken for a break", () =>
        Effect.gen(function*() {
          const { model } = yield* modelOf(() => ({ chunks: events(text("blue"), stop), after: "hang" }))
          const { exit, text: said } = yield* collect(model.stream(ask, { idleTimeout: "1 second" }))
          assert.isTrue(Exit.isSuccess(exit), String(exit))
          assert.strictEqual(said, "blue")
        }))

      const breaks: ReadonlyArray<readonly [string, Streamed, RegExp]> = [
        ["a body that ends before it", { chunks: events(text("bl"), text("ue")) }, /ended before/],
        ["[DONE] before a finish", { chunks: events(text("blue"), "[DONE]") }, /ended before/],
        ["a cut connection", { chunks: events(text("bl"), text("ue")), after: "cut" }, /connection/],
        [
          "an event that is cut",
          { chunks: Stream.concat(events(text("blue")), Stream.succeed(`data: {"id"`)) },
          /ended before/
        ],
        ["an event that is not JSON", { chunks: events(text("blue"), `{"id": nonsense`, stop) }, /not JSON/],
        ["an event that makes no sense", { chunks: events(text("blue"), { choices: 7 }, stop) }, /choices/],
        [
          "an error in the middle",
          { chunks: events(text("blue"), error(`overloaded ${canary}`, "server_error")) },
          /overloaded/
        ]
      ]
      for (const [what, answer, message] of breaks) {
        it.effect(`is not ${what}`, () =>
          Effect.gen(function*() {
            const { model } = yield* modelOf(() => answer)
            const { error, text: said } = yield* collect(model.stream(ask))
            const reason = brokenOff(error)
            assert.strictEqual(said, "blue")
            assert.strictEqual(reason.text, "blue")
            assert.match(reason.message, message)
            assert.notInclude(JSON.stringify(error), canary)
          }))
      }
    })

    describe("an event that makes no sense", () => {
      const counted = (completion_tokens: number, reasoning_tokens: number) => ({
        ...usage,
        usage: { ...usage.usage, completion_tokens, completion_tokens_details: { reasoning_tokens } }
      })
      const survived: ReadonlyArray<readonly [string, ReadonlyArray<unknown>]> = [
        ["there are as many pieces as tokens", [text("bl"), "{garbage", text("ue"), stop, counted(2, 0), "[DONE]"]],
        ["there are, but for hidden thoughts", [text("bl"), "{garbage", text("ue"), stop, counted(5, 3), "[DONE]"]],
        ["it comes first", [{ choices: 7 }, text("bl"), text("ue"), stop, counted(2, 0), "[DONE]"]],
        ["it comes when all is said", [text("blue"), stop, counted(1, 0), "{garbage", "[DONE]"]],
        ["it comes after the finish", [text("bl"), text("ue"), stop, "{garbage", counted(9, 0), "[DONE]"]],
        ["it comes in place of the usage", [text("blue"), stop, "{garbage", "[DONE]"]]
      ]
      for (const [when, data] of survived) {
        it.effect(`is passed over when ${when}`, () =>
          Effect.gen(function*() {
            const { model } = yield* modelOf(() => ({ chunks: events(...data) }))
            const { exit, parts, text: said } = yield* collect(model.stream(ask))
            assert.isTrue(Exit.isSuccess(exit), String(exit))
            assert.strictEqual(said, "blue")
            assert.strictEqual(parts.at(-1)?.type, "finish")
          }))
      }

      const lost: ReadonlyArray<readonly [string, Streamed, text?: string]> = [
        ["a token is missing", {
          chunks: events(text("blue"), "{garbage", text("sky"), stop, counted(3, 0), "[DONE]")
        }],
        ["pieces are not tokens", {
          chunks: events(text("blue"), "{garbage", text("sk"), text("y"), stop, counted(2, 0))
        }],
        ["it may have been a thought", { chunks: events("{garbage", text("blue"), stop, counted(3, 2), "[DONE]") }, ""],
        ["a tool has no name", {
          chunks: events(text("blue"), "{garbage", call("{}"), stop, counted(2, 0), "[DONE]")
        }],
        ["nobody counts", { chunks: events(text("blue"), "{garbage", text("sky"), stop, "[DONE]") }],
        ["there are two", { chunks: events(text("blue"), "{garbage", text("sky"), "{garbage"), after: "hang" }]
      ]
      for (const [when, answer, before = "blue"] of lost) {
        it.effect(`breaks the answer off when ${when}, with the text before it`, () =>
          Effect.gen(function*() {
            const { model } = yield* modelOf(() => answer)
            const { error, text: said } = yield* collect(model.stream(ask))
            assert.strictEqual(brokenOff(error).text, before)
            assert.match(brokenOff(error).message, /not JSON/)
            assert.strictEqual(said, before)
          }))
      }
    })

    it.effect("may have events of many megabytes", () =>
      Effect.gen(function*() {
        const large = "x".repeat(12_000_000)
        const { model } = yield* modelOf(() => ({ chunks: events(text(large), stop, usage, "[DONE]") }))
        assert.strictEqual((yield* collect(model.stream(ask))).text.length, large.length)
      }))

    it.effect.each(["text/event-stream", "text/html"])(
      "without events says what it is instead: %s",
      (contentType) =>
        Effect.gen(function*() {
          const page = `<html><body>\n\nPlease log in with ${canary}.\n</body></html>`
          const { model } = yield* modelOf(() => ({ chunks: Stream.succeed(page), contentType }))
          const reason = reasonOf((yield* collect(model.stream(ask))).error)
          assert.isTrue(reason?._tag === "InvalidResponseError", String(reason))
          assert.match(String(reason), /Please log in with <redacted>/)
        })
    )

    it.effect("shows no piece of a key either", () =>
      Effect.gen(function*() {
        const { model } = yield* modelOf(() => ({ chunks: events(`{${"x".repeat(485)}${canary}`) }))
        const reason = reasonOf((yield* collect(model.stream(ask))).error)
        assert.match(String(reason), /xxx/)
        assert.notInclude(String(reason), canary.slice(0, 6))
      }))

    it.effect("without events is the error that it tells of", () =>
      Effect.gen(function*() {
        const overloaded = JSON.stringify(error("overloaded", "server_error"))
        const { model } = yield* modelOf((_, n) =>
          n === 0 ? { chunks: Stream.succeed(overloaded) } : { chunks: events(text("blue"), stop, usage, "[DONE]") }
        )
        assert.strictEqual((yield* collect(model.stream(ask))).text, "blue")
      }))

    it.effect("is asked for again when it failed before its first part", () =>
      Effect.gen(function*() {
        const { model } = yield* modelOf((_, n) =>
          n === 0
            ? { chunks: events(error("try again", "server_error")) }
            : { chunks: events(text("blue"), stop, usage, "[DONE]") }
        )
        const { exit, text: said } = yield* collect(model.stream(ask))
        assert.isTrue(Exit.isSuccess(exit))
        assert.strictEqual(said, "blue")
      }))

    it.effect("may be one whole answer from who does not stream", () =>
      Effect.gen(function*() {
        const whole = {
          ...usage,
          object: "chat.completion",
          choices: [{ index: 0, message: { role: "assistant", content: "blue" }, finish_reason: "stop" }]
        }
        const { model } = yield* modelOf(() => ({
          chunks: Stream.succeed(JSON.stringify(whole)),
          contentType: "application/json"
        }))
        const { exit, text: said } = yield* collect(model.stream(ask))
        assert.isTrue(Exit.isSuccess(exit))
        assert.strictEqual(said, "blue")
      }))

    it.effect("closes its connection at once when nobody reads on", () =>
      Effect.gen(function*() {
        const { model, server } = yield* modelOf(() => ({ chunks: events(text("bl"), text("ue")), after: "hang" }))
        const read = yield* Queue.unbounded<Calling.StreamPart>()
        const reader = yield* Effect.forkChild(Stream.runForEach(model.stream(ask), (part) => Queue.offer(read, part)))
        yield* Queue.take(read)
        yield* Fiber.interrupt(reader)
        yield* server.closed
      }))

    it.effect("holds its provider back while it is not read", () =>
      Effect.gen(function*() {
        let sent = 0
        const big = "x".repeat(100_000)
        const { model } = yield* modelOf(() => ({
          chunks: Stream.concat(
            Stream.range(1, 400).pipe(
              Stream.rechunk(1),
              Stream.map(() => `data: ${JSON.stringify(text(big))}\n\n`),
              Stream.tap(() => Effect.sync(() => sent++))
            ),
            events(stop, usage, "[DONE]")
          )
        }))
        const first = yield* Queue.unbounded<Calling.StreamPart>()
        const pace = yield* Queue.unbounded<void>()
        const reader = yield* Effect.forkChild(
          Stream.runForEach(model.stream(ask), (part) => Effect.andThen(Queue.offer(first, part), Queue.take(pace)))
        )
        yield* Queue.take(first)
        // What is sent ahead fills the buffers of both ends of the connection, and no more.
        let before = -1
        while (before !== sent) {
          before = sent
          yield* Effect.sleep(200)
        }
        assert.isBelow(sent, 350)
        yield* Queue.offerAll(pace, Array.from({ length: 500 }, () => undefined))
        yield* Fiber.join(reader)
        assert.strictEqual(sent, 400)
      }))

    it.effect("gives back what it had reserved and did not use", () =>
      Effect.gen(function*() {
        const { model } = yield* modelOf(() => ({ chunks: events(text("blue"), stop, usage, "[DONE]") }), {
          limitTokens: 10_000,
          capacityRefreshTime: "1 hour"
        })
        yield* collect(model.stream({ ...ask, max_tokens: 1_000 }))
        const left = Effect.map(
          Effect.flatMap(Effect.fromNullishOr(model.executor), ({ snapshot }) => snapshot),
          ({ limits }) => limits.tokens?.available ?? 0
        )
        yield* Effect.repeat(Effect.delay(left, 5), { until: (tokens) => tokens > 9_980 && tokens < 9_990 })
      }))
  })

suite("FetchHttpClient", FetchHttpClient.layer)
suite("NodeHttpClient.layerUndici", NodeHttpClient.layerUndici)
