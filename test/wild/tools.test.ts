/** Tools whose names and schemas a provider would refuse. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { Prompt, Response, Tool } from "effect/ai"
import { BackendError, Errors } from "effect-imodel"
import { toolNames } from "../../src/internal/tools/toolNames.ts"
import { dialects, fitSchema } from "../../src/internal/tools/toolSchema.ts"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const accepted = /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/

const misfits = [
  "calendar.respondToEvent",
  "files/read file",
  "@scope:tool",
  "2fast",
  "天气",
  `${"a".repeat(70)}x`,
  `${"a".repeat(70)}y`,
  ""
]

describe("names of tools", () => {
  it.effect.prop("are sent as the provider takes them, and come back one to one", [
    Schema.Array(Schema.Union([Schema.String, Schema.Literals([...misfits, "a_b", "a.b", "a b", "_a", "a_"])]))
  ], ([names]) =>
    Effect.sync(() => {
      const mapped = toolNames(names)
      const sent = names.map((name) => mapped?.sent(name) ?? name)
      for (const name of sent) assert.match(name, accepted)
      assert.strictEqual(new Set(sent).size, new Set(names).size)
      assert.deepStrictEqual(sent.map((name) => mapped?.own(name) ?? name), names)
      for (const name of names) if (accepted.test(name)) assert.strictEqual(mapped?.sent(name) ?? name, name)
    }))
})

/** The names and the schemas of all tools in a body, in whichever wire. */
const toolsIn = (value: unknown): ReadonlyArray<{ readonly name: unknown; readonly schema: unknown }> => {
  if (typeof value !== "object" || value === null) return []
  const schema = "parameters" in value
    ? value.parameters
    : "input_schema" in value
    ? value.input_schema
    : "parametersJsonSchema" in value
    ? value.parametersJsonSchema
    : undefined
  return schema !== undefined && "name" in value
    ? [{ name: value.name, schema }]
    : Object.values(value).flatMap(toolsIn)
}

const namesIn = (value: unknown): ReadonlyArray<unknown> =>
  typeof value !== "object" || value === null
    ? []
    : Object.entries(value).flatMap(([key, item]) => key === "name" ? [item] : namesIn(item))

