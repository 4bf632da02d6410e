/** Addresses as people write them. */
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Predicate, Stream } from "effect"
import { iModel } from "effect-imodel"
import {
  completeBaseUrl as anthropic,
  defaultBaseUrl as anthropicDefault
} from "../../src/internal/anthropic/baseUrl.ts"
import { ollamaHost } from "../../src/internal/http/baseUrl.ts"
import { completeBaseUrl as gemini, defaultBaseUrl as geminiDefault } from "../../src/internal/gemini/baseUrl.ts"
import { type VendorName, vendors } from "../../src/internal/openAi/vendors.ts"
import { chatWires, platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const given: ReadonlyArray<
  { readonly provider: VendorName; readonly address: string; readonly expected: string; readonly query?: string }
> = [
  { provider: "openai", address: "https://api.openai.com/v1", expected: "https://api.openai.com/v1" },
  { provider: "openai", address: " https://api.openai.com/v1/ \n", expected: "https://api.openai.com/v1" },
  { provider: "openai", address: "https://api.openai.com", expected: "https://api.openai.com/v1" },
  { provider: "openai", address: "https://api.openai.com//", expected: "https://api.openai.com/v1" },
  {
    provider: "openai",
    address: "https://api.openai.com/v1/chat/completions",
    expected: "https://api.openai.com/v1"
  },
  { provider: "openai", address: "https://api.openai.com/v1/models", expected: "https://api.openai.com/v1" },
  { provider: "openai", address: "http://localhost:1234", expected: "http://localhost:1234/v1" },
  { provider: "openai", address: "http://127.0.0.1:1234/", expected: "http://127.0.0.1:1234/v1" },
  { provider: "openai", address: "http://[::1]:1234", expected: "http://[::1]:1234/v1" },
  { provider: "openai", address: "http://localhost:1234/api", expected: "http://localhost:1234/api" },
  { provider: "openai", address: "https://api.perplexity.ai", expected: "https://api.perplexity.ai" },
  { provider: "openai", address: "https://gateway.example.com/v2/", expected: "https://gateway.example.com/v2" },
  {
    provider: "openai",
    address: "https://gateway.example.com/v1?tenant=blue",
    expected: "https://gateway.example.com/v1",
    query: "?tenant=blue"
  },
  {
    provider: "openai",
    address: "https://gateway.example.com/v1?api_key=x",
    expected: "https://gateway.example.com/v1?api_key=x"
  },
  { provider: "groq", address: "https://api.groq.com", expected: "https://api.groq.com/openai/v1" },
  { provider: "groq", address: "https://api.groq.com/openai/", expected: "https://api.groq.com/openai/v1" },
  { provider: "openrouter", address: "https://openrouter.ai/api", expected: "https://openrouter.ai/api/v1" },
  { provider: "ollama", address: "http://box:11434", expected: "http://box:11434/v1" },
  { provider: "ollama", address: "box:11434", expected: "http://box:11434/v1" },
  { provider: "ollama", address: "localhost", expected: "http://localhost:11434/v1" },
  { provider: "ollama", address: "http://box:11434/api/", expected: "http://box:11434/v1" },
  { provider: "ollama", address: "https://box.example.com/ollama", expected: "https://box.example.com/ollama" },
  { provider: "vllm", address: "http://gpu:8000/", expected: "http://gpu:8000/v1" },
  { provider: "azure", address: "https://r.openai.azure.com", expected: "https://r.openai.azure.com/openai/v1" },
  {
    provider: "azure",
    address: "https://r.openai.azure.com/openai/",
    expected: "https://r.openai.azure.com/openai/v1"
  },
  {
    provider: "azure",
    address: "https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version=2024-06-01",
    expected: "https://r.openai.azure.com/openai/v1"
  },
  {
    provider: "azure",
    address: "https://r.openai.azure.com/openai/v1/?api-version=preview",
    expected: "https://r.openai.azure.com/openai/v1",
    query: "?api-version=preview"
  },
  { provider: "azure", address: "https://gateway.example.com/azure", expected: "https://gateway.example.com/azure" },
  { provider: "openai", address: "no address", expected: "no address" }
]

const configured = [
  { name: "openai", from: vendors.openai.baseUrl, env: {}, expected: "https://api.openai.com/v1" },
  {
    name: "openai",
    from: vendors.openai.baseUrl,
    env: { OPENAI_BASE_URL: "  " },
    expected: "https://api.openai.com/v1"
  },
  { name: "openai", from: vendors.openai.baseUrl, env: { OPENAI_API_BASE: "https://a/v1" }, expected: "https://a/v1" },
  {
    name: "openai",
    from: vendors.openai.baseUrl,
    env: { OPENAI_BASE_URL: "https://b/v1", OPENAI_API_BASE: "https://a/v1" },
    expected: "https://b/v1"
  },
  { name: "ollama", from: vendors.ollama.baseUrl, env: {}, expected: "http://127.0.0.1:11434/v1" },
  {
    name: "ollama",
    from: vendors.ollama.baseUrl,
    env: { OLLAMA_HOST: "0.0.0.0:1234" },
    expected: "http://127.0.0.1:1234/"
  },
  {
    name: "ollama",
    from: vendors.ollama.baseUrl,
    env: { OLLAMA_HOST: "0.0.0.0", OLLAMA_BASE_URL: "http://box/v1" },
    expected: "http://box/v1"
  },
  { name: "groq", from: vendors.groq.baseUrl, env: { GROQ_BASE_URL: "https://g" }, expected: "https://g" },
  {
    name: "azure",
    from: vendors.azure.baseUrl,
    env: { AZURE_OPENAI_ENDPOINT: "https://r.openai.azure.com/openai/deployments/d?api-version=2024-06-01" },
    expected: "https://r.openai.azure.com/openai/v1"
  },
  {
    name: "anthropic",
    from: anthropicDefault,
    env: { ANTHROPIC_BASE_URL: "" },
    expected: "https://api.anthropic.com/v1"
  },
  {
    name: "anthropic",
    from: anthropicDefault,
    env: { ANTHROPIC_BASE_URL: "https://a.example.com/x/ " },
    expected: "https://a.example.com/x/v1"
  },
  { name: "gemini", from: geminiDefault, env: {}, expected: "https://generativelanguage.googleapis.com/v1beta" },
  {
    name: "gemini",
    from: geminiDefault,
    env: { GOOGLE_GEMINI_BASE_URL: "https://g.example.com/" },
    expected: "https://g.example.com/v1beta"
  },
  {
    name: "gemini",
    from: geminiDefault,
    env: { GOOGLE_GEMINI_BASE_URL: "https://g.example.com/v1" },
    expected: "https://g.example.com/v1"
  }
]

describe("an address", () => {
  it.effect.each(given)(
    "$address of $provider is $expected",
    ({ address, expected, provider, query = "" }) =>
      Effect.sync(() => assert.deepStrictEqual(vendors[provider].complete(address), { baseUrl: expected, query }))
  )

  it.effect("of Anthropic and Gemini has its version at their host and on this machine", () =>
    Effect.sync(() => {
      assert.strictEqual(anthropic("https://api.anthropic.com/").baseUrl, "https://api.anthropic.com/v1")
      assert.strictEqual(anthropic("http://localhost:4000").baseUrl, "http://localhost:4000/v1")
      assert.strictEqual(anthropic("https://gateway.example.com/a ").baseUrl, "https://gateway.example.com/a")
      assert.strictEqual(
        gemini("https://generativelanguage.googleapis.com").baseUrl,
        "https://generativelanguage.googleapis.com/v1beta"
      )
      assert.strictEqual(gemini("http://localhost:4000/").baseUrl, "http://localhost:4000/v1beta")
    }))

  it.effect.each(configured)(
    "of $name is $expected by the environment $env",
    ({ env, expected, from }) =>
      Effect.gen(function*() {
        assert.strictEqual(yield* from.parse(ConfigProvider.fromUnknown(env)), expected)
      })
  )

  it.effect.each([
    { host: "box", expected: "http://box:11434/" },
    { host: "box:80", expected: "http://box:80/" },
    { host: ":1234", expected: "http://127.0.0.1:1234/" },
    { host: "0.0.0.0", expected: "http://127.0.0.1:11434/" },
    { host: "[::]:1234", expected: "http://127.0.0.1:1234/" },
    { host: "http://0.0.0.0:11434", expected: "http://127.0.0.1:11434" },
    { host: "https://box.example.com/ollama", expected: "https://box.example.com/ollama" },
    { host: "10.0.0.0:11434", expected: "http://10.0.0.0:11434/" }
  ])(
    "of the OLLAMA_HOST $host is $expected",
    ({ expected, host }) => Effect.sync(() => assert.strictEqual(ollamaHost(host), expected))
  )

  it.effect.each(["", "/", " \n"])(
    "that ends with %j is asked at the right path, over every wire",
    (end) =>
      Effect.gen(function*() {
        for (const { makeAt, path, whole } of chatWires) {
          const server = yield* serve({ body: whole({ text: "ok" }) })
          const model = yield* makeAt(`${server.url}${end}`)
          yield* model.respond({ prompt: "hi" })
          assert.strictEqual((yield* server.arrival).path, path)
        }
      }).pipe(Effect.provide(platform))
  )

  it.effect.each(chatWires)(
    "has its query sent with every request: $name",
    ({ makeAt, path, streamed, whole }) =>
      Effect.gen(function*() {
        const server = yield* serve(({ body, path }) =>
          Effect.succeed(
            /stream/i.test(path) || (Predicate.hasProperty(body, "stream") && body.stream === true)
              ? { body: streamed({ text: "ok" }), headers: { "content-type": "text/event-stream" } }
              : { body: whole({ text: "ok" }) }
          )
        )
        const model = yield* makeAt(`${server.url}/?tenant=blue&x={model}`)
        yield* model.respond({ prompt: "hi" })
        yield* Stream.runDrain(model.stream({ prompt: "hi" }))
        const [first, second] = (yield* server.seen).map((seen) => new URL(seen.path, server.url))
        assert.strictEqual(first?.pathname, path)
        for (const url of [first, second]) {
          assert.deepInclude(Object.fromEntries(url?.searchParams ?? []), { tenant: "blue", x: "{model}" })
        }
      }).pipe(Effect.provide(platform))
  )

  it.effect("may have a query in a configuration, too, but no credential in it", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: chatWires[0]?.whole({ text: "ok" }) })
      const read = (query: string) =>
        Effect.provide(
          iModel.respond({ prompt: "hi" }),
          iModel.layerFromJson({
            version: 1,
            backend: { provider: "vllm", endpoint: "chat", model: "m", baseUrl: `${server.url}/v1?${query}` }
          })
        )
      yield* read("tenant=blue")
      assert.strictEqual((yield* server.arrival).path, "/v1/chat/completions?tenant=blue")
      const error = yield* Effect.flip(read("api_key=sk-0123456789"))
      assert.propertyVal(error, "path", "backend.baseUrl")
    }).pipe(Effect.provide(platform)))
})
