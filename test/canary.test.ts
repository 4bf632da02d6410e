/** A key that goes through every failure of every backend, and is to be found nowhere afterwards. */
import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Cause, type Config, Effect, Logger, Metric, Redacted, References, Stream, Tracer } from "effect"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { Anthropic, Gemini, iModel, OpenAi, type ServiceBackend } from "effect-imodel"
import { inspect } from "node:util"
import { events, serveEvents } from "./support/events.ts"
import { type Answer, nobody, serve } from "./support/server.ts"

const canary = "sk-canary-0123456789-abcdef"
const apiKey = Redacted.make(canary)
const retry = { times: 1, delay: 1 }

interface Question {
  readonly prompt: string
}

type Make = (
  baseUrl: string
) => Effect.Effect<
  ServiceBackend.Backend<Question>,
  Config.ConfigError | Cause.IllegalArgumentError,
  HttpClient.HttpClient
>

const backends: Readonly<Record<string, Make>> = {
  "OpenAi.makeChat": (baseUrl) => OpenAi.makeChat({ model: "gpt-4o", apiKey, baseUrl, retry }),
  "OpenAi.makeChat of Azure": (baseUrl) =>
    OpenAi.makeChat({ model: "gpt-4o", provider: "azure", apiKey, baseUrl, retry }),
  "OpenAi.makeResponses": (baseUrl) => OpenAi.makeResponses({ model: "gpt-5", apiKey, baseUrl, retry }),
  "Anthropic.makeMessages": (baseUrl) => Anthropic.makeMessages({ model: "claude-sonnet-4-5", apiKey, baseUrl, retry }),
  "Gemini.makeGenerateContent": (baseUrl) =>
    Gemini.makeGenerateContent({ model: "gemini-2.5-flash", apiKey, baseUrl, retry })
}

/** What a provider may say of a key that it was given. */
const message = `Incorrect API key provided: ${canary}.`
const openAi = { error: { message, type: "invalid_request_error", param: canary, code: null } }
const anthropic = { type: "error", error: { type: "overloaded_error", message } }
const gemini = { error: { code: 400, message, status: "INVALID_ARGUMENT", details: [{ reason: canary }] } }

const percent = (text: string) =>
  Array.from(text, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join("")
const html = (text: string) => Array.from(text, (char) => `&#${char.charCodeAt(0)};`).join("")

const failures: ReadonlyArray<readonly [string, Answer]> = [
  ...[400, 401, 403, 404, 413, 429, 500, 529].flatMap((status) =>
    [openAi, anthropic, gemini, message, `{"error":"${canary}`, ""].map((body, i): readonly [string, Answer] => [
      `${status}, ${i}`,
      { status, body, headers: { "x-request-id": "r", "retry-after": "0", "set-cookie": canary } }
    ])
  ),
  ...[
    JSON.stringify(message).replaceAll("-", "\\u002d"),
    { error: { message: `See ?key=${percent(canary)}, &quot;${html(canary)}&quot;, ${percent(percent(canary))}` } },
    { error: { message: `Basic ${btoa(`user:${canary}`)} ${canary.replaceAll(/.{5}/g, "$&\n")}` } },
    `cut: ${canary.slice(0, -3)}`
  ].map((body, i): readonly [string, Answer] => [
    `an echo, ${i}`,
    {
      status: 400,
      body,
      headers: {
        "x-request-id": canary,
        "x-ratelimit-limit-requests": `${canary};w=60`,
        "x-ratelimit-reset-requests": percent(canary)
      }
    }
  ]),
  ["no JSON", { body: `<html>${message}</html>` }],
  ["another shape", { body: { [canary]: canary, choices: canary, content: [canary], candidates: canary } }],
  ["an error within a 200", { body: openAi }],
  ["a redirect", { status: 302, headers: { location: `http://127.0.0.1:1/?key=${canary}` }, body: message }],
  ["a closed connection", { end: "close" }],
  ["a reset connection", { end: "reset" }],
  ["half an answer", { body: { text: canary }, end: "cut" }]
]

const brokenStreams: ReadonlyArray<readonly [string, Parameters<typeof serveEvents>[0]]> = [
  ["an error at once", () => ({ chunks: events(openAi) })],
  ["an error of Anthropic at once", () => ({ chunks: events(anthropic) })],
  ["an error of Gemini at once", () => ({ chunks: events(gemini) })],
  ["no JSON", () => ({ chunks: events(`{"id": ${canary}`) })],
  [
    "another shape",
    () => ({ chunks: events({ [canary]: canary, choices: canary, type: canary, candidates: canary }) })
  ],
  ["a cut", () => ({ chunks: events({}), after: "cut" })],
  ["nothing", () => ({ chunks: Stream.empty })]
]

/** Everything that a program shows: what it prints, logs, traces and measures. */
const shown = Effect.fnUntraced(function*<A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.fn.Return<string, never, R> {
  const seen: Array<string> = []
  const show = (u: unknown) => {
    seen.push(
      String(u),
      inspect(u, { depth: 20, showHidden: true }),
      JSON.stringify(u, (_, value) => typeof value === "bigint" ? String(value) : value) ?? ""
    )
  }
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make((options) => {
    show(options.message)
    seen.push(Cause.pretty(options.cause))
    show(Logger.formatStructured.log(options))
  })
  const exit = yield* Effect.exit(effect).pipe(
    Effect.provideService(Tracer.Tracer, tracer),
    Effect.provide(Logger.layer([logger])),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provideService(iModel.CaptureContent, true)
  )
  if (exit._tag === "Failure") {
    show(exit)
    seen.push(Cause.pretty(exit.cause))
    for (const error of Cause.prettyErrors(exit.cause)) seen.push(inspect(error, { depth: 20 }))
  } else show(exit.value)
  for (const span of spans) {
    show([...span.attributes])
    show(span.events)
    show(span.status)
  }
  show(yield* Metric.dump)
  return seen.join("\n")
})

const program = Effect.fnUntraced(function*(make: Make, baseUrl: string) {
  const backend = yield* make(baseUrl)
  const model = yield* iModel.make(backend, { concurrency: 1 })
  const calling = yield* model.invoke({ prompt: "Hello" })
  yield* Effect.logError("failed", calling.execution)
  const error = yield* Effect.flip(calling.response)
  yield* Effect.logError(error)
  const streamed = yield* Effect.flip(Stream.runDrain(model.stream({ prompt: "Hello" })))
  yield* Effect.logError(Cause.fail(streamed))
  return { backend, model, calling, attempts: calling.attempts, error, streamed }
})

/** An answer for one of the wires, which the others refuse. */
const completion = {
  id: "1",
  created: 1,
  model: "m",
  choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }]
}

