import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Cause, ConfigProvider, Duration, Effect, Exit, Fiber, Latch, type Layer, Redacted } from "effect"
import { Prompt } from "effect/ai"
import { FetchHttpClient, HttpClient } from "effect/http"
import { type BackendError, iModel, OpenAi } from "effect-imodel"
import { TestClock } from "effect/testing"
import { inspect } from "node:util"
import { type Answer, nobody, type Seen, serve } from "./support/server.ts"

const canary = "sk-canary-0123456789"
const apiKey = Redacted.make(canary)

// -----------------------------------------------------------------------------
// What the provider answers
// -----------------------------------------------------------------------------

const completion = {
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "gpt-4o-mini-2024-07-18",
  service_tier: "default",
  system_fingerprint: null,
  choices: [{
    index: 0,
    finish_reason: "stop",
    logprobs: null,
    message: { role: "assistant", content: "Blue.", refusal: null, annotations: [] }
  }],
  usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 }
}

const completionOf = (choice: object, fields: object = {}) => ({
  ...completion,
  ...fields,
  choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "Blue." }, ...choice }]
})

const toolCall = (id: string, args: string) => ({ id, type: "function", function: { name: "paint", arguments: args } })

const refusal = (status: number, error: object, headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { "x-request-id": "req_refused", ...headers },
  body: { error: { type: "invalid_request_error", param: null, code: null, ...error } }
})

const rateLimited = (headers?: Record<string, string>) =>
  refusal(429, {
    message: "Rate limit reached for gpt-4o-mini on requests per min.",
    type: "requests",
    code: "rate_limit_exceeded"
  }, headers)

// -----------------------------------------------------------------------------
// What is set up
// -----------------------------------------------------------------------------

const modelAt = (baseUrl: string) =>
  Effect.flatMap(
    OpenAi.makeChat({ model: "gpt-4o-mini", apiKey, baseUrl, retry: { times: 0 } }),
    (backend) => iModel.make(backend)
  )

const setup = Effect.fnUntraced(function*(answer: Answer | ((seen: Seen) => Effect.Effect<Answer>)) {
  const server = yield* serve(answer)
  return { server, model: yield* modelAt(`${server.url}/v1`) }
})

const respondTo = Effect.fnUntraced(function*(body: unknown, headers: Record<string, string> = {}) {
  const { model } = yield* setup({ body, headers })
  return yield* model.respond({ prompt: "Name a colour." })
})

/** What a server is sent for these arguments. */
const bodyOf = Effect.fnUntraced(function*(args: OpenAi.ChatRequest) {
  const { model, server } = yield* setup({ body: completion })
  yield* model.respond(args)
  return (yield* server.arrival).body
})

const messagesOf = Effect.fnUntraced(function*(prompt: Prompt.RawInput) {
  const body = yield* bodyOf({ prompt })
  return body !== null && typeof body === "object" && "messages" in body ? body.messages : undefined
})

/** How a call fails that is answered so, and how often it has asked. */
const failureOf = Effect.fnUntraced(function*(answer: Answer | ((seen: Seen) => Effect.Effect<Answer>)) {
  const { model, server } = yield* setup(answer)
  const calling = yield* model.invoke({ prompt: "Name a colour." })
  const error = yield* Effect.flip(calling.response)
  return { calling, error, requests: (yield* server.seen).length }
})

const retryAfterMillis = (error: BackendError) => error.retryAfter && Duration.toMillis(error.retryAfter)

const parameterOf = ({ reason }: BackendError) =>
  reason._tag === "InvalidRequestError" ? reason.parameter : `not of an argument: ${reason._tag}`

/** Fails when the effect takes longer than two seconds of real time, which nothing on loopback does. */
const promptly = <A, E, R>(effect: Effect.Effect<A, E, R>) => TestClock.withLive(Effect.timeout(effect, "2 seconds"))

const config = (env: Record<string, string>) => Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env })))

