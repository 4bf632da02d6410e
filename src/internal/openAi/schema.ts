/**
 * The wire of OpenAI's chat completions: requests strict and complete for the documented fields (the
 * deprecated `functions` left out), responses tolerant of new fields.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat, and OpenAI's published OpenAPI document.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import {
  FunctionTool,
  JsonObject,
  JsonSchemaFormat,
  NeutralTool,
  NeutralToolChoice,
  nullable,
  OutputFormat,
  promptOrMessages,
  RawPrompt
} from "../chat/arguments.ts"

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })

export const ImageDetail = Schema.optional(Schema.Literals(["auto", "low", "high"]))

const UserPart = Schema.Union([
  TextPart,
  Schema.Struct({
    type: Schema.Literal("image_url"),
    image_url: Schema.Struct({
      url: Schema.String,
      detail: ImageDetail
    })
  }),
  Schema.Struct({
    type: Schema.Literal("input_audio"),
    input_audio: Schema.Struct({ data: Schema.String, format: Schema.Literals(["wav", "mp3"]) })
  }),
  Schema.Struct({
    type: Schema.Literal("file"),
    file: Schema.Struct({
      filename: Schema.optional(Schema.String),
      file_data: Schema.optional(Schema.String),
      file_id: Schema.optional(Schema.String)
    })
  })
])

const ToolCall = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("function"),
  function: Schema.Struct({ name: Schema.String, arguments: Schema.String })
})

const Text = Schema.Union([Schema.String, Schema.Array(TextPart)])

/**
 * Where some who speak the protocol tell of the model's thinking, and want it back, those who call tools above all:
 * https://api-docs.deepseek.com/guides/thinking_mode
 */
const thinking = { reasoning_content: nullable(Schema.String), reasoning: nullable(Schema.String) }

export const ReasoningField = Schema.Literals(Struct.keys(thinking))
export type ReasoningField = typeof ReasoningField.Type

export const ChatMessage = Schema.Union([
  Schema.Struct({ role: Schema.Literal("system"), content: Text, name: Schema.optional(Schema.String) }),
  Schema.Struct({ role: Schema.Literal("developer"), content: Text, name: Schema.optional(Schema.String) }),
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Union([Schema.String, Schema.Array(UserPart)]),
    name: Schema.optional(Schema.String)
  }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: nullable(Text),
    refusal: nullable(Schema.String),
    name: Schema.optional(Schema.String),
    tool_calls: Schema.optional(Schema.Array(ToolCall)),
    audio: nullable(Schema.Struct({ id: Schema.String })),
    ...thinking
  }),
  Schema.Struct({ role: Schema.Literal("tool"), content: Text, tool_call_id: Schema.String })
])

const ToolChoice = Schema.Union([
  Schema.Literals(["none", "auto", "required"]),
  Schema.Struct({ type: Schema.Literal("function"), function: Schema.Struct({ name: Schema.String }) })
])

const ResponseFormat = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  JsonSchemaFormat
])

/** The body of a request. */
export const ChatBody = Schema.Struct({
  model: Schema.String,
  messages: Schema.Array(ChatMessage).check(Schema.isMinLength(1)),
  audio: nullable(Schema.Struct({ voice: Schema.Unknown, format: Schema.String })),
  frequency_penalty: nullable(Schema.Finite.check(Schema.isBetween({ minimum: -2, maximum: 2 }))),
  logit_bias: nullable(Schema.Record(Schema.String, Schema.Finite)),
  logprobs: nullable(Schema.Boolean),
  max_completion_tokens: nullable(Schema.Int.check(Schema.isGreaterThan(0))),
  max_tokens: nullable(Schema.Int.check(Schema.isGreaterThan(0))),
  metadata: nullable(Schema.Record(Schema.String, Schema.String)),
  modalities: nullable(Schema.Array(Schema.Literals(["text", "audio"]))),
  n: nullable(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 128 }))),
  parallel_tool_calls: Schema.optional(Schema.Boolean),
  prediction: nullable(Schema.Struct({ type: Schema.Literal("content"), content: Text })),
  presence_penalty: nullable(Schema.Finite.check(Schema.isBetween({ minimum: -2, maximum: 2 }))),
  prompt_cache_key: nullable(Schema.String),
  prompt_cache_options: Schema.optional(JsonObject),
  prompt_cache_retention: nullable(Schema.Literals(["in_memory", "24h"])),
  reasoning_effort: nullable(Schema.String),
  response_format: Schema.optional(ResponseFormat),
  safety_identifier: nullable(Schema.String),
  seed: nullable(Schema.Int),
  service_tier: nullable(Schema.String),
  stop: nullable(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  store: nullable(Schema.Boolean),
  stream: nullable(Schema.Boolean),
  stream_options: nullable(Schema.Struct({
    include_obfuscation: Schema.optional(Schema.Boolean),
    include_usage: Schema.optional(Schema.Boolean)
  })),
  temperature: nullable(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  tool_choice: Schema.optional(ToolChoice),
  tools: Schema.optional(Schema.Array(FunctionTool)),
  top_logprobs: nullable(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))),
  top_p: nullable(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  user: Schema.optional(Schema.String),
  verbosity: nullable(Schema.Literals(["low", "medium", "high"])),
  web_search_options: Schema.optional(JsonObject)
})

