/** How an answer is billed, beyond the usage that all providers report alike. */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

export interface Billing {
  /** The service tier, in lower case. */
  readonly tier: string | undefined
  /** The tokens of input that were written to the cache for an hour. */
  readonly cacheWriteHour: number
}

const text = Schema.optional(Schema.NullOr(Schema.String))
const count = Schema.optional(Schema.NullOr(Schema.Finite))
const nested = <Fields extends Schema.Struct.Fields>(fields: Fields) =>
  Schema.optional(Schema.NullOr(Schema.Struct(fields)))

/** The fields of each provider. */
const Billed = Schema.Struct({
  // https://platform.openai.com/docs/guides/flex-processing
  service_tier: text,
  // https://platform.claude.com/docs/en/api/service-tiers, https://platform.claude.com/docs/en/build-with-claude/prompt-caching
  usage: nested({ service_tier: text, cache_creation: nested({ ephemeral_1h_input_tokens: count }) }),
  // https://ai.google.dev/api/generate-content#UsageMetadata
  usageMetadata: nested({ serviceTier: text, trafficType: text })
})

const decode = Schema.decodeUnknownOption(Billed)

export const billingOf = (answer: unknown): Billing => {
  const { service_tier, usage, usageMetadata } = Option.getOrElse(decode(answer), (): typeof Billed.Type => ({}))
  const tier = service_tier ?? usage?.service_tier ?? usageMetadata?.serviceTier ?? usageMetadata?.trafficType
  return {
    // `ON_DEMAND_FLEX`, for example.
    tier: tier?.toLowerCase().replace(/^on_demand_/, ""),
    cacheWriteHour: usage?.cache_creation?.ephemeral_1h_input_tokens ?? 0
  }
}

const decodeAsked = Schema.decodeUnknownOption(Schema.Struct({ service_tier: text, serviceTier: text }))

/** The service tier that a call asks for. */
export const tierAsked = (payload: unknown): string | undefined => {
  const { serviceTier, service_tier } = Option.getOrElse(
    decodeAsked(payload),
    (): { service_tier?: string | null | undefined; serviceTier?: string | null | undefined } => ({})
  )
  return (service_tier ?? serviceTier)?.toLowerCase()
}
