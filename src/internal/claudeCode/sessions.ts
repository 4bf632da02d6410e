/** The sessions of a backend: which one a call goes on with, and that no two calls are on the same one at once. */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ProviderMetadata } from "../../ServiceBackend.ts"
import type { Session } from "./commandLine.ts"
import type { Query } from "./request.ts"

interface Turn {
  readonly semaphore: Semaphore.Semaphore
  /** Who is in it or waits for it. */
  users: number
}

/** Keeps the session of the latest call as `session_id`. */
export class Sessions {
  readonly kept: ProviderMetadata
  /** Of those who go on with whatever session is kept when it is their turn. */
  private readonly following = Semaphore.makeUnsafe(1)
  private readonly turns = new Map<string, Turn>()

  constructor(kept: ProviderMetadata) {
    this.kept = kept
  }

  /** Runs on the session that is asked for, when it is free. */
  on<A, E, R>(
    { continue: latest, resume }: Pick<Query, "continue" | "resume">,
    run: (session: Session) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    if (resume === false) return run("new")
    if (resume !== undefined) return this.alone(resume, run({ id: resume }))
    if (latest === true) return this.following.withPermit(run("latest"))
    return this.following.withPermit(Effect.suspend(() => {
      const id = SubscriptionRef.getUnsafe(this.kept)["session_id"]
      return typeof id === "string" ? this.alone(id, run({ id })) : run("new")
    }))
  }

  keep(id: string): Effect.Effect<void> {
    return SubscriptionRef.update(this.kept, (metadata) => ({ ...metadata, session_id: id }))
  }

  private alone<A, E, R>(id: string, run: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const turn = this.turns.get(id) ?? { semaphore: Semaphore.makeUnsafe(1), users: 0 }
        turn.users++
        this.turns.set(id, turn)
        return turn
      }),
      (turn) => turn.semaphore.withPermit(run),
      (turn) =>
        Effect.sync(() => {
          if (--turn.users === 0) this.turns.delete(id)
        })
    )
  }
}
