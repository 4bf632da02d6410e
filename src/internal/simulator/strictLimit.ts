/**
 * A limit as a provider enforces it: requests and tokens, two buckets that refill evenly, and an answer at once.
 *
 * Independent of `TokenBucket` on purpose: it is what that is tested against.
 */
export interface Bucket {
  readonly limit: number
  readonly windowMillis: number
  level: number
  at: number
}

export const makeBucket = (limit: number, windowMillis: number): Bucket => ({
  limit,
  windowMillis,
  level: limit,
  at: 0
})

export const refill = (bucket: Bucket, now: number): void => {
  const { at, level, limit, windowMillis } = bucket
  bucket.level = Math.min(limit, level + ((now - at) * limit) / windowMillis)
  bucket.at = now
}

/** Milliseconds until `n` can be taken. */
export const untilAvailable = (bucket: Bucket, n: number): number =>
  Math.max(0, ((n - bucket.level - tolerance) * bucket.windowMillis) / bucket.limit)

// Sums of fractions in floating point: a millionth of a request is no request.
const tolerance = 1e-6

/** A duration as in OpenAI's headers: `120ms`, `1.5s`, `6m0s`. */
export const formatReset = (millis: number): string => {
  const whole = Math.ceil(millis)
  if (whole < 1000) return `${whole}ms`
  if (whole < 60_000) return `${whole / 1000}s`
  const seconds = Math.ceil(whole / 1000)
  return `${Math.floor(seconds / 60)}m${seconds % 60}s`
}
