import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Logger, Predicate, Redacted, Stream } from "effect"
import { iModel, OpenAi, Provider, Simulator } from "effect-imodel"
import { serve } from "../support/server.ts"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"

const answer = { id: "1", model: "m", choices: [{ message: { content: "Blue." } }] }

const apiKey = Redacted.make("no key is needed")
const args: Readonly<Record<string, object>> = {
  embeddings: { input: "Hello" },
  embedContent: { contents: ["Hello"] }
}

const environment = (entries: Record<string, string>) => ConfigProvider.layer(ConfigProvider.fromUnknown(entries))

describe("a provider by its name", () => {
  it("is one of those that are known", () => {
    assert.deepStrictEqual(
      Provider.known.map(({ provider }) => provider).toSorted(),
      ["anthropic", "gemini", ...OpenAi.vendors].toSorted()
    )
  })

  for (const { endpoints, provider } of Provider.known) {
    for (const endpoint of endpoints) {
      it.live(`answers: ${provider}, ${endpoint}`, () =>
        Effect.gen(function*() {
          const { metadata, usage } = yield* iModel.respond(args[endpoint] ?? { prompt: "Hello" })
          assert.isDefined(metadata["attempts"])
          assert.isDefined(usage)
        }).pipe(Effect.provide(
          iModel.layer().pipe(
            Layer.provide(
              Provider.layer(provider, endpoint, { model: "a-model", apiKey, retry: { times: 0 } }).pipe(
                Layer.provide(environment({ AZURE_OPENAI_ENDPOINT: "https://mine.openai.azure.com/" }))
              )
            ),
            Layer.provide(Simulator.layerHttpClient({ latency: 0 }))
          )
        )))
    }
  }

  const failureOf = (layer: ReturnType<typeof Provider.layer>) =>
    Effect.flip(Effect.scoped(Layer.build(layer))).pipe(Effect.provide(FetchHttpClient.layer))

  it.effect("that nobody knows is an error that lists what is known", () =>
    Effect.gen(function*() {
      const error = yield* failureOf(Provider.layer("opnai", "chat", { model: "m" }))
      assert.match(error.message, /"opnai" is not known.*"anthropic".*"groq".*"openai"/)
    }))

  it.effect("without such an endpoint is an error that lists its own", () =>
    Effect.gen(function*() {
      const error = yield* failureOf(Provider.layer("gemini", "chat", { model: "m" }))
      assert.match(error.message, /endpoint "chat" is none of "gemini".*"embedContent", "generateContent"/)
      const inherited = yield* failureOf(Provider.layer("openai", "toString", { model: "m" }))
      assert.match(inherited.message, /endpoint "toString" is none of "openai"/)
    }))

  it.live("that nobody knows is not sent the key of OpenAI", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer })
      yield* iModel.respond({ prompt: "Hello" }).pipe(Effect.provide(
        iModel.layer().pipe(
          Layer.provide(Provider.layer("acme", "chat", { model: "m", baseUrl: `${server.url}/v1` })),
          Layer.provide(FetchHttpClient.layer),
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ OPENAI_API_KEY: "sk-of-openai" })))
        )
      ))
      assert.notProperty((yield* server.arrival).headers, "authorization")
    }))

  it.live("that nobody knows, but at an address, is taken to speak OpenAI's protocol, with a warning", () =>
    Effect.gen(function*() {
      const logged: Array<string> = []
      const server = yield* serve({ body: answer })
      yield* iModel.respond({ prompt: "Hello" }).pipe(Effect.provide(
        iModel.layer().pipe(
          Layer.provide(Provider.layer("acme", "chat", { model: "m", apiKey, baseUrl: `${server.url}/v1` })),
          Layer.provide(FetchHttpClient.layer),
          Layer.provide(Logger.layer([Logger.make(({ message }) => logged.push(String(message)))]))
        )
      ))
      assert.match(logged.join(), /"acme" is not known/)
      assert.strictEqual((yield* server.arrival).path, "/v1/chat/completions")
    }))
})

