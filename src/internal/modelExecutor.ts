/** The executor of a model: its own, one that was given, or the one in context. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Executor from "../Executor.ts"
import type { Options } from "../Model.ts"
import type { Backend } from "../ServiceBackend.ts"
import { illegal, positive, positiveDuration } from "./util/options.ts"

/** The executor that the options or the context state; `undefined` for a model without one. */
export const findExecutor = Effect.fnUntraced(function*<Args, Data, H>(
  backend: Backend<Args, Data>,
  options: Options<Args, H>
) {
  const { concurrency, limitInputTokens, limitOutputTokens, limitRequests, limitTokens, queueCapacity } = options
  const given = { limitRequests, limitTokens, limitInputTokens, limitOutputTokens, concurrency, queueCapacity }
  const [own] = Object.entries(given).flatMap(([name, option]) => option === undefined ? [] : [name])
  const others = (["executor", "rateLimiter"] as const).filter((name) => options[name] !== undefined)
  const [first, second] = own === undefined ? others : [...others, own]
  if (first !== undefined && second !== undefined) return yield* illegal(`a model has ${first} or ${second}, not both`)
  if (own !== undefined) return yield* makeExecutor(backend, options)
  return options.executor ?? (options.rateLimiter === undefined && backend.capacity === undefined
    ? Option.getOrUndefined(yield* Effect.serviceOption(Executor.Executor))
    : undefined)
})

const makeExecutor = Effect.fnUntraced(function*<Args, Data, H>(
  { headroom, name }: Backend<Args, Data>,
  options: Options<Args, H>
) {
  const { limitRequests } = options
  const window = yield* positiveDuration("capacityRefreshTime", options.capacityRefreshTime ?? Duration.minutes(1))
  const bucket = (name: string, limit: number | undefined) =>
    limit === undefined
      ? Effect.undefined
      : Effect.map(positive(name, limit), (capacity) => ({ capacity, window, headroom: options.headroom ?? headroom }))
  if (limitRequests !== undefined && limitRequests < 1) {
    return yield* illegal(
      `limitRequests must be at least 1, got ${limitRequests}: for less, lengthen capacityRefreshTime`
    )
  }
  return yield* Executor.make({
    name: options.name ?? name,
    model: options.name ?? name,
    key: options.key,
    requests: yield* bucket("limitRequests", limitRequests),
    tokens: yield* bucket("limitTokens", options.limitTokens),
    inputTokens: yield* bucket("limitInputTokens", options.limitInputTokens),
    outputTokens: yield* bucket("limitOutputTokens", options.limitOutputTokens),
    concurrency: options.concurrency,
    queueCapacity: options.queueCapacity,
    onLimit: options.onLimit,
    maxDenials: options.maxDenials,
    onFull: options.onFull,
    onStoreFailure: options.onStoreFailure
  })
})
