/** The wires of the simulator, as the official SDKs speak them, and the faults it can be told to have. */
import Anthropic, * as AnthropicErrors from "@anthropic-ai/sdk"
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ApiError, GoogleGenAI, Type } from "@google/genai"
import { Context, Duration, Effect, Exit, Fiber, Layer, Option, Redacted, Schema, Stream } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest, type HttpClientResponse } from "effect/http"
import { iModel, OpenAi as OpenAiBackend, Simulator } from "effect-imodel"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import OpenAi, * as OpenAiErrors from "openai"

// -----------------------------------------------------------------------------
// What is set up
// -----------------------------------------------------------------------------

const loopback = () => NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })

/** The official clients, of a simulator on loopback that answers at once. */
const clients = Effect.fnUntraced(function*(options: Simulator.Options = {}) {
  const simulator = yield* Simulator.serve({ latency: 0, ...options })
  return {
    ...simulator,
    openAi: new OpenAi({ apiKey: "any", baseURL: simulator.baseUrl, maxRetries: 0 }),
    anthropic: new Anthropic({ apiKey: "any", baseURL: simulator.url, maxRetries: 0 }),
    gemini: new GoogleGenAI({ apiKey: "any", httpOptions: { baseUrl: simulator.url } })
  }
})

const user = (content: string) => [{ role: "user" as const, content }]

const collect = async <A>(items: AsyncIterable<A>): Promise<Array<A>> => {
  const all: Array<A> = []
  for await (const item of items) all.push(item)
  return all
}

/** What a promise is rejected with. */
const rejection = (run: () => Promise<unknown>) =>
  Effect.promise(() => run().then(() => assert.fail("was not rejected"), (error: unknown) => error))

const parameters = {
  type: "object" as const,
  properties: { city: { type: "string" as const }, days: { type: "integer" as const, minimum: 1, maximum: 14 } },
  required: ["city", "days"],
  additionalProperties: false
}

const Weather = Schema.Struct({
  city: Schema.String,
  days: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 14 }))
})

const isWeather = Schema.is(Weather)
const decodeWeather = Schema.decodeUnknownSync(Schema.fromJsonString(Weather))
const isWeatherText = (text: unknown) => isWeather(decodeWeather(text))

const thoughtful: Simulator.Options = {
  answer: () => ({
    reasoning: "Let me see what the sky says.",
    text: "It will rain, in all likelihood. 🌧️",
    toolCalls: [{ name: "weather", arguments: { city: "Zürich", days: 3 } }]
  })
}

// -----------------------------------------------------------------------------
// The official SDKs
// -----------------------------------------------------------------------------

