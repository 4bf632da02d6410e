/** Counts of tokens that no provider can mean. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Predicate, Stream } from "effect"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const counts =
  /("(?:prompt_tokens|completion_tokens|input_tokens|output_tokens|promptTokenCount|candidatesTokenCount)"):\d+/g

const absurd = ["-5", "1e9", "1e400", "2.5", "\"many\"", "9007199254740993"]

const notesOf = (metadata: Readonly<Record<string, unknown>>): ReadonlyArray<unknown> => {
  const { imodel } = metadata
  return Predicate.hasProperty(imodel, "notes") && Array.isArray(imodel.notes) ? imodel.notes : []
}

describe.each(chatWires)("a usage that is not believed, of $name", ({ make, streamed, whole }) => {
  it.effect.each(absurd)("of %s is left out and noted, whole and in a stream", (count) =>
    Effect.gen(function*() {
      const said = { text: "ok" }
      const server = yield* serve(({ body, path }) =>
        Effect.succeed(
          /stream/i.test(path) || (Predicate.hasProperty(body, "stream") && body.stream === true)
            ? { body: streamed(said).replace(counts, `$1:${count}`), headers: { "content-type": "text/event-stream" } }
            : { body: JSON.stringify(whole(said)).replace(counts, `$1:${count}`) }
        )
      )
      const model = yield* make(server.url)
      const response = yield* model.respond({ prompt: "hi" })
      assert.strictEqual(response.text, "ok")
      assert.isUndefined(response.usage.inputTokens.total)
      assert.isTrue(response.usage.outputTokens.total === undefined || response.usage.outputTokens.total === 0)
      assert.isNotEmpty(notesOf(response.metadata))
      const parts = yield* Stream.runCollect(model.stream({ prompt: "hi" }))
      const finish = parts.find((part) => part.type === "finish")
      assert.isTrue((finish?.usage.inputTokens.total ?? 0) >= 0)
      assert.isTrue((finish?.usage.inputTokens.total ?? 0) < 1_000)
    }).pipe(Effect.provide(platform)))
})
