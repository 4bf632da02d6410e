/** What a submitter asks of a calling, beside its arguments. */
import type * as Duration from "effect/Duration"
import type { Calling } from "../../Calling.ts"
import type { Sink } from "./streaming.ts"

export interface Submission {
  /** Reads the answer while it comes; `undefined` for a whole answer. */
  readonly sink: Sink | undefined
  /** Bounds the attempts, where a model of several can turn to another one. */
  readonly policy: Policy | undefined
  readonly deadline: Deadline
  /** The other call of a hedge, which asks for the same answer. */
  readonly peer: Calling | undefined
  /** How often invalid structured output is asked for again; `undefined` for the model's own setting. */
  readonly repair: number | undefined
}

/** When it must have settled. It is read when it matters: of a calling that several share it moves. */
interface Deadline {
  /** Milliseconds of the monotonic clock; infinite for none. */
  readonly millis: number
}

/** The latest of several deadlines. */
export class LatestDeadline implements Deadline {
  private readonly deadlines = new Set<Deadline>()

  constructor(first: Deadline) {
    this.add(first)
  }

  add(deadline: Deadline): void {
    if (deadline !== this) this.deadlines.add(deadline)
  }

  get millis(): number {
    let latest = Number.NEGATIVE_INFINITY
    for (const { millis } of this.deadlines) latest = Math.max(latest, millis)
    return latest
  }
}

/** How a model of several bounds the attempts of one of them. */
interface Policy {
  /** Which of the models makes them. */
  readonly model: string
  /** The most attempts. */
  readonly attempts: number
  /** The longest rest before another attempt; `undefined` for any. */
  readonly patience: Duration.Duration | undefined
}

/** Nothing but an answer. */
export const plain: Submission = {
  sink: undefined,
  policy: undefined,
  deadline: { millis: Number.POSITIVE_INFINITY },
  peer: undefined,
  repair: undefined
}
