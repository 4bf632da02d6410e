/** Answers of OpenAI's wires as servers send them, from public reports, and what is to be made of them. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Redacted } from "effect"
import { Prompt } from "effect/ai"
import { HttpClient, HttpClientResponse } from "effect/http"
import { TestClock } from "effect/testing"
import { BackendError, type Calling, iModel, OpenAi } from "effect-imodel"
import { makeDecoder } from "../../src/internal/openAi/stream.ts"
import { answering, streamed } from "../support/streams.ts"
import type { Json } from "./generator.ts"

const options = {
  model: "m",
  apiKey: Redacted.make("sk-test-12345678"),
  baseUrl: "http://127.0.0.1/v1",
  retry: { times: 0 }
}

const chatOn = (client: HttpClient.HttpClient, more: Partial<OpenAi.ChatOptions> = {}) =>
  Effect.flatMap(OpenAi.makeChat({ ...options, ...more }), (backend) => iModel.make(backend)).pipe(
    Effect.provideService(HttpClient.HttpClient, client)
  )

const responsesOn = (client: HttpClient.HttpClient) =>
  Effect.flatMap(OpenAi.makeResponses(options), (backend) => iModel.make(backend)).pipe(
    Effect.provideService(HttpClient.HttpClient, client)
  )

const ask = { prompt: "The weather?" }

const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Strings are sent as they are. */
const sse = (...events: ReadonlyArray<Json | string>) =>
  events.map((event) => typeof event === "string" ? event : `data: ${JSON.stringify(event)}\n\n`).join("")

const done = "data: [DONE]\n\n"

const delta = (delta: Json, finish_reason: string | null = null): Json => ({
  id: "c",
  model: "m",
  choices: [{ index: 0, delta, finish_reason }]
})
const stop = delta({}, "stop")
const calls = (...tool_calls: ReadonlyArray<Json>) => delta({ tool_calls })
const called = delta({}, "tool_calls")

const whole = (message: Json, finish_reason: string | null = "stop"): Json => ({
  id: "c",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }]
})

const reasonOf = (error: unknown) => error instanceof BackendError ? error.reason : assert.fail(String(error))

const streamOf = (body: string, contentType?: string) =>
  Effect.flatMap(chatOn(answering([bytesOf(body)], contentType)), (model) => streamed(model, ask))

const answerOf = (body: string | Json, contentType = "application/json") =>
  Effect.flatMap(
    chatOn(answering([bytesOf(typeof body === "string" ? body : JSON.stringify(body))], contentType)),
    (model) => model.respond(ask)
  )

const callsOf = ({ toolCalls }: Calling.NormalizedResponse) => toolCalls.map(({ name, params }) => ({ name, params }))

const weather = (city: string) => ({ name: "get_weather", params: { city } })

