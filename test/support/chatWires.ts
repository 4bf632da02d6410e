/** The chat wires, each with a backend at an address and the bytes of an answer: for tests of what all of them do alike. */
import { NodeHttpClient } from "@effect/platform-node"
import { type Config, Effect, Redacted, type Schema, type Scope } from "effect"
import type { Prompt, Tool } from "effect/ai"
import type { HttpClient } from "effect/http"
import { Anthropic, Gemini, iModel, OpenAi } from "effect-imodel"

/** What all of them can be asked. */
interface Asked {
  readonly prompt: Prompt.RawInput
  readonly tools?: ReadonlyArray<Tool.Any | { readonly type: "function"; readonly function: { readonly name: string } }>
  readonly tool_choice?: { readonly tool: string }
  readonly response_format?: Schema.ConstraintCodec<unknown, unknown>
}

export interface ChatWire {
  readonly name: string
  readonly make: (
    url: string
  ) => Effect.Effect<
    iModel.Model<Asked>,
    Config.ConfigError | iModel.OptionsError,
    HttpClient.HttpClient | Scope.Scope
  >
  /** As `make`, at an address as it is written. */
  readonly makeAt: ChatWire["make"]
  /** Where a call that is not streamed goes. */
  readonly path: string
  /** Whether the parameters of a call are a text. */
  readonly carriesText: boolean
  readonly whole: (said: Said) => unknown
  readonly streamed: (said: Said) => string
}

interface Call {
  readonly id: string
  readonly name: string
  /** As the model wrote them. The wires of Anthropic and Gemini carry only objects. */
  readonly params: string
}

export interface Said {
  readonly text?: string
  readonly calls?: ReadonlyArray<Call>
  /** @default "stop" */
  readonly finish?: "stop" | "length"
}

const apiKey = Redacted.make("sk-0123456789")

const options = (baseUrl: string) => ({ model: "m", apiKey, baseUrl, retry: { times: 0 } })

const sse = (events: ReadonlyArray<object>) =>
  events.map((event) => `${"type" in event ? `event: ${event.type}\n` : ""}data: ${JSON.stringify(event)}\n\n`).join("")

const chat = {
  name: "openAi chat",
  makeAt: (baseUrl: string) => Effect.flatMap(OpenAi.makeChat(options(baseUrl)), (backend) => iModel.make(backend)),
  path: "/v1/chat/completions",
  carriesText: true,
  whole: ({ calls = [], finish = "stop", text }: Said): unknown => ({
    id: "1",
    object: "chat.completion",
    created: 1,
    model: "m",
    choices: [{
      index: 0,
      finish_reason: finish === "length" ? "length" : calls.length > 0 ? "tool_calls" : "stop",
      message: {
        role: "assistant",
        content: text ?? null,
        ...(calls.length > 0 && {
          tool_calls: calls.map(({ id, name, params }) => ({
            id,
            type: "function",
            function: { name, arguments: params }
          }))
        })
      }
    }],
    usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 }
  }),
  streamed: ({ calls = [], finish = "stop", text }: Said): string => {
    const chunk = (delta: object, finish_reason: string | null = null) => ({
      id: "1",
      object: "chat.completion.chunk",
      created: 1,
      model: "m",
      choices: [{ index: 0, delta, finish_reason }]
    })
    return sse([
      ...(text === undefined ? [] : [chunk({ role: "assistant", content: text })]),
      ...calls.map(({ id, name, params }, index) =>
        chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: params } }] })
      ),
      chunk({}, finish === "length" ? "length" : calls.length > 0 ? "tool_calls" : "stop")
    ])
  }
}

