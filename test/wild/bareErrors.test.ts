/** Errors that a proxy appends to a stream as they are, without `data:`. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import { BareJson } from "../../src/internal/http/bareJson.ts"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

/** Of an event that ends an answer. */
const ending = /finish_reason":"|finishReason|response\.completed|message_delta|message_stop/

const errors = {
  "OpenAI's": { error: { message: "the upstream is overloaded", code: 529 } },
  "Anthropic's": { type: "error", error: { type: "overloaded_error", message: "the upstream is overloaded" } },
  "Google's": { error: { code: 503, message: "the upstream is overloaded", status: "UNAVAILABLE" } },
  "a proxy's": { code: 503, message: "the upstream is overloaded" }
}

describe.each(chatWires)("a bare error in a stream of $name", ({ make, streamed }) => {
  const begun = streamed({ text: "The sky" }).split("\n\n").filter((event) => event !== "" && !ending.test(event))

  it.effect.each(Object.entries(errors))(
    "is the reason that the answer broke off: %s",
    ([, error]) =>
      Effect.gen(function*() {
        for (const written of [JSON.stringify(error), `${JSON.stringify(error, null, 2)}\n`]) {
          const server = yield* serve({
            headers: { "content-type": "text/event-stream" },
            body: [...begun, written].join("\n\n")
          })
          const model = yield* make(server.url)
          const failure = yield* Effect.flip(Stream.runDrain(model.stream({ prompt: "hi" })))
          assert.include(failure.message, "the upstream is overloaded")
          if (failure._tag !== "BackendError") return assert.fail(failure._tag)
          const { reason } = failure
          const told = reason._tag === "StreamInterrupted" ? reason.reason : reason
          assert.strictEqual(told?._tag, "InternalProviderError")
          const whole = yield* Effect.flip(model.respond({ prompt: "hi" }))
          assert.include(whole.message, "the upstream is overloaded")
        }
      }).pipe(Effect.provide(platform))
  )
})

describe("bare JSON", () => {
  it.prop(
    "is found however its text is cut",
    { at: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 })) },
    ({ at }) => {
      const text = "data: {\"a\":1}\n\n{\"error\":\n{\"b\":\"}\"}}\n\ndata: [DONE]\n\n"
      const found = [text.slice(0, at), text.slice(at)].flatMap(
        ((bare) => (piece: string) => bare.push(piece) ?? [])(new BareJson())
      )
      assert.deepStrictEqual(found, ["{\"error\":\n{\"b\":\"}\"}}"])
    }
  )

  it("is not the data of an event that is cut before it", () => {
    const bare = new BareJson()
    assert.isUndefined(bare.push("data: ", false))
    assert.isUndefined(bare.push("{\"a\":1}\n\n"))
  })

  it("is not what follows a field, nor what never ends", () => {
    const bare = new BareJson()
    assert.isUndefined(bare.push("data: {}\n\ndata: {\"a\":1}\n\n"))
    assert.isUndefined(bare.push(`{"a": "${"x".repeat(100_000)}`))
    assert.strictEqual(bare.push("\n{\"b\":1}\n"), "{\"b\":1}")
  })
})