describe("an error in a 200", () => {
  const reports: Readonly<Record<string, readonly [Json, BackendError["reason"]["_tag"]]>> = {
    "without choices, in the words of MiniMax": [
      { base_resp: { status_code: 429, status_msg: "rate limit" }, choices: null },
      "RateLimitError"
    ],
    "in the words of Cloudflare": [
      { success: false, errors: [{ code: 500, message: "Failed" }] },
      "InternalProviderError"
    ],
    "in a message of another name": [{ status: "429", msg: "You exceeded your current rate limit" }, "RateLimitError"],
    "with a status as a text": [
      { error: { code: "503", message: "overloaded" }, choices: [] },
      "InternalProviderError"
    ],
    "in the reason of DeepSeek": [whole({ content: "" }, "insufficient_system_resource"), "InternalProviderError"]
  }
  it.effect.each(Object.entries(reports))("%s", ([, [body, tag]]) =>
    Effect.gen(function*() {
      assert.strictEqual(reasonOf(yield* Effect.flip(answerOf(body)))._tag, tag)
    }))

  it.effect("is none where its fields are empty", () =>
    Effect.gen(function*() {
      for (const error of [null, {}, "", { code: 0, message: "" }, { code: null, message: null }]) {
        assert.strictEqual((yield* answerOf({ ...whole({ content: "Rain." }), error })).text, "Rain.")
        assert.strictEqual(
          (yield* streamOf(sse({ ...delta({ content: "Rain." }), error }, stop, done))).response.text,
          "Rain."
        )
      }
    }))

  it.effect("is retried like its status, and asked of the next model", () =>
    Effect.gen(function*() {
      const bodies = [
        { ...whole({ content: null }), error: { code: 502, message: "Bad gateway" } },
        whole({ content: "Rain." })
      ]
      let asked = 0
      const client = HttpClient.make((request) =>
        Effect.sync(() => HttpClientResponse.fromWeb(request, Response.json(bodies[asked++])))
      )
      const model = yield* chatOn(client, { retry: { times: 1, delay: 0 } })
      const fiber = yield* Effect.forkChild(model.respond(ask))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* Fiber.join(fiber)).text, "Rain.")

      const failing = yield* chatOn(answering([bytesOf(JSON.stringify(bodies[0]))], "application/json"))
      const other = yield* chatOn(answering([bytesOf(JSON.stringify(bodies[1]))], "application/json"), { model: "b" })
      assert.strictEqual((yield* (yield* iModel.fallback([failing, other])).respond(ask)).text, "Rain.")
    }))

  it.effect.each<Json | string>([
    { error: { code: 429, message: "Too many" } },
    { ...delta({}, "error"), error: { code: 429, message: "Too many" } },
    { id: "c", choices: [{ index: 0, delta: {}, error: { code: 429, message: "Too many" }, finish_reason: "error" }] },
    "event: error\ndata: {\"error\":{\"code\":429,\"message\":\"Too many\"}}\n\n",
    "event: error\ndata: Too many requests\n\n"
  ])("breaks off a stream that has begun, with its text: %o", (event) =>
    Effect.gen(function*() {
      for (const rest of [[], [done], [stop, done]]) {
        const reason = reasonOf(yield* Effect.flip(streamOf(sse(delta({ content: "Ra" }), event, ...rest))))
        if (reason._tag !== "StreamInterrupted") return assert.fail(reason._tag)
        assert.strictEqual(reason.reason?._tag, "RateLimitError")
      }
      assert.strictEqual(reasonOf(yield* Effect.flip(streamOf(sse(event, stop, done))))._tag, "RateLimitError")
    }))
})

describe("the end of a stream", () => {
  it("is doubtful after a finish that more came with or after, and waited for then", () => {
    const over = (...events: ReadonlyArray<Json>) => {
      const decoder = makeDecoder("openai", {})
      for (const event of events) decoder.push(event, "message")
      return decoder.isOver()
    }
    assert.strictEqual(over(delta({ content: "Ra" })), false)
    assert.strictEqual(over(delta({ content: "Ra" }), stop), "perhaps")
    assert.strictEqual(over(delta({ content: "Ra" }), stop, { choices: [], usage: { prompt_tokens: 1 } }), "perhaps")
    assert.strictEqual(over(delta({ content: "Ra" }, "stop")), "doubtful")
    assert.strictEqual(over(stop, delta({ content: "Ra" })), "doubtful")
  })

  it.effect("is the body's where there is a finish with every chunk", () =>
    Effect.gen(function*() {
      const events = ["Ra", "in", "."].map((content) => delta({ content }, "stop"))
      assert.strictEqual((yield* streamOf(sse(...events))).response.text, "Rain.")
      assert.strictEqual((yield* streamOf(sse(...events, stop, done))).response.text, "Rain.")
    }))

  it.effect("is not there when the body ends or [DONE] comes without a finish", () =>
    Effect.gen(function*() {
      for (const end of ["", done]) {
        const reason = reasonOf(yield* Effect.flip(streamOf(sse(delta({ content: "Ra" }), end))))
        assert.strictEqual(reason._tag, "StreamInterrupted")
      }
    }))

  it.effect("leaves out the event that was cut after it", () =>
    Effect.gen(function*() {
      assert.strictEqual(
        (yield* streamOf(sse(delta({ content: "Rain." }), stop, "data: {\"id\":"))).response.text,
        "Rain."
      )
    }))
})

