/** What providers want back with an answer, and that it goes to the provider alone that sent it. */
import { assert, describe, it } from "@effect/vitest"
import { type Cause, type Config, Effect, Layer, Redacted, Schema, Stream } from "effect"
import { Chat, Prompt, Tool, Toolkit } from "effect/ai"
import { HttpClient, HttpClientResponse } from "effect/http"
import { Anthropic, Gemini, iModel, OpenAi, type ServiceBackend, ToolBackend } from "effect-imodel"
import * as Streams from "../support/streams.ts"

const options = { model: "m", apiKey: Redacted.make("any-key-0123"), retry: { times: 0 } }

const weather = Tool.make("weather", {
  description: "Tells the weather",
  parameters: Schema.Struct({ city: Schema.String }),
  success: Schema.String
})
const toolkit = Toolkit.make(weather)
const makeWeather = Effect.flatMap(ToolBackend.make(weather, () => "rain"), (backend) => iModel.make(backend))
const handlers = toolkit.toLayer({ weather: () => Effect.succeed("rain") })

// -----------------------------------------------------------------------------
// Wires
// -----------------------------------------------------------------------------

interface Wire {
  readonly layer: Layer.Layer<
    ServiceBackend.ServiceBackend,
    Config.ConfigError | Cause.IllegalArgumentError,
    HttpClient.HttpClient
  >
  /** A call of the tool, with what must be sent back. */
  readonly whole: object
  readonly events: ReadonlyArray<object | string>
  /** An answer without calls. */
  readonly last: object
  /** What the next request must have, somewhere in it. */
  readonly sentBack: ReadonlyArray<object>
}

const details = [{ type: "reasoning.encrypted", data: "ENC", id: "c1", format: "google-gemini-v1", index: 0 }]
const extra_content = { google: { thought_signature: "AY89" } }
const toolCall = {
  id: "c1",
  type: "function",
  function: { name: "weather", arguments: "{\"city\":\"Oslo\"}" },
  extra_content
}
const completion = (message: object) => ({
  id: "1",
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: null, ...message }, finish_reason: "stop" }]
})
const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: "1",
  model: "m",
  choices: [{ index: 0, delta, finish_reason }]
})
const chatOf = (provider: OpenAi.Vendor): Wire => ({
  layer: OpenAi.layerChat({ ...options, provider }),
  whole: completion({ reasoning: "Hm", reasoning_details: details, tool_calls: [toolCall] }),
  events: [
    chunk({ reasoning: "Hm" }),
    chunk({ reasoning_details: details }),
    chunk({ tool_calls: [{ index: 0, ...toolCall }] }),
    chunk({}, "stop"),
    "[DONE]"
  ],
  last: completion({ content: "rain" }),
  sentBack: [{ reasoning: "Hm" }, { reasoning_details: details }, { id: "c1", extra_content }]
})

const thinking = { type: "thinking", thinking: "Hm", signature: "SIG" }
const redacted = { type: "redacted_thinking", data: "RED" }
const message = (content: ReadonlyArray<object>, stop_reason: string) => ({
  id: "1",
  type: "message",
  role: "assistant",
  model: "m",
  content,
  stop_reason,
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 }
})
const anthropic: Wire = {
  layer: Anthropic.layerMessages(options),
  whole: message(
    [thinking, redacted, { type: "tool_use", id: "c1", name: "weather", input: { city: "Oslo" } }],
    "tool_use"
  ),
  events: [
    { type: "message_start", message: { ...message([], "x"), stop_reason: null } },
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "", signature: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Hm" } },
    { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "SIG" } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: redacted },
    { type: "content_block_stop", index: 1 },
    {
      type: "content_block_start",
      index: 2,
      content_block: { type: "tool_use", id: "c1", name: "weather", input: {} }
    },
    { type: "content_block_delta", index: 2, delta: { type: "input_json_delta", partial_json: "{\"city\":\"Oslo\"}" } },
    { type: "content_block_stop", index: 2 },
    { type: "message_delta", delta: { stop_reason: "tool_use" } },
    { type: "message_stop" }
  ],
  last: message([{ type: "text", text: "rain" }], "end_turn"),
  sentBack: [thinking, redacted]
}

const generated = (parts: ReadonlyArray<object>) => ({
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP", index: 0 }],
  responseId: "r"
})
const signed = { functionCall: { id: "c1", name: "weather", args: { city: "Oslo" } }, thoughtSignature: "SIG" }
const gemini: Wire = {
  layer: Gemini.layerGenerateContent(options),
  whole: generated([{ text: "Hm", thought: true, thoughtSignature: "TS" }, signed]),
  events: [generated([{ text: "Hm", thought: true, thoughtSignature: "TS" }]), generated([signed])],
  last: generated([{ text: "rain" }]),
  sentBack: [{ text: "Hm", thought: true, thoughtSignature: "TS" }, signed]
}

const thoughts = {
  type: "reasoning",
  id: "rs_1",
  summary: [{ type: "summary_text", text: "Hm" }],
  encrypted_content: "ENC"
}
const functionCall = {
  type: "function_call",
  id: "fc_1",
  call_id: "c1",
  name: "weather",
  arguments: "{\"city\":\"Oslo\"}",
  status: "completed"
}
const response = (output: ReadonlyArray<object>) => ({
  id: "1",
  object: "response",
  created_at: 1,
  model: "m",
  status: "completed",
  output
})
const responsesOf = (provider: OpenAi.Vendor): Wire => ({
  layer: OpenAi.layerResponses({ ...options, provider }),
  whole: response([thoughts, functionCall]),
  events: [
    { type: "response.created", response: { ...response([]), status: "in_progress" } },
    { type: "response.output_item.done", output_index: 0, item: thoughts },
    { type: "response.output_item.done", output_index: 1, item: functionCall },
    { type: "response.completed", response: response([thoughts, functionCall]) }
  ],
  last: response([{
    type: "message",
    id: "msg_1",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text: "rain", annotations: [] }]
  }]),
  sentBack: [{ type: "reasoning", encrypted_content: "ENC" }]
})

