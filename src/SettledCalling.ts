/**
 * A schema that encodes settled callings as JSON and decodes them, for journals, queues and logs.
 *
 * @since 0.1.0
 */
import * as Response from "effect/ai/Response"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import { type Calling, type Execution, isCalling, makeResponse, type NormalizedResponse } from "./Calling.ts"
import { BackendError, BackendErrorReason, PermissionDenied, TimeoutError } from "./Errors.ts"
import { implOf, restored } from "./internal/calling/lifecycle.ts"
import { withUsage } from "./internal/effectAi/parts.ts"
import { isNoCredential, toJson, toJsonObject, withoutCredentials } from "./internal/util/json.ts"

// -----------------------------------------------------------------------------
// What is kept
// -----------------------------------------------------------------------------

const Json = Schema.Json.pipe(
  Schema.decodeTo(Schema.Unknown, {
    decode: SchemaGetter.passthroughSubtype(),
    encode: SchemaGetter.transform((value) => toJson(value) ?? null)
  })
)

/** Arguments and metadata. */
const Fields = Schema.JsonObject.pipe(
  Schema.decodeTo(Schema.Record(Schema.String, Schema.Unknown), {
    decode: SchemaGetter.passthroughSubtype(),
    encode: SchemaGetter.transform((fields) => toJsonObject(fields, isNoCredential))
  })
)

const Parts = Schema.Json.pipe(
  Schema.decodeTo(Schema.Array(Response.Part()), {
    decode: SchemaGetter.passthrough({ strict: false }),
    encode: SchemaGetter.transform((parts) => toJson(parts) ?? [])
  })
)

/** An error, without the headers of an exchange that it tells of, and what else names itself a secret. */
const errorOf = <S extends Schema.Constraint>(error: S) =>
  Schema.Json.pipe(
    Schema.decodeTo(Schema.toCodecJson(error), {
      decode: SchemaGetter.passthrough(),
      encode: SchemaGetter.transform(withoutCredentials)
    })
  )

const Usage = Schema.Struct(Response.Usage.fields)

const settled = { duration: Schema.optional(Schema.DurationFromMillis) }

const Answer = Schema.Struct({
  data: Json,
  content: Parts,
  text: Schema.String,
  value: Schema.optionalKey(Json),
  toolCalls: Schema.Array(Schema.Struct({ id: Schema.String, name: Schema.String, params: Json })),
  usage: Usage,
  finishReason: Response.FinishReason,
  metadata: Fields
})

const Kept = Schema.Struct({
  version: Schema.Literal(1),
  id: Schema.String,
  createdAt: Schema.DateTimeUtcFromString,
  metadata: Fields,
  payload: Fields,
  cost: Schema.Struct({ input: Schema.Finite, output: Schema.Finite }),
  attempts: Schema.Array(Schema.Struct({
    startedAt: Schema.DateTimeUtcFromString,
    duration: Schema.DurationFromMillis,
    outcome: Schema.Literals(["completed", "failed", "cancelled"]),
    model: Schema.optional(Schema.String),
    reason: Schema.optional(errorOf(BackendErrorReason)),
    usage: Schema.optional(Usage)
  })),
  execution: Schema.Union([
    Schema.Struct({
      status: Schema.Literal("completed"),
      duration: Schema.DurationFromMillis,
      response: Answer
    }),
    Schema.Struct({ status: Schema.Literal("failed"), ...settled, error: errorOf(BackendError) }),
    Schema.Struct({ status: Schema.Literal("cancelled"), ...settled, error: Schema.optional(errorOf(TimeoutError)) }),
    Schema.Struct({ status: Schema.Literal("aborted"), ...settled, error: errorOf(PermissionDenied) }),
    Schema.Struct({ status: Schema.Literal("skipped"), response: Answer })
  ])
})

type Kept = typeof Kept.Type