describe("tool calls", () => {
  const piece = (fields: Json, name?: string, written?: unknown) => ({
    ...fields,
    function: { ...(name !== undefined && { name }), ...(written !== undefined && { arguments: written }) }
  })
  const oslo = "{\"city\":\"Oslo\"}"
  const bergen = "{\"city\":\"Bergen\"}"
  const reports: Readonly<Record<string, ReadonlyArray<Json>>> = {
    "without index, id and another name, the arguments later": [
      calls(piece({}, "get_weather", "")),
      calls(piece({}, undefined, oslo)),
      calls(piece({}, "get_weather", "")),
      calls(piece({}, undefined, bergen))
    ],
    "whole, in one delta, without index and id": [
      calls(piece({}, "get_weather", oslo), piece({}, "get_weather", bergen))
    ],
    "the head of the second at the index of the first": [
      calls(piece({ index: 0, id: "a" }, "get_weather", oslo)),
      calls(piece({ index: 0, id: "b" }, "get_weather", "")),
      calls(piece({ index: 1 }, undefined, bergen))
    ],
    "an id that tells more than the index": [
      calls(piece({ index: 0, id: "a" }, "get_weather", "{\"city\":")),
      calls(piece({ index: 1, id: "b" }, "get_weather", "{\"city\":")),
      calls(piece({ index: 1, id: "a" }, undefined, "\"Oslo\"}")),
      calls(piece({ index: 0, id: "b" }, undefined, "\"Bergen\"}"))
    ],
    "indices that begin at one": [
      calls(piece({ index: 1, id: "a" }, "get_weather", oslo)),
      calls(piece({ index: 3, id: "b" }, "get_weather", bergen))
    ],
    "a name in pieces, and an id of its own for each piece of the arguments": [
      calls(piece({ index: 0, id: "a1" }, "get_", "")),
      calls(piece({ index: 0 }, "weather", "")),
      calls(piece({ index: 0, id: "a2" }, undefined, "{\"city\":")),
      calls(piece({ index: 0, id: "a3" }, undefined, "\"Oslo\"}")),
      calls(piece({ index: 1, id: "b1" }, "get_weather", bergen))
    ],
    "arguments that are objects": [
      calls(piece({ index: 0, id: "a" }, "get_weather", { city: "Oslo" })),
      calls(piece({ index: 1, id: "b" }, "get_weather", { city: "Bergen" }))
    ],
    "an empty object before the arguments": [
      calls(piece({ index: 0, id: "a" }, "get_weather", "{}")),
      calls(piece({ index: 0 }, undefined, oslo)),
      calls(piece({ index: 1, id: "b" }, "get_weather", bergen))
    ],
    "the first one repeated whole": [
      calls(piece({ index: 0, id: "a" }, "get_weather", oslo)),
      calls(piece({ index: 0, id: "a" }, "get_weather", oslo)),
      calls(piece({ index: 1, id: "b" }, "get_weather", bergen))
    ],
    "the same id for both": [
      calls(piece({ index: 0, id: "call_0" }, "get_weather", oslo)),
      calls(piece({ index: 1, id: "call_0" }, "get_weather", bergen))
    ],
    "each in a choice of its own": [
      calls(piece({ index: 0, id: "a" }, "get_weather", oslo)),
      { id: "c", choices: [{ index: 1, delta: { tool_calls: [piece({ index: 0, id: "b" }, "get_weather", bergen)] } }] }
    ]
  }
  it.effect.each(Object.entries(reports))("%s", ([, events]) =>
    Effect.gen(function*() {
      const { parts, response } = yield* streamOf(sse(...events, called, done))
      assert.deepStrictEqual(callsOf(response), [weather("Oslo"), weather("Bergen")])
      const ids = response.toolCalls.map(({ id }) => id)
      assert.strictEqual(new Set(ids).size, 2)
      assert.deepStrictEqual(parts.flatMap((part) => part.type === "tool-call" ? [part.id] : []), ids)
      for (const part of parts) if (part.type === "tool-params-delta") assert.include(ids, part.id)
    }))

  it.effect.each([undefined, null, "", "null", "  ", "{}", {}])(
    "without arguments have none: %s",
    (written) =>
      Effect.gen(function*() {
        const call = { index: 0, id: "a", function: { name: "now", arguments: written } }
        assert.deepStrictEqual(callsOf(yield* answerOf(whole({ tool_calls: [call] }))), [{ name: "now", params: {} }])
        const { response } = yield* streamOf(sse(calls(call), called, done))
        assert.deepStrictEqual(callsOf(response), [{ name: "now", params: {} }])
      })
  )

  it.effect("are one in the field of old", () =>
    Effect.gen(function*() {
      const function_call = { name: "get_weather", arguments: oslo }
      assert.deepStrictEqual(callsOf(yield* answerOf(whole({ function_call }, "function_call"))), [weather("Oslo")])
      const events = [delta({ function_call: { name: "get_weather" } }), delta({ function_call: { arguments: oslo } })]
      assert.deepStrictEqual(callsOf((yield* streamOf(sse(...events, called, done))).response), [weather("Oslo")])
    }))

  it.effect("are no answer without a name", () =>
    Effect.gen(function*() {
      const call = { index: 0, id: "a", function: { arguments: oslo } }
      assert.strictEqual(
        reasonOf(yield* Effect.flip(answerOf(whole({ tool_calls: [call] }))))._tag,
        "InvalidResponseError"
      )
      assert.strictEqual(
        reasonOf(yield* Effect.flip(streamOf(sse(calls(call), called, done))))._tag,
        "StreamInterrupted"
      )
    }))

  it.effect("have other ids than those of the turns before", () =>
    Effect.gen(function*() {
      const body = whole({ tool_calls: [{ id: "call_0", function: { name: "get_weather", arguments: oslo } }] })
      const model = yield* chatOn(answering([bytesOf(JSON.stringify(body))], "application/json"))
      const first = yield* model.respond(ask)
      const [call] = first.toolCalls
      const result = Prompt.toolResultPart({
        id: call?.id ?? "",
        name: "get_weather",
        result: "ok",
        isFailure: false,
        providerExecuted: false
      })
      const prompt = Prompt.make("The weather?").pipe(
        Prompt.concat(Prompt.fromResponseParts(first.content)),
        Prompt.concat([Prompt.toolMessage({ content: [result] })])
      )
      const second = yield* model.respond({ prompt })
      assert.deepStrictEqual([call?.id, second.toolCalls[0]?.id], ["call_0", "call_0_2"])
    }))
})

