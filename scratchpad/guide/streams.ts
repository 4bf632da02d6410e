/**
 * Streams: text as it comes, a reader who is slow, and an answer that breaks off.
 *
 *     npm run guide -- streams
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted, Stream } from "effect"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const textOf = (prompt: string) =>
  iModel.stream({ prompt }, { firstPartTimeout: "20 seconds", idleTimeout: "1 minute" }).pipe(
    Stream.filter((part) => part.type === "text-delta"),
    Stream.map(({ delta }) => delta)
  )

const program = Effect.gen(function*() {
  // A reader who waits holds the provider back, down to the socket.
  yield* textOf("Tell a story.").pipe(
    Stream.take(4), // who stops reading ends the call
    Stream.runForEach((delta) => Effect.andThen(Console.log(delta), Effect.sleep("20 millis")))
  )

  // A stream succeeds only when the provider has ended its answer.
  yield* textOf("Break off.").pipe(
    Stream.runDrain,
    Effect.catchReason(
      "BackendError",
      "StreamInterrupted",
      ({ text, usage }) => Console.log(`broke off after "${text}"`, usage.outputTokens.total)
    )
  )

  // The whole answer of a stream: its last part tells how it ended, and what it took.
  const parts = yield* Stream.runCollect(iModel.stream({ prompt: "Tell a story." }))
  const last = parts.at(-1)
  if (last?.type === "finish") yield* Console.log(last.reason, last.usage.outputTokens.total)
})

const model = iModel.layer({ limitRequests: 500 }).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("not-needed") })),
  Layer.provide(Simulator.layerHttpClient({
    answer: () => "Once upon a time there was a limit.",
    faults: ({ prompt }) => prompt === "Break off." ? Simulator.Fault.Cut({ after: 3 }) : undefined
  }))
)

program.pipe(Effect.provide(model), NodeRuntime.runMain)
