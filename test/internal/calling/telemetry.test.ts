import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Option, Redacted, Stream, Tracer } from "effect"
import { Prompt } from "effect/ai"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const canary = "sk-canary-0123456789"

/** Runs, and answers with the spans of it by their names. */
const traced = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const spans: Array<Tracer.NativeSpan> = []
    const tracer = Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
    return Effect.map(Effect.exit(Effect.provideService(effect, Tracer.Tracer, tracer)), (exit) => ({ exit, spans }))
  })

const attributesOf = (spans: ReadonlyArray<Tracer.Span>, name: string) =>
  Object.fromEntries(spans.find((span) => span.name === name)?.attributes ?? [])

const model = Effect.flatMap(
  OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: Redacted.make(canary), retry: { times: 0 } }),
  (backend) => iModel.make(backend, { concurrency: 1 })
)

describe("an attempt at a model", () => {
  it.effect("has a span by the conventions of OpenTelemetry, and no content in it", () =>
    Effect.gen(function*() {
      const gpt = yield* model
      const { spans } = yield* traced(
        gpt.respond({ prompt: "a secret thought", temperature: 0.5, max_tokens: 9, stop: ["END"] })
      )
      const { "gen_ai.response.id": id, ...attributes } = attributesOf(spans, "chat gpt-4o-mini")
      assert.match(String(id), /^chatcmpl-/)
      const { "imodel.calling.id": _id, ...rest } = attributes
      assert.deepStrictEqual(rest, {
        "imodel.attempt": 1,
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ["END"],
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ["length"],
        "gen_ai.usage.input_tokens": 4,
        "gen_ai.usage.output_tokens": 9
      })
      const shown = spans.map((span) => JSON.stringify([...span.attributes]) + JSON.stringify(span.events)).join("\n")
      assert.notInclude(shown, "secret thought")
      assert.notInclude(shown, canary)
    }).pipe(Effect.provide(Simulator.layerHttpClient({ latency: 0 }))))

  it.effect("shows what is said to who asks for it", () =>
    Effect.gen(function*() {
      const gpt = yield* model
      const prompt = Prompt.make([
        { role: "system", content: "Be brief." },
        { role: "user", content: [{ type: "text", text: "a thought" }] }
      ])
      const { spans } = yield* traced(
        Stream.runDrain(gpt.stream({ prompt })).pipe(Effect.provideService(iModel.CaptureContent, true))
      )
      const attributes = attributesOf(spans, "chat gpt-4o-mini")
      assert.deepStrictEqual(JSON.parse(String(attributes["gen_ai.input.messages"])), [
        { role: "system", parts: [{ type: "text", content: "Be brief." }] },
        { role: "user", parts: [{ type: "text", content: "a thought" }] }
      ])
      assert.match(String(attributes["gen_ai.output.messages"]), /"finish_reason":"stop"/)
    }).pipe(Effect.provide(Simulator.layerHttpClient({ latency: 0 }))))

  it.effect("that fails says why", () =>
    Effect.gen(function*() {
      const gpt = yield* model
      const { spans } = yield* traced(gpt.respond({ prompt: "x".repeat(100) }))
      assert.strictEqual(attributesOf(spans, "chat gpt-4o-mini")["error.type"], "RateLimitError")
    }).pipe(Effect.provide(Simulator.layerHttpClient({ latency: 0, limitTokens: 1 }))))

  it.effect("is measured: its duration, and its tokens", () =>
    Effect.gen(function*() {
      const gpt = yield* Effect.flatMap(
        OpenAi.makeChat({ model: "measured", apiKey: Redacted.make(canary) }),
        (backend) => iModel.make(backend)
      )
      yield* gpt.respond({ prompt: "four" })
      const state = yield* Metric.snapshot
      const of = (id: string, type?: string) =>
        Option.fromNullishOr(
          state.find((metric) =>
            metric.id === id && metric.attributes?.["gen_ai.request.model"] === "measured" &&
            metric.attributes["gen_ai.token.type"] === type
          )
        ).pipe(Option.map((metric) => metric.type === "Histogram" ? metric.state.count : 0), Option.getOrUndefined)
      assert.strictEqual(of("gen_ai.client.operation.duration"), 1)
      assert.strictEqual(of("gen_ai.client.token.usage", "input"), 1)
      assert.strictEqual(of("gen_ai.client.token.usage", "output"), 1)
    }).pipe(Effect.provide(Simulator.layerHttpClient({ latency: 0 }))))
})
