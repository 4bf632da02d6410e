/** Providers that quote the key of a request, in any encoding, anywhere in what they send: the key is in nothing that a program sees. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer, Logger, Redacted, References, Schema, Stream, Tracer } from "effect"
import { Endpoint, iModel } from "effect-imodel"
import { inspect } from "node:util"
import { platform } from "../support/chatWires.ts"
import { type Draw, fuzz, testTimeout } from "../support/fuzz.ts"
import { type Answer, serve } from "../support/server.ts"

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./+=&<>\"'\\%#?@!$ "

const secretOf = (draw: Draw): string =>
  `k${Array.from({ length: 20 + draw.int(60) }, () => alphabet[draw.int(alphabet.length)]).join("")}z`

const encodings: readonly [(text: string) => string, ...ReadonlyArray<(text: string) => string>] = [
  (text) => text,
  encodeURIComponent,
  (text) => JSON.stringify(text).slice(1, -1),
  (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&#34;"),
  (text) => Array.from(text, (char) => `&#x${char.charCodeAt(0).toString(16)};`).join(""),
  (text) => Array.from(text, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join(""),
  (text) => btoa(text),
  (text) => btoa(`user:${text}`),
  (text) => text.replaceAll(/.{12}/g, "$&\n  ")
]

const shown = (value: unknown): string => inspect(value, { depth: 20, showHidden: true, maxStringLength: 1e6 })

const quoted = (draw: Draw, secret: string): string => {
  const words = ["wrong key", "", "\"", "see http://localhost/?key=", "Authorization: Basic ", "key=", "\n"] as const
  return draw.some(4, () => `${draw.one(words)}${draw.one(encodings)(secret)}${draw.one([" ", "\"", "", "&x=1"])}`)
    .join(
      " and "
    )
}

const bodyOf = (draw: Draw, secret: string, depth = 0): unknown => {
  const text = quoted(draw, secret)
  switch (depth > 3 ? 0 : draw.int(5)) {
    case 0:
    case 1:
      return text
    case 2:
      return { error: { message: text, code: text, param: text, details: bodyOf(draw, secret, depth + 1) } }
    case 3:
      return draw.some(3, () => bodyOf(draw, secret, depth + 1))
    default:
      return { message: text, [text]: bodyOf(draw, secret, depth + 1) }
  }
}

const header = (text: string): string => text.replaceAll(/[^\x20-\x7e]/g, "")

const answerOf = (draw: Draw, secret: string): Answer => {
  const body = bodyOf(draw, secret)
  const asked = draw.int(4)
  return {
    status: draw.one([200, 200, 400, 401, 403, 429, 500]),
    headers: {
      "x-request-id": header(quoted(draw, secret)),
      "x-ratelimit-limit-requests": header(quoted(draw, secret)),
      "x-ratelimit-remaining-tokens": header(draw.one(encodings)(secret)),
      "retry-after": header(quoted(draw, secret))
    },
    body: asked === 0 ? JSON.stringify(body) : asked === 1 ? `data: ${JSON.stringify(body)}\n\n` : body,
    end: draw.one(["whole", "whole", "whole", "cut"])
  }
}

const run = Effect.fnUntraced(function*(draw: Draw) {
  const secret = secretOf(draw)
  const seen: Array<unknown> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      seen.push(span)
      return span
    }
  })
  const logger = Logger.make(({ cause, message }) => {
    seen.push(message, cause, Cause.pretty(cause))
  })
  yield* Effect.scoped(Effect.gen(function*() {
    const server = yield* serve(answerOf(draw, secret))
    const backend = yield* Endpoint.make({
      provider: "local",
      name: "local",
      baseUrl: server.url,
      path: "/v1",
      auth: draw.bool()
        ? { type: "bearer", credential: Redacted.make(secret) }
        : { type: "header", name: "api-key", credential: Redacted.make(secret) },
      request: Schema.Struct({ prompt: Schema.String }),
      // No body fits, so that every answer is a failure.
      response: Schema.Struct({ never: Schema.Never }),
      retry: { times: 1, delay: 1 }
    })
    const model = yield* iModel.make(backend, { name: "m" })
    const calling = yield* model.invoke({ prompt: "Hello" })
    const exit = yield* Effect.exit(calling.response)
    assert.isTrue(Exit.isFailure(exit))
    const streamed = yield* Effect.exit(Stream.runDrain(model.stream({ prompt: "Hello" })))
    yield* Effect.logError(exit, streamed)
    seen.push(exit, streamed, calling.execution, calling.attempts, String(exit), JSON.stringify(exit))
    assert.isFalse(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
  })).pipe(
    Effect.provideService(Tracer.Tracer, tracer),
    Effect.provide(Layer.merge(Logger.layer([logger]), platform)),
    Effect.provideService(References.MinimumLogLevel, "All")
  )
  const all = seen.map((thing) => typeof thing === "string" ? thing : shown(thing)).join("\n")
  for (const encode of encodings) {
    for (let i = 0; i + 16 <= secret.length; i++) {
      const piece = encode(secret.slice(i, i + 16))
      assert.notInclude(all, piece)
      // What is shown is quoted once more.
      assert.notInclude(all, JSON.stringify(piece).slice(1, -1))
    }
  }
})

describe("a provider that quotes the key of a request", () => {
  it.live("leaks it nowhere", () => fuzz(60, run), testTimeout)
})
