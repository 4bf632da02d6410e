/** One bucket as an executor has it: taken from, settled, and corrected by what the provider says. */
import { Effect } from "effect"
import { TokenBucket } from "effect-imodel"
import type { Receipt } from "../../src/internal/limits/session.ts"
import * as Limits from "../../src/internal/limits/limits.ts"
import type { Allowance } from "../../src/internal/http/rateLimitHeaders.ts"

const use = (requests: number) => ({ requests, input: 0, output: 0 })

const said = (allowance: Partial<Allowance>, refused: boolean) => ({
  refused,
  limits: {
    retryAfter: undefined,
    requests: { limit: undefined, remaining: undefined, resetAfter: undefined, ...allowance },
    tokens: undefined,
    inputTokens: undefined,
    outputTokens: undefined
  }
})

export const makeLimit = Effect.fnUntraced(function*(options: TokenBucket.Options) {
  const bucket = yield* TokenBucket.make(options)
  const limits = yield* Limits.make(
    { requests: bucket, tokens: undefined, inputTokens: undefined, outputTokens: undefined },
    { key: options.key, sharedConcurrency: undefined }
  )
  const tell = limits.leave(0)
  return {
    available: bucket.available,
    reset: bucket.reset,
    take: Effect.fnUntraced(function*(n: number) {
      const taken = yield* limits.take(use(n), { next: undefined, waits: false, running: 0 })
      return typeof taken === "number" ? yield* Effect.die(`to wait for ${taken} ms`) : taken
    }),
    putBack: (n: number) => Effect.andThen(Effect.sync(() => limits.putBack(use(n))), tell),
    /** The provider answers to what was taken. */
    learn: (receipt: Receipt, allowance: Partial<Allowance>, refused = false) =>
      Effect.andThen(Effect.sync(() => limits.learn(receipt, said(allowance, refused))), tell),
    /** Of what was taken so many were not used, and the provider has said what is left. */
    settle: (receipt: Receipt, reserved: number, used: number, allowance: Partial<Allowance>) =>
      Effect.andThen(
        Effect.sync(() => limits.settle(use(reserved), use(used), { receipt, report: said(allowance, false) })),
        tell
      )
  }
})
