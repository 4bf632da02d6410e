import { assert, describe, layer } from "@effect/vitest"
import { Config, Effect, Layer, Schema } from "effect"
import { Prompt, Response, Tool } from "effect/ai"
import { FetchHttpClient } from "effect/http"
import { type BackendError, type Calling, iModel, OpenAi } from "effect-imodel"
import OpenAI from "openai"
import type { ResponseCreateParamsNonStreaming } from "openai/resources/responses/responses"
import * as Contract from "../support/contract.ts"
import { events, serveEvents } from "../support/events.ts"
import { answerOf, endOf, eventsOf, type Item, message, paint, search, text, thoughts } from "../support/responses.ts"
import { type Answer, serve } from "../support/server.ts"
import { bytesOf, streamed } from "../support/streams.ts"
import * as Wire from "../support/wire.ts"

const blue = answerOf([message("1", text("Blue."))])

const refusal = (status: number, error: object, headers: Readonly<Record<string, string>> = {}): Answer => ({
  status,
  headers,
  body: { error: { message: "No.", type: "invalid_request_error", param: null, code: null, ...error } }
})

const wire = Wire.make({
  makeBackend: (options) => OpenAi.makeResponses({ model: "gpt-5-mini", ...options }),
  apiKey: "sk-canary-0123456789",
  base: "/v1",
  ask: { prompt: "A colour?" },
  answer: blue
})
const { failureOf, modelAt, refusalOf, setup, streamOf } = wire

const respondTo = (body: object, args?: OpenAi.ResponseRequest) => wire.responseTo({ body }, args)

/** What a server is sent for these arguments. */
const sent = (args: OpenAi.ResponseRequest) => Effect.map(wire.sentFor(args), ({ body }) => body)

const inputOf = (prompt: Prompt.RawInput) =>
  Effect.map(
    sent({ prompt }),
    (body) => body !== null && typeof body === "object" && "input" in body ? body.input : undefined
  )

const featureOf = ({ reason }: BackendError) =>
  reason._tag === "Unsupported" ? reason.feature : `supported: ${reason._tag}`

const partsOf = (content: ReadonlyArray<Calling.Part>, type: Calling.Part["type"]) =>
  content.filter((part) => part.type === type)

const Paint = Tool.make("paint", {
  description: "Paints a wall",
  parameters: Schema.Struct({ colour: Schema.String })
})

const WebSearch = Tool.providerDefined({
  id: "openai.web_search",
  customName: "OpenAiWebSearch",
  providerName: "web_search",
  args: Schema.Struct({ search_context_size: Schema.String })
})

// -----------------------------------------------------------------------------
// What the contract of every wire is tested with
// -----------------------------------------------------------------------------

const Oracle = Tool.providerDefined({ id: "delphi.oracle", customName: "Oracle", providerName: "oracle" })

const facts: Contract.Facts = {
  provider: "openai",
  name: "gpt-5-mini",
  path: "/responses",
  keyHeader: ["authorization", (key) => `Bearer ${key}`],
  variables: { apiKey: "OPENAI_API_KEY", baseUrl: "OPENAI_BASE_URL" },
  unauthorized: (message) => refusal(401, { message, code: "invalid_api_key" }),
  rateLimited: (headers) => refusal(429, { type: "requests", code: "rate_limit_exceeded" }, headers),
  failures: [
    {
      name: "400",
      answer: refusal(400, { param: "input[0]" }),
      reason: "InvalidRequestError",
      tells: "No.",
      parameter: "input[0]"
    },
    {
      name: "JSON of another shape",
      answer: { body: { ...blue, output: [{ type: "message", role: "assistant" }] } },
      reason: "InvalidResponseError",
      tells: "output[0].content"
    }
  ],
  wrong: [
    { name: "that say nothing", args: { temperature: 1 }, parameter: "input" },
    { name: "with a prompt and input", args: { prompt: "hi", input: "hi" }, parameter: "prompt" },
    {
      name: "with messages and input",
      args: { messages: [{ role: "user", content: "hi" }], input: "hi" },
      parameter: "messages"
    },
    {
      name: "with max_tokens twice",
      args: { prompt: "hi", max_tokens: 20, max_output_tokens: 20 },
      parameter: "max_tokens"
    },
    {
      name: "with two formats",
      args: { prompt: "hi", response_format: Schema.Struct({}), text: { format: { type: "text" } } },
      parameter: "response_format"
    },
    {
      name: "with an item that lacks its call",
      args: { input: [{ type: "function_call_output", output: 3 }] },
      parameter: "input[0].output"
    },
    {
      name: "with a content that lacks its text",
      args: { input: [{ role: "user", content: [{ type: "input_text" }] }] },
      parameter: "input[0].content[0].text"
    },
    {
      name: "with a field that a tool does not have",
      args: { prompt: "hi", tools: [{ type: "web_search", colour: "blue" }] },
      parameter: "tools[0].colour"
    },
    {
      name: "with a tool of no kind",
      args: { prompt: "hi", tools: [{ type: "oracle" }] },
      parameter: "tools[0].type"
    },
    { name: "with an inclusion of nothing", args: { prompt: "hi", include: ["all"] }, parameter: "include[0]" }
  ],
  unsupported: [
    { feature: "stop", args: { prompt: "hi", stop: ["\n"] } },
    { feature: "tools: the provider's tool delphi.oracle", args: { prompt: "hi", tools: [Oracle(undefined)] } },
    {
      feature: "prompt: a file of type audio/wav",
      args: { prompt: [{ role: "user", content: [{ type: "file", mediaType: "audio/wav", data: "UklG" }] }] }
    },
    {
      feature: "prompt: a reasoning part of an assistant message that OpenAI did not make",
      args: { prompt: [{ role: "assistant", content: [{ type: "reasoning", text: "Hm." }] }] }
    },
    {
      feature: "prompt: a tool-call part of an assistant message that OpenAI did not make",
      args: {
        prompt: [{
          role: "assistant",
          content: [{ type: "tool-call", id: "1", name: "web_search", params: {}, providerExecuted: true }]
        }]
      }
    },
    {
      feature: "prompt: a file part of an assistant message that OpenAI did not make",
      args: { prompt: [{ role: "assistant", content: [{ type: "file", mediaType: "image/png", data: "AQID" }] }] }
    }
  ]
}

