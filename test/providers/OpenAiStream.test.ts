import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Tool } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { OpenAi } from "effect-imodel"
import OpenAI from "openai"
import type { ChatCompletionCreateParamsNonStreaming } from "openai/resources/chat/completions"
import { isReadable } from "../support/json.ts"
import * as StreamContract from "../support/streamContract.ts"
import { bodyOf, bytesOf, saidBy } from "../support/streams.ts"
import * as Wire from "../support/wire.ts"

/** What the official SDK makes of these bytes. */
const sdkAnswer = (bytes: Uint8Array) =>
  Effect.promise(() => {
    const client = new OpenAI({ apiKey: "sk-canary", maxRetries: 0, fetch: () => Promise.resolve(bodyOf([bytes])) })
    return client.chat.completions.stream({ model: "gpt-4o-mini", messages: [{ role: "user", content: "A colour?" }] })
      .finalChatCompletion()
  })

// -----------------------------------------------------------------------------
// Answers, whole and in chunks
// -----------------------------------------------------------------------------

interface Call {
  readonly id: string
  readonly name: string
  readonly args: string
}

interface Choice {
  readonly reasoning?: string
  readonly text: string
  readonly refusal?: string
  readonly cited?: boolean
  readonly logprobs?: boolean
  readonly calls: ReadonlyArray<Call>
  readonly reason: string
}

const usage = {
  prompt_tokens: 9,
  completion_tokens: 7,
  total_tokens: 16,
  prompt_tokens_details: { cached_tokens: 4 },
  completion_tokens_details: { reasoning_tokens: 3 }
}

const head = { id: "chatcmpl-1", created: 1_700_000_000, model: "gpt-4o-mini", service_tier: "default" }

const annotation = { type: "url_citation", url_citation: { url: "https://example.com/", title: "A page" } }

const logprobOf = (token: string) => ({ token, logprob: -1, bytes: null, top_logprobs: [] })

const completionOf = (choices: ReadonlyArray<Choice>, size: number) => ({
  ...head,
  object: "chat.completion",
  choices: choices.map(({ calls, cited, logprobs, reason, reasoning, refusal, text }, index) => ({
    index,
    finish_reason: reason,
    ...(logprobs && text !== "" && { logprobs: { content: piecesOf(text, size).map(logprobOf), refusal: null } }),
    message: {
      role: "assistant",
      content: text === "" ? null : text,
      ...(refusal && { refusal }),
      ...(reasoning && { reasoning_content: reasoning }),
      ...(cited && { annotations: [annotation] }),
      ...(calls.length > 0 && {
        tool_calls: calls.map(({ args, id, name }) => ({
          id,
          type: "function",
          function: { name, arguments: args }
        }))
      })
    }
  })),
  usage
})

const piecesOf = (text: string, size: number): ReadonlyArray<string> => {
  const letters = [...text]
  return Array.from(
    { length: Math.ceil(letters.length / size) },
    (_, i) => letters.slice(i * size, (i + 1) * size).join("")
  )
}

/** The deltas of a choice. The arguments of parallel calls come by turns. */
const deltasOf = ({ calls, cited, logprobs, reasoning, refusal, text }: Choice, size: number) => {
  const written = calls.map(({ args }) => piecesOf(args, size))
  const turns = Math.max(0, ...written.map((pieces) => pieces.length))
  return [
    { delta: { role: "assistant", content: text === "" ? null : "", refusal: null } },
    ...piecesOf(reasoning ?? "", size).map((reasoning_content) => ({ delta: { reasoning_content } })),
    ...piecesOf(text, size).map((content) => {
      const delta = { content }
      return logprobs ? { delta, logprobs: { content: [logprobOf(content)], refusal: null } } : { delta }
    }),
    ...piecesOf(refusal ?? "", size).map((refusal) => ({ delta: { refusal } })),
    ...(cited ? [{ delta: { annotations: [annotation] } }] : []),
    ...calls.map(({ id, name }, index) => ({
      delta: { tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }
    })),
    ...Array.from(
      { length: turns },
      (_, turn) =>
        written.flatMap((pieces, index) =>
          pieces.slice(turn, turn + 1).map((args) => ({
            delta: { tool_calls: [{ index, function: { arguments: args } }] }
          }))
        )
    ).flat()
  ]
}

const chunksOf = (choices: ReadonlyArray<Choice>, size: number): ReadonlyArray<object | string> => {
  const chunk = (fields: object) => ({ ...head, object: "chat.completion.chunk", ...fields })
  return [
    ...choices.flatMap((choice, index) =>
      [...deltasOf(choice, size), { delta: {}, finish_reason: choice.reason }].map((fields) =>
        chunk({ choices: [{ index, finish_reason: null, ...fields }], usage: null })
      )
    ),
    chunk({ choices: [], usage }),
    "[DONE]"
  ]
}

const everything: Choice = {
  reasoning: "Hü, a colour.",
  text: "Blue 🟦 sky",
  cited: true,
  logprobs: true,
  calls: [
    { id: "call_1", name: "paint", args: "{\"colour\":\"bleu ciel\"}" },
    { id: "call_2", name: "mix", args: "{\"a\":1}" },
    { id: "call_3", name: "rest", args: "" }
  ],
  reason: "tool_calls"
}

