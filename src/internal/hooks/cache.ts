/** The hook that caches answers. */
import * as Response from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Persistable from "effect/persistence/Persistable"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Calling, makeResponse, type NormalizedResponse } from "../../Calling.ts"
import type { Hook } from "./hook.ts"
import { isOutputSchema } from "../chat/arguments.ts"
import { keyOf } from "../chat/argumentsKey.ts"
import { fingerprintOf } from "../util/fingerprint.ts"
import { positiveDuration, positiveInteger } from "../util/options.ts"
import { forHost, middleware, unwrap } from "./make.ts"
import { Params } from "./params.ts"

/**
 * Options of {@link cache}.
 *
 * @category options
 * @since 0.1.0
 */
export interface CacheOptions<A = unknown> {
  /** How long an answer is used again. */
  readonly timeToLive: Duration.Input
  /**
   * The key of a call. Calls with equal keys share an answer, if they go to the same address with the same account. A call
   * whose key is `undefined` is not cached.
   * @default the payload and `Hook.Params`; `undefined` where they hold what has no encoding, such as a function
   */
  readonly key?: ((calling: Calling) => string | undefined) | undefined
  /**
   * The schema that encodes the `data` of answers, such as `OpenAi.ChatCompletion` or `Anthropic.Message`.
   * @default any JSON; the `data` of the model's answers is then `unknown`
   */
  readonly data?: Schema.ConstraintCodec<A, unknown> | undefined
  /** How many answers of this model the store keeps. When there are more, the oldest are removed. @default 10,000 */
  readonly maxEntries?: number | undefined
}

/**
 * Caches answers in the `Persistence` service of `effect`: in memory, a `KeyValueStore`, Redis or SQL.
 *
 * **Details**
 *
 * A cached answer takes no quota and no place in the queue. Its calling is `skipped`, its `rawResponse` is its `data`, and a
 * stream has it in parts. Failures are not cached, nor are answers that were truncated, filtered or interrupted.
 *
 * The key covers provider, model, version, address, account, payload and `Hook.Params`. It is hashed (HMAC with SHA-256, keyed by
 * what is `Redacted` in the arguments), so that neither prompts nor secrets appear in names of files. A `Redacted`, `Map`, `Set`,
 * typed array, `Date` or `URL` in the arguments is part of it.
 *
 * **Gotchas**
 *
 * The store never fails a call: its failure is logged, and a store that does not respond within a second is skipped. Expired
 * answers are removed from the store as new ones are added.
 *
 * **Example** (Caching in memory for an hour)
 *
 * ```ts
 * import { Layer } from "effect"
 * import { Persistence } from "effect/persistence"
 * import { Hook, iModel } from "effect-imodel"
 *
 * const model = iModel.layer({ hooks: [Hook.cache({ timeToLive: "1 hour" })] }).pipe(
 *   Layer.provide(Persistence.layerMemory)
 * )
 * ```
 *
 * **Example** (Keeping the types of the provider)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Hook, iModel, OpenAi } from "effect-imodel"
 *
 * class Gpt extends iModel.Service<Gpt>()("app/Gpt", {
 *   backend: OpenAi.makeChat({ model: "gpt-4o-mini" }),
 *   hooks: [Hook.cache({ timeToLive: "1 hour", data: OpenAi.ChatCompletion })]
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const gpt = yield* Gpt
 *   const { data } = yield* gpt.respond({ prompt: "Name a colour." })
 *   return data.choices[0]?.message.content
 * })
 * ```
 *
 * @category hooks
 * @since 0.1.0
 */
