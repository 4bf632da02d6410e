import { assert, describe, layer } from "@effect/vitest"
import { GoogleGenAI } from "@google/genai"
import { Cause, Config, Effect, Layer, Redacted, Schema } from "effect"
import { Prompt, Tool } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { Gemini, iModel, ServiceBackend } from "effect-imodel"
import { inspect } from "node:util"
import * as Contract from "../support/contract.ts"
import { type Answer, serve } from "../support/server.ts"
import { bytesOf } from "../support/streams.ts"
import * as Wire from "../support/wire.ts"

const canary = "AIza-canary-0123456789"
const apiKey = Redacted.make(canary)

// -----------------------------------------------------------------------------
// What the provider answers
// -----------------------------------------------------------------------------

const answer = {
  candidates: [{ content: { role: "model", parts: [{ text: "Blue." }] }, finishReason: "STOP", index: 0 }],
  usageMetadata: { promptTokenCount: 9, candidatesTokenCount: 2, totalTokenCount: 11 },
  modelVersion: "gemini-2.5-flash-001",
  responseId: "resp-1"
}

const answerOf = (parts: ReadonlyArray<object>, candidate: object = {}, fields: object = {}) => ({
  ...answer,
  candidates: [{ content: { role: "model", parts }, finishReason: "STOP", index: 0, ...candidate }],
  ...fields
})

const refusal = (code: number, status: string, message: string, details: ReadonlyArray<object> = []): Answer => ({
  status: code,
  body: { error: { code, message, status, ...(details.length > 0 && { details }) } }
})

const detail = (type: string, fields: object) => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...fields })

const quota = (...quotaIds: ReadonlyArray<string>) =>
  refusal(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", [
    detail("QuotaFailure", { violations: quotaIds.map((quotaId) => ({ quotaMetric: "generate_requests", quotaId })) }),
    detail("RetryInfo", { retryDelay: "17s" })
  ])

const pixel = "iVBORw0KGgo="

// -----------------------------------------------------------------------------
// What is set up
// -----------------------------------------------------------------------------

const wire = Wire.make({
  makeBackend: (options) => Gemini.makeGenerateContent({ model: "gemini-2.5-flash", ...options }),
  apiKey: canary,
  base: "/v1beta",
  ask: { prompt: "Name a colour." },
  answer
})
const { failureOf, sentFor, setup } = wire

const respondTo = (body: object, args?: Gemini.GenerateContentRequest) => wire.responseTo({ body }, args)

/** What a server is sent for these arguments. */
const bodyOf = (args: Gemini.GenerateContentRequest) => Effect.map(sentFor(args), ({ body }) => body)

const contentsOf = Effect.fnUntraced(function*(prompt: Prompt.RawInput) {
  const body = yield* bodyOf({ prompt })
  return body !== null && typeof body === "object" && "contents" in body ? body.contents : undefined
})

const paint = {
  type: "function",
  function: {
    name: "paint",
    description: "Paints a wall",
    parameters: { type: "object", properties: { colour: { type: "string" } }, required: ["colour"] }
  }
} as const

const declaration = {
  name: "paint",
  description: "Paints a wall",
  parametersJsonSchema: paint.function.parameters
}

// -----------------------------------------------------------------------------
// What the contract of every wire is tested with
// -----------------------------------------------------------------------------

const WebSearch = Tool.providerDefined({
  id: "anthropic.web_search_20250305",
  customName: "AnthropicWebSearch",
  providerName: "web_search"
})

