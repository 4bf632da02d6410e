import { describe, expectTypeOf, it } from "@effect/vitest"
import { type Cause, Config, type Layer } from "effect"
import type { HttpClient } from "effect/http"
import { iModel, OpenAi, type ServiceBackend } from "effect-imodel"

class Gpt extends iModel.Service<Gpt>()("test/Gpt", {
  backend: OpenAi.makeResponses({ model: "gpt-5-mini" })
}) {}

class Embedder extends iModel.Service<Embedder>()("test/Embedder", {
  backend: OpenAi.makeEmbeddings({ model: "text-embedding-3-small" })
}) {}

describe("OpenAi", () => {
  it("has layers that say what they need and how they fail", () => {
    type Backend = Layer.Layer<
      ServiceBackend.ServiceBackend,
      Config.ConfigError | Cause.IllegalArgumentError,
      HttpClient.HttpClient
    >
    expectTypeOf(OpenAi.layerResponses({ model: "m" })).toEqualTypeOf<Backend>()
    expectTypeOf(OpenAi.layerResponsesConfig({ model: Config.String("MODEL") })).toEqualTypeOf<Backend>()
    expectTypeOf(OpenAi.layerEmbeddings({ model: "m" })).toEqualTypeOf<Backend>()
    expectTypeOf(OpenAi.layerEmbeddingsConfig({ model: Config.String("MODEL") })).toEqualTypeOf<Backend>()
  })

  it("is typed by its wires", () => {
    expectTypeOf<Gpt["Service"]>().toEqualTypeOf<iModel.Model<OpenAi.ResponseRequest, OpenAi.Response>>()
    expectTypeOf<Embedder["Service"]>().toEqualTypeOf<iModel.Model<OpenAi.EmbeddingRequest, OpenAi.Embeddings>>()
    expectTypeOf<OpenAi.Embeddings["data"][number]["embedding"]>().toEqualTypeOf<ReadonlyArray<number>>()
  })

  it("tells items and contents by their type", () => {
    const read = (item: OpenAi.Response["output"][number]) => {
      if (item.type === "function_call") expectTypeOf(item.arguments).toEqualTypeOf<string>()
      if (item.type !== "message") return
      expectTypeOf(item.role).toEqualTypeOf<"assistant">()
      for (const content of item.content) {
        expectTypeOf(content.type).toEqualTypeOf<"output_text" | "refusal">()
        if (content.type === "refusal") expectTypeOf(content.refusal).toEqualTypeOf<string>()
      }
    }
    expectTypeOf(read).toBeFunction()
  })

  it("takes the items of an answer back", () => {
    const ask = (gpt: Gpt["Service"], { output }: OpenAi.Response) =>
      gpt.respond({ input: [...output, { role: "user", content: "And now?" }] })
    expectTypeOf(ask).toBeFunction()
  })

  it("refuses arguments that the provider does not know", () => {
    const wrong = (gpt: Gpt["Service"], embedder: Embedder["Service"]) => [
      gpt.respond({ prompt: "hi", reasoning: { effort: "low" }, max_tokens: 20, tools: [{ type: "web_search" }] }),
      gpt.respond({ prompt: { id: "pmpt_1", variables: { name: "Ada" } } }),
      // @ts-expect-error a misspelt field
      gpt.respond({ prompt: "hi", temprature: 0 }),
      // @ts-expect-error a field of another type
      gpt.respond({ prompt: "hi", temperature: "hot" }),
      // @ts-expect-error a content that lacks its text
      gpt.respond({ input: [{ role: "user", content: [{ type: "input_text" }] }] }),
      // @ts-expect-error a tool that lacks its stores
      gpt.respond({ prompt: "hi", tools: [{ type: "file_search" }] }),
      // @ts-expect-error texts and tokens at once
      embedder.respond({ input: ["blue", 1] })
    ]
    expectTypeOf(wrong).toBeFunction()
  })
})
