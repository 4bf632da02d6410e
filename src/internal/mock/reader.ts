/** Reads a mock's answer, given in a provider's own type, as the backend of that provider reads its answers. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import type { LazyArg } from "effect/Function"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isNormalizedResponse, makeResponse, type NormalizedResponse } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import type { ResponseSchema } from "../http/decoder.ts"
import { describeIssue, invalidArgument } from "../util/schemaIssue.ts"

const TypeId = "~effect-imodel/internal/mock/Reader"

type Fields = Partial<Omit<NormalizedResponse, "data">>

/** What an answer to these arguments says, in the normal shape. */
export type Reader = (
  data: unknown,
  args: Readonly<Record<string, unknown>>
) => Effect.Effect<Fields, BackendErrorReason>

interface Readable {
  /** Made when it is first used: most backends stand for no mock. */
  readonly [TypeId]: LazyArg<Reader>
}

const isReadable = (u: unknown): u is Readable => Predicate.hasProperty(u, TypeId)

/** Makes a reader of the schemas of a backend, and of the function that normalizes its answers. */
export const make = <Request extends ResponseSchema, Answer extends Schema.Top>(
  request: Request,
  answer: Answer,
  normalize: (data: Answer["Type"], payload: Request["Type"]) => Effect.Effect<Fields, BackendErrorReason>
): Reader => {
  const decodeRequest = Schema.decodeUnknownResult(request, { onExcessProperty: "error" })
  const decodeAnswer = Schema.decodeUnknownResult(Schema.toType(answer))
  return (data, args) => {
    const payload = decodeRequest(args)
    if (Result.isFailure(payload)) return Effect.fail(invalidArgument(payload.failure, request))
    const decoded = decodeAnswer(data)
    if (Result.isSuccess(decoded)) return normalize(decoded.success, payload.success)
    const { message, path } = describeIssue(decoded.failure)
    return Effect.fail(new AiError.InvalidResponseError({ description: path === "" ? message : `${path}: ${message}` }))
  }
}

/** Adds the reader to an effect that makes a backend, for mocks that stand for that backend. */
export const attach = <A, E, R>(
  backend: Effect.Effect<A, E, R>,
  reader: LazyArg<Reader>
): Effect.Effect<A, E, R> => Object.assign(backend, { [TypeId]: reader })

/** Adds the reader to an answer, where no comparison or encoding sees it. */
export const mark = <Data extends object>(data: Data, reader: LazyArg<Reader>): Data =>
  Object.defineProperty(data, TypeId, { value: reader })

/** Reads an answer by its own reader, or that of the backend; without one it is bare data, or a response already. */
export const read = <Data>(
  data: Data | NormalizedResponse<Data>,
  args: Readonly<Record<string, unknown>>,
  backend: unknown
): Effect.Effect<Data | NormalizedResponse<Data>, BackendErrorReason> => {
  if (isNormalizedResponse(data)) return Effect.succeed(data)
  const readable = isReadable(data) ? data : backend
  return isReadable(readable)
    ? Effect.map(readable[TypeId]()(data, args), (fields) => makeResponse({ ...fields, data }))
    : Effect.succeed(data)
}
