/**
 * The tools of the wire: the caller's own, and those that Anthropic defines. Each of the latter has versions, by a date in
 * its type; Anthropic documents what each version has.
 *
 * Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/tool-reference
 */
import * as Schema from "effect/Schema"
import { JsonObject, nullable } from "../chat/arguments.ts"
import { CacheControl, CitationsConfig } from "./blocks.ts"

const common = {
  allowed_callers: Schema.optional(Schema.Array(Schema.String)),
  cache_control: nullable(CacheControl),
  defer_loading: Schema.optional(Schema.Boolean),
  strict: Schema.optional(Schema.Boolean)
}

const examples = { input_examples: Schema.optional(Schema.Array(JsonObject)) }

const CustomTool = Schema.Struct({
  type: nullable(Schema.Literal("custom")),
  name: Schema.String,
  description: Schema.optional(Schema.String),
  input_schema: JsonObject,
  eager_input_streaming: nullable(Schema.Boolean),
  ...common,
  ...examples
})

/** The versions of a tool. */
const version = <const Name extends string>(name: Name) => Schema.TemplateLiteral([name, "_", Schema.String])

const web = {
  allowed_domains: nullable(Schema.Array(Schema.String)),
  blocked_domains: nullable(Schema.Array(Schema.String)),
  max_uses: nullable(Schema.Int),
  response_inclusion: Schema.optional(Schema.Literals(["full", "excluded"]))
}

const WebSearch = Schema.Struct({
  type: version("web_search"),
  name: Schema.Literal("web_search"),
  user_location: nullable(Schema.Struct({
    type: Schema.Literal("approximate"),
    city: nullable(Schema.String),
    country: nullable(Schema.String),
    region: nullable(Schema.String),
    timezone: nullable(Schema.String)
  })),
  ...web,
  ...common
})

const WebFetch = Schema.Struct({
  type: version("web_fetch"),
  name: Schema.Literal("web_fetch"),
  citations: nullable(CitationsConfig),
  max_content_tokens: nullable(Schema.Int),
  url_sources: nullable(JsonObject),
  use_cache: Schema.optional(Schema.Boolean),
  ...web,
  ...common
})

const CodeExecution = Schema.Struct({
  type: version("code_execution"),
  name: Schema.Literal("code_execution"),
  ...common
})

const ToolSearch = Schema.Struct({
  type: Schema.Union([
    Schema.Literals(["tool_search_tool_bm25", "tool_search_tool_regex"]),
    version("tool_search_tool_bm25"),
    version("tool_search_tool_regex")
  ]),
  name: Schema.Literals(["tool_search_tool_bm25", "tool_search_tool_regex"]),
  ...common
})

const Bash = Schema.Struct({ type: version("bash"), name: Schema.Literal("bash"), ...common, ...examples })

const TextEditor = Schema.Struct({
  type: version("text_editor"),
  name: Schema.Literals(["str_replace_editor", "str_replace_based_edit_tool"]),
  max_characters: nullable(Schema.Int),
  ...common,
  ...examples
})

const Memory = Schema.Struct({ type: version("memory"), name: Schema.Literal("memory"), ...common, ...examples })

const Toolset = Schema.Struct({
  type: Schema.Union([version("browser_toolset"), version("computer_toolset")]),
  cache_control: nullable(CacheControl),
  configs: nullable(JsonObject)
})

const Computer = Schema.Struct({
  type: version("computer"),
  name: Schema.Literal("computer"),
  display_height_px: Schema.Int,
  display_width_px: Schema.Int,
  display_number: nullable(Schema.Int),
  enable_zoom: Schema.optional(Schema.Boolean),
  ...common,
  ...examples
})

const Advisor = Schema.Struct({
  type: version("advisor"),
  name: Schema.Literal("advisor"),
  model: Schema.String,
  caching: nullable(CacheControl),
  max_tokens: nullable(Schema.Int),
  max_uses: nullable(Schema.Int),
  ...common
})

const McpToolset = Schema.Struct({
  type: Schema.Literal("mcp_toolset"),
  mcp_server_name: Schema.String,
  cache_control: nullable(CacheControl),
  configs: nullable(JsonObject),
  default_config: Schema.optional(JsonObject),
  tools: nullable(Schema.Array(JsonObject))
})

const named = [McpToolset, WebSearch, WebFetch, CodeExecution, Bash, Memory, Computer, Advisor] as const
const others = [ToolSearch, TextEditor, Toolset] as const

/** The tools that Anthropic defines, run by the provider or by the caller. */
export const AnthropicTool = Schema.Union([...named, ...others])

// An invalid tool is reported as the first member that it can be: by its name, or else as the caller's own.
export const WireTool = Schema.Union([...named, CustomTool, ...others])

const parallel = { disable_parallel_tool_use: Schema.optional(Schema.Boolean) }

export const ToolChoice = Schema.Union([
  Schema.Struct({ type: Schema.Literals(["auto", "any"]), ...parallel }),
  Schema.Struct({ type: Schema.Literal("tool"), name: Schema.String, ...parallel }),
  Schema.Struct({ type: Schema.Literal("none") })
])
