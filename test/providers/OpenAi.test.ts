import { NodeHttpClient } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, type Layer } from "effect"
import { Prompt } from "effect/ai"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { iModel, OpenAi } from "effect-imodel"
import * as Contract from "../support/contract.ts"
import { type Answer, serve } from "../support/server.ts"
import * as Wire from "../support/wire.ts"

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

const unauthorized = (message: string) => refusal(401, { message, code: "invalid_api_key" })

// -----------------------------------------------------------------------------
// What is set up
// -----------------------------------------------------------------------------

const wire = Wire.make({
  makeBackend: (options) => OpenAi.makeChat({ model: "gpt-4o-mini", ...options }),
  apiKey: "sk-canary-0123456789",
  base: "/v1",
  ask: { prompt: "Name a colour." },
  answer: completion
})
const { failureOf, refusalOf, sentFor, setup } = wire

const respondTo = (body: object, headers: Record<string, string> = {}) => wire.responseTo({ body, headers })

/** What a server is sent for these arguments. */
const bodyOf = (args: OpenAi.ChatRequest) => Effect.map(sentFor(args), ({ body }) => body)

const messagesOf = Effect.fnUntraced(function*(prompt: Prompt.RawInput) {
  const body = yield* bodyOf({ prompt })
  return body !== null && typeof body === "object" && "messages" in body ? body.messages : undefined
})

// -----------------------------------------------------------------------------
// What the contract of every wire is tested with
// -----------------------------------------------------------------------------