describe("OpenAI's SDK", () => {
  it.effect("has a chat completion, whole and streamed", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients()
      const body = { model: "gpt-4o-mini", messages: user("Hello") }
      const whole = yield* Effect.promise(() => openAi.chat.completions.create(body))
      assert.match(whole.choices[0]?.message.content ?? "", /^([a-z]+ )+[a-z]+\.$/)
      assert.propertyVal(whole, "_request_id", "req_1")
      const chunks = yield* Effect.promise(async () =>
        collect(
          await openAi.chat.completions.create({ ...body, stream: true, stream_options: { include_usage: true } })
        )
      )
      assert.strictEqual(
        chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join(""),
        whole.choices[0]?.message.content
      )
      assert.isAbove(chunks.length, 6)
      assert.deepStrictEqual(chunks.map(({ choices }) => choices[0]?.finish_reason).slice(-2), ["stop", undefined])
      assert.deepStrictEqual(chunks.at(-1)?.usage, whole.usage)
      assert.deepStrictEqual(chunks.slice(0, -1).map(({ usage }) => usage), chunks.slice(1).map(() => null))
    }).pipe(Effect.provide(loopback())))

  it.effect("puts the chunks together to what the whole completion is", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients(thoughtful)
      const body = { model: "m", messages: user("Hello") }
      const whole = yield* Effect.promise(() => openAi.chat.completions.create(body))
      const streamed = yield* Effect.promise(() => openAi.chat.completions.stream(body).finalChatCompletion())
      for (const { choices: [choice] } of [whole, streamed]) {
        assert(choice !== undefined)
        assert.strictEqual(choice.finish_reason, "tool_calls")
        assert.strictEqual(choice.message.content, "It will rain, in all likelihood. 🌧️")
        assert.deepStrictEqual(
          choice.message.tool_calls?.map((call) => call.type === "function" && call.function),
          [{ name: "weather", arguments: "{\"city\":\"Zürich\",\"days\":3}" }]
        )
      }
      assert.propertyVal(whole.choices[0]?.message, "reasoning_content", "Let me see what the sky says.")
      assert.isAbove(whole.usage?.completion_tokens_details?.reasoning_tokens ?? 0, 0)
    }).pipe(Effect.provide(loopback())))

  it.effect("has a tool called when it demands so, and words when it brings the result", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients()
      const tools = [{ type: "function" as const, function: { name: "weather", parameters } }]
      const body = { model: "m", messages: user("Weather?"), tools, tool_choice: "required" as const }
      const called = yield* Effect.promise(() => openAi.chat.completions.create(body))
      assert.strictEqual(called.choices[0]?.finish_reason, "tool_calls")
      const message = called.choices[0]?.message
      const [call] = message?.tool_calls ?? []
      assert(message !== undefined && call?.type === "function")
      assert.strictEqual(call.function.name, "weather")
      assert.isTrue(isWeatherText(call.function.arguments))
      const answered = yield* Effect.promise(() =>
        openAi.chat.completions.create({
          ...body,
          messages: [...body.messages, message, { role: "tool", tool_call_id: call.id, content: "rain" }]
        })
      )
      assert.strictEqual(answered.choices[0]?.finish_reason, "stop")
      assert.isNotEmpty(answered.choices[0]?.message.content)
    }).pipe(Effect.provide(loopback())))

  it.effect("has structured output by its schema", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients()
      const completion = yield* Effect.promise(() =>
        openAi.chat.completions.create({
          model: "m",
          messages: user("Weather?"),
          response_format: { type: "json_schema", json_schema: { name: "weather", schema: parameters } }
        })
      )
      assert.isTrue(isWeatherText(completion.choices[0]?.message.content))
      const response = yield* Effect.promise(() =>
        openAi.responses.create({
          model: "m",
          input: "Weather?",
          text: { format: { type: "json_schema", name: "weather", schema: parameters } }
        })
      )
      assert.deepStrictEqual(
        decodeWeather(response.output_text),
        decodeWeather(completion.choices[0]?.message.content)
      )
    }).pipe(Effect.provide(loopback())))

  it.effect.each<{ readonly name: string; readonly options: Simulator.Options }>([
    { name: "of words", options: {} },
    { name: "of reasoning, words and a call", options: thoughtful }
  ])("has a response, whole and streamed: $name", ({ options }) =>
    Effect.gen(function*() {
      const { openAi } = yield* clients(options)
      const body = { model: "m", input: "Hello", instructions: "Be brief." }
      const whole = yield* Effect.promise(() => openAi.responses.create(body))
      const streamed = yield* Effect.promise(() => openAi.responses.stream(body).finalResponse())
      assert.isNotEmpty(whole.output_text)
      assert.strictEqual(streamed.output_text, whole.output_text)
      assert.deepStrictEqual(streamed.output.map(({ type }) => type), whole.output.map(({ type }) => type))
      assert.deepStrictEqual(streamed.usage, whole.usage)
      assert.strictEqual(streamed.status, "completed")
      const events = yield* Effect.promise(async () =>
        collect(await openAi.responses.create({ ...body, stream: true }))
      )
      assert.deepStrictEqual(events.map((event) => event.sequence_number), events.map((_, i) => i))
      assert.strictEqual(events[0]?.type, "response.created")
      assert.strictEqual(events.at(-1)?.type, "response.completed")
      assert.strictEqual(
        events.map((event) => event.type === "response.output_text.delta" ? event.delta : "").join(""),
        whole.output_text
      )
    }).pipe(Effect.provide(loopback())))

  it.effect("has embeddings, the same in either encoding", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients()
      const body = { model: "text-embedding-3-small", input: ["red", "blue"] }
      const floats = yield* Effect.promise(() => openAi.embeddings.create({ ...body, encoding_format: "float" }))
      const packed = yield* Effect.promise(() => openAi.embeddings.create(body))
      assert.deepStrictEqual(floats.data.map(({ embedding }) => embedding.length), [1536, 1536])
      assert.deepStrictEqual(packed.data[1]?.embedding, floats.data[1]?.embedding.map(Math.fround))
      assert.notDeepEqual(floats.data[0]?.embedding, floats.data[1]?.embedding)
      const [first] = floats.data
      assert.approximately(Math.hypot(...first?.embedding ?? []), 1, 1e-9)
      assert.deepStrictEqual(floats.usage, { prompt_tokens: 2, total_tokens: 2 })
      const short = yield* Effect.promise(() => openAi.embeddings.create({ ...body, dimensions: 3 }))
      assert.strictEqual(short.data[0]?.embedding.length, 3)
    }).pipe(Effect.provide(loopback())))

  it.effect("knows a refusal for what it is", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients({ limitRequests: 1 })
      const create = () => openAi.chat.completions.create({ model: "m", messages: user("Hello") })
      assert.instanceOf(
        yield* rejection(() => openAi.responses.create({ model: "m", input: "x", previous_response_id: "resp_0" })),
        OpenAiErrors.BadRequestError
      )
      assert.instanceOf(yield* rejection(() => openAi.models.list()), OpenAiErrors.NotFoundError)
      yield* Effect.promise(create)
      const error = yield* rejection(create)
      assert(error instanceof OpenAiErrors.RateLimitError)
      assert.strictEqual(error.headers.get("retry-after"), "60")
      assert.strictEqual(error.code, "rate_limit_exceeded")
    }).pipe(Effect.provide(loopback())))
})

