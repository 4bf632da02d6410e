/**
 * Limits shared by several processes.
 *
 * Without a store a limit is kept in the memory of its process. With a store in context, executors and buckets with the same
 * `key` share one limit in all processes, on one machine or many. The program does not change.
 *
 * Processes share what they learn too: settlements, refunds, the limits that a provider states, and its pauses. Priorities and
 * keys order the calls within a process.
 *
 * **Gotchas**
 *
 * While the store fails, or does not reply within a second, `onStoreFailure` of the model applies: calls wait up to their own
 * `timeout` (`"closed"`), are admitted by a tenth of each limit in memory (`"local"`), or without limits (`"open"`). The log has one
 * line at the beginning and one at the end, and `imodel_store_away` is 1 in between. When a store has lost its data, processes that
 * knew its buckets do not take them for full.
 *
 * Effect's own `RateLimiter` over its Redis store, in place of a `LimitStore`, also shares buckets by key, with less: one round trip
 * per bucket, the clocks of the clients, no common queue, and corrections that stay in their process.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redis from "effect/persistence/Redis"
import * as Queue from "effect/Queue"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { uuid } from "./internal/util/identity.ts"
import { positiveDuration } from "./internal/util/options.ts"
import { LimitStore } from "./internal/limits/limitStore.ts"
import * as RedisSession from "./internal/limits/redis.ts"
import type { Store } from "./internal/limits/session.ts"

export { LimitStore } from "./internal/limits/limitStore.ts"
export type {
  BucketOptions,
  Change,
  Learned,
  LimitSession,
  Receipt,
  Reply,
  Request,
  SessionBucket,
  SessionOptions,
  Store,
  Taken
} from "./internal/limits/session.ts"

/**
 * The store cannot be reached, or rejects the credentials. The message says what to do.
 *
 * @category errors
 * @since 0.1.0
 */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  /** The error of Redis or of the connection. */
  cause: Schema.Defect()
}) {
  override get message(): string {
    const cause = String(this.cause)
    return `The Redis for shared limits ${
      /WRONGPASS|NOAUTH|NOPERM|invalid username-password/i.test(cause)
        ? "rejects the credentials: check user and password, as in redis://user:password@host:6379"
        : "cannot be reached: check that it runs, and its address (REDIS_URL), as in redis://127.0.0.1:6379"
    } (${cause})`
  }
}

/**
 * @category options
 * @since 0.1.0
 */
export interface RedisOptions {
  /** Prefix of all keys and channels. @default "imodel:" */
  readonly prefix?: string | undefined
  /**
   * Time after which a process that was killed loses its place in the queue and its share of a `sharedConcurrency`. Living
   * processes renew their lease three times within it.
   * @default 5 seconds
   */
  readonly lease?: Duration.Input | undefined
}

/**
 * The address of Redis: the environment variable `REDIS_URL`, or `redis://127.0.0.1:6379`.
 *
 * @category config
 * @since 0.1.0
 */
export const redisUrl: Config.Config<string> = Config.withDefault(Config.String("REDIS_URL"), "redis://127.0.0.1:6379")

/**
 * Keeps limits in Redis (version 5 or later) or Valkey, through any layer of Effect's `Redis`.
 *
 * **Details**
 *
 * One script, in one round trip, takes the cost of a call from all buckets of its executor or from none. The clock is that of
 * Redis. All keys of an executor are in one slot of a cluster, and expire an hour after their bucket is full.
 *
 * Executors of all processes wait in one queue, and learn when they are due. When that changes because another process gave
 * something back, the first of the queue is called through a channel of Redis.
 *
 * **Example** (On Node, at `REDIS_URL`)
 *
 * ```ts
 * import { NodeRedis } from "@effect/platform-node"
 * import { Layer } from "effect"
 * import { iModel, LimitStore } from "effect-imodel"
 *
 * const shared = LimitStore.layerRedis(NodeRedis.layerConfig({ url: LimitStore.redisUrl }))
 *
 * const model = iModel.layer({ key: "openai", limitRequests: 500, limitTokens: 200_000 }).pipe(Layer.provide(shared))
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerRedis = <E, R>(
  redis: Layer.Layer<Redis.Redis, E | Redis.RedisError, R>,
  options?: RedisOptions
): Layer.Layer<LimitStore, E | Cause.IllegalArgumentError | StoreUnavailable, R> =>
  Layer.effect(LimitStore, make(options)).pipe(
    Layer.provide(redis),
    Layer.catch((error) =>
      Layer.effect(
        LimitStore,
        Effect.fail(error instanceof Redis.RedisError ? new StoreUnavailable({ cause: error.cause }) : error)
      )
    )
  )

const make = Effect.fnUntraced(function*(options: RedisOptions = {}): Effect.fn.Return<
  Store,
  Cause.IllegalArgumentError | Redis.RedisError,
  Redis.Redis | Scope.Scope
> {
  const redis = yield* Redis.Redis
  const lease = yield* positiveDuration("lease", options.lease ?? Duration.seconds(5))
  const called = new Map<string, () => void>()
  const connection: RedisSession.Connection = {
    redis,
    prefix: options.prefix ?? "imodel:",
    leaseMillis: Duration.toMillis(lease),
    id: uuid(),
    called
  }
  // Redis asks for a password at the first command, not when the connection is made.
  yield* redis.send("PING")
  const listen = Effect.scoped(Effect.gen(function*() {
    const messages = yield* redis.subscribe(`${RedisSession.channelOf(connection)}${connection.id}`)
    while (true) called.get((yield* Queue.take(messages)).message)?.()
  }))
  // Without the channel, waiting executors learn of changes when they renew their lease.
  yield* Effect.forkScoped(Effect.retry(listen, Schedule.spaced(lease)))
  return { open: (options) => RedisSession.open(connection, options) }
})
