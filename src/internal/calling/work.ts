/** What a backend does for a calling. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Attempt as AttemptRecord, Calling, NormalizedResponse } from "../../Calling.ts"
import type { BackendError, BackendErrorReason } from "../../Errors.ts"
import type { RateLimitReport } from "../http/rateLimitHeaders.ts"
import type { Submission } from "./submission.ts"
import type { Operation } from "./telemetry.ts"

/** An attempt that runs: what is asked of it, and where it reports. */
export interface Attempt extends Submission {
  readonly calling: Calling
  /** The first attempt of a calling is 1. */
  readonly number: number
  /** Reports the rate-limit headers of an answer, as soon as its head has come. */
  reportRateLimits(report: RateLimitReport): void
  /** The calling of another model that is asked, and waited for. Its attempts stand in place of this one. */
  delegateTo(calling: Calling): void
  /** The attempts of other models, once they are known. */
  addAttempts(attempts: ReadonlyArray<AttemptRecord>): void
}

type Answer<Data> = Effect.Effect<Data | NormalizedResponse<Data>, BackendError | BackendErrorReason>

export interface Work<out Data, Payload> {
  /** The rest before the next attempt, after so many failed ones; `undefined` to give up. `random` is from 0 to 1. */
  readonly retry:
    | ((reason: BackendErrorReason, failures: number, random: number) => Duration.Duration | undefined)
    | undefined
  /** How telemetry names it, if it asks a model. */
  readonly operation: Operation | undefined
  // A method, so that the payload of a calling need not show in its type: a calling passes its own payload, no other.
  run(payload: Payload, attempt: Attempt): Answer<Data>
}
