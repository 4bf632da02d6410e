/**
 * The schemas of OpenAI's responses: what a call takes, and what is answered.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses
 */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import {
  JsonObject,
  JsonSchemaFormat,
  NeutralTool,
  NeutralToolChoice,
  nullable,
  OutputFormat,
  RawPrompt,
  systemOnce,
  SystemPrompt,
  TokenCount
} from "../../chat/arguments.ts"
import { Messages } from "../../chat/schema.ts"
import type { Tolerance } from "../../http/tolerantDecoder.ts"
import { InputContent } from "./content.ts"
import { InputItem, OutputItem } from "./items.ts"
import { Tool, ToolChoice } from "./tools.ts"

const optional = Schema.optional
const between = (minimum: number, maximum: number) => Schema.isBetween({ minimum, maximum })

const PromptTemplate = Schema.Struct({
  id: Schema.String,
  version: nullable(Schema.String),
  variables: nullable(Schema.Record(Schema.String, Schema.Union([Schema.String, InputContent])))
})

const SummaryLevel = nullable(Schema.Literals(["auto", "concise", "detailed"]))

const Moderation = optional(Schema.Struct({ mode: Schema.Literals(["score", "block"]) }))

const Text = Schema.Struct({
  format: optional(Schema.Union([
    Schema.Struct({ type: Schema.Literal("text") }),
    Schema.Struct({ type: Schema.Literal("json_object") }),
    Schema.Struct({
      type: Schema.Literal("json_schema"),
      name: Schema.String,
      description: optional(Schema.String),
      schema: JsonObject,
      strict: nullable(Schema.Boolean)
    })
  ])),
  verbosity: nullable(Schema.Literals(["low", "medium", "high"]))
})

/** The fields of a request. */
const wire = {
  background: nullable(Schema.Boolean),
  context_management: nullable(
    Schema.Array(Schema.Struct({ type: Schema.String, compact_threshold: nullable(Schema.Int) }))
  ),
  conversation: nullable(Schema.Union([Schema.String, Schema.Struct({ id: Schema.String })])),
  include: nullable(Schema.Array(Schema.Literals([
    "code_interpreter_call.outputs",
    "computer_call_output.output.image_url",
    "file_search_call.results",
    "message.input_image.image_url",
    "message.output_text.logprobs",
    "reasoning.encrypted_content",
    "web_search_call.action.sources",
    "web_search_call.results"
  ]))),
  input: optional(Schema.Union([Schema.String, Schema.Array(InputItem)])),
  instructions: nullable(Schema.String),
  max_output_tokens: nullable(Schema.Int.check(Schema.isGreaterThan(0))),
  max_tool_calls: nullable(Schema.Int.check(Schema.isGreaterThan(0))),
  metadata: nullable(Schema.Record(Schema.String, Schema.String)),
  model: Schema.String,
  moderation: nullable(Schema.Struct({
    model: Schema.String,
    policy: nullable(Schema.Struct({ input: Moderation, output: Moderation }))
  })),
  parallel_tool_calls: nullable(Schema.Boolean),
  previous_response_id: nullable(Schema.String),
  prompt: nullable(PromptTemplate),
  prompt_cache_key: nullable(Schema.String),
  prompt_cache_options: optional(Schema.Struct({
    ttl: optional(Schema.String),
    mode: optional(Schema.Literals(["implicit", "explicit"]))
  })),
  prompt_cache_retention: nullable(Schema.Literals(["in_memory", "24h"])),
  reasoning: nullable(Schema.Struct({
    mode: optional(Schema.String),
    effort: nullable(Schema.String),
    summary: SummaryLevel,
    generate_summary: SummaryLevel,
    context: nullable(Schema.Literals(["auto", "current_turn", "all_turns"]))
  })),
  safety_identifier: nullable(Schema.String),
  service_tier: nullable(Schema.String),
  store: nullable(Schema.Boolean),
  stream_options: nullable(Schema.Struct({ include_obfuscation: optional(Schema.Boolean) })),
  temperature: nullable(Schema.Finite.check(between(0, 2))),
  text: optional(Text),
  tool_choice: optional(ToolChoice),
  tools: optional(Schema.Array(Tool)),
  top_logprobs: nullable(Schema.Int.check(between(0, 20))),
  top_p: nullable(Schema.Finite.check(between(0, 1))),
  truncation: nullable(Schema.Literals(["auto", "disabled"])),
  user: optional(Schema.String)
}

/** Whether a `prompt` is one of the provider's reusable prompts, and none of `effect/ai`. */
export const isTemplate = Schema.is(PromptTemplate)

/** A check of a request: the input is given, and nothing is given under two names. */
const sayOnce = Schema.makeFilter((
  {
    conversation,
    input,
    instructions,
    max_output_tokens,
    max_tokens,
    messages,
    previous_response_id,
    prompt,
    response_format,
    system,
    text
  }:
    & { readonly [Field in keyof typeof wire]?: unknown }
    & {
      readonly messages?: unknown
      readonly max_tokens?: unknown
      readonly response_format?: unknown
      readonly system?: unknown
    }
) => {
  const given = { input, messages, ...(!isTemplate(prompt) && { prompt }) }
  const says = Object.entries(given).flatMap(([name, value]) => value == null ? [] : [name])
  const [first, second] = says
  if (second !== undefined) return { path: [second], issue: `Give either ${first} or ${second}, not both` }
  if (first === undefined && prompt == null && conversation == null && previous_response_id == null) {
    return { path: ["input"], issue: "Give input, messages or a prompt" }
  }
  if (max_tokens != null && max_output_tokens != null) {
    return { path: ["max_tokens"], issue: "It is max_output_tokens in other words: give one of them" }
  }
  if (system != null && instructions != null) {
    return { path: ["system"], issue: "It is instructions in other words: give one of them" }
  }
  if (response_format != null && Predicate.hasProperty(text, "format") && text.format !== undefined) {
    return { path: ["response_format"], issue: "It is text.format in other words: give one of them" }
  }
  return undefined
})

