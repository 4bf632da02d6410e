/** A call that takes longer than most is made a second time, and the first of the two to answer is the answer. */
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

/** How many of the last answers are looked at, and how few are too few to tell by. */
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
    // Of a stream, whose first part came first: the other one is not waited for.
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
          // The other one may still answer.
          return hedged && reasons.length < 2 && winner !== n
            ? Effect.never
            : Effect.fail(allOf(reasons.map((reason) => ({ model: model.name, reason }))))
        })
      )
      // The one that is beaten is interrupted, and leaves the rest to the other.
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

/** How long the last answers took. */
class Latencies {
  private readonly last: Array<number> = []
  private readonly percentile: number

  constructor(percentile: number) {
    this.percentile = percentile
  }

  add(millis: number): void {
    if (this.last.push(millis) > window) this.last.shift()
  }

  /** What most of them took no longer than; `undefined` when there were too few. */
  delay(): number | undefined {
    const { last, percentile } = this
    return last.length < fewest
      ? undefined
      : last.toSorted((a, b) => a - b)[Math.ceil((last.length * percentile) / 100) - 1]
  }
}
