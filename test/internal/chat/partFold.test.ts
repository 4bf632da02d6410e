/** The parts of a stream, folded into the content of the whole answer. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema, Stream } from "effect"
import { Response } from "effect/ai"
import { Anthropic, type Calling, Hook, iModel } from "effect-imodel"
import type { Part, StreamPart } from "../../../src/Calling.ts"
import { streamPartsOf } from "../../../src/internal/calling/streaming.ts"
import { contentOfParts } from "../../../src/internal/chat/partFold.ts"
import { platform } from "../../support/chatWires.ts"
import { serve } from "../../support/server.ts"

const Piece = Schema.Struct({
  type: Schema.Literals(["text", "reasoning", "tool-call"]),
  text: Schema.String,
  isSigned: Schema.Boolean
})

const partOf = ({ isSigned, text, type }: typeof Piece.Type, i: number): Part => {
  const metadata = isSigned ? { anthropic: { signature: "s" } } : {}
  return type === "tool-call"
    ? Response.makePart("tool-call", { id: String(i), name: "n", params: { text }, providerExecuted: false, metadata })
    : Response.makePart(type, { text, metadata })
}

const isShown = (part: Part): boolean =>
  (part.type !== "text" && part.type !== "reasoning") || part.text !== "" || Object.keys(part.metadata).length > 0

describe("the fold of parts", () => {
  it.prop("gives back a content that was taken apart", [Schema.Array(Piece)], ([pieces]) => {
    const content = pieces.map(partOf)
    assert.deepStrictEqual(contentOfParts(streamPartsOf(content)), content.filter(isShown))
  })

  it("puts together what comes interleaved, with the metadata of beginning and end", () => {
    const parts: ReadonlyArray<StreamPart> = [
      Response.makePart("reasoning-start", { id: "0", metadata: { a: { one: 1 } } }),
      Response.makePart("text-start", { id: "0" }),
      Response.makePart("reasoning-delta", { id: "0", delta: "th" }),
      Response.makePart("text-delta", { id: "0", delta: "te" }),
      Response.makePart("reasoning-delta", { id: "0", delta: "ink" }),
      Response.makePart("reasoning-end", { id: "0", metadata: { b: { two: 2 } } }),
      Response.makePart("text-delta", { id: "0", delta: "xt" }),
      Response.makePart("text-end", { id: "0" })
    ]
    assert.deepStrictEqual(contentOfParts(parts), [
      Response.makePart("reasoning", { text: "think", metadata: { a: { one: 1 }, b: { two: 2 } } }),
      Response.makePart("text", { text: "text" })
    ])
  })
})

const events = [
  { type: "message_start", message: { id: "1", role: "assistant", model: "m", content: [], usage: {} } },
  { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } },
  { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "hm" } },
  { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "signed" } },
  { type: "content_block_stop", index: 0 },
  { type: "content_block_start", index: 1, content_block: { type: "redacted_thinking", data: "secret" } },
  { type: "content_block_stop", index: 1 },
  { type: "content_block_start", index: 2, content_block: { type: "text", text: "" } },
  { type: "content_block_delta", index: 2, delta: { type: "text_delta", text: "hello" } },
  { type: "content_block_stop", index: 2 },
  { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 3 } },
  { type: "message_stop" }
]

describe("a hook that changes parts", () => {
  it.effect("keeps what the provider wants back", () =>
    Effect.gen(function*() {
      const server = yield* serve({
        headers: { "content-type": "text/event-stream" },
        body: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")
      })
      const backend = yield* Anthropic.makeMessages({
        model: "m",
        apiKey: Redacted.make("sk-0123456789"),
        baseUrl: `${server.url}/v1`
      })
      let settled: Calling.Calling | undefined
      const model = yield* iModel.make(backend, {
        hooks: [Hook.make({
          onPart: Hook.partsOf("text-delta", (part) => Effect.succeed({ ...part, delta: part.delta.toUpperCase() })),
          postInvocation: (calling) => {
            settled = calling
            return Effect.void
          }
        })]
      })
      yield* Stream.runDrain(model.stream({ prompt: "hi" }))
      if (settled === undefined) return assert.fail("no call was settled")
      const { content } = yield* settled.response
      assert.deepStrictEqual(content.filter((part) => part.type === "reasoning" || part.type === "text"), [
        Response.makePart("reasoning", { text: "hm", metadata: { anthropic: { signature: "signed" } } }),
        Response.makePart("reasoning", { text: "", metadata: { anthropic: { redactedData: "secret" } } }),
        Response.makePart("text", { text: "HELLO" })
      ])
    }).pipe(Effect.provide(platform)))
})
