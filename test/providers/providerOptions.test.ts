/** The options that all providers over HTTP have in common. */
import { assert, describe, it } from "@effect/vitest"
import { type Cause, type Config, Effect, Layer, Redacted } from "effect"
import { HttpClient, HttpClientRequest } from "effect/http"
import { Anthropic, type Endpoint, Gemini, iModel, OpenAi, type ServiceBackend } from "effect-imodel"
import { platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

type Make = (
  options: Endpoint.ProviderOptions & { readonly model: string }
) => Effect.Effect<
  ServiceBackend.Backend<never>,
  Cause.IllegalArgumentError | Config.ConfigError,
  HttpClient.HttpClient
>

const makers: ReadonlyArray<readonly [string, Make]> = [
  ["OpenAi.makeChat", OpenAi.makeChat],
  ["OpenAi.makeResponses", OpenAi.makeResponses],
  ["OpenAi.makeEmbeddings", OpenAi.makeEmbeddings],
  ["Anthropic.makeMessages", Anthropic.makeMessages],
  ["Gemini.makeGenerateContent", Gemini.makeGenerateContent],
  ["Gemini.makeEmbedContent", Gemini.makeEmbedContent]
]

const common = { model: "m", apiKey: Redacted.make("sk-0123456789"), retry: { times: 0 } }

describe("transformClient", () => {
  it.effect.each(makers)("changes the client of %s, once", ([, make]) =>
    Effect.gen(function*() {
      const server = yield* serve({ status: 418 })
      let times = 0
      const backend = yield* make({
        ...common,
        baseUrl: server.url,
        headers: { "x-tenant": "a" },
        transformClient: (client) => {
          times++
          return HttpClient.mapRequest(client, HttpClientRequest.setHeader("x-signature", "signed"))
        }
      })
      for (const args of [{ prompt: "hi" }, { input: "hi" }]) {
        const calling = yield* backend.createCalling(args)
        if (calling.execution.status === "failed") continue
        const model = yield* iModel.make(backend)
        yield* Effect.flip((yield* model.invokeUnknown(args)).response)
      }
      const [seen] = yield* server.seen
      assert.deepInclude(seen?.headers, { "x-signature": "signed", "x-tenant": "a" })
      assert.strictEqual(times, 1)
    }).pipe(Effect.provide(platform)))

  it.effect.each(makers)("of %s is no data", ([, make]) =>
    Effect.gen(function*() {
      const backend = yield* make({ ...common, baseUrl: "https://a.example/v1", transformClient: (client) => client })
      const model = yield* iModel.make(backend)
      const json = iModel.toJson(model)
      assert.deepInclude(json["backend"], { transformClient: null })
      const error = yield* Effect.flip(Layer.build(iModel.layerFromJson(json)))
      assert.propertyVal(error, "path", "backend.transformClient")
    }).pipe(Effect.provide(platform)))
})
