/**
 * The blocks that messages are made of, those of a request strict, those of an answer tolerant of new kinds.
 *
 * Source: https://platform.claude.com/docs/en/api/messages/create, and Anthropic's published SDK.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { JsonObject, nullable } from "../chat/arguments.ts"

export const CacheControl = Schema.Struct({
  type: Schema.Literal("ephemeral"),
  ttl: Schema.optionalKey(Schema.Literals(["5m", "1h"]))
})

/** What every block but that of a thought can have: the prompt up to it is cached. */
const cached = { cache_control: nullable(CacheControl) }

export const JsonRecord = Schema.Record(Schema.String, Schema.Json)

/** Whether the answer cites the document. */
export const CitationsConfig = Schema.Struct({ enabled: Schema.optionalKey(Schema.Boolean) })

/** Where a statement comes from. It is sent back as it came, so it is kept with all that it has. */
export const Citation = Schema.StructWithRest(
  Schema.Struct({
    type: Schema.String,
    cited_text: Schema.optionalKey(Schema.String),
    url: Schema.optionalKey(Schema.String),
    source: Schema.optionalKey(Schema.String),
    title: Schema.optionalKey(Schema.NullOr(Schema.String)),
    document_title: Schema.optionalKey(Schema.NullOr(Schema.String))
  }),
  [JsonRecord]
)

export const Text = Schema.Struct({
  type: Schema.Literal("text"),
  text: Schema.String,
  citations: nullable(Schema.Array(Citation)),
  ...cached
})

const UrlSource = Schema.Struct({ type: Schema.Literal("url"), url: Schema.String })
const FileSource = Schema.Struct({ type: Schema.Literal("file"), file_id: Schema.String })

export const imageTypes = ["image/jpeg", "image/png", "image/gif", "image/webp"] as const

export const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([
    Schema.Struct({
      type: Schema.Literal("base64"),
      media_type: Schema.Literals(imageTypes),
      data: Schema.String
    }),
    UrlSource,
    FileSource
  ]),
  transformations: nullable(Schema.Struct({
    oversized_image: Schema.optional(Schema.Literals(["downsize", "error"]))
  })),
  ...cached
})

export const Document = Schema.Struct({
  type: Schema.Literal("document"),
  source: Schema.Union([
    Schema.Struct({
      type: Schema.Literal("base64"),
      media_type: Schema.Literal("application/pdf"),
      data: Schema.String
    }),
    Schema.Struct({ type: Schema.Literal("text"), media_type: Schema.Literal("text/plain"), data: Schema.String }),
    Schema.Struct({
      type: Schema.Literal("content"),
      content: Schema.Union([Schema.String, Schema.Array(Schema.Union([Text, Image]))])
    }),
    UrlSource,
    FileSource
  ]),
  title: nullable(Schema.String),
  context: nullable(Schema.String),
  citations: nullable(CitationsConfig),
  ...cached
})

const SearchResult = Schema.Struct({
  type: Schema.Literal("search_result"),
  source: Schema.String,
  title: Schema.String,
  content: Schema.Array(Text),
  citations: Schema.optional(CitationsConfig),
  ...cached
})

const Thinking = Schema.Struct({
  type: Schema.Literal("thinking"),
  thinking: Schema.String,
  signature: Schema.String
})

const RedactedThinking = Schema.Struct({ type: Schema.Literal("redacted_thinking"), data: Schema.String })

/** The caller of a tool: the model itself, or code that it ran. */
export const Caller = Schema.Struct({ type: Schema.String, tool_id: Schema.optionalKey(Schema.String) })

const ToolUse = Schema.Struct({
  type: Schema.Literal("tool_use"),
  id: Schema.String,
  name: Schema.String,
  input: Schema.Unknown,
  caller: nullable(Caller),
  toolset_name: nullable(Schema.String),
  ...cached
})

/** `server_tool_use`, or `mcp_tool_use`. */
export const ProviderToolUseType = Schema.TemplateLiteral([Schema.String, "_tool_use"])