const responses = {
  name: "openAi responses",
  makeAt: (baseUrl: string) =>
    Effect.flatMap(OpenAi.makeResponses(options(baseUrl)), (backend) => iModel.make(backend)),
  path: "/v1/responses",
  carriesText: true,
  whole: ({ calls = [], finish = "stop", text }: Said): unknown => ({
    id: "1",
    object: "response",
    created_at: 1,
    status: finish === "length" ? "incomplete" : "completed",
    model: "m",
    output: [
      ...(text === undefined ? [] : [{
        type: "message",
        id: "msg_1",
        status: "completed",
        role: "assistant",
        content: [{ type: "output_text", text, annotations: [] }]
      }]),
      ...calls.map(({ id, name, params }) => ({
        type: "function_call",
        id: `fc_${id}`,
        call_id: id,
        name,
        arguments: params,
        status: "completed"
      }))
    ],
    usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 },
    error: null,
    incomplete_details: finish === "length" ? { reason: "max_output_tokens" } : null
  }),
  streamed: (said: Said): string =>
    sse([{ type: "response.completed", sequence_number: 1, response: responses.whole(said) }])
}

const anthropic = {
  name: "anthropic",
  makeAt: (baseUrl: string) =>
    Effect.flatMap(Anthropic.makeMessages(options(baseUrl)), (backend) => iModel.make(backend)),
  path: "/v1/messages",
  carriesText: false,
  whole: ({ calls = [], finish = "stop", text }: Said): unknown => ({
    id: "1",
    type: "message",
    role: "assistant",
    model: "m",
    content: [
      ...(text === undefined ? [] : [{ type: "text", text }]),
      ...calls.map(({ id, name, params }) => ({ type: "tool_use", id, name, input: JSON.parse(params) }))
    ],
    stop_reason: finish === "length" ? "max_tokens" : calls.length > 0 ? "tool_use" : "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 10, output_tokens: 5 }
  }),
  streamed: ({ calls = [], finish = "stop", text }: Said): string => {
    const blocks = [
      ...(text === undefined ? [] : [{
        start: { type: "text", text: "" },
        delta: { type: "text_delta", text }
      }]),
      ...calls.map(({ id, name, params }) => ({
        start: { type: "tool_use", id, name, input: {} },
        delta: { type: "input_json_delta", partial_json: params }
      }))
    ]
    return sse([
      {
        type: "message_start",
        message: {
          id: "1",
          type: "message",
          role: "assistant",
          model: "m",
          content: [],
          stop_reason: null,
          stop_sequence: null,
          usage: { input_tokens: 10, output_tokens: 1 }
        }
      },
      ...blocks.flatMap(({ delta, start }, index) => [
        { type: "content_block_start", index, content_block: start },
        { type: "content_block_delta", index, delta },
        { type: "content_block_stop", index }
      ]),
      {
        type: "message_delta",
        delta: {
          stop_reason: finish === "length" ? "max_tokens" : calls.length > 0 ? "tool_use" : "end_turn",
          stop_sequence: null
        },
        usage: { output_tokens: 5 }
      },
      { type: "message_stop" }
    ])
  }
}

const gemini = {
  name: "gemini",
  makeAt: (baseUrl: string) =>
    Effect.flatMap(Gemini.makeGenerateContent(options(baseUrl)), (backend) => iModel.make(backend)),
  path: "/v1beta/models/m:generateContent",
  carriesText: false,
  whole: ({ calls = [], finish = "stop", text }: Said): unknown => ({
    candidates: [{
      content: {
        role: "model",
        parts: [
          ...(text === undefined ? [] : [{ text }]),
          ...calls.map(({ id, name, params }) => ({ functionCall: { id, name, args: JSON.parse(params) } }))
        ]
      },
      finishReason: finish === "length" ? "MAX_TOKENS" : "STOP",
      index: 0
    }],
    usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
    modelVersion: "m"
  }),
  streamed: (said: Said): string => `data: ${JSON.stringify(gemini.whole(said))}\n\n`
}

const versioned = (wire: Omit<ChatWire, "make">, version: string): ChatWire => ({
  ...wire,
  make: (url) => wire.makeAt(`${url}/${version}`)
})

export const chatWires: ReadonlyArray<ChatWire> = [
  versioned(chat, "v1"),
  versioned(responses, "v1"),
  versioned(anthropic, "v1"),
  versioned(gemini, "v1beta")
]

export const platform = NodeHttpClient.layerUndici
