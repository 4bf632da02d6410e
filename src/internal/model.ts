/** A model made of a backend: its executor, its hooks, and the ways to call it. */
import * as AiError from "effect/ai/AiError"
import { defaultCodecTransformer } from "effect/ai/LanguageModel"
import type * as Arr from "effect/Array"
import * as Channel from "effect/Channel"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type Calling, isCalling, type StreamPart } from "../Calling.ts"
import { BackendError, type BackendErrorReason, type PermissionDenied, type TimeoutError } from "../Errors.ts"
import * as Executor from "../Executor.ts"
import * as Hook from "../Hook.ts"
import type { CreateOptions, InvokeOptions, Model, Options, OptionsError, StreamOptions } from "../Model.ts"
import type { Backend, Cost } from "../ServiceBackend.ts"
import { implOf, type Runner } from "./calling/lifecycle.ts"
import { decodeOutput } from "./chat/arguments.ts"
import { configurationOf } from "./configuration/json.ts"
import type { Args, HookInstance } from "./hooks/instance.ts"
import * as Events from "./hooks/events.ts"
import * as Pipeline from "./hooks/pipeline.ts"
import { identify, ModelTypeId, uuid } from "./util/identity.ts"
import { durationOrZero, illegal, notNegative, positiveDuration, wholeNumber } from "./util/options.ts"
import * as Kind from "./util/optionKinds.ts"
import { TypeId as BackendTypeId } from "./backend.ts"
import { findExecutor } from "./modelExecutor.ts"
import { modelKinds } from "./modelOptions.ts"
import { misfitOf } from "./callOptions.ts"
import * as Executors from "./executor/executor.ts"
import * as Settings from "./executor/settings.ts"
import { makeSink, type Sink } from "./calling/streaming.ts"
import { plain, type Submission } from "./calling/submission.ts"