/** The call of a tool that the provider runs. */
const ProviderToolUse = Schema.Struct({
  type: ProviderToolUseType,
  id: Schema.String,
  name: Schema.String,
  input: Schema.Unknown,
  server_name: nullable(Schema.String),
  caller: nullable(Caller),
  ...cached
})

/** For example `web_search_tool_result`: each tool of the provider has its own, and there are ever more. */
export const ProviderToolResultType = Schema.TemplateLiteral([Schema.String, "_tool_result"])

/** What a tool has answered that the provider ran. */
const ProviderToolResult = Schema.Struct({
  type: ProviderToolResultType,
  tool_use_id: Schema.String,
  content: Schema.Json,
  is_error: nullable(Schema.Boolean),
  caller: nullable(Caller),
  ...cached
})

const ContainerUpload = Schema.Struct({
  type: Schema.Literal("container_upload"),
  file_id: Schema.String,
  ...cached
})

const ToolReference = Schema.Struct({ type: Schema.Literal("tool_reference"), tool_name: Schema.String, ...cached })

const BrowserState = Schema.Struct({
  type: Schema.Literal("browser_state"),
  tabs: Schema.Array(Schema.Struct({
    tab_id: Schema.String,
    title: Schema.String,
    url: Schema.String,
    active: Schema.optional(Schema.Boolean)
  })),
  state_changes: nullable(Schema.Array(JsonObject)),
  ...cached
})

/** What the caller's own tool has answered. */
const ToolResult = Schema.Struct({
  type: Schema.Literal("tool_result"),
  tool_use_id: Schema.String,
  content: Schema.optional(Schema.Union([
    Schema.String,
    Schema.Array(Schema.Union([Text, Image, SearchResult, Document, ToolReference, BrowserState]))
  ])),
  is_error: Schema.optional(Schema.Boolean),
  toolset_name: nullable(Schema.String),
  ...cached
})

/** The blocks of features in beta, which change from one to the next. */
const BetaBlock = Schema.StructWithRest(
  Schema.Struct({
    type: Schema.Literals(["compaction", "fallback", "mcp_tool_listing", "tool_addition", "tool_removal"])
  }),
  [JsonRecord]
)

/** A block of a message that is sent. */
export const Block = Schema.Union([
  Text,
  Image,
  Document,
  SearchResult,
  Thinking,
  RedactedThinking,
  ToolUse,
  ToolResult,
  ContainerUpload,
  BetaBlock,
  ProviderToolUse,
  ProviderToolResult
])

/** A block of an unknown kind, unchanged. */
export const other = (known: RegExp) =>
  JsonRecord.check(Schema.makeFilter(({ type }) => typeof type === "string" && !known.test(type))).pipe(
    Schema.decodeTo(Schema.Struct({ type: Schema.Literal("other"), value: JsonRecord }), {
      decode: SchemaGetter.transform((value) => ({ type: "other" as const, value })),
      encode: SchemaGetter.transform(({ value }) => value)
    })
  )

/** A text that some leave out, or send as `null`, where it is empty. */
export const textOrEmpty = Schema.NullOr(Schema.String).pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transform((text) => text ?? ""),
    encode: SchemaGetter.passthrough()
  }),
  Schema.withDecodingDefault(Effect.succeed(""))
)

const AnswerText = Schema.Struct({ ...Text.fields, text: textOrEmpty })

/** A block of an answer. One of another kind is handed back as it is when the conversation goes on. */
export const AnswerBlock = Schema.Union([
  AnswerText,
  Schema.Struct({ ...Thinking.fields, thinking: textOrEmpty, signature: nullable(Schema.String) }),
  RedactedThinking,
  Schema.Struct({ ...ToolUse.fields, id: textOrEmpty, input: Schema.optional(Schema.Unknown) }),
  ContainerUpload,
  Schema.Struct({ ...ProviderToolUse.fields, id: textOrEmpty, input: Schema.optional(Schema.Unknown) }),
  ProviderToolResult,
  other(/^(text|thinking|redacted_thinking|container_upload|(.+_)?tool_use|.+_tool_result)$/)
])
