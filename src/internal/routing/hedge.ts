/** A slow call is made a second time; the first answer wins. */
import type * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Calling, StreamPart } from "../../Calling.ts"
import type { HedgeOptions } from "./options.ts"
import type { Model } from "../../Model.ts"
import type { Backend } from "../../ServiceBackend.ts"
import type { Attempt } from "../calling/work.ts"
import { allOf, ask, backendOf, passedOn, type Reason } from "./composite.ts"
import { ModelTypeId } from "../util/identity.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import { illegal } from "../util/options.ts"

/** Number of recent latencies that are kept, and the minimum for a percentile. */
const window = 100
const fewest = 20

export const make = Effect.fnUntraced(function*<Args, Data>(
  model: Model<Args, Data>,
  { percentile = 95 }: HedgeOptions
): Effect.fn.Return<Backend<Args, Data>, Cause.IllegalArgumentError> {
  if (!(percentile > 0 && percentile < 100)) {
    return yield* illegal(`percentile must be between 0 and 100, got ${percentile}`)
  }
  const untilAnswer = new Latencies(percentile)
  const untilFirstPart = new Latencies(percentile)

  const run = Effect.fnUntraced(function*(args: Args, whole: Attempt) {
    const { sink } = whole
    const latencies = sink === undefined ? untilAnswer : untilFirstPart
    const reasons: Array<Reason> = []
    // The attempt whose stream began first; the other one is interrupted.
    const chosen = yield* Deferred.make<number>()
    let hedged = false
    let winner: number | undefined
    let first: Calling | undefined

    const attempt = Effect.fnUntraced(function*(n: number) {
      const clock = yield* Clock.Clock
      const startedAt = monotonicMillis(clock)
      const noteLatency = Effect.sync(() => latencies.add(monotonicMillis(clock) - startedAt))
      const take = sink && ((parts: Arr.NonEmptyReadonlyArray<StreamPart>) =>
        Effect.gen(function*() {
          if (winner === undefined) {
            winner = n
            sink.begun = true
            yield* noteLatency
            yield* Deferred.succeed(chosen, n)
          }
          return winner === n ? yield* sink.take(parts) : yield* Effect.never
        }))
      const answered = Effect.gen(function*() {
        const calling = yield* model[ModelTypeId].create(args)
        const peer = first ?? whole.peer
        first ??= calling
        yield* ask(model, calling, {
          ...passedOn(whole, model.name),
          sink: take && model[ModelTypeId].makeSink(take, sink),
          peer
        }, whole)
        return yield* calling.response
      }).pipe(
        Effect.tap(sink === undefined ? noteLatency : Effect.void),
        Effect.catch((error) => {
          reasons.push(error._tag === "BackendError" ? error.reason : error)
          // The other attempt may still answer.
          return hedged && reasons.length < 2 && winner !== n
            ? Effect.never
            : Effect.fail(allOf(reasons.map((reason) => ({ model: model.name, reason }))))
        })
      )
      // The attempt that lost does not answer.
      const beaten = Effect.flatMap(Deferred.await(chosen), (winner) => winner === n ? Effect.never : Effect.undefined)
      return (yield* Effect.raceFirst(answered, beaten)) ?? (yield* Effect.never)
    })

    const delay = latencies.delay()
    if (delay === undefined) return yield* attempt(0)
    const again = Effect.gen(function*() {
      yield* Effect.sleep(delay)
      if (winner !== undefined) return yield* Effect.never
      hedged = true
      return yield* attempt(1)
    })
    return yield* Effect.raceFirst(attempt(0), again)
  })

  return yield* backendOf("hedge", [model], run)
})

/** Latencies of the last answers. */
class Latencies {
  private readonly last: Array<number> = []
  private readonly percentile: number

  constructor(percentile: number) {
    this.percentile = percentile
  }

  add(millis: number): void {
    if (this.last.push(millis) > window) this.last.shift()
  }

  /** The percentile of the latencies; `undefined` while there are too few. */
  delay(): number | undefined {
    const { last, percentile } = this
    return last.length < fewest
      ? undefined
      : last.toSorted((a, b) => a - b)[Math.ceil((last.length * percentile) / 100) - 1]
  }
}
