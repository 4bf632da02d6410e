/**
 * The tools of a response, and the choice among them.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses/create#responses-create-tools
 */
import * as Schema from "effect/Schema"
import { JsonObject, nullable } from "../../chat/arguments.ts"

const optional = Schema.optional
const Strings = Schema.Array(Schema.String)
const AllowedCallers = nullable(Schema.Array(Schema.Literals(["direct", "programmatic"])))

const Function = Schema.Struct({
  type: Schema.Literal("function"),
  name: Schema.String,
  description: nullable(Schema.String),
  parameters: nullable(JsonObject),
  strict: nullable(Schema.Boolean),
  output_schema: nullable(JsonObject),
  defer_loading: optional(Schema.Boolean),
  allowed_callers: AllowedCallers
})

const Custom = Schema.Struct({
  type: Schema.Literal("custom"),
  name: Schema.String,
  description: optional(Schema.String),
  format: optional(Schema.Union([
    Schema.Struct({ type: Schema.Literal("text") }),
    Schema.Struct({
      type: Schema.Literal("grammar"),
      syntax: Schema.Literals(["lark", "regex"]),
      definition: Schema.String
    })
  ])),
  defer_loading: optional(Schema.Boolean),
  allowed_callers: AllowedCallers
})

interface ComparisonFilter extends Schema.Schema.Type<typeof ComparisonFilter> {}

const ComparisonFilter = Schema.Struct({
  type: Schema.Literals(["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]),
  key: Schema.String,
  value: Schema.Union([
    Schema.String,
    Schema.Finite,
    Schema.Boolean,
    Schema.Array(Schema.Union([Schema.String, Schema.Finite]))
  ])
})

/** @public It is named in the types of other modules. */
export interface CompoundFilter {
  readonly type: "and" | "or"
  readonly filters: ReadonlyArray<ComparisonFilter | CompoundFilter>
}

export const CompoundFilter = Schema.Struct({
  type: Schema.Literals(["and", "or"]),
  filters: Schema.Array(
    Schema.Union([ComparisonFilter, Schema.suspend((): Schema.Codec<CompoundFilter> => CompoundFilter)])
  )
})

const FileSearch = Schema.Struct({
  type: Schema.Literal("file_search"),
  vector_store_ids: Strings,
  max_num_results: optional(Schema.Int),
  ranking_options: optional(Schema.Struct({
    ranker: optional(Schema.String),
    score_threshold: optional(Schema.Finite),
    hybrid_search: optional(Schema.Struct({ embedding_weight: Schema.Finite, text_weight: Schema.Finite }))
  })),
  filters: nullable(Schema.Union([ComparisonFilter, CompoundFilter]))
})

const place = {
  country: nullable(Schema.String),
  region: nullable(Schema.String),
  city: nullable(Schema.String),
  timezone: nullable(Schema.String)
}

const ContextSize = optional(Schema.Literals(["low", "medium", "high"]))

const WebSearch = Schema.Struct({
  type: Schema.Literals(["web_search", "web_search_2025_08_26"]),
  external_web_access: optional(Schema.Boolean),
  filters: nullable(Schema.Struct({ allowed_domains: nullable(Strings) })),
  user_location: nullable(Schema.Struct({ type: optional(Schema.Literal("approximate")), ...place })),
  search_context_size: ContextSize
})

const WebSearchPreview = Schema.Struct({
  type: Schema.Literals(["web_search_preview", "web_search_preview_2025_03_11"]),
  user_location: nullable(Schema.Struct({ type: Schema.Literal("approximate"), ...place })),
  search_context_size: ContextSize,
  search_content_types: optional(Schema.Array(Schema.Literals(["text", "image"])))
})

const McpFilter = Schema.Struct({ tool_names: optional(Strings), read_only: optional(Schema.Boolean) })

const Mcp = Schema.Struct({
  type: Schema.Literal("mcp"),
  server_label: Schema.String,
  server_url: optional(Schema.String),
  connector_id: optional(Schema.String),
  tunnel_id: optional(Schema.String),
  authorization: optional(Schema.String),
  server_description: optional(Schema.String),
  headers: nullable(Schema.Record(Schema.String, Schema.String)),
  allowed_tools: nullable(Schema.Union([Strings, McpFilter])),
  allowed_callers: AllowedCallers,
  require_approval: nullable(Schema.Union([
    Schema.Literals(["always", "never"]),
    Schema.Struct({ always: optional(McpFilter), never: optional(McpFilter) })
  ])),
  defer_loading: optional(Schema.Boolean)
})

const container = {
  file_ids: optional(Strings),
  memory_limit: nullable(Schema.Literals(["1g", "4g", "16g", "64g"])),
  network_policy: optional(Schema.Union([
    Schema.Struct({ type: Schema.Literal("disabled") }),
    Schema.Struct({
      type: Schema.Literal("allowlist"),
      allowed_domains: Strings,
      domain_secrets: optional(Schema.Array(Schema.Struct({
        domain: Schema.String,
        name: Schema.String,
        value: Schema.String
      })))
    })
  ]))
}

const CodeInterpreter = Schema.Struct({
  type: Schema.Literal("code_interpreter"),
  container: Schema.Union([Schema.String, Schema.Struct({ type: Schema.Literal("auto"), ...container })]),
  allowed_callers: AllowedCallers
})

const ImageGeneration = Schema.Struct({
  type: Schema.Literal("image_generation"),
  model: optional(Schema.String),
  quality: optional(Schema.Literals(["low", "medium", "high", "auto"])),
  size: optional(Schema.String),
  output_format: optional(Schema.Literals(["png", "webp", "jpeg"])),
  output_compression: optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
  moderation: optional(Schema.Literals(["auto", "low"])),
  background: optional(Schema.Literals(["transparent", "opaque", "auto"])),
  input_fidelity: nullable(Schema.Literals(["high", "low"])),
  input_image_mask: optional(Schema.Struct({
    image_url: optional(Schema.String),
    file_id: optional(Schema.String)
  })),
  partial_images: optional(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))),
  action: optional(Schema.Literals(["generate", "edit", "auto"]))
})