describe("a looser body", () => {
  it.effect("has notes of what was left out, and keeps it as it came", () =>
    Effect.gen(function*() {
      const body = { ...whole({ content: "Rain.", annotations: [{ url_citation: { url: 7 } }] }), created: "today" }
      const { metadata, rawResponse, text } = yield* answerOf(body)
      assert.strictEqual(text, "Rain.")
      assert.deepStrictEqual(rawResponse, body)
      const { notes } = Object(metadata["imodel"])
      assert.isTrue(notes.some((note: string) => note.startsWith("created: ")), String(notes))
      assert.isTrue(notes.some((note: string) => note.includes("annotations[]")), String(notes))
      assert.isUndefined((yield* answerOf(whole({ content: "Rain." }))).metadata["imodel"])
      const { response } = yield* streamOf(sse({ ...delta({ content: "Rain." }), created: "today" }, stop, done))
      assert.isDefined(response.metadata["imodel"])
    }))

  it.effect.each<Json>([
    { ...whole({}), choices: [] },
    { ...whole({}), choices: null },
    { id: "c", model: "m" },
    { id: "c", choices: [{ index: 0, finish_reason: "stop" }] },
    whole({ content: 7 }),
    whole({ tool_calls: "none" }),
    { id: "c", choices: { message: { content: "Rain." } } }
  ])("is no answer without one: %o", (body) =>
    Effect.gen(function*() {
      assert.strictEqual(reasonOf(yield* Effect.flip(answerOf(body)))._tag, "InvalidResponseError")
    }))
})