describe("Anthropic's SDK", () => {
  const body = { model: "claude-sonnet", max_tokens: 100, messages: user("Hello") }

  it.effect.each<{ readonly name: string; readonly options: Simulator.Options }>([
    { name: "of words", options: {} },
    { name: "of thinking, words and a call", options: thoughtful }
  ])("has a message, whole and streamed: $name", ({ options }) =>
    Effect.gen(function*() {
      const { anthropic } = yield* clients(options)
      const whole = yield* Effect.promise(() => anthropic.messages.create(body))
      assert.propertyVal(whole, "_request_id", "req_1")
      const stream = anthropic.messages.stream(body)
      const streamed = yield* Effect.promise(() => stream.finalMessage())
      assert.strictEqual(stream.request_id, "req_2")
      const withoutIds = whole.content.map((block) => block.type === "tool_use" ? { ...block, id: "toolu_2_0" } : block)
      assert.deepStrictEqual(streamed.content, withoutIds)
      assert.deepStrictEqual(
        { reason: streamed.stop_reason, usage: streamed.usage },
        { reason: whole.stop_reason, usage: whole.usage }
      )
    }).pipe(Effect.provide(loopback())))

  it.effect("has structured output by its schema", () =>
    Effect.gen(function*() {
      const { anthropic } = yield* clients()
      const message = yield* Effect.promise(() =>
        anthropic.messages.create({
          ...body,
          output_config: { format: { type: "json_schema", schema: parameters } }
        })
      )
      const [block] = message.content
      assert.isTrue(block?.type === "text" && isWeatherText(block.text))
    }).pipe(Effect.provide(loopback())))

  it.effect("knows a refusal for what it is", () =>
    Effect.gen(function*() {
      const { anthropic } = yield* clients({ limitRequests: 2, limitTokens: 1000 })
      const wrong = yield* rejection(() => anthropic.messages.create({ ...body, messages: [] }))
      assert.instanceOf(wrong, AnthropicErrors.BadRequestError)
      assert.include(String(wrong), "messages")
      assert.instanceOf(yield* rejection(() => anthropic.models.list()), AnthropicErrors.NotFoundError)
      const { response } = yield* Effect.promise(() => anthropic.messages.create(body).withResponse())
      assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-limit"), "2")
      assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-remaining"), "1")
      assert.strictEqual(response.headers.get("anthropic-ratelimit-requests-reset"), "1970-01-01T00:00:30.000Z")
      assert.strictEqual(response.headers.get("anthropic-ratelimit-tokens-remaining"), "898")
      yield* Effect.promise(() => anthropic.messages.create(body))
      const error = yield* rejection(() => anthropic.messages.create(body))
      assert(error instanceof AnthropicErrors.RateLimitError)
      assert.strictEqual(error.type, "rate_limit_error")
      assert.strictEqual(error.headers.get("retry-after"), "30")
    }).pipe(Effect.provide(loopback())))
})

describe("Gemini's SDK", () => {
  const body = { model: "gemini-flash", contents: "Hello" }

  it.effect("has content, whole and streamed", () =>
    Effect.gen(function*() {
      const { gemini } = yield* clients()
      const whole = yield* Effect.promise(() => gemini.models.generateContent(body))
      const chunks = yield* Effect.promise(async () => collect(await gemini.models.generateContentStream(body)))
      assert.match(whole.text ?? "", /^([a-z]+ )+[a-z]+\.$/)
      assert.isAbove(chunks.length, 5)
      assert.strictEqual(chunks.map(({ text }) => text).join(""), whole.text)
      assert.deepStrictEqual(
        chunks.map(({ candidates }) => candidates?.[0]?.finishReason),
        chunks.map((_, i) => i === chunks.length - 1 ? whole.candidates?.[0]?.finishReason : undefined)
      )
      assert.deepStrictEqual(chunks.at(-1)?.usageMetadata, whole.usageMetadata)
    }).pipe(Effect.provide(loopback())))

  it.effect("has thoughts and calls, whole and streamed", () =>
    Effect.gen(function*() {
      const { gemini } = yield* clients(thoughtful)
      const whole = yield* Effect.promise(() => gemini.models.generateContent(body))
      const chunks = yield* Effect.promise(async () => collect(await gemini.models.generateContentStream(body)))
      assert.deepStrictEqual(whole.candidates?.[0]?.content?.parts?.map(({ text, thought }) => ({ text, thought })), [
        { text: "Let me see what the sky says.", thought: true },
        { text: "It will rain, in all likelihood. 🌧️", thought: undefined },
        { text: undefined, thought: undefined }
      ])
      assert.deepInclude(whole.functionCalls?.[0], { name: "weather", args: { city: "Zürich", days: 3 } })
      assert.deepInclude(chunks.at(-1)?.functionCalls?.[0], { name: "weather", args: { city: "Zürich", days: 3 } })
      assert.isAbove(whole.usageMetadata?.thoughtsTokenCount ?? 0, 0)
    }).pipe(Effect.provide(loopback())))

  it.effect("has structured output by either schema", () =>
    Effect.gen(function*() {
      const { gemini } = yield* clients()
      const responseMimeType = "application/json"
      const json = yield* Effect.promise(() =>
        gemini.models.generateContent({ ...body, config: { responseMimeType, responseJsonSchema: parameters } })
      )
      assert.isTrue(isWeatherText(json.text))
      const own = yield* Effect.promise(() =>
        gemini.models.generateContent({
          ...body,
          config: {
            responseMimeType,
            responseSchema: { type: Type.ARRAY, minItems: "2", maxItems: "2", items: { type: Type.BOOLEAN } }
          }
        })
      )
      assert.match(own.text ?? "", /^\[(true|false),(true|false)\]$/)
    }).pipe(Effect.provide(loopback())))

  it.effect("has embeddings", () =>
    Effect.gen(function*() {
      const { gemini } = yield* clients()
      const { embeddings } = yield* Effect.promise(() =>
        gemini.models.embedContent({
          model: "gemini-embedding-001",
          contents: ["red", "blue"],
          config: { outputDimensionality: 5 }
        })
      )
      assert.deepStrictEqual(embeddings?.map(({ values }) => values?.length), [5, 5])
    }).pipe(Effect.provide(loopback())))

  it.effect("knows a refusal for what it is", () =>
    Effect.gen(function*() {
      const { gemini } = yield* clients({ limitRequests: 1 })
      const create = () => gemini.models.generateContent(body)
      yield* Effect.promise(create)
      yield* TestClock.adjust("42.5 seconds")
      const error = yield* rejection(create)
      assert(error instanceof ApiError)
      assert.strictEqual(error.status, 429)
      assert.include(error.message, "RESOURCE_EXHAUSTED")
      assert.include(error.message, "\"retryDelay\":\"17.5s\"")
    }).pipe(Effect.provide(loopback())))
})