describe("a vendor of OpenAI's protocol", () => {
  const seenOf = Effect.fnUntraced(function*(options: Partial<OpenAi.ChatOptions>, request: OpenAi.ChatRequest) {
    const server = yield* serve({ body: answer })
    const backend = yield* OpenAi.makeChat({
      model: "m",
      apiKey,
      baseUrl: `${server.url}/v1`,
      retry: { times: 0 },
      ...options
    })
    const model = yield* iModel.make(backend)
    const calling = yield* model.invoke(request)
    return { server, calling }
  }, Effect.provide(FetchHttpClient.layer))

  it.live("is asked in its own words: the key of Azure, and fields that others have added", () =>
    Effect.gen(function*() {
      const { server } = yield* seenOf({ provider: "azure" }, { prompt: "Hello", extra_body: { top_k: 5 } })
      const { body, headers } = yield* server.arrival
      assert.strictEqual(headers["api-key"], "no key is needed")
      assert.isUndefined(headers["authorization"])
      assert.deepStrictEqual(body, { model: "m", messages: [{ role: "user", content: "Hello" }], top_k: 5 })
    }))

  it.live("is not asked for the usage of a stream where the caller says so", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer })
      const backend = yield* OpenAi.makeChat({ model: "m", apiKey, baseUrl: `${server.url}/v1` })
      const model = yield* iModel.make(backend)
      yield* Stream.runDrain(model.stream({ prompt: "Hello", extra_body: { stream_options: undefined } }))
      assert.deepStrictEqual((yield* server.arrival).body, {
        model: "m",
        messages: [{ role: "user", content: "Hello" }],
        stream: true
      })
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.live("with a model that reasons is sent what such a model takes", () =>
    Effect.gen(function*() {
      const { server } = yield* seenOf({ model: "gpt-5-mini" }, { prompt: "Hello", max_tokens: 5, temperature: 1 })
      assert.deepStrictEqual((yield* server.arrival).body, {
        stream: false,
        model: "gpt-5-mini",
        messages: [{ role: "user", content: "Hello" }],
        max_completion_tokens: 5,
        temperature: 1
      })
    }))

  it.live("with a model that reasons is not sent what such a model refuses, and says so", () =>
    Effect.gen(function*() {
      const { calling, server } = yield* seenOf({ model: "o3" }, { prompt: "Hello", temperature: 0 })
      const error = yield* Effect.flip(calling.response)
      assert.strictEqual(error.reason._tag, "Unsupported")
      assert.match(error.message, /temperature: 0 with the reasoning model o3 \(say reasoning: false/)
      assert.deepStrictEqual(yield* server.seen, [])
    }))

  it.live("is believed when it says that a model does not reason", () =>
    Effect.gen(function*() {
      const { server } = yield* seenOf({ model: "o3", reasoning: false }, { prompt: "Hello", temperature: 0 })
      assert.deepInclude((yield* server.arrival).body, { temperature: 0 })
    }))
})

describe("a credential", () => {
  const keyOf = (apiKey: OpenAi.ChatOptions["apiKey"], variables: Record<string, string>) =>
    Effect.gen(function*() {
      const server = yield* serve({ body: answer })
      const backend = yield* OpenAi.makeChat({ model: "m", apiKey, baseUrl: server.url })
      yield* (yield* iModel.make(backend)).respond({ prompt: "Hello" })
      return (yield* server.arrival).headers["authorization"]
    }).pipe(Effect.provide(Layer.merge(FetchHttpClient.layer, environment(variables))), Effect.scoped)

  it.live("is read from the variable that is named, and trimmed", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* keyOf("MY_KEY", { MY_KEY: " secret\n" }), "Bearer secret")
    }))

  it.live("that is missing names its variable", () =>
    Effect.gen(function*() {
      assert.match((yield* Effect.flip(keyOf(undefined, {}))).message, /OPENAI_API_KEY/)
      assert.match((yield* Effect.flip(keyOf("MY_KEY", {}))).message, /MY_KEY/)
    }))

  it.live("is not read from a variable of the system", () =>
    Effect.gen(function*() {
      for (const name of ["PATH", "HOME"]) {
        const { message } = yield* Effect.flip(keyOf(name, { [name]: "/usr/bin" }))
        assert.match(message, new RegExp(`${name} is a variable of the operating system`))
      }
    }))

  it.live("that is no name of a variable is not shown", () =>
    Effect.gen(function*() {
      const { message } = yield* Effect.flip(keyOf("sk-0123456789", {}))
      assert.match(message, /name of an environment variable/)
      assert.notInclude(message, "0123456789")
    }))

  it.effect("is not needed where the vendor needs none", () =>
    Effect.gen(function*() {
      const backend = yield* OpenAi.makeChat({ model: "qwen3", provider: "ollama" })
      assert.strictEqual(backend.provider, "ollama")
    }).pipe(Effect.provide(Layer.merge(FetchHttpClient.layer, environment({})))))
})

describe("a server that may stream where it is not asked to", () => {
  const client = (bodies: Array<unknown>) =>
    HttpClient.make((request) => {
      bodies.push(request.body._tag === "Uint8Array" ? JSON.parse(new TextDecoder().decode(request.body.body)) : null)
      return Effect.succeed(HttpClientResponse.fromWeb(request, Response.json(answer)))
    })

  it.effect.each(
    [
      ["openai", "https://api.openai.com/v1", false],
      ["openai", "https://gateway.example/v1", true],
      ["openai", "http://127.0.0.1:20128/v1", true],
      ["azure", "https://mine.openai.azure.com", false],
      ["openrouter", "https://openrouter.ai/api/v1", false],
      ["groq", "https://proxy.example/v1", true],
      ["ollama", "http://127.0.0.1:11434", true],
      ["vllm", "https://models.example/v1", true]
    ] as const
  )("%s at %s is told not to: %s", ([provider, baseUrl, isTold]) =>
    Effect.gen(function*() {
      const bodies: Array<unknown> = []
      for (const layer of [OpenAi.layerChat, OpenAi.layerResponses]) {
        const backend = layer({ model: "m", provider, baseUrl, apiKey, retry: { times: 0 } })
        yield* Effect.gen(function*() {
          yield* iModel.invoke({ prompt: "Hello" })
          yield* Effect.exit(Stream.runDrain(iModel.stream({ prompt: "Hello" })))
        }).pipe(
          Effect.provide(iModel.layer().pipe(Layer.provide(backend))),
          Effect.provideService(HttpClient.HttpClient, client(bodies))
        )
      }
      const stated = bodies.map((body) => Predicate.hasProperty(body, "stream") ? body.stream : undefined)
      assert.deepStrictEqual(stated, isTold ? [false, true, false, true] : [undefined, true, undefined, true])
    }))
})
