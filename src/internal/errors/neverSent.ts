/** Reasons of requests that never left the process, and so cost nothing. */
interface Tagged {
  readonly _tag: string
}

const unsent = new WeakSet<object>()

/** Marks the reason of a request that was never sent. */
export const neverSent = <Reason extends Tagged>(reason: Reason): Reason => {
  unsent.add(reason)
  return reason
}

/** Whether the request was never sent. */
export const wasNeverSent = (reason: Tagged): boolean =>
  reason._tag === "Unsupported" || reason._tag === "CircuitOpen" || unsent.has(reason)