const wire = Wire.make({
  makeBackend: (options) => OpenAi.makeChat({ model: "gpt-4o-mini", ...options }),
  apiKey: "sk-canary",
  base: "/v1",
  ask: { prompt: "A colour?" },
  answer: completionOf([everything], 3)
})
const { streamOf, wholeOf } = wire

// -----------------------------------------------------------------------------

describe("a streamed chat completion", () => {
  it.effect("hands out its texts as they come, and its calls when they are whole", () =>
    Effect.gen(function*() {
      const { parts } = yield* streamOf(bytesOf(...chunksOf([everything], 8)))
      assert.deepStrictEqual(parts.map(({ type }) => type), [
        "response-metadata",
        "reasoning-start",
        "reasoning-delta",
        "reasoning-delta",
        "reasoning-end",
        "text-start",
        "text-delta",
        "text-delta",
        "source",
        "text-end",
        "tool-params-start",
        "tool-params-start",
        "tool-params-delta",
        "tool-params-delta",
        "tool-params-delta",
        "tool-params-delta",
        "tool-params-start",
        "tool-params-end",
        "tool-call",
        "tool-params-end",
        "tool-call",
        "tool-params-end",
        "tool-call",
        "finish"
      ])
      const calls = parts.filter((part) => part.type === "tool-call")
      assert.deepStrictEqual(calls.map(({ id, name, params }) => ({ id, name, params })), [
        { id: "call_1", name: "paint", params: { colour: "bleu ciel" } },
        { id: "call_2", name: "mix", params: { a: 1 } },
        { id: "call_3", name: "rest", params: {} }
      ])
    }))

  it.effect("tells calls apart by their ids where all have the same number", () =>
    Effect.gen(function*() {
      const call = (id: string, name: string, args: string) => ({
        delta: { tool_calls: [{ index: 0, id, function: { name, arguments: args } }] }
      })
      const of = (choice: object) => ({ ...head, choices: [{ index: 0, ...choice }] })
      const { parts, response } = yield* streamOf(bytesOf(
        of(call("call_1", "paint", `{"a":1}`)),
        of(call("call_2", "mix", `{"b":`)),
        of({ delta: { tool_calls: [{ index: 0, id: "call_2", function: { arguments: "2}" } }] } }),
        of({ delta: {}, finish_reason: "tool_calls" }),
        "[DONE]"
      ))
      assert.deepStrictEqual(response.toolCalls, [
        { id: "call_1", name: "paint", params: { a: 1 } },
        { id: "call_2", name: "mix", params: { b: 2 } }
      ])
      assert.deepStrictEqual(saidBy(parts), saidBy(response.content))
    }))

  it.effect("is what the openai SDK makes of the same bytes", () =>
    Effect.gen(function*() {
      // The SDK keeps but the last piece of fields that are none of OpenAI's.
      const { reasoning: _, ...choice } = everything
      const refused = { text: "", refusal: "No.", calls: [], reason: "stop" }
      const bytes = bytesOf(...chunksOf([choice, refused], 3))
      const theirs = yield* sdkAnswer(bytes)
      const { response } = yield* streamOf(bytes)
      assert.deepStrictEqual(told(response.data), told(theirs))
    }))

  const Text = Schema.String.check(Schema.isMaxLength(10))
  const Choices = Schema.NonEmptyArray(Schema.Struct({
    reasoning: Text,
    text: Text,
    refusal: Text,
    cited: Schema.Boolean,
    logprobs: Schema.Boolean,
    calls: Schema.Array(
      Schema.Struct({
        name: Text.check(Schema.isMinLength(1)),
        args: Schema.Union([Schema.Json.check(isReadable), Text])
      })
    ).check(
      Schema.isMaxLength(3)
    ),
    reason: Schema.Literals(["stop", "length", "tool_calls", "content_filter"])
  })).check(Schema.isMaxLength(2))
  const Case = Schema.Struct({
    choices: Choices,
    size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))
  })

  it.effect.prop(
    "says what the same answer says whole",
    [Case],
    ([{ choices, size }]) =>
      Effect.gen(function*() {
        const all = choices.map((choice): Choice => ({
          ...choice,
          calls: choice.calls.map(({ args, name }, i) => ({
            id: `call_${i}`,
            name,
            args: typeof args === "string" ? args : JSON.stringify(args)
          }))
        }))
        const inStream = yield* streamOf(bytesOf(...chunksOf(all, size)))
        const whole = yield* wholeOf(completionOf(all, size))
        assert.deepStrictEqual(told(inStream.response.data), told(whole.data))
        assert.deepStrictEqual(inStream.response.content, whole.content)
        StreamContract.assertSame(inStream.parts, whole.content)
      }),
    { arbitrary: { runs: 200 } }
  )

  it.effect("has its choices in their order, whichever speaks first", () =>
    Effect.gen(function*() {
      const choices = ["Blue.", "Red."].map((text) => ({ text, calls: [], reason: "stop" }))
      const [first, second] = choices.map((_, index) =>
        chunksOf(choices, 9).filter((chunk) => JSON.stringify(chunk).includes(`"index":${index}`))
      )
      const { response } = yield* streamOf(bytesOf(...second ?? [], ...first ?? [], "[DONE]"))
      assert.strictEqual(response.text, "Blue.")
      assert.deepStrictEqual(response.data.choices.map(({ message }) => message.content), ["Blue.", "Red."])
    }))

  it.effect("is not finished by a reason that is none", () =>
    Effect.gen(function*() {
      const speaking = { ...head, choices: [{ index: 0, finish_reason: "", delta: { content: "Bl" } }], usage }
      const error = yield* Effect.flip(streamOf(bytesOf(speaking)))
      assert.strictEqual(error._tag === "BackendError" ? error.reason._tag : error._tag, "StreamInterrupted")
      const rest = chunksOf([{ text: "ue.", calls: [], reason: "stop" }], 9)
      assert.strictEqual((yield* streamOf(bytesOf(speaking, ...rest))).response.text, "Blue.")
    }))
})