const facts: Contract.Facts = {
  provider: "gemini",
  name: "gemini-2.5-flash",
  path: "/models/gemini-2.5-flash:generateContent",
  keyHeader: ["x-goog-api-key", (key) => key],
  variables: { apiKey: "GEMINI_API_KEY" },
  unauthorized: (message) => refusal(401, "UNAUTHENTICATED", message),
  rateLimited: (headers = {}) => ({ ...refusal(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted."), headers }),
  failures: [
    {
      name: "API_KEY_INVALID",
      answer: refusal(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", [
        detail("ErrorInfo", { reason: "API_KEY_INVALID", domain: "googleapis.com" })
      ]),
      reason: "AuthenticationError",
      tells: "API key not valid."
    },
    {
      name: "UNAUTHENTICATED",
      answer: refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
      reason: "AuthenticationError",
      tells: "invalid authentication"
    },
    {
      name: "PERMISSION_DENIED",
      answer: refusal(403, "PERMISSION_DENIED", "The caller does not have permission"),
      reason: "AuthenticationError",
      tells: "does not have permission"
    },
    {
      name: "FAILED_PRECONDITION of a place",
      answer: refusal(400, "FAILED_PRECONDITION", "User location is not supported for the API use."),
      reason: "AuthenticationError",
      tells: "User location"
    },
    {
      name: "FAILED_PRECONDITION of a file",
      answer: refusal(400, "FAILED_PRECONDITION", "The File 1 is not in an ACTIVE state and usage is not allowed."),
      reason: "InvalidRequestError",
      tells: "ACTIVE state"
    },
    {
      name: "the quota of a minute",
      answer: quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier"),
      reason: "RateLimitError",
      isRetryable: true,
      retryAfterMillis: 17_000,
      tells: "Rate limit exceeded"
    },
    {
      name: "the quota of a minute and of a day",
      answer: quota(
        "GenerateRequestsPerMinutePerProjectPerModel",
        "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
      ),
      reason: "QuotaExhaustedError",
      tells: "Quota exhausted"
    },
    {
      name: "no money left",
      answer: refusal(429, "RESOURCE_EXHAUSTED", "Your prepayment credits are depleted. Please go to AI Studio."),
      reason: "QuotaExhaustedError",
      tells: "billing"
    },
    {
      name: "RESOURCE_EXHAUSTED without details",
      answer: refusal(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
      reason: "RateLimitError",
      isRetryable: true,
      tells: "Rate limit exceeded"
    },
    {
      name: "too many tokens",
      answer: refusal(
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200293) exceeds the maximum number of tokens allowed (1048576)."
      ),
      reason: "ContextLengthExceeded",
      tells: "1048576"
    },
    {
      name: "INVALID_ARGUMENT with a field",
      answer: refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received.", [
        detail("BadRequest", {
          fieldViolations: [{ field: "generation_config.top_k", description: "Cannot find field." }]
        })
      ]),
      reason: "InvalidRequestError",
      parameter: "generationConfig.topK",
      tells: "Invalid JSON payload"
    },
    {
      name: "INVALID_ARGUMENT with a field in its message",
      answer: refusal(
        400,
        "INVALID_ARGUMENT",
        "* GenerateContentRequest.contents[0].inline_data: must not be empty\n"
      ),
      reason: "InvalidRequestError",
      parameter: "contents[0].inlineData",
      tells: "must not be empty"
    },
    {
      name: "a model that is not there",
      answer: refusal(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta."),
      reason: "InvalidRequestError",
      parameter: "model",
      tells: "gemini-9"
    },
    {
      name: "an error in an array",
      answer: { status: 503, body: [{ error: { code: 503, message: "Overloaded.", status: "UNAVAILABLE" } }] },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Overloaded."
    },
    {
      name: "INTERNAL",
      answer: refusal(500, "INTERNAL", "An internal error has occurred."),
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "internal error"
    },
    {
      name: "DEADLINE_EXCEEDED",
      answer: refusal(504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Deadline expired"
    },
    {
      name: "an error in a success",
      answer: { body: { error: { code: 503, message: "The model is overloaded.", status: "UNAVAILABLE" } } },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "The model is overloaded."
    },
    {
      name: "a prompt that is blocked",
      answer: { body: { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: {} } },
      reason: "ContentPolicyError",
      tells: "PROHIBITED_CONTENT"
    },
    {
      name: "JSON of another shape",
      answer: { body: { hello: 1 } },
      reason: "InvalidResponseError",
      tells: "neither candidates nor promptFeedback"
    }
  ],
  wrong: [
    {
      name: "unknown deep inside",
      args: { prompt: "hi", generationConfig: { thinkingConfig: { budget: 1 } } },
      parameter: "generationConfig.thinkingConfig.budget"
    },
    { name: "with nothing to answer", args: { temperature: 1 }, parameter: "messages" },
    {
      name: "with both messages and contents",
      args: { messages: [{ role: "user", content: "hi" }], contents: [{ parts: [{ text: "hi" }] }] },
      parameter: "messages"
    },
    { name: "with no contents at all", args: { contents: [] }, parameter: "contents" },
    {
      name: "of OpenAI's role",
      args: { contents: [{ role: "assistant", parts: [{ text: "hi" }] }] },
      parameter: "contents[0].role"
    },
    {
      name: "twice: temperature",
      args: { prompt: "hi", temperature: 0, generationConfig: { temperature: 0 } },
      parameter: "temperature"
    },
    { name: "twice: top_p", args: { prompt: "hi", top_p: 1, generationConfig: { topP: 1 } }, parameter: "top_p" },
    {
      name: "twice: max_tokens",
      args: { prompt: "hi", max_tokens: 1, generationConfig: { maxOutputTokens: 1 } },
      parameter: "max_tokens"
    },
    {
      name: "twice: stop",
      args: { prompt: "hi", stop: "a", generationConfig: { stopSequences: ["a"] } },
      parameter: "stop"
    },
    {
      name: "twice: tool_choice",
      args: { prompt: "hi", tool_choice: "auto", toolConfig: { functionCallingConfig: { mode: "AUTO" } } },
      parameter: "tool_choice"
    },
    {
      name: "twice: response_format",
      args: {
        prompt: "hi",
        response_format: Schema.Struct({}),
        generationConfig: { responseMimeType: "application/json" }
      },
      parameter: "response_format"
    },
    {
      name: "twice: the system instruction",
      args: {
        messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "hi" }],
        systemInstruction: { parts: [{ text: "Be long." }] }
      },
      parameter: "systemInstruction"
    },
    {
      name: "of a part's options",
      args: {
        prompt: [{ role: "user", content: [{ type: "text", text: "hi", options: { gemini: { signature: "x" } } }] }]
      },
      parameter: "prompt"
    }
  ],
  unsupported: [
    {
      feature: "prompt: a tool-approval-response part of a tool message",
      args: {
        prompt: [{ role: "tool", content: [{ type: "tool-approval-response", approvalId: "a", approved: true }] }]
      }
    },
    {
      feature: "prompt: the tool web_search, which another provider ran",
      args: {
        prompt: [{
          role: "assistant",
          content: [{ type: "tool-call", id: "1", name: "web_search", params: {}, providerExecuted: true }]
        }]
      }
    },
    {
      feature: "tools: the provider's tool anthropic.web_search_20250305",
      args: { prompt: "hi", tools: [WebSearch(undefined)] }
    }
  ]
}

