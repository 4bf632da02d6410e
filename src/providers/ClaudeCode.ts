/**
 * Claude Code, the command line `claude`, as a backend: a run of the agent is a calling like any other, limited, timed out,
 * streamed and interrupted.
 *
 * The program is installed with `npm install -g @anthropic-ai/claude-code`, and started for each call in a process group of its
 * own, of which nothing is left when the call has ended. The platform comes by layer: on Node, `NodeServices.layer` of
 * `@effect/platform-node`. The agent reads, writes and runs commands as far as it is permitted to, with the rights of the program:
 * a root keeps its working directory, and is no sandbox.
 *
 * Source: https://docs.claude.com/en/docs/claude-code/headless
 *
 * @since 0.1.0
 */
import * as AiError from "effect/ai/AiError"
import { defaultCodecTransformer } from "effect/ai/LanguageModel"
import * as AiResponse from "effect/ai/Response"
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { makeResponse, type NormalizedResponse } from "../Calling.ts"
import type * as Endpoint from "../Endpoint.ts"
import { type BackendErrorReason, ProcessFailure, StreamInterrupted } from "../Errors.ts"
import { decodeOutput, describeOutput, isOutputSchema } from "../internal/chat/arguments.ts"
import { type Answer, answerOf } from "../internal/claudeCode/answer.ts"
import {
  argumentsOf,
  finishingArgumentsOf,
  finishingQuestion,
  inputOf,
  secretsOf,
  type Session,
  variablesOf
} from "../internal/claudeCode/commandLine.ts"
import { type Environment, extend, readEnvironment } from "../internal/claudeCode/environment.ts"
import type * as Events from "../internal/claudeCode/events.ts"
import { provider, type Question, questionOf } from "../internal/claudeCode/prompt.ts"
import { Reader } from "../internal/claudeCode/reader.ts"
import { isUnfinished, reasonOf, reasonOfExit } from "../internal/claudeCode/reason.ts"
import * as Request from "../internal/claudeCode/request.ts"
import { Sessions } from "../internal/claudeCode/sessions.ts"
import * as MockReader from "../internal/mock/reader.ts"
import { confine } from "../internal/process/confinement.ts"
import { fingerprintOf } from "../internal/util/fingerprint.ts"
import { illegal, positiveDuration } from "../internal/util/options.ts"
import { type Argument, writeArguments } from "../internal/process/argument.ts"
import * as Process from "../internal/process/process.ts"
import { interrupted } from "../internal/calling/streaming.ts"
import { neverSent } from "../internal/errors/neverSent.ts"
import * as ServiceBackend from "../ServiceBackend.ts"

/**
 * The arguments of a run: `prompt` or `messages`, and the options of Claude Code by the names of its SDK: `systemPrompt`,
 * `appendSystemPrompt`, `maxTurns`, `allowedTools`, `disallowedTools`, `permissionMode`, `mcpServers`, `additionalDirectories`,
 * `cwd`, `env`, `resume`, `continue`. Beside them `autoFinish` asks for a final message when the run has ended without one, and
 * `summary` for what the tools did.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryRequest extends Readonly<Request.QueryRequest["Encoded"]> {}

/**
 * The answer of a run: the final message, the thinking, the uses of tools, the session, and what it took.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueryResult extends Answer {}

/**
 * What a call goes by that is made of the platform.
 *
 * @category models
 * @since 0.1.0
 */
export type Platform = ChildProcessSpawner.ChildProcessSpawner | FileSystem.FileSystem | Path.Path

/**
 * @category options
 * @since 0.1.0
 */
