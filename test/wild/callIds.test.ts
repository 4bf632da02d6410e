/** Ids of tool calls: unique in a conversation, and the provider's own where they are sent back. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Stream } from "effect"
import { Prompt } from "effect/ai"
import { iModel, OpenAi } from "effect-imodel"
import type { Part } from "../../src/Calling.ts"
import { contentOfParts } from "../../src/internal/chat/partFold.ts"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

/** What stands for an id in a body: of a call, and of its result. */
const idsIn = (value: unknown): ReadonlyArray<string> =>
  typeof value !== "object" || value === null ?
    [] :
    Object.entries(value).flatMap(([key, item]) =>
      typeof item === "string" &&
        (/^(call_id|tool_use_id|tool_call_id)$/.test(key) || (key === "id" && !("call_id" in value)))
        ? [item]
        : idsIn(item)
    )

const callsIn = (content: ReadonlyArray<Part>) => content.filter((part) => part.type === "tool-call")

const resultOf = ({ id, name }: { readonly id: string; readonly name: string }) =>
  Prompt.make([{ role: "tool", content: [{ type: "tool-result", id, name, isFailure: false, result: "ok" }] }])

describe.each(chatWires)("ids of calls over $name", ({ make, streamed, whole }) => {
  const said = { calls: [{ id: "call_0", name: "look", params: "{}" }] }

  it.effect.each(["whole", "streamed"] as const)(
    "that begin anew in each turn are made unique: %s",
    (form) =>
      Effect.gen(function*() {
        const server = yield* serve(
          form === "whole"
            ? { body: whole(said) }
            : { body: streamed(said), headers: { "content-type": "text/event-stream" } }
        )
        const model = yield* make(server.url)
        let prompt = Prompt.make("hi")
        const ids: Array<string> = []
        for (let turn = 0; turn < 3; turn++) {
          const content = form === "whole"
            ? (yield* model.respond({ prompt })).content
            : contentOfParts(yield* Stream.runCollect(model.stream({ prompt })))
          for (const call of callsIn(content)) {
            ids.push(call.id)
            prompt = Prompt.concat(Prompt.concat(prompt, Prompt.fromResponseParts([call])), resultOf(call))
          }
        }
        assert.deepStrictEqual(ids, ["call_0", "call_0_2", "call_0_3"])
        const last = (yield* server.seen).at(-1)
        assert.deepStrictEqual(idsIn(last?.body), ["call_0", "call_0", "call_0", "call_0"])
      }).pipe(Effect.provide(platform))
  )

  it.effect("of another provider are sent as they are known", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: whole({ text: "ok" }) })
      const call = { type: "tool-call" as const, id: "call_0_2", name: "look", params: {} }
      const prompt = Prompt.concat(
        Prompt.make([{ role: "user", content: "hi" }, {
          role: "assistant",
          content: [{ ...call, options: { imodel: { toolCallId: "call_0", provider: "elsewhere" } } }]
        }]),
        resultOf(call)
      )
      yield* (yield* make(server.url)).respond({ prompt })
      const [seen] = yield* server.seen
      assert.deepStrictEqual(idsIn(seen?.body), ["call_0_2", "call_0_2"])
    }).pipe(Effect.provide(platform)))
})

describe("ids that Mistral takes", () => {
  it.effect("have nine letters and digits, and tell the calls apart", () =>
    Effect.gen(function*() {
      const server = yield* serve({
        body: { choices: [{ index: 0, message: { role: "assistant", content: "ok" }, finish_reason: "stop" }] }
      })
      const model = yield* iModel.make(
        yield* OpenAi.makeChat({
          model: "m",
          provider: "mistral",
          apiKey: Redacted.make("sk-0123456789"),
          baseUrl: `${server.url}/v1`
        })
      )
      const ids = ["toolu_01A09q90qw90lq917835lq9", "call_abc", "Abcdef123", "call_0"]
      const prompt = ids.reduce(
        (prompt, id) =>
          Prompt.concat(
            Prompt.concat(
              prompt,
              Prompt.make([{ role: "assistant", content: [{ type: "tool-call", id, name: "look", params: {} }] }])
            ),
            resultOf({ id, name: "look" })
          ),
        Prompt.make("hi")
      )
      yield* model.respond({ prompt })
      yield* model.respond({ prompt })
      const [first, second] = yield* server.seen
      const sent = idsIn(first?.body)
      for (const id of sent) assert.match(id, /^[a-zA-Z0-9]{9}$/)
      assert.strictEqual(new Set(sent).size, ids.length)
      assert.deepStrictEqual(sent.filter((_, i) => i % 2 === 0), sent.filter((_, i) => i % 2 === 1))
      assert.include(sent, "Abcdef123")
      assert.deepStrictEqual(sent, idsIn(second?.body))
    }).pipe(Effect.provide(platform)))
})
