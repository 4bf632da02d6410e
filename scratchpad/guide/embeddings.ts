/**
 * Embeddings: the text that is nearest to a question.
 *
 *     npm run guide -- embeddings
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted } from "effect"
import { EmbeddingModel } from "effect/ai"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const texts = ["The sky is blue.", "Grass is green.", "Snow is white.", "Coal is black."]

const dot = (a: ReadonlyArray<number>, b: ReadonlyArray<number>) => a.reduce((sum, x, i) => sum + x * (b[i] ?? 0), 0)

const program = Effect.gen(function*() {
  const model = yield* EmbeddingModel.EmbeddingModel
  const { embeddings } = yield* model.embedMany(texts) // in as many requests as the provider's limits ask for
  const { vector } = yield* model.embed("Snow is white.")
  const scored = texts.map((text, i) => ({ text, score: dot(vector, embeddings[i]?.vector ?? []) }))
  for (const { score, text } of scored.toSorted((a, b) => b.score - a.score)) yield* Console.log(score.toFixed(2), text)
})

const model = iModel.layerEmbeddingModel.pipe(
  Layer.provide(iModel.layer({ limitRequests: 3_000, limitTokens: 1_000_000 })),
  Layer.provide(OpenAi.layerEmbeddings({ model: "text-embedding-3-small", apiKey: Redacted.make("not-needed") })),
  Layer.provide(Simulator.layerHttpClient())
)

program.pipe(Effect.provide(model), NodeRuntime.runMain)
