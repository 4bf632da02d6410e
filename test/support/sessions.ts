/** Sessions in a Redis, each over a connection and a store of its own, as processes have them. */
import { NodeRedis } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { LimitStore } from "effect-imodel"
import type { Redis } from "effect/persistence"
import type { LimitSession, Request } from "../../src/internal/limits/session.ts"
import * as LimitSessions from "../../src/internal/limits/open.ts"

/** The window of buckets that do not refill to speak of while a test runs, however slow the machine is. */
export const day = 86_400_000

/** At an address, or by a layer of one's own. */
type Server = string | Layer.Layer<Redis.Redis, Redis.RedisError>

export const connect = (server: Server, options?: LimitStore.RedisOptions) =>
  Effect.orDie(
    Layer.build(
      LimitStore.layerRedis(typeof server === "string" ? NodeRedis.layer({ url: server }) : server, options)
    )
  )

interface Options {
  readonly key: string
  readonly capacities: ReadonlyArray<number>
  readonly windowMillis?: number
  readonly concurrency?: number
}

export const open = Effect.fnUntraced(function*(
  server: Server,
  { capacities, concurrency, key, windowMillis = day }: Options,
  options?: LimitStore.RedisOptions
) {
  const store = yield* connect(server, options)
  return yield* Effect.gen(function*() {
    const buckets = yield* Effect.forEach(
      capacities,
      (capacity, i) =>
        LimitSessions.makeBucket(`{${key}}:${i}`, { capacity, windowMillis, headroomMillis: 0, initial: capacity })
    )
    return yield* LimitSessions.open(buckets, { key, concurrency })
  }).pipe(Effect.provide(store))
})

export const wanting = (want: ReadonlyArray<number>, question?: Partial<Request>): Request => ({
  want,
  next: undefined,
  waits: true,
  running: 0,
  ...question
})

export const leaving: Request = { want: undefined, next: undefined, waits: false, running: 0 }

/** What the buckets of a session hold, in their own numbers. */
export const left = ({ buckets, levels }: LimitSession) =>
  Effect.map(levels, (levels) => levels.map((level, i) => level / (buckets[i]?.learned.price ?? Number.NaN)))

/** The buckets of a day have refilled a little since. */
export const assertAbout = (actual: ReadonlyArray<number>, expected: ReadonlyArray<number>) => {
  assert.strictEqual(actual.length, expected.length)
  for (const [i, n] of expected.entries()) assert.approximately(actual[i] ?? Number.NaN, n, 0.1, `bucket ${i}`)
}
