/** The hook that says no when enough was spent. */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Calling, NormalizedResponse } from "../../Calling.ts"
import type { Hook } from "./hook.ts"
import type { Failure } from "../calling/lifecycle.ts"
import { charactersPerToken, estimateTokens, fourCharacters } from "../chat/estimate.ts"
import { usedOf } from "../limits/reservation.ts"
import { illegal, positive, positiveDuration } from "../util/options.ts"
import { billingOf, tierAsked } from "./billing.ts"
import { middleware, unwrap } from "./make.ts"
import { costOf, type Price, priceOf, type Prices, prices as published } from "./prices.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface BudgetOptions {
  /** Tokens, of input and output together. @default no limit */
  readonly tokens?: number | undefined
  /** US dollars. @default no limit */
  readonly costUsd?: number | undefined
  /** For how long that is to last. Then it is there again as a whole. */
  readonly per: Duration.Input
  /** What models cost. @default the published `prices` */
  readonly prices?: Prices | undefined
}

/**
 * The budget has no room for the call.
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetSpent extends Schema.TaggedError<BudgetSpent>()("BudgetSpent", {
  unit: Schema.Literals(["tokens", "USD"]),
  /** What the budget is. */
  limit: Schema.Finite,
  /** What is left of it. */
  left: Schema.Finite,
  /** When it is there again as a whole. */
  resetsIn: Schema.Duration
}) {
  override get message(): string {
    return `The budget of ${this.limit} ${this.unit} has ${this.left} left, too little for this call. ` +
      `It is whole again in ${Duration.format(this.resetsIn)}`
  }
}

/**
 * There is a budget in dollars, and no price for the model.
 *
 * @category errors
 * @since 0.1.0
 */
export class PriceUnknown extends Schema.TaggedError<PriceUnknown>()("PriceUnknown", {
  /** `undefined` when the arguments name none. */
  model: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `The price of ${this.model ?? "a call without a model"} is not known: state it in the prices of the budget`
  }
}

interface Spending {
  readonly tokens: number
  readonly usd: number
}

/**
 * Denies calls when the budget is spent: `HookRejected`, with `BudgetSpent` as its cause. A budget in dollars denies a model without
 * a price too, with `PriceUnknown`.
 *
 * **Details**
 *
 * A call reserves what it is estimated to cost (four characters are taken for a token, and `max_tokens` for the output) and pays
 * in the end what its answer reports, so that many calls at once do not overdraw the budget; a call that states no `max_tokens`
 * can overdraw it by its output. Its service tier counts: that of the answer, or the one that was asked for. What is answered without the backend costs nothing. Each model has a budget of its own, in
 * memory, which begins with its first call.
 *
 * **Example** (Five dollars a day)
 *
 * ```ts
 * import { Hook, iModel } from "effect-imodel"
 *
 * const model = iModel.layer({
 *   hooks: [Hook.budget({ costUsd: 5, per: "1 day", prices: { ...Hook.prices, "my-model": { input: 0.5, output: 1.5 } } })]
 * })
 * ```
 *
 * @category hooks
 * @since 0.1.0
 */
export const budget = (options: BudgetOptions): Hook<Cause.IllegalArgumentError> =>
  unwrap(Effect.gen(function*() {
    const { prices = published } = options
    if (options.tokens === undefined && options.costUsd === undefined) {
      return yield* illegal("a budget has tokens, costUsd or both")
    }
    const tokens = options.tokens === undefined ? undefined : yield* positive("tokens", options.tokens)
    const costUsd = options.costUsd === undefined ? undefined : yield* positive("costUsd", options.costUsd)
    const lasts = Duration.toMillis(yield* positiveDuration("per", options.per))
    let window = { until: Number.NEGATIVE_INFINITY, tokens: 0, usd: 0 }

    const reserve = Effect.fnUntraced(function*({ payload }: Calling) {
      const now = yield* Clock.currentTimeMillis
      const model = typeof payload["model"] === "string" ? payload["model"] : undefined
      const price = model === undefined ? undefined : priceOf(prices, model)
      if (costUsd !== undefined && price === undefined) return yield* new PriceUnknown({ model })
      if (now >= window.until) window = { until: now + lasts, tokens: 0, usd: 0 }
      const estimate = estimateTokens(payload, fourCharacters, 0)
      const tier = tierAsked(payload)
      const reserved = spendingOf(price, estimate, tier)
      const resetsIn = Duration.millis(window.until - now)
      if (tokens !== undefined && window.tokens + reserved.tokens > tokens) {
        return yield* new BudgetSpent({ unit: "tokens", limit: tokens, left: tokens - window.tokens, resetsIn })
      }
      if (costUsd !== undefined && window.usd + reserved.usd > costUsd) {
        return yield* new BudgetSpent({ unit: "USD", limit: costUsd, left: costUsd - window.usd, resetsIn })
      }
      const from = window
      add(from, reserved, 1)
      return (calling: Calling, exit: Exit.Exit<NormalizedResponse, Failure>) => {
        add(from, reserved, -1)
        add(from, spent(calling, exit, price, estimate, tier), 1)
      }
    })

    return middleware(
      (next) => (calling) =>
        Effect.uninterruptibleMask((restore) =>
          Effect.flatMap(reserve(calling), (pay) =>
            Effect.onExit(restore(next), (exit) => Effect.sync(() => pay(calling, exit))))
        ),
      { name: "budget" }
    )
  }))

const add = (window: { tokens: number; usd: number }, { tokens, usd }: Spending, times: number) => {
  window.tokens += tokens * times
  window.usd += usd * times
}

const spendingOf = (
  price: Price | undefined,
  { input, output }: { readonly input: number; readonly output: number },
  tier: string | undefined
) => ({
  tokens: input + output,
  usd: price === undefined
    ? 0
    : costOf(price, { inputTokens: { total: input }, outputTokens: { total: output } }, { tier, cacheWriteHour: 0 })
})

/** What a call has cost, as far as that is known. */
const spent = (
  calling: Calling,
  exit: Exit.Exit<NormalizedResponse, Failure>,
  price: Price | undefined,
  estimate: { readonly input: number; readonly output: number },
  tier: string | undefined
): Spending => {
  if (calling.attempts.length === 0) return { tokens: 0, usd: 0 }
  if (Exit.isFailure(exit)) {
    const error = Option.getOrUndefined(Exit.findErrorOption(exit))
    const answer = error?._tag === "BackendError" ? Exit.fail(error.reason) : Exit.interrupt()
    const seen = calling.attempts.at(-1)?.usage?.outputTokens.total
    const sink = seen === undefined ? undefined : { characters: seen * charactersPerToken }
    return spendingOf(price, usedOf({ requests: 1, ...estimate }, answer, sink), tier)
  }
  const { rawResponse, usage: { inputTokens, outputTokens } } = exit.value
  const billing = billingOf(rawResponse)
  const input = { ...inputTokens, total: inputTokens.total ?? estimate.input }
  const output = { total: outputTokens.total ?? estimate.output }
  return {
    tokens: input.total + output.total,
    usd: price === undefined ? 0 : costOf(
      price,
      { inputTokens: input, outputTokens: output },
      { ...billing, tier: billing.tier ?? tier }
    )
  }
}
