/** Answers that were to be JSON by a schema, and are more than that. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { AiError } from "effect/ai"
import { BackendError } from "effect-imodel"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const City = Schema.Struct({ name: Schema.String, population: Schema.Int })

const oslo = `{"name":"Oslo","population":700000}`
const bergen = `{"name":"Bergen","population":290000}`

const taken = [
  { name: "the JSON alone", text: oslo },
  { name: "blanks around it", text: `\n  ${oslo}\n\n` },
  { name: "a fence", text: "```json\n" + oslo + "\n```" },
  { name: "a fence without a language", text: "```\n" + oslo + "\n```" },
  { name: "a fence that is never closed", text: "```json\n" + oslo },
  { name: "prose before and after", text: `Here is "the city:\n${oslo}\nAnything else?` },
  { name: "thoughts before", text: `<think>The {name} is Oslo, isn't it? [yes]</think>${oslo}` },
  { name: "a draft in the thoughts", text: `<think>\n${bergen}? No, ${bergen}.\n</think>\n\n${oslo}` },
  { name: "thoughts that begin in the prompt", text: `${bergen}? No.</think>${oslo}` },
  { name: "an example that does not decode", text: `Of the form {"name": "…"}:\n${oslo}` },
  { name: "a brace that is never closed", text: `I open { and say ${oslo}` },
  { name: "the same within a list of prose", text: `[1] Oslo: ${oslo} [2]` }
]

const refused = [
  { name: "two pieces that decode", text: `${oslo}\n${bergen}` },
  { name: "none that decodes", text: "```json\n{\"name\":\"Oslo\"}\n```" },
  { name: "a piece that is cut", text: "```json\n" + oslo.slice(0, -1) },
  { name: "no JSON", text: "I do not know." },
  { name: "nothing", text: "" }
]

describe.each(chatWires)("a structured answer over $name", ({ make, streamed, whole }) => {
  const ask = Effect.fnUntraced(function*(text: string) {
    const server = yield* serve({ body: whole({ text }) })
    const model = yield* make(server.url)
    return yield* model.respondAs(City, { prompt: "Where?" })
  }, Effect.provide(platform))

  it.effect.each(taken)("is taken: $name", ({ text }) =>
    Effect.gen(function*() {
      const { value } = yield* ask(text)
      assert.deepStrictEqual(value, { name: "Oslo", population: 700_000 })
    }))

  it.effect.each(refused)("is refused: $name", ({ text }) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(ask(text))
      assert.instanceOf(error, BackendError)
      assert.instanceOf(error.reason, AiError.InvalidOutputError)
    }))

  it.live("is taken from a stream, too", () =>
    Effect.gen(function*() {
      const server = yield* serve({
        body: streamed({ text: "```json\n" + oslo + "\n```" }),
        headers: { "content-type": "text/event-stream" }
      })
      const model = yield* make(server.url)
      const parts = yield* Stream.runCollect(model.stream({ prompt: "Where?", response_format: City }))
      assert.strictEqual(parts.at(-1)?.type, "finish")
    }).pipe(Effect.provide(platform)))
})
