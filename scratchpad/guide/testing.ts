/**
 * Testing: the backend of a program is replaced by a mock layer, and the program does not know.
 *
 *     npm run guide -- testing
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer } from "effect"
import { iModel, ServiceBackend } from "effect-imodel"
import assert from "node:assert/strict"

/** The program under test: it asks for a sentiment, and takes anything unclear for neutral. */
const sentiment = Effect.fn("sentiment")(function*(review: string) {
  const response = yield* iModel.respond({
    messages: [
      { role: "system", content: "Answer with one word: positive, negative or neutral." },
      { role: "user", content: review }
    ]
  })
  const word = response.text.trim().toLowerCase()
  return word === "positive" || word === "negative" ? word : "neutral"
})

/** The test: the mock answers from a function, and records what it was asked. */
const test = Effect.gen(function*() {
  assert.equal(yield* sentiment("I love it"), "positive")
  assert.equal(yield* sentiment("It is a chair"), "neutral")

  const mock = yield* ServiceBackend.Mock
  const callings = yield* mock.callings
  assert.deepEqual(callings.map((calling) => calling.execution.status), ["completed", "completed"])
  yield* Console.log(`passed: ${callings.length} calls, none of them to a provider`)
})

const mock = ServiceBackend.layerMock((calling) =>
  Effect.succeed(JSON.stringify(calling.payload).includes("love") ? "Positive" : "I could not say.")
)

test.pipe(
  Effect.provide(iModel.layer().pipe(Layer.provideMerge(mock))),
  NodeRuntime.runMain
)
