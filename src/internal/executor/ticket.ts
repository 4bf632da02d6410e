/** A calling in an executor: its place in the queue, what was reserved for it, and the fiber that it runs on. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { PermissionDenied, Shutdown, type TimeoutError } from "../../Errors.ts"
import type { Job } from "../calling/attempt.ts"
import type { CallingImpl, Started } from "../calling/lifecycle.ts"
import type { Submission } from "../calling/submission.ts"
import type { RateLimitReport } from "../http/rateLimitHeaders.ts"
import type { Grant } from "../limits/limits.ts"
import type { Reservation } from "../limits/reservation.ts"
import type { Node } from "./priorityQueue.ts"

/** Where it stands in the queue. */
interface Place {
  readonly priority: number
  readonly key: string | undefined
}

/** The executor of a ticket. */
export interface Host {
  /** The rate-limit headers of the answer have come. */
  readonly report: (ticket: Ticket, report: RateLimitReport) => void
  /** Nobody waits for it any more. */
  readonly leave: (ticket: Ticket) => Effect.Effect<void>
}

export class Ticket implements Job, Started {
  readonly calling: CallingImpl<unknown>
  readonly submission: Submission
  readonly context: Context.Context<never>
  readonly priority: number
  readonly key: string | undefined
  /** When it came into the queue last, in milliseconds of the monotonic clock. */
  arrivedAt = 0
  node: Node<Ticket> | undefined = undefined
  /** How often it was denied. */
  denials = 0
  /** Whether it was admitted before: then it is let finish, unless the executor's scope closes. */
  hasRun = false
  /** What was taken from the limits for the attempt that runs. */
  grant: Grant | undefined = undefined
  fiber: Fiber.Fiber<unknown, unknown> | undefined = undefined
  isWithdrawn = false
  /** Why it is withdrawn, when that is not the interruption of those who wait for it. */
  withdrawal: TimeoutError | PermissionDenied | undefined = undefined
  /** Ends its waiting. */
  timer: Fiber.Fiber<void> | undefined = undefined
  private readonly host: Host

  constructor(
    calling: CallingImpl<unknown>,
    submission: Submission,
    context: Context.Context<never>,
    { key, priority }: Place,
    host: Host
  ) {
    this.calling = calling
    this.submission = submission
    this.context = context
    this.priority = priority
    this.key = key
    this.host = host
  }

  get reservation(): Reservation {
    const { input, output } = this.calling.tokens
    return { requests: 1, input, output }
  }

  onRateLimits(report: RateLimitReport): void {
    this.host.report(this, report)
  }

  leave(): Effect.Effect<void> {
    return this.host.leave(this)
  }

  /** Interrupts its work, or its rest between two attempts, and waits until that has ended. */
  interrupt(reason?: TimeoutError | PermissionDenied): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { fiber } = this
      this.withdraw(reason)
      return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
    })
  }

  /** Interrupts it, and does not wait. */
  withdraw(reason?: TimeoutError | PermissionDenied): void {
    this.isWithdrawn = true
    this.withdrawal ??= reason
    this.fiber?.interruptUnsafe()
  }

  stopTimer(): void {
    this.timer?.interruptUnsafe()
    this.timer = undefined
  }

  /** Why it does not run any more when the executor ends. */
  get shutdown(): PermissionDenied {
    return shutdown(this.calling.id)
  }
}

export const shutdown = (callingId: string): PermissionDenied =>
  new PermissionDenied({ reason: new Shutdown(), denials: 0, callingId })
