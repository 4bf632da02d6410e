/** A backend: what it is, and how it makes the callings that it works for. */
import * as AiError from "effect/ai/AiError"
import type * as Tool from "effect/ai/Tool"
import * as Clock from "effect/Clock"
import type * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Equal from "effect/Equal"
import { identity } from "effect/Function"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type * as Types from "effect/Types"
import type { Calling } from "../Calling.ts"
import type { Circuit } from "../Circuit.ts"
import type { BackendErrorReason } from "../Errors.ts"
import { CallingImpl, rejected } from "./calling/lifecycle.ts"
import { tokensOf } from "./calling/tokens.ts"
import type { Work } from "./calling/work.ts"
import type { Tokenizer } from "./chat/countTokens.ts"
import { estimateTokens } from "./chat/estimate.ts"
import { describe } from "./errors/describe.ts"
import { isTooDeep, tooDeep } from "./util/depth.ts"
import { identify, noMetadata } from "./util/identity.ts"
import { monotonicMillis } from "./util/monotonic.ts"

export const TypeId = "~effect-imodel/ServiceBackend"

/** Documented as `ServiceBackend.Backend`. */
export interface Backend<in Args, out Data> extends Equal.Equal {
  readonly [TypeId]: {
    readonly _Args: Types.Contravariant<Args>
    readonly _Data: Types.Covariant<Data>
  }
  /** A UUID, fresh for every construction. */
  readonly id: string
  readonly createdAt: DateTime.Utc
  readonly metadata: Readonly<Record<string, unknown>>
  /** Who answers, for example `"openai"`. */
  readonly provider: string
  /** What is asked there, for example the model. */
  readonly name: string
  readonly version: string
  /** Tells apart backends that answer differently under one name: by their address, their account, their defaults. No secret. */
  readonly fingerprint: string
  /** The models that may answer, as their providers name them: its `name`, unless it asks other models. */
  readonly models: ReadonlyArray<string>
  readonly tags: ReadonlySet<string>
  /** What it keeps from one call to the next, for example the session that it continues. */
  readonly providerMetadata: ProviderMetadata
  /** What it is to a model that may call it; `undefined` for one that is no tool. */
  readonly tool: Tool.Any | undefined
  /** The `headroom` of limits in front of this backend, unless they state their own. */
  readonly headroom: Duration.Duration
  /** The `idleTimeout` of its streams, unless a call states its own; `undefined` for none. */
  readonly idleTimeout: Duration.Duration | undefined
  /** Keeps calls away from it while it is down; `undefined` when nothing does. */
  readonly circuit: Circuit | undefined
  /**
   * How many callings can usefully be under way at once, where it admits them itself, as one of several models does: they pass
   * the `Executor` in context there and not here. `undefined` for others.
   */
  readonly capacity: number | undefined
  /** How much its model takes in at once, in tokens; of one of several models the largest. `undefined` when it is not known. */
  readonly contextWindow: number | undefined
  /** What it was made of, as data; `null` when that is no data. See `iModel.toJson`. */
  readonly configuration: Schema.JsonObject | null
  /** Loads the tokenizer, if there is one: for a model that limits tokens. Until then they are estimated. */
  readonly loadTokenizer: Effect.Effect<void>
  /**
   * Makes a pending calling of arguments. Arguments that the backend's schema refuses make a calling that has failed,
   * with a `BackendError` of reason `InvalidRequestError` which names the `parameter`; those that ask for what the model cannot
   * do, one of reason `Unsupported`.
   */
  readonly createCalling: (args: unknown, options?: CallingOptions) => Effect.Effect<Calling<Data>>
}

/**
 * What a backend keeps from one call to the next: to be read, watched (`SubscriptionRef.changes`) and set.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderMetadata extends SubscriptionRef.SubscriptionRef<Readonly<Record<string, unknown>>> {}

/**
 * What a call is expected to cost, in tokens. A bare number counts as input, where input and output have limits of their own.
 *
 * @category models
 * @since 0.1.0
 */
export type Cost = number | { readonly input: number; readonly output: number }

/**
 * @category options
 * @since 0.1.0
 */
