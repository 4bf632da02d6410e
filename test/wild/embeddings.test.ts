/** Embeddings whose indexes, counts and batches are not as documented. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { AiError } from "effect/ai"
import { BackendError, Calling, Gemini, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"
import { batchesOf } from "../../src/internal/effectAi/embeddingBatches.ts"
import { platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const apiKey = Redacted.make("sk-0123456789")

const openAi = Effect.fnUntraced(function*(data: ReadonlyArray<object>, input: OpenAi.EmbeddingRequest["input"]) {
  const server = yield* serve({ body: { object: "list", data } })
  const backend = yield* OpenAi.makeEmbeddings({ model: "m", apiKey, baseUrl: `${server.url}/v1`, retry: { times: 0 } })
  return yield* (yield* iModel.make(backend)).respond({ input })
}, Effect.provide(platform))

const gemini = Effect.fnUntraced(function*(values: ReadonlyArray<number>, input: ReadonlyArray<string>) {
  const server = yield* serve({ body: { embeddings: values.map((value) => ({ values: [value] })) } })
  const options = { model: "m", apiKey, baseUrl: `${server.url}/v1beta`, retry: { times: 0 } }
  return yield* (yield* iModel.make(yield* Gemini.makeEmbedContent(options))).respond({ input })
}, Effect.provide(platform))

const at = (...indexes: ReadonlyArray<number | null | undefined>) =>
  indexes.map((index, i) => index === undefined ? { embedding: [i] } : { embedding: [i], index })

const isMissing = (error: unknown) => {
  assert.instanceOf(error, BackendError)
  assert.instanceOf(error.reason, AiError.InvalidResponseError)
  assert.include(error.message, "missing")
}

describe("the vectors of OpenAI's wire", () => {
  it.effect.each([
    { name: "in order", data: at(0, 1, 2), expected: [0, 1, 2] },
    { name: "out of order", data: at(2, 0, 1), expected: [1, 2, 0] },
    { name: "zero left out", data: at(undefined, 1, 2), expected: [0, 1, 2] },
    { name: "zero left out, out of order", data: at(1, 2, undefined), expected: [2, 0, 1] },
    { name: "all zero", data: at(0, 0, 0), expected: [0, 1, 2] },
    { name: "none", data: at(undefined, undefined, undefined), expected: [0, 1, 2] },
    { name: "all null", data: at(null, null, null), expected: [0, 1, 2] }
  ])("are in the order of the input, with indexes that are $name", ({ data, expected }) =>
    Effect.gen(function*() {
      const { value } = yield* openAi(data, ["a", "b", "c"])
      assert.deepStrictEqual(value, expected.map((x) => [x]))
    }))

  it.effect.each([
    { name: "a gap", data: at(0, 2, 3) },
    { name: "one twice", data: at(0, 1, 1) },
    { name: "begun at one", data: at(1, 2, 3) },
    { name: "too few", data: at(0, 1) },
    { name: "too many", data: at(0, 1, 2, 3) },
    { name: "none at all", data: [] }
  ])("are refused: $name", ({ data }) => Effect.map(Effect.flip(openAi(data, ["a", "b", "c"])), isMissing))

  it.effect.each([
    { name: "a text", input: "abc" },
    { name: "tokens", input: [1, 2, 3] },
    { name: "one text", input: ["abc"] },
    { name: "one list of tokens", input: [[1, 2, 3]] }
  ])("are one for $name", ({ input }) =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* openAi(at(0), input)).value, [[0]])
      isMissing(yield* Effect.flip(openAi(at(0, 1), input)))
    }))
})

describe("the embeddings of Gemini", () => {
  it.effect("are refused where some are missing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* gemini([1, 2], ["a", "b"])).value, [[1], [2]])
      isMissing(yield* Effect.flip(gemini([1], ["a", "b"])))
    }))
})

describe("more texts than a request may have", () => {
  it.live.each([
    {
      name: "OpenAI",
      backend: OpenAi.layerEmbeddings({ model: "text-embedding-3-small", apiKey }),
      largest: 2_048
    },
    {
      name: "Gemini",
      backend: Gemini.layerEmbedContent({ model: "gemini-embedding-001", apiKey }),
      largest: 100
    }
  ])("are refused by $name with what to do", ({ backend, largest }) =>
    Effect.gen(function*() {
      const model = yield* iModel.make(yield* ServiceBackend.ServiceBackend)
      const input = Array.from({ length: largest + 1 }, (_, i) => String(i))
      const error = yield* Effect.flip(model.respond({ input }))
      assert.isTrue(error._tag === "BackendError" && error.reason._tag === "InvalidRequestError")
      assert.include(error.message, `at most ${largest} inputs in one request, got ${largest + 1}`)
      assert.include(error.message, "embedMany")
      const { value } = yield* model.respond({ input: input.slice(1) })
      assert.strictEqual(Array.isArray(value) ? value.length : 0, largest)
    }).pipe(Effect.provide(Layer.provide(backend, Simulator.layerHttpClient({ latency: 0 })))))
})

describe("batches of texts", () => {
  it.effect.each([
    { provider: "openai", count: 5_000, size: 10, largest: 2_048 },
    { provider: "openai", count: 2_000, size: 3_000, largest: 300 },
    { provider: "azure", count: 2_049, size: 1, largest: 2_048 },
    { provider: "gemini", count: 250, size: 10, largest: 100 },
    { provider: "mistral", count: 1_000, size: 3, largest: 512 },
    { provider: "mistral", count: 100, size: 1_000, largest: 49 },
    { provider: "ollama", count: 5_000, size: 1_000, largest: 5_000 },
    { provider: "somebody", count: 250, size: 10, largest: 100 }
  ])(
    "of $count texts are of at most $largest for $provider",
    ({ count, largest, provider, size }) =>
      Effect.sync(() => {
        const texts = Array.from({ length: count }, (_, i) => `${i}`.padEnd(size, "x"))
        const batches = batchesOf(provider, texts)
        assert.deepStrictEqual(batches.flat(), texts)
        assert.strictEqual(Math.max(...batches.map((batch) => batch.length)), largest)
      })
  )

  it.effect("of a text that is too long alone is that text", () =>
    Effect.sync(() => {
      const long = "x".repeat(1_000_000)
      assert.deepStrictEqual(batchesOf("openai", ["a", long, "b"]), [["a"], [long], ["b"]])
    }))

  const embedder = Effect.fnUntraced(
    function*(answer: (input: ReadonlyArray<string>) => ReadonlyArray<ReadonlyArray<number>>) {
      const sizes: Array<number> = []
      const backend = yield* ServiceBackend.make({
        provider: "gemini",
        name: "m",
        request: Schema.Struct({ input: Schema.Array(Schema.String) }),
        call: ({ input }) =>
          Effect.sync(() => {
            sizes.push(input.length)
            const vectors = answer(input)
            return Calling.makeResponse({
              data: vectors,
              value: vectors,
              usage: { inputTokens: { total: input.length }, outputTokens: {} }
            })
          })
      })
      return { sizes, model: yield* iModel.makeEmbeddingModel(yield* iModel.make(backend)) }
    }
  )

  it.effect("are joined of single texts, split, and put together again", () =>
    Effect.gen(function*() {
      const { model, sizes } = yield* embedder((input) => input.map((text) => [Number(text)]))
      const numbers = Array.from({ length: 250 }, (_, i) => i)
      const single = yield* Effect.forEach(numbers, (n) => model.embed(String(n)), { concurrency: "unbounded" })
      assert.deepStrictEqual(single.map(({ vector }) => vector), numbers.map((n) => [n]))
      assert.deepStrictEqual(sizes, [100, 100, 50])
      const many = yield* model.embedMany(numbers.map(String))
      assert.deepStrictEqual(many.embeddings.map(({ vector }) => vector), numbers.map((n) => [n]))
      assert.strictEqual(many.usage.inputTokens, 250)
    }))

  it.effect("fail where a vector is missing", () =>
    Effect.gen(function*() {
      const { model } = yield* embedder((input) => input.slice(1).map(() => [0]))
      const error = yield* Effect.flip(model.embedMany(["a", "b"]))
      assert.include(error.message, "1 vectors for 2 texts")
    }))
})
