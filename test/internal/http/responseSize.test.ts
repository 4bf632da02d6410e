/** Responses that are larger than a program wants to hold. */
import { assert, describe, it } from "@effect/vitest"
import { type Config, Effect, Redacted, type Scope, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpClientResponse } from "effect/http"
import { Anthropic, type Endpoint, Gemini, iModel, OpenAi } from "effect-imodel"
import { createServer } from "node:http"
import { gzipSync } from "node:zlib"
import { chatWires } from "../../support/chatWires.ts"

const options = (baseUrl: string, maxResponseBytes?: number) => ({
  model: "m",
  apiKey: Redacted.make("sk-0123456789"),
  baseUrl,
  maxResponseBytes,
  retry: { times: 0 }
})

interface Asked {
  readonly prompt: string
}

type Make = (
  options: Endpoint.ProviderOptions & { readonly model: string }
) => Effect.Effect<iModel.Model<Asked>, iModel.OptionsError | Config.ConfigError, HttpClient.HttpClient | Scope.Scope>

const modelOf = <Args, Data, E>(
  backend: Effect.Effect<Parameters<typeof iModel.make<Args, Data>>[0], E, HttpClient.HttpClient>
) => Effect.flatMap(backend, (backend) => iModel.make(backend))

const makers: Readonly<Record<string, Make>> = {
  "openAi chat": (options) => modelOf(OpenAi.makeChat(options)),
  "openAi responses": (options) => modelOf(OpenAi.makeResponses(options)),
  anthropic: (options) => modelOf(Anthropic.makeMessages(options)),
  gemini: (options) => modelOf(Gemini.makeGenerateContent(options))
}

const chunk = new TextEncoder().encode(`: ${"x".repeat(1021)}\n`)

/** A body that does not end. It counts what was read of it. */
const endless = () => {
  const read = { bytes: 0 }
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      read.bytes += chunk.byteLength
      controller.enqueue(chunk)
    }
  })
  return { body, read }
}

const answering = (response: () => Response) =>
  HttpClient.make((request) => Effect.succeed(HttpClientResponse.fromWeb(request, response())))

const limit = 64 * 1024

describe.each(chatWires)("a response of $name that is too large", ({ name, whole }) => {
  const make = makers[name] ?? assert.fail(name)

  it.effect("is not read to its end, whole or in a stream", () =>
    Effect.gen(function*() {
      for (const form of ["whole", "streamed"]) {
        const { body, read } = endless()
        const model = yield* make(options("https://a.example/v1", limit)).pipe(
          Effect.provideService(HttpClient.HttpClient, answering(() => new Response(body)))
        )
        const call = form === "whole"
          ? Effect.asVoid(model.respond({ prompt: "hi" }))
          : Stream.runDrain(model.stream({ prompt: "hi" }))
        const error = yield* Effect.flip(call)
        if (error._tag !== "BackendError") return assert.fail(error._tag)
        assert.strictEqual(error.reason._tag, "InvalidResponseError")
        assert.include(error.message, "more than 65536 bytes")
        assert.include(error.message, "maxResponseBytes")
        assert.isBelow(read.bytes, 4 * limit)
      }
    }))

  it.effect("is refused by its stated length", () =>
    Effect.gen(function*() {
      const { body, read } = endless()
      const headers = { "content-length": String(limit + 1) }
      const model = yield* make(options("https://a.example/v1", limit)).pipe(
        Effect.provideService(HttpClient.HttpClient, answering(() => new Response(body, { headers })))
      )
      const error = yield* Effect.flip(model.respond({ prompt: "hi" }))
      assert.include(error.message, "maxResponseBytes")
      assert.isBelow(read.bytes, limit)
    }))

  it.effect("is one that is as large as allowed", () =>
    Effect.gen(function*() {
      const text = JSON.stringify(whole({ text: "é".repeat(1000) }))
      const { byteLength } = new TextEncoder().encode(text)
      const respond = (maxResponseBytes: number) =>
        Effect.flatMap(make(options("https://a.example/v1", maxResponseBytes)), (model) =>
          model.respond({ prompt: "hi" })).pipe(
            Effect.provideService(
              HttpClient.HttpClient,
              answering(() =>
                new Response(new Blob([text]).stream())
              )
            )
          )
      assert.strictEqual((yield* respond(byteLength)).text, "é".repeat(1000))
      yield* Effect.flip(respond(byteLength - 1))
    }))

  it.live("is counted as it is unpacked", () =>
    Effect.gen(function*() {
      const packed = gzipSync(JSON.stringify(whole({ text: "a".repeat(1_000_000) })))
      assert.isBelow(packed.byteLength, limit)
      const url = yield* Effect.acquireRelease(
        Effect.callback<{ readonly server: ReturnType<typeof createServer>; readonly url: string }>((resume) => {
          const server = createServer((_, response) => {
            response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" })
            response.end(packed)
          })
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            const port = typeof address === "object" ? address?.port : undefined
            resume(Effect.succeed({ server, url: `http://127.0.0.1:${port}/v1` }))
          })
        }),
        ({ server }) => Effect.sync(() => server.close())
      )
      const model = yield* make(options(url.url, limit))
      const error = yield* Effect.flip(model.respond({ prompt: "hi" }))
      assert.include(error.message, "maxResponseBytes")
      const large = yield* make(options(url.url))
      assert.lengthOf((yield* large.respond({ prompt: "hi" })).text, 1_000_000)
    }).pipe(Effect.provide(FetchHttpClient.layer)))

  it.effect("is cut where it is that of an error", () =>
    Effect.gen(function*() {
      const { body, read } = endless()
      const model = yield* make(options("https://a.example/v1")).pipe(
        Effect.provideService(HttpClient.HttpClient, answering(() => new Response(body, { status: 503 })))
      )
      const error = yield* Effect.flip(model.respond({ prompt: "hi" }))
      assert.strictEqual(error._tag === "BackendError" && error.reason._tag, "InternalProviderError")
      assert.isBelow(read.bytes, 2 * 1024 * 1024)
    }))
})

describe("maxResponseBytes", () => {
  it.effect.each([0, -1, 1.5, Number.NaN])("of %s is refused", (maxResponseBytes) =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(OpenAi.makeChat(options("https://a.example/v1", maxResponseBytes)))
      assert.include(error.message, "maxResponseBytes")
    }).pipe(Effect.provide(FetchHttpClient.layer)))
})
