import { assert, describe, layer } from "@effect/vitest"
import { Config, Effect, Layer, Redacted, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import { iModel, OpenAi } from "effect-imodel"
import OpenAI from "openai"
import type { EmbeddingCreateParams } from "openai/resources/embeddings"
import { type Answer, type Seen, serve } from "../support/server.ts"
import * as Wire from "../support/wire.ts"

const vectors = [[0.25, -1.5, 3.4028234663852886e+38], [0, 1, -0.0010000000474974513]]

const base64Of = (numbers: ReadonlyArray<number>) => Buffer.from(Float32Array.from(numbers).buffer).toString("base64")

const answerOf = (embeddings: ReadonlyArray<unknown>, fields: object = {}) => ({
  object: "list",
  model: "text-embedding-3-small",
  data: embeddings.map((embedding, index) => ({ object: "embedding", index, embedding })),
  usage: { prompt_tokens: 8, total_tokens: 8 },
  ...fields
})

/** Answers in the format that is asked for, with as many vectors as there are inputs. */
const provider = ({ body }: Seen): Effect.Effect<Answer> => {
  const asked = typeof body === "object" && body !== null && "encoding_format" in body
    ? body.encoding_format
    : undefined
  const input = typeof body === "object" && body !== null && "input" in body ? body.input : undefined
  const given = Array.isArray(input) && typeof input[0] !== "number" ? vectors : vectors.slice(0, 1)
  return Effect.succeed({ body: answerOf(asked === "base64" ? given.map(base64Of) : given) })
}

const apiKey = Redacted.make("sk-canary-0123456789")

const setup = Effect.fnUntraced(
  function*(
    answer: Answer | ((seen: Seen) => Effect.Effect<Answer>),
    options?: iModel.Options<OpenAi.EmbeddingRequest>
  ) {
    const server = yield* serve(answer)
    const backend = yield* OpenAi.makeEmbeddings({
      model: "text-embedding-3-small",
      apiKey,
      baseUrl: `${server.url}/v1`,
      retry: { times: 0 }
    })
    return { server, model: yield* iModel.make(backend, options) }
  }
)

layer(FetchHttpClient.layer)("OpenAi.makeEmbeddings", (it) => {
  describe("the request", () => {
    const inputs: ReadonlyArray<OpenAi.EmbeddingRequest["input"]> = [
      "blue",
      ["blue", "red"],
      [1, 2, 3],
      [[1, 2], [3]]
    ]

    it.effect.each(inputs)("takes %j", (input) =>
      Effect.gen(function*() {
        const { model, server } = yield* setup(provider)
        yield* model.respond({ input, dimensions: 3, user: "u", encoding_format: "float" })
        const { body, method, path } = yield* server.arrival
        assert.strictEqual(`${method} ${path}`, "POST /v1/embeddings")
        assert.deepStrictEqual(body, {
          model: "text-embedding-3-small",
          input,
          dimensions: 3,
          user: "u",
          encoding_format: "float"
        })
      }))

    const calls: ReadonlyArray<EmbeddingCreateParams> = [
      { model: "text-embedding-3-small", input: "blue" },
      { model: "text-embedding-3-large", input: ["blue", "red"], dimensions: 3, user: "u" },
      { model: "text-embedding-3-small", input: [[1, 2], [3]], encoding_format: "float" },
      { model: "text-embedding-3-small", input: [1, 2, 3], encoding_format: "base64" }
    ]

    it.effect.each(calls)("is that of the openai SDK for the same call: %j", (call) =>
      Effect.gen(function*() {
        const { model, server } = yield* setup(provider)
        const client = new OpenAI({ apiKey: Redacted.value(apiKey), baseURL: `${server.url}/v1`, maxRetries: 0 })
        yield* Effect.promise(() => client.embeddings.create(call))
        yield* model.respond(call)
        const told = Wire.tellerOf(["authorization", "content-type", "accept"])
        assert.deepStrictEqual(told(yield* server.arrival), told(yield* server.arrival))
      }))

    it.effect.each([
      { name: "nothing", args: {}, parameter: "input" },
      { name: "no text at all", args: { input: [] }, parameter: "input" },
      { name: "texts and tokens at once", args: { input: ["blue", 1] }, parameter: "input[1]" },
      { name: "no tokens", args: { input: [[]] }, parameter: "input[0]" },
      { name: "no dimensions", args: { input: "blue", dimensions: 0 }, parameter: "dimensions" },
      { name: "another format", args: { input: "blue", encoding_format: "int8" }, parameter: "encoding_format" },
      { name: "something else", args: { input: "blue", dimension: 3 }, parameter: "dimension" }
    ])("is refused by name before it is sent: $name", ({ args, parameter }) =>
      Effect.gen(function*() {
        const server = yield* serve(provider)
        const backend = yield* OpenAi.makeEmbeddings({ model: "m", apiKey, baseUrl: server.url })
        const error = yield* Effect.flip((yield* backend.createCalling(args)).response)
        assert.strictEqual(Wire.parameterOf(error), parameter)
        assert.deepStrictEqual(yield* server.seen, [])
      }))
  })

  describe("the response", () => {
    it.effect.each([{ encoding_format: "float" as const }, { encoding_format: "base64" as const }])(
      "has the numbers, whichever format they come in: $encoding_format",
      ({ encoding_format }) =>
        Effect.gen(function*() {
          const { model } = yield* setup(provider)
          const { data, metadata, usage } = yield* model.respond({ input: ["blue", "red"], encoding_format })
          assert.deepStrictEqual(data.data.map(({ embedding }) => embedding), vectors)
          assert.deepStrictEqual(data.data.map(({ index }) => index), [0, 1])
          assert.deepStrictEqual(usage, { inputTokens: { total: 8 }, outputTokens: {} })
          assert.include(metadata, { model: "text-embedding-3-small" })
        })
    )

    it.effect("has numbers from who was asked for base64 and does not know it", () =>
      Effect.gen(function*() {
        const { model } = yield* setup({ body: answerOf(vectors, { usage: undefined }) })
        const { data, usage } = yield* model.respond({ input: ["blue", "red"] })
        assert.deepStrictEqual(data.data.map(({ embedding }) => embedding), vectors)
        assert.deepStrictEqual(usage, { inputTokens: { total: undefined }, outputTokens: {} })
      }))

    it.effect("is what the openai SDK decodes", () =>
      Effect.gen(function*() {
        const { model, server } = yield* setup(provider)
        const client = new OpenAI({ apiKey: Redacted.value(apiKey), baseURL: `${server.url}/v1` })
        const call = { model: "text-embedding-3-small", input: ["blue", "red"] }
        const theirs = yield* Effect.promise(() => client.embeddings.create(call))
        const { data } = yield* model.respond(call)
        assert.deepStrictEqual(
          data.data.map(({ embedding }) => embedding),
          theirs.data.map(({ embedding }) => embedding)
        )
      }))

    it.effect.each([{ embedding: "AAAA" }, { embedding: "no base64!" }, { embedding: [1, "2"] }, { embedding: null }])(
      "is none when its numbers are none: $embedding",
      ({ embedding }) =>
        Effect.gen(function*() {
          const { model } = yield* setup({ body: answerOf([embedding]) })
          const error = yield* Effect.flip((yield* model.invoke({ input: "blue" })).response)
          assert.strictEqual(error.reason._tag, "InvalidResponseError")
          assert.include(error.message, "data[0].embedding")
        })
    )

    it.effect("is handed out at once by who streams it", () =>
      Effect.gen(function*() {
        const { model } = yield* setup(provider)
        const parts = yield* Stream.runCollect(model.stream({ input: "blue" }))
        assert.deepStrictEqual(parts.map(({ type }) => type), ["finish"])
      }))
  })

  describe("the cost", () => {
    const costOf = Effect.fnUntraced(function*(args: OpenAi.EmbeddingRequest) {
      const { model } = yield* setup(provider, { limitTokens: 1_000 })
      return (yield* model.createCalling(args)).cost
    })

    it.effect("is the number of the tokens that are sent", () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* costOf({ input: [1, 2, 3] }), 3)
        assert.strictEqual(yield* costOf({ input: [[1, 2], [3, 4, 5]] }), 5)
      }))

    it.effect("is what the model's tokenizer counts of texts", () =>
      Effect.gen(function*() {
        const one = yield* costOf({ input: "antidisestablishmentarianism" })
        const two = yield* costOf({ input: ["antidisestablishmentarianism", "antidisestablishmentarianism"] })
        assert.strictEqual(two - one, 6)
      }))
  })

  it.effect("can be configured", () =>
    Effect.gen(function*() {
      const server = yield* serve(provider)
      const backend = OpenAi.layerEmbeddingsConfig({
        model: Config.String("MODEL"),
        apiKey: Config.Redacted("KEY"),
        baseUrl: Config.String("ADDRESS")
      })
      yield* iModel.respond({ input: "blue" }).pipe(
        Effect.provide(Layer.provide(iModel.layer(), backend)),
        Wire.environment({ MODEL: "m", KEY: "sk-of-the-environment", ADDRESS: server.url })
      )
      const { body, headers } = yield* server.arrival
      assert.deepInclude(body, { model: "m", input: "blue" })
      assert.strictEqual(headers["authorization"], "Bearer sk-of-the-environment")
    }))
})