export interface QueryOptions {
  /** The model, unless a call names another, for example `"sonnet"`. @default Claude Code's own */
  readonly model?: string | undefined
  /** The program, by a name on the `PATH` or by its path. @default "claude" */
  readonly executable?: string | undefined
  /** The directory that calls work in, or in a directory inside of it. @default the working directory of this program */
  readonly root?: string | undefined
  /** @default the environment variable ANTHROPIC_API_KEY if it is set, otherwise the login of Claude Code */
  readonly apiKey?: Endpoint.Credential | undefined
  /** @default the environment variable ANTHROPIC_BASE_URL if it is set, otherwise Anthropic's */
  readonly baseUrl?: string | undefined
  /**
   * Variables for the environment of the program. Of the environment of this one it gets only what it needs to run (`PATH`, `HOME`
   * and the like, proxies, certificates) and its own credentials. A `Redacted` one is shown nowhere.
   */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
  /** The longest time that a call may run, its wait for the session not counted. @default for ever */
  readonly timeout?: Duration.Input | undefined
  /** The longest time until the program says something. @default 1 minute */
  readonly firstEventTimeout?: Duration.Input | undefined
  /** The longest silence after that. A command that the agent runs is silent for up to 10 minutes. @default 15 minutes */
  readonly idleTimeout?: Duration.Input | undefined
  /**
   * When a failed call is made again; `{ times: 0 }` for never. One that has begun to work fails with `StreamInterrupted`, and is
   * not. @default three times, see `ServiceBackend.Retry`
   */
  readonly retry?: ServiceBackend.Retry | undefined
}

/**
 * Makes the backend of Claude Code.
 *
 * The session of a call is kept as `session_id` in the `providerMetadata` of the model, and the next call goes on with it, unless it
 * names another (`resume`) or wants a new one (`resume: false`). Calls on one session wait for each other: a batch that is to run
 * side by side says `resume: false`.
 *
 * **Details**
 *
 * When a call has ended, however it did, its process group is ended (SIGTERM, SIGKILL after five seconds), and on Linux also what the
 * agent's commands have left outside of it. The program retries nothing itself: a failure of the API has the reason that it has on
 * Anthropic's own wire, and is made again here, under the limits, unless the agent had begun to work. `max_tokens` bounds each message
 * of the model; `temperature`, `top_p` and `stop` go into the requests as they are, and models that think may refuse them. A
 * `response_format` becomes Claude Code's own structured output.
 *
 * Fails with `IllegalArgumentError` when an option is wrong, and with `ConfigError` when a credential is not to be found.
 *
 * **Example** (An agent in a directory)
 *
 * ```ts
 * import { NodeServices } from "@effect/platform-node"
 * import { Effect } from "effect"
 * import { ClaudeCode, iModel } from "effect-imodel"
 *
 * class Agent extends iModel.Service<Agent>()("app/Agent", {
 *   backend: ClaudeCode.makeQuery({ model: "sonnet", root: "projects", timeout: "30 minutes" }),
 *   concurrency: 4
 * }) {}
 *
 * const program = Effect.gen(function*() {
 *   const agent = yield* Agent
 *   const { data } = yield* agent.respond({
 *     prompt: "Fix the failing test.",
 *     cwd: "parser",
 *     allowedTools: ["Read", "Edit", "Bash(npm test)"],
 *     summary: true
 *   })
 *   return { text: data.text, edited: data.summary?.files_edited, dollars: data.cost_usd }
 * }).pipe(Effect.provide(Agent.layer), Effect.provide(NodeServices.layer))
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeQuery = (
  options: QueryOptions = {}
): Effect.Effect<
  ServiceBackend.Backend<QueryRequest, QueryResult>,
  Config.ConfigError | Cause.IllegalArgumentError,
  Platform
> =>
  MockReader.attach(
    queryBackend(options),
    () => MockReader.make(Request.queryRequest(options.model), QueryAnswer, normalize)
  )

/** What a response has of a result. */
const QueryAnswer = Schema.Struct({
  text: Schema.String,
  usage: Schema.Struct(AiResponse.Usage.fields),
  model: Schema.String,
  session_id: Schema.String,
  structured_output: Schema.Unknown
})

const normalize = Effect.fnUntraced(function*(
  data: Pick<QueryResult, "model" | "session_id" | "structured_output" | "text" | "usage">,
  { response_format }: Pick<Request.Query, "response_format">
) {
  return {
    text: data.text,
    usage: data.usage,
    ...(isOutputSchema(response_format) && {
      value: yield* decodeOutput(response_format, defaultCodecTransformer, structuredText(data))
    }),
    metadata: { model: data.model, sessionId: data.session_id }
  }
})

