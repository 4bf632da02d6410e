/** Two token buckets that are taken from together. Shares nothing with the library: it is the oracle. */
/** Two limits that hold at once, each a bucket that starts full and refills evenly. */
export interface Limits {
  readonly requests: number
  readonly tokens: number
  readonly windowMillis: number
}

export type Kind = "requests" | "tokens"

export interface Lack {
  readonly kind: Kind
  /** The time until there is enough. */
  readonly millis: number
}

export interface Buckets {
  /** What keeps a call from being admitted now, and for how long; `undefined` if nothing does. */
  readonly lacking: (now: number, cost: number) => Lack | undefined
  readonly take: (now: number, cost: number) => void
  readonly level: (now: number, kind: Kind) => number
}

export const makeBuckets = (limits: Limits, start: number): Buckets => {
  const levels = { requests: limits.requests, tokens: limits.tokens }
  let at = start

  const refill = (now: number) => {
    const windows = (now - at) / limits.windowMillis
    levels.requests = Math.min(limits.requests, levels.requests + windows * limits.requests)
    levels.tokens = Math.min(limits.tokens, levels.tokens + windows * limits.tokens)
    at = now
  }

  const lack = (kind: Kind, wanted: number): Lack => ({
    kind,
    millis: ((wanted - levels[kind]) / limits[kind]) * limits.windowMillis
  })

  return {
    lacking: (now, cost) => {
      refill(now)
      const [longest] = [lack("requests", 1), lack("tokens", cost)].toSorted((a, b) => b.millis - a.millis)
      return longest !== undefined && longest.millis > tolerance ? longest : undefined
    },
    take: (now, cost) => {
      refill(now)
      levels.requests -= 1
      levels.tokens -= cost
    },
    level: (now, kind) => {
      refill(now)
      return levels[kind]
    }
  }
}

// Sums of fractions in floating point: a millionth of a millisecond is none.
const tolerance = 1e-6
