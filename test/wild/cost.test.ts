/** What answers cost whose price depends on more than their tokens. */
import { assert, describe, it } from "@effect/vitest"
import { type Config, Effect, Redacted, type Scope, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { Anthropic, Gemini, Hook, iModel, OpenAi, PermissionDenied } from "effect-imodel"
import { billingOf } from "../../src/internal/hooks/billing.ts"
import { costOf, priceOf, prices } from "../../src/internal/hooks/prices.ts"
import { platform } from "../support/chatWires.ts"
import { serve } from "../support/server.ts"

const tokens = 100_000

/** A tenth of the price of a million. */
const costOfTokens = (usdPerMillion: number) => usdPerMillion * tokens / 1_000_000

/** Tokens of one kind. */
const kinds = {
  input: { inputTokens: { total: tokens }, outputTokens: {} },
  output: { inputTokens: { total: 0 }, outputTokens: { total: tokens } },
  read: { inputTokens: { total: tokens, cacheRead: tokens }, outputTokens: {} },
  written: { inputTokens: { total: tokens, cacheWrite: tokens }, outputTokens: {} }
}

const standard = { tier: undefined, cacheWriteHour: 0 }

describe("the price of a model", () => {
  it.effect.each([
    { model: "claude-sonnet-4-5", kind: "written" as const, billing: standard, usd: 3.75 },
    { model: "claude-sonnet-4-5", kind: "written" as const, billing: { ...standard, cacheWriteHour: tokens }, usd: 6 },
    {
      model: "claude-sonnet-4-5",
      kind: "written" as const,
      billing: { ...standard, cacheWriteHour: tokens / 2 },
      usd: 4.875
    },
    { model: "claude-sonnet-4-5", kind: "read" as const, billing: standard, usd: 0.3 },
    { model: "claude-sonnet-4-5", kind: "output" as const, billing: { ...standard, tier: "batch" }, usd: 7.5 },
    { model: "claude-sonnet-4-5", kind: "output" as const, billing: { ...standard, tier: "priority" }, usd: 15 },
    { model: "gpt-5-mini-2025-08-07", kind: "read" as const, billing: standard, usd: 0.025 },
    { model: "gpt-5", kind: "output" as const, billing: { ...standard, tier: "flex" }, usd: 5 },
    { model: "gpt-5", kind: "output" as const, billing: { ...standard, tier: "priority" }, usd: 20 },
    { model: "gpt-5", kind: "output" as const, billing: { ...standard, tier: "default" }, usd: 10 },
    { model: "gemini-2.5-pro", kind: "read" as const, billing: standard, usd: 0.125 },
    { model: "gemini-2.5-pro", kind: "input" as const, billing: { ...standard, tier: "flex" }, usd: 0.625 },
    { model: "gpt-5.6-sol", kind: "written" as const, billing: standard, usd: 5 },
    { model: "openai/gpt-4o-2024-11-20", kind: "input" as const, billing: standard, usd: 2.5 },
    { model: "ft:gpt-4o-mini-2024-07-18:acme::id", kind: "input" as const, billing: standard, usd: 0.3 },
    { model: "us.anthropic.claude-sonnet-4-5-20250929-v1:0", kind: "read" as const, billing: standard, usd: 0.3 },
    { model: "anthropic/claude-opus-4.5", kind: "output" as const, billing: standard, usd: 25 }
  ])(
    "$model: a million of $kind for $usd dollars ($billing.tier)",
    ({ billing, kind, model, usd }) =>
      Effect.sync(() => {
        const price = priceOf(prices, model)
        assert.isDefined(price)
        if (price !== undefined) assert.closeTo(costOf(price, kinds[kind], billing), costOfTokens(usd), 1e-9)
      })
  )

  it.effect.each([
    { model: "gpt-5.4", above: 272_000, usd: 2.5, longUsd: 5 },
    { model: "gemini-3.1-pro-preview", above: 200_000, usd: 2, longUsd: 4 },
    { model: "claude-haiku-5-5", above: 100_000, usd: 0.1, longUsd: 0.5 },
    { model: "claude-opus-5-5", above: 500_000, usd: 4, longUsd: 4 }
  ])(
    "$model: a prompt of more than $above tokens has a price of its own",
    ({ above, longUsd, model, usd }) =>
      Effect.sync(() => {
        const price = priceOf(prices, model)
        const costOfInput = (total: number) =>
          price === undefined ? 0 : costOf(price, { inputTokens: { total }, outputTokens: {} }, standard)
        assert.closeTo(costOfInput(above), above * usd / 1_000_000, 1e-6)
        assert.closeTo(costOfInput(above + 1), (above + 1) * longUsd / 1_000_000, 1e-6)
      })
  )

  it.effect.each(["gpt-4o-unheard-of", "ft:gpt-4:acme::id", "my-gpt-4o", "__proto__", "claude-fable-5-2"])(
    "%s is not known",
    (model) => Effect.sync(() => assert.isUndefined(priceOf(prices, model)))
  )

  it.effect("has the input that is read from the cache, of every model", () =>
    Effect.sync(() => {
      for (const [name, price] of Object.entries(prices)) assert.isDefined(price.cacheRead, name)
    }))
})

describe("the billing of an answer", () => {
  it.effect.each([
    { name: "OpenAI", answer: { service_tier: "flex" }, expected: { tier: "flex", cacheWriteHour: 0 } },
    {
      name: "Anthropic",
      answer: { usage: { service_tier: "batch", cache_creation: { ephemeral_1h_input_tokens: 7 } } },
      expected: { tier: "batch", cacheWriteHour: 7 }
    },
    {
      name: "Gemini",
      answer: { usageMetadata: { trafficType: "ON_DEMAND_PRIORITY" } },
      expected: { tier: "priority", cacheWriteHour: 0 }
    },
    { name: "nobody", answer: { service_tier: null, usage: null }, expected: { tier: undefined, cacheWriteHour: 0 } },
    { name: "another service", answer: "text", expected: { tier: undefined, cacheWriteHour: 0 } }
  ])("of $name", ({ answer, expected }) => Effect.sync(() => assert.deepStrictEqual(billingOf(answer), expected)))
})

const apiKey = Redacted.make("sk-0123456789")

interface Args {
  readonly prompt: string
  readonly max_tokens?: number
}

const flex = { service_tier: "flex" }
const priority = { service_tier: "priority" }

type Make = (
  url: string,
  costUsd: number
) => Effect.Effect<
  iModel.Model<Args>,
  Config.ConfigError | iModel.OptionsError,
  HttpClient.HttpClient | Scope.Scope
>

const hooks = (costUsd: number) => ({ hooks: [Hook.budget({ costUsd, per: "1 day" })] })

const openAi: Make = (url, costUsd) =>
  Effect.flatMap(
    OpenAi.makeChat({ model: "gpt-5", apiKey, baseUrl: `${url}/v1` }),
    (backend) => iModel.make(backend, hooks(costUsd))
  )

const anthropic: Make = (url, costUsd) =>
  Effect.flatMap(
    Anthropic.makeMessages({ model: "claude-sonnet-4-5", apiKey, baseUrl: `${url}/v1` }),
    (backend) => iModel.make(backend, hooks(costUsd))
  )

const gemini: Make = (url, costUsd) =>
  Effect.flatMap(
    Gemini.makeGenerateContent({ model: "gemini-2.5-pro", apiKey, baseUrl: `${url}/v1beta` }),
    (backend) => iModel.make(backend, hooks(costUsd))
  )

const completion = (service_tier?: string) => ({
  id: "1",
  created: 1,
  model: "gpt-5",
  ...(service_tier !== undefined && { service_tier }),
  choices: [{ index: 0, message: { role: "assistant", content: "a" }, finish_reason: "stop" }],
  usage: { prompt_tokens: 0, completion_tokens: tokens, total_tokens: tokens }
})

const usage = {
  input_tokens: 0,
  cache_creation_input_tokens: tokens,
  cache_read_input_tokens: 0,
  cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: tokens },
  output_tokens: 0
}

