/** What hooks did. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"

/**
 * What a hook did. Events are for observers: a calling never waits for them, and of those that nobody takes the oldest of a
 * thousand are dropped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  /** The name of the hook. */
  readonly hook: string
  readonly phase: "preEventCreate" | "preInvocation" | "middleware" | "onError" | "onPart" | "postInvocation"
  readonly callingId: string
  readonly at: DateTime.Utc
  /** How long it took. */
  readonly duration: Duration.Duration
  /**
   * `"passed"`: it went on as it was. `"changed"`: its arguments, or a part of its stream. `"answered"`: without the backend.
   * `"recovered"`: an error became an answer. `"rejected"`: it was denied. `"failed"` and `"timed-out"`: what it did went wrong,
   * or an error became another.
   */
  readonly outcome: "passed" | "changed" | "answered" | "recovered" | "rejected" | "failed" | "timed-out"
  /** What it failed with. */
  readonly error: unknown
  /** How many events of the model were dropped until now. */
  readonly dropped: number
}