const facts: Contract.Facts = {
  provider: "openai",
  name: "gpt-4o-mini",
  path: "/chat/completions",
  keyHeader: ["authorization", (key) => `Bearer ${key}`],
  variables: { apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" },
  unauthorized,
  rateLimited,
  failures: [
    {
      name: "401",
      answer: refusal(401, { message: "Incorrect API key provided: sk-***.", code: "invalid_api_key" }),
      reason: "AuthenticationError",
      tells: "Incorrect API key provided: sk-***."
    },
    {
      name: "403",
      answer: refusal(403, { message: "Country not supported.", type: "request_forbidden" }),
      reason: "AuthenticationError",
      tells: "Country not supported."
    },
    {
      name: "404",
      answer: refusal(404, { message: "The model `gpt-9` does not exist.", code: "model_not_found" }),
      reason: "InvalidRequestError",
      tells: "The model `gpt-9` does not exist.",
      parameter: "model"
    },
    {
      name: "404 of a wrong address, as a page",
      answer: { status: 404, body: "<h1>Not Found</h1>", headers: { "content-type": "text/html" } },
      reason: "InvalidRequestError",
      tells: "<h1>Not Found</h1>"
    },
    {
      name: "400",
      answer: refusal(400, { message: "Invalid value for 'stop'.", param: "stop", code: "invalid_value" }),
      reason: "InvalidRequestError",
      tells: "parameter 'stop'. Invalid value for 'stop'.",
      parameter: "stop"
    },
    {
      name: "400 context_length_exceeded",
      answer: refusal(400, {
        message: "This model's maximum context length is 128000 tokens.",
        param: "messages",
        code: "context_length_exceeded"
      }),
      reason: "ContextLengthExceeded",
      tells: "128000 tokens"
    },
    {
      name: "400 content_policy_violation",
      answer: refusal(400, { message: "Rejected by the safety system.", code: "content_policy_violation" }),
      reason: "ContentPolicyError",
      tells: "Rejected by the safety system."
    },
    {
      name: "422",
      answer: refusal(422, { message: "Unprocessable: tools[0]." }),
      reason: "InvalidRequestError",
      tells: "Unprocessable: tools[0]."
    },
    {
      name: "429 insufficient_quota",
      answer: refusal(429, {
        message: "You exceeded your current quota.",
        type: "insufficient_quota",
        code: "insufficient_quota"
      }, { "retry-after": "1" }),
      reason: "QuotaExhaustedError",
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
      name: "JSON of another shape",
      answer: { body: { ...completion, choices: "none" } },
      reason: "InvalidResponseError",
      tells: "choices: Expected array"
    },
    {
      name: "JSON of another shape deep inside",
      answer: { body: completionOf({ message: { role: "assistant", content: 3 } }) },
      reason: "InvalidResponseError",
      tells: "choices[0].message.content: Expected string"
    }
  ],
  wrong: [
    { name: "with neither prompt nor messages", args: { temperature: 1 }, parameter: "messages" },
    { name: "with no message at all", args: { messages: [] }, parameter: "messages" },
    { name: "out of range", args: { prompt: "hi", temperature: 2.1 }, parameter: "temperature" },
    { name: "no choice at all", args: { prompt: "hi", n: 0 }, parameter: "n" },
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
  ],
  unsupported: [
    {
      feature: "prompt: a file of type audio/ogg",
      args: { prompt: [{ role: "user", content: [{ type: "file", mediaType: "audio/ogg", data: "T2dn" }] }] }
    },
    {
      feature: "prompt: a file of type application/pdf, given as a URL",
      args: {
        prompt: [{
          role: "user",
          content: [{ type: "file", mediaType: "application/pdf", data: new URL("https://example.com/a.pdf") }]
        }]
      }
    },
    {
      feature: "prompt: a reasoning part of an assistant message",
      args: { prompt: [{ role: "assistant", content: [{ type: "reasoning", text: "Hm." }] }] }
    },
    {
      feature: "prompt: a file of type application/pdf, given as a URL",
      args: {
        prompt: [{
          role: "user",
          content: [{ type: "file", mediaType: "application/pdf", data: "https://example.com/a.pdf" }]
        }]
      }
    },
    {
      feature: "prompt: a file of type audio/wav, given as a URL",
      args: {
        prompt: [{
          role: "user",
          content: [{ type: "file", mediaType: "audio/wav", data: "https://example.com/a.wav" }]
        }]
      }
    },
    {
      feature: "prompt: a file in the result of a tool",
      args: {
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
      }
    },
    {
      feature: "prompt: a tool-call part of an assistant message",
      args: {
        prompt: [{
          role: "assistant",
          content: [{ type: "tool-call", id: "1", name: "web_search", params: {}, providerExecuted: true }]
        }]
      }
    },
    {
      feature: "prompt: a tool-approval-response part of a tool message",
      args: {
        prompt: [{ role: "tool", content: [{ type: "tool-approval-response", approvalId: "a", approved: true }] }]
      }
    }
  ]
}

const suite = (name: string, client: Layer.Layer<HttpClient.HttpClient>) =>
  layer(client)(name, (it) => {
    Contract.run(it, wire, facts)

    describe("the request", () => {
      it.effect("goes to /chat/completions under the base address, with the key as a bearer token", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: completion })
          yield* model.respond({ prompt: "Name a colour." })
          const { headers, method, path } = yield* server.arrival
          assert.strictEqual(`${method} ${path}`, "POST /v1/chat/completions")
          assert.strictEqual(headers["authorization"], `Bearer ${wire.apiKey}`)
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
            tools: [{
              type: "function",
              function: { name: "paint", parameters: { type: "object", properties: {} }, strict: true }
            }],
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

      it.effect("is none when there is no choice", () =>
        Effect.gen(function*() {
          const error = yield* Effect.flip(respondTo({ ...completion, choices: [] }))
          assert.strictEqual(error._tag === "BackendError" ? error.reason._tag : error._tag, "InvalidResponseError")
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
          assert.strictEqual(Wire.parameterOf(wrong.error), "messages[1].content")
          const unknownModel = yield* failureOf(refusal(404, { message: "No such model.", code: "model_not_found" }))
          assert.strictEqual(Wire.parameterOf(unknownModel.error), "model")
          const plain = yield* failureOf(refusal(400, { message: "Invalid." }))
          assert.strictEqual(Wire.parameterOf(plain.error), undefined)
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
    })

    describe("arguments", () => {
      it.effect.each([
        { options: { openai: { detail: "some" } }, mediaType: "image/png", message: /openai\.detail/ },
        { options: { openai: { colour: "blue" } }, mediaType: "image/png", message: /openai\.colour/ },
        { options: { openai: { detail: "low" } }, mediaType: "application/pdf", message: /openai\.detail/ }
      ])("are refused in the options of a part of a prompt: $options", ({ mediaType, message, options }) =>
        Effect.gen(function*() {
          const prompt = Prompt.make([{ role: "user", content: [{ type: "file", mediaType, data: "AQID", options }] }])
          const { error, requests } = yield* refusalOf({ prompt })
          assert.strictEqual(Wire.parameterOf(error), "prompt")
          assert.match(error.message, message)
          assert.strictEqual(requests, 0)
        }))
    })

    describe("the configuration", () => {
      it.effect("reads OPENAI_API_KEY and OPENAI_BASE_URL", () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: completion })
          const backend = yield* OpenAi.makeChat({ model: "gpt-4o-mini" }).pipe(
            Wire.environment({ OPENAI_API_KEY: "sk-of-the-environment", OPENAI_BASE_URL: `${server.url}/proxy/v1/` })
          )
          const model = yield* iModel.make(backend)
          yield* model.respond({ prompt: "hi" })
          const { headers, path } = yield* server.arrival
          assert.strictEqual(path, "/proxy/v1/chat/completions")
          assert.strictEqual(headers["authorization"], "Bearer sk-of-the-environment")
        }))
    })
  })

suite("OpenAi on FetchHttpClient", FetchHttpClient.layer)
suite("OpenAi on NodeHttpClient.layerUndici", NodeHttpClient.layerUndici)