export interface CallingOptions {
  /** Tokens to reserve for the calling, asked for when its arguments are valid. @default the backend's estimate */
  readonly cost?: (() => Cost) | undefined
  /** The output tokens that the estimate expects of a call which states no `max_tokens`. @default 0 */
  readonly expectedOutput?: number | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
}

/** What a backend is made of. What is left out has the default of `ServiceBackend.make`. */
interface Options<in out Payload extends Readonly<Record<string, unknown>>, out Data> {
  readonly provider: string
  readonly name: string
  readonly version?: string | undefined
  readonly fingerprint?: string | undefined
  readonly models?: ReadonlyArray<string> | undefined
  readonly tags?: Iterable<string> | undefined
  readonly metadata?: Readonly<Record<string, unknown>> | undefined
  readonly providerMetadata?: ProviderMetadata | undefined
  readonly tool?: Tool.Any | undefined
  readonly headroom?: Duration.Input | undefined
  readonly idleTimeout?: Duration.Input | undefined
  readonly circuit?: Circuit | undefined
  readonly capacity?: number | undefined
  readonly contextWindow?: number | undefined
  readonly tokenizer?: Effect.Effect<Tokenizer | undefined> | undefined
  readonly cost?: ((payload: Payload) => Cost | undefined) | undefined
  /** The payload of arguments, or why they are refused. */
  readonly decode: (args: unknown) => Result.Result<Payload, BackendErrorReason>
  readonly work: Work<Data, Payload>
}

/** Getters of arguments, and functions of users, may throw. */
const guarded = <A>(
  result: () => Result.Result<A, BackendErrorReason>,
  description: string
): Result.Result<A, BackendErrorReason> =>
  Result.flatMap(
    Result.try({
      try: result,
      catch: (error) => new AiError.InvalidRequestError({ description: `${description}: ${describe(error)}` })
    }),
    identity
  )

const argumentsTooDeep = new AiError.InvalidRequestError({ description: `The arguments are ${tooDeep}` })

/** Makes a backend of how it decodes arguments, and of its work. */
export const make = <Args, Payload extends Readonly<Record<string, unknown>>, Data>(
  options: Options<Payload, Data>
): Effect.Effect<Backend<Args, Data>> =>
  Effect.gen(function*() {
    const { decode, work } = options
    let tokenizer: Tokenizer | undefined
    return {
      [TypeId]: { _Args: identity, _Data: identity },
      ...identify(yield* Clock.currentTimeMillis, options.metadata),
      provider: options.provider,
      name: options.name,
      version: options.version ?? "1",
      fingerprint: options.fingerprint ?? "",
      models: options.models ?? [options.name],
      tags: new Set(options.tags),
      providerMetadata: options.providerMetadata ?? (yield* SubscriptionRef.make({})),
      tool: options.tool,
      headroom: Duration.fromInputUnsafe(options.headroom ?? Duration.zero),
      idleTimeout: options.idleTimeout === undefined ? undefined : Duration.fromInputUnsafe(options.idleTimeout),
      circuit: options.circuit,
      capacity: options.capacity,
      contextWindow: options.contextWindow,
      configuration: null,
      loadTokenizer: Effect.map(options.tokenizer ?? Effect.undefined, (loaded) => {
        tokenizer = loaded ?? tokenizer
      }),
      createCalling: (args, { cost, expectedOutput = 0, metadata = noMetadata } = {}) =>
        Effect.clockWith((clock) => {
          const createdAtMillis = clock.currentTimeMillisUnsafe()
          const decoded = guarded(
            () => isTooDeep(args) ? Result.fail(argumentsTooDeep) : decode(args),
            "The arguments cannot be read"
          )
          if (Result.isFailure(decoded)) {
            return Effect.succeed(rejected<Data>(decoded.failure, createdAtMillis, metadata))
          }
          const payload = decoded.success
          const tokens = guarded(
            () =>
              tokensOf(
                cost?.() ?? options.cost?.(payload) ??
                  estimateTokens(payload, tokenizer, expectedOutput, () => monotonicMillis(clock))
              ),
            "The cost of the call cannot be estimated"
          )
          return Effect.succeed(
            Result.isFailure(tokens)
              ? rejected<Data>(tokens.failure, createdAtMillis, metadata)
              : new CallingImpl<Data, Payload>(payload, work, tokens.success, createdAtMillis, metadata)
          )
        })
    }
  })
