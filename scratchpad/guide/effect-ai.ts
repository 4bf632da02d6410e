/**
 * Effect AI, both ways: its programs under the limits of a model, and its providers as backends.
 *
 *     npm run guide -- effect-ai
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted, Schema } from "effect"
import { Chat, EmbeddingModel, LanguageModel } from "effect/ai"
import { Anthropic, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"

const City = Schema.Struct({ name: Schema.String, population: Schema.Int })

/** A program of Effect AI, which knows nothing of this library. */
const program = Effect.gen(function*() {
  const { value } = yield* LanguageModel.generateObject({ prompt: "The largest city of Norway", schema: City })
  const chat = yield* Chat.empty
  const { text, usage } = yield* chat.generateText({ prompt: `What is ${value.name} known for?` })
  yield* Console.log(value, text, usage.outputTokens.total)
})

const apiKey = Redacted.make("not-needed")

const limited = iModel.layerLanguageModel.pipe(
  Layer.provide(iModel.layer({ limitRequests: 50, limitTokens: 40_000 })),
  Layer.provide(Anthropic.layerMessages({ model: "claude-sonnet-4-5", apiKey }))
)

// The other way: the LanguageModel in context, whoever provides it, as a backend.
const overEffectAi = iModel.layer({ limitRequests: 50 }).pipe(
  Layer.provide(ServiceBackend.layer(ServiceBackend.fromLanguageModel())),
  Layer.provide(limited)
)

// Texts that are embedded one by one at the same moment go together in one call.
const embeddings = Effect.gen(function*() {
  const { embed } = yield* EmbeddingModel.EmbeddingModel
  const vectors = yield* Effect.all([embed("blue"), embed("red")], { concurrency: "unbounded" })
  const { requests } = yield* (yield* Simulator.Simulator).seen
  yield* Console.log(`${vectors.length} vectors, ${requests} requests in all`)
})

const embedder = iModel.layerEmbeddingModel.pipe(
  Layer.provide(iModel.layer({ limitRequests: 3_000 })),
  Layer.provide(OpenAi.layerEmbeddings({ model: "text-embedding-3-small", apiKey }))
)

const simulator = Simulator.layerHttpClient({
  answer: (_prompt, { outputSchema }) =>
    outputSchema === undefined ? "The opera." : JSON.stringify({ name: "Oslo", population: 717_710 })
})

Effect.gen(function*() {
  // Arguments that Effect AI has no word for.
  yield* program.pipe(Effect.provideService(iModel.CallArguments, { temperature: 0 }), Effect.provide(limited))
  const response = yield* Effect.provide(iModel.respond({ prompt: "What is Oslo known for?" }), overEffectAi)
  yield* Console.log(response.text)
  yield* Effect.provide(embeddings, embedder)
}).pipe(Effect.provide(simulator), NodeRuntime.runMain)
