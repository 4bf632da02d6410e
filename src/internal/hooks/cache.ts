/** The hook that remembers answers. */
import * as Response from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"
import * as Exit from "effect/Exit"
import * as Persistable from "effect/persistence/Persistable"
import * as Persistence from "effect/persistence/Persistence"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type Calling, makeResponse, type NormalizedResponse } from "../../Calling.ts"
import type { Hook } from "./hook.ts"
import { isOutputSchema } from "../chat/arguments.ts"
import { positiveDuration } from "../util/options.ts"
import { keyOf } from "./cacheKey.ts"
import { forHost, middleware, unwrap } from "./make.ts"

/**
 * @category options
 * @since 0.1.0
 */
export interface CacheOptions<A = unknown> {
  /** How long an answer is given again. */
  readonly timeToLive: Duration.Input
  /**
   * What tells calls apart: two with one key have one answer, if the same account is asked at the same address. A call without a
   * key is not remembered.
   * @default the payload, with the schemas in it; none for a payload that cannot be told from all others
   */
  readonly key?: ((calling: Calling) => string | undefined) | undefined
  /**
   * The schema of the `data` of answers, by which it is stored, such as `OpenAi.ChatCompletion` or `Anthropic.Message`.
   * @default any JSON, and then the data of the model's answers is `unknown`
   */
  readonly data?: Schema.ConstraintCodec<A, unknown> | undefined
}

/**
 * Remembers answers in the `Persistence` of `effect`: in memory, a `KeyValueStore`, Redis or SQL. An answer that is there costs
 * no quota and no place in the queue; its calling is `skipped`, and a stream of it has it in parts. Failures are not remembered,
 * nor are answers that were cut, filtered or broke off.
 *
 * **Details**
 *
 * The answers of one provider, model, version, address and account are told from those of others; the account by a hash, never by
 * its key. The `rawResponse` of one that is given again is
 * its `data`. A store that fails is logged, and the backend is asked. The key is hashed (SHA-256), so that no prompt is in the
 * names of files.
 *
 * **Example** (An hour, in memory)
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
 * **Example** (With the provider's own types)
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
export function cache(
  { data = Json, key = ({ payload }: Calling) => keyOf(payload), timeToLive }: CacheOptions
) {
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
        },
        unlessItFails
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
        },
        unlessItFails
      )

      return middleware<never, never, unknown>(
        (next) =>
          Effect.fnUntraced(function*(calling) {
            const told = key(calling)
            if (told === undefined) return yield* next
            const remembered = new Remembered({ key: yield* hash(JSON.stringify([fingerprint, told])) })
            const answer = yield* recall(calling, remembered)
            return answer ??
              (yield* Effect.tap(
                next,
                (answer) => isWhole(answer) ? remember(calling, remembered, answer) : Effect.void
              ))
          }),
        { name: "cache" }
      )
    }))
  )
}

/** Any JSON, stored as a text. */
const Json = Schema.fromJsonString(Schema.Unknown)

const decodeUsage = Schema.decodeUnknownEffect(Response.Usage)
const decodeMetadata = Schema.decodeUnknownEffect(Schema.Record(Schema.String, Schema.Unknown))

const unlessItFails = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A | undefined> =>
  Effect.catch(effect, (error) => Effect.as(Effect.logWarning("The cache of answers failed", error), undefined))

/** Whether an answer is all that its model had to say. */
const isWhole = ({ finishReason }: NormalizedResponse): boolean =>
  finishReason === "stop" || finishReason === "tool-calls"

const hash = (key: string): Effect.Effect<string> =>
  Effect.map(
    Effect.promise(() => globalThis.crypto.subtle.digest("SHA-256", new TextEncoder().encode(key))),
    (digest) => Hex.encode(new Uint8Array(digest))
  )
