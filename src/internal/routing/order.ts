/** The order in which a balance calls its models: by available capacity, by load, or by weight. */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Snapshot } from "../executor/options.ts"
import type { Calling } from "../../Calling.ts"
import { implOf } from "../calling/lifecycle.ts"
import type { Attempt } from "../calling/work.ts"
import { illegal, positive } from "../util/options.ts"
import type { Route } from "./route.ts"

type Routes<Args, Data> = Arr.NonEmptyReadonlyArray<Route<Args, Data>>

/** The routes in the order in which a call tries them. */
type Order<Args, Data> = Effect.Effect<ReadonlyArray<Route<Args, Data>>>

interface Scored<Args, Data> {
  readonly route: Route<Args, Data>
  readonly score: number
  readonly busy: number
}

/** Sorts by score, then by load, then round robin. */
const ranking = <Args, Data>(
  routes: Routes<Args, Data>,
  scoreOf: (route: Route<Args, Data>) => Effect.Effect<number>
): Effect.Effect<Order<Args, Data>> =>
  Effect.sync(() => {
    let turn = 0
    return Effect.gen(function*() {
      const first = turn++ % routes.length
      const scored: Array<Scored<Args, Data>> = []
      for (const route of [...routes.slice(first), ...routes.slice(0, first)]) {
        scored.push({ route, score: yield* scoreOf(route), busy: yield* busyOf(route) })
      }
      return scored.sort((a, b) => a.score === b.score ? a.busy - b.busy : b.score - a.score).map(({ route }) => route)
    })
  })

/** Number of queued and running callings, including those of other models that share the executor. */
const busyOf = <Args, Data>({ callings, model: { executor } }: Route<Args, Data>): Effect.Effect<number> =>
  executor === undefined
    ? Effect.succeed(callings.size)
    : Effect.map(executor.counts, ({ pending, processing }) => pending + processing)

export const leastBusy = <Args, Data>(routes: Routes<Args, Data>): Effect.Effect<Order<Args, Data>> =>
  ranking(routes, () => Effect.succeed(0))

export const capacity = <Args, Data>(routes: Routes<Args, Data>): Effect.Effect<Order<Args, Data>> =>
  ranking(routes, (route) => {
    const { executor } = route.model
    if (executor === undefined) return Effect.succeed(Number.POSITIVE_INFINITY)
    return Effect.match(executor.snapshot, {
      onSuccess: (snapshot) => remaining(snapshot, route),
      // Unknown while the store does not reply.
      onFailure: () => 0
    })
  })

/** The smallest available fraction of its limits, less what is queued; it may be negative. */
const remaining = <Args, Data>({ limits, pausedFor }: Snapshot, { callings }: Route<Args, Data>): number => {
  const waiting = { requests: 0, inputTokens: 0, outputTokens: 0, tokens: 0 }
  for (const calling of callings.keys()) {
    if (calling.execution.status !== "pending") continue
    const { input, output } = implOf(calling).tokens
    waiting.requests += 1
    waiting.inputTokens += input
    waiting.outputTokens += output
    waiting.tokens += input + output
  }
  let least = Number.POSITIVE_INFINITY
  for (const kind of ["requests", "tokens", "inputTokens", "outputTokens"] as const) {
    const limit = limits[kind]
    if (limit !== undefined) least = Math.min(least, (limit.available - waiting[kind]) / limit.capacity)
  }
  return Duration.isPositive(pausedFor) ? Number.NEGATIVE_INFINITY : least
}

/** The second call of a hedge goes to another model than the first one, if there is one. */
export const apart = <Args, Data>(order: Order<Args, Data>) => ({ peer }: Attempt): Order<Args, Data> =>
  peer === undefined
    ? order
    : Effect.map(order, (routes) => [
      ...routes.filter((route) => !isAsking(route, peer)),
      ...routes.filter((route) => isAsking(route, peer))
    ])

const isAsking = (route: Pick<Route<never, unknown>, "callings">, peer: Calling): boolean =>
  [...route.callings.keys()].some((calling) => calling === peer || implOf(peer).delegatesTo(calling))

/** Smooth weighted round robin: the model furthest behind its share goes first. */
export const weighted = <Args, Data>(
  routes: Routes<Args, Data>,
  weights: ReadonlyArray<number>
): Effect.Effect<Order<Args, Data>, Cause.IllegalArgumentError> =>
  Effect.map(checked(routes, weights), (weights) => {
    const shares = routes.map((route, i) => ({ route, weight: weights[i] ?? 0, owed: 0 }))
    const total = weights.reduce((sum, weight) => sum + weight, 0)
    return Effect.sync(() => {
      for (const share of shares) share.owed += share.weight
      const ordered = shares.toSorted((a, b) => b.owed - a.owed)
      const [first] = ordered
      if (first !== undefined) first.owed -= total
      return ordered.map(({ route }) => route)
    })
  })

const checked = (routes: ReadonlyArray<unknown>, weights: ReadonlyArray<number>) =>
  weights.length === routes.length
    ? Effect.forEach(weights, (weight, i) => positive(`weights[${i}]`, weight))
    : illegal(`there must be as many weights as models, got ${weights.length} for ${routes.length}`)