const queryBackend = Effect.fnUntraced(function*(options: QueryOptions) {
  const platform = yield* Effect.context<Platform>()
  const path = yield* Path.Path
  const fs = yield* FileSystem.FileSystem
  const timeout = options.timeout === undefined ? undefined : yield* positiveDuration("timeout", options.timeout)
  const firstEventTimeout = yield* positiveDuration(
    "firstEventTimeout",
    options.firstEventTimeout ?? Duration.minutes(1)
  )
  const idleTimeout = yield* positiveDuration("idleTimeout", options.idleTimeout ?? Duration.minutes(15))
  const environment = yield* readEnvironment(options)
  const wanted = path.resolve(options.root ?? "")
  const root = yield* Effect.catch(fs.realPath(wanted), () => illegal(`root must be a directory, got ${wanted}`))
  const sessions = new Sessions(yield* SubscriptionRef.make<Readonly<Record<string, unknown>>>({}))

  /** One run of the program, to its result. */
  const run = Effect.fnUntraced(function*(
    args: ReadonlyArray<Argument>,
    question: Question,
    { cwd, emit, environment: { scrub, variables }, reader }: Ask
  ) {
    const read = Effect.fnUntraced(function*(events: ReadonlyArray<unknown>) {
      let read: Result.Result<Option.Option<Events.Result>, string> = Result.succeedNone
      for (const event of events) {
        read = reader.push(event)
        if (Result.isFailure(read) || Option.isSome(read.success)) break
      }
      yield* emit(reader.take(), reader.usage)
      return yield* Effect.mapError(
        Effect.fromResult(read),
        (description) => new AiError.InvalidResponseError({ description: scrub(description) })
      )
    })
    const program: Process.Program = {
      executable: options.executable ?? "claude",
      installation: "npm install -g @anthropic-ai/claude-code",
      args: yield* Effect.mapError(writeArguments(args), fileNotWritten),
      cwd,
      env: variables,
      input: inputOf(question),
      firstEventTimeout,
      idleTimeout,
      scrub
    }
    return yield* Process.run(program, read).pipe(
      Effect.catchTag("ProcessFailure", (failure) => Effect.fail(reasonOfExit(failure))),
      Effect.filterOrFail(
        (result) => !result.is_error || isUnfinished(result),
        (result) => reasonOf(result, reader.error, scrub)
      )
    )
  }, Effect.scoped)

  /** A run, and one more if it is to be finished. */
  const answer = Effect.fnUntraced(function*(payload: Request.Query, session: Session, ask: Ask) {
    const { additional, isStreamed, jsonSchema, question, reader } = ask
    let result = yield* run(
      argumentsOf(payload, question, additional, session, jsonSchema, isStreamed),
      question,
      ask
    )
    if (payload.autoFinish && lacksMessage(result)) {
      result = yield* run(
        finishingArgumentsOf(payload, result.session_id, jsonSchema, isStreamed),
        finishingQuestion,
        ask
      )
    }
    yield* sessions.keep(result.session_id)
    const data = answerOf(reader, result, payload.summary ?? false)
    yield* ask.emit(reader.take(), reader.usage)
    return data
  })

  const prepare = Effect.fnUntraced(function*(
    payload: Request.Query,
    reading: Reading
  ): Effect.fn.Return<Ask, BackendErrorReason, Platform> {
    const { additionalDirectories = [], response_format } = payload
    const format = isOutputSchema(response_format)
      ? yield* describeOutput(response_format, defaultCodecTransformer)
      : response_format
    return {
      question: yield* questionOf(payload),
      cwd: yield* confine("cwd", root, payload.cwd ?? ""),
      additional: yield* Effect.forEach(
        additionalDirectories,
        (directory) => confine("additionalDirectories", root, directory)
      ),
      environment: extend(environment, { ...payload.env, ...variablesOf(payload) }, secretsOf(payload)),
      jsonSchema: format && JSON.stringify(format.json_schema.schema),
      ...reading
    }
  })

  const query = Effect.fnUntraced(function*(
    payload: Request.Query,
    emit: ServiceBackend.Emit,
    isStreamed: boolean
  ): Effect.fn.Return<NormalizedResponse<QueryResult>, BackendErrorReason, Platform> {
    const reader = new Reader()
    // Nothing is waited for before the session, so that those who ask first are first.
    const answering = sessions.on(payload, (session) => {
      const prepared = Effect.mapError(prepare(payload, { emit, isStreamed, reader }), neverSent)
      const answered = Effect.flatMap(prepared, (ask) => answer(payload, session, ask))
      return timeout === undefined ? answered : Effect.timeoutOrElse(answered, {
        duration: timeout,
        orElse: () =>
          Effect.fail(new StreamInterrupted({ description: `the run took longer than ${Duration.format(timeout)}` }))
      })
    })
    // In a stream, it is known by the parts that are out how far the answer had come.
    const data = yield* Effect.mapError(
      answering,
      (reason) =>
        isStreamed || (!reader.begun && reason._tag !== "StreamInterrupted") ? reason : interrupted(reason, reader)
    )
    return makeResponse<QueryResult>({
      ...yield* normalize(data, payload),
      data,
      content: reader.content,
      rawResponse: reader.raw
    })
  })

  return yield* ServiceBackend.make({
    provider,
    name: options.model ?? "claude",
    fingerprint: yield* fingerprintOf(accountOf(environment, options.env), [options.executable ?? "claude", root]),
    request: Request.queryRequest(options.model),
    providerMetadata: sessions.kept,
    operation: { name: "invoke_agent", provider: "anthropic" },
    retry: options.retry ?? {},
    call: (payload) => Effect.provideContext(query(payload, () => Effect.void, false), platform),
    stream: (payload, emit) => Effect.provideContext(query(payload, emit, true), platform)
  })
})