const wires = {
  openrouter: chatOf("openrouter"),
  "openai chat": chatOf("openai"),
  anthropic,
  gemini,
  "openai responses": responsesOf("openai"),
  "xai responses": responsesOf("xai")
}

const secrets = ["SIG", "RED", "ENC", "TS", "AY89", "\"Hm\""]

// -----------------------------------------------------------------------------
// The programs
// -----------------------------------------------------------------------------

/** Answers with a call, then without one, and keeps the requests. */
const provider = ({ events, last, whole }: Wire, isStream: boolean) => {
  const requests: Array<string> = []
  const client = HttpClient.make((request) =>
    Effect.sync(() => {
      requests.push(request.body._tag === "Uint8Array" ? new TextDecoder().decode(request.body.body) : "")
      const answer = requests.length === 1 ? whole : last
      const body = isStream && requests.length === 1
        ? Streams.bodyOf([Streams.bytesOf(...events)])
        : Response.json(answer)
      return HttpClientResponse.fromWeb(request, body)
    })
  )
  return { requests, client }
}

const contains = (json: unknown, part: object): boolean =>
  typeof json === "object" && json !== null &&
  (matches(json, part) || Object.values(json).some((value) => contains(value, part)))

const matches = (json: object, part: object): boolean => {
  const fields = new Map<string, unknown>(Object.entries(json))
  return Object.entries(part).every(([key, value]) => JSON.stringify(fields.get(key)) === JSON.stringify(value))
}

const assertSentBack = (wire: Wire, request: string | undefined) => {
  const json: unknown = JSON.parse(request ?? "null")
  for (const part of wire.sentBack) assert.isTrue(contains(json, part), `${JSON.stringify(part)} is not in ${request}`)
}

const modelOf = (wire: Wire) => iModel.layer().pipe(Layer.provide(wire.layer))

const throughJson = (prompt: Prompt.Prompt) =>
  Effect.map(
    Schema.encodeEffect(Prompt.Prompt)(prompt),
    (json) => Schema.decodeUnknownSync(Prompt.Prompt)(JSON.parse(JSON.stringify(json)))
  )

const result = Prompt.make([{
  role: "tool",
  content: [
    Prompt.makePart("tool-result", {
      id: "c1",
      name: "weather",
      result: "rain",
      isFailure: false,
      providerExecuted: false
    })
  ]
}])

/** The prompt after the first answer, whole or streamed. */
const continued = (wire: Wire, isStream: boolean) =>
  Effect.gen(function*() {
    const parts = isStream
      ? yield* Stream.runCollect(iModel.stream({ prompt: "hi" }))
      : (yield* iModel.respond({ prompt: "hi" })).content
    const said = Prompt.concat(Prompt.make("hi"), Prompt.fromResponseParts([...parts]))
    return yield* throughJson(Prompt.concat(said, result))
  }).pipe(Effect.provide(modelOf(wire)), Effect.provideService(HttpClient.HttpClient, provider(wire, isStream).client))

const ask = Effect.fnUntraced(function*(wire: Wire, prompt: Prompt.Prompt) {
  const { client, requests } = provider(wire, false)
  yield* iModel.respond({ prompt }).pipe(
    Effect.provide(modelOf(wire)),
    Effect.provideService(HttpClient.HttpClient, client)
  )
  return requests[0] ?? ""
})

describe.each(Object.entries(wires))("what %s wants back", (name, wire) => {
  it.effect.each([false, true])(
    "is in the next request, through a prompt and JSON; streamed: %s",
    (isStream) =>
      Effect.gen(function*() {
        assertSentBack(wire, yield* ask(wire, yield* continued(wire, isStream)))
      })
  )

  it.effect("is in the next request of the tool loop", () =>
    Effect.gen(function*() {
      const { client, requests } = provider(wire, false)
      yield* iModel.converse("hi", { tools: [yield* makeWeather], maxTurns: 3 }).pipe(
        Effect.provide(modelOf(wire)),
        Effect.provideService(HttpClient.HttpClient, client)
      )
      assertSentBack(wire, requests[1])
    }))

  it.effect.each([false, true])(
    "is in the next request of Effect AI's Chat; streamed: %s",
    (isStream) =>
      Effect.gen(function*() {
        const { client, requests } = provider(wire, isStream)
        yield* Effect.gen(function*() {
          const chat = yield* Chat.empty
          yield* isStream
            ? Stream.runDrain(chat.streamText({ prompt: "hi", toolkit }))
            : chat.generateText({ prompt: "hi", toolkit })
          const stored = yield* chat.exportJson
          const restored = yield* Chat.fromJson(stored)
          yield* restored.generateText({ prompt: [] })
        }).pipe(
          Effect.provide([iModel.layerLanguageModel.pipe(Layer.provide(modelOf(wire))), handlers]),
          Effect.provideService(HttpClient.HttpClient, client)
        )
        assertSentBack(wire, requests[1])
      })
  )

  it.effect.each(Object.entries(wires).filter(([other]) => other !== name))(
    "does not go to %s",
    ([, other]) =>
      Effect.gen(function*() {
        const request = yield* ask(other, yield* continued(wire, false))
        for (const secret of secrets) assert.notInclude(request, secret)
        assert.include(request, "Oslo")
      })
  )
})