export const make = Effect.fnUntraced(function*<Args, Data, H extends Hook.Any = never>(
  backend: Backend<Args, Data>,
  options: Options<Args, H> = {}
): Effect.fn.Return<
  Model<Args, Data | Hook.Data<H>>,
  OptionsError | Hook.Error<H>,
  Scope.Scope | Hook.Services<H>
> {
  yield* Kind.check("a model", options, modelKinds)
  if (!Predicate.hasProperty(backend, BackendTypeId)) return yield* illegal("a model must be made of a backend")
  const defaultTimeout = options.timeout === undefined ? undefined : yield* positiveDuration("timeout", options.timeout)
  const { rateLimiter } = options
  const longestWait = options.queueTimeout ?? (rateLimiter === undefined ? undefined : Duration.seconds(30))
  const defaultQueueTimeout = longestWait === undefined
    ? undefined
    : yield* positiveDuration("queueTimeout", longestWait)
  const { capacityRefreshTime, cost, expectedOutputTokens, headroom, priority } = options
  if (expectedOutputTokens !== undefined) yield* notNegative("expectedOutputTokens", expectedOutputTokens)
  if (options.repair !== undefined) yield* wholeNumber("repair", options.repair)
  if (capacityRefreshTime !== undefined) yield* positiveDuration("capacityRefreshTime", capacityRefreshTime)
  if (headroom !== undefined) yield* durationOrZero("headroom", headroom)
  const defaults = (defaultTimeout ?? defaultQueueTimeout ?? priority) === undefined
    ? undefined
    : { timeout: defaultTimeout, queueTimeout: defaultQueueTimeout, priority }
  const firstPartTimeout = options.firstPartTimeout === undefined
    ? undefined
    : yield* positiveDuration("firstPartTimeout", options.firstPartTimeout)
  const idleTimeout = options.idleTimeout === undefined
    ? backend.idleTimeout
    : yield* positiveDuration("idleTimeout", options.idleTimeout)
  const executor = yield* findExecutor(backend, options)
  // A model without an executor has one without limits, which runs every call at once.
  const admission =
    (executor ?? (yield* Executors.make(Settings.unbounded(options.name ?? backend.name, rateLimiter))))[
      Executor.TypeId
    ]
  const { events, publish } = yield* Events.make
  const instance = options.hooks === undefined ? undefined : yield* Hook.all(options.hooks)[Hook.TypeId]({
    provider: backend.provider,
    name: options.name ?? backend.name,
    version: backend.version,
    fingerprint: backend.fingerprint,
    models: backend.models,
    publish
  })
  const pipeline = instance && (yield* Pipeline.make(instance))
  const now = yield* Clock.currentTimeMillis
  const countsTokens = executor?.countsTokens ?? false

  if (countsTokens && cost === undefined) yield* backend.loadTokenizer

  const change = instance?.create
  const create = (args: unknown, createOptions: CreateOptions | undefined, costOf: (() => Cost) | undefined) => {
    const callingOptions = {
      metadata: createOptions?.metadata,
      expectedOutput: expectedOutputTokens,
      cost: countsTokens ? costOf : noCost
    }
    return change === undefined || !Predicate.isReadonlyObject(args)
      ? backend.createCalling(args, callingOptions)
      : createChanged(change, args, (changed) => backend.createCalling(changed, callingOptions))
  }
  const costOf = (args: Args) => cost && (() => cost(args))

  const withDefaults = (invokeOptions: InvokeOptions | undefined): InvokeOptions | undefined =>
    invokeOptions === undefined ? defaults : {
      ...invokeOptions,
      timeout: invokeOptions.timeout ?? defaultTimeout,
      queueTimeout: invokeOptions.queueTimeout ?? defaultQueueTimeout,
      priority: invokeOptions.priority ?? priority
    }

  const { circuit } = backend
  /** Submits a calling to the executor. */
  const toExecutor = <A>(
    calling: Calling<A>,
    submission: Submission,
    given: InvokeOptions | undefined
  ) => {
    const repair = given?.repair ?? submission.repair ?? options.repair
    const asked = repair === submission.repair ? submission : { ...submission, repair }
    const joined = join(calling, admission.runner(given), asked, given?.timeout)
    const submitted = backend.capacity === undefined ? joined : placed(joined, given)
    // A call that the circuit breaker would refuse does not wait for its turn.
    return circuit === undefined ? submitted : Effect.flatMap(circuit.refusal, (refusal) => {
      if (refusal !== undefined) implOf(calling).refuse(refusal)
      return submitted
    })
  }

  const submit = <A>(calling: Calling<A>, submission: Submission, invokeOptions?: InvokeOptions) => {
    const misfit = invokeOptions && misfitOf(invokeOptions)
    if (misfit !== undefined) return refused(calling, admission.runner(), misfit)
    const given = withDefaults(invokeOptions)
    if (pipeline === undefined) return toExecutor(calling, submission, given)
    // The timeout covers the hooks too, and is not applied a second time to the part that is admitted.
    const untimed = given && { ...given, timeout: undefined }
    const runner = pipeline((part, asked) => toExecutor(part, asked, untimed))
    return join(calling, runner, submission, given?.timeout)
  }

  function invoke<A>(
    calling: Calling<A>,
    options?: InvokeOptions
  ): Effect.Effect<Calling<A>, TimeoutError | PermissionDenied>
  function invoke(
    args: Args,
    options?: InvokeOptions & CreateOptions
  ): Effect.Effect<Calling<Data>, TimeoutError | PermissionDenied>
  function invoke(argsOrCalling: Calling | Args, options?: InvokeOptions & CreateOptions) {
    return isCalling(argsOrCalling)
      ? submit(argsOrCalling, plain, options)
      : invokeArgs(argsOrCalling, options)
  }

  const makeReader = (take: Sink["take"], limits: Pick<Sink, "firstPartTimeout" | "idleTimeout"> | undefined) =>
    makeSink(take, {
      firstPartTimeout: limits?.firstPartTimeout ?? firstPartTimeout,
      idleTimeout: limits?.idleTimeout ?? idleTimeout
    })

  const stream = (args: Args, streamOptions?: StreamOptions) =>
    Stream.fromChannel(
      Channel.callback<Arr.NonEmptyReadonlyArray<StreamPart>, TimeoutError | PermissionDenied | BackendError>(
        (queue) => {
          const sink = makeReader((parts) => Queue.offer(queue, parts), {
            firstPartTimeout: limitOf(streamOptions?.firstPartTimeout),
            idleTimeout: limitOf(streamOptions?.idleTimeout)
          })
          return create(args, streamOptions, costOf(args)).pipe(
            Effect.flatMap((calling) => submit(calling, { ...plain, sink }, streamOptions)),
            Effect.flatMap((calling) => calling.response),
            Effect.andThen(Queue.end(queue))
          )
        },
        { bufferSize: 1, strategy: "suspend" }
      )
    )

  const invokeArgs = (args: Args, invokeOptions?: InvokeOptions & CreateOptions) =>
    Effect.flatMap(create(args, invokeOptions, costOf(args)), (calling) => submit(calling, plain, invokeOptions))

  const respondAs = Effect.fnUntraced(function*<A>(
    schema: Schema.ConstraintCodec<A, unknown>,
    args: Args,
    respondOptions?: InvokeOptions & CreateOptions
  ) {
    const calling = yield* invokeArgs({ ...args, response_format: schema }, respondOptions)
    const response = yield* calling.response
    const { text, toolCalls, value: decoded } = response
    if (decoded !== undefined && Schema.is(schema)(decoded)) return { ...response, value: decoded }
    const called = toolCalls.map(({ name }) => name).join(", ")
    // A mock or a custom backend may leave decoding to the model.
    const value = yield* Effect.mapError(
      called === ""
        ? decodeOutput(schema, defaultCodecTransformer, text)
        : Effect.fail(
          new AiError.InvalidOutputError({ description: `The model has called ${called}, and not answered` })
        ),
      (reason) => new BackendError({ reason, callingId: calling.id })
    )
    return { ...response, value }
  })

  return {
    [ModelTypeId]: {
      create: (args) => create(args, undefined, costOf(args)),
      makeSink: makeReader,
      submit,
      fingerprint: backend.fingerprint,
      models: backend.models,
      // Computed on demand: it walks through the metadata.
      get configuration() {
        return configurationOf(backend.configuration, options)
      }
    },
    ...identify(now, options.metadata),
    name: options.name ?? backend.name,
    provider: backend.provider,
    version: backend.version,
    tags: backend.tags,
    circuit,
    providerMetadata: backend.providerMetadata,
    tool: backend.tool,
    executor,
    capacity: executor?.capacity ?? backend.capacity ?? 100,
    contextWindow: backend.contextWindow,
    events,
    createCalling: (args, createOptions) =>
      Effect.tap(
        create(args, createOptions, costOf(args)),
        ({ execution }) => execution.status === "failed" ? Effect.fail(execution.error) : Effect.void
      ),
    invoke,
    invokeUnknown: (args, invokeOptions) =>
      Effect.flatMap(create(args, invokeOptions, undefined), (calling) => submit(calling, plain, invokeOptions)),
    respond: (args, respondOptions) => Effect.flatMap(invokeArgs(args, respondOptions), (calling) => calling.response),
    respondAs,
    stream
  }
})