describe.each(chatWires)("tools over $name", ({ make, streamed, whole }) => {
  const tools = misfits.map((name) => Tool.dynamic(name, { parameters: { type: "object" } }))

  it.effect.each(misfits)("a call of '%s' has its own name, whole and in a stream", (name) =>
    Effect.gen(function*() {
      const asked = yield* serve({ body: whole({ text: "ok" }) })
      yield* (yield* make(asked.url)).respond({ prompt: "hi", tools })
      const [seen] = yield* asked.seen
      const sent = toolsIn(seen?.body)[misfits.indexOf(name)]
      assert.match(String(sent?.name), accepted)

      const said = { calls: [{ id: "1", name: String(sent?.name), params: "{}" }] }
      const answering = yield* serve(({ path, body }) =>
        Effect.succeed(
          /stream/i.test(path + JSON.stringify(body))
            ? { body: streamed(said), headers: { "content-type": "text/event-stream" } }
            : { body: whole(said) }
        )
      )
      const model = yield* make(answering.url)
      const { toolCalls } = yield* model.respond({ prompt: "hi", tools })
      assert.deepStrictEqual(toolCalls.map((call) => call.name), [name])
      const parts = yield* Stream.runCollect(model.stream({ prompt: "hi", tools }))
      assert.deepStrictEqual(
        parts.flatMap((part) => part.type === "tool-call" || part.type === "tool-params-start" ? [part.name] : []),
        [name, name]
      )
    }).pipe(Effect.provide(platform)))

  it.effect("a choice and a conversation have the names that are sent", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: whole({ text: "ok" }) })
      const model = yield* make(server.url)
      yield* model.respond({
        tools,
        tool_choice: { tool: "files/read file" },
        prompt: Prompt.concat(
          Prompt.make("hi"),
          Prompt.fromResponseParts([
            Response.makePart("tool-call", { id: "1", name: "no longer.there", params: {}, providerExecuted: false }),
            Response.makePart("tool-result", {
              id: "1",
              name: "no longer.there",
              result: "ok",
              encodedResult: "ok",
              isFailure: false,
              providerExecuted: false,
              preliminary: false
            })
          ])
        )
      })
      const [seen] = yield* server.seen
      const body = JSON.stringify(seen?.body)
      assert.include(body, "no_longer_there")
      for (const name of namesIn(seen?.body)) assert.match(String(name), accepted)
      assert.notInclude(body, "files/read")
    }).pipe(Effect.provide(platform)))

  it.effect.each([
    { name: "a Tool without parameters", tool: Tool.make("now") },
    { name: "a schema without properties", tool: Tool.dynamic("now", { parameters: { type: "object" } }) },
    { name: "an empty schema", tool: Tool.dynamic("now", { parameters: {} }) },
    { name: "a description without parameters", tool: { type: "function" as const, function: { name: "now" } } }
  ])("a tool has properties: $name", ({ tool }) =>
    Effect.gen(function*() {
      const server = yield* serve({ body: whole({ text: "ok" }) })
      yield* (yield* make(server.url)).respond({ prompt: "hi", tools: [tool] })
      const [seen] = yield* server.seen
      const [sent] = toolsIn(seen?.body)
      assert.strictEqual(Schema.is(Schema.Struct({ type: Schema.Literal("object") }))(sent?.schema), true)
      assert.deepStrictEqual(Reflect.get(Object(sent?.schema), "properties"), {})
    }).pipe(Effect.provide(platform)))

  it.effect("a schema that cannot be said is refused by name, without a request", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: whole({ text: "ok" }) })
      const model = yield* make(server.url)
      const parameters = { type: "object", properties: { a: { $ref: "https://example.com/a.json" } } }
      const error = yield* Effect.flip(
        model.respond({ prompt: "hi", tools: [Tool.dynamic("far", { parameters })] })
      )
      assert.instanceOf(error, BackendError)
      assert.instanceOf(error.reason, Errors.Unsupported)
      assert.include(error.message, "the $ref \"https://example.com/a.json\" of the tool far")
      assert.lengthOf(yield* server.seen, 0)
    }).pipe(Effect.provide(platform)))
})

const object = (properties: object, more: object = {}) => ({ type: "object", properties, ...more })

