/** The errors of providers, gateways and local servers, from public reports, and the reasons that they are on every wire. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import { BackendError, type BackendErrorReason } from "../../src/Errors.ts"
import * as Anthropic from "../../src/internal/anthropic/reason.ts"
import * as Gemini from "../../src/internal/gemini/reason.ts"
import { failedAnswer } from "../../src/internal/http/failure.ts"
import * as OpenAi from "../../src/internal/openAi/reason.ts"
import { retrying } from "../../src/internal/errors/retry.ts"
import { requestedDelayOf } from "../../src/internal/errors/requestedDelay.ts"
import { makeScrub } from "../../src/internal/util/scrub.ts"

interface Report {
  readonly status: number
  readonly body: unknown
  readonly reason: BackendErrorReason["_tag"]
  /** A part of the provider's words. */
  readonly words?: string
  readonly contextWindow?: number
  readonly retryAfterSeconds?: number
}

const openAi = (message: string, fields: object = {}) => ({ error: { message, ...fields } })

const tooLong = (body: unknown, contextWindow?: number, status = 400): Report => ({
  status,
  body,
  reason: "ContextLengthExceeded",
  ...(contextWindow !== undefined && { contextWindow })
})

const reports: Readonly<Record<string, Report>> = {
  // Money
  "DeepSeek's 402": {
    status: 402,
    body: openAi("Insufficient Balance", { type: "unknown_error", code: "invalid_request_error" }),
    reason: "QuotaExhaustedError",
    words: "Insufficient Balance"
  },
  "OpenRouter's 402": {
    status: 402,
    body: openAi("This request requires more credits, or fewer max_tokens.", { code: 402 }),
    reason: "QuotaExhaustedError",
    words: "requires more credits"
  },
  "Anthropic's usage limits": {
    status: 400,
    body: {
      type: "error",
      error: { type: "invalid_request_error", message: "You have reached your specified API usage limits." }
    },
    reason: "QuotaExhaustedError",
    words: "API usage limits"
  },
  "OpenAI's quota": {
    status: 429,
    body: openAi("You exceeded your current quota.", { type: "insufficient_quota", code: "insufficient_quota" }),
    reason: "QuotaExhaustedError",
    words: "exceeded your current quota"
  },
  "Zhipu's balance": {
    status: 429,
    body: openAi("Insufficient balance or no resource package. Please recharge.", { code: "1113" }),
    reason: "QuotaExhaustedError"
  },
  "xAI's credits": {
    status: 403,
    body: { code: "forbidden", error: "Your team has either used all available credits or reached its limit." },
    reason: "QuotaExhaustedError",
    words: "used all available credits"
  },
  "OpenRouter's key limit": {
    status: 403,
    body: openAi("Key limit exceeded (total limit).", { code: 403 }),
    reason: "QuotaExhaustedError"
  },
  // Limits of rate
  "Groq's 413 for tokens a minute": {
    status: 413,
    body: openAi("Request too large for model on tokens per minute (TPM): Limit 8000, Requested 42084.", {
      type: "tokens",
      code: "rate_limit_exceeded"
    }),
    reason: "RateLimitError",
    words: "tokens per minute"
  },
  "the same without a code": {
    status: 413,
    body: openAi("Request too large on tokens per minute (TPM): Limit 8000, please reduce your message size"),
    reason: "RateLimitError"
  },
  "Groq's tokens a day": {
    status: 429,
    body: openAi("Rate limit reached on tokens per day (TPD). Please try again in 12m28.224s.", { code: "x" }),
    reason: "RateLimitError",
    retryAfterSeconds: 748.224
  },
  "Azure's delay in words": {
    status: 429,
    body: openAi("Please retry after 26 seconds. To increase your default rate limit, visit the portal."),
    reason: "RateLimitError",
    retryAfterSeconds: 26
  },
  "LiteLLM's 429 on Anthropic's wire": {
    status: 429,
    body: openAi("{\"message\":\"Too many tokens, please wait before trying again.\"}", {
      type: "None",
      param: "None",
      code: "429"
    }),
    reason: "RateLimitError",
    words: "Too many tokens"
  },
  "an unknown type beside 529": {
    status: 529,
    body: { type: "error", error: { type: "None", message: "busy" } },
    reason: "InternalProviderError",
    words: "busy"
  },
  "an unknown type beside 401": {
    status: 401,
    body: { type: "error", error: { type: "new_error", message: "no key" } },
    reason: "AuthenticationError",
    words: "no key"
  },
  "OpenRouter's day, with its end": {
    status: 429,
    body: openAi("Rate limit exceeded: free-models-per-day.", {
      code: 429,
      metadata: { headers: { "X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "36000" } }
    }),
    reason: "RateLimitError",
    words: "free-models-per-day",
    retryAfterSeconds: 36_000
  },
  "OpenRouter's day, without its end": {
    status: 429,
    body: openAi("Rate limit exceeded: free-models-per-day.", { code: 429 }),
    reason: "QuotaExhaustedError"
  },
  "OpenRouter's upstream, in its own words": {
    status: 429,
    body: openAi("Provider returned error", {
      code: 429,
      metadata: { raw: "qwen:free is temporarily rate-limited upstream", headers: { "Retry-After": "30" } }
    }),
    reason: "RateLimitError",
    words: "temporarily rate-limited upstream",
    retryAfterSeconds: 30
  },
  "a 403 that is a limit": { status: 403, body: openAi("Rate limit exceeded"), reason: "RateLimitError" },
  // Requests that are too long
  "OpenAI's code alone": tooLong(openAi("Please shorten it.", { code: "context_length_exceeded" })),
  "OpenAI's Responses": tooLong(openAi("Your input exceeds the context window of this model.")),
  vLLM: tooLong(
    openAi("This model's maximum context length is 262144 tokens. However, you requested 0 output tokens", {
      type: "BadRequestError",
      param: "input_tokens",
      code: 400
    }),
    262_144
  ),
  "vLLM, flat": tooLong({
    object: "error",
    message: "The prompt (total length 5000) is longer than the maximum model length of 4096.",
    code: 400
  }, 4096),
  "llama.cpp": tooLong(
    openAi("request (4267 tokens) exceeds the available context size (4096 tokens), try increasing it", {
      type: "exceed_context_size_error",
      n_prompt_tokens: 4267,
      n_ctx: 4096
    }),
    4096
  ),
  "llama.cpp, short": tooLong(openAi("Context size has been exceeded.")),
  "llama.cpp, as a failure of the server": tooLong(
    openAi("the request exceeds the available context size. try increasing the context size"),
    undefined,
    500
  ),
  "LM Studio": tooLong(
    {
      error: "Trying to keep the first 15857 tokens when context the overflows. However, the model is loaded with " +
        "context length of only 4096 tokens, which is not enough."
    },
    4096
  ),
  "LM Studio, newer": tooLong({
    error: "The number of tokens to keep from the initial prompt is greater than the context length."
  }),
  "LM Studio in a 200": tooLong({ error: { message: "Context size has been exceeded." } }, undefined, 200),
  xAI: tooLong(
    {
      code: "Client specified an invalid argument",
      error: "This model's maximum prompt length is 131072 but the request contains 537812 tokens."
    },
    131_072
  ),
  Ollama: tooLong({ error: "prompt too long; exceeded max context length by 12 tokens" }),
  "Ollama's embeddings": tooLong({ error: "the input length exceeds the context length" }),
  Mistral: tooLong(
    { object: "error", message: "Prompt contains 40000 tokens, too large for model with 32768 maximum context length" },
    32_768
  ),
  Groq: tooLong(openAi("Please reduce the length of the messages or completion.")),
  Cerebras: tooLong(
    openAi("Please reduce the length of the messages or completion. Current length is 9064 while limit is 8192"),
    8192
  ),
  Moonshot: tooLong(openAi("Invalid request: Your request exceeded model token limit: 8192 (requested: 9000)"), 8192),
  MiniMax: tooLong(openAi("invalid params, context window exceeds limit")),
  Bedrock: tooLong(openAi("Input is too long for requested model.")),
  Copilot: tooLong(
    openAi("prompt token count of 207087 exceeds the limit of 168000", { code: "model_max_prompt_tokens_exceeded" }),
    168_000
  ),
  Together: tooLong(openAi("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 8193."), 8193),
  Anthropic: tooLong(
    {
      type: "error",
      error: { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" }
    },
    200_000
  ),
  Gemini: tooLong(
    [{ error: { code: 400, message: "The input token count exceeds the maximum number of tokens allowed 1048576." } }],
    1_048_576
  ),
  "OpenRouter's upstream": tooLong(
    openAi("Provider returned error", {
      code: 400,
      metadata: { raw: "{\"message\":\"This endpoint's maximum context length is 65536 tokens.\"}" }
    }),
    65_536
  ),
  // Policies
  DeepSeek: { status: 400, body: openAi("Content Exists Risk"), reason: "ContentPolicyError" },
  Azure: {
    status: 400,
    body: openAi("The response was filtered due to Azure OpenAI's content management policy."),
    reason: "ContentPolicyError"
  },
  OpenRouter: {
    status: 403,
    body: openAi("Your chosen model requires moderation and your input was flagged for \"x\"."),
    reason: "ContentPolicyError"
  },
  // Other shapes
  "FastAPI's issues": {
    status: 422,
    body: { detail: [{ loc: ["body", "messages"], msg: "field required" }] },
    reason: "InvalidRequestError",
    words: "field required"
  },
  "an error of another wire": {
    status: 400,
    body: [{ error: { code: 400, message: "Missing a thought_signature.", status: "INVALID_ARGUMENT" } }],
    reason: "InvalidRequestError",
    words: "Missing a thought_signature"
  },
  // Errors within a 200
  "a number for a code": { status: 200, body: openAi("slow", { code: 429 }), reason: "RateLimitError" },
  "a text for a code": { status: 200, body: openAi("slow", { code: "429" }), reason: "RateLimitError" },
  "a status of gRPC": { status: 200, body: openAi("no", { status: "UNAVAILABLE" }), reason: "InternalProviderError" },
  "nothing but words": { status: 200, body: { error: "Upstream failed" }, reason: "InternalProviderError" },
  "a number that refuses": { status: 200, body: openAi("no", { code: 401 }), reason: "AuthenticationError" }
}

const request = HttpClientRequest.post("https://provider.example/v1/chat")
const key = "sk-0123456789abcdef"

const reasonOf = (wire: typeof OpenAi.reasonOf, status: number, body: unknown) =>
  Effect.map(
    failedAnswer(
      HttpClientResponse.fromWeb(request, new Response(null, { status })),
      typeof body === "string" ? body : JSON.stringify(body),
      makeScrub([key])
    ),
    wire
  )

describe.each([["openai", OpenAi.reasonOf], ["anthropic", Anthropic.reasonOf], ["gemini", Gemini.reasonOf]] as const)(
  "an error on the wire of %s",
  (_, wire) => {
    it.effect.each(Object.entries(reports))("has its meaning: %s", ([, report]) =>
      Effect.gen(function*() {
        const reason = yield* reasonOf(wire, report.status, report.body)
        assert.strictEqual(reason._tag, report.reason)
        const { message } = new BackendError({ reason, callingId: "1" })
        if (report.words !== undefined) assert.include(message, report.words)
        if (reason._tag === "ContextLengthExceeded") assert.strictEqual(reason.contextWindow, report.contextWindow)
        const retryAfter = requestedDelayOf(reason)
        assert.strictEqual(retryAfter && Duration.toSeconds(retryAfter), report.retryAfterSeconds)
      }))

    it.effect.each([520, 521, 522, 523, 524, 527, 530])(
      "is retried for %d, which Cloudflare sends",
      (status) =>
        Effect.gen(function*() {
          const reason = yield* reasonOf(wire, status, "<html>")
          assert.isDefined(retrying({})(reason, 1, 0.5))
        })
    )

    it.effect.each([402, 403, 413, 429, 500])("never shows a credential: %d", (status) =>
      Effect.gen(function*() {
        const body = openAi(`${key} is wrong`, { code: "insufficient_quota", metadata: { raw: `so is ${key}` } })
        const error = new BackendError({ reason: yield* reasonOf(wire, status, body), callingId: "1" })
        assert.notInclude(JSON.stringify(error) + error.message, key)
        assert.include(error.message, "is wrong")
      }))

    it.effect("takes numbers of 400 digits for numbers that are not known", () =>
      Effect.gen(function*() {
        const digits = "9".repeat(400)
        const message = `maximum context length is ${digits} tokens, try again in ${digits}s`
        for (const field of ["n_ctx", "code", "status", "param"]) {
          const text = `{"error":{"message":${JSON.stringify(message)},"${field}":${digits},"details":[${digits}]}}`
          const response = HttpClientResponse.fromWeb(
            HttpClientRequest.post("https://a.example"),
            new Response(text, { status: 400, headers: { "retry-after": digits } })
          )
          const answer = yield* failedAnswer(response, text, makeScrub([]))
          assert.isUndefined(answer.retryAfter)
          const reason = wire(answer)
          assert.strictEqual(reason._tag, "ContextLengthExceeded")
          if (reason._tag === "ContextLengthExceeded") {
            assert.isTrue(reason.contextWindow === undefined || Number.isSafeInteger(reason.contextWindow))
          }
        }
      }))

    it.effect("cuts a long message before it is searched", () =>
      Effect.gen(function*() {
        const long = openAi("token count ".repeat(200_000), { type: "input ".repeat(100_000) })
        const reason = yield* reasonOf(wire, 400, long)
        assert.strictEqual(reason._tag, "InvalidRequestError")
        assert.isBelow(reason.message.length, 3_000)
      }))
  }
)
