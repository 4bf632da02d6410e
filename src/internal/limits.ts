/**
 * The limits of an executor: what a calling takes from all of them or from none, what is given back when it has ended, and
 * what the provider says of them.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type * as RateLimiter from "effect/persistence/RateLimiter"
import { isNormalizedResponse } from "../Calling.ts"
import type { BackendErrorReason } from "../Errors.ts"
import type { Attempt, TokenBucket } from "../TokenBucket.ts"
import type { CallingImpl } from "./calling.ts"
import type { RateLimits } from "./rateLimits.ts"
import { wasNeverSent } from "./unsent.ts"

/** What a calling takes, or has used: a request, and tokens of its input and output. */
export interface Use {
  readonly requests: number
  readonly input: number
  readonly output: number
}

export interface Buckets {
  readonly requests: TokenBucket | undefined
  readonly tokens: TokenBucket | undefined
  readonly inputTokens: TokenBucket | undefined
  readonly outputTokens: TokenBucket | undefined
}

type Kind = keyof Buckets

const amountOf: { readonly [K in Kind]: (use: Use) => number } = {
  requests: (use) => use.requests,
  tokens: (use) => use.input + use.output,
  inputTokens: (use) => use.input,
  outputTokens: (use) => use.output
}

interface Limit {
  readonly kind: Kind
  readonly bucket: TokenBucket
  readonly amount: (use: Use) => number
  /** What was admitted before the provider had answered for the first time. */
  unconfirmed: number
}

/** What a calling took from each limit, in their order. */
export type Receipt = ReadonlyArray<Attempt>

/** What the provider said of its limits in an answer, and whether that answer was a refusal. */
export interface Said {
  readonly limits: RateLimits
  readonly refused: boolean
}

/** What an admitted calling took, and what the provider said when it answered. */
export interface Answered {
  readonly receipt: Receipt
  readonly said: Said | undefined
}

type Stored<A> = Effect.Effect<A, RateLimiter.RateLimiterError>

export interface Limits {
  /** The limit that is too small for it, whatever the time. */
  readonly tooSmall: (use: Use) => { readonly cost: number; readonly capacity: number } | undefined
  /** Takes it from all limits; or from none, and answers how long it may be until it can be taken. */
  readonly take: (use: Use) => Stored<Receipt | Duration.Duration>
  /** Puts back what was taken a moment ago for a calling that does not start: nothing came of it, here or at the provider. */
  readonly putBack: (use: Use) => Stored<void>
  /** For how many milliseconds it is held back because the provider has not answered yet. */
  readonly hold: (use: Use, nowMillis: number) => number
  /**
   * Corrects what was reserved to what was used. Where the provider has said what is left, its word goes before ours: what
   * was not used is given back only as far as the provider gives it back.
   */
  readonly settle: (reserved: Use, used: Use, answered?: Answered | undefined) => Stored<void>
  /** Learns what the provider said in its answer to what the receipt is for. */
  readonly learn: (receipt: Receipt, said: Said) => Stored<void>
  /** The provider has answered, so that it would have said if its limits were smaller. Answers whether that is news. */
  readonly confirm: () => boolean
}

/**
 * How long the first answer of a provider is waited for, with half of each limit kept back. A provider with smaller limits
 * than ours says so in its first answer; the whole bucket at once would be refused by half.
 */
const confirmationMillis = 1_000

