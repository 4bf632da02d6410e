/** Which failures came before anything was sent, so that they cost nothing. */
import type { BackendErrorReason } from "../Errors.ts"

const unsent = new WeakSet<BackendErrorReason>()

/** Marks the reason of a call that was never sent. */
export const neverSent = <Reason extends BackendErrorReason>(reason: Reason): Reason => {
  unsent.add(reason)
  return reason
}

export const wasNeverSent = (reason: BackendErrorReason): boolean =>
  reason._tag === "Unsupported" || reason._tag === "CircuitOpen" || unsent.has(reason)