const noCost = () => 0

const createChanged = <C extends Calling, E>(
  change: NonNullable<HookInstance<unknown>["create"]>,
  args: Args,
  create: (args: Args) => Effect.Effect<C, E>
) =>
  Effect.suspend(() => {
    const id = uuid()
    return Effect.tap(Effect.flatMap(change(args, id), create), (calling) =>
      Effect.sync(() => implOf(calling).identify(id)))
  })

const join = <A>(
  calling: Calling<A>,
  runner: Runner,
  submission: Submission,
  limit: Duration.Input | undefined
) =>
  limit === undefined
    ? implOf(calling).join(runner, submission)
    : Effect.suspend(() => implOf(calling).joinWithin(runner, submission, Duration.fromInputUnsafe(limit)))

/** Passes priority and key to the executors of the models behind the backend. */
const placed = <A, E>(joined: Effect.Effect<A, E>, options: InvokeOptions | undefined) =>
  Effect.updateContext(joined, (context: Context.Context<never>) => {
    const { key, priority } = options ?? {}
    const prioritized = priority === undefined ? context : Context.add(context, Executor.Priority, priority)
    return key === undefined ? prioritized : Context.add(prioritized, Executor.Key, key)
  })

/** A call with an input that is no duration has failed when it is submitted. */
const limitOf = (input: Duration.Input | undefined) =>
  input === undefined ? undefined : Option.getOrUndefined(Duration.fromInput(input))

/** Fails a calling that was not started; a running one is joined. */
const refused = <A>(calling: Calling<A>, runner: Runner, reason: BackendErrorReason) =>
  Effect.suspend(() => {
    implOf(calling).refuse(reason)
    return implOf(calling).join(runner, plain)
  })
