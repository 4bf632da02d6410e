/**
 * What Claude Code says on its standard output with `--output-format stream-json`: a line for each event. What is not named here
 * is a sign of life and no more.
 *
 * Source: https://docs.claude.com/en/api/agent-sdk/typescript (`SDKMessage`), and version 2.1.330 of the program.
 */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { nullable } from "../chat/arguments.ts"

const Tokens = {
  input_tokens: nullable(Schema.Int),
  cache_creation_input_tokens: nullable(Schema.Int),
  cache_read_input_tokens: nullable(Schema.Int),
  output_tokens: nullable(Schema.Int)
}

export const Usage = Schema.Struct({
  ...Tokens,
  output_tokens_details: nullable(Schema.Struct({ thinking_tokens: nullable(Schema.Int) }))
})

/** Of a type that is not named here. */
const Other = Schema.Struct({ type: Schema.String }).pipe(
  Schema.decodeTo(Schema.Struct({ type: Schema.Literal("other") }), {
    decode: SchemaGetter.transform(() => ({ type: "other" as const })),
    encode: SchemaGetter.forbidden(() => "What is not known cannot be said")
  })
)

/** Something that a message of the model or of the user consists of. */
const Block = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text"), text: Schema.String }),
  Schema.Struct({ type: Schema.Literal("thinking"), thinking: Schema.String }),
  Schema.Struct({ type: Schema.Literal("tool_use"), id: Schema.String, name: Schema.String, input: Schema.Unknown }),
  Schema.Struct({
    type: Schema.Literal("tool_result"),
    tool_use_id: Schema.String,
    content: Schema.optional(Schema.Unknown),
    is_error: nullable(Schema.Boolean)
  }),
  Other
])

/** An event of Anthropic's own stream, which comes with `--include-partial-messages`. */
const Increment = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("message_start"),
    message: Schema.Struct({ id: Schema.String, usage: nullable(Usage) })
  }),
  Schema.Struct({ type: Schema.Literal("content_block_start"), index: Schema.Int, content_block: Block }),
  Schema.Struct({
    type: Schema.Literal("content_block_delta"),
    index: Schema.Int,
    delta: Schema.Union([
      Schema.Struct({ type: Schema.Literal("text_delta"), text: Schema.String }),
      Schema.Struct({ type: Schema.Literal("thinking_delta"), thinking: Schema.String }),
      Schema.Struct({ type: Schema.Literal("input_json_delta"), partial_json: Schema.String }),
      Other
    ])
  }),
  Schema.Struct({ type: Schema.Literal("content_block_stop"), index: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("message_delta"), usage: nullable(Usage) }),
  Other
])

/** Whose message it is: the agent's own, or by the tool use that began it, a subagent's. */
const parent = { parent_tool_use_id: nullable(Schema.String) }

export const Result = Schema.Struct({
  type: Schema.Literal("result"),
  /** `"success"`, also for a failure of the API, or for example `"error_max_turns"`. */
  subtype: Schema.String,
  is_error: Schema.Boolean,
  session_id: Schema.String,
  num_turns: Schema.Int,
  duration_ms: Schema.Finite,
  duration_api_ms: Schema.Finite,
  /** Of the whole session, with the runs before this one. */
  total_cost_usd: nullable(Schema.Finite),
  /** Of this run. */
  usage: nullable(Usage),
  model_usage_since_last_result: nullable(Schema.Record(Schema.String, Schema.Struct({ costUSD: Schema.Finite }))),
  result: nullable(Schema.String),
  structured_output: Schema.optional(Schema.Unknown),
  errors: nullable(Schema.Array(Schema.String)),
  stop_reason: nullable(Schema.String),
  terminal_reason: nullable(Schema.String),
  api_error: nullable(Schema.String),
  api_error_status: nullable(Schema.Int),
  api_error_type: nullable(Schema.String),
  permission_denials: nullable(
    Schema.Array(Schema.Struct({ tool_name: Schema.String, tool_use_id: Schema.String, tool_input: Schema.Unknown }))
  )
})

export const Event = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("system"),
    subtype: nullable(Schema.String),
    session_id: nullable(Schema.String),
    model: nullable(Schema.String)
  }),
  Schema.Struct({
    type: Schema.Literal("assistant"),
    message: Schema.Struct({
      id: Schema.String,
      model: Schema.String,
      content: Schema.Array(Block),
      usage: nullable(Usage)
    }),
    /** Why there is no answer of the model; the text says it too. */
    error: nullable(Schema.String),
    ...parent
  }),
  Schema.Struct({
    type: Schema.Literal("user"),
    message: Schema.Struct({ content: Schema.Union([Schema.String, Schema.Array(Block)]) }),
    ...parent
  }),
  Schema.Struct({ type: Schema.Literal("stream_event"), event: Increment, ...parent }),
  Result
])

export type Event = typeof Event.Type
export type Result = typeof Result.Type
export type Usage = typeof Usage.Type
export type Block = typeof Block.Type
export type Increment = typeof Increment.Type

/** The types of the events that are read. */
export const eventTypes: ReadonlySet<unknown> = new Set(Event.members.map((member) => member.fields.type.literal))
