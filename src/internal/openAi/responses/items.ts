/**
 * The items of a conversation: those that the provider answers with, and can be given back, and those that only a request has.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses/object
 */
import * as Schema from "effect/Schema"
import {
  absent,
  InputContent,
  Json,
  nullish,
  ofTomorrow,
  OutputContent,
  ReasoningText,
  SummaryText
} from "./content.ts"

/** An item that the provider makes. Only what it cannot be without is required of it. */
const item = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), id: nullish(Schema.String), status: nullish(Schema.String), ...fields })

const Strings = Schema.Array(Schema.String)

const called = { call_id: Schema.String, caller: nullish(Json), created_by: absent(Schema.String) }

export const Message = item("message", {
  // Not `Schema.Literal`: a union would choose its member by it, and a wrong role would make the message one of an unknown kind.
  role: Schema.Literals(["assistant"]),
  content: Schema.Array(OutputContent),
  phase: nullish(Schema.String)
})

export const Reasoning = item("reasoning", {
  summary: absent(Schema.Array(SummaryText)),
  content: nullish(Schema.Array(ReasoningText)),
  encrypted_content: nullish(Schema.String)
})

export const FunctionCall = item("function_call", {
  ...called,
  name: Schema.String,
  namespace: nullish(Schema.String),
  arguments: Schema.String
})

const made = [
  Message,
  Reasoning,
  FunctionCall,
  item("function_call_output", {
    ...called,
    call_id: nullish(Schema.String),
    name: nullish(Schema.String),
    namespace: nullish(Schema.String),
    output: Schema.Union([Schema.String, Schema.Array(InputContent)])
  }),
  item("custom_tool_call", {
    ...called,
    name: Schema.String,
    namespace: nullish(Schema.String),
    input: Schema.String
  }),
  item("custom_tool_call_output", {
    ...called,
    output: Schema.Union([Schema.String, Schema.Array(InputContent)])
  }),
  item("web_search_call", { action: absent(Json) }),
  item("file_search_call", { queries: absent(Strings), results: nullish(Schema.Array(Json)) }),
  item("code_interpreter_call", {
    code: nullish(Schema.String),
    container_id: absent(Schema.String),
    outputs: nullish(Schema.Array(Json))
  }),
  item("image_generation_call", {
    result: nullish(Schema.String),
    revised_prompt: nullish(Schema.String),
    action: absent(Schema.String),
    background: absent(Schema.String),
    output_format: absent(Schema.String),
    quality: absent(Schema.String),
    size: absent(Schema.String)
  }),
  item("computer_call", {
    ...called,
    action: absent(Json),
    actions: absent(Schema.Array(Json)),
    pending_safety_checks: absent(Schema.Array(Json))
  }),
  item("computer_call_output", {
    ...called,
    output: Json,
    acknowledged_safety_checks: nullish(Schema.Array(Json))
  }),
  item("local_shell_call", { ...called, action: Json }),
  item("local_shell_call_output", { output: Schema.String }),
  item("shell_call", { ...called, action: Json, environment: nullish(Json) }),
  item("shell_call_output", {
    ...called,
    output: Schema.Array(Json),
    max_output_length: nullish(Schema.Finite)
  }),
  item("apply_patch_call", { ...called, operation: Json }),
  item("apply_patch_call_output", { ...called, output: nullish(Schema.String) }),
  item("mcp_call", {
    server_label: Schema.String,
    name: Schema.String,
    arguments: Schema.String,
    output: nullish(Schema.String),
    error: nullish(Schema.Json),
    approval_request_id: nullish(Schema.String)
  }),
  item("mcp_list_tools", {
    server_label: Schema.String,
    tools: Schema.Array(Json),
    error: nullish(Schema.Json)
  }),
  Schema.Struct({
    type: Schema.Literal("mcp_approval_request"),
    id: Schema.String,
    server_label: Schema.String,
    name: Schema.String,
    arguments: Schema.String
  }),
  item("mcp_approval_response", {
    approval_request_id: Schema.String,
    approve: Schema.Boolean,
    reason: nullish(Schema.String)
  }),
  item("tool_search_call", {
    ...called,
    call_id: nullish(Schema.String),
    execution: absent(Schema.String),
    arguments: Schema.Json
  }),
  item("tool_search_output", {
    ...called,
    call_id: nullish(Schema.String),
    execution: absent(Schema.String),
    tools: Schema.Array(Json)
  }),
  item("additional_tools", { role: Schema.String, tools: Schema.Array(Json) }),
  item("program", { ...called, code: Schema.String, fingerprint: Schema.String }),
  item("program_output", { ...called, result: Schema.String }),
  item("compaction", { encrypted_content: Schema.String, created_by: absent(Schema.String) })
] as const

/** An item of an answer. */
export const OutputItem = Schema.Union([...made, ofTomorrow(made.map((item) => item.fields.type.literal))])

export type OutputItem = typeof OutputItem.Type

/** A message: of the user, of the system, or of the assistant in plain words. */
const EasyMessage = Schema.Struct({
  type: Schema.optional(Schema.Literal("message")),
  role: Schema.Literals(["user", "assistant", "system", "developer"]),
  content: Schema.Union([Schema.String, Schema.Array(InputContent)]),
  phase: nullish(Schema.Literals(["commentary", "final_answer"])),
  status: absent(Schema.Literals(["in_progress", "completed", "incomplete"]))
})

/** An item of a request. What the provider has answered with is one, too. */
export const InputItem = Schema.Union([
  EasyMessage,
  ...made,
  Schema.Struct({ type: Schema.Literal("compaction_trigger") }),
  Schema.Struct({ type: nullish(Schema.Literal("item_reference")), id: Schema.String })
])
