/** The hook that limits what is spent. */
import type * as Response from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Attempt, Calling, NormalizedResponse } from "../../Calling.ts"
import type { Hook } from "./hook.ts"
import type { Failure } from "../calling/lifecycle.ts"
import { charactersPerToken, estimateTokens } from "../chat/estimate.ts"
import { usedOf } from "../limits/reservation.ts"
import { illegal, notNegative, positive, positiveDuration } from "../util/options.ts"
import { type Billing, billingOf, tierAsked } from "./billing.ts"
import { forHost, middleware, unwrap } from "./make.ts"
import { costOf, type Price, priceOf, type Prices, prices as published } from "./prices.ts"

/**
 * Options of {@link budget}: `tokens`, `costUsd` or both.
 *
 * @category options
 * @since 0.1.0
 */
export interface BudgetOptions {
  /** Tokens in a period, input and output together. @default no limit */
  readonly tokens?: number | undefined
  /** US dollars in a period. @default no limit */
  readonly costUsd?: number | undefined
  /** The period. It begins with the first call, and the next one with the first call after it. */
  readonly per: Duration.Input
  /** The prices of models. @default the published `prices` */
  readonly prices?: Prices | undefined
}

/**
 * The budget has too little left for the call.
 *
 * @category errors
 * @since 0.1.0
 */
export class BudgetSpent extends Schema.TaggedError<BudgetSpent>()("BudgetSpent", {
  unit: Schema.Literals(["tokens", "USD"]),
  /** The budget of a period. */
  limit: Schema.Finite,
  /** The rest of it. */
  left: Schema.Finite,
  /** The time until the period ends. */
  resetsIn: Schema.Duration
}) {
  override get message(): string {
    return `The budget of ${this.limit} ${this.unit} has ${this.left} left, which is too little for this call. ` +
      `The next period begins in ${Duration.format(this.resetsIn)}`
  }
}

/**
 * The budget is in dollars, and the price of a model is unknown.
 *
 * @category errors
 * @since 0.1.0
 */
export class PriceUnknown extends Schema.TaggedError<PriceUnknown>()("PriceUnknown", {
  /** `undefined` when the arguments name no model. */
  model: Schema.optional(Schema.String)
}) {
  override get message(): string {
    return `The price of ${this.model ?? "a call that names no model"} is unknown. Add it to the prices of the budget`
  }
}

interface Tokens {
  readonly input: number
  readonly output: number
}

interface Spending {
  readonly tokens: number
  readonly usd: number
}

/** What a call may cost, from its arguments. */
interface Estimate {
  readonly tokens: Tokens
  readonly tier: string | undefined
  /** The prices of the models that may answer. */
  readonly prices: ReadonlyArray<Price>
}