const Shell = Schema.Struct({
  type: Schema.Literal("shell"),
  environment: nullable(Schema.Union([
    Schema.Struct({
      type: Schema.Literal("container_auto"),
      ...container,
      skills: optional(Schema.Array(Schema.Union([
        Schema.Struct({
          type: Schema.Literal("skill_reference"),
          skill_id: Schema.String,
          version: optional(Schema.String)
        }),
        Schema.Struct({
          type: Schema.Literal("inline"),
          name: Schema.String,
          description: Schema.String,
          source: Schema.Struct({
            type: Schema.Literal("base64"),
            media_type: Schema.Literal("application/zip"),
            data: Schema.String
          })
        })
      ])))
    }),
    Schema.Struct({
      type: Schema.Literal("local"),
      skills: optional(Schema.Array(Schema.Struct({
        name: Schema.String,
        description: Schema.String,
        path: Schema.String
      })))
    }),
    Schema.Struct({ type: Schema.Literal("container_reference"), container_id: Schema.String })
  ])),
  allowed_callers: AllowedCallers
})

const ToolSearch = Schema.Struct({
  type: Schema.Literal("tool_search"),
  execution: optional(Schema.Literals(["server", "client"])),
  description: nullable(Schema.String),
  parameters: nullable(JsonObject)
})

/** One of the `tools`. */
export const Tool = Schema.Union([
  Function,
  Custom,
  WebSearch,
  WebSearchPreview,
  FileSearch,
  CodeInterpreter,
  ImageGeneration,
  Mcp,
  Shell,
  ToolSearch,
  Schema.Struct({ type: Schema.Literal("local_shell") }),
  Schema.Struct({ type: Schema.Literal("computer") }),
  Schema.Struct({
    type: Schema.Literal("computer_use_preview"),
    environment: Schema.Literals(["windows", "mac", "linux", "ubuntu", "browser"]),
    display_width: Schema.Int,
    display_height: Schema.Int
  }),
  Schema.Struct({ type: Schema.Literal("apply_patch"), allowed_callers: AllowedCallers }),
  Schema.Struct({ type: Schema.Literal("programmatic_tool_calling") }),
  Schema.Struct({
    type: Schema.Literal("namespace"),
    name: Schema.String,
    description: Schema.String,
    tools: Schema.Array(Schema.Union([Function, Custom]))
  })
])

export const ToolChoice = Schema.Union([
  Schema.Literals(["none", "auto", "required"]),
  Schema.Struct({ type: Schema.Literals(["function", "custom"]), name: Schema.String }),
  Schema.Struct({ type: Schema.Literal("mcp"), server_label: Schema.String, name: nullable(Schema.String) }),
  Schema.Struct({
    type: Schema.Literal("allowed_tools"),
    mode: Schema.Literals(["auto", "required"]),
    tools: Schema.Array(JsonObject)
  }),
  Schema.Struct({
    type: Schema.Literals([
      "web_search",
      "web_search_preview",
      "web_search_preview_2025_03_11",
      "file_search",
      "code_interpreter",
      "image_generation",
      "computer",
      "computer_use",
      "computer_use_preview",
      "programmatic_tool_calling",
      "apply_patch",
      "shell"
    ])
  })
])
