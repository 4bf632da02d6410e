/** The work that every client has to do, the limit that it has to keep, and the least time in which that is possible. */
import { type Limits, makeBuckets } from "./buckets.ts"

export interface Call {
  readonly prompt: string
  readonly maxTokens: number
  /** What the provider counts: four characters of the prompt are a token, and `maxTokens`. */
  readonly cost: number
}

export interface Job {
  readonly baseUrl: string
  readonly calls: ReadonlyArray<Call>
  /** What the client is told. The provider may enforce less. */
  readonly limits: Limits
}

/** 1,200 requests and 600,000 tokens a minute. */
export const limits: Limits = { requests: 40, tokens: 20_000, windowMillis: 2_000 }

export const halved = (limits: Limits): Limits => ({
  ...limits,
  requests: limits.requests / 2,
  tokens: limits.tokens / 2
})

export const latency = { least: 100, most: 200, mean: 150 } as const

/** From 50 to 1,500 tokens, more small ones than large ones, so that now the one limit holds them back, now the other. */
export const makeCalls = (count: number): ReadonlyArray<Call> => {
  const random = seeded(42)
  return Array.from({ length: count }, (_, i) => {
    const cost = 50 + Math.round(1_450 * random() ** 2)
    const promptTokens = 10 + Math.round((cost - 40) * random() * 0.8)
    const prompt = `Summarize topic ${i}. `.padEnd(promptTokens * 4, "All that is known of it, in order. ")
    return { prompt, maxTokens: cost - promptTokens, cost }
  })
}

/** By simulation: first come, first served, each call in the instant in which both buckets have what it costs. */
export const leastMillis = (calls: ReadonlyArray<Call>, limits: Limits): number => {
  const buckets = makeBuckets(limits, 0)
  let now = 0
  for (const { cost } of calls) {
    now += buckets.lacking(now, cost)?.millis ?? 0
    buckets.take(now, cost)
  }
  return now + latency.mean
}

/** Numbers from 0 to 1, the same ones for the same seed (mulberry32). */
export const seeded = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
