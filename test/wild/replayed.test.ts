/** What is sent of texts and calls that are not well-formed. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { Prompt, Response } from "effect/ai"
import { Anthropic, iModel } from "effect-imodel"
import { wellFormed } from "../../src/internal/http/jsonBody.ts"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const surrogate = /\p{Surrogate}/u

describe.each(chatWires)("over $name", ({ make, whole }) => {
  const sent = Effect.fnUntraced(function*(prompt: Prompt.RawInput) {
    const server = yield* serve({ body: whole({ text: "ok" }) })
    const model = yield* make(server.url)
    yield* model.respond({ prompt })
    const [seen] = yield* server.seen
    return JSON.stringify(seen?.body)
  }, Effect.provide(platform))

  it.effect.each([
    { name: "a high one at the end", text: "cut \ud83d", expected: "cut \uFFFD" },
    { name: "a low one at the beginning", text: "\ude00 cut", expected: "\uFFFD cut" },
    { name: "one before another pair", text: "\ud83d\ud83d\ude00", expected: "\uFFFD\ud83d\ude00" },
    { name: "what only looks like one", text: "\\ud83d \\\\ud83d", expected: "\\ud83d \\\\ud83d" },
    { name: "none", text: "\ud83d\ude00", expected: "\ud83d\ude00" }
  ])("a lone surrogate is replaced: $name", ({ expected, text }) =>
    Effect.gen(function*() {
      assert.include(yield* sent(text), JSON.stringify(expected).slice(1, -1))
    }))

  it.effect("a lone surrogate is replaced in the result of a tool, and in a key", () =>
    Effect.gen(function*() {
      const body = yield* sent(Prompt.fromResponseParts([
        Response.makePart("tool-call", {
          id: "1",
          name: "read",
          params: { "\ud83d": "\ud83d" },
          providerExecuted: false
        }),
        Response.makePart("tool-result", {
          id: "1",
          name: "read",
          result: "cut \ud83d",
          encodedResult: "cut \ud83d",
          isFailure: false,
          providerExecuted: false,
          preliminary: false
        })
      ]))
      assert.include(body, "cut \uFFFD")
      assert.notMatch(JSON.stringify(JSON.parse(body)), surrogate)
      assert.notInclude(body, "\\ud83d")
    }))

  it.effect.each([
    { name: "text that is no JSON", params: "{\"city\":\"Os", expected: {} },
    { name: "nothing", params: undefined, expected: {} },
    { name: "null", params: null, expected: {} },
    { name: "null as a text", params: "null", expected: {} },
    { name: "a list", params: ["Oslo"], expected: {} },
    { name: "a number", params: 1, expected: {} },
    { name: "an object in a text", params: "{\"city\":\"Oslo\"}", expected: { city: "Oslo" } },
    {
      name: "an object in a text in a text",
      params: JSON.stringify("{\"city\":\"Oslo\"}"),
      expected: { city: "Oslo" }
    },
    { name: "an object", params: { city: "Oslo" }, expected: { city: "Oslo" } }
  ])("the parameters of a call are replayed as an object: $name", ({ expected, params }) =>
    Effect.gen(function*() {
      const body = yield* sent(
        Prompt.fromMessages([
          Prompt.userMessage({ content: [Prompt.textPart({ text: "hi" })] }),
          Prompt.assistantMessage({
            content: [Prompt.toolCallPart({ id: "1", name: "weather", params, providerExecuted: false })]
          }),
          Prompt.toolMessage({
            content: [
              Prompt.toolResultPart({
                id: "1",
                name: "weather",
                result: "no",
                isFailure: true,
                providerExecuted: false
              })
            ]
          })
        ])
      )
      assert.deepStrictEqual(paramsIn(JSON.parse(body)), [expected])
    }))
})

describe("over the wire of MCP", () => {
  it.effect.each([
    { name: "in a text", args: { a: "cut \ud83d" }, expected: { a: "cut \uFFFD" } },
    {
      name: "in a key and a list",
      args: { "\ude00": ["\ud83d", 1, null] },
      expected: { "\uFFFD": ["\uFFFD", 1, null] }
    },
    { name: "nowhere", args: { a: { b: "\ud83d\ude00" } }, expected: { a: { b: "\ud83d\ude00" } } }
  ])(
    "a lone surrogate is replaced: $name",
    ({ args, expected }) => Effect.sync(() => assert.deepStrictEqual<unknown>(wellFormed(args), expected))
  )
})

describe("over the wire of Anthropic", () => {
  it.effect("a text without a letter is left out", () =>
    Effect.gen(function*() {
      const wire = chatWires.find(({ name }) => name === "anthropic")
      const server = yield* serve({ body: wire?.whole({ text: "ok" }) })
      const model = yield* iModel.make(
        yield* Anthropic.makeMessages({
          model: "m",
          apiKey: Redacted.make("sk-0123456789"),
          baseUrl: `${server.url}/v1`
        })
      )
      yield* model.respond({
        prompt: [
          { role: "user", content: "hi" },
          {
            role: "assistant",
            content: [
              { type: "text", text: "" },
              { type: "tool-call", id: "1", name: "now", params: {}, providerExecuted: false }
            ]
          },
          {
            role: "tool",
            content: [{
              type: "tool-result",
              id: "1",
              name: "now",
              result: "12:00",
              isFailure: false,
              providerExecuted: false
            }]
          }
        ]
      })
      const [seen] = yield* server.seen
      assert.notInclude(JSON.stringify(seen?.body), "\"text\":\"\"")
    }).pipe(Effect.provide(platform)))
})

/** The parameters of calls, wherever they are in a body. */
const paramsIn = (value: unknown): ReadonlyArray<unknown> => {
  if (typeof value !== "object" || value === null) return []
  if ("arguments" in value) return [decode(String(value.arguments))]
  if ("input" in value && "name" in value) return [value.input]
  if ("args" in value) return [value.args]
  return Object.values(value).flatMap(paramsIn)
}

const decode = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Unknown))