describe("a key goes nowhere but to the provider", () => {
  for (const [name, make] of Object.entries(backends)) {
    it.live(`whose address leads elsewhere: ${name}`, () =>
      Effect.gen(function*() {
        const elsewhere = yield* serve({ body: {} })
        const server = yield* serve({ status: 307, headers: { location: `${elsewhere.url}/v1` } })
        const model = yield* iModel.make(yield* make(`${server.url}/v1`))
        const error = yield* Effect.flip(model.respond({ prompt: "Hello" }))
        assert.match(error.message, /HTTP 307/)
        assert.deepStrictEqual(yield* elsewhere.seen, [])
      }).pipe(Effect.provide(FetchHttpClient.layer)))
  }
})

describe("a key is in nothing that is printed, logged, traced or serialised", () => {
  for (const [name, make] of Object.entries(backends)) {
    describe(name, () => {
      it.live("after a failed answer", () =>
        Effect.forEach(failures, ([what, answer]) =>
          Effect.scoped(Effect.gen(function*() {
            const server = yield* serve(answer)
            const all = yield* shown(program(make, `${server.url}/v1`))
            assert.isAbove(all.length, 1_000, what)
            for (const encoded of [canary, percent(canary), html(canary), btoa(canary), canary.slice(0, 12)]) {
              assert.notInclude(all, encoded, what)
            }
          })), { discard: true }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

      it.live("with an answer whose request has the key for an id", () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: completion, headers: { "x-request-id": canary } })
          const all = yield* shown(Effect.gen(function*() {
            const model = yield* iModel.make(yield* make(`${server.url}/v1`))
            return yield* model.invoke({ prompt: "Hello" })
          }))
          assert.isAbove(all.length, 1_000)
          assert.notInclude(all, canary)
        }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

      it.live("after a broken stream", () =>
        Effect.forEach(brokenStreams, ([what, answer]) =>
          Effect.scoped(Effect.gen(function*() {
            const server = yield* serveEvents(answer)
            const all = yield* shown(Effect.gen(function*() {
              const model = yield* iModel.make(yield* make(`${server.url}/v1`))
              return yield* Stream.runDrain(model.stream({ prompt: "Hello" }))
            }))
            assert.include(all, "BackendError", what)
            assert.notInclude(all, canary, what)
          })), { discard: true }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

      it.live("after nobody answered", () =>
        Effect.gen(function*() {
          const all = yield* shown(program(make, `${yield* nobody}/v1`))
          assert.isAbove(all.length, 1_000)
          assert.notInclude(all, canary)
        }).pipe(Effect.provide(NodeHttpClient.layerUndici)))

      it.live("after an address with the key in it", () =>
        Effect.gen(function*() {
          const addresses = [
            `http://${canary}@127.0.0.1/v1`,
            `http://127.0.0.1/v1?key=${canary}`,
            `user:${canary}@127.0.0.1/v1`,
            `${canary}@127.0.0.1`,
            `//user:${canary}@127.0.0.1`,
            ...["#", "?", "/", "\\", "@", " "].flatMap((character) => [
              `http://user:ab${character}${canary}@127.0.0.1/v1`,
              `http://user:${canary}${character}ab@127.0.0.1/v1`,
              `user:ab${character}${canary}@127.0.0.1/v1`
            ])
          ]
          for (const url of addresses) assert.notInclude(yield* shown(program(make, url)), canary.slice(0, 12), url)
        }).pipe(Effect.provide(NodeHttpClient.layerUndici)))
    })
  }
})
