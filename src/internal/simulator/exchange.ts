/** What became of a request. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Simulator from "./options.ts"

type Outcome = Simulator.Exchange["outcome"]

/** A request that was understood, until it has ended. */
export class Exchange {
  readonly request: Simulator.Request
  readonly arrivedAtMillis: number
  private outcome: Outcome = "pending"
  private endedAtMillis: number | undefined

  constructor(request: Simulator.Request, arrivedAtMillis: number) {
    this.request = request
    this.arrivedAtMillis = arrivedAtMillis
  }

  /** Notes how it has ended. What it has ended with first stays. */
  end(outcome: Outcome): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (millis) => {
      if (this.outcome !== "pending") return
      this.outcome = outcome
      this.endedAtMillis = millis
    })
  }

  /** With its times in milliseconds since a first one. */
  since(firstMillis: number): Simulator.Exchange {
    const { arrivedAtMillis, endedAtMillis, outcome, request } = this
    return {
      request,
      outcome,
      arrivedAt: arrivedAtMillis - firstMillis,
      endedAt: endedAtMillis === undefined ? undefined : endedAtMillis - firstMillis
    }
  }
}