/** The arguments of a call: the fields of the wire, with a default model, and what every chat backend takes. */
export const responseRequest = (model: string) =>
  Schema.Struct({
    ...wire,
    model: wire.model.pipe(Schema.withDecodingDefault(Effect.succeed(model))),
    prompt: nullable(Schema.Union([RawPrompt, PromptTemplate])),
    messages: optional(Messages),
    /** The `instructions` in other words. */
    system: SystemPrompt,
    max_tokens: wire.max_output_tokens,
    stop: nullable(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
    tools: optional(Schema.Array(Schema.Union([...NeutralTool.members, ...Tool.members]))),
    tool_choice: optional(Schema.Union([...NeutralToolChoice.members, ...ToolChoice.members])),
    response_format: optional(Schema.Union([OutputFormat, JsonSchemaFormat]))
  }).check(sayOnce, systemOnce)

export type ResponseRequest = ReturnType<typeof responseRequest>

// -----------------------------------------------------------------------------
// The answer
// -----------------------------------------------------------------------------

const Usage = Schema.Struct({
  input_tokens: nullable(TokenCount),
  output_tokens: nullable(TokenCount),
  total_tokens: nullable(TokenCount),
  input_tokens_details: nullable(Schema.Struct({
    cached_tokens: nullable(TokenCount),
    cache_write_tokens: nullable(TokenCount)
  })),
  output_tokens_details: nullable(Schema.Struct({ reasoning_tokens: nullable(TokenCount) }))
})

/** The fields of a response, without the output of the model. */
export const answered = {
  id: nullable(Schema.String),
  object: nullable(Schema.String),
  model: nullable(Schema.String),
  created_at: nullable(Schema.Finite),
  completed_at: nullable(Schema.Finite),
  status: nullable(Schema.String),
  incomplete_details: nullable(Schema.Struct({ reason: nullable(Schema.String) })),
  output_text: nullable(Schema.String),
  usage: nullable(Usage),
  background: nullable(Schema.Boolean),
  conversation: nullable(Schema.Struct({ id: Schema.String })),
  instructions: optional(Schema.Unknown),
  max_output_tokens: nullable(Schema.Finite),
  max_tool_calls: nullable(Schema.Finite),
  metadata: nullable(Schema.Record(Schema.String, Schema.String)),
  moderation: optional(Schema.Unknown),
  parallel_tool_calls: nullable(Schema.Boolean),
  previous_response_id: nullable(Schema.String),
  prompt: optional(Schema.Unknown),
  prompt_cache_key: nullable(Schema.String),
  prompt_cache_options: optional(Schema.Unknown),
  prompt_cache_retention: nullable(Schema.String),
  reasoning: nullable(Schema.Struct({
    mode: nullable(Schema.String),
    effort: nullable(Schema.String),
    summary: nullable(Schema.String),
    generate_summary: nullable(Schema.String),
    context: nullable(Schema.String)
  })),
  safety_identifier: nullable(Schema.String),
  service_tier: nullable(Schema.String),
  store: nullable(Schema.Boolean),
  temperature: nullable(Schema.Finite),
  text: optional(Schema.Unknown),
  tool_choice: optional(Schema.Unknown),
  tools: nullable(Schema.Array(JsonObject)),
  top_logprobs: nullable(Schema.Finite),
  top_p: nullable(Schema.Finite),
  truncation: nullable(Schema.String),
  user: nullable(Schema.String)
}

/** An answer. What has failed has an `error`, and is none. */
export const Response = Schema.Struct({
  ...answered,
  error: optional(Schema.Null),
  output: Schema.Array(OutputItem)
})

const textOf = (type: string, value: unknown) =>
  typeof value === "string" ? [{ type, text: value }] : value === null ? [] : undefined

/** Fields that local servers and gateways leave out, or send in a simpler form. */
export const tolerance: Tolerance = {
  essential: new Set([
    "arguments",
    "content",
    "delta",
    "input",
    "item",
    "name",
    "output",
    "part",
    "response",
    "text",
    "type"
  ]),
  repairs: {
    arguments: (value) => value == null ? "" : Predicate.isObject(value) ? JSON.stringify(value) : undefined,
    call_id: (value, { id }) => typeof value === "number" ? String(value) : typeof id === "string" ? id : "",
    content: (value, { type }) => textOf(type === "reasoning" ? "reasoning_text" : "output_text", value),
    delta: (value, owner) => value === null && "delta" in owner ? "" : undefined,
    output: (value, { output_text }) =>
      value == null && typeof output_text === "string"
        ? [{ type: "message", role: "assistant", content: textOf("output_text", output_text) }]
        : undefined,
    role: () => "assistant",
    summary: (value) => textOf("summary_text", value),
    text: (value) => value === null ? "" : undefined
  }
}