const suite = (name: string, client: Layer.Layer<HttpClient.HttpClient>) =>
  layer(client)(name, (it) => {
    describe("the request", () => {
      it.effect("goes to /chat/completions under the base address, with the key as a bearer token", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: completion })
          yield* model.respond({ prompt: "Name a colour." })
          const { headers, method, path } = yield* server.arrival
          assert.strictEqual(`${method} ${path}`, "POST /v1/chat/completions")
          assert.strictEqual(headers["authorization"], `Bearer ${canary}`)
          assert.strictEqual(headers["content-type"], "application/json")
          assert.strictEqual(headers["accept"], "application/json")
        }))

      it.effect("carries every argument as it was given, and nothing else but the model", () =>
        Effect.gen(function*() {
          const args = {
            messages: [
              { role: "developer", content: "Be brief." },
              { role: "user", content: [{ type: "text", text: "Name a colour." }], name: "ada" }
            ],
            frequency_penalty: -2,
            logit_bias: { "50256": -100 },
            logprobs: true,
            max_completion_tokens: 16,
            metadata: { job: "colours" },
            n: 2,
            parallel_tool_calls: false,
            presence_penalty: 2,
            reasoning_effort: "low",
            response_format: { type: "json_schema", json_schema: { name: "colour", schema: { type: "object" } } },
            seed: 7,
            service_tier: "flex",
            stop: ["\n"],
            store: null,
            temperature: 0,
            tool_choice: { type: "function", function: { name: "paint" } },
            tools: [{ type: "function", function: { name: "paint", parameters: { type: "object" }, strict: true } }],
            top_logprobs: 20,
            top_p: 1,
            user: "u-1",
            verbosity: "low"
          } satisfies OpenAi.ChatRequest
          assert.deepStrictEqual<unknown>(yield* bodyOf(args), { ...args, model: "gpt-4o-mini" })
        }))

      it.effect("asks for another model when the call names one", () =>
        Effect.gen(function*() {
          const body = yield* bodyOf({ prompt: "hi", model: "gpt-4o" })
          assert.deepStrictEqual(body, { model: "gpt-4o", messages: [{ role: "user", content: "hi" }] })
        }))

      it.effect("sends a text prompt as one message of the user", () =>
        Effect.gen(function*() {
          const body = yield* bodyOf({ prompt: "Name a colour." })
          assert.deepStrictEqual(body, {
            model: "gpt-4o-mini",
            messages: [{ role: "user", content: "Name a colour." }]
          })
        }))

      it.effect("sends a prompt of effect/ai with its images, tool calls and tool results", () =>
        Effect.gen(function*() {
          const prompt = Prompt.make([
            { role: "system", content: "You see." },
            {
              role: "user",
              content: [
                { type: "text", text: "What are these?" },
                { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) },
                { type: "file", mediaType: "image/jpeg", data: new URL("https://images.example.com/a.jpg") },
                { type: "file", mediaType: "image/gif", data: "R0lG" }
              ]
            },
            {
              role: "assistant",
              content: [
                { type: "text", text: "Let me " },
                { type: "text", text: "look." },
                { type: "tool-call", id: "call_1", name: "look", params: { zoom: 2 } }
              ]
            },
            {
              role: "tool",
              content: [
                { type: "tool-result", id: "call_1", name: "look", isFailure: false, result: { seen: "a cat" } },
                { type: "tool-result", id: "call_2", name: "look", isFailure: false, result: "a dog" }
              ]
            },
            { role: "user", content: "And now?" }
          ])
          assert.deepStrictEqual(yield* messagesOf(prompt), [
            { role: "system", content: "You see." },
            {
              role: "user",
              content: [
                { type: "text", text: "What are these?" },
                { type: "image_url", image_url: { url: "data:image/png;base64,AQID" } },
                { type: "image_url", image_url: { url: "https://images.example.com/a.jpg" } },
                { type: "image_url", image_url: { url: "data:image/gif;base64,R0lG" } }
              ]
            },
            {
              role: "assistant",
              content: "Let me look.",
              tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: "{\"zoom\":2}" } }]
            },
            { role: "tool", tool_call_id: "call_1", content: "{\"seen\":\"a cat\"}" },
            { role: "tool", tool_call_id: "call_2", content: "a dog" },
            { role: "user", content: "And now?" }
          ])
        }))

      it.effect("sends what a tool has for the model in place of its result", () =>
        Effect.gen(function*() {
          const messages = yield* messagesOf([{
            role: "tool",
            content: [{
              type: "tool-result",
              id: "call_1",
              name: "look",
              isFailure: false,
              result: { pixels: [1, 2, 3] },
              modelOutput: [{ type: "text", text: "a cat" }]
            }]
          }])
          assert.deepStrictEqual(messages, [{ role: "tool", tool_call_id: "call_1", content: "a cat" }])
        }))

      it.effect("sends what an image has for the wire in its options", () =>
        Effect.gen(function*() {
          const data = new URL("https://example.com/a.png")
          const options = { openai: { detail: "low" }, anthropic: { cacheControl: { type: "ephemeral" } } }
          const messages = yield* messagesOf([{
            role: "user",
            content: [{ type: "file", mediaType: "image/png", data, options }]
          }])
          const image_url = { url: "https://example.com/a.png", detail: "low" }
          assert.deepStrictEqual(messages, [{ role: "user", content: [{ type: "image_url", image_url }] }])
        }))

      it.effect("sends a tool result that is nothing with a content, which the wire requires", () =>
        Effect.gen(function*() {
          const messages = yield* messagesOf([{
            role: "tool",
            content: [{ type: "tool-result", id: "call_1", name: "paint", isFailure: false, result: undefined }]
          }])
          assert.isArray(messages)
          assert.nestedProperty(messages, "[0].content")
        }))

      it.effect("sends audio and documents of a prompt", () =>
        Effect.gen(function*() {
          const messages = yield* messagesOf([{
            role: "user",
            content: [
              { type: "file", mediaType: "audio/mpeg", data: new Uint8Array([1, 2, 3]) },
              { type: "file", mediaType: "audio/wav", data: "data:audio/wav;base64,AQID" },
              { type: "file", mediaType: "audio/wav", data: new URL("data:audio/wav;base64,AQID") },
              { type: "file", mediaType: "application/pdf", data: "JVBERg==", fileName: "a.pdf" }
            ]
          }])
          assert.deepStrictEqual(messages, [{
            role: "user",
            content: [
              { type: "input_audio", input_audio: { data: "AQID", format: "mp3" } },
              { type: "input_audio", input_audio: { data: "AQID", format: "wav" } },
              { type: "input_audio", input_audio: { data: "AQID", format: "wav" } },
              { type: "file", file: { filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERg==" } }
            ]
          }])
        }))

      it.effect.each(["reasoning", "reasoning_content"])(
        "sends back the thoughts of an answer as they came: %s",
        (field) =>
          Effect.gen(function*() {
            const message = { role: "assistant", content: null, [field]: "Hm.", tool_calls: [toolCall("call_1", "{}")] }
            const { content } = yield* respondTo(completionOf({ message, finish_reason: "tool_calls" }))
            assert.deepStrictEqual(yield* messagesOf(Prompt.fromResponseParts(content)), [message])
          })
      )

      it.effect("sends thoughts of messages in the wire's own words", () =>
        Effect.gen(function*() {
          const messages = [{ role: "assistant", content: "Blue.", reasoning_content: "Hm." }] as const
          assert.deepStrictEqual(yield* bodyOf({ messages }), { model: "gpt-4o-mini", messages })
        }))

      it.effect("sends an assistant message that only calls tools without a content", () =>
        Effect.gen(function*() {
          const messages = yield* messagesOf([{
            role: "assistant",
            content: [{ type: "tool-call", id: "call_1", name: "look", params: {} }]
          }])
          assert.deepStrictEqual(messages, [{
            role: "assistant",
            content: null,
            tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: "{}" } }]
          }])
        }))
    })

    describe("the response", () => {
      it.effect("has the text, the finish reason, the usage, the model that answered and the request's id", () =>
        Effect.gen(function*() {
          const response = yield* respondTo(completion, { "x-request-id": "req_1" })
          assert.strictEqual(response.status, "success")
          assert.strictEqual(response.text, "Blue.")
          assert.deepStrictEqual(response.toolCalls, [])
          assert.strictEqual(response.finishReason, "stop")
          assert.deepStrictEqual(response.usage, { inputTokens: { total: 9 }, outputTokens: { total: 2 } })
          assert.deepStrictEqual(response.metadata, {
            model: "gpt-4o-mini-2024-07-18",
            requestId: "req_1",
            attempts: 1
          })
          assert.strictEqual(response.data.choices[0]?.message.content, "Blue.")
        }))

      it.effect("keeps fields that no schema knows in rawResponse, and drops them from data", () =>
        Effect.gen(function*() {
          const body = { ...completionOf({ vendor_choice: 1 }), vendor: { region: "eu" } }
          const response = yield* respondTo(body)
          assert.deepStrictEqual(response.rawResponse, body)
          assert.notProperty(response.data, "vendor")
          assert.notProperty(response.data.choices[0], "vendor_choice")
          assert.strictEqual(response.data.id, "chatcmpl-1")
        }))

      it.effect("has tool calls with parsed params, and as text what is not JSON", () =>
        Effect.gen(function*() {
          const response = yield* respondTo(completionOf({
            finish_reason: "tool_calls",
            message: {
              role: "assistant",
              content: null,
              tool_calls: [
                toolCall("call_1", "{\"colour\":\"blue\",\"coats\":[1,2]}"),
                toolCall("call_2", "{\"colour\":")
              ]
            }
          }))
          assert.strictEqual(response.text, "")
          assert.strictEqual(response.finishReason, "tool-calls")
          assert.deepStrictEqual(response.toolCalls, [
            { id: "call_1", name: "paint", params: { colour: "blue", coats: [1, 2] } },
            { id: "call_2", name: "paint", params: "{\"colour\":" }
          ])
        }))

      it.effect("counts cached tokens within the prompt's, and reasoning tokens within the output's", () =>
        Effect.gen(function*() {
          const response = yield* respondTo({
            ...completion,
            usage: {
              prompt_tokens: 100,
              completion_tokens: 50,
              total_tokens: 150,
              prompt_tokens_details: { cached_tokens: 64, audio_tokens: 0 },
              completion_tokens_details: { reasoning_tokens: 30, accepted_prediction_tokens: 0 }
            }
          })
          assert.deepStrictEqual(response.usage, {
            inputTokens: { total: 100, cacheRead: 64, uncached: 36 },
            outputTokens: { total: 50, reasoning: 30, text: 20 }
          })
        }))

      it.effect.each([
        { name: "is absent", fields: { usage: undefined } },
        { name: "is null", fields: { usage: null } }
      ])("has no numbers of usage that the provider does not report: usage $name", ({ fields }) =>
        Effect.gen(function*() {
          const { usage } = yield* respondTo({ ...completion, ...fields })
          assert.deepStrictEqual(usage, { inputTokens: {}, outputTokens: {} })
        }))

      it.effect.each([
        { name: "are null", details: { prompt_tokens_details: null, completion_tokens_details: null } },
        {
          name: "have no numbers",
          details: { prompt_tokens_details: { cached_tokens: null }, completion_tokens_details: {} }
        }
      ])("has totals alone when the details of usage $name", ({ details }) =>
        Effect.gen(function*() {
          const { usage } = yield* respondTo({ ...completion, usage: { ...completion.usage, ...details } })
          assert.deepStrictEqual(usage, { inputTokens: { total: 9 }, outputTokens: { total: 2 } })
        }))

      it.effect.each([
        { wire: "stop", expected: "stop" },
        { wire: "length", expected: "length" },
        { wire: "content_filter", expected: "content-filter" },
        { wire: "tool_calls", expected: "tool-calls" },
        { wire: "function_call", expected: "tool-calls" },
        { wire: "a_reason_of_tomorrow", expected: "other" },
        { wire: "constructor", expected: "other" },
        { wire: null, expected: "unknown" },
        { wire: undefined, expected: "unknown" }
      ])("says $expected for the finish reason $wire", ({ expected, wire }) =>
        Effect.gen(function*() {
          const { finishReason } = yield* respondTo(completionOf({ finish_reason: wire }))
          assert.strictEqual(finishReason, expected)
        }))

      it.effect("is empty when there is no choice", () =>
        Effect.gen(function*() {
          const { finishReason, text, toolCalls } = yield* respondTo({ ...completion, choices: [] })
          assert.deepStrictEqual({ finishReason, text, toolCalls }, {
            finishReason: "unknown",
            text: "",
            toolCalls: []
          })
        }))

      it.effect("settles the calling, which the arguments and the answer can be read from", () =>
        Effect.gen(function*() {
          const { model } = yield* setup({ body: completion })
          const calling = yield* model.invoke({ prompt: "Name a colour." })
          assert.strictEqual(calling.execution.status, "completed")
          assert.deepStrictEqual(calling.payload, { model: "gpt-4o-mini", prompt: "Name a colour." })
          assert.strictEqual((yield* calling.response).text, "Blue.")
        }))
    })

    describe("a failure", () => {
      interface Case {
        readonly name: string
        readonly answer: Answer
        readonly reason: BackendError["reason"]["_tag"]
        readonly isRetryable: boolean
        /** What the message must tell. */
        readonly tells: string
      }

      const cases: ReadonlyArray<Case> = [
        {
          name: "401",
          answer: refusal(401, { message: "Incorrect API key provided: sk-***.", code: "invalid_api_key" }),
          reason: "AuthenticationError",
          isRetryable: false,
          tells: "Incorrect API key provided: sk-***."
        },
        {
          name: "403",
          answer: refusal(403, { message: "Country not supported.", type: "request_forbidden" }),
          reason: "AuthenticationError",
          isRetryable: false,
          tells: "Country not supported."
        },
        {
          name: "404",
          answer: refusal(404, { message: "The model `gpt-9` does not exist.", code: "model_not_found" }),
          reason: "InvalidRequestError",
          isRetryable: false,
          tells: "The model `gpt-9` does not exist."
        },
        {
          name: "404 of a wrong address, as a page",
          answer: { status: 404, body: "<h1>Not Found</h1>", headers: { "content-type": "text/html" } },
          reason: "InvalidRequestError",
          isRetryable: false,
          tells: "<h1>Not Found</h1>"
        },
        {
          name: "400",
          answer: refusal(400, { message: "Invalid value for 'stop'.", param: "stop", code: "invalid_value" }),
          reason: "InvalidRequestError",
          isRetryable: false,
          tells: "parameter 'stop'. Invalid value for 'stop'."
        },
        {
          name: "400 context_length_exceeded",
          answer: refusal(400, {
            message: "This model's maximum context length is 128000 tokens.",
            param: "messages",
            code: "context_length_exceeded"
          }),
          reason: "ContextLengthExceeded",
          isRetryable: false,
          tells: "128000 tokens"
        },
        {
          name: "400 content_policy_violation",
          answer: refusal(400, { message: "Rejected by the safety system.", code: "content_policy_violation" }),
          reason: "ContentPolicyError",
          isRetryable: false,
          tells: "Rejected by the safety system."
        },
        {
          name: "413",
          answer: { status: 413, body: "Request Entity Too Large", headers: { "content-type": "text/plain" } },
          reason: "InvalidRequestError",
          isRetryable: false,
          tells: "Request Entity Too Large"
        },
        {
          name: "422",
          answer: refusal(422, { message: "Unprocessable: tools[0]." }),
          reason: "InvalidRequestError",
          isRetryable: false,
          tells: "Unprocessable: tools[0]."
        },
        {
          name: "429",
          answer: rateLimited(),
          reason: "RateLimitError",
          isRetryable: true,
          tells: "Rate limit exceeded"
        },
        {
          name: "429 insufficient_quota",
          answer: refusal(429, {
            message: "You exceeded your current quota.",
            type: "insufficient_quota",
            code: "insufficient_quota"
          }, { "retry-after": "1" }),
          reason: "QuotaExhaustedError",
          isRetryable: false,
          tells: "billing"
        },
        {
          name: "500",
          answer: refusal(500, { message: "The server had an error.", type: "server_error" }),
          reason: "InternalProviderError",
          isRetryable: true,
          tells: "The server had an error."
        },
        {
          name: "503 with a page of a proxy",
          answer: { status: 503, body: "upstream connect error", headers: { "content-type": "text/plain" } },
          reason: "InternalProviderError",
          isRetryable: true,
          tells: "upstream connect error"
        },
        {
          name: "502 without a body",
          answer: { status: 502 },
          reason: "InternalProviderError",
          isRetryable: true,
          tells: "HTTP 502"
        },
        {
          name: "reset before the answer",
          answer: { end: "reset" },
          reason: "NetworkError",
          isRetryable: true,
          tells: "no answer: connection reset (ECONNRESET)"
        },
        {
          name: "closed before the answer",
          answer: { end: "close" },
          reason: "NetworkError",
          isRetryable: true,
          tells: "no answer: connection closed"
        },
        {
          name: "a body that is cut in the middle",
          answer: { body: completion, end: "cut" },
          reason: "StreamInterrupted",
          isRetryable: false,
          tells: "The answer broke off"
        },
        {
          name: "a refusal that is cut in the middle",
          answer: { ...rateLimited(), end: "cut" },
          reason: "RateLimitError",
          isRetryable: true,
          tells: "Rate limit exceeded"
        },
        {
          name: "a body that is not JSON",
          answer: { body: "<html>Welcome to the hotel</html>", headers: { "content-type": "text/html" } },
          reason: "InvalidResponseError",
          isRetryable: false,
          tells: "the body is not JSON: <html>Welcome to the hotel</html>"
        },
        {
          name: "JSON of another shape",
          answer: { body: { ...completion, choices: "none" } },
          reason: "InvalidResponseError",
          isRetryable: false,
          tells: "choices: Expected array"
        },
        {
          name: "JSON of another shape deep inside",
          answer: { body: completionOf({ message: { role: "assistant", content: 3 } }) },
          reason: "InvalidResponseError",
          isRetryable: false,
          tells: "choices[0].message.content: Expected string"
        }
      ]

      it.effect.each(cases)(
        "is typed, tells why, and is asked for once: $name",
        ({ answer, isRetryable, reason, tells }) =>
          Effect.gen(function*() {
            const { calling, error, requests } = yield* failureOf(answer)
            assert.strictEqual(error._tag, "BackendError")
            assert.strictEqual(error.reason._tag, reason)
            assert.strictEqual(error.isRetryable, isRetryable)
            assert.include(error.message, tells)
            assert.strictEqual(retryAfterMillis(error), undefined)
            assert.strictEqual(error.callingId, calling.id)
            assert.strictEqual(calling.execution.status, "failed")
            assert.strictEqual(requests, 1)
          })
      )

      it.effect("is typed when nobody listens at the address", () =>
        Effect.gen(function*() {
          const url = yield* nobody
          const model = yield* modelAt(url)
          const error = yield* Effect.flip((yield* model.invoke({ prompt: "hi" })).response)
          if (error.reason._tag !== "NetworkError") {
            return assert.fail(error.reason._tag)
          }
          assert.strictEqual(error.reason.method, "POST")
          assert.strictEqual(error.reason.url, `${url}/chat/completions`)
          assert.include(error.message, "no answer: connection refused (ECONNREFUSED)")
          assert.isTrue(error.isRetryable)
        }))

      it.effect("tells a wrong key from a lack of permission", () =>
        Effect.gen(function*() {
          const kindOf = Effect.fnUntraced(function*(status: number) {
            const { error } = yield* failureOf(refusal(status, { message: "No." }))
            return error.reason._tag === "AuthenticationError" ? error.reason.kind : undefined
          })
          assert.strictEqual(yield* kindOf(401), "InvalidKey")
          assert.strictEqual(yield* kindOf(403), "InsufficientPermissions")
        }))

      it.effect("names the parameter that the provider refuses", () =>
        Effect.gen(function*() {
          const wrong = yield* failureOf(refusal(400, { message: "Invalid.", param: "messages[1].content" }))
          assert.strictEqual(parameterOf(wrong.error), "messages[1].content")
          const unknownModel = yield* failureOf(refusal(404, { message: "No such model.", code: "model_not_found" }))
          assert.strictEqual(parameterOf(unknownModel.error), "model")
          const plain = yield* failureOf(refusal(400, { message: "Invalid." }))
          assert.strictEqual(parameterOf(plain.error), undefined)
        }))

      it.effect("keeps the status, the body and the headers that help, and no others", () =>
        Effect.gen(function*() {
          const { error } = yield* failureOf(rateLimited({
            "retry-after": "7",
            "x-ratelimit-remaining-requests": "0",
            "set-cookie": "session=secret"
          }))
          if (error.reason._tag !== "RateLimitError") {
            return assert.fail(error.reason._tag)
          }
          assert.deepStrictEqual(error.reason.http?.response, {
            status: 429,
            headers: { "x-request-id": "req_refused", "retry-after": "7", "x-ratelimit-remaining-requests": "0" }
          })
          assert.include(error.reason.http?.body, "Rate limit reached")
        }))

      it.effect.each([
        { name: "retry-after-ms", headers: { "retry-after-ms": "1500" }, millis: 1500 },
        { name: "retry-after in seconds", headers: { "retry-after": "2" }, millis: 2000 },
        {
          name: "both, where the milliseconds are exact",
          headers: { "retry-after": "2", "retry-after-ms": "1200" },
          millis: 1200
        },
        { name: "a word that is none", headers: { "retry-after": "soon" }, millis: undefined }
      ])("says how long a rate limit asks to wait: $name", ({ headers, millis }) =>
        Effect.gen(function*() {
          const { error } = yield* failureOf(rateLimited(headers))
          assert.strictEqual(error.reason._tag, "RateLimitError")
          assert.strictEqual(retryAfterMillis(error), millis)
        }))

      it.effect("says how long a rate limit asks to wait: until a date of the program's clock", () =>
        Effect.gen(function*() {
          yield* TestClock.setTime(Date.parse("2030-01-01T00:00:00Z"))
          const { error } = yield* failureOf(rateLimited({ "retry-after": "Tue, 01 Jan 2030 00:00:30 GMT" }))
          assert.strictEqual(retryAfterMillis(error), 30_000)
        }))

      it.effect("is what respond fails with", () =>
        Effect.gen(function*() {
          const { model } = yield* setup(refusal(401, { message: "Wrong key." }))
          const answer = yield* model.respond({ prompt: "hi" }).pipe(
            Effect.map((response) =>
              response.text
            ),
            Effect.catchReason("BackendError", "AuthenticationError", (reason) => Effect.succeed(reason.kind))
          )
          assert.strictEqual(answer, "InvalidKey")
        }))
    })

    describe("arguments", () => {
      const wrong: ReadonlyArray<
        { readonly name: string; readonly args: Readonly<Record<string, unknown>>; readonly parameter: string }
      > = [
        { name: "of another type", args: { prompt: "hi", temperature: "hot" }, parameter: "temperature" },
        { name: "unknown", args: { prompt: "hi", temprature: 1 }, parameter: "temprature" },
        { name: "for a stream", args: { prompt: "hi", stream: true }, parameter: "stream" },
        { name: "with neither prompt nor messages", args: { temperature: 1 }, parameter: "messages" },
        {
          name: "with both prompt and messages",
          args: { prompt: "hi", messages: [{ role: "user", content: "hi" }] },
          parameter: "prompt"
        },
        { name: "with no message at all", args: { messages: [] }, parameter: "messages" },
        { name: "out of range", args: { prompt: "hi", temperature: 2.1 }, parameter: "temperature" },
        { name: "not whole", args: { prompt: "hi", max_tokens: 1.5 }, parameter: "max_tokens" },
        { name: "not finite", args: { prompt: "hi", top_p: Number.NaN }, parameter: "top_p" },
        { name: "with a prompt that is none", args: { prompt: 3 }, parameter: "prompt" },
        {
          name: "a wrong content of the second message",
          args: { messages: [{ role: "user", content: "hi" }, { role: "user", content: 3 }] },
          parameter: "messages[1].content"
        },
        {
          name: "a part that lacks its text",
          args: { messages: [{ role: "user", content: [{ type: "text" }] }] },
          parameter: "messages[0].content[0].text"
        },
        {
          name: "a field that a message does not have",
          args: { messages: [{ role: "user", content: "hi", colour: "blue" }] },
          parameter: "messages[0].colour"
        },
        {
          name: "a role that does not exist",
          args: { messages: [{ role: "robot", content: "hi" }] },
          parameter: "messages[0]"
        },
        {
          name: "an output limit that is given twice",
          args: { prompt: "hi", max_tokens: 5, max_completion_tokens: 6 },
          parameter: "max_tokens"
        },
        {
          name: "a response format without its schema",
          args: { prompt: "hi", response_format: { type: "json_schema" } },
          parameter: "response_format.json_schema"
        }
      ]

      it.effect.each(wrong)("are refused by name before anything is sent: $name", ({ args, parameter }) =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: completion })
          const calling = yield* model.invoke(args)
          const error = yield* Effect.flip(calling.response)
          assert.strictEqual(calling.execution.status, "failed")
          assert.strictEqual(error.reason._tag, "InvalidRequestError")
          assert.strictEqual(parameterOf(error), parameter)
          assert.isFalse(error.isRetryable)
          assert.deepStrictEqual(yield* server.seen, [])
        }))

      it.effect("are refused by respond and by createCalling, too", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: completion })
          const args: Record<string, unknown> = { prompt: "hi", n: 0 }
          const responded = yield* Effect.flip(model.respond(args))
          const created = yield* Effect.flip(model.createCalling(args))
          for (const error of [responded, created]) {
            if (error._tag !== "BackendError") {
              return assert.fail(error._tag)
            }
            assert.strictEqual(parameterOf(error), "n")
          }
          assert.deepStrictEqual(yield* server.seen, [])
        }))

      it.effect.each([
        { options: { openai: { detail: "some" } }, mediaType: "image/png", message: /openai\.detail/ },
        { options: { openai: { colour: "blue" } }, mediaType: "image/png", message: /openai\.colour/ },
        { options: { openai: { detail: "low" } }, mediaType: "application/pdf", message: /openai\.detail/ }
      ])("are refused in the options of a part of a prompt: $options", ({ mediaType, message, options }) =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: completion })
          const prompt = Prompt.make([{ role: "user", content: [{ type: "file", mediaType, data: "AQID", options }] }])
          const error = yield* Effect.flip((yield* model.invoke({ prompt })).response)
          assert.strictEqual(parameterOf(error), "prompt")
          assert.match(error.message, message)
          assert.deepStrictEqual(yield* server.seen, [])
        }))

      const unsupported: ReadonlyArray<
        { readonly feature: string; readonly prompt: ReadonlyArray<Prompt.MessageEncoded> }
      > = [
        {
          feature: "prompt: a file of type audio/ogg",
          prompt: [{ role: "user", content: [{ type: "file", mediaType: "audio/ogg", data: "T2dn" }] }]
        },
        {
          feature: "prompt: a file of type application/pdf, given as a URL",
          prompt: [{
            role: "user",
            content: [{ type: "file", mediaType: "application/pdf", data: new URL("https://example.com/a.pdf") }]
          }]
        },
        {
          feature: "prompt: a reasoning part of an assistant message",
          prompt: [{ role: "assistant", content: [{ type: "reasoning", text: "Hm." }] }]
        },
        {
          feature: "prompt: a file of type application/pdf, given as a URL",
          prompt: [{
            role: "user",
            content: [{ type: "file", mediaType: "application/pdf", data: "https://example.com/a.pdf" }]
          }]
        },
        {
          feature: "prompt: a file of type audio/wav, given as a URL",
          prompt: [{
            role: "user",
            content: [{ type: "file", mediaType: "audio/wav", data: "https://example.com/a.wav" }]
          }]
        },
        {
          feature: "prompt: a file in the result of a tool",
          prompt: [{
            role: "tool",
            content: [{
              type: "tool-result",
              id: "call_1",
              name: "look",
              isFailure: false,
              result: {},
              modelOutput: [{ type: "text", text: "see" }, { type: "file", mediaType: "image/png", data: "AQID" }]
            }]
          }]
        },
        {
          feature: "prompt: a tool-call part of an assistant message",
          prompt: [{
            role: "assistant",
            content: [{ type: "tool-call", id: "1", name: "web_search", params: {}, providerExecuted: true }]
          }]
        },
        {
          feature: "prompt: a tool-approval-response part of a tool message",
          prompt: [{ role: "tool", content: [{ type: "tool-approval-response", approvalId: "a", approved: true }] }]
        }
      ]

      it.effect.each(unsupported)("that the wire cannot carry are refused: $feature", ({ feature, prompt }) =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: completion })
          const error = yield* Effect.flip((yield* model.invoke({ prompt })).response)
          if (error.reason._tag !== "Unsupported") {
            return assert.fail(error.reason._tag)
          }
          assert.strictEqual(error.reason.feature, feature)
          assert.strictEqual(error.reason.provider, "openai")
          assert.isFalse(error.isRetryable)
          assert.deepStrictEqual(yield* server.seen, [])
        }))
    })

    describe("interruption", () => {
      it.effect("closes the socket while the provider thinks", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup(() =>
            Effect.never
          )
          const calling = yield* model.createCalling({ prompt: "hi" })
          const fiber = yield* Effect.forkChild(model.invoke(calling))
          yield* server.arrival
          yield* promptly(Fiber.interrupt(fiber))
          yield* promptly(server.hangUp)
          assert.strictEqual(calling.execution.status, "cancelled")
        }))

      it.effect("closes the socket in the middle of the answer", () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: completion, end: "stall" })
          const head = yield* Latch.make()
          const model = yield* Effect.updateService(
            modelAt(server.url),
            HttpClient.HttpClient,
            HttpClient.tap(() =>
              head.open
            )
          )
          const calling = yield* model.createCalling({ prompt: "hi" })
          const fiber = yield* Effect.forkChild(model.invoke(calling))
          yield* head.await
          yield* promptly(Fiber.interrupt(fiber))
          yield* promptly(server.hangUp)
          assert.strictEqual(calling.execution.status, "cancelled")
        }))

      it.effect("by a timeout closes the socket, too", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup(() =>
            Effect.never
          )
          const fiber = yield* Effect.forkChild(Effect.flip(model.invoke({ prompt: "hi" }, { timeout: "5 seconds" })))
          yield* server.arrival
          yield* TestClock.adjust("5 seconds")
          const error = yield* Fiber.join(fiber)
          assert.strictEqual(error._tag, "TimeoutError")
          yield* promptly(server.hangUp)
        }))
    })

    describe("the key", () => {
      const appearances: ReadonlyArray<{ readonly name: string; readonly answer: (seen: Seen) => Answer }> = [
        {
          name: "a refusal in OpenAI's shape",
          answer: (seen) =>
            refusal(401, { message: `Incorrect API key provided: ${seen.headers["authorization"]}` })
        },
        {
          name: "a refusal in words",
          answer: (seen) => ({ status: 500, body: `cannot forward "authorization: ${seen.headers["authorization"]}"` })
        },
        {
          name: "a refusal so long that the key is cut",
          answer: (seen) => ({ status: 400, body: `${"x".repeat(480)} ${seen.headers["authorization"]}` })
        },
        {
          name: "a success that is not JSON",
          answer: (seen) => ({ body: `<pre>${seen.headers["authorization"]}</pre>` })
        },
        {
          name: "a success of another shape",
          answer: (seen) => ({ body: { id: { [String(seen.headers["authorization"])]: true } } })
        }
      ]

      it.effect.each(appearances)("is shown nowhere when a server quotes it in $name", ({ answer }) =>
        Effect.gen(function*() {
          const { model, server } = yield* setup((seen) =>
            Effect.succeed(answer(seen))
          )
          const calling = yield* model.invoke({ prompt: "hi" })
          const exit = yield* Effect.exit(calling.response)
          if (Exit.isSuccess(exit)) {
            return assert.fail("the call succeeded")
          }
          const error = Cause.squash(exit.cause)
          assert.strictEqual((yield* server.arrival).headers["authorization"], `Bearer ${canary}`)
          const shown = {
            string: String(error),
            json: JSON.stringify(error),
            inspected: inspect(error, { depth: 10 }),
            pretty: Cause.pretty(exit.cause),
            callingJson: JSON.stringify(calling),
            callingInspected: inspect(calling, { depth: 10, showHidden: true }),
            modelInspected: inspect(model, { depth: 10, showHidden: true })
          }
          for (const [where, text] of Object.entries(shown)) {
            assert.notInclude(text, "sk-canary", where)
            assert.isAbove(text.length, 0, where)
          }
          assert.include(shown.json, "BackendError")
          assert.include(shown.callingJson, calling.id)
        }))

      it.effect("is shown nowhere when a server quotes it with the escapes that JSON allows", () =>
        Effect.gen(function*() {
          const server = yield* serve({
            status: 401,
            body: `{"error":{"message":"Incorrect API key provided: sk\\/canary\\/0123456789"}}`
          })
          const backend = yield* OpenAi.makeChat({
            model: "gpt-4o-mini",
            apiKey: Redacted.make("sk/canary/0123456789"),
            baseUrl: server.url
          })
          const calling = yield* (yield* iModel.make(backend)).invoke({ prompt: "hi" })
          const error = yield* Effect.flip(calling.response)
          assert.include(error.message, "Incorrect API key provided: ")
          assert.notInclude(inspect(error, { depth: 10 }), "canary")
          assert.notInclude(JSON.stringify(calling), "canary")
        }))

      it.effect("is shown nowhere when the connection breaks", () =>
        Effect.gen(function*() {
          const { calling, error } = yield* failureOf({ end: "reset" })
          for (const value of [error, calling]) {
            assert.notInclude(inspect(value, { depth: 10, showHidden: true }), "sk-canary")
            assert.notInclude(JSON.stringify(value), "sk-canary")
          }
        }))
    })

    describe("the configuration", () => {
      it.effect("reads OPENAI_API_KEY and OPENAI_BASE_URL", () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: completion })
          const backend = yield* OpenAi.makeChat({ model: "gpt-4o-mini" }).pipe(
            config({ OPENAI_API_KEY: "sk-of-the-environment", OPENAI_BASE_URL: `${server.url}/proxy/v1/` })
          )
          const model = yield* iModel.make(backend)
          yield* model.respond({ prompt: "hi" })
          const { headers, path } = yield* server.arrival
          assert.strictEqual(path, "/proxy/v1/chat/completions")
          assert.strictEqual(headers["authorization"], "Bearer sk-of-the-environment")
        }))

      it.effect("prefers the options to the environment", () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: completion })
          const model = yield* modelAt(`${server.url}/v1`).pipe(
            config({ OPENAI_API_KEY: "sk-of-the-environment", OPENAI_BASE_URL: yield* nobody })
          )
          yield* model.respond({ prompt: "hi" })
          assert.strictEqual((yield* server.arrival).headers["authorization"], `Bearer ${canary}`)
        }))

      it.effect.each([
        { name: "is missing", env: {} },
        { name: "is an empty variable", env: { OPENAI_API_KEY: "" } }
      ])("fails with ConfigError, naming the variable, when the key $name", ({ env }) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(config(env)(OpenAi.makeChat({ model: "gpt-4o-mini" })))
          assert.strictEqual(error._tag, "ConfigError")
          assert.include(
            error.message,
            "OPENAI_API_KEY is not set: set this environment variable, or give another credential"
          )
        }))

      it.effect.each([{ key: "" }, { key: "  " }])(
        "fails with IllegalArgumentError when the key is '$key'",
        ({ key }) =>
          Effect.gen(function*() {
            const error = yield* Effect.flip(OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: Redacted.make(key) }))
            assert.strictEqual(error._tag, "IllegalArgumentError")
            assert.include(error.message, "credential")
          })
      )

      it.effect.each([
        { baseUrl: "api.openai.com/v1" },
        { baseUrl: "/v1" },
        { baseUrl: "ftp://api.openai.com/v1" },
        { baseUrl: "" }
      ])("fails with IllegalArgumentError, showing it, when the base address is '$baseUrl'", ({ baseUrl }) =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(OpenAi.makeChat({ model: "gpt-4o-mini", apiKey, baseUrl }))
          assert.strictEqual(error._tag, "IllegalArgumentError")
          assert.include(error.message, "baseUrl")
          assert.include(error.message, `"${baseUrl}"`)
        }))

      it.effect("describes the backend", () =>
        Effect.gen(function*() {
          const backend = yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey })
          assert.strictEqual(backend.provider, "openai")
          assert.strictEqual(backend.name, "gpt-4o-mini")
        }))
    })
  })

suite("OpenAi on FetchHttpClient", FetchHttpClient.layer)
suite("OpenAi on NodeHttpClient.layerUndici", NodeHttpClient.layerUndici)
