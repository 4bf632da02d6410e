/** Accounts in Redis: all buckets of one are taken from at once, by one round trip, and all processes stand in one line. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Redis from "effect/persistence/Redis"
import * as RateLimiter from "effect/persistence/RateLimiter"
import * as Semaphore from "effect/Semaphore"
import * as Schema from "effect/Schema"
import {
  type BucketOptions,
  type Change,
  fullMillis,
  type Learned,
  type LimitSession,
  priceOf,
  type Question,
  type SessionBucket
} from "./session.ts"
import { monotonicMillis } from "../util/monotonic.ts"
import { uuid } from "../util/identity.ts"
import * as Script from "./redisScript.ts"

export interface Store {
  readonly redis: Redis.Redis["Service"]
  readonly prefix: string
  readonly leaseMillis: number
  /** Names this process among those that share the store. */
  readonly id: string
  /** Those who wait to be called when they are due sooner than they were told. */
  readonly called: Map<string, () => void>
}

/** What the channel of a store begins with: it goes on with the name of the store. */
export const channelOf = (store: Pick<Store, "prefix">): string => `${store.prefix}sooner:`

export interface Bucket extends SessionBucket {
  readonly _tag: "Redis"
  readonly store: Store
  readonly name: string
  /** The hash that it is kept in. */
  readonly key: string
  readonly learned: Learned
  /** By the monotonic clock; undefined before it was seen for the first time. */
  seenAt: number | undefined
}

export const makeBucket = (store: Store, name: string, options: BucketOptions): Bucket => ({
  _tag: "Redis",
  store,
  name,
  key: `${store.prefix}${tagged(name)}`,
  options,
  learned: { price: priceOf(options.windowMillis, options.capacity), lowered: 0, owing: 0, spent: 0, born: "" },
  seenAt: undefined
})

/** A cluster keeps those keys together whose names have the same part in braces. */
const tagged = (key: string): string => key.includes("{") ? key : `{${key}}`

export interface Options {
  /** Names the session in the store. */
  readonly key: string
  /** How many of its callings may run at once, in all processes together. */
  readonly concurrency: number | undefined
}

export const make = Effect.fnUntraced(function*(
  store: Store,
  buckets: ReadonlyArray<Bucket>,
  options: Options
): Effect.fn.Return<LimitSession> {
  const clock = yield* Clock.Clock
  const member = `${store.id}/${uuid()}`
  const keys = [`${store.prefix}${tagged(options.key)}:line`, ...buckets.map(({ key }) => key)]
  const evaluate = store.redis.eval(Script.exchange)
  const now = () => monotonicMillis(clock)
  const news: Array<readonly [bucket: number, change: Change]> = []
  const pauses: Array<number> = []
  // What was sent and not answered: Redis may know it, or may not. It is sent again as the same turn.
  let told: Pick<Script.Exchange, "news" | "pause"> | undefined
  let turn = 1

  const send = Effect.fnUntraced(function*(question: Question | undefined) {
    told ??= { news: news.splice(0), pause: Math.max(0, ...pauses.splice(0)) }
    const text = yield* evaluate(keys, {
      ...told,
      member,
      turn,
      question,
      leaseMillis: store.leaseMillis,
      channel: channelOf(store),
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
    told = undefined
    turn++
    for (const [i, { born, lowered, owing, price, spent }] of seen.entries()) {
      const bucket = buckets[i]
      if (bucket === undefined) continue
      bucket.seenAt = now()
      Object.assign(bucket.learned, { born, lowered, owing, price, spent } satisfies Learned)
    }
    return { ...answer, buckets: seen }
  })
  // One after the other, so that each tells the news that came before it.
  const inTurn = Semaphore.makeUnsafe(1).withPermit
  const sent = (question?: Question) => Effect.mapError(inTurn(send(question)), storeError)

  return {
    isLocal: false,
    buckets,
    note: (bucket, change) => {
      news.push([bucket, change])
    },
    pause: (millis) => {
      pauses.push(millis)
    },
    hasNews: () => news.length > 0 || pauses.length > 0 || told !== undefined,
    patienceMillis: 50,
    leaseMillis: store.leaseMillis,
    exchange: (question) =>
      Effect.map(sent(question), ({ buckets, granted, paused, wait }) => ({
        receipt: granted
          ? buckets.map(({ born, level, lowered, recent, spent, taken }) =>
            taken > 0 ? { taken, left: level, recent, spent, lowered, born } : undefined
          )
          : undefined,
        waitMillis: wait < 0 ? Number.POSITIVE_INFINITY : wait,
        pausedMillis: paused
      })),
    levels: Effect.map(sent(), ({ buckets }) => buckets.map(({ level }) => level)),
    onSooner: (callback) => {
      store.called.set(member, callback)
      return () => {
        store.called.delete(member)
      }
    }
  }
})

const decode = Schema.decodeEffect(Script.Reply)

const storeError = (cause: unknown) =>
  new RateLimiter.RateLimiterError({
    reason: new RateLimiter.RateLimitStoreError({ message: "Redis does not keep the limits", cause })
  })