const outputLimitOnce = Schema.makeFilter((
  { max_completion_tokens, max_tokens }: { readonly max_completion_tokens?: unknown; readonly max_tokens?: unknown }
) =>
  max_tokens != null && max_completion_tokens != null
    ? { path: ["max_tokens"], issue: "It is max_completion_tokens in other words: give one of them" }
    : undefined
)

/** The arguments of a call: the body, with a default model, and what every chat backend takes. */
export const chatRequest = (model: string) => {
  const { stream: _stream, stream_options: _streamOptions, ...fields } = ChatBody.fields
  return Schema.Struct({
    ...fields,
    prompt: Schema.optional(RawPrompt),
    /** Fields that others than OpenAI have added to the wire. They go into the body as they are. */
    extra_body: Schema.optional(JsonObject),
    messages: Schema.optional(ChatBody.fields.messages),
    model: Schema.String.pipe(Schema.withDecodingDefault(Effect.succeed(model))),
    tools: Schema.optional(Schema.Array(NeutralTool)),
    tool_choice: Schema.optional(Schema.Union([...NeutralToolChoice.members, ...ToolChoice.members])),
    response_format: Schema.optional(Schema.Union([OutputFormat, ...ResponseFormat.members]))
  }).check(promptOrMessages, outputLimitOnce)
}

export type ChatRequest = ReturnType<typeof chatRequest>

const Usage = Schema.Struct({
  prompt_tokens: Schema.Int,
  completion_tokens: Schema.Int,
  total_tokens: Schema.optional(Schema.Int),
  prompt_tokens_details: nullable(Schema.Struct({
    cached_tokens: nullable(Schema.Int),
    cache_write_tokens: nullable(Schema.Int),
    audio_tokens: nullable(Schema.Int)
  })),
  completion_tokens_details: nullable(Schema.Struct({
    reasoning_tokens: nullable(Schema.Int),
    audio_tokens: nullable(Schema.Int),
    accepted_prediction_tokens: nullable(Schema.Int),
    rejected_prediction_tokens: nullable(Schema.Int)
  }))
})

const Annotation = Schema.Struct({
  type: Schema.String,
  url_citation: Schema.optional(Schema.Struct({ url: Schema.String, title: Schema.optional(Schema.String) }))
})

export const ChatCompletion = Schema.Struct({
  id: Schema.String,
  model: Schema.String,
  created: Schema.optional(Schema.Finite),
  service_tier: nullable(Schema.String),
  system_fingerprint: nullable(Schema.String),
  choices: Schema.Array(Schema.Struct({
    index: Schema.optional(Schema.Int),
    finish_reason: nullable(Schema.String),
    logprobs: Schema.optional(Schema.Unknown),
    message: Schema.Struct({
      role: Schema.String,
      content: nullable(Schema.String),
      refusal: nullable(Schema.String),
      ...thinking,
      annotations: nullable(Schema.Array(Annotation)),
      audio: Schema.optional(Schema.Unknown),
      tool_calls: nullable(Schema.Array(ToolCall))
    })
  })),
  usage: nullable(Usage)
})

/** An event of a stream. */
export const ChatChunk = Schema.Struct({
  id: nullable(Schema.String),
  model: nullable(Schema.String),
  created: nullable(Schema.Finite),
  service_tier: nullable(Schema.String),
  system_fingerprint: nullable(Schema.String),
  choices: Schema.Array(Schema.Struct({
    index: Schema.optional(Schema.Int),
    finish_reason: nullable(Schema.String),
    logprobs: nullable(JsonObject),
    delta: nullable(Schema.Struct({
      role: nullable(Schema.String),
      content: nullable(Schema.String),
      refusal: nullable(Schema.String),
      ...thinking,
      annotations: nullable(Schema.Array(Annotation)),
      tool_calls: nullable(Schema.Array(Schema.Struct({
        index: Schema.optional(Schema.Int),
        id: nullable(Schema.String),
        function: nullable(Schema.Struct({ name: nullable(Schema.String), arguments: nullable(Schema.String) }))
      })))
    }))
  })),
  usage: nullable(Usage)
})

/** The body of a failure. */
export const ErrorBody = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: nullable(Schema.String),
    param: nullable(Schema.String),
    code: nullable(Schema.Union([Schema.String, Schema.Finite]))
  })
})
