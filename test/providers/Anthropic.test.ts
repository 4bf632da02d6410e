import { NodeHttpClient } from "@effect/platform-node"
import SDK from "@anthropic-ai/sdk"
import { assert, describe, layer } from "@effect/vitest"
import { Config, Effect, Layer, Redacted, Schema } from "effect"
import { Prompt, Tool } from "effect/ai"
import { FetchHttpClient, type HttpClient } from "effect/http"
import { Anthropic, iModel } from "effect-imodel"
import * as Contract from "../support/contract.ts"
import { type Answer, serve } from "../support/server.ts"
import * as Wire from "../support/wire.ts"

// -----------------------------------------------------------------------------
// What the provider answers
// -----------------------------------------------------------------------------

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content: [{ type: "text", text: "Blue.", citations: null }],
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 9, output_tokens: 2 }
}

const refusal = (
  status: number,
  error: { readonly type?: string; readonly message?: string; readonly details?: object },
  headers: Record<string, string> = {}
): Answer => ({
  status,
  headers: { "request-id": "req_refused", ...headers },
  body: { type: "error", error: { message: "No.", ...error }, request_id: "req_refused" }
})

const rateLimited = (headers?: Record<string, string>) =>
  refusal(429, { type: "rate_limit_error", message: "This request would exceed your rate limit." }, headers)

const unauthorized = (message: string) => refusal(401, { type: "authentication_error", message })

// -----------------------------------------------------------------------------
// What is set up
// -----------------------------------------------------------------------------

const wire = Wire.make({
  makeBackend: (options) => Anthropic.makeMessages({ model: "claude-sonnet-4-5", ...options }),
  apiKey: "sk-ant-canary-0123456789",
  base: "/v1",
  ask: { prompt: "Name a colour." },
  answer: message
})
const { failureOf, sentFor, setup } = wire

const respondTo = (fields: object, headers: Record<string, string> = {}) =>
  wire.responseTo({ body: { ...message, ...fields }, headers })

const bodyOf = (args: Anthropic.MessagesRequest) => Effect.map(sentFor(args), ({ body }) => body)

const fieldOf = (body: unknown, name: string): unknown =>
  body !== null && typeof body === "object" && name in body
    ? Object.entries(body).find(([key]) => key === name)?.[1]
    : undefined

const messagesOf = (prompt: Prompt.RawInput) => Effect.map(bodyOf({ prompt }), (body) => fieldOf(body, "messages"))

const user = (text: string) => ({ role: "user" as const, content: text })

const paint = Tool.make("paint", {
  description: "Paints a wall.",
  parameters: Schema.Struct({ colour: Schema.String, gloss: Schema.Boolean })
})

const paintSchema = {
  type: "object",
  properties: { colour: { type: "string" }, gloss: { type: "boolean" } },
  required: ["colour", "gloss"],
  additionalProperties: true
}

const WebSearch = Tool.providerDefined({
  id: "anthropic.web_search_20250305",
  customName: "WebSearch",
  providerName: "web_search",
  args: Schema.Struct({ max_uses: Schema.optional(Schema.Int) })
})

// -----------------------------------------------------------------------------
// What the contract of every wire is tested with
// -----------------------------------------------------------------------------

const text = (options: Prompt.ProviderOptions): Prompt.RawInput => [
  { role: "user", content: [{ type: "text", text: "hi", options }] }
]