const keep = (calling: Calling): Effect.Effect<Kept, SchemaIssue.Issue> => {
  const { attempts, createdAt, execution, id, metadata, payload } = calling
  if (execution.status === "pending" || execution.status === "processing") {
    return Effect.fail(new SchemaIssue.InvalidValue({ message: `Expected a calling that has settled: ${id} has not` }))
  }
  const { tokens } = implOf(calling)
  return Effect.succeed({
    version: 1,
    id,
    createdAt,
    metadata,
    payload,
    cost: { input: tokens.input, output: tokens.output },
    attempts,
    execution: "response" in execution ? { ...execution, response: keepResponse(execution.response) } : execution
  })
}

const keepResponse = (
  { content, data, finishReason, metadata, text, toolCalls, usage, value }: NormalizedResponse
) => ({
  data,
  // JSON has no word for arguments that are not there.
  content: content.map((part) =>
    part.type === "tool-call" && part.params === undefined ? { ...part, params: null } : withUsage(part)
  ),
  text,
  ...(value !== undefined && { value }),
  toolCalls,
  usage,
  finishReason,
  metadata
})

const restore = (kept: Kept): Calling =>
  restored({
    id: kept.id,
    payload: kept.payload,
    tokens: kept.cost,
    createdAtMillis: DateTime.toEpochMillis(kept.createdAt),
    metadata: kept.metadata,
    execution: restoreExecution(kept.execution),
    attempts: kept.attempts.map(({ model, reason, usage, ...attempt }) => ({ ...attempt, model, reason, usage }))
  })

const restoreExecution = (execution: Kept["execution"]): Execution => {
  switch (execution.status) {
    case "completed":
      return { ...execution, response: makeResponse(execution.response) }
    case "failed":
    case "aborted":
      return { ...execution, duration: execution.duration }
    case "cancelled":
      return { ...execution, duration: execution.duration, error: execution.error }
    case "skipped":
      return { ...execution, duration: undefined, response: makeResponse(execution.response) }
  }
}

// -----------------------------------------------------------------------------
// The schema
// -----------------------------------------------------------------------------

/**
 * A settled calling as JSON. `version` is the version of the format; later versions of this library read earlier formats.
 *
 * @category models
 * @since 0.1.0
 */
export interface Encoded extends Readonly<(typeof Kept)["Encoded"]> {}

/**
 * The schema of settled callings. Encoding a calling that has not settled fails.
 *
 * **Details**
 *
 * A decoded calling is `Equal` to the original, has the same execution and attempts, and is not run again by `invoke`. Its
 * arguments and metadata are JSON: a `Prompt` is in its encoded form, a `Schema` is JSON schema, `value` is not decoded, and
 * `rawResponse` is `data`.
 *
 * HTTP headers are omitted, and so are fields of arguments, metadata and errors that are named like credentials (`authorization`,
 * `api_key`, `password` and so on).
 *
 * **Example** (A journal)
 *
 * ```ts
 * import { Effect, FileSystem, Schema } from "effect"
 * import { iModel, SettledCalling } from "effect-imodel"
 *
 * const Line = Schema.fromJsonString(SettledCalling.SettledCalling)
 *
 * const ask = Effect.fnUntraced(function*(prompt: string) {
 *   const fs = yield* FileSystem.FileSystem
 *   const calling = yield* iModel.invoke({ prompt })
 *   yield* fs.writeFileString("journal.ndjson", `${yield* Schema.encodeEffect(Line)(calling)}\n`, { flag: "a" })
 * })
 *
 * const answers = Effect.gen(function*() {
 *   const fs = yield* FileSystem.FileSystem
 *   const lines = (yield* fs.readFileString("journal.ndjson")).trimEnd().split("\n")
 *   const callings = yield* Effect.forEach(lines, (line) => Schema.decodeEffect(Line)(line))
 *   return yield* Effect.forEach(callings, (calling) => calling.response)
 * })
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const SettledCalling: Schema.Codec<Calling, Encoded> = Kept.pipe(
  Schema.decodeTo(Schema.declare(isCalling, { expected: "a calling" }), {
    decode: SchemaGetter.transform(restore),
    encode: SchemaGetter.transformEffect(keep)
  })
)
