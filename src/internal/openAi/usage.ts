/** The tokens that a chat completion has used, wherever and in whichever words they are reported. */
import type * as Response from "effect/ai/Response"
import * as Schema from "effect/Schema"
import { nullable, TokenCount } from "../chat/arguments.ts"

export const Usage = Schema.Struct({
  prompt_tokens: nullable(TokenCount),
  completion_tokens: nullable(TokenCount),
  total_tokens: nullable(TokenCount),
  prompt_tokens_details: nullable(Schema.Struct({
    cached_tokens: nullable(TokenCount),
    cache_write_tokens: nullable(TokenCount),
    audio_tokens: nullable(TokenCount)
  })),
  completion_tokens_details: nullable(Schema.Struct({
    reasoning_tokens: nullable(TokenCount),
    audio_tokens: nullable(TokenCount),
    accepted_prediction_tokens: nullable(TokenCount),
    rejected_prediction_tokens: nullable(TokenCount)
  })),
  /** Moonshot: https://platform.moonshot.ai/docs/api/chat */
  cached_tokens: nullable(TokenCount),
  /** DeepSeek: https://api-docs.deepseek.com/guides/kv_cache */
  prompt_cache_hit_tokens: nullable(TokenCount),
  /** Gateways that count as Anthropic and OpenAI's Responses do. */
  input_tokens: nullable(TokenCount),
  output_tokens: nullable(TokenCount)
})

export type Usage = typeof Usage.Type

interface Reported {
  readonly usage?: Usage | null | undefined
  /** Groq: https://console.groq.com/docs/api-reference */
  readonly x_groq?: { readonly usage?: Usage | null | undefined } | null | undefined
  /** Moonshot reports in a choice. */
  readonly choices?: ReadonlyArray<{ readonly usage?: Usage | null | undefined }> | null | undefined
}

/** What an answer or a chunk reports; `undefined` for nothing. */
export const reportedUsage = ({ choices, usage, x_groq }: Reported): Usage | undefined => {
  if (usage != null) return usage
  if (x_groq?.usage != null) return x_groq.usage
  if (choices != null) { for (const { usage } of choices) if (usage != null) return usage }
  return undefined
}

/**
 * What a later chunk reports takes the place of what was reported before. A zero does not: many servers send it as a placeholder
 * in all chunks but one.
 */
export const mergedUsage = (before: Usage | undefined, next: Usage | undefined): Usage | undefined => {
  if (before === undefined || next === undefined) return next ?? before
  return {
    ...before,
    ...counted(next),
    ...(next.prompt_tokens_details != null && {
      prompt_tokens_details: { ...before.prompt_tokens_details, ...counted(next.prompt_tokens_details) }
    }),
    ...(next.completion_tokens_details != null && {
      completion_tokens_details: { ...before.completion_tokens_details, ...counted(next.completion_tokens_details) }
    })
  }
}

/** The fields that are neither absent nor zero. */
const counted = <Fields extends object>(fields: Fields): Partial<Fields> => {
  const some: Partial<Fields> = {}
  for (const key in fields) {
    const value = fields[key]
    if (value != null && value !== 0) some[key] = value
  }
  return some
}

// Cached tokens are part of the prompt's, and reasoning tokens part of the completion's.
// https://platform.openai.com/docs/api-reference/chat/object#chat-object-usage
export const usageOf = (usage: Usage | null | undefined): Response.Usage => {
  if (usage == null) return { inputTokens: {}, outputTokens: {} }
  const input = usage.prompt_tokens ?? usage.input_tokens ?? undefined
  const output = usage.completion_tokens ?? usage.output_tokens ?? rest(usage.total_tokens, input)
  const cacheRead = usage.prompt_tokens_details?.cached_tokens ?? usage.cached_tokens ??
    usage.prompt_cache_hit_tokens ?? undefined
  const cacheWrite = usage.prompt_tokens_details?.cache_write_tokens ?? undefined
  const reasoning = usage.completion_tokens_details?.reasoning_tokens ?? undefined
  return {
    inputTokens: {
      ...(input !== undefined && { total: input }),
      ...(cacheRead !== undefined &&
        { cacheRead, ...(input !== undefined && { uncached: Math.max(0, input - cacheRead) }) }),
      ...(cacheWrite !== undefined && { cacheWrite })
    },
    outputTokens: {
      ...(output !== undefined && { total: output }),
      ...(reasoning !== undefined &&
        { reasoning, ...(output !== undefined && { text: Math.max(0, output - reasoning) }) })
    }
  }
}

const rest = (total: number | null | undefined, part: number | undefined): number | undefined =>
  total == null || part === undefined || total < part ? undefined : total - part