/** Without what is absent to the one and `null` to the other, and without what the SDK adds of what it parses. */
const told = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(told)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(
      Object.entries(value).flatMap(([key, field]) =>
        field == null || key === "object" || key.startsWith("parsed") || Array.isArray(field) && field.length === 0
          ? []
          : [[key, told(field)]]
      )
    )
    : value

layer(FetchHttpClient.layer)("a streamed chat completion", (it) => {
  const little = { ...everything, calls: everything.calls.slice(0, 1) }

  StreamContract.run(it, wire, {
    everything: { whole: completionOf([everything], 1), streamed: bytesOf(...chunksOf([everything], 1)) },
    little: { whole: completionOf([little], 8), streamed: bytesOf(...chunksOf([little], 8)) },
    // Without the reason of the end, the usage and [DONE].
    begun: bytesOf(...chunksOf([{ text: "Blue.", calls: [], reason: "stop" }], 5).slice(0, -3)),
    inputTokens: undefined,
    senseless: bytesOf({ ...head, choices: "none" }),
    overloaded: bytesOf({ error: { message: "Overloaded", type: "server_error", param: null, code: null } })
  })
})

layer(FetchHttpClient.layer)("a chat completion is asked for as the openai SDK asks for it", (it) => {
  const Paint = Tool.make("paint", {
    description: "Paints a wall",
    parameters: Schema.Struct({ colour: Schema.String })
  })

  const calls: ReadonlyArray<Wire.Call<OpenAi.ChatRequest, ChatCompletionCreateParamsNonStreaming>> = [
    {
      name: "plain",
      sdk: {
        model: "gpt-4o-mini",
        messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "A colour?" }],
        max_tokens: 64,
        temperature: 0.5,
        stop: ["\n"]
      },
      ours: {
        prompt: [{ role: "system", content: "Be brief." }, { role: "user", content: "A colour?" }],
        max_tokens: 64,
        temperature: 0.5,
        stop: ["\n"]
      }
    },
    {
      name: "with tools and their results",
      sdk: {
        model: "gpt-4o-mini",
        tools: [{
          type: "function",
          function: { name: "paint", description: "Paints a wall", parameters: { ...Tool.getJsonSchema(Paint) } }
        }],
        tool_choice: { type: "function", function: { name: "paint" } },
        messages: [
          { role: "user", content: "Paint it." },
          {
            role: "assistant",
            content: null,
            tool_calls: [{
              id: "call_1",
              type: "function",
              function: { name: "paint", arguments: "{\"colour\":\"blue\"}" }
            }]
          },
          { role: "tool", tool_call_id: "call_1", content: "done" }
        ]
      },
      ours: {
        tools: [Paint],
        tool_choice: { tool: "paint" },
        prompt: [
          { role: "user", content: "Paint it." },
          {
            role: "assistant",
            content: [{ type: "tool-call", id: "call_1", name: "paint", params: { colour: "blue" } }]
          },
          {
            role: "tool",
            content: [{ type: "tool-result", id: "call_1", name: "paint", isFailure: false, result: "done" }]
          }
        ]
      }
    },
    {
      name: "with an image",
      sdk: {
        model: "gpt-4o-mini",
        messages: [{
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } }
          ]
        }]
      },
      ours: {
        prompt: [{
          role: "user",
          content: [
            { type: "text", text: "What is this?" },
            { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) }
          ]
        }]
      }
    }
  ]

  const official = (url: string) =>
    new OpenAI({ apiKey: wire.apiKey, baseURL: `${url}/v1`, maxRetries: 0 }).chat.completions

  Wire.asksAsTheSdk(it, wire, {
    calls,
    told: Wire.tellerOf(["authorization", "content-type", "accept"]),
    create: (url, call) => official(url).create(call),
    stream: (url, call) => official(url).create({ ...call, stream: true, stream_options: { include_usage: true } }),
    streamed: bytesOf(...chunksOf([everything], 3))
  })
})