layer(FetchHttpClient.layer)("OpenAi.makeResponses", (it) => {
  Contract.run(it, wire, facts)

  describe("the request", () => {
    it.effect("goes to /responses under the base address, with the key as a bearer token", () =>
      Effect.gen(function*() {
        const { model, server } = yield* setup({ body: blue })
        yield* model.respond({ prompt: "A colour?" })
        const { body, headers, method, path } = yield* server.arrival
        assert.strictEqual(`${method} ${path}`, "POST /v1/responses")
        assert.strictEqual(headers["authorization"], `Bearer ${wire.apiKey}`)
        assert.strictEqual(headers["accept"], "application/json")
        assert.deepStrictEqual(body, { model: "gpt-5-mini", input: "A colour?" })
      }))

    it.effect("carries every argument as it was given", () =>
      Effect.gen(function*() {
        const args = {
          model: "gpt-5",
          background: true,
          context_management: [{ type: "compaction", compact_threshold: 1000 }],
          conversation: { id: "conv_1" },
          include: ["reasoning.encrypted_content", "web_search_call.action.sources"],
          input: [
            { role: "developer", content: "Be brief." },
            {
              type: "message",
              role: "user",
              content: [
                { type: "input_text", text: "What is this?" },
                { type: "input_image", image_url: "data:image/png;base64,AQID", detail: "high" },
                { type: "input_file", file_id: "file_1" }
              ]
            },
            { type: "function_call", call_id: "call_1", name: "paint", arguments: "{}" },
            { type: "function_call_output", call_id: "call_1", output: [{ type: "input_text", text: "done" }] },
            { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA" },
            { type: "item_reference", id: "msg_1" },
            { id: "msg_2" },
            { type: "compaction_trigger" }
          ],
          instructions: "Be kind.",
          max_output_tokens: 100,
          max_tool_calls: 2,
          metadata: { job: "colours" },
          moderation: { model: "omni", policy: { input: { mode: "block" } } },
          parallel_tool_calls: false,
          previous_response_id: "resp_0",
          prompt: { id: "pmpt_1", version: "2", variables: { name: "ada", photo: { type: "input_text", text: "x" } } },
          prompt_cache_key: "k",
          prompt_cache_options: { ttl: "30m", mode: "explicit" },
          prompt_cache_retention: "24h",
          reasoning: { effort: "low", summary: "auto", context: "all_turns" },
          safety_identifier: "s",
          service_tier: "flex",
          store: false,
          temperature: 0.5,
          text: { format: { type: "json_schema", name: "colour", schema: { type: "object" } }, verbosity: "low" },
          tool_choice: { type: "allowed_tools", mode: "auto", tools: [{ type: "function", name: "paint" }] },
          tools: [
            { type: "function", name: "paint", parameters: { type: "object" }, strict: true },
            { type: "web_search", filters: { allowed_domains: ["example.com"] }, search_context_size: "low" },
            {
              type: "file_search",
              vector_store_ids: ["vs_1"],
              filters: { type: "and", filters: [{ type: "or", filters: [{ type: "eq", key: "a", value: 1 }] }] }
            },
            { type: "code_interpreter", container: { type: "auto", memory_limit: "4g" } },
            { type: "image_generation", quality: "low" },
            { type: "mcp", server_label: "docs", server_url: "https://example.com/mcp", require_approval: "never" },
            { type: "computer_use_preview", environment: "browser", display_width: 800, display_height: 600 },
            { type: "local_shell" },
            { type: "shell", environment: { type: "local" } },
            { type: "apply_patch" },
            { type: "custom", name: "sql", format: { type: "grammar", syntax: "lark", definition: "start: \"x\"" } },
            { type: "namespace", name: "crm", description: "d", tools: [{ type: "function", name: "a" }] },
            { type: "tool_search", execution: "server" }
          ],
          top_logprobs: 3,
          top_p: 0.9,
          truncation: "auto",
          user: "u"
        } satisfies OpenAi.ResponseRequest
        assert.deepStrictEqual<unknown>(yield* sent(args), args)
      }))

    it.effect("puts what every chat backend takes into the words of this one", () =>
      Effect.gen(function*() {
        const body = yield* sent({
          messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "A colour?" }],
          max_tokens: 64,
          temperature: 0.5,
          top_p: 0.5,
          tools: [Paint, WebSearch({ search_context_size: "low" }), {
            type: "function",
            function: { name: "mix", strict: true }
          }],
          tool_choice: { tool: "paint" },
          response_format: { type: "json_schema", json_schema: { name: "colour", schema: { type: "object" } } },
          text: { verbosity: "low" }
        })
        assert.deepStrictEqual(body, {
          model: "gpt-5-mini",
          input: [{ role: "system", content: "Be brief." }, { role: "user", content: "A colour?" }],
          max_output_tokens: 64,
          temperature: 0.5,
          top_p: 0.5,
          tools: [
            {
              type: "function",
              name: "paint",
              description: "Paints a wall",
              parameters: { ...Tool.getJsonSchema(Paint) },
              strict: false
            },
            { type: "web_search", search_context_size: "low" },
            {
              type: "function",
              name: "mix",
              parameters: { type: "object", properties: {}, additionalProperties: false },
              strict: true
            }
          ],
          tool_choice: { type: "function", name: "paint" },
          text: { verbosity: "low", format: { type: "json_schema", name: "colour", schema: { type: "object" } } }
        })
      }))

    it.effect("carries a prompt of effect/ai with its images, files, tool calls and tool results", () =>
      Effect.gen(function*() {
        const input = yield* inputOf([
          { role: "system", content: "You see." },
          {
            role: "user",
            content: [
              { type: "text", text: "What are these?" },
              { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) },
              {
                type: "file",
                mediaType: "image/jpeg",
                data: new URL("https://images.example.com/a.jpg"),
                options: { openai: { detail: "high" } }
              },
              { type: "file", mediaType: "application/pdf", data: "JVBERg==", fileName: "a.pdf" },
              { type: "file", mediaType: "text/csv", data: new URL("https://example.com/a.csv") },
              { type: "file", mediaType: "text/csv", data: "https://example.com/b.csv" }
            ]
          },
          {
            role: "assistant",
            content: [
              { type: "text", text: "Let me " },
              { type: "text", text: "look." },
              { type: "tool-call", id: "call_1", name: "look", params: { zoom: 2 } },
              { type: "tool-call", id: "call_2", name: "look", params: {} }
            ]
          },
          {
            role: "tool",
            content: [
              { type: "tool-result", id: "call_1", name: "look", isFailure: false, result: { seen: "a cat" } },
              {
                type: "tool-result",
                id: "call_2",
                name: "look",
                isFailure: false,
                result: {},
                modelOutput: [
                  { type: "text", text: "a photo" },
                  { type: "file", mediaType: "image/png", data: "AQID" }
                ]
              }
            ]
          },
          { role: "user", content: "And now?" }
        ])
        assert.deepStrictEqual(input, [
          { role: "system", content: "You see." },
          {
            role: "user",
            content: [
              { type: "input_text", text: "What are these?" },
              { type: "input_image", image_url: "data:image/png;base64,AQID", detail: "auto" },
              { type: "input_image", image_url: "https://images.example.com/a.jpg", detail: "high" },
              { type: "input_file", filename: "a.pdf", file_data: "data:application/pdf;base64,JVBERg==" },
              { type: "input_file", file_url: "https://example.com/a.csv" },
              { type: "input_file", file_url: "https://example.com/b.csv" }
            ]
          },
          { role: "assistant", content: "Let me look." },
          { type: "function_call", call_id: "call_1", name: "look", arguments: "{\"zoom\":2}" },
          { type: "function_call", call_id: "call_2", name: "look", arguments: "{}" },
          { type: "function_call_output", call_id: "call_1", output: "{\"seen\":\"a cat\"}" },
          {
            type: "function_call_output",
            call_id: "call_2",
            output: [
              { type: "input_text", text: "a photo" },
              { type: "input_image", image_url: "data:image/png;base64,AQID", detail: "auto" }
            ]
          },
          { role: "user", content: "And now?" }
        ])
      }))

    it.effect("takes back what the provider has answered with, as it is", () =>
      Effect.gen(function*() {
        const output = [thoughts("1", "Hm."), message("1", text("Blue.")), paint("1", "{}")]
        const { data } = yield* respondTo(answerOf(output))
        const body = yield* sent({ input: [...data.output, { role: "user", content: "More." }] })
        assert.deepStrictEqual(body, {
          model: "gpt-5-mini",
          input: [...output, { role: "user", content: "More." }]
        })
      }))

    it.effect("says in a stream that it is one, and nowhere else", () =>
      Effect.gen(function*() {
        const server = yield* serveEvents(() => ({ chunks: events(endOf(blue)) }))
        const model = yield* modelAt(`${server.url}/v1`)
        yield* streamed(model, { prompt: "hi", stream_options: { include_obfuscation: false } })
        assert.deepStrictEqual(yield* server.request, {
          model: "gpt-5-mini",
          input: "hi",
          stream: true,
          stream_options: { include_obfuscation: false }
        })
        assert.deepStrictEqual(yield* sent({ prompt: "hi", stream_options: { include_obfuscation: false } }), {
          model: "gpt-5-mini",
          input: "hi"
        })
      }))

    describe("is that of the openai SDK for the same call", () => {
      const tool = {
        type: "function" as const,
        name: "paint",
        description: "Paints a wall",
        strict: false,
        parameters: { ...Tool.getJsonSchema(Paint) }
      }
      const calls: ReadonlyArray<Wire.Call<OpenAi.ResponseRequest, ResponseCreateParamsNonStreaming>> = [
        {
          name: "plain",
          sdk: { model: "gpt-5-mini", input: "A colour?", max_output_tokens: 64, reasoning: { effort: "low" } },
          ours: { prompt: "A colour?", max_tokens: 64, reasoning: { effort: "low" } }
        },
        {
          name: "with messages",
          sdk: {
            model: "gpt-5-mini",
            input: [{ role: "system", content: "Be brief." }, { role: "user", content: "A colour?" }]
          },
          ours: { messages: [{ role: "system", content: "Be brief." }, { role: "user", content: "A colour?" }] }
        },
        {
          name: "with tools and their results",
          sdk: {
            model: "gpt-5-mini",
            tools: [tool, { type: "web_search", search_context_size: "low" }],
            tool_choice: "required",
            input: [
              { role: "user", content: "Paint it." },
              { type: "function_call", call_id: "call_1", name: "paint", arguments: "{\"colour\":\"blue\"}" },
              { type: "function_call_output", call_id: "call_1", output: "done" }
            ]
          },
          ours: {
            tools: [Paint, WebSearch({ search_context_size: "low" })],
            tool_choice: "required",
            prompt: [
              { role: "user", content: "Paint it." },
              {
                role: "assistant",
                content: [{ type: "tool-call", id: "call_1", name: "paint", params: { colour: "blue" } }]
              },
              {
                role: "tool",
                content: [{ type: "tool-result", id: "call_1", name: "paint", isFailure: false, result: "done" }]
              }
            ]
          }
        },
        {
          name: "with an image",
          sdk: {
            model: "gpt-5-mini",
            input: [{
              role: "user",
              content: [
                { type: "input_text", text: "What is this?" },
                { type: "input_image", image_url: "data:image/png;base64,AQID", detail: "auto" }
              ]
            }]
          },
          ours: {
            prompt: [{
              role: "user",
              content: [
                { type: "text", text: "What is this?" },
                { type: "file", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) }
              ]
            }]
          }
        }
      ]

      const official = (url: string) =>
        new OpenAI({ apiKey: wire.apiKey, baseURL: `${url}/v1`, maxRetries: 0 }).responses

      Wire.asksAsTheSdk(it, wire, {
        calls,
        told: Wire.tellerOf(["authorization", "content-type", "accept"]),
        create: (url, call) => official(url).create(call),
        stream: (url, call) => official(url).create({ ...call, stream: true }),
        streamed: bytesOf(...eventsOf(blue))
      })
    })
  })

  describe("the response", () => {
    it.effect("has the text, the finish reason, the usage, the model that answered and the request's id", () =>
      Effect.gen(function*() {
        const { model } = yield* setup({ body: blue, headers: { "x-request-id": "req_1" } })
        const response = yield* model.respond({ prompt: "A colour?" })
        assert.strictEqual(response.text, "Blue.")
        assert.deepStrictEqual(response.toolCalls, [])
        assert.strictEqual(response.finishReason, "stop")
        assert.deepStrictEqual(response.usage, {
          inputTokens: { total: 9, cacheRead: 0, uncached: 9, cacheWrite: 0 },
          outputTokens: { total: 4, reasoning: 0, text: 4 }
        })
        assert.include(response.metadata, { model: "gpt-5-mini-2025-08-07", requestId: "req_1" })
        assert.deepStrictEqual<unknown>(response.data, blue)
        const [first] = response.data.output
        assert.strictEqual(first?.type === "message" ? first.content.length : undefined, 1)
      }))

    it.effect("is read from who sends little", () =>
      Effect.gen(function*() {
        const output = [{ type: "message", role: "assistant", content: [{ type: "output_text", text: "Blue." }] }]
        const response = yield* respondTo({ id: "r", model: "m", output })
        assert.strictEqual(response.text, "Blue.")
        assert.strictEqual(response.finishReason, "stop")
        assert.deepStrictEqual(response.usage, { inputTokens: {}, outputTokens: {} })
      }))

    it.effect("has thoughts, texts, sources and tool calls in their order", () =>
      Effect.gen(function*() {
        const citation = (url: string) => ({ type: "url_citation", url, title: "A page", start_index: 0, end_index: 4 })
        const { content, finishReason, text: said, toolCalls } = yield* respondTo(answerOf([
          thoughts("1", "First.", "Second."),
          message(
            "1",
            text("Blue.", [citation("https://example.com/a"), { type: "file_citation", file_id: "f", index: 0 }])
          ),
          paint("1", "{\"colour\":\"blue\"}"),
          paint("2", "{\"colour\":")
        ]))
        assert.deepStrictEqual(
          content.map((part) => part.type),
          [
            "response-metadata",
            "reasoning",
            "reasoning",
            "text",
            "source",
            "tool-call",
            "tool-call",
            "finish"
          ]
        )
        assert.deepStrictEqual(
          partsOf(content, "reasoning").map((part) => part.type === "reasoning" && part.text),
          ["First.", "Second."]
        )
        const [source] = partsOf(content, "source")
        assert.deepInclude(source, { url: new URL("https://example.com/a"), title: "A page" })
        assert.strictEqual(said, "Blue.")
        assert.strictEqual(finishReason, "tool-calls")
        assert.deepStrictEqual(toolCalls, [
          { id: "call_1", name: "paint", params: { colour: "blue" } },
          { id: "call_2", name: "paint", params: "{\"colour\":" }
        ])
      }))

    const ours: ReadonlyArray<{ readonly item: Item; readonly call: object }> = [
      {
        item: { type: "custom_tool_call", id: "c", call_id: "call_1", name: "sql", input: "42" },
        call: { id: "call_1", name: "sql", params: "42" }
      },
      {
        item: {
          type: "local_shell_call",
          id: "c",
          call_id: "call_1",
          action: { type: "exec", command: ["ls"], env: {} }
        },
        call: { id: "call_1", name: "local_shell", params: { type: "exec", command: ["ls"], env: {} } }
      },
      {
        item: { type: "shell_call", id: "c", call_id: "call_1", action: { commands: ["ls"] }, environment: null },
        call: { id: "call_1", name: "shell", params: { commands: ["ls"] } }
      },
      {
        item: { type: "apply_patch_call", id: "c", call_id: "call_1", operation: { type: "delete_file", path: "a" } },
        call: { id: "call_1", name: "apply_patch", params: { type: "delete_file", path: "a" } }
      },
      {
        item: { type: "tool_search_call", id: "c", call_id: "call_1", execution: "client", arguments: "x" },
        call: { id: "call_1", name: "tool_search", params: "x" }
      }
    ]

    it.effect.each(ours)(
      "asks the caller for what only it can run: $item.type",
      ({ call, item }) =>
        Effect.gen(function*() {
          const { finishReason, toolCalls } = yield* respondTo(answerOf([item]))
          assert.deepStrictEqual<unknown>(toolCalls, [call])
          assert.strictEqual(finishReason, "tool-calls")
        })
    )

    it.effect("shows what the provider has run, with its results, and asks for nothing", () =>
      Effect.gen(function*() {
        const { content, finishReason, toolCalls } = yield* respondTo(answerOf([
          search("1"),
          { type: "file_search_call", id: "fs_1", status: "completed", queries: ["q"], results: [{ file_id: "f" }] },
          {
            type: "code_interpreter_call",
            id: "ci_1",
            status: "completed",
            code: "1+1",
            container_id: "c",
            outputs: [{ type: "logs", logs: "2" }]
          },
          {
            type: "mcp_call",
            id: "mcp_1",
            server_label: "docs",
            name: "find",
            arguments: "{\"q\":1}",
            error: { type: "http_error", code: 500, message: "no" }
          },
          { type: "image_generation_call", id: "ig_1", status: "completed", result: "AQID", output_format: "webp" },
          {
            type: "shell_call",
            id: "sh_1",
            call_id: "call_1",
            action: { commands: ["ls"] },
            environment: { type: "container_reference", container_id: "c" }
          },
          {
            type: "shell_call_output",
            id: "sho_1",
            call_id: "call_1",
            output: [{ stdout: "a", stderr: "", outcome: { type: "exit", exit_code: 0 } }]
          },
          message("1", text("Done."))
        ]))
        assert.deepStrictEqual(toolCalls, [])
        assert.strictEqual(finishReason, "stop")
        assert.deepStrictEqual(
          content.flatMap((part): ReadonlyArray<unknown> =>
            part.type === "tool-call"
              ? [{ id: part.id, name: part.name, params: part.params, executed: part.providerExecuted }]
              : part.type === "tool-result"
              ? [{ id: part.id, result: part.result, failed: part.isFailure, executed: part.providerExecuted }]
              : part.type === "file"
              ? [{ mediaType: part.mediaType, data: [...part.data] }]
              : []
          ),
          [
            {
              id: "ws_1",
              name: "web_search",
              params: { type: "search", query: "colours", queries: ["colours"] },
              executed: true
            },
            { id: "fs_1", name: "file_search", params: { queries: ["q"] }, executed: true },
            { id: "fs_1", result: [{ file_id: "f" }], failed: false, executed: true },
            { id: "ci_1", name: "code_interpreter", params: { code: "1+1", container_id: "c" }, executed: true },
            { id: "ci_1", result: [{ type: "logs", logs: "2" }], failed: false, executed: true },
            { id: "mcp_1", name: "find", params: { q: 1 }, executed: true },
            { id: "mcp_1", result: { type: "http_error", code: 500, message: "no" }, failed: true, executed: true },
            { id: "ig_1", name: "image_generation", params: {}, executed: true },
            { mediaType: "image/webp", data: [1, 2, 3] },
            { id: "call_1", name: "shell", params: { commands: ["ls"] }, executed: true },
            {
              id: "call_1",
              result: [{ stdout: "a", stderr: "", outcome: { type: "exit", exit_code: 0 } }],
              failed: false,
              executed: true
            }
          ]
        )
      }))

    it.effect("asks for approval of a tool of an MCP server", () =>
      Effect.gen(function*() {
        const item = { type: "mcp_approval_request", id: "mcpr_1", server_label: "docs", name: "find", arguments: "{}" }
        const { content } = yield* respondTo(answerOf([item]))
        const [request] = partsOf(content, "tool-approval-request")
        assert.deepInclude(request, { approvalId: "mcpr_1", toolCallId: "mcpr_1" })
      }))

    it.effect("has a refusal beside the text", () =>
      Effect.gen(function*() {
        const { content, text: said } = yield* respondTo(answerOf([
          message("1", { type: "refusal", refusal: "No." })
        ]))
        const [finish] = partsOf(content, "finish")
        assert.strictEqual(said, "")
        assert.deepStrictEqual(finish?.metadata, { openai: { refusal: "No." } })
      }))

    it.effect("keeps items and contents of kinds that nobody knows yet", () =>
      Effect.gen(function*() {
        const output = [
          { type: "dream", id: "dr_1", colours: ["blue"] },
          message("1", text("Blue."), { type: "scent", text: "roses" })
        ]
        const { data, text: said } = yield* respondTo(answerOf(output))
        assert.strictEqual(said, "Blue.")
        assert.deepStrictEqual<unknown>(data.output, output)
      }))

    it.effect.each([
      { fields: { status: "completed" }, expected: "stop" },
      { fields: { status: null }, expected: "stop" },
      { fields: { status: "incomplete", incomplete_details: { reason: "max_output_tokens" } }, expected: "length" },
      {
        fields: { status: "incomplete", incomplete_details: { reason: "content_filter" } },
        expected: "content-filter"
      },
      { fields: { status: "incomplete", incomplete_details: { reason: "constructor" } }, expected: "other" },
      { fields: { status: "queued", output: [] }, expected: "unknown" },
      { fields: { status: "cancelled" }, expected: "other" }
    ])("says $expected for $fields", ({ expected, fields }) =>
      Effect.gen(function*() {
        const { finishReason } = yield* respondTo({ ...blue, ...fields })
        assert.strictEqual(finishReason, expected)
      }))

    it.effect("is none when it has failed without a reason", () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(respondTo({ ...blue, status: "failed" }))
        assert.match(error.message, /The response has failed/)
      }))

    it.effect("counts cached tokens within the input's, and reasoning tokens within the output's", () =>
      Effect.gen(function*() {
        const { usage } = yield* respondTo({
          ...blue,
          usage: {
            input_tokens: 100,
            input_tokens_details: { cached_tokens: 64 },
            output_tokens: 50,
            output_tokens_details: { reasoning_tokens: 30 },
            total_tokens: 150
          }
        })
        assert.deepStrictEqual(usage, {
          inputTokens: { total: 100, cacheRead: 64, uncached: 36 },
          outputTokens: { total: 50, reasoning: 30, text: 20 }
        })
      }))

    describe("to a schema", () => {
      const Colour = Schema.Struct({ name: Schema.String }).annotate({ identifier: "Colour" })
      const ask = { prompt: "A colour?", response_format: Colour }

      it.effect("is asked for in OpenAI's form, and decoded", () =>
        Effect.gen(function*() {
          const { model, server } = yield* setup({ body: answerOf([message("1", text("{\"name\":\"blue\"}"))]) })
          const { value } = yield* model.respond(ask)
          assert.deepStrictEqual(value, { name: "blue" })
          const { body } = yield* server.arrival
          assert.deepNestedInclude(body, {
            "text.format.type": "json_schema",
            "text.format.name": "Colour",
            "text.format.strict": true
          })
        }))

      it.effect("is what the model says in the end, not on its way", () =>
        Effect.gen(function*() {
          const { text: said, value } = yield* respondTo(
            answerOf([
              { ...message("1", text("Looking.")), phase: "commentary" },
              { ...message("2", text("{\"name\":\"blue\"}")), phase: "final_answer" }
            ]),
            ask
          )
          assert.deepStrictEqual(value, { name: "blue" })
          assert.strictEqual(said, "Looking.{\"name\":\"blue\"}")
        }))

      it.effect("is not expected of a model that asks for tools first", () =>
        Effect.gen(function*() {
          const { toolCalls, value } = yield* respondTo(answerOf([paint("1", "{}")]), ask)
          assert.strictEqual(value, undefined)
          assert.strictEqual(toolCalls.length, 1)
        }))

      it.effect("fails when it is another", () =>
        Effect.gen(function*() {
          const { error } = yield* failureOf({ body: answerOf([message("1", text("{}"))]) }, ask)
          assert.strictEqual(error.reason._tag, "InvalidOutputError")
        }))
    })
  })

  describe("the next turn", () => {
    /** What is sent when the parts of an answer, and what follows it, are the prompt. */
    const continued = Effect.fnUntraced(function*(
      parts: ReadonlyArray<Calling.Part | Calling.StreamPart>,
      next: ReadonlyArray<Prompt.MessageEncoded> = []
    ) {
      return yield* inputOf(Prompt.concat(Prompt.fromResponseParts(parts), next))
    })

    const items: ReadonlyArray<Item> = [
      thoughts("1"),
      search("1"),
      thoughts("2", "First.", "Second."),
      { ...thoughts("3", "Third."), content: [{ type: "reasoning_text", text: "Raw." }] },
      {
        ...message("1", text("Blue ", [{ type: "url_citation", url: "https://example.com/", title: "A page" }]), {
          type: "refusal",
          refusal: "No."
        }),
        phase: "final_answer"
      },
      message("2", text("sky.")),
      { type: "mcp_list_tools", id: "mcpl_1", server_label: "docs", tools: [{ name: "find", input_schema: {} }] },
      {
        type: "code_interpreter_call",
        id: "ci_1",
        status: "completed",
        code: "1+1",
        container_id: "c",
        outputs: [{ type: "logs", logs: "2" }]
      },
      { type: "image_generation_call", id: "ig_1", status: "completed", result: "AQID" },
      { type: "mcp_approval_request", id: "mcpr_1", server_label: "docs", name: "find", arguments: "{}" },
      { type: "compaction", id: "cmp_1", encrypted_content: "gAAAA" },
      { type: "program", id: "prg_1", call_id: "call_p", code: "1", fingerprint: "f" },
      { ...paint("1", "{\"colour\":\"blue\"}"), namespace: "walls", caller: { type: "program", caller_id: "call_p" } },
      { type: "custom_tool_call", id: "ct_1", call_id: "call_2", name: "sql", input: "select 1" },
      paint("3", "{\"colour\":\"red\"}"),
      { type: "dream", id: "dr_1", colours: ["blue"] }
    ]

    it.effect("gives the provider its items back", () =>
      Effect.gen(function*() {
        const { content } = yield* respondTo(answerOf(items))
        assert.deepStrictEqual(yield* continued(content), items)
      }))

    it.effect("gives the provider its items back from a stream", () =>
      Effect.gen(function*() {
        const { parts } = yield* streamOf(bytesOf(...eventsOf(answerOf(items))))
        assert.deepStrictEqual(yield* continued(parts), items)
      }))

    it.effect("answers each call in the words of its kind, and requests of approval", () =>
      Effect.gen(function*() {
        const { content } = yield* respondTo(answerOf(items))
        const result = (id: string, result: unknown) =>
          Prompt.toolResultPart({ id, name: "paint", isFailure: false, result, providerExecuted: false })
        const input = yield* continued(content, [{
          role: "tool",
          content: [
            result("call_1", { painted: true }),
            result("call_2", [1]),
            Prompt.toolApprovalResponsePart({ approvalId: "mcpr_1", approved: false, reason: "No." })
          ]
        }])
        assert.deepStrictEqual(input, [
          ...items,
          {
            type: "function_call_output",
            call_id: "call_1",
            output: "{\"painted\":true}",
            caller: { type: "program", caller_id: "call_p" }
          },
          { type: "custom_tool_call_output", call_id: "call_2", output: "[1]" },
          { type: "mcp_approval_response", approval_request_id: "mcpr_1", approve: false, reason: "No." }
        ])
      }))

    it.effect("sends an item of one's own as it is, where the neutral words do not do", () =>
      Effect.gen(function*() {
        const call = {
          type: "computer_call",
          id: "cc_1",
          call_id: "call_1",
          status: "completed",
          action: { type: "screenshot" },
          pending_safety_checks: []
        }
        const output = {
          type: "computer_call_output",
          call_id: "call_1",
          output: { type: "computer_screenshot", image_url: "data:image/png;base64,AQID" }
        }
        const { content } = yield* respondTo(answerOf([call]))
        const result = { id: "call_1", name: "computer", isFailure: false, result: null, providerExecuted: false }
        const native = Prompt.toolResultPart({ ...result, options: { openai: { item: output } } })
        assert.deepStrictEqual(yield* continued(content, [{ role: "tool", content: [native] }]), [call, output])
        const prompt = Prompt.concat(Prompt.fromResponseParts(content), [{
          role: "tool",
          content: [Prompt.toolResultPart(result)]
        }])
        const { error } = yield* refusalOf({ prompt })
        assert.strictEqual(
          featureOf(error),
          "prompt: the result of a computer_call, but as an item in options.openai"
        )
      }))

    it.effect("has the words of a text that was changed", () =>
      Effect.gen(function*() {
        const { content } = yield* respondTo(blue)
        const changed = content.map((part) =>
          part.type === "text" ? Response.makePart("text", { text: "Red.", metadata: part.metadata }) : part
        )
        assert.deepStrictEqual(yield* continued(changed), [message("1", text("Red."))])
      }))
  })

  describe("a failure", () => {
    const failed = (code: string, message = "It failed.") => ({
      body: answerOf([], { status: "failed", error: { code, message }, usage: null })
    })

    it.effect.each([
      { code: "server_error", reason: "InternalProviderError" },
      { code: "vector_store_timeout", reason: "InternalProviderError" },
      { code: "rate_limit_exceeded", reason: "RateLimitError" },
      { code: "insufficient_quota", reason: "QuotaExhaustedError" },
      { code: "context_length_exceeded", reason: "ContextLengthExceeded" },
      { code: "invalid_prompt", reason: "ContentPolicyError" },
      { code: "bio_policy", reason: "ContentPolicyError" },
      { code: "image_content_policy_violation", reason: "ContentPolicyError" },
      { code: "invalid_image_url", reason: "InvalidRequestError" },
      { code: "image_too_large", reason: "InvalidRequestError" },
      { code: "failed_to_download_image", reason: "InvalidRequestError" },
      { code: "a_code_of_tomorrow", reason: "InternalProviderError" }
    ])("inside a 200 is one, by its code: $code", ({ code, reason }) =>
      Effect.gen(function*() {
        const plain = yield* failureOf(failed(code))
        assert.strictEqual(plain.error.reason._tag, reason)
        const event = { type: "response.failed", response: failed(code).body }
        const inStream = yield* Effect.flip(streamOf(bytesOf(...eventsOf(blue).slice(0, 2), event)))
        assert.strictEqual(inStream._tag === "BackendError" ? inStream.reason._tag : inStream._tag, reason)
      }))
  })

  describe("arguments", () => {
    it.effect("are refused when a stream would go on in the background", () =>
      Effect.gen(function*() {
        const { model, server } = yield* setup({ body: blue })
        const error = yield* Effect.flip(streamed(model, { prompt: "hi", background: true }))
        assert.strictEqual(error._tag === "BackendError" ? featureOf(error) : error._tag, "background, in a stream")
        assert.deepStrictEqual(yield* server.seen, [])
      }))

    it.effect("of a provider's tool are checked", () =>
      Effect.gen(function*() {
        const { error } = yield* refusalOf({ prompt: "hi", tools: [WebSearch({ search_context_size: "huge" })] })
        assert.strictEqual(Wire.parameterOf(error), "tools")
        assert.include(error.message, "openai.web_search: search_context_size")
      }))
  })

  describe("the configuration", () => {
    it.effect("can name the model, the key and the address", () =>
      Effect.gen(function*() {
        const server = yield* serve({ body: blue })
        const backend = OpenAi.layerResponsesConfig({
          model: Config.String("MODEL"),
          apiKey: Config.Redacted("KEY"),
          baseUrl: Config.String("ADDRESS")
        })
        const response = yield* iModel.respond({ prompt: "A colour?" }).pipe(
          Effect.provide(Layer.provide(iModel.layer(), backend)),
          Wire.environment({ MODEL: "gpt-5", KEY: "sk-of-the-environment", ADDRESS: `${server.url}/v2` })
        )
        assert.strictEqual(response.text, "Blue.")
        const { body, headers, path } = yield* server.arrival
        assert.strictEqual(path, "/v2/responses")
        assert.strictEqual(headers["authorization"], "Bearer sk-of-the-environment")
        assert.deepInclude(body, { model: "gpt-5" })
      }))
  })
})
