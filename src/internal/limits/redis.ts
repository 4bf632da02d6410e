/** Sessions in Redis: one round trip takes from all buckets of a session, and all members wait in one queue. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redis from "effect/persistence/Redis"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import * as Schema from "effect/Schema"
import {
  type Change,
  fullMillis,
  type Learned,
  type LimitSession,
  priceOf,
  type Request,
  type SessionBucket,
  type SessionOptions
} from "./session.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import { uuid } from "../util/identity.ts"
import * as Script from "./redisScript.ts"

/** The connection of a process to the Redis that keeps its limits. */
export interface Connection {
  readonly redis: Redis.Redis["Service"]
  /** Prefix of all keys and channels. */
  readonly prefix: string
  readonly leaseMillis: number
  /** Names this process among those that share the store. */
  readonly id: string
  /** Members that wait, by name, with how they are called when they are due earlier than they were told. */
  readonly called: Map<string, () => void>
}

/** The channel on which the members of a connection are called: this, and the `id` of the connection. */
export const channelOf = ({ prefix }: Pick<Connection, "prefix">): string => `${prefix}sooner:`

interface Bucket extends SessionBucket {
  /** The hash that it is kept in. */
  readonly key: string
  readonly learned: Learned
  /** When it was last seen, in milliseconds of the monotonic clock. */
  seenAt: number | undefined
}

/** A cluster keeps keys together whose names have the same part in braces. */
const tagged = (key: string): string => key.includes("{") ? key : `{${key}}`

export const open = Effect.fnUntraced(function*(
  connection: Connection,
  options: SessionOptions
): Effect.fn.Return<LimitSession> {
  const clock = yield* Clock.Clock
  const now = () => monotonicMillis(clock)
  const member = `${connection.id}/${uuid()}`
  const buckets = options.buckets.map(({ name, options }): Bucket => ({
    key: `${connection.prefix}${tagged(name)}`,
    options,
    learned: { price: priceOf(options.windowMillis, options.capacity), lowered: 0, owing: 0, spent: 0, born: "" },
    seenAt: undefined
  }))
  const keys = [`${connection.prefix}${tagged(options.key)}:line`, ...buckets.map(({ key }) => key)]
  const evaluate = connection.redis.eval(Script.exchange)
  const changes: Array<readonly [bucket: number, change: Change]> = []
  const pauses: Array<number> = []
  // Sent and not answered: Redis may have applied it or not. It is sent again as the same turn, which is applied once.
  let sent: Pick<Script.Exchange, "news" | "pause"> | undefined
  let turn = 1

  const send = Effect.fnUntraced(function*(request: Request | undefined) {
    sent ??= { news: changes.splice(0), pause: Math.max(0, ...pauses.splice(0)) }
    const text = yield* evaluate(keys, {
      ...sent,
      member,
      turn,
      question: request,
      leaseMillis: connection.leaseMillis,
      channel: channelOf(connection),
      concurrency: options.concurrency,
      buckets: buckets.map(({ learned, options, seenAt }) => {
        const { capacity, headroomMillis, initial, windowMillis } = options
        const full = fullMillis(options)
        const price = priceOf(windowMillis, capacity)
        return {
          full,
          price,
          headroom: headroomMillis,
          initial: full - (capacity - initial) * price,
          born: learned.born,
          age: seenAt === undefined ? 0 : now() - seenAt
        }
      })
    })
    const { buckets: seen = [], ...answer } = yield* decode(text)
    sent = undefined
    turn++
    for (const [i, { born, lowered, owing, price, spent }] of seen.entries()) {
      const bucket = buckets[i]
      if (bucket === undefined) continue
      bucket.seenAt = now()
      Object.assign(bucket.learned, { born, lowered, owing, price, spent } satisfies Learned)
    }
    return { ...answer, buckets: seen }
  })
  // One exchange at a time, so that each sends the changes that came before it.
  const inTurn = Semaphore.makeUnsafe(1).withPermit
  const sendInTurn = (request?: Request) => Effect.mapError(inTurn(send(request)), storeError)

  return {
    isLocal: false,
    buckets,
    note: (bucket, change) => {
      changes.push([bucket, change])
    },
    pause: (millis) => {
      pauses.push(millis)
    },
    hasChanges: () => changes.length > 0 || pauses.length > 0 || sent !== undefined,
    flushMillis: 50,
    leaseMillis: connection.leaseMillis,
    exchange: (request) =>
      Effect.map(sendInTurn(request), ({ buckets, granted, paused, wait }) => ({
        receipt: granted
          ? buckets.map(({ born, level, lowered, recent, spent, taken }) =>
            taken > 0 ? { taken, left: level, recent, spent, lowered, born } : undefined
          )
          : undefined,
        waitMillis: wait < 0 ? Number.POSITIVE_INFINITY : wait,
        pausedMillis: paused
      })),
    levels: Effect.map(sendInTurn(), ({ buckets }) => buckets.map(({ level }) => level)),
    onSooner: (callback) => {
      connection.called.set(member, callback)
      return () => {
        connection.called.delete(member)
      }
    }
  }
})

const decode = Schema.decodeEffect(Script.Reply)

const storeError = (cause: unknown) =>
  new RateLimiter.RateLimiterError({
    reason: new RateLimiter.RateLimitStoreError({ message: "The Redis that keeps the limits has failed", cause })
  })