/**
 * Rejects calls when the budget of a period is spent: `HookRejected`, with `BudgetSpent` as its cause. A budget in dollars rejects
 * a model whose price is unknown too, with `PriceUnknown`.
 *
 * **Details**
 *
 * A call reserves its estimated cost: its input by script (letters, Chinese characters and so on), and `max_tokens` as the output.
 * When it ends, it pays for each of its attempts what the provider reported, also for attempts that failed, at the price and in
 * the service tier of the model that answered. Until then, a call to several models reserves the price of the most expensive one.
 * An answer without the backend costs nothing. Each model has a budget of its own, in memory.
 *
 * **Gotchas**
 *
 * A call without `max_tokens` reserves no output, and can overdraw the budget by its output.
 *
 * Calls reserve when they are submitted, before they wait in the queue: in a large batch most of a small budget is reserved at once,
 * and further calls are denied though little is spent. Submit fewer calls at once: `concurrency: 4, queueCapacity: 1`.
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
  forHost(({ models }) =>
    unwrap(Effect.gen(function*() {
      const { prices = published } = options
      if (options.tokens === undefined && options.costUsd === undefined) {
        return yield* illegal("budget must have tokens, costUsd or both")
      }
      const tokens = options.tokens === undefined ? undefined : yield* positive("tokens", options.tokens)
      const costUsd = options.costUsd === undefined ? undefined : yield* positive("costUsd", options.costUsd)
      const periodMillis = Duration.toMillis(yield* positiveDuration("per", options.per))
      yield* checkPrices(prices)
      let period = { until: Number.NEGATIVE_INFINITY, tokens: 0, usd: 0 }
      // How many attempts of a calling are paid for: other hooks may run the backend several times, even at once.
      const paid = new WeakMap<Calling, number>()

      const estimateOf = Effect.fnUntraced(function*({ payload }: Calling) {
        const names = typeof payload["model"] === "string" ? [payload["model"]] : models
        const known = names.flatMap((name) => priceOf(prices, name) ?? [])
        if (costUsd !== undefined && (names.length === 0 || known.length < names.length)) {
          return yield* new PriceUnknown({ model: names.find((name) => priceOf(prices, name) === undefined) })
        }
        const { input, output } = estimateTokens(payload, undefined, 0)
        return { tokens: { input: count(input), output: count(output) }, tier: tierAsked(payload), prices: known }
      })

      const reserve = Effect.fnUntraced(function*(calling: Calling) {
        const estimate = yield* estimateOf(calling)
        const now = yield* Clock.currentTimeMillis
        if (now >= period.until) period = { until: now + periodMillis, tokens: 0, usd: 0 }
        const reserved = spendingOf(estimate.tokens, estimate.prices, { tier: estimate.tier, cacheWriteHour: 0 })
        const resetsIn = Duration.millis(period.until - now)
        if (tokens !== undefined && period.tokens + reserved.tokens > tokens) {
          return yield* new BudgetSpent({ unit: "tokens", limit: tokens, left: tokens - period.tokens, resetsIn })
        }
        if (costUsd !== undefined && period.usd + reserved.usd > costUsd) {
          return yield* new BudgetSpent({ unit: "USD", limit: costUsd, left: costUsd - period.usd, resetsIn })
        }
        const from = period
        add(from, reserved, 1)
        return (exit: Exit.Exit<NormalizedResponse, Failure>) => {
          add(from, reserved, -1)
          const attempts = calling.attempts.slice(paid.get(calling) ?? 0)
          paid.set(calling, calling.attempts.length)
          for (const [i, attempt] of attempts.entries()) {
            add(from, spent(attempt, i === attempts.length - 1 ? exit : undefined, estimate, prices), 1)
          }
        }
      })

      return middleware(
        (next) => (calling) =>
          Effect.uninterruptibleMask((restore) =>
            Effect.flatMap(reserve(calling), (pay) =>
              Effect.onExit(restore(next), (exit) => Effect.sync(() => pay(exit))))
          ),
        { name: "budget" }
      )
    }))
  )

const checkPrices = (prices: Prices) =>
  Effect.forEach(Object.entries(prices), ([model, { longPrompt, tiers, ...price }]) =>
    Effect.forEach(
      [...Object.entries(price), ...Object.entries(tiers ?? {}), ...Object.entries(longPrompt ?? {})],
      ([name, value]) => value === undefined ? Effect.void : notNegative(`prices["${model}"].${name}`, value),
      { discard: true }
    ), { discard: true })

const add = (period: { tokens: number; usd: number }, { tokens, usd }: Spending, times: number) => {
  period.tokens += tokens * times
  period.usd += usd * times
}

/** A number of tokens. What is no count is none, and no sum of counts is infinite. */
const count = (n: number): number => n > 0 ? Math.min(n, Number.MAX_SAFE_INTEGER) : 0

/** What so many tokens cost, at the highest of the prices. */
const spendingOf = ({ input, output }: Tokens, prices: ReadonlyArray<Price>, billing: Billing): Spending => ({
  tokens: input + output,
  usd: highest(prices, { inputTokens: { total: input }, outputTokens: { total: output } }, billing)
})

const highest = (prices: ReadonlyArray<Price>, usage: Response.Usage, billing: Billing): number =>
  prices.reduce((most, price) => Math.max(most, costOf(price, usage, billing)), 0)

/** What an attempt has cost. The exit is that of the call, if the attempt was its last one. */
const spent = (
  attempt: Attempt,
  exit: Exit.Exit<NormalizedResponse, Failure> | undefined,
  { prices: possible, tier, tokens }: Estimate,
  all: Prices
): Spending => {
  const answer = exit !== undefined && Exit.isSuccess(exit) && attempt.outcome === "completed" ? exit.value : undefined
  const priced = [modelIn(answer), attempt.model].flatMap((name) => name === undefined ? [] : priceOf(all, name) ?? [])
  const prices = priced.length === 0 ? possible : priced.slice(0, 1)
  const billing = answer === undefined ? { tier, cacheWriteHour: 0 } : billingOf(answer.rawResponse)
  if (attempt.outcome !== "completed") {
    const ended = attempt.reason === undefined ? Exit.interrupt() : Exit.fail(attempt.reason)
    const seen = attempt.usage?.outputTokens.total
    const sink = seen === undefined ? undefined : { characters: seen * charactersPerToken }
    return spendingOf(usedOf({ requests: 1, ...tokens }, ended, sink), prices, billing)
  }
  const usage = attempt.usage ?? answer?.usage
  const input = reported(usage?.inputTokens.total, tokens.input)
  const output = reported(usage?.outputTokens.total, tokens.output)
  return {
    tokens: input + output,
    usd: highest(
      prices,
      { inputTokens: { ...usage?.inputTokens, total: input }, outputTokens: { total: output } },
      { ...billing, tier: billing.tier ?? tier }
    )
  }
}

/** A provider may report what is no count. */
const reported = (n: number | undefined, estimated: number): number =>
  n !== undefined && n >= 0 && Number.isFinite(n) ? n : estimated

/** The model that has answered, as its provider names it. */
const modelIn = (answer: NormalizedResponse | undefined): string | undefined =>
  answer?.content.find((part) => part.type === "response-metadata")?.modelId