layer(FetchHttpClient.layer)("Gemini", (it) => {
  Contract.run(it, wire, facts)

  describe("the request", () => {
    it.effect.each([{ model: "gemini-2.5-pro" }, { model: "models/gemini-2.5-pro" }])(
      "goes to the model's generateContent, with the key in a header: $model",
      ({ model: name }) =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: answer })
          yield* model.respond({ prompt: "Name a colour.", model: name })
          const { body, headers, method, path } = yield* server.arrival
          assert.strictEqual(`${method} ${path}`, "POST /v1beta/models/gemini-2.5-pro:generateContent")
          assert.strictEqual(headers["x-goog-api-key"], canary)
          assert.strictEqual(headers["authorization"], undefined)
          assert.deepStrictEqual(body, { contents: [{ role: "user", parts: [{ text: "Name a colour." }] }] })
        })
    )

    it.effect("carries every field of the wire as it was given", () =>
      Effect.gen(function*() {
        const args = {
          contents: [
            { role: "user", parts: [{ text: "Look." }, { inlineData: { mimeType: "image/png", data: pixel } }] },
            { role: "model", parts: [{ text: "I see.", thoughtSignature: "c2ln" }] },
            {
              role: "user",
              parts: [{ fileData: { fileUri: "https://youtu.be/x" }, videoMetadata: { fps: 1, startOffset: "3s" } }]
            }
          ],
          systemInstruction: { parts: [{ text: "Be brief." }] },
          tools: [
            { functionDeclarations: [{ name: "paint", parameters: { type: "OBJECT" } }] },
            { googleSearch: {} },
            { codeExecution: {} },
            { urlContext: {} }
          ],
          toolConfig: { functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["paint"] } },
          generationConfig: {
            temperature: 0,
            topP: 1,
            topK: 40,
            candidateCount: 2,
            maxOutputTokens: 16,
            stopSequences: ["\n"],
            presencePenalty: -1,
            frequencyPenalty: 1,
            seed: 7,
            responseMimeType: "application/json",
            responseSchema: { type: "OBJECT" },
            responseModalities: ["TEXT", "IMAGE"],
            thinkingConfig: { includeThoughts: true, thinkingBudget: -1 },
            imageConfig: { aspectRatio: "16:9" }
          },
          safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "BLOCK_NONE" }],
          cachedContent: "cachedContents/1",
          serviceTier: "flex",
          labels: { job: "colours" }
        } satisfies Gemini.GenerateContentRequest
        assert.deepStrictEqual<unknown>(yield* bodyOf(args), args)
      }))

    it.effect("has the arguments of every chat backend in the wire's words", () =>
      Effect.gen(function*() {
        const body = yield* bodyOf({
          messages: [
            { role: "system", content: "Be brief." },
            { role: "user", content: "Name a colour." },
            { role: "assistant", content: "Blue." },
            { role: "user", content: "Another." }
          ],
          temperature: 0.5,
          top_p: 0.9,
          max_tokens: 64,
          stop: "\n",
          tools: [paint, { googleSearch: {} }],
          tool_choice: { tool: "paint" },
          generationConfig: { seed: 7 },
          toolConfig: { retrievalConfig: { languageCode: "de" } }
        })
        assert.deepStrictEqual(body, {
          contents: [
            { role: "user", parts: [{ text: "Name a colour." }] },
            { role: "model", parts: [{ text: "Blue." }] },
            { role: "user", parts: [{ text: "Another." }] }
          ],
          systemInstruction: { role: "user", parts: [{ text: "Be brief." }] },
          generationConfig: { seed: 7, temperature: 0.5, topP: 0.9, maxOutputTokens: 64, stopSequences: ["\n"] },
          tools: [{ functionDeclarations: [declaration] }, { googleSearch: {} }],
          toolConfig: {
            functionCallingConfig: { mode: "ANY", allowedFunctionNames: ["paint"] },
            retrievalConfig: { languageCode: "de" }
          }
        })
      }))

    it.effect.each(
      [
        { choice: "auto", config: { mode: "AUTO" } },
        { choice: "none", config: { mode: "NONE" } },
        { choice: "required", config: { mode: "ANY" } }
      ] as const
    )("has the choice of a tool: $choice", ({ choice, config }) =>
      Effect.gen(function*() {
        assert.deepNestedPropertyVal(
          yield* bodyOf({ prompt: "hi", tools: [paint], tool_choice: choice }),
          "toolConfig.functionCallingConfig",
          config
        )
      }))

    it.effect("holds the model to the schema of a strict function", () =>
      Effect.gen(function*() {
        const body = yield* bodyOf({
          prompt: "hi",
          tools: [{ type: "function", function: { ...paint.function, strict: true } }]
        })
        assert.deepNestedPropertyVal(body, "toolConfig.functionCallingConfig", { mode: "VALIDATED" })
      }))

    it.effect("has tools of effect/ai: the user's and Google's", () =>
      Effect.gen(function*() {
        const Paint = Tool.make("paint", {
          description: "Paints a wall",
          parameters: Schema.Struct({ colour: Schema.String })
        })
        const Search = Tool.providerDefined({
          id: "google.google_search",
          customName: "GoogleSearch",
          providerName: "google_search",
          args: Schema.Struct({ timeRangeFilter: Schema.Struct({ startTime: Schema.String }) })
        })
        const body = yield* bodyOf({
          prompt: "hi",
          tools: [Paint, Search({ timeRangeFilter: { startTime: "2026-01-01T00:00:00Z" } })]
        })
        assert.deepNestedPropertyVal(body, "tools", [
          {
            functionDeclarations: [{
              name: "paint",
              description: "Paints a wall",
              parametersJsonSchema: Tool.getJsonSchema(Paint)
            }]
          },
          { googleSearch: { timeRangeFilter: { startTime: "2026-01-01T00:00:00Z" } } }
        ])
      }))

    it.effect("has the schema of the answer as JSON schema, and decodes the answer by it", () =>
      Effect.gen(function*() {
        const Colour = Schema.Struct({ name: Schema.String, seen: Schema.DateTimeUtcFromString })
        const { model, server } = yield* setup({
          body: answerOf([{ text: `{"name":"blue",` }, { text: `"seen":"2026-01-01T00:00:00.000Z"}` }])
        })
        const { value } = yield* model.respond({ prompt: "Name a colour.", response_format: Colour })
        assert.isTrue(Schema.is(Colour)(value))
        const { body } = yield* server.arrival
        assert.nestedPropertyVal(body, "generationConfig.responseMimeType", "application/json")
        assert.nestedPropertyVal(body, "generationConfig.responseJsonSchema.type", "object")
        assert.deepNestedPropertyVal(body, "generationConfig.responseJsonSchema.required", ["name", "seen"])
      }))

    it.effect("has a JSON schema as it was given, and an answer that is none is an InvalidOutputError of a Schema only", () =>
      Effect.gen(function*() {
        const schema = { type: "object", properties: { name: { type: "string" } } }
        const format = { type: "json_schema", json_schema: { name: "colour", schema } } as const
        assert.deepNestedPropertyVal(
          yield* bodyOf({ prompt: "hi", response_format: format }),
          "generationConfig.responseJsonSchema",
          schema
        )
        const { error } = yield* failureOf({ body: answer }, {
          prompt: "hi",
          response_format: Schema.Struct({ name: Schema.String })
        })
        assert.strictEqual(error.reason._tag, "InvalidOutputError")
      }))

    it.effect("has the images, files, calls and results of a prompt", () =>
      Effect.gen(function*() {
        const contents = yield* contentsOf([
          {
            role: "user",
            content: [
              { type: "text", text: "What are these?" },
              { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) },
              { type: "file", mediaType: "image/gif", data: "R0lG" },
              { type: "file", mediaType: "image/webp", data: "data:image/webp;base64,UklG" },
              { type: "file", mediaType: "application/pdf", data: new URL("https://example.com/a.pdf") },
              {
                type: "file",
                mediaType: "video/mp4",
                data: "gs://bucket/a.mp4",
                options: { gemini: { videoMetadata: { fps: 2 } } }
              }
            ]
          },
          {
            role: "assistant",
            content: [
              { type: "reasoning", text: "Hm." },
              { type: "text", text: "Let me look." },
              {
                type: "tool-call",
                id: "call_1",
                name: "look",
                params: { zoom: 2 },
                options: { gemini: { thoughtSignature: "c2ln" } }
              },
              { type: "tool-call", id: "call_2", name: "look", params: undefined }
            ]
          },
          {
            role: "tool",
            content: [{
              type: "tool-result",
              id: "call_1",
              name: "look",
              isFailure: false,
              result: { seen: ["a cat"] }
            }]
          },
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "call_2", name: "look", isFailure: true, result: "too dark" },
              {
                type: "tool-result",
                id: "call_3",
                name: "look",
                isFailure: false,
                result: {},
                modelOutput: [
                  { type: "text", text: "a dog" },
                  { type: "file", mediaType: "image/png", data: new Uint8Array([1]) }
                ]
              }
            ]
          },
          { role: "user", content: "And now?" }
        ])
        assert.deepStrictEqual(contents, [
          {
            role: "user",
            parts: [
              { text: "What are these?" },
              { inlineData: { mimeType: "image/png", data: "AQID" } },
              { inlineData: { mimeType: "image/gif", data: "R0lG" } },
              { inlineData: { mimeType: "image/webp", data: "UklG" } },
              { fileData: { mimeType: "application/pdf", fileUri: "https://example.com/a.pdf" } },
              { fileData: { mimeType: "video/mp4", fileUri: "gs://bucket/a.mp4" }, videoMetadata: { fps: 2 } }
            ]
          },
          {
            role: "model",
            parts: [
              { text: "Hm.", thought: true },
              { text: "Let me look." },
              { functionCall: { id: "call_1", name: "look", args: { zoom: 2 } }, thoughtSignature: "c2ln" },
              { functionCall: { id: "call_2", name: "look", args: {} } }
            ]
          },
          {
            role: "user",
            parts: [
              { functionResponse: { id: "call_1", name: "look", response: { output: { seen: ["a cat"] } } } },
              { functionResponse: { id: "call_2", name: "look", response: { error: "too dark" } } },
              {
                functionResponse: {
                  id: "call_3",
                  name: "look",
                  response: { output: "a dog" },
                  parts: [{ inlineData: { mimeType: "image/png", data: "AQ==" } }]
                }
              }
            ]
          },
          { role: "user", parts: [{ text: "And now?" }] }
        ])
      }))

    it.effect("sends an answer back as it came, with its signatures", () =>
      Effect.gen(function*() {
        const parts = [
          { text: "Thinking.", thought: true, thoughtSignature: "c2ln" },
          { text: "I search." },
          { executableCode: { id: "code-1", language: "PYTHON", code: "print(1)" } },
          { codeExecutionResult: { id: "code-1", outcome: "OUTCOME_OK", output: "1\n" } },
          { toolCall: { id: "tool-1", toolType: "GOOGLE_SEARCH_WEB", args: { queries: ["blue"] } } },
          { toolResponse: { id: "tool-1", toolType: "GOOGLE_SEARCH_WEB", response: { found: [1] } } },
          { inlineData: { mimeType: "image/png", data: pixel }, thought: true },
          { inlineData: { mimeType: "image/png", data: pixel }, thoughtSignature: "aW1n" },
          { functionCall: { id: "fc-1", name: "paint", args: { colour: "blue" } }, thoughtSignature: "Zm4=" },
          { functionCall: { id: "fc-2", name: "paint", args: {} } },
          { text: "", thoughtSignature: "ZW5k" }
        ]
        const { content } = yield* respondTo(answerOf(parts))
        const contents = yield* contentsOf(Prompt.concat(Prompt.fromResponseParts(content), [{
          role: "tool",
          content: [{ type: "tool-result", id: "fc-1", name: "paint", isFailure: false, result: "done" }]
        }]))
        assert.deepStrictEqual(contents, [
          { role: "model", parts },
          { role: "user", parts: [{ functionResponse: { id: "fc-1", name: "paint", response: { output: "done" } } }] }
        ])
      }))
  })

  describe("the official SDK sends the same", () => {
    type Sdk = Parameters<GoogleGenAI["models"]["generateContent"]>[0]
    const calls: ReadonlyArray<Wire.Call<Gemini.GenerateContentRequest, Omit<Sdk, "model">>> = [
      { name: "plain", sdk: { contents: "Name a colour." }, ours: { prompt: "Name a colour." } },
      {
        name: "with a system message and settings",
        sdk: {
          contents: "Name a colour.",
          config: {
            systemInstruction: "Be brief.",
            temperature: 0.5,
            topP: 0.9,
            maxOutputTokens: 64,
            stopSequences: ["\n"],
            cachedContent: "cachedContents/1",
            safetySettings: [],
            thinkingConfig: { thinkingBudget: 0 }
          }
        },
        ours: {
          messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "Name a colour." }],
          temperature: 0.5,
          top_p: 0.9,
          max_tokens: 64,
          stop: ["\n"],
          cachedContent: "cachedContents/1",
          safetySettings: [],
          generationConfig: { thinkingConfig: { thinkingBudget: 0 } }
        }
      },
      {
        name: "with tools",
        sdk: {
          contents: [
            { role: "user", parts: [{ text: "Paint it." }] },
            {
              role: "model",
              parts: [{ functionCall: { id: "1", name: "paint", args: { colour: "blue" } }, thoughtSignature: "c2ln" }]
            },
            { role: "user", parts: [{ functionResponse: { id: "1", name: "paint", response: { output: "done" } } }] }
          ],
          config: { tools: [{ functionDeclarations: [declaration] }, { googleSearch: {} }] }
        },
        ours: {
          prompt: [
            { role: "user", content: "Paint it." },
            {
              role: "assistant",
              content: [{
                type: "tool-call",
                id: "1",
                name: "paint",
                params: { colour: "blue" },
                options: { gemini: { thoughtSignature: "c2ln" } }
              }]
            },
            {
              role: "tool",
              content: [{ type: "tool-result", id: "1", name: "paint", isFailure: false, result: "done" }]
            }
          ],
          tools: [paint, { googleSearch: {} }]
        }
      },
      {
        name: "with an image",
        sdk: {
          contents: ["What is this?", { inlineData: { mimeType: "image/png", data: pixel } }]
        },
        ours: {
          prompt: [{
            role: "user",
            content: [
              { type: "text", text: "What is this?" },
              { type: "file", mediaType: "image/png", data: Buffer.from(pixel, "base64") }
            ]
          }]
        }
      },
      {
        name: "with a schema for the answer",
        sdk: {
          contents: "Name a colour.",
          config: { responseMimeType: "application/json", responseJsonSchema: { type: "object" } }
        },
        ours: {
          prompt: "Name a colour.",
          response_format: { type: "json_schema", json_schema: { name: "colour", schema: { type: "object" } } }
        }
      }
    ]

    const official = (baseUrl: string) =>
      new GoogleGenAI({ apiKey: canary, httpOptions: { baseUrl, apiVersion: "v1beta" } }).models

    // The SDK sends an empty configuration with whatever else is set.
    const told = Wire.tellerOf(
      ["x-goog-api-key", "content-type"],
      (body) => ({ generationConfig: {}, ...Object(body) })
    )

    Wire.asksAsTheSdk(it, wire, {
      calls,
      told,
      create: (url, call) => official(url).generateContent({ model: "gemini-2.5-flash", ...call }),
      stream: async (url, call) => {
        for await (const _ of await official(url).generateContentStream({ model: "gemini-2.5-flash", ...call })) {
          /* read */
        }
      },
      streamed: bytesOf(answer)
    })

    it.effect("for embeddings of several contents", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: { embeddings: [{ values: [0.5] }, { values: [0.25] }] } })
        const options = { taskType: "SEMANTIC_SIMILARITY", outputDimensionality: 768 } as const
        const contents = ["blue", "azure"]
        yield* Effect.promise(() =>
          official(server.url).embedContent({ model: "gemini-embedding-001", contents, config: options })
        )
        const backend = yield* Gemini.makeEmbedContent({
          model: "gemini-embedding-001",
          apiKey,
          baseUrl: `${server.url}/v1beta`
        })
        const { data } = yield* (yield* iModel.make(backend)).respond({ contents, ...options })
        assert.deepStrictEqual(data.embeddings.map(({ values }) => values), [[0.5], [0.25]])
        assert.deepStrictEqual(told(yield* server.arrival), told(yield* server.arrival))
      }))
  })

  describe("the response", () => {
    it.effect("has the text, the finish reason, the usage and the model that answered", () =>
      Effect.gen(function*() {
        const response = yield* respondTo(answer)
        assert.strictEqual(response.text, "Blue.")
        assert.strictEqual(response.finishReason, "stop")
        assert.deepStrictEqual(response.usage, { inputTokens: { total: 9 }, outputTokens: { total: 2 } })
        assert.strictEqual(response.metadata["model"], "gemini-2.5-flash-001")
        assert.strictEqual(response.data.candidates?.[0]?.content?.parts?.[0]?.text, "Blue.")
        assert.deepStrictEqual(response.content.map((part) => part.type), ["response-metadata", "text", "finish"])
      }))

    it.effect("is understood when it has little more than a text, and new fields and words", () =>
      Effect.gen(function*() {
        const little = {
          candidates: [{ content: { parts: [{ text: "Blue." }] }, finishReason: "OF_TOMORROW" }],
          new: 1
        }
        const response = yield* respondTo(little)
        assert.strictEqual(response.text, "Blue.")
        assert.strictEqual(response.finishReason, "other")
        assert.deepStrictEqual(response.usage, { inputTokens: {}, outputTokens: {} })
        assert.deepStrictEqual(response.rawResponse, little)
        assert.notProperty(response.data, "new")
      }))

    it.effect("tells thoughts from text, and calls tools for the finish reason STOP", () =>
      Effect.gen(function*() {
        const response = yield* respondTo(answerOf([
          { text: "Hm, ", thought: true },
          { text: "blue.", thought: true },
          { text: "I paint." },
          { functionCall: { name: "paint", args: { colour: "blue" } }, thoughtSignature: "c2ln" },
          { functionCall: { name: "paint" } }
        ]))
        assert.strictEqual(response.text, "I paint.")
        assert.strictEqual(response.finishReason, "tool-calls")
        assert.deepStrictEqual(response.toolCalls, [
          { id: "resp-1-0", name: "paint", params: { colour: "blue" } },
          { id: "resp-1-1", name: "paint", params: {} }
        ])
        assert.deepStrictEqual(response.content.flatMap((part) => part.type === "reasoning" ? [part.text] : []), [
          "Hm, blue."
        ])
        assert.deepStrictEqual(
          response.content.flatMap((part) => part.type === "tool-call" ? [part.metadata] : []),
          [{ gemini: { thoughtSignature: "c2ln" } }, {}]
        )
      }))

    it.effect("has files, what ran at the provider, and the sources", () =>
      Effect.gen(function*() {
        const { content, toolCalls } = yield* respondTo(answerOf([
          { executableCode: { language: "PYTHON", code: "print(1)" } },
          { codeExecutionResult: { outcome: "OUTCOME_FAILED", output: "no" } },
          { inlineData: { mimeType: "image/png", data: "AQID" } },
          { text: "Blue." }
        ], {
          groundingMetadata: {
            groundingChunks: [
              { web: { uri: "https://example.com/a", title: "A" } },
              { maps: { uri: "https://maps.example.com/b", title: "B", placeId: "1" } },
              { retrievedContext: { title: "notes.txt", text: "blue" } },
              { web: { title: "no address" } }
            ]
          }
        }))
        assert.deepStrictEqual(toolCalls, [])
        const [, call, result, file, , web, maps, document] = content
        assert.deepInclude(call, { type: "tool-call", name: "code_execution", providerExecuted: true, id: "resp-1-0" })
        assert.deepInclude(result, { type: "tool-result", isFailure: true, providerExecuted: true, id: "resp-1-0" })
        assert.deepInclude(file, { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) })
        assert.deepInclude(web, { type: "source", id: "0", title: "A", url: new URL("https://example.com/a") })
        assert.deepInclude(maps, { type: "source", id: "1", title: "B" })
        assert.deepInclude(document, { type: "source", sourceType: "document", id: "2", title: "notes.txt" })
        assert.strictEqual(content.length, 9)
      }))

    it.effect("counts what tools put into the prompt, cached tokens within it, and thoughts beside the text", () =>
      Effect.gen(function*() {
        const { content, usage } = yield* respondTo({
          ...answer,
          usageMetadata: {
            promptTokenCount: 100,
            toolUsePromptTokenCount: 20,
            cachedContentTokenCount: 64,
            candidatesTokenCount: 30,
            thoughtsTokenCount: 12,
            totalTokenCount: 162,
            promptTokensDetails: [{ modality: "TEXT", tokenCount: 60 }, { modality: "AUDIO", tokenCount: 40 }]
          }
        })
        assert.deepStrictEqual(usage, {
          inputTokens: { total: 120, cacheRead: 64, uncached: 56 },
          outputTokens: { total: 42, reasoning: 12, text: 30 }
        })
        assert.deepNestedPropertyVal(content.at(-1), "metadata.gemini.audioTokens", { input: 40, output: 0 })
      }))

    it.effect.each([
      { wire: "STOP", expected: "stop" },
      { wire: "MAX_TOKENS", expected: "length" },
      { wire: "CONTINUATION", expected: "length" },
      { wire: "SAFETY", expected: "content-filter" },
      { wire: "RECITATION", expected: "content-filter" },
      { wire: "BLOCKLIST", expected: "content-filter" },
      { wire: "PROHIBITED_CONTENT", expected: "content-filter" },
      { wire: "SPII", expected: "content-filter" },
      { wire: "IMAGE_SAFETY", expected: "content-filter" },
      { wire: "MALFORMED_FUNCTION_CALL", expected: "error" },
      { wire: "LANGUAGE", expected: "other" },
      { wire: "OTHER", expected: "other" },
      { wire: "constructor", expected: "other" },
      { wire: undefined, expected: "unknown" }
    ])("says $expected for the finish reason $wire", ({ expected, wire }) =>
      Effect.gen(function*() {
        const { finishReason } = yield* respondTo({ candidates: [{ finishReason: wire, finishMessage: "So it is." }] })
        assert.strictEqual(finishReason, expected)
      }))
  })

  describe("a failure", () => {
    it.effect("tells a key that is wrong from one that is expired", () =>
      Effect.gen(function*() {
        const info = [detail("ErrorInfo", { reason: "API_KEY_INVALID" })]
        for (
          const [message, kind] of [["API key not valid.", "InvalidKey"], ["API key expired.", "ExpiredKey"]] as const
        ) {
          const { error } = yield* failureOf(refusal(400, "INVALID_ARGUMENT", message, info))
          assert.deepInclude(error.reason, { _tag: "AuthenticationError", kind })
        }
      }))

    it.effect("does not show the key, though a server quotes it in its details", () =>
      Effect.gen(function*() {
        const { calling, error } = yield* failureOf(
          refusal(400, "INVALID_ARGUMENT", `API key not valid: ${canary}`, [
            detail("ErrorInfo", { reason: canary })
          ])
        )
        for (const shown of [error, calling, Cause.fail(error)]) {
          assert.notInclude(inspect(shown, { depth: 10, showHidden: true }) + JSON.stringify(shown), "canary")
        }
        assert.include(error.message, "API key not valid: ")
      }))
  })

  describe("arguments", () => {
    it.effect("are estimated in tokens, the wire's own, too", () =>
      Effect.gen(function*() {
        const backend = yield* Gemini.makeGenerateContent({ model: "gemini-2.5-flash", apiKey })
        const model = yield* iModel.make(backend, { limitTokens: 10_000 })
        const parts = [{ inlineData: { mimeType: "image/png", data: "A".repeat(100_000) } }]
        const calling = yield* model.createCalling({ contents: [{ parts }], generationConfig: { maxOutputTokens: 50 } })
        assert.strictEqual(calling.cost, 1_050)
      }))
  })

  describe("embedContent", () => {
    const embedder = Effect.fnUntraced(function*(body: unknown) {
      const server = yield* serve({ body })
      const backend = yield* Gemini.makeEmbedContent({
        model: "models/gemini-embedding-001",
        apiKey,
        baseUrl: `${server.url}/v1beta`
      })
      return { server, model: yield* iModel.make(backend) }
    })

    it.effect("embeds one content", () =>
      Effect.gen(function*() {
        const { model, server } = yield* embedder({
          embedding: { values: [0.5, 0.25] },
          usageMetadata: { promptTokenCount: 3 }
        })
        const { data, usage } = yield* model.respond({ content: "blue", taskType: "RETRIEVAL_QUERY" })
        assert.deepStrictEqual(data.embeddings, [{ values: [0.5, 0.25] }])
        assert.strictEqual(usage.inputTokens.total, 3)
        const { body, headers, path } = yield* server.arrival
        assert.strictEqual(path, "/v1beta/models/gemini-embedding-001:embedContent")
        assert.strictEqual(headers["x-goog-api-key"], canary)
        assert.deepStrictEqual(body, {
          model: "models/gemini-embedding-001",
          content: { role: "user", parts: [{ text: "blue" }] },
          taskType: "RETRIEVAL_QUERY"
        })
      }))

    it.effect.each([
      { args: {}, parameter: "content" },
      { args: { content: "a", contents: ["b"] }, parameter: "content" },
      { args: { contents: [] }, parameter: "contents" },
      { args: { content: "a", dimensions: 3 }, parameter: "dimensions" }
    ])("refuses arguments by name: $parameter", ({ args, parameter }) =>
      Effect.gen(function*() {
        const { model, server } = yield* embedder({})
        const error = yield* Effect.flip((yield* model.invoke(args)).response)
        assert.strictEqual(Wire.parameterOf(error), parameter)
        assert.deepStrictEqual(yield* server.seen, [])
      }))

    it.effect("fails for an answer without embeddings", () =>
      Effect.gen(function*() {
        const { model } = yield* embedder({ usageMetadata: {} })
        const error = yield* Effect.flip((yield* model.invoke({ content: "a" })).response)
        assert.strictEqual(error.reason._tag, "InvalidResponseError")
      }))
  })

  describe("the configuration", () => {
    it.effect("names the backend without the folder of the model", () =>
      Effect.gen(function*() {
        const backend = yield* Gemini.makeGenerateContent({ model: "models/gemini-2.5-flash", apiKey })
        assert.strictEqual(backend.name, "gemini-2.5-flash")
      }))

    it.effect("can be all configuration, and a layer", () =>
      Effect.gen(function*() {
        const server = yield* serve((seen) =>
          Effect.succeed({ body: seen.path.includes("embed") ? { embedding: { values: [1] } } : answer })
        )
        const options = {
          model: Config.String("MODEL"),
          apiKey: Config.Redacted("KEY"),
          baseUrl: Config.String("BASE"),
          retry: Config.succeed({ times: 0 })
        }
        const text = yield* iModel.respond({ prompt: "hi" }).pipe(
          Effect.map((response) => response.text),
          Effect.provide(iModel.layer().pipe(Layer.provide(Gemini.layerGenerateContentConfig(options)))),
          Wire.environment({ MODEL: "gemini-9", KEY: canary, BASE: `${server.url}/v2` })
        )
        assert.strictEqual(text, "Blue.")
        assert.strictEqual((yield* server.arrival).path, "/v2/models/gemini-9:generateContent")
        const provider = yield* ServiceBackend.ServiceBackend.pipe(
          Effect.map((backend) => `${backend.provider} ${backend.name}`),
          Effect.provide(Gemini.layerEmbedContentConfig(options)),
          Wire.environment({ MODEL: "embedder", KEY: canary, BASE: server.url })
        )
        assert.strictEqual(provider, "gemini embedder")
      }))
  })
})