/** Where Claude Code is logged in, and how it is configured. */
const accountOf = ({ variables }: Environment, own: QueryOptions["env"] = {}): string =>
  JSON.stringify(
    Object.entries(variables)
      .filter(([name]) => /^(ANTHROPIC|CLAUDE)_/.test(name) || Object.hasOwn(own, name))
      .map(([name, value]) => [name, Redacted.isRedacted(value) ? Redacted.value(value) : value])
  )

const fileNotWritten = (error: PlatformError.PlatformError) =>
  neverSent(new ProcessFailure({ description: `A temporary file could not be written: ${error.reason._tag}` }))

const lacksMessage = (result: Events.Result): boolean =>
  isUnfinished(result) || (!result.result && result.structured_output === undefined)

const structuredText = ({ structured_output, text }: Pick<QueryResult, "structured_output" | "text">): string =>
  structured_output === undefined ? text : JSON.stringify(structured_output)

interface Reading {
  readonly reader: Reader
  readonly emit: ServiceBackend.Emit
  readonly isStreamed: boolean
}

/** What the runs of one answer have in common. */
interface Ask extends Reading {
  readonly question: Question
  readonly cwd: string
  readonly additional: ReadonlyArray<string>
  readonly environment: Environment
  readonly jsonSchema: string | undefined
}

/**
 * Provides Claude Code as the program's `ServiceBackend`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQuery = (
  options?: QueryOptions
): Layer.Layer<ServiceBackend.ServiceBackend, Config.ConfigError | Cause.IllegalArgumentError, Platform> =>
  ServiceBackend.layer(makeQuery(options))

/**
 * Provides Claude Code as the program's `ServiceBackend`, of options that are read from the configuration.
 *
 * **Example** (The root from the environment)
 *
 * ```ts
 * import { Config } from "effect"
 * import { ClaudeCode } from "effect-imodel"
 *
 * const backend = ClaudeCode.layerQueryConfig({ root: Config.String("AGENT_ROOT"), timeout: Config.Duration("AGENT_TIMEOUT") })
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerQueryConfig = (
  options: Config.Wrap<QueryOptions>
): Layer.Layer<ServiceBackend.ServiceBackend, Config.ConfigError | Cause.IllegalArgumentError, Platform> =>
  ServiceBackend.layer(Effect.flatMap(Config.unwrap(options), makeQuery))
