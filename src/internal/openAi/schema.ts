/**
 * The wire of OpenAI's chat completions: requests strict and complete for the documented fields (the
 * deprecated `functions` left out), responses tolerant of new fields.
 *
 * Source: https://platform.openai.com/docs/api-reference/chat, and OpenAI's published OpenAPI document.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  FunctionTool,
  JsonObject,
  JsonSchemaFormat,
  NeutralTool,
  NeutralToolChoice,
  nullable,
  OutputFormat,
  promptOrMessages,
  RawPrompt,
  systemOnce,
  SystemPrompt
} from "../chat/arguments.ts"
import type { Tolerance } from "../http/tolerantDecoder.ts"
import { Content, readContent } from "./messageContent.ts"
import { callExtras, messageExtras, thinking } from "./sentBack.ts"
import { Usage } from "./usage.ts"

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
  function: Schema.Struct({ name: Schema.String, arguments: Schema.String }),
  ...callExtras
})

const Text = Schema.Union([Schema.String, Schema.Array(TextPart)])

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
    ...thinking,
    ...messageExtras
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
    system: SystemPrompt,
    /** Fields that others than OpenAI have added to the wire. They go into the body as they are. */
    extra_body: Schema.optional(JsonObject),
    messages: Schema.optional(ChatBody.fields.messages),
    model: Schema.String.pipe(Schema.withDecodingDefault(Effect.succeed(model))),
    tools: Schema.optional(Schema.Array(NeutralTool)),
    tool_choice: Schema.optional(Schema.Union([...NeutralToolChoice.members, ...ToolChoice.members])),
    response_format: Schema.optional(Schema.Union([OutputFormat, ...ResponseFormat.members]))
  }).check(promptOrMessages, systemOnce, outputLimitOnce)
}

export type ChatRequest = ReturnType<typeof chatRequest>

const Annotation = Schema.Struct({
  type: Schema.String,
  url_citation: Schema.optional(Schema.Struct({ url: Schema.String, title: Schema.optional(Schema.String) }))
})

/** A call of a tool, or a piece of one. */
const AnsweredCall = {
  index: nullable(Schema.Int),
  id: nullable(Schema.String),
  type: nullable(Schema.String),
  ...callExtras
}

const AnsweredFunction = Schema.Struct({
  name: nullable(Schema.String),
  /** JSON; some servers send what it encodes. */
  arguments: nullable(Schema.Union([Schema.String, JsonObject]))
})

/** A message, or a piece of one. */
const answered = {
  role: nullable(Schema.String),
  refusal: nullable(Schema.String),
  ...thinking,
  ...messageExtras,
  annotations: nullable(Schema.Array(Annotation)),
  /** A call as before there were several in one answer. */
  function_call: nullable(AnsweredFunction)
}

const AnsweredMessage = Schema.Struct({
  ...answered,
  content: nullable(Schema.String),
  /** The content as it came, where that is no text but parts, as Mistral sends with thoughts. */
  content_parts: nullable(Content),
  audio: Schema.optional(Schema.Unknown),
  tool_calls: nullable(Schema.Array(Schema.Struct({ ...AnsweredCall, function: AnsweredFunction })))
})

const ChatDelta = Schema.Struct({
  ...answered,
  content: nullable(Content),
  tool_calls: nullable(Schema.Array(Schema.Struct({ ...AnsweredCall, function: nullable(AnsweredFunction) })))
})

const head = {
  id: nullable(Schema.String),
  model: nullable(Schema.String),
  created: nullable(Schema.Finite),
  service_tier: nullable(Schema.String),
  system_fingerprint: nullable(Schema.String),
  usage: nullable(Usage),
  x_groq: nullable(Schema.Struct({ usage: nullable(Usage) }))
}

const choice = {
  index: nullable(Schema.Int),
  finish_reason: nullable(Schema.String),
  usage: nullable(Usage)
}

export const ChatCompletion = Schema.Struct({
  ...head,
  choices: Schema.Array(Schema.Struct({
    ...choice,
    logprobs: Schema.optional(Schema.Unknown),
    message: AnsweredMessage
  })).check(Schema.isMinLength(1))
})

/** An event of a stream. */
export const ChatChunk = Schema.Struct({
  ...head,
  choices: nullable(Schema.Array(Schema.Struct({
    ...choice,
    logprobs: nullable(JsonObject),
    delta: nullable(ChatDelta),
    /** Of a whole answer that comes as an event. */
    message: nullable(ChatDelta)
  })))
})

const absent = Schema.optional(Schema.Null)

/**
 * An event of a stream as OpenAI documents it. The other fields of a {@link ChatChunk} are absent. `Schema.Json` among them is
 * recursive, and makes the schema around it three times as slow.
 */
export const DocumentedChunk = Schema.Struct({
  ...head,
  x_groq: absent,
  choices: Schema.Array(Schema.Struct({
    ...choice,
    usage: absent,
    logprobs: nullable(JsonObject),
    message: absent,
    delta: nullable(Schema.Struct({
      role: nullable(Schema.String),
      content: nullable(Schema.String),
      refusal: nullable(Schema.String),
      ...thinking,
      reasoning_details: Schema.optionalKey(Schema.Null),
      extra_content: Schema.optionalKey(Schema.Null),
      annotations: nullable(Schema.Array(Annotation)),
      function_call: absent,
      tool_calls: nullable(Schema.Array(Schema.Struct({
        ...AnsweredCall,
        extra_content: Schema.optionalKey(Schema.Null),
        function: nullable(Schema.Struct({ name: nullable(Schema.String), arguments: nullable(Schema.String) }))
      })))
    }))
  }))
})

export const tolerance: Tolerance = {
  essential: new Set([
    "choices",
    "message",
    "delta",
    "content",
    "tool_calls",
    "function",
    "function_call",
    "name",
    "arguments"
  ]),
  repairs: {
    // The text of parts is the content; the parts are kept beside it, for their thoughts.
    content: (value, owner) => {
      if (!isContent(value) || !Reflect.set(owner, "content_parts", value)) return undefined
      return readContent(value).text
    }
  }
}

const isContent = Schema.is(Content)
