/**
 * The wire of Anthropic's messages: requests strict and complete for the documented fields, those in beta among them;
 * answers tolerant of new fields.
 *
 * Source: https://platform.claude.com/docs/en/api/messages/create, and Anthropic's published SDK. `temperature`, `top_p` and
 * `top_k` are of the version 2023-06-01 (https://platform.claude.com/docs/en/api/versioning).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
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
  TokenCount
} from "../chat/arguments.ts"
import type { Tolerance } from "../http/tolerantDecoder.ts"
import { AnswerBlock, CacheControl, Citation, JsonRecord, other, textOrEmpty } from "./blocks.ts"
import { GivenMessage, Message, System } from "./messages.ts"
import { ToolChoice, WireTool } from "./tools.ts"

// -----------------------------------------------------------------------------
// Requests
// -----------------------------------------------------------------------------

const display = { display: nullable(Schema.Literals(["summarized", "omitted"])) }

const Thinking = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("enabled"),
    budget_tokens: Schema.Int.check(Schema.isGreaterThanOrEqualTo(1024)),
    ...display
  }),
  Schema.Struct({ type: Schema.Literal("adaptive"), ...display }),
  Schema.Struct({ type: Schema.Literals(["disabled", "between_tools"]) })
])

const OutputConfig = Schema.Struct({
  effort: nullable(Schema.Literals(["low", "medium", "high", "xhigh", "max"])),
  format: nullable(Schema.Struct({ type: Schema.Literal("json_schema"), schema: JsonObject })),
  task_budget: nullable(Schema.Struct({
    type: Schema.Literal("tokens"),
    total: Schema.Int,
    remaining: nullable(Schema.Int)
  }))
})

const Container = Schema.Struct({
  id: nullable(Schema.String),
  skills: nullable(Schema.Array(Schema.Struct({
    type: Schema.Literals(["anthropic", "custom"]),
    skill_id: Schema.String,
    version: Schema.optional(Schema.String)
  })))
})

const McpServer = Schema.Struct({
  type: Schema.Literal("url"),
  name: Schema.String,
  url: Schema.String,
  authorization_token: nullable(Schema.String),
  tool_configuration: nullable(JsonObject)
})

const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))

/** The body of a request, without what has a form of its own for a caller. */
const options = {
  cache_control: nullable(CacheControl),
  container: nullable(Schema.Union([Schema.String, Container])),
  diagnostics: nullable(Schema.Struct({ previous_message_id: nullable(Schema.String) })),
  inference_geo: nullable(Schema.String),
  metadata: Schema.optional(Schema.Struct({ user_id: nullable(Schema.String) })),
  output_config: Schema.optional(OutputConfig),
  service_tier: Schema.optional(Schema.Literals(["auto", "standard_only"])),
  speed: nullable(Schema.Literals(["standard", "fast"])),
  stop_sequences: Schema.optional(Schema.Array(Schema.String)),
  system: Schema.optional(System),
  temperature: Schema.optional(Share),
  thinking: Schema.optional(Thinking),
  top_k: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  top_p: Schema.optional(Share),
  // In beta: each of them requires its name in `betas`.
  billing_policy: nullable(JsonObject),
  compaction: nullable(JsonObject),
  context_management: nullable(JsonObject),
  fallback_credit_token: nullable(Schema.Union([Schema.String, JsonObject])),
  fallbacks: nullable(Schema.Union([Schema.Literal("default"), Schema.Array(JsonObject)])),
  mcp_servers: Schema.optional(Schema.Array(McpServer)),
  thread: nullable(JsonObject)
}

const maxTokens = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

export const MessagesBody = Schema.Struct({
  model: Schema.String,
  max_tokens: maxTokens,
  messages: Schema.Array(Message),
  tool_choice: Schema.optional(ToolChoice),
  tools: Schema.optional(Schema.Array(WireTool)),
  ...options
})

/** What goes into a header of the request. */
const HeaderValue = Schema.String.check(Schema.isPattern(/^[\x21-\x7e]+$/))

const neutralOrNative = Schema.makeFilter((
  { output_config, response_format, stop, stop_sequences }: {
    readonly output_config?: typeof OutputConfig.Type | undefined
    readonly response_format?: unknown
    readonly stop?: unknown
    readonly stop_sequences?: unknown
  }
) =>
  stop !== undefined && stop_sequences !== undefined
    ? { path: ["stop"], issue: "Give either stop or stop_sequences, not both" }
    : response_format !== undefined && output_config?.format != null
    ? { path: ["response_format"], issue: "Give either response_format or output_config.format, not both" }
    : undefined
)

