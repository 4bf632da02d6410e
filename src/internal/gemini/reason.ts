/**
 * Why Gemini refused a call.
 *
 * Source: https://ai.google.dev/gemini-api/docs/troubleshooting, https://google.aip.dev/193, and for the details
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { reasonReader } from "../errors/providerError.ts"
import { ErrorBody } from "./answerSchema.ts"

/** The fields of use in a QuotaFailure or a BadRequest. */
const Detail = Schema.Struct({
  violations: Schema.optional(Schema.Array(Schema.Struct({ quotaId: Schema.optional(Schema.String) }))),
  fieldViolations: Schema.optional(Schema.Array(Schema.Struct({ field: Schema.optional(Schema.String) })))
})

const decodeBody = Schema.decodeUnknownOption(ErrorBody)
const decodeDetail = Schema.decodeUnknownOption(Detail)

const detailsOf = (body: unknown): ReadonlyArray<typeof Detail.Type> =>
  Option.match(decodeBody(body), {
    onNone: () => [],
    onSome: (body) => {
      const { details = [] } = "error" in body ? body.error : body[0].error
      return details.flatMap((detail) => Option.toArray(decodeDetail(detail)))
    }
  })

/**
 * The quota of a day. The delay that the provider asks for then is as short as for the quota of a minute
 * (https://github.com/google-gemini/gemini-cli/issues/8437).
 */
const codesOf = (body: unknown): ReadonlyArray<string> =>
  detailsOf(body).some(({ violations = [] }) => violations.some(({ quotaId = "" }) => /PerDay/i.test(quotaId)))
    ? ["quota_exceeded_per_day"]
    : []

/** The argument at fault, in the request's own spelling: the details and the messages have that of protocol buffers. */
const parameterOf = (message: string, body: unknown): string | undefined => {
  const [violation] = detailsOf(body).flatMap(({ fieldViolations = [] }) => fieldViolations)
  const field = violation?.field || /^\* \w{1,64}\.([\w.[\]]{1,256}):/.exec(message)?.[1]
  return field?.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()) ??
    (/^models\/\S{1,256} is not found/.test(message) ? "model" : undefined)
}

export const reasonOf = reasonReader({ codesOf, parameterOf })
