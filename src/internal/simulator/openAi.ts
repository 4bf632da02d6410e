/** OpenAI, whatever the operation: https://platform.openai.com/docs/api-reference. */
import { formatReset, untilAvailable } from "./strictLimit.ts"
import { type Refusal, type Refused, type Vendor } from "./wire.ts"

const refusal = (status: number, message: string, fields: Readonly<Record<string, string>> = {}): Refused => ({
  status,
  body: { error: { message, type: "invalid_request_error", param: null, code: null, ...fields } }
})

// https://platform.openai.com/docs/guides/error-codes
export const refuse = (reason: Refusal): Refused => {
  switch (reason._tag) {
    case "NotFound":
      return refusal(404, `Invalid URL (${reason.method} ${reason.url})`)
    case "NoKey":
      return refusal(401, "You didn't provide an API key.", { code: "invalid_api_key" })
    case "Invalid": {
      const { message, path } = reason.issue
      return refusal(400, message, path === "" ? {} : { param: path })
    }
    case "RateLimited": {
      const { kind, message, waitMillis } = reason
      return {
        ...refusal(429, message, { type: kind, code: "rate_limit_exceeded" }),
        ...(waitMillis !== undefined && {
          headers: {
            "retry-after": String(Math.ceil(waitMillis / 1000)),
            "retry-after-ms": String(Math.ceil(waitMillis))
          }
        })
      }
    }
    case "ServerError":
      return refusal(500, "The server had an error while processing your request.", { type: "server_error" })
    case "Overloaded":
      return refusal(503, "The engine is currently overloaded, please try again later.", { type: "server_error" })
    case "ContextTooLong":
      return refusal(
        400,
        `This model's maximum context length is exceeded: your messages resulted in ${reason.tokens} tokens.`,
        { param: "messages", code: "context_length_exceeded" }
      )
    case "ContentPolicy":
      return refusal(400, "Your request was rejected as a result of our safety system.", {
        code: "content_policy_violation"
      })
  }
}

export const vendor: Vendor = {
  name: "openai",
  callPrefix: "call_",
  // Azure has the key in a header of its own.
  check: (headers) =>
    /^Bearer .+/.test(headers["authorization"] ?? "") || (headers["api-key"] ?? "") !== ""
      ? undefined
      : { _tag: "NoKey" },
  // https://platform.openai.com/docs/guides/rate-limits
  headers: ({ buckets, requestId }) => {
    const headers: Record<string, string> = { "x-request-id": requestId }
    for (const kind of ["requests", "tokens"] as const) {
      const bucket = buckets[kind]
      if (bucket === undefined) continue
      headers[`x-ratelimit-limit-${kind}`] = String(bucket.limit)
      headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(bucket.level)))
      headers[`x-ratelimit-reset-${kind}`] = formatReset(untilAvailable(bucket, bucket.limit))
    }
    return headers
  },
  refuse
}
