/** The interface of backends, and the constructor that all of them share. */
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
  /** The provider, for example `"openai"`. */
  readonly provider: string
  /** The name, for example that of the model. */
  readonly name: string
  readonly version: string
  /** Distinguishes backends of the same name by address, account and defaults. Contains no secret. */
  readonly fingerprint: string
  /** The models that may answer, as their providers name them: its `name`, unless it asks other models. */
  readonly models: ReadonlyArray<string>
  readonly tags: ReadonlySet<string>
  /** State that it keeps between calls, for example a session. */
  readonly providerMetadata: ProviderMetadata
  /** The tool definition shown to models that can call it, or `undefined`. */
  readonly tool: Tool.Any | undefined
  /** Default `headroom` of limits in front of it. */
  readonly headroom: Duration.Duration
  /** Default `idleTimeout` of its streams, or `undefined`. */
  readonly idleTimeout: Duration.Duration | undefined
  /** The circuit breaker of its attempts, or `undefined`. */
  readonly circuit: Circuit | undefined
  /**
   * Number of calls worth submitting at once, for a backend of several models: these have executors of their own, so that the
   * `Executor` in context does not apply. `undefined` for other backends.
   */
  readonly capacity: number | undefined
  /** Context window in tokens, the largest for several models; `undefined` if unknown. */
  readonly contextWindow: number | undefined
  /** Its configuration as JSON, or `null` if it cannot be written as JSON. See `iModel.toJson`. */
  readonly configuration: Schema.JsonObject | null
  /** Loads its tokenizer, for a model that limits tokens. Until then tokens are estimated. */
  readonly loadTokenizer: Effect.Effect<void>
  /**
   * Makes a pending calling. Invalid arguments make a failed calling with reason `InvalidRequestError`, which names the
   * `parameter`; arguments that need a missing feature, one with reason `Unsupported`.
   */
  readonly createCalling: (args: unknown, options?: CallingOptions) => Effect.Effect<Calling<Data>>
}

/**
 * State that a backend keeps between calls: it can be read, watched (`SubscriptionRef.changes`) and set.
 *
 * @category models
 * @since 0.1.0
 */
export interface ProviderMetadata extends SubscriptionRef.SubscriptionRef<Readonly<Record<string, unknown>>> {}

/**
 * Estimated cost of a call, in tokens. A number alone counts as input where input and output have separate limits.
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

/** The parts of a backend. The defaults are those of `ServiceBackend.make`. */
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
  /** Decodes arguments, or returns the reason why they are refused. */
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

/** Makes a backend from its decoder of arguments and its work. */
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