export function cache<A>(
  options: CacheOptions<A> & { readonly data: Schema.ConstraintCodec<A, unknown> }
): Hook<Cause.IllegalArgumentError, Persistence.Persistence | Scope.Scope, A>
export function cache(
  options: CacheOptions
): Hook<Cause.IllegalArgumentError, Persistence.Persistence | Scope.Scope, unknown>
export function cache({ data = Json, key, maxEntries = 10_000, timeToLive }: CacheOptions) {
  const Answer = Schema.Struct({
    data,
    content: Schema.Array(Response.Part()),
    text: Schema.String,
    toolCalls: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String, params: Json })),
    value: Json,
    usage: Schema.Struct(Response.Usage.fields),
    finishReason: Response.FinishReason,
    metadata: Json
  })
  class Remembered extends Persistable.Class<{ payload: { readonly key: string } }>()("effect-imodel/Answer", {
    primaryKey: ({ key }) => key,
    success: Answer
  }) {}

  return forHost(({ fingerprint, name, provider, version }) =>
    unwrap(Effect.gen(function*() {
      const lasts = yield* positiveDuration("timeToLive", timeToLive)
      const stored = new Stored(yield* positiveInteger("maxEntries", maxEntries), Duration.toMillis(lasts))
      const persistence = yield* Persistence.Persistence
      const store = yield* persistence.make({
        storeId: `imodel/${provider}/${name}/${version}`,
        timeToLive: () => lasts
      })

      const recall = Effect.fnUntraced(
        function*(calling: Calling, remembered: Remembered) {
          const exit = yield* store.get(remembered)
          if (exit === undefined || Exit.isFailure(exit)) return undefined
          const { metadata, value, ...answer } = exit.value
          const format = calling.payload["response_format"]
          return makeResponse({
            ...answer,
            metadata: yield* decodeMetadata(metadata),
            value: isOutputSchema(format) && value !== null
              ? yield* Schema.decodeUnknownEffect(Schema.toCodecJson(format))(value)
              : undefined
          })
        }
      )

      const remember = Effect.fnUntraced(
        function*(calling: Calling, remembered: Remembered, answer: NormalizedResponse) {
          const format = calling.payload["response_format"]
          const value = isOutputSchema(format) && answer.value !== undefined
            ? yield* Schema.encodeUnknownEffect(Schema.toCodecJson(format))(answer.value)
            : null
          // A backend may have written the usage as a plain object.
          const usage = yield* decodeUsage(answer.usage)
          const content = answer.content.map((part) => part.type === "finish" ? { ...part, usage } : part)
          yield* store.set(remembered, Exit.succeed({ ...answer, usage, content, value }))
          const surplus = stored.add(remembered.key, yield* Clock.currentTimeMillis)
          yield* Effect.forEach(surplus, (key) => store.remove(new Remembered({ key })), { discard: true })
        }
      )

      const keyFor = Effect.fnUntraced(function*(calling: Calling) {
        if (key !== undefined) {
          const given = yield* Effect.sync(() => key(calling))
          return given === undefined ? undefined : yield* fingerprintOf("", [fingerprint, given])
        }
        const encoded = keyOf([calling.payload, yield* Params])
        return encoded && (yield* fingerprintOf(JSON.stringify(encoded.secrets), [fingerprint, encoded.text]))
      })

      return middleware<never, never, unknown>(
        (next) =>
          Effect.fnUntraced(function*(calling) {
            const key = yield* logged(keyFor(calling))
            if (key === undefined) return yield* next
            const remembered = new Remembered({ key })
            const { isLate, value } = yield* bounded(recall(calling, remembered))
            if (value !== undefined) return value
            const answer = yield* next
            // A store that does not respond is not asked twice by one call.
            if (!isLate && isWhole(answer)) yield* bounded(remember(calling, remembered, answer))
            return answer
          }),
        { name: "cache" }
      )
    }))
  )
}

/** The keys that were stored, the oldest first, with the time at which they expire. */
class Stored {
  private readonly expiries = new Map<string, number>()
  private readonly maxEntries: number
  private readonly timeToLiveMillis: number

  constructor(maxEntries: number, timeToLiveMillis: number) {
    this.maxEntries = maxEntries
    this.timeToLiveMillis = timeToLiveMillis
  }

  /** Adds a key, and answers with the keys that are to be removed from the store. */
  add(key: string, nowMillis: number): ReadonlyArray<string> {
    this.expiries.delete(key)
    this.expiries.set(key, nowMillis + this.timeToLiveMillis)
    const surplus: Array<string> = []
    for (const [key, expiresAt] of this.expiries) {
      if (this.expiries.size <= this.maxEntries && expiresAt > nowMillis) break
      this.expiries.delete(key)
      surplus.push(key)
    }
    return surplus
  }
}

/** Any JSON, stored as a text. */
const Json = Schema.fromJsonString(Schema.Unknown)

const decodeUsage = Schema.decodeUnknownEffect(Response.Usage)
const decodeMetadata = Schema.decodeUnknownEffect(Schema.Record(Schema.String, Schema.Unknown))

const logged = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
  Effect.catchCause(
    effect,
    (cause) => Effect.as(Effect.logWarning("Hook.cache: the store failed, and the backend is asked", cause), undefined)
  )

const patience = Duration.seconds(1)

/** Waits for the store, though not for long, even if it cannot be interrupted. */
const bounded = <A, E>(
  effect: Effect.Effect<A, E>
): Effect.Effect<{ readonly value: A | undefined; readonly isLate: boolean }> =>
  Effect.flatMap(Effect.forkDetach(logged(effect), { startImmediately: true }), (fiber) =>
    Fiber.join(fiber).pipe(
      Effect.map((value) => ({ value, isLate: false })),
      Effect.timeoutOrElse({
        duration: patience,
        orElse: () =>
          Effect.as(
            Effect.logWarning(
              `Hook.cache: the store did not respond within ${Duration.format(patience)}, and is skipped`
            ),
            { value: undefined, isLate: true }
          )
      }),
      Effect.ensuring(Effect.sync(() => fiber.interruptUnsafe()))
    ))

/** Whether the model has finished its answer. */
const isWhole = ({ finishReason }: NormalizedResponse): boolean =>
  finishReason === "stop" || finishReason === "tool-calls"