export const make = (buckets: Buckets): Limits => {
  const limits: Array<Limit> = []
  for (const kind of ["requests", "tokens", "inputTokens", "outputTokens"] as const) {
    const bucket = buckets[kind]
    if (bucket !== undefined) limits.push({ kind, bucket, amount: amountOf[kind], unconfirmed: 0 })
  }
  // Only a server can have other limits than we know of.
  let confirmed = !limits.some(({ bucket }) => Duration.isPositive(bucket.headroom))
  let firstAt: number | undefined

  const hold = (use: Use, nowMillis: number): number => {
    if (confirmed) return 0
    firstAt ??= nowMillis
    const wait = firstAt + confirmationMillis - nowMillis
    if (wait <= 0) confirmed = true
    const fits = limits.every((limit) =>
      limit.unconfirmed === 0 || limit.unconfirmed + limit.amount(use) <= limit.bucket.capacity / 2
    )
    return confirmed || fits ? 0 : wait
  }

  const take: Limits["take"] = Effect.fnUntraced(function*(use) {
    const receipt: Array<Attempt> = []
    const undo = Effect.suspend(() => release(limits.slice(0, receipt.length), use))
    for (const limit of limits) {
      const amount = limit.amount(use)
      const attempt = amount > 0
        ? yield* Effect.tapError(limit.bucket.attempt(amount), () => Effect.ignore(undo))
        : nothing
      if (!Duration.isZero(attempt.wait)) {
        yield* undo
        return attempt.wait
      }
      receipt.push(attempt)
    }
    if (!confirmed) { for (const limit of limits) limit.unconfirmed += limit.amount(use) }
    return receipt
  })

  return {
    tooSmall: (use) => {
      for (const { amount, bucket: { capacity } } of limits) {
        if (amount(use) > capacity) return { cost: amount(use), capacity }
      }
      return undefined
    },
    take,
    putBack: (use) => release(limits, use),
    hold,
    settle: (reserved, used, answered) =>
      Effect.forEach(limits, ({ amount, bucket, kind }, i) => {
        const { receipt, said } = answered ?? {}
        const attempt = receipt?.[i]
        const allowance = said?.limits[kind]
        if (said === undefined || attempt === undefined || allowance?.remaining === undefined) {
          return settle(bucket, amount(reserved), amount(used))
        }
        // What was refused was given back when that was heard.
        const unused = amount(reserved) - amount(used)
        if (said.refused || unused <= 0) return Effect.void
        bucket.withhold(unused)
        return bucket.reconcile(attempt, { ...allowance, refused: false })
      }, { discard: true }),
    learn: (receipt, said) =>
      Effect.forEach(limits, ({ bucket, kind }, i) => {
        const attempt = receipt[i]
        const allowance = said.limits[kind]
        return attempt === undefined || attempt === nothing || allowance === undefined
          ? Effect.void
          : bucket.reconcile(attempt, { ...allowance, refused: said.refused })
      }, { discard: true }),
    confirm: () => {
      const news = !confirmed
      confirmed = true
      return news
    }
  }
}

const release = (limits: ReadonlyArray<Limit>, use: Use): Stored<void> =>
  Effect.forEach(
    limits,
    ({ amount, bucket }) =>
      amount(use) > 0 ? Effect.catchTag(bucket.release(amount(use)), "IllegalArgumentError", Effect.die) : Effect.void,
    {
      discard: true
    }
  )

const settle = (bucket: TokenBucket, reserved: number, used: number): Stored<void> =>
  reserved === used ? Effect.void : Effect.catchTag(bucket.settle(reserved, used), "IllegalArgumentError", Effect.die)

const nothing: Attempt = { wait: Duration.zero, taken: 0, left: 0, lowered: 0 }

export const reservationOf = ({ tokens }: CallingImpl<unknown>): Use => ({ requests: 1, ...tokens })

/** What an attempt really used, as far as that is known. */
export const useOf = (reserved: Use, exit: Exit.Exit<unknown, BackendErrorReason>): Use => {
  if (Exit.isSuccess(exit)) {
    if (!isNormalizedResponse(exit.value)) return reserved
    const { inputTokens, outputTokens } = exit.value.usage
    return {
      requests: 1,
      input: count(inputTokens.total, reserved.input),
      output: count(outputTokens.total, reserved.output)
    }
  }
  // Interrupted: it was sent, but how much of the answer there was nobody knows. The unspent part is given back.
  if (Cause.hasInterruptsOnly(exit.cause)) return { requests: 1, input: reserved.input, output: 0 }
  const reason = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  return reason === undefined ? reserved : useOfFailure(reserved, reason)
}

/** Providers report nonsense too. */
const count = (reported: number | undefined, reserved: number): number =>
  reported !== undefined && reported >= 0 && Number.isFinite(reported) ? reported : reserved

const unused: Use = { requests: 0, input: 0, output: 0 }

const useOfFailure = (reserved: Use, reason: BackendErrorReason): Use => {
  if (wasNeverSent(reason)) return unused
  switch (reason._tag) {
    // What the provider's limit refuses it does not count.
    case "RateLimitError":
    case "QuotaExhaustedError":
      return unused
    // It was counted as a request, and not worked on.
    case "AuthenticationError":
    case "ContentPolicyError":
    case "ContextLengthExceeded":
    case "InternalProviderError":
    case "InvalidRequestError":
      return { requests: 1, input: 0, output: 0 }
    case "NetworkError":
      return { requests: 1, input: reserved.input, output: 0 }
    default:
      return reserved
  }
}