const facts: Contract.Facts = {
  provider: "anthropic",
  name: "claude-sonnet-4-5",
  path: "/messages",
  keyHeader: ["x-api-key", (key) => key],
  variables: { apiKey: "ANTHROPIC_API_KEY", baseUrl: "ANTHROPIC_BASE_URL" },
  unauthorized,
  rateLimited,
  failures: [
    {
      name: "authentication_error",
      answer: refusal(401, { type: "authentication_error", message: "invalid x-api-key" }),
      reason: "AuthenticationError",
      tells: "invalid x-api-key"
    },
    {
      name: "permission_error",
      answer: refusal(403, { type: "permission_error", message: "Not for you." }),
      reason: "AuthenticationError",
      tells: "Not for you."
    },
    {
      name: "billing_error",
      answer: refusal(402, { type: "billing_error" }),
      reason: "QuotaExhaustedError",
      tells: "billing"
    },
    {
      name: "no credit",
      answer: refusal(400, {
        type: "invalid_request_error",
        message: "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
      }),
      reason: "QuotaExhaustedError",
      tells: "billing"
    },
    {
      name: "a spend limit, which has the type of a rate limit",
      answer: refusal(429, {
        type: "rate_limit_error",
        details: { error_code: "enforced_spend_limit_reached" }
      }),
      reason: "QuotaExhaustedError",
      tells: "billing"
    },
    {
      name: "a ramp limit",
      answer: refusal(429, { type: "rate_limit_error", details: { error_code: "ramp_limit_exceeded" } }),
      reason: "RateLimitError",
      isRetryable: true,
      tells: "Rate limit exceeded"
    },
    {
      name: "overloaded_error",
      answer: refusal(529, { type: "overloaded_error", message: "Overloaded" }),
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Overloaded (HTTP 529"
    },
    {
      name: "api_error",
      answer: refusal(500, { type: "api_error", message: "Internal server error" }),
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Internal server error"
    },
    {
      name: "timeout_error",
      answer: refusal(504, { type: "timeout_error", message: "Timed out." }),
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Timed out."
    },
    {
      name: "conflict_error",
      answer: refusal(409, { type: "conflict_error", message: "Meanwhile …" }),
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Meanwhile …"
    },
    {
      name: "an error inside a 200",
      answer: { body: { type: "error", error: { type: "overloaded_error", message: "Overloaded" } } },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "Overloaded"
    },
    {
      name: "a prompt that is too long",
      answer: refusal(400, {
        type: "invalid_request_error",
        message: "prompt is too long: 209353 tokens > 200000 maximum"
      }),
      reason: "ContextLengthExceeded",
      tells: "209353 tokens"
    },
    {
      name: "a prompt that is too long for its max_tokens",
      answer: refusal(400, {
        type: "invalid_request_error",
        message: "input length and `max_tokens` exceed context limit: 178959 + 64000 > 200000, decrease input length"
      }),
      reason: "ContextLengthExceeded",
      tells: "178959 + 64000"
    },
    {
      name: "blocked content",
      answer: refusal(400, {
        type: "invalid_request_error",
        message: "Output blocked by content filtering policy"
      }),
      reason: "ContentPolicyError",
      tells: "Output blocked"
    },
    {
      name: "a wrong argument",
      answer: refusal(400, {
        type: "invalid_request_error",
        message: "messages.0.content.1: Input should be a valid dictionary"
      }),
      reason: "InvalidRequestError",
      tells: "Input should be a valid dictionary",
      parameter: "messages.0.content.1"
    },
    {
      name: "an unknown model",
      answer: refusal(404, { type: "not_found_error", message: "model: claude-9" }),
      reason: "InvalidRequestError",
      tells: "claude-9",
      parameter: "model"
    },
    {
      name: "request_too_large, from a proxy",
      answer: {
        status: 413,
        body: "<h1>413 Request Entity Too Large</h1>",
        headers: { "content-type": "text/html" }
      },
      reason: "InvalidRequestError",
      tells: "413 Request Entity Too Large"
    },
    {
      name: "request_too_large",
      answer: refusal(413, { type: "request_too_large", message: "Request exceeds the maximum size" }),
      reason: "InvalidRequestError",
      tells: "Request exceeds the maximum size"
    },
    {
      name: "529 with a page of a proxy",
      answer: { status: 529, body: "overloaded", headers: { "content-type": "text/plain" } },
      reason: "InternalProviderError",
      isRetryable: true,
      tells: "overloaded"
    },
    {
      name: "JSON of another shape deep inside",
      answer: { body: { ...message, content: [{ type: "text", text: 3 }] } },
      reason: "InvalidResponseError",
      tells: "content[0].text: Expected string"
    }
  ],
  wrong: [
    { name: "with neither prompt nor messages", args: { temperature: 1 }, parameter: "messages" },
    { name: "with no message at all", args: { messages: [] }, parameter: "messages" },
    {
      name: "with nothing but a system message",
      args: { messages: [{ role: "system", content: "x" }] },
      parameter: "messages"
    },
    { name: "out of range", args: { prompt: "hi", temperature: 1.1 }, parameter: "temperature" },
    {
      name: "a block that lacks its text",
      args: { messages: [{ role: "user", content: [{ type: "text" }] }] },
      parameter: "messages[0].content[0].text"
    },
    {
      name: "a field that a block does not have",
      args: { messages: [{ role: "user", content: [{ type: "text", text: "x", colour: 1 }] }] },
      parameter: "messages[0].content[0].colour"
    },
    {
      name: "a field that a tool of Anthropic does not have",
      args: { prompt: "hi", tools: [{ type: "web_search_20250305", name: "web_search", max_use: 1 }] },
      parameter: "tools[0].max_use"
    },
    {
      name: "a tool without its schema",
      args: { prompt: "hi", tools: [{ name: "x" }] },
      parameter: "tools[0].input_schema"
    },
    {
      name: "too little thought",
      args: { prompt: "hi", thinking: { type: "enabled", budget_tokens: 1 } },
      parameter: "thinking.budget_tokens"
    },
    { name: "stop in two ways", args: { prompt: "hi", stop: "a", stop_sequences: ["b"] }, parameter: "stop" },
    {
      name: "the format in two ways",
      args: {
        prompt: "hi",
        response_format: Schema.String,
        output_config: { format: { type: "json_schema", schema: {} } }
      },
      parameter: "response_format"
    },
    {
      name: "the system prompt in two ways, by messages",
      args: { messages: [{ role: "system", content: "x" }, user("hi")], system: "y" },
      parameter: "system"
    },
    {
      name: "the system prompt in two ways, by a prompt",
      args: { prompt: [{ role: "system", content: "x" }, user("hi")], system: "y" },
      parameter: "system"
    },
    {
      name: "a format without a schema",
      args: { prompt: "hi", response_format: { type: "json_schema", json_schema: { name: "x" } } },
      parameter: "response_format.json_schema.schema"
    },
    { name: "a beta that is no header", args: { prompt: "hi", betas: ["a\nb"] }, parameter: "betas[0]" },
    {
      name: "options of a part that do not exist",
      args: { prompt: text({ anthropic: { cache_control: { type: "ephemeral" } } }) },
      parameter: "prompt"
    },
    {
      name: "a block of an answer in a message of the user",
      args: { prompt: text({ anthropic: { block: { type: "compaction" } } }) },
      parameter: "prompt"
    },
    {
      name: "a text that is not base64",
      args: { prompt: [{ role: "user", content: [{ type: "file", mediaType: "text/plain", data: "ä" }] }] },
      parameter: "prompt"
    },
    {
      name: "an image with the title of a document",
      args: {
        prompt: [{
          role: "user",
          content: [{
            type: "file",
            mediaType: "image/png",
            data: "",
            options: { anthropic: { documentTitle: "x" } }
          }]
        }]
      },
      parameter: "prompt"
    },
    {
      name: "a tool of Anthropic with wrong arguments",
      args: {
        prompt: "hi",
        tools: [
          Tool.providerDefined({
            id: "anthropic.web_search_20250305",
            customName: "WebSearch",
            providerName: "web_search",
            args: Schema.Struct({ maxUses: Schema.Int })
          })({ maxUses: 1 })
        ]
      },
      parameter: "tools"
    }
  ],
  unsupported: [
    {
      feature: "prompt: a file of type audio/ogg",
      args: { prompt: [{ role: "user", content: [{ type: "file", mediaType: "audio/ogg", data: "T2dn" }] }] }
    },
    {
      feature: "prompt: a file of type text/plain, given as a URL",
      args: {
        prompt: [{
          role: "user",
          content: [{ type: "file", mediaType: "text/plain", data: new URL("https://example.com/a.txt") }]
        }]
      }
    },
    {
      feature: "prompt: a reasoning part without a signature of Anthropic",
      args: { prompt: [{ role: "assistant", content: [{ type: "reasoning", text: "Hm." }] }] }
    },
    {
      feature: "prompt: a file part of an assistant message",
      args: { prompt: [{ role: "assistant", content: [{ type: "file", mediaType: "image/png", data: "AQID" }] }] }
    },
    {
      feature: "prompt: the call of another provider's tool",
      args: {
        prompt: [{
          role: "assistant",
          content: [{ type: "tool-call", id: "x", name: "search", params: {}, providerExecuted: true }]
        }]
      }
    },
    {
      feature: "prompt: a tool-approval-response part of a tool message",
      args: {
        prompt: [{ role: "tool", content: [{ type: "tool-approval-response", approvalId: "a", approved: true }] }]
      }
    },
    {
      feature: "tools: the provider's tool openai.web_search",
      args: {
        prompt: "hi",
        tools: [
          Tool.providerDefined({
            id: "openai.web_search",
            customName: "OpenAiWebSearch",
            providerName: "web_search"
          })(
            undefined
          )
        ]
      }
    }
  ]
}

const suite = (name: string, client: Layer.Layer<HttpClient.HttpClient>) =>
  layer(client)(name, (it) => {
    Contract.run(it, wire, facts)

    describe("the request", () => {
      it.effect("goes to /messages under the base address, with the key and the version in headers", () =>
        Effect.gen(function*() {
          const { body, headers, method, path } = yield* sentFor({ prompt: "Name a colour." })
          assert.strictEqual(`${method} ${path}`, "POST /v1/messages")
          assert.strictEqual(headers["x-api-key"], wire.apiKey)
          assert.strictEqual(headers["anthropic-version"], "2023-06-01")
          assert.strictEqual(headers["content-type"], "application/json")
          assert.strictEqual(headers["accept"], "application/json")
          assert.notProperty(headers, "authorization")
          assert.notProperty(headers, "anthropic-beta")
          assert.deepStrictEqual(body, {
            model: "claude-sonnet-4-5",
            max_tokens: 4096,
            messages: [user("Name a colour.")]
          })
        }))

      it.effect("has in headers what belongs there, and not in the body", () =>
        Effect.gen(function*() {
          const { body, headers } = yield* sentFor({
            prompt: "hi",
            max_tokens: 1,
            betas: ["context-management-2025-06-27", "mcp-client-2025-11-20"],
            user_profile_id: "uprof_1",
            workspace_id: "wrkspc_1"
          })
          assert.strictEqual(headers["anthropic-beta"], "context-management-2025-06-27,mcp-client-2025-11-20")
          assert.strictEqual(headers["anthropic-user-profile-id"], "uprof_1")
          assert.strictEqual(headers["anthropic-workspace-id"], "wrkspc_1")
          assert.deepStrictEqual(body, { model: "claude-sonnet-4-5", max_tokens: 1, messages: [user("hi")] })
        }))

      it.effect("carries every argument of the wire as it was given", () =>
        Effect.gen(function*() {
          const cache_control = { type: "ephemeral", ttl: "1h" } as const
          const args = {
            model: "claude-opus-5-5",
            max_tokens: 0,
            messages: [
              { role: "user", content: [{ type: "text", text: "Name a colour.", cache_control }] },
              { role: "assistant", content: "Which?" },
              { role: "system", content: "Be brief from now on." },
              {
                role: "user",
                content: [
                  {
                    type: "image",
                    source: { type: "file", file_id: "file_1" },
                    transformations: { oversized_image: "error" }
                  },
                  {
                    type: "document",
                    source: { type: "content", content: [{ type: "text", text: "A." }] },
                    title: "T",
                    context: "C",
                    citations: { enabled: true }
                  },
                  { type: "search_result", source: "s", title: "t", content: [{ type: "text", text: "x" }] },
                  { type: "container_upload", file_id: "file_2" }
                ]
              },
              {
                role: "assistant",
                content: [
                  { type: "thinking", thinking: "Hm.", signature: "sig" },
                  { type: "redacted_thinking", data: "xyz" },
                  { type: "server_tool_use", id: "srv_1", name: "web_search", input: { query: "q" } },
                  { type: "web_search_tool_result", tool_use_id: "srv_1", content: [{ type: "web_search_result" }] },
                  { type: "tool_use", id: "t_1", name: "paint", input: {}, caller: { type: "direct" } }
                ]
              },
              {
                role: "user",
                content: [{
                  type: "tool_result",
                  tool_use_id: "t_1",
                  is_error: true,
                  content: [{ type: "tool_reference", tool_name: "x" }, { type: "text", text: "no" }]
                }]
              }
            ],
            system: [{ type: "text", text: "Be kind.", cache_control }],
            cache_control,
            container: { id: "c", skills: [{ type: "anthropic", skill_id: "pdf", version: "latest" }] },
            context_management: { edits: [] },
            diagnostics: { previous_message_id: null },
            inference_geo: "eu",
            mcp_servers: [{ type: "url", name: "m", url: "https://mcp.example.com" }],
            metadata: { user_id: "u" },
            output_config: { effort: "high", format: { type: "json_schema", schema: { type: "object" } } },
            service_tier: "standard_only",
            speed: "fast",
            stop_sequences: ["\n"],
            temperature: 0.5,
            thinking: { type: "enabled", budget_tokens: 1024, display: "omitted" },
            tool_choice: { type: "any", disable_parallel_tool_use: true },
            tools: [
              { name: "paint", input_schema: paintSchema, strict: true, cache_control },
              { type: "web_search_20260318", name: "web_search", max_uses: 1, response_inclusion: "full" },
              { type: "web_fetch_20250910", name: "web_fetch", citations: { enabled: true } },
              { type: "code_execution_20260120", name: "code_execution" },
              { type: "bash_20250124", name: "bash" },
              { type: "text_editor_20250728", name: "str_replace_based_edit_tool", max_characters: 9 },
              { type: "memory_20250818", name: "memory" },
              { type: "tool_search_tool_bm25", name: "tool_search_tool_bm25" },
              { type: "computer_20251124", name: "computer", display_height_px: 1, display_width_px: 1 },
              { type: "computer_toolset_20260801", configs: {} },
              { type: "mcp_toolset", mcp_server_name: "m" }
            ],
            top_k: 5,
            top_p: 0.9
          } satisfies Anthropic.MessagesRequest
          assert.deepStrictEqual<unknown>(yield* bodyOf(args), args)
        }))

      it.effect("lifts the system messages at the beginning, and leaves later ones where they are", () =>
        Effect.gen(function*() {
          const one = yield* bodyOf({ messages: [{ role: "system", content: "Be brief." }, user("hi")] })
          assert.strictEqual(fieldOf(one, "system"), "Be brief.")
          assert.deepStrictEqual(fieldOf(one, "messages"), [user("hi")])

          const two = yield* bodyOf({
            prompt: [
              { role: "system", content: "Be brief." },
              { role: "system", content: "A book.", options: { anthropic: { cacheControl: { type: "ephemeral" } } } },
              { role: "user", content: "hi" },
              { role: "system", content: "Be kind." }
            ]
          })
          assert.deepStrictEqual(fieldOf(two, "system"), [
            { type: "text", text: "Be brief." },
            { type: "text", text: "A book.", cache_control: { type: "ephemeral" } }
          ])
          assert.deepStrictEqual(fieldOf(two, "messages"), [user("hi"), { role: "system", content: "Be kind." }])
        }))

      it.effect("says in Anthropic's words what every chat backend takes", () =>
        Effect.gen(function*() {
          const body = yield* bodyOf({
            prompt: "hi",
            model: "claude-haiku-4-5",
            temperature: 0,
            top_p: 1,
            max_tokens: 64,
            stop: "\n",
            tools: [paint, { type: "function", function: { name: "look" } }, WebSearch({ max_uses: 2 })],
            tool_choice: { tool: "paint" },
            response_format: {
              type: "json_schema",
              json_schema: { name: "colour", description: "A colour.", schema: { type: "object" } }
            }
          })
          assert.deepStrictEqual(body, {
            model: "claude-haiku-4-5",
            temperature: 0,
            top_p: 1,
            max_tokens: 64,
            stop_sequences: ["\n"],
            tools: [
              { name: "paint", description: "Paints a wall.", input_schema: paintSchema },
              { name: "look", input_schema: { type: "object", properties: {}, additionalProperties: false } },
              { type: "web_search_20250305", name: "web_search", max_uses: 2 }
            ],
            tool_choice: { type: "tool", name: "paint" },
            output_config: { format: { type: "json_schema", schema: { description: "A colour.", type: "object" } } },
            messages: [user("hi")]
          })
        }))

      it.effect.each(
        [
          { choice: "auto", wire: "auto" },
          { choice: "none", wire: "none" },
          { choice: "required", wire: "any" }
        ] as const
      )("chooses tools: $choice", ({ choice, wire }) =>
        Effect.gen(function*() {
          const body = yield* bodyOf({ prompt: "hi", tools: [paint], tool_choice: choice })
          assert.deepStrictEqual(fieldOf(body, "tool_choice"), { type: wire })
        }))

      it.effect("keeps the effort beside the format of the answer", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({
            body: { ...message, content: [{ type: "text", text: "{\"name\":" }, { type: "text", text: "\"blue\"}" }] }
          })
          const { value } = yield* model.respond({
            prompt: "hi",
            response_format: Schema.Struct({ name: Schema.String }),
            output_config: { effort: "low" }
          })
          assert.deepStrictEqual(value, { name: "blue" })
          assert.deepStrictEqual(fieldOf((yield* server.arrival).body, "output_config"), {
            effort: "low",
            format: {
              type: "json_schema",
              schema: {
                type: "object",
                properties: { name: { type: "string" } },
                required: ["name"],
                additionalProperties: false
              }
            }
          })
        }))

      it.effect("carries the images and documents of a prompt", () =>
        Effect.gen(function*() {
          const messages = yield* messagesOf([{
            role: "user",
            content: [
              { type: "text", text: "What are these?" },
              { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) },
              { type: "file", mediaType: "image/jpeg", data: new URL("https://images.example.com/a.jpg") },
              { type: "file", mediaType: "image/gif", data: "data:image/gif;base64,R0lG" },
              { type: "file", mediaType: "image/*", data: "https://images.example.com/b" },
              {
                type: "file",
                mediaType: "application/pdf",
                data: "JVBERg==",
                fileName: "a.pdf",
                options: {
                  anthropic: {
                    citations: { enabled: true },
                    documentContext: "Old.",
                    cacheControl: { type: "ephemeral" }
                  }
                }
              },
              { type: "file", mediaType: "application/pdf", data: new URL("https://example.com/b.pdf") },
              {
                type: "file",
                mediaType: "text/plain",
                data: new TextEncoder().encode("Grüße"),
                fileName: "c.txt",
                options: { anthropic: { documentTitle: "Greetings" } }
              }
            ]
          }])
          assert.deepStrictEqual(messages, [{
            role: "user",
            content: [
              { type: "text", text: "What are these?" },
              { type: "image", source: { type: "base64", media_type: "image/png", data: "AQID" } },
              { type: "image", source: { type: "url", url: "https://images.example.com/a.jpg" } },
              { type: "image", source: { type: "base64", media_type: "image/gif", data: "R0lG" } },
              { type: "image", source: { type: "url", url: "https://images.example.com/b" } },
              {
                type: "document",
                source: { type: "base64", media_type: "application/pdf", data: "JVBERg==" },
                title: "a.pdf",
                context: "Old.",
                citations: { enabled: true },
                cache_control: { type: "ephemeral" }
              },
              { type: "document", source: { type: "url", url: "https://example.com/b.pdf" } },
              {
                type: "document",
                source: { type: "text", media_type: "text/plain", data: "Grüße" },
                title: "Greetings"
              }
            ]
          }])
        }))

      it.effect("carries tool calls and their results, failures among them", () =>
        Effect.gen(function*() {
          const messages = yield* messagesOf([
            { role: "user", content: "Look." },
            {
              role: "assistant",
              content: [
                { type: "text", text: "I look." },
                { type: "tool-call", id: "t_1", name: "look", params: { zoom: 2 } },
                { type: "tool-call", id: "t_2", name: "look", params: undefined }
              ]
            },
            {
              role: "tool",
              content: [
                { type: "tool-result", id: "t_1", name: "look", isFailure: false, result: { seen: "a cat" } },
                { type: "tool-result", id: "t_2", name: "look", isFailure: true, result: "too dark" },
                {
                  type: "tool-result",
                  id: "t_3",
                  name: "look",
                  isFailure: false,
                  result: {},
                  modelOutput: [
                    { type: "text", text: "a dog" },
                    { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) }
                  ]
                }
              ]
            }
          ])
          assert.deepStrictEqual(messages, [
            user("Look."),
            {
              role: "assistant",
              content: [
                { type: "text", text: "I look." },
                { type: "tool_use", id: "t_1", name: "look", input: { zoom: 2 } },
                { type: "tool_use", id: "t_2", name: "look", input: {} }
              ]
            },
            {
              role: "user",
              content: [
                { type: "tool_result", tool_use_id: "t_1", content: "{\"seen\":\"a cat\"}" },
                { type: "tool_result", tool_use_id: "t_2", content: "too dark", is_error: true },
                {
                  type: "tool_result",
                  tool_use_id: "t_3",
                  content: [
                    { type: "text", text: "a dog" },
                    { type: "image", source: { type: "base64", media_type: "image/png", data: "AQID" } }
                  ]
                }
              ]
            }
          ])
        }))

      it.effect("has the prompt cached up to a part, or to the end of a message", () =>
        Effect.gen(function*() {
          const hour = { anthropic: { cacheControl: { type: "ephemeral", ttl: "1h" } } }
          const short = { anthropic: { cacheControl: { type: "ephemeral" } } }
          const messages = yield* messagesOf([
            {
              role: "user",
              content: [{ type: "text", text: "A book.", options: hour }, { type: "text", text: "Read it." }],
              options: short
            },
            { role: "assistant", content: [{ type: "tool-call", id: "t", name: "look", params: {}, options: hour }] },
            {
              role: "tool",
              content: [{ type: "tool-result", id: "t", name: "look", isFailure: false, result: "x", options: hour }],
              options: short
            }
          ])
          const [long, five] = [{ type: "ephemeral", ttl: "1h" }, { type: "ephemeral" }]
          assert.deepStrictEqual(messages, [
            {
              role: "user",
              content: [
                { type: "text", text: "A book.", cache_control: long },
                { type: "text", text: "Read it.", cache_control: five }
              ]
            },
            {
              role: "assistant",
              content: [{ type: "tool_use", id: "t", name: "look", input: {}, cache_control: long }]
            },
            {
              role: "user",
              content: [{ type: "tool_result", tool_use_id: "t", content: "x", cache_control: long }]
            }
          ])
        }))
    })

    describe("the request, as Anthropic's own SDK sends it", () => {
      const image = "iVBORw0KGgo="
      const pairs: ReadonlyArray<Wire.Call<Anthropic.MessagesRequest, SDK.MessageCreateParamsNonStreaming>> = [
        {
          name: "a question",
          sdk: { model: "claude-opus-5-5", max_tokens: 16, system: "Be brief.", messages: [user("hi")] },
          ours: {
            model: "claude-opus-5-5",
            max_tokens: 16,
            messages: [{ role: "system", content: "Be brief." }, user("hi")]
          }
        },
        {
          name: "tools and a schema of the answer",
          sdk: {
            model: "claude-opus-5-5",
            max_tokens: 16,
            messages: [
              user("Paint."),
              {
                role: "assistant",
                content: [{ type: "tool_use", id: "t", name: "paint", input: { colour: "blue", gloss: true } }]
              },
              { role: "user", content: [{ type: "tool_result", tool_use_id: "t", content: "dry", is_error: true }] }
            ],
            tools: [
              {
                name: "paint",
                description: "Paints a wall.",
                input_schema: { ...paintSchema, type: "object" }
              },
              { type: "web_search_20250305", name: "web_search", max_uses: 1 }
            ],
            tool_choice: { type: "any" },
            stop_sequences: ["."],
            output_config: {
              format: {
                type: "json_schema",
                schema: {
                  type: "object",
                  properties: { dry: { type: "boolean" } },
                  required: ["dry"],
                  additionalProperties: false
                }
              }
            }
          },
          ours: {
            model: "claude-opus-5-5",
            max_tokens: 16,
            prompt: [
              { role: "user", content: "Paint." },
              {
                role: "assistant",
                content: [{ type: "tool-call", id: "t", name: "paint", params: { colour: "blue", gloss: true } }]
              },
              {
                role: "tool",
                content: [{ type: "tool-result", id: "t", name: "paint", isFailure: true, result: "dry" }]
              }
            ],
            tools: [paint, WebSearch({ max_uses: 1 })],
            tool_choice: "required",
            stop: ["."],
            response_format: Schema.Struct({ dry: Schema.Boolean })
          }
        },
        {
          name: "images and documents, cached",
          sdk: {
            model: "claude-opus-5-5",
            max_tokens: 16,
            thinking: { type: "adaptive" },
            messages: [{
              role: "user",
              content: [
                { type: "image", source: { type: "base64", media_type: "image/png", data: image } },
                { type: "image", source: { type: "url", url: "https://example.com/a.png" } },
                {
                  type: "document",
                  source: { type: "base64", media_type: "application/pdf", data: "JVBERg==" },
                  cache_control: { type: "ephemeral" }
                },
                { type: "text", text: "What is this?" }
              ]
            }]
          },
          ours: {
            model: "claude-opus-5-5",
            max_tokens: 16,
            thinking: { type: "adaptive" },
            prompt: [{
              role: "user",
              content: [
                { type: "file", mediaType: "image/png", data: image },
                { type: "file", mediaType: "image/png", data: new URL("https://example.com/a.png") },
                {
                  type: "file",
                  mediaType: "application/pdf",
                  data: "JVBERg==",
                  options: { anthropic: { cacheControl: { type: "ephemeral" } } }
                },
                { type: "text", text: "What is this?" }
              ]
            }]
          }
        }
      ]

      // The version and the form of the key differ: that SDK speaks a later version, which has no temperature.
      const told = Wire.tellerOf(["content-type", "accept"])

      it.effect.each(pairs)("is equal field by field: $name", ({ ours, sdk }) =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({
            body: { ...message, content: [{ type: "text", text: "{\"dry\":true}" }] }
          })
          const client = new SDK({ apiKey: wire.apiKey, baseURL: server.url, maxRetries: 0 })
          yield* Effect.promise(() => client.messages.create(sdk))
          yield* model.respond(ours)
          assert.deepStrictEqual(told(yield* server.arrival), told(yield* server.arrival))
        }))
    })

    describe("the response", () => {
      it.effect("has the text, the finish reason, the usage, the model that answered and the request's id", () =>
        Effect.gen(function*() {
          const response = yield* respondTo({}, { "request-id": "req_1" })
          assert.strictEqual(response.text, "Blue.")
          assert.deepStrictEqual(response.toolCalls, [])
          assert.strictEqual(response.finishReason, "stop")
          assert.deepStrictEqual(response.usage, {
            inputTokens: { total: 9, uncached: 9 },
            outputTokens: { total: 2 }
          })
          assert.include(response.metadata, { model: "claude-sonnet-4-5-20250929", requestId: "req_1", attempts: 1 })
          assert.strictEqual(response.data.content[0]?.type, "text")
          assert.deepStrictEqual(response.content.map(({ type }) => type), ["response-metadata", "text", "finish"])
        }))

      it.effect("does with little", () =>
        Effect.gen(function*() {
          const { model } = yield* setup({ body: { id: "msg_1", model: "m", content: [{ type: "text", text: "hi" }] } })
          const response = yield* model.respond({ prompt: "hi" })
          assert.strictEqual(response.text, "hi")
          assert.strictEqual(response.finishReason, "unknown")
          assert.deepStrictEqual(response.usage, { inputTokens: {}, outputTokens: {} })
        }))

      it.effect("counts what is read from the cache and written to it as input, and thoughts as output", () =>
        Effect.gen(function*() {
          const { usage } = yield* respondTo({
            usage: {
              input_tokens: 10,
              cache_creation_input_tokens: 200,
              cache_read_input_tokens: 3000,
              output_tokens: 50,
              output_tokens_details: { thinking_tokens: 30 },
              server_tool_use: { web_search_requests: 1 }
            }
          })
          assert.deepStrictEqual(usage, {
            inputTokens: { total: 3210, uncached: 10, cacheRead: 3000, cacheWrite: 200 },
            outputTokens: { total: 50, reasoning: 30, text: 20 }
          })
        }))

      it.effect.each([
        { wire: "end_turn", expected: "stop" },
        { wire: "stop_sequence", expected: "stop" },
        { wire: "max_tokens", expected: "length" },
        { wire: "model_context_window_exceeded", expected: "length" },
        { wire: "tool_use", expected: "tool-calls" },
        { wire: "pause_turn", expected: "pause" },
        { wire: "refusal", expected: "content-filter" },
        { wire: "a_reason_of_tomorrow", expected: "other" },
        { wire: "constructor", expected: "other" },
        { wire: null, expected: "unknown" }
      ])("says $expected for the stop reason $wire", ({ expected, wire }) =>
        Effect.gen(function*() {
          const { finishReason } = yield* respondTo({ stop_reason: wire })
          assert.strictEqual(finishReason, expected)
        }))

      it.effect("tells in the metadata of the finish how it stopped", () =>
        Effect.gen(function*() {
          const { content } = yield* respondTo({
            stop_reason: "refusal",
            stop_details: { type: "refusal", category: "cyber", explanation: null },
            container: { id: "container_1", expires_at: "2030-01-01T00:00:00Z", skills: null }
          })
          assert.deepStrictEqual(content.at(-1)?.metadata, {
            anthropic: {
              stopDetails: { type: "refusal", category: "cyber", explanation: null },
              container: { id: "container_1", expires_at: "2030-01-01T00:00:00Z", skills: null }
            }
          })
        }))

      it.effect("has what is cited as sources", () =>
        Effect.gen(function*() {
          const web = {
            type: "web_search_result_location",
            cited_text: "Blue it is.",
            url: "https://example.com/blue",
            title: "Blue",
            encrypted_index: "E"
          }
          const page = {
            type: "page_location",
            cited_text: "So blue.",
            document_index: 0,
            document_title: "Colours",
            start_page_number: 1,
            end_page_number: 2,
            file_id: null
          }
          const { content } = yield* respondTo({
            content: [{ type: "text", text: "Blue.", citations: [web] }, {
              type: "text",
              text: "So.",
              citations: [page]
            }]
          })
          assert.deepStrictEqual<unknown>(
            content.filter((part) => part.type === "source").map((part) => ({
              id: part.id,
              title: part.title,
              at: part.sourceType === "url" ? part.url.href : part.mediaType,
              citation: part.metadata["anthropic"]
            })),
            [
              { id: "0", title: "Blue", at: "https://example.com/blue", citation: web },
              { id: "1", title: "Colours", at: "application/pdf", citation: page }
            ]
          )
        }))

      it.effect("keeps fields that no schema knows in rawResponse, and drops them from data", () =>
        Effect.gen(function*() {
          const response = yield* respondTo({ vendor: { region: "eu" } })
          assert.nestedProperty(response.rawResponse, "vendor.region")
          assert.notProperty(response.data, "vendor")
        }))

      it.effect("goes on as Anthropic wants it: what came is sent back as it came", () =>
        Effect.gen(function*() {
          const caller = { type: "direct" }
          const content = [
            { type: "thinking", thinking: "Hm.", signature: "sig==" },
            { type: "thinking", thinking: "", signature: "omitted==" },
            { type: "redacted_thinking", data: "xyz" },
            { type: "text", text: "I search." },
            { type: "server_tool_use", id: "srv_1", name: "web_search", input: { query: "blue" }, caller },
            {
              type: "web_search_tool_result",
              tool_use_id: "srv_1",
              content: [{ type: "web_search_result", url: "https://example.com", title: "B", encrypted_content: "E" }],
              caller
            },
            { type: "server_tool_use", id: "srv_2", name: "web_fetch", input: { url: "u" } },
            {
              type: "web_fetch_tool_result",
              tool_use_id: "srv_2",
              content: { type: "web_fetch_tool_result_error", error_code: "unavailable" }
            },
            { type: "mcp_tool_use", id: "mcp_1", name: "echo", input: {}, server_name: "m" },
            { type: "mcp_tool_result", tool_use_id: "mcp_1", content: [{ type: "text", text: "!" }], is_error: true },
            { type: "container_upload", file_id: "file_1" },
            { type: "compaction", content: "Until now …", encrypted_content: null },
            {
              type: "text",
              text: "Blue.",
              citations: [{ type: "web_search_result_location", url: "https://example.com", encrypted_index: "E" }]
            },
            { type: "tool_use", id: "t_1", name: "paint", input: { colour: "blue" }, caller },
            { type: "tool_use", id: "t_2", name: "left_click", input: {}, toolset_name: "computer" }
          ]
          const { model, server } = yield* setup({ body: { ...message, content, stop_reason: "tool_use" } })
          const first = yield* model.respond({ prompt: "Paint." })
          yield* server.arrival
          assert.deepStrictEqual(first.toolCalls.map(({ id }) => id), ["t_1", "t_2"])
          const results = first.content.filter((part) => part.type === "tool-result")
          assert.deepStrictEqual(
            results.map(({ isFailure, name, providerExecuted }) => ({ name, isFailure, providerExecuted })),
            [
              { name: "web_search", isFailure: false, providerExecuted: true },
              { name: "web_fetch", isFailure: true, providerExecuted: true },
              { name: "echo", isFailure: true, providerExecuted: true }
            ]
          )
          yield* model.respond({
            prompt: Prompt.make("Paint.").pipe(
              Prompt.concat(Prompt.fromResponseParts(first.content)),
              Prompt.concat([{
                role: "tool",
                content: [{ type: "tool-result", id: "t_1", name: "paint", isFailure: false, result: "dry" }]
              }])
            )
          })
          assert.deepStrictEqual(fieldOf((yield* server.arrival).body, "messages"), [
            user("Paint."),
            { role: "assistant", content },
            { role: "user", content: [{ type: "tool_result", tool_use_id: "t_1", content: "dry" }] }
          ])
        }))
    })

    describe("a failure", () => {
      it.effect("says how long a rate limit asks to wait, and keeps the headers that help", () =>
        Effect.gen(function*() {
          const { error } = yield* failureOf(rateLimited({
            "retry-after": "7",
            "anthropic-ratelimit-requests-remaining": "0",
            "set-cookie": "session=secret"
          }))
          assert.strictEqual(Wire.retryAfterMillis(error), 7000)
          assert.deepStrictEqual(error.reason._tag === "RateLimitError" && error.reason.http?.response, {
            status: 429,
            headers: {
              "request-id": "req_refused",
              "retry-after": "7",
              "anthropic-ratelimit-requests-remaining": "0"
            }
          })
        }))
    })

    describe("the configuration", () => {
      it.effect.each([{ path: "" }, { path: "/" }, { path: "/v1" }, { path: "/v1/" }])(
        "reads ANTHROPIC_API_KEY and ANTHROPIC_BASE_URL, with the version or without: '$path'",
        ({ path }) =>
          Effect.gen(function*() {
            const server = yield* serve({ body: message })
            const backend = yield* Anthropic.makeMessages({ model: "claude-sonnet-4-5" }).pipe(
              Wire.environment({
                ANTHROPIC_API_KEY: "sk-ant-environment",
                ANTHROPIC_BASE_URL: `${server.url}/proxy${path}`
              })
            )
            yield* (yield* iModel.make(backend)).respond({ prompt: "hi" })
            const seen = yield* server.arrival
            assert.strictEqual(seen.path, "/proxy/v1/messages")
            assert.strictEqual(seen.headers["x-api-key"], "sk-ant-environment")
          })
      )

      it.effect("reads every option from the configuration", () =>
        Effect.gen(function*() {
          const server = yield* serve({ body: message })
          const backend = Anthropic.layerMessagesConfig({
            model: Config.String("MODEL"),
            apiKey: Config.Redacted("KEY"),
            baseUrl: Config.String("URL"),
            maxTokens: Config.Int("MAX")
          })
          yield* iModel.respond({ prompt: "hi" }).pipe(
            Effect.provide(iModel.layer().pipe(Layer.provide(backend), Layer.provide(client))),
            Wire.environment({ MODEL: "claude-opus-5-5", KEY: "sk-ant-config", URL: `${server.url}/v1`, MAX: "7" })
          )
          const seen = yield* server.arrival
          assert.strictEqual(seen.headers["x-api-key"], "sk-ant-config")
          assert.deepStrictEqual(seen.body, { model: "claude-opus-5-5", max_tokens: 7, messages: [user("hi")] })
        }))

      it.effect.each([{ maxTokens: 0 }, { maxTokens: 1.5 }])(
        "fails with IllegalArgumentError when maxTokens is $maxTokens",
        ({ maxTokens }) =>
          Effect.gen(function*() {
            const options = { model: "claude-sonnet-4-5", apiKey: Redacted.make(wire.apiKey), maxTokens }
            const error = yield* Effect.flip(Anthropic.makeMessages(options))
            assert.strictEqual(error._tag, "IllegalArgumentError")
            assert.include(error.message, "maxTokens")
          })
      )

      it.effect("estimates without the output that nobody asked for", () =>
        Effect.gen(function*() {
          const backend = yield* wire.makeBackend({ apiKey: Redacted.make(wire.apiKey) })
          const cost = (args: Anthropic.MessagesRequest) => Effect.map(backend.createCalling(args), ({ cost }) => cost)
          const input = yield* cost({ prompt: "12345678" })
          assert.isTrue(input > 0 && input < 8)
          assert.strictEqual(yield* cost({ prompt: "12345678", max_tokens: 100 }), input + 100)
          const data = "A".repeat(1_000_000)
          const image = yield* cost({
            messages: [{
              role: "user",
              content: [{ type: "image", source: { type: "base64", media_type: "image/png", data } }]
            }]
          })
          assert.isBelow(image, 1100)
        }))
    })
  })

suite("Anthropic on FetchHttpClient", FetchHttpClient.layer)
suite("Anthropic on NodeHttpClient.layerUndici", NodeHttpClient.layerUndici)