describe("a function that answers", () => {
  /** Asks for the weather, and then says what it was told. */
  const asking: Simulator.Options = {
    answer: (_prompt, { toolResults: [result], tools }) =>
      result === undefined
        ? { toolCalls: tools.map(({ name }) => ({ id: "call_42", name, arguments: { city: "Basel", days: 1 } })) }
        : `${result.name} (${result.id}): ${result.text}`
  }

  it.effect("calls the tools that OpenAI's SDK offers, and sees their results", () =>
    Effect.gen(function*() {
      const { openAi } = yield* clients(asking)
      const tools = [{ type: "function" as const, function: { name: "weather", parameters } }]
      const ask = { model: "m", messages: user("Weather?"), tools }
      const { choices: [choice] } = yield* Effect.promise(() => openAi.chat.completions.create(ask))
      assert(choice !== undefined)
      const answered = yield* Effect.promise(() =>
        openAi.chat.completions.create({
          ...ask,
          messages: [...ask.messages, choice.message, { role: "tool", tool_call_id: "call_42", content: "rain" }]
        })
      )
      assert.strictEqual(answered.choices[0]?.message.content, "weather (call_42): rain")
    }).pipe(Effect.provide(loopback())))

  it.effect("calls the tools that Anthropic's SDK offers, and sees their results", () =>
    Effect.gen(function*() {
      const { anthropic } = yield* clients(asking)
      const ask = {
        model: "m",
        max_tokens: 100,
        messages: user("Weather?"),
        tools: [{ name: "weather", input_schema: parameters }]
      }
      const { content } = yield* Effect.promise(() => anthropic.messages.stream(ask).finalMessage())
      assert.deepStrictEqual(content, [
        {
          type: "tool_use",
          id: "call_42",
          name: "weather",
          input: { city: "Basel", days: 1 },
          caller: { type: "direct" }
        }
      ])
      const answered = yield* Effect.promise(() =>
        anthropic.messages.create({
          ...ask,
          messages: [...ask.messages, { role: "assistant", content }, {
            role: "user",
            content: [{ type: "tool_result", tool_use_id: "call_42", content: [{ type: "text", text: "rain" }] }]
          }]
        })
      )
      assert.deepStrictEqual(answered.content, [{ type: "text", text: "weather (call_42): rain", citations: null }])
    }).pipe(Effect.provide(loopback())))

  it.effect("calls the tools that Gemini's SDK offers, and sees their results", () =>
    Effect.gen(function*() {
      const { gemini } = yield* clients(asking)
      const config = { tools: [{ functionDeclarations: [{ name: "weather", parametersJsonSchema: parameters }] }] }
      const asked = [{ role: "user", parts: [{ text: "Weather?" }] }]
      const { candidates } = yield* Effect.promise(() =>
        gemini.models.generateContent({ model: "m", contents: asked, config })
      )
      const said = candidates?.[0]?.content
      assert(said !== undefined)
      const told = {
        role: "user",
        parts: [{ functionResponse: { id: "call_42", name: "weather", response: { a: 1 } } }]
      }
      const answered = yield* Effect.promise(() =>
        gemini.models.generateContent({ model: "m", contents: [...asked, said, told], config })
      )
      assert.strictEqual(answered.text, "weather (call_42): {\"a\":1}")
    }).pipe(Effect.provide(loopback())))
})

// -----------------------------------------------------------------------------
// All wires alike
// -----------------------------------------------------------------------------

interface Wire {
  readonly name: string
  /** Whole, and streamed. */
  readonly paths: readonly [string, string]
  readonly headers: Readonly<Record<string, string>>
  readonly body: (prompt: string) => object
  /** How a stream is asked for in the body. */
  readonly stream: object
  /** What has come of the answer in these events of a stream. */
  readonly textOf: (event: string) => string
  /** What ends a stream that is whole. */
  readonly ending: RegExp
  /** Whether that is a mark of its own, after all is said. */
  readonly marked: boolean
}

const decodeText = Schema.decodeSync(Schema.fromJsonString(Schema.String))

const texts = (pattern: RegExp) => (event: string): string => {
  const [, text] = pattern.exec(event) ?? []
  return text === undefined ? "" : decodeText(text)
}

