/** The events that hooks publish. */
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"

/**
 * What a function of a hook did. A calling never waits for the observers of events: when more than 1,024 are unread, the oldest
 * are dropped.
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
  /** The time that the function took. */
  readonly duration: Duration.Duration
  /**
   * - `"passed"`: nothing was changed
   * - `"changed"`: other arguments, or other parts of a stream
   * - `"answered"`: a middleware answered without the backend
   * - `"recovered"`: an error became an answer
   * - `"rejected"`: the calling was rejected
   * - `"failed"`: the function failed, or an error became another one
   * - `"timed-out"`: the function ran into its time limit
   */
  readonly outcome: "passed" | "changed" | "answered" | "recovered" | "rejected" | "failed" | "timed-out"
  /** What the function failed with; `undefined` if it did not. */
  readonly error: unknown
  /** How many events of the model were dropped so far. */
  readonly dropped: number
}