describe("the schema of a tool", () => {
  it.effect.each([
    {
      name: "alternatives at the root",
      schema: {
        type: "object",
        properties: { id: { type: "string" } },
        required: ["id"],
        anyOf: [
          { properties: { url: { type: "string" }, kind: { type: "string" } }, required: ["url", "kind"] },
          { properties: { text: { type: "string" }, kind: { type: "string" } }, required: ["text", "kind"] }
        ]
      },
      expected: object(
        { id: { type: "string" }, url: { type: "string" }, kind: { type: "string" }, text: { type: "string" } },
        { required: ["id", "kind"] }
      )
    },
    {
      name: "alternatives that only require",
      schema: object({ a: {}, b: {} }, { oneOf: [{ required: ["a"] }, { required: ["b"] }] }),
      expected: object({ a: {}, b: {} })
    },
    {
      name: "conditions at the root",
      schema: object({ a: {} }, {
        allOf: [
          { if: { properties: { a: { const: 1 } } }, else: { required: ["c"] } },
          object({ b: {} }, {
            required: ["b"]
          })
        ]
      }),
      expected: object({ a: {}, b: {} }, { required: ["b"] })
    },
    {
      name: "a root that refers to a definition",
      schema: { $ref: "#/definitions/Args", definitions: { Args: object({ a: { type: "string" } }), Unused: {} } },
      expected: object({ a: { type: "string" } })
    },
    {
      name: "a definition that refers to itself",
      schema: object({ tree: { $ref: "#/definitions/Tree" } }, {
        definitions: { Tree: object({ next: { $ref: "#/definitions/Tree" } }) }
      }),
      expected: object({ tree: { $ref: "#/$defs/Tree" } }, {
        $defs: { Tree: object({ next: { $ref: "#/$defs/Tree" } }) }
      })
    },
    {
      name: "a reference to a property",
      schema: object({ from: object({ city: { type: "string" } }), to: { $ref: "#/properties/from" } }),
      expected: object({ from: object({ city: { type: "string" } }), to: { $ref: "#/$defs/_properties_from" } }, {
        $defs: { _properties_from: object({ city: { type: "string" } }) }
      })
    },
    {
      name: "references whose names become the same",
      schema: object({ a: { $ref: "#/$defs/x%20y" }, b: { $ref: "#/$defs/x y" }, c: { $ref: "#/$defs/100%" } }, {
        $defs: { "x y": { type: "string" }, "100%": { type: "number" } }
      }),
      expected: object({ a: { $ref: "#/$defs/x_20y" }, b: { $ref: "#/$defs/x_y" }, c: { $ref: "#/$defs/100_" } }, {
        $defs: { x_20y: { type: "string" }, x_y: { type: "string" }, "100_": { type: "number" } }
      })
    },
    {
      name: "a list without items, and one of a tuple",
      schema: object({ a: { type: "array" }, b: { type: "array", items: [{ type: "string" }] } }),
      expected: object({
        a: { type: "array", items: {} },
        b: { type: "array", prefixItems: [{ type: "string" }], items: {} }
      })
    },
    {
      name: "bounds of draft 4",
      schema: object({
        a: { type: "number", minimum: 0, exclusiveMinimum: true, maximum: 9, exclusiveMaximum: false }
      }),
      expected: object({ a: { type: "number", exclusiveMinimum: 0, maximum: 9 } })
    },
    {
      name: "null as OpenAPI says it",
      schema: object({ a: { type: "string", nullable: true } }),
      expected: object({ a: { type: ["string", "null"] } })
    },
    {
      name: "what is no type, no list of names and no schema",
      schema: { $schema: "x", type: "None", properties: { a: true, b: { required: true } }, required: ["a", "gone"] },
      expected: object({ a: {}, b: {} }, { required: ["a"] })
    }
  ])("is put into what all take: $name", ({ expected, schema }) =>
    Effect.sync(() => {
      for (const dialect of [dialects.openai, dialects.anthropic, dialects.gemini]) {
        assert.deepStrictEqual(fitSchema(schema, dialect), { schema: expected })
      }
    }))

  const richProperties = {
    kind: { const: "file" },
    on: { const: true },
    at: { oneOf: [{ type: "string", format: "uri" }, { type: "string", format: "date-time" }] }
  }

  it.effect.each([
    { name: "openai" as const, expected: { ...richProperties, at: { anyOf: richProperties.at.oneOf } } },
    { name: "anthropic" as const, expected: richProperties },
    {
      name: "gemini" as const,
      expected: {
        kind: { enum: ["file"] },
        on: { description: "(one of true)" },
        at: { anyOf: [{ type: "string", description: "(uri)" }, { type: "string", format: "date-time" }] }
      }
    }
  ])(
    "is put into the words of $name",
    ({ expected, name }) =>
      Effect.sync(() =>
        assert.deepStrictEqual(fitSchema(object(richProperties), dialects[name]), { schema: object(expected) })
      )
  )

  it.effect.each(["#/$defs/Nowhere", "#anchor", "other.json#/a", "https://example.com/a.json"])(
    "is refused for the reference %s",
    ($ref) =>
      Effect.sync(() => {
        const misfit = `the $ref "${$ref}"`
        assert.deepStrictEqual(fitSchema(object({ a: { $ref } }), dialects.openai), { misfit })
        assert.deepStrictEqual(fitSchema({ $ref }, dialects.openai), { misfit })
      })
  )

  it.effect("is refused for the name of a property where the provider does", () =>
    Effect.sync(() => {
      assert.deepStrictEqual(fitSchema(object({ "a b": {} }), dialects.anthropic), { misfit: "the property \"a b\"" })
    }))
})