const wires: ReadonlyArray<Wire> = [
  {
    name: "OpenAI's chat completions",
    paths: ["/v1/chat/completions", "/v1/chat/completions"],
    headers: { authorization: "Bearer any" },
    body: (prompt) => ({ model: "m", messages: user(prompt) }),
    stream: { stream: true },
    textOf: texts(/"delta":\{"content":("(?:[^"\\]|\\.)*")\}/),
    ending: /data: \[DONE\]\n\n$/,
    marked: true
  },
  {
    name: "OpenAI's responses",
    paths: ["/v1/responses", "/v1/responses"],
    headers: { authorization: "Bearer any" },
    body: (prompt) => ({ model: "m", input: prompt }),
    stream: { stream: true },
    textOf: texts(/output_text\.delta.*"delta":("(?:[^"\\]|\\.)*")/),
    ending: /event: response\.completed\ndata: .*\n\n$/,
    marked: false
  },
  {
    name: "Anthropic's messages",
    paths: ["/v1/messages", "/v1/messages"],
    headers: { "x-api-key": "any", "anthropic-version": "2023-06-01" },
    body: (prompt) => ({ model: "m", max_tokens: 100, messages: user(prompt) }),
    stream: { stream: true },
    textOf: texts(/"type":"text_delta","text":("(?:[^"\\]|\\.)*")/),
    ending: /event: message_stop\ndata: .*\n\n$/,
    marked: true
  },
  {
    name: "Gemini's content",
    paths: ["/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse"],
    headers: { "x-goog-api-key": "any" },
    body: (prompt) => ({ contents: [{ parts: [{ text: prompt }] }] }),
    stream: {},
    textOf: texts(/"parts":\[\{"text":("(?:[^"\\]|\\.)*")\}\]/),
    ending: /"finishReason":"STOP".*\r\n\r\n$/,
    marked: false
  }
]

/** Where the simulator is, in process or on loopback, and the client that reaches it. */
class Place extends Context.Service<Place, {
  readonly url: string
  readonly client: HttpClient.HttpClient
  readonly seen: Effect.Effect<Simulator.Seen>
}>()("test/Place") {}

const inProcess = (options: Simulator.Options) =>
  Layer.effect(
    Place,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const { seen } = yield* Simulator.Simulator
      return { url: "http://simulator.example.com", client, seen }
    })
  ).pipe(Layer.provide(Simulator.layerHttpClient({ latency: 0, ...options })))

const served = (options: Simulator.Options) =>
  Layer.effect(
    Place,
    Effect.gen(function*() {
      const client = yield* HttpClient.HttpClient
      const { seen, url } = yield* Simulator.serve({ latency: 0, ...options })
      return { url, client, seen }
    })
  ).pipe(Layer.provide([loopback(), FetchHttpClient.layer]))

const send = Effect.fnUntraced(function*(wire: Wire, prompt: string, how: "whole" | "stream" = "whole") {
  const { client, url } = yield* Place
  const streams = how === "stream"
  const body = JSON.stringify({ ...wire.body(prompt), ...(streams ? wire.stream : {}) })
  return yield* HttpClientRequest.post(`${url}${wire.paths[streams ? 1 : 0]}`).pipe(
    HttpClientRequest.setHeaders(wire.headers),
    HttpClientRequest.setBody(HttpBody.text(body, "application/json")),
    client.execute
  )
})

/** What comes of a body, and whether it then ends. */
const read = Effect.fnUntraced(function*(response: HttpClientResponse.HttpClientResponse) {
  let text = ""
  const decoder = new TextDecoder()
  const exit = yield* Effect.exit(Stream.runForEach(response.stream, (bytes) =>
    Effect.sync(() => {
      text += decoder.decode(bytes, { stream: true })
    })))
  return { text, ended: Exit.isSuccess(exit), events: text.split(/(?<=\r?\n\r?\n)/) }
})

const answer = () => "one two three four five six seven eight"

const decodeJson = Schema.decodeOption(Schema.fromJsonString(Schema.Unknown))

const parses = (event: string): boolean => Option.isSome(decodeJson(/data: (.*)/.exec(event)?.[1] ?? ""))

describe.each(wires)("$name", (wire) => {
  it.effect("has the same words for the same prompt as the others", () =>
    Effect.gen(function*() {
      const [first, ...others] = yield* Effect.forEach(wires, (wire) =>
        Effect.map(Effect.flatMap(send(wire, "red", "stream"), read), ({ events }) =>
          events.map(wire.textOf).join("")))
      assert.isNotEmpty(first)
      assert.deepStrictEqual(
        others,
        others.map(() =>
          first
        )
      )
    }).pipe(Effect.provide(inProcess({}))))

  it.effect("refuses who has no key, and what it does not know", () =>
    Effect.gen(function*() {
      const keyless = yield* send({ ...wire, headers: {} }, "red")
      assert.strictEqual(keyless.status, wire.name.startsWith("Gemini") ? 403 : 401)
      const strange = yield* send({ ...wire, paths: ["/v1/strange", ""] }, "red")
      assert.strictEqual(strange.status, 404)
      const wrong = yield* send({ ...wire, body: () => ({ model: "m" }) }, "red")
      assert.strictEqual(wrong.status, 400)
      assert.property(yield* wrong.json, "error")
    }).pipe(Effect.provide(inProcess({}))))

  it.effect("shows a function the request in one shape", () => {
    const asked: Array<Simulator.Request> = []
    return Effect.gen(function*() {
      yield* send(wire, "red", "stream")
      const [request] = asked
      assert.deepStrictEqual(request && { ...request, provider: "openai", maxTokens: undefined }, {
        provider: "openai",
        model: "m",
        prompt: "red",
        messages: [{ role: "user", text: "red" }],
        tools: [],
        toolChoice: "auto",
        toolResults: [],
        outputSchema: undefined,
        maxTokens: undefined,
        stream: true
      })
    }).pipe(Effect.provide(inProcess({
      answer: (_prompt, request) => {
        asked.push(request)
        return "blue"
      }
    })))
  })

  it.effect("streams at the pace of the program's clock, and is busy until the end", () =>
    Effect.gen(function*() {
      const place = yield* Place
      const response = yield* send(wire, "red", "stream")
      let events = 0
      const fiber = yield* Effect.forkChild(
        Stream.runForEach(response.stream, () => Effect.sync(() => events++))
      )
      yield* TestClock.adjust("999 millis")
      assert.strictEqual(events, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(events, 1)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(events, 2)
      yield* TestClock.adjust("2 hours")
      yield* Fiber.join(fiber)
      assert.isAbove(events, 7)
      assert.strictEqual((yield* place.seen).mostAtOnce, 1)
    }).pipe(Effect.provide(inProcess({ answer, latency: "1 second", chunkInterval: "10 seconds" }))))

  describe.each([{ name: "in process", at: inProcess }, { name: "on loopback", at: served }])("$name", ({ at }) => {
    const withFault = (fault: Simulator.Fault) => Effect.provide(at({ answer, faults: () => fault }))

    it.effect("streams to its end", () =>
      Effect.gen(function*() {
        const response = yield* send(wire, "red", "stream")
        const { ended, events, text } = yield* read(response)
        assert.strictEqual(response.headers["content-type"], "text/event-stream")
        assert.strictEqual(events.map(wire.textOf).join(""), answer())
        assert.isTrue(ended)
        assert.match(text, wire.ending)
      }).pipe(Effect.provide(at({ answer }))))

    it.effect("refuses once, by the prompt", () =>
      Effect.gen(function*() {
        const statuses = yield* Effect.forEach(["red", "blue", "red", "red", "blue"], (prompt) =>
          Effect.map(send(wire, prompt), ({ status }) => status))
        assert.deepStrictEqual(statuses, [429, 429, 200, 200, 200])
        const { seen } = yield* Place
        const { admitted, rejected, requests } = yield* seen
        assert.deepStrictEqual({ admitted, rejected, requests }, { admitted: 3, rejected: 0, requests: 5 })
      }).pipe(Effect.provide(at({
        limitRequests: 3,
        faults: (_request, attempt) =>
          attempt === 1 ? Simulator.Fault.RateLimited({}) : undefined
      }))))

    it.effect("says when to come again, where it is to", () =>
      Effect.gen(function*() {
        const response = yield* send(wire, "red")
        const told = wire.name.startsWith("Gemini")
          ? /"retryDelay":"7s"/.test(yield* response.text)
          : response.headers["retry-after"] === "7"
        assert.isTrue(told)
      }).pipe(withFault(Simulator.Fault.RateLimited({ retryAfter: "7 seconds" }))))

    it.effect.each([
      { fault: Simulator.Fault.RateLimited({}), statuses: [429] },
      { fault: Simulator.Fault.ServerError(), statuses: [500] },
      { fault: Simulator.Fault.Overloaded(), statuses: [503, 529] },
      { fault: Simulator.Fault.ContextTooLong(), statuses: [400] },
      { fault: Simulator.Fault.ContentPolicy(), statuses: [400, 200] }
    ])("refuses: $fault._tag", ({ fault, statuses }) =>
      Effect.gen(function*() {
        const response = yield* send(wire, "red")
        assert.include(statuses, response.status)
        assert.notProperty(response.headers, "retry-after")
        assert.match(yield* response.text, /^\{("type":"error",)?"(error|promptFeedback)":/)
      }).pipe(withFault(fault)))

    it.effect("resets the connection", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(send(wire, "red"))
        assert.strictEqual(error.reason._tag, "TransportError")
      }).pipe(withFault(Simulator.Fault.Reset())))

    it.effect("cuts a stream after so many pieces, and an answer in its midst", () =>
      Effect.gen(function*() {
        const { ended, events } = yield* Effect.flatMap(send(wire, "red", "stream"), read)
        assert.isFalse(ended)
        assert.strictEqual(events.map(wire.textOf).join(""), "one two three four")
        assert.isTrue(events.every(parses))
        const whole = yield* Effect.flatMap(send(wire, "red"), read)
        assert.isFalse(whole.ended)
        assert.isNotEmpty(whole.text)
      }).pipe(withFault(Simulator.Fault.Cut({ after: 4 }))))

    it.effect("sends an event that is no JSON, and goes on", () =>
      Effect.gen(function*() {
        const { ended, events, text } = yield* Effect.flatMap(send(wire, "red", "stream"), read)
        assert.isTrue(ended)
        assert.match(text, wire.ending)
        assert.strictEqual(
          events.filter(parses).map(wire.textOf).join(""),
          "one two four five six seven eight"
        )
        assert.strictEqual(events.filter((event) => /data: \{/.test(event) && !parses(event)).length, 1)
        const whole = yield* Effect.flatMap(send(wire, "red"), read)
        assert.isTrue(whole.ended)
        assert.isFalse(parses(`data: ${whole.text}`))
      }).pipe(withFault(Simulator.Fault.Malformed({ after: 2 }))))

    it.effect("tells of a failure within a stream", () =>
      Effect.gen(function*() {
        const { ended, events } = yield* Effect.flatMap(send(wire, "red", "stream"), read)
        assert.isTrue(ended)
        assert.strictEqual(events.map(wire.textOf).join(""), "one two")
        assert.match(events.at(-1) ?? "", /"error"/)
      }).pipe(withFault(Simulator.Fault.Failure({ after: 2 }))))

    it.effect("leaves out what comes when all is said", () =>
      Effect.gen(function*() {
        const { ended, events, text } = yield* Effect.flatMap(send(wire, "red", "stream"), read)
        assert.isTrue(ended)
        assert.strictEqual(events.map(wire.textOf).join(""), answer())
        assert.strictEqual(wire.ending.test(text), !wire.marked)
      }).pipe(withFault(Simulator.Fault.NoEnd())))
  })

  describe("with patience", () => {
    const withFault = (fault: Simulator.Fault) => Effect.provide(inProcess({ answer, faults: () => fault }))

    it.effect("never answers, and is busy meanwhile", () =>
      Effect.gen(function*() {
        const fiber = yield* Effect.forkChild(send(wire, "red"))
        yield* TestClock.adjust("1 day")
        assert.isUndefined(fiber.pollUnsafe())
        yield* Fiber.interrupt(fiber)
        const place = yield* Place
        assert.deepInclude(yield* place.seen, { admitted: 1, mostAtOnce: 1 })
      }).pipe(withFault(Simulator.Fault.NoResponse())))

    it.effect("falls silent in the midst", () =>
      Effect.gen(function*() {
        const response = yield* send(wire, "red", "stream")
        const chunks: Array<string> = []
        const fiber = yield* response.stream.pipe(
          Stream.decodeText,
          Stream.runForEach((chunk) => Effect.sync(() => chunks.push(chunk))),
          Effect.forkChild
        )
        yield* TestClock.adjust("1 day")
        assert.isUndefined(fiber.pollUnsafe())
        assert.strictEqual(chunks.map(wire.textOf).join(""), "one two three")
        yield* Fiber.interrupt(fiber)
      }).pipe(withFault(Simulator.Fault.Silence({ after: 3 }))))

    it.effect("is slow to begin", () =>
      Effect.gen(function*() {
        const whole = yield* Effect.forkChild(send(wire, "red"))
        const stream = yield* Effect.forkChild(Effect.flatMap(send(wire, "blue", "stream"), read))
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(whole.pollUnsafe())
        assert.isUndefined(stream.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(whole)).status, 200)
        assert.isTrue((yield* Fiber.join(stream)).ended)
      }).pipe(withFault(Simulator.Fault.SlowStart({ delay: "30 seconds" }))))
  })
})

// -----------------------------------------------------------------------------
// What is drawn
// -----------------------------------------------------------------------------

describe("structured output", () => {
  interface Tree extends Schema.Schema.Type<typeof Leaf> {
    readonly children: ReadonlyArray<Tree>
  }
  const Leaf = Schema.Struct({ name: Schema.NonEmptyString })
  const Tree = Schema.Struct({
    ...Leaf.fields,
    children: Schema.Array(Schema.suspend((): Schema.Codec<Tree> => Tree))
  }).annotate({ identifier: "Tree" })

  const schemas: Readonly<Record<string, Schema.ConstraintCodec<unknown, unknown>>> = {
    scalars: Schema.Struct({ a: Schema.String, b: Schema.Finite, c: Schema.Int, d: Schema.Boolean, e: Schema.Null }),
    options: Schema.Struct({ a: Schema.optional(Schema.String), b: Schema.NullOr(Schema.Int) }),
    literals: Schema.Struct({ kind: Schema.Literals(["sun", "rain"]), one: Schema.Literal(1) }),
    unions: Schema.Union([Schema.Struct({ a: Schema.String }), Schema.Struct({ b: Schema.Array(Schema.Int) })]),
    bounds: Schema.Struct({
      share: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
      some: Schema.Array(Schema.Int).check(Schema.isMinLength(2), Schema.isMaxLength(4))
    }),
    texts: Schema.Struct({
      short: Schema.String.check(Schema.isMinLength(3), Schema.isMaxLength(5)),
      code: Schema.String.check(Schema.isPattern(/^[A-Z]{3}-\d{2}$/)),
      id: Schema.String.check(Schema.isUUID()),
      at: Schema.DateTimeUtcFromString
    }),
    tuples: Schema.Tuple([Schema.String, Schema.Int]),
    records: Schema.Record(Schema.String, Schema.Int),
    trees: Tree
  }

  /** What Effect's JSON schema of a text leaves out. */
  const written: Readonly<Record<string, object>> = {
    texts: {
      type: "object",
      properties: {
        short: { type: "string", minLength: 3, maxLength: 5 },
        code: { type: "string", allOf: [{ pattern: "^[A-Z]{3}-\\d{2}$" }] },
        id: { type: "string", format: "uuid" },
        at: { type: "string", format: "date-time" }
      },
      required: ["short", "code", "id", "at"]
    }
  }

  it.effect.prop("satisfies its schema, whatever the seed", {
    name: Schema.Literals(Object.keys(schemas)),
    seed: Schema.String
  }, ({ name, seed }) =>
    Effect.gen(function*() {
      const schema = Schema.toCodecJson(schemas[name] ?? Schema.Never)
      const { definitions, schema: described } = Schema.toJsonSchemaDocument(schema)
      const root = written[name] ?? described
      const response = yield* send(
        {
          name: "",
          paths: ["/v1/responses", ""],
          headers: { authorization: "Bearer any" },
          body: () => ({
            model: "m",
            input: "red",
            text: { format: { type: "json_schema", name: "output", schema: { ...root, $defs: definitions } } }
          }),
          stream: {},
          textOf: () => "",
          ending: /./,
          marked: false
        },
        "red"
      )
      const { output } = yield* Schema.decodeUnknownEffect(Answered)(yield* response.json)
      const text = output[0]?.content[0]?.text ?? ""
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(Schema.decodeEffect(Schema.fromJsonString(schema))(text))), text)
    }).pipe(Effect.provide(inProcess({ seed }))))

  const Answered = Schema.Struct({
    output: Schema.Array(Schema.Struct({ content: Schema.Array(Schema.Struct({ text: Schema.String })) }))
  })

  it.effect("is refused where the schema is none", () =>
    Effect.gen(function*() {
      const [wire] = wires
      assert(wire !== undefined)
      const schema = { type: "object", properties: { a: { $ref: "#/$defs/Nowhere" } }, required: ["a"] }
      const format = { type: "json_schema", json_schema: { name: "output", schema } }
      const body = (prompt: string) => ({ ...wire.body(prompt), response_format: format })
      const response = yield* send({ ...wire, body }, "red")
      assert.strictEqual(response.status, 400)
      assert.include(yield* response.text, "Nowhere")
    }).pipe(Effect.provide(inProcess({}))))
})