const message = {
  id: "1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [{ type: "text", text: "a" }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage
}

const candidates = (usageMetadata: object) => ({
  candidates: [{ content: { role: "model", parts: [{ text: "a" }] }, finishReason: "STOP", index: 0 }],
  usageMetadata: { promptTokenCount: 0, candidatesTokenCount: tokens, totalTokenCount: tokens, ...usageMetadata }
})

const events = (...all: ReadonlyArray<{ readonly type: string; readonly [field: string]: unknown }>) =>
  all.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")

const streamed = events(
  { type: "message_start", message: { ...message, content: [], stop_reason: null } },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "a" } },
  { type: "content_block_stop", index: 0 },
  { type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 0 } },
  { type: "message_stop" }
)

describe("a budget", () => {
  /** Whether a second call has room in a budget of so many dollars. */
  const hasRoom = Effect.fnUntraced(function*(model: iModel.Model<Args>, args: object) {
    yield* model.respond({ prompt: "hi", ...args })
    return yield* Effect.match(model.respond({ prompt: "hi", ...args }), {
      onSuccess: () => true,
      onFailure: (error) => !(error instanceof PermissionDenied)
    })
  })

  it.effect.each([
    { name: "OpenAI, standard", make: openAi, body: completion("default"), usd: 10 },
    { name: "OpenAI, flex", make: openAi, body: completion("flex"), usd: 5 },
    { name: "OpenAI, priority", make: openAi, body: completion("priority"), usd: 20 },
    {
      name: "OpenAI, flex as asked for",
      make: openAi,
      body: completion(),
      args: flex,
      usd: 5
    },
    {
      name: "OpenAI, priority that was not served",
      make: openAi,
      body: completion("default"),
      args: priority,
      usd: 10
    },
    { name: "Anthropic, cached for an hour", make: anthropic, body: message, usd: 6 },
    { name: "Gemini, flex", make: gemini, body: candidates({ trafficType: "ON_DEMAND_FLEX" }), usd: 5 }
  ])("is spent by $name: $usd dollars", ({ args = {}, body, make, usd }) =>
    Effect.gen(function*() {
      const server = yield* serve({ body })
      for (
        const [costUsd, expected] of [[costOfTokens(usd) * 1.01, true], [costOfTokens(usd) * 0.99, false]] as const
      ) {
        const model = yield* make(server.url, costUsd)
        assert.strictEqual(yield* hasRoom(model, { ...args, max_tokens: 1 }), expected)
      }
    }).pipe(Effect.provide(platform)))

  it.effect("is spent by a stream, too", () =>
    Effect.gen(function*() {
      const server = yield* serve({ body: streamed, headers: { "content-type": "text/event-stream" } })
      const model = yield* anthropic(server.url, costOfTokens(5))
      yield* Stream.runDrain(model.stream({ prompt: "hi", max_tokens: 1 }))
      const error = yield* Effect.flip(Stream.runDrain(model.stream({ prompt: "hi", max_tokens: 1 })))
      assert.instanceOf(error, PermissionDenied)
    }).pipe(Effect.provide(platform)))
})