/** The arguments of a call: the body, with a default model, what goes into headers, and what every chat backend takes. */
export const messagesRequest = (model: string) =>
  Schema.Struct({
    ...options,
    prompt: Schema.optional(RawPrompt),
    messages: Schema.optional(Schema.Array(GivenMessage).check(Schema.isMinLength(1))),
    model: Schema.String.pipe(Schema.withDecodingDefault(Effect.succeed(model))),
    max_tokens: Schema.optional(maxTokens),
    stop: Schema.optional(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
    tools: Schema.optional(Schema.Array(Schema.Union([FunctionTool, ...WireTool.members, NeutralTool]))),
    tool_choice: Schema.optional(Schema.Union([ToolChoice, NeutralToolChoice])),
    response_format: Schema.optional(Schema.Union([OutputFormat, JsonSchemaFormat])),
    betas: Schema.optional(Schema.Array(HeaderValue)),
    user_profile_id: Schema.optional(HeaderValue),
    workspace_id: Schema.optional(HeaderValue)
  }).check(promptOrMessages, systemOnce, neutralOrNative)

export type MessagesRequest = ReturnType<typeof messagesRequest>

// -----------------------------------------------------------------------------
// Answers
// -----------------------------------------------------------------------------

const Usage = Schema.Struct({
  input_tokens: nullable(TokenCount),
  output_tokens: nullable(TokenCount),
  cache_creation_input_tokens: nullable(TokenCount),
  cache_read_input_tokens: nullable(TokenCount),
  cache_creation: nullable(
    Schema.Struct({ ephemeral_5m_input_tokens: nullable(TokenCount), ephemeral_1h_input_tokens: nullable(TokenCount) })
  ),
  output_tokens_details: nullable(Schema.Struct({ thinking_tokens: nullable(TokenCount) })),
  server_tool_use: nullable(Schema.Record(Schema.String, Schema.Json)),
  service_tier: nullable(Schema.String),
  inference_geo: nullable(Schema.String),
  speed: nullable(Schema.String)
})

/** How an answer stopped. */
const stopped = {
  stop_reason: nullable(Schema.String),
  stop_sequence: nullable(Schema.String),
  stop_details: nullable(JsonRecord),
  container: nullable(JsonRecord)
}

const AnswerSoFar = Schema.Struct({
  id: nullable(Schema.String),
  type: nullable(Schema.String),
  role: nullable(Schema.String),
  model: nullable(Schema.String),
  content: Schema.NullOr(Schema.Union([Schema.Array(AnswerBlock), Schema.String])).pipe(
    Schema.decodeTo(Schema.Array(Schema.toType(AnswerBlock)), {
      decode: SchemaGetter.transform((content) =>
        typeof content === "string" ? [{ type: "text" as const, text: content }] : content ?? []
      ),
      encode: SchemaGetter.passthrough()
    }),
    Schema.withDecodingDefault(Effect.succeed([]))
  ),
  ...stopped,
  diagnostics: nullable(Schema.Json),
  context_management: nullable(Schema.Json),
  usage: nullable(Usage)
})

export const Answer = AnswerSoFar.check(
  Schema.makeFilter(({ content, stop_reason }) =>
    content.length === 0 && stop_reason == null
      ? { path: ["content"], issue: "There is neither content nor a stop_reason" }
      : undefined
  )
)

/** The fields that are the answer itself. */
export const tolerance: Tolerance = {
  essential: new Set(["content", "text", "thinking", "name", "partial_json", "delta", "content_block"])
}

const Delta = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text_delta"), text: textOrEmpty }),
  Schema.Struct({ type: Schema.Literal("thinking_delta"), thinking: textOrEmpty }),
  Schema.Struct({ type: Schema.Literal("signature_delta"), signature: textOrEmpty }),
  Schema.Struct({ type: Schema.Literal("input_json_delta"), partial_json: Schema.Unknown }),
  Schema.Struct({ type: Schema.Literal("citations_delta"), citation: Citation }),
  other(/^(text|thinking|signature|input_json|citations)_delta$/)
])

/** An event of a stream. There may be others, which are to be passed over. */
export const StreamEvent = Schema.Union([
  Schema.Struct({ type: Schema.Literal("message_start"), message: nullable(AnswerSoFar) }),
  Schema.Struct({
    type: Schema.Literal("content_block_start"),
    index: nullable(Schema.Int),
    content_block: AnswerBlock
  }),
  Schema.Struct({ type: Schema.Literal("content_block_delta"), index: nullable(Schema.Int), delta: Delta }),
  Schema.Struct({ type: Schema.Literal("content_block_stop"), index: nullable(Schema.Int) }),
  Schema.Struct({
    type: Schema.Literal("message_delta"),
    delta: nullable(Schema.Struct(stopped)),
    usage: nullable(Usage),
    context_management: nullable(Schema.Json)
  }),
  Schema.Struct({ type: Schema.Literal("message_stop") })
])