describe("a model of this library", () => {
  it.effect("streams from it on the program's clock", () =>
    Effect.gen(function*() {
      const parts: Array<string> = []
      const fiber = yield* iModel.stream({ prompt: "Hello" }).pipe(
        Stream.runForEach((part) =>
          Effect.sync(() => {
            if (part.type === "text-delta") parts.push(part.delta)
          })
        ),
        Effect.forkChild
      )
      yield* TestClock.adjust("1200 millis")
      assert.deepStrictEqual(parts, ["one", " two"])
      yield* TestClock.adjust("1 minute")
      yield* Fiber.join(fiber)
      assert.strictEqual(parts.join(""), answer())
    }).pipe(Effect.provide(
      iModel.layer().pipe(
        Layer.provide(OpenAiBackend.layerChat({ model: "m", apiKey: Redacted.make("any") })),
        Layer.provide(Simulator.layerHttpClient({ answer, latency: "1 second" }))
      )
    )))
})

describe("a request of Claude Code", () => {
  it.effect("is answered, with what is not known in it", () =>
    Effect.gen(function*() {
      const [, , wire] = wires
      assert(wire !== undefined)
      const body = () => ({
        model: "claude",
        max_tokens: 32_000,
        system: [{ type: "text", text: "You are Claude.", cache_control: { type: "ephemeral", ttl: "1h" } }],
        messages: [
          { role: "user", content: [{ type: "text", text: "Hello", cache_control: { type: "ephemeral" } }] },
          { role: "system", content: "A reminder." },
          { role: "user", content: "Go on." }
        ],
        tools: [{ name: "Bash", input_schema: { type: "object" }, eager_input_streaming: true }, {
          type: "web_search_20250305",
          name: "web_search"
        }],
        thinking: { type: "adaptive" },
        context_management: { edits: [] },
        output_config: { effort: "high" },
        metadata: { user_id: "u" },
        something: "new"
      })
      const response = yield* send({ ...wire, paths: ["", "/v1/messages?beta=true"], body }, "", "stream")
      assert.strictEqual(response.status, 200)
      const { events } = yield* read(response)
      assert.strictEqual(events.map(wire.textOf).join(""), "You are Claude.\nHello\nA reminder.\nGo on.")
    }).pipe(Effect.provide(inProcess({ answer: (prompt) => prompt }))))
})

describe("a request to Anthropic without a version", () => {
  it.effect("is refused", () =>
    Effect.gen(function*() {
      const [, , wire] = wires
      assert(wire !== undefined)
      const response = yield* send({ ...wire, headers: { "x-api-key": "any" } }, "red")
      assert.strictEqual(response.status, 400)
      assert.deepStrictEqual(yield* response.json, {
        type: "error",
        error: { type: "invalid_request_error", message: "anthropic-version: header is required" },
        request_id: "req_1"
      })
    }).pipe(Effect.provide(inProcess({}))))
})

describe("a wrong pace", () => {
  it.effect("fails with IllegalArgumentError that names it", () =>
    Effect.gen(function*() {
      const wrong = Simulator.layerHttpClient({ chunkInterval: Duration.infinity })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(wrong)))
      assert.include(error.message, "chunkInterval")
    }))
})