describe("framing", () => {
  const events = [delta({ content: "Ra" }), delta({ content: "in." }), stop]
  const json = JSON.stringify(whole({ content: "Rain." }))
  const bodies: Readonly<Record<string, readonly [string, string]>> = {
    "events under application/json": [sse(...events, done), "application/json"],
    "events under text/plain": [sse(...events, done), "text/plain"],
    "objects on lines": [events.map((event) => JSON.stringify(event)).join("\n"), "application/x-ndjson"],
    "a whole answer": [json, "application/json"],
    "a whole answer under text/event-stream": [json, "text/event-stream"],
    "a whole answer after blanks and comments": [`: wait\n\n\n${json}`, "text/event-stream"],
    "a whole answer and [DONE]": [`${json}\n\ndata: [DONE]\n\n`, "text/event-stream"],
    "a whole answer as one event": [`data:${json}\n\n`, "text/event-stream"],
    "a whole answer as one event, and [DONE]": [`data: ${json}\n\ndata: [DONE]\n\n`, "application/json"]
  }
  it.effect.each(Object.entries(bodies))("%s", ([, [body, contentType]]) =>
    Effect.gen(function*() {
      assert.strictEqual((yield* answerOf(body, contentType)).text, "Rain.")
      const { parts, response } = yield* streamOf(body, contentType)
      assert.strictEqual(response.text, "Rain.")
      assert.strictEqual(parts.map((part) => part.type === "text-delta" ? part.delta : "").join(""), "Rain.")
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }))
})

describe("a whole answer", () => {
  it.effect("is asked for where a server may stream unasked", () =>
    Effect.gen(function*() {
      const sent: Array<unknown> = []
      const client = HttpClient.make((request) =>
        Effect.sync(() => {
          sent.push(request.body._tag === "Uint8Array" ? JSON.parse(new TextDecoder().decode(request.body.body)) : {})
          return HttpClientResponse.fromWeb(request, Response.json(whole({ content: "Rain." })))
        })
      )
      yield* (yield* chatOn(client, { provider: "ollama" })).respond(ask)
      yield* (yield* chatOn(client, { baseUrl: "https://api.openai.com/v1" })).respond(ask)
      assert.deepStrictEqual(sent.map((body) => Object(body).stream), [false, undefined])
    }))
})

describe("Responses", () => {
  const item = { type: "message", role: "assistant", content: [{ type: "output_text", text: "Rain." }] }
  const response = { id: "r", model: "m", status: "completed", output: [item] }

  it.effect("may come without announcements, and without the output at the end", () =>
    Effect.gen(function*() {
      const events = [
        { type: "response.reasoning_summary_text.delta", delta: "Hm." },
        { type: "response.output_text.delta", delta: "Ra" },
        { type: "response.output_text.delta", delta: "in." },
        { type: "response.completed", response: { ...response, output: [] } }
      ]
      const model = yield* responsesOn(answering([bytesOf(sse(...events))]))
      const { parts, response: answer } = yield* streamed(model, ask)
      assert.strictEqual(answer.text, "Rain.")
      assert.deepStrictEqual(parts.flatMap((part) => "delta" in part ? [part.delta] : []), ["Hm.", "Ra", "in."])
    }))

  it.effect("may be typed by the names of their events alone", () =>
    Effect.gen(function*() {
      const body = `event: response.completed\ndata: ${JSON.stringify({ response })}`
      const model = yield* responsesOn(answering([bytesOf(body)]))
      assert.strictEqual((yield* streamed(model, ask)).response.text, "Rain.")
    }))
})
