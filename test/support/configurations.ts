/** Configurations to be drawn at random: models of providers, of such models, and of those again. */
import { Schema } from "effect"
import { isReadable } from "./json.ts"

const Positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000 }))
const Time = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 10_000_000 }))
const { optionalKey } = Schema

const Provided = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("provider"),
    provider: Schema.Literals(["openai", "groq", "mistral"]),
    endpoint: Schema.Literals(["chat", "responses", "embeddings"]),
    model: Schema.Literals(["gpt-4o-mini", "mine"]),
    apiKey: Schema.Literal("MY_KEY"),
    baseUrl: optionalKey(Schema.Literal("https://llm.example.com/v1")),
    retry: optionalKey(
      Schema.Struct({ times: optionalKey(Positive), delay: optionalKey(Time), maxDelay: optionalKey(Time) })
    ),
    circuitBreaker: optionalKey(
      Schema.Union([
        Schema.Literal(true),
        Schema.Struct({ failures: optionalKey(Positive), openFor: optionalKey(Time) })
      ])
    )
  }),
  Schema.Struct({
    type: Schema.Literal("provider"),
    provider: Schema.Literal("anthropic"),
    endpoint: Schema.Literal("messages"),
    model: Schema.Literal("claude-sonnet-4-5"),
    capabilities: optionalKey(
      Schema.Struct({
        contextWindow: optionalKey(Positive),
        tools: optionalKey(Schema.Boolean),
        images: optionalKey(Schema.Boolean)
      })
    ),
    maxTokens: optionalKey(Positive)
  }),
  Schema.Struct({
    type: Schema.Literal("provider"),
    provider: Schema.Literal("gemini"),
    endpoint: Schema.Literals(["generateContent", "embedContent"]),
    model: Schema.Literal("gemini-2.5-flash")
  })
])

const options = {
  name: optionalKey(Schema.String),
  metadata: optionalKey(Schema.JsonObject.check(isReadable)),
  limitRequests: optionalKey(Positive),
  limitTokens: optionalKey(Positive),
  limitInputTokens: optionalKey(Positive),
  limitOutputTokens: optionalKey(Positive),
  capacityRefreshTime: optionalKey(Time),
  headroom: optionalKey(Time),
  queueCapacity: optionalKey(Positive),
  concurrency: optionalKey(Positive),
  onLimit: optionalKey(Schema.Literals(["wait", "deny"])),
  maxDenials: optionalKey(Positive),
  onFull: optionalKey(Schema.Literals(["suspend", "deny"])),
  expectedOutputTokens: optionalKey(Positive),
  timeout: optionalKey(Time),
  queueTimeout: optionalKey(Time),
  firstPartTimeout: optionalKey(Time),
  idleTimeout: optionalKey(Time),
  priority: optionalKey(Positive)
}

/** A provider's, or one of two models. */
const backendOf = <S extends Schema.Codec<unknown, unknown>>(Member: S) => {
  const several = {
    models: Schema.Tuple([Member, Member]),
    attempts: optionalKey(Positive),
    patience: optionalKey(Time),
    cooldown: optionalKey(Time),
    answerTimeout: optionalKey(Time),
    restart: optionalKey(Schema.Boolean)
  }
  return Schema.Union([
    Provided,
    Schema.Struct({ type: Schema.Literal("fallback"), ...several }),
    Schema.Struct({
      type: Schema.Literal("balance"),
      ...several,
      strategy: optionalKey(
        Schema.Union([
          Schema.Literals(["capacity", "least-busy"]),
          Schema.Struct({ weights: Schema.Tuple([Positive, Positive]) })
        ])
      )
    })
  ])
}

const One = Schema.Struct({ backend: Provided, ...options })
const Several = Schema.Struct({ backend: backendOf(One), ...options })
/** The configuration of a model, as `iModel.toJson` writes it. */
export const Written = Schema.Struct({
  version: Schema.Literal(1),
  backend: backendOf(Schema.Union([One, Several])),
  ...options
})
