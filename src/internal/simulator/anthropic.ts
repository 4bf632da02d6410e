/** Anthropic, https://platform.claude.com/docs/en/api/messages. */
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Simulator from "./options.ts"
import { JsonObject, nullable } from "../chat/arguments.ts"
import { untilAvailable } from "./strictLimit.ts"
import {
  type Event,
  event,
  type Generated,
  isSilent,
  nameOfCall,
  type Operation,
  pieces,
  promptOf,
  reader,
  type Refusal,
  type Refused,
  type Reply,
  someObject,
  type Stamp,
  textOf,
  tokensOf,
  type Vendor
} from "./wire.ts"

const errorBody = (type: string, message: string, requestId: string) => ({
  type: "error",
  error: { type, message },
  request_id: requestId
})

// https://platform.claude.com/docs/en/api/errors
const refuse = (reason: Refusal, requestId: string): Refused => {
  const refusal = (status: number, type: string, message: string) => ({
    status,
    body: errorBody(type, message, requestId)
  })
  switch (reason._tag) {
    case "NotFound":
      return refusal(404, "not_found_error", "Not found")
    case "NoKey":
      return refusal(401, "authentication_error", "x-api-key header is required")
    case "Invalid": {
      const { message, path } = reason.issue
      return refusal(400, "invalid_request_error", path === "" ? message : `${path}: ${message}`)
    }
    case "RateLimited":
      return {
        ...refusal(429, "rate_limit_error", reason.message),
        ...(reason.waitMillis !== undefined && {
          headers: { "retry-after": String(Math.ceil(reason.waitMillis / 1000)) }
        })
      }
    case "ServerError":
      return refusal(500, "api_error", "Internal server error")
    case "Overloaded":
      return refusal(529, "overloaded_error", "Overloaded")
    case "ContextTooLong":
      return refusal(400, "invalid_request_error", `prompt is too long: ${reason.tokens} tokens > 200000 maximum`)
    case "ContentPolicy":
      return refusal(400, "invalid_request_error", "Output blocked by content filtering policy")
  }
}

const vendor: Vendor = {
  name: "anthropic",
  callPrefix: "toolu_",
  check: (headers) => {
    // Claude Code sends the one, the SDK of today the other.
    const hasKey = (headers["x-api-key"] ?? "") !== "" || /^Bearer .+/.test(headers["authorization"] ?? "")
    return !hasKey
      ? { _tag: "NoKey" }
      : headers["anthropic-version"] === undefined
      ? { _tag: "Invalid", issue: { path: "anthropic-version", message: "header is required" } }
      : undefined
  },
  // https://platform.claude.com/docs/en/api/rate-limits#response-headers
  headers: ({ buckets, nowMillis, requestId }) => {
    const headers: Record<string, string> = { "request-id": requestId }
    for (const kind of ["requests", "tokens"] as const) {
      const bucket = buckets[kind]
      if (bucket === undefined) continue
      const resetAt = DateTime.makeUnsafe(nowMillis + Math.ceil(untilAvailable(bucket, bucket.limit)))
      headers[`anthropic-ratelimit-${kind}-limit`] = String(bucket.limit)
      headers[`anthropic-ratelimit-${kind}-remaining`] = String(Math.max(0, Math.floor(bucket.level)))
      headers[`anthropic-ratelimit-${kind}-reset`] = DateTime.formatIso(resetAt)
    }
    return headers
  },
  refuse
}

// What else a block holds is nothing that is answered.
const Block = Schema.Struct({
  type: Schema.String,
  text: Schema.optional(Schema.String),
  id: Schema.optional(Schema.String),
  name: Schema.optional(Schema.String),
  input: Schema.optional(Schema.Unknown),
  tool_use_id: Schema.optional(Schema.String),
  content: Schema.optional(Schema.Unknown)
})

const Text = Schema.Union([Schema.String, Schema.Array(Block)])

const Format = nullable(Schema.Struct({ type: Schema.Literal("json_schema"), schema: Schema.optional(JsonObject) }))

const Body = Schema.Struct({
  model: Schema.String,
  max_tokens: Schema.Int.check(Schema.isGreaterThan(0)),
  messages: Schema.Array(Schema.Struct({
    // Claude Code sends messages of the system between those of the conversation.
    role: Schema.Literals(["user", "assistant", "system"]),
    content: Text
  })).check(Schema.isMinLength(1)),
  system: Schema.optional(Text),
  stream: Schema.optional(Schema.Boolean),
  temperature: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  tool_choice: Schema.optional(
    Schema.Struct({ type: Schema.Literals(["auto", "any", "tool", "none"]), name: Schema.optional(Schema.String) })
  ),
  tools: Schema.optional(Schema.Array(Schema.Struct({
    name: Schema.String,
    description: Schema.optional(Schema.String),
    input_schema: Schema.optional(JsonObject)
  }))),
  output_config: nullable(Schema.Struct({ format: Format })),
  output_format: Format
})

const messagesOf = ({ messages: sent, system }: typeof Body.Type): ReadonlyArray<Simulator.Message> => {
  const messages: Array<Simulator.Message> = []
  if (system !== undefined) messages.push({ role: "system", text: textOf(system) })
  for (const { content, role } of sent) {
    const blocks = typeof content === "string" ? [] : content
    const text = textOf(content)
    if (role === "assistant") {
      const toolCalls = blocks.flatMap(({ id = "", input, name = "", type }) =>
        type === "tool_use" ? [{ id, name, arguments: input }] : []
      )
      messages.push({ role, text, toolCalls })
      continue
    }
    const results = blocks.filter(({ type }) => type === "tool_result")
    for (const { content, tool_use_id: id = "" } of results) {
      messages.push({ role: "tool", id, name: nameOfCall(messages, id), text: textOf(content) })
    }
    if (text !== "" || results.length === 0) messages.push({ role, text })
  }
  return messages
}

const toolChoices = { auto: "auto", any: "required", none: "none", tool: "required" } as const

const messages: Operation = {
  vendor,
  path: /\/messages$/,
  read: reader(Body, (body) => {
    const messages = messagesOf(body)
    const format = body.output_config?.format ?? body.output_format
    const choice = body.tool_choice
    return Result.succeed({
      model: body.model,
      prompt: promptOf(messages),
      maxTokens: body.max_tokens,
      stream: body.stream === true,
      want: {
        _tag: "Generation",
        messages,
        // Tools of Anthropic's own, which have no schema here, are never called.
        tools: (body.tools ?? []).flatMap(({ description, input_schema, name }) =>
          input_schema === undefined ? [] : [{ name, description, parameters: input_schema }]
        ),
        toolChoice: choice?.type === "tool" && choice.name !== undefined
          ? { tool: choice.name }
          : toolChoices[choice?.type ?? "auto"],
        outputSchema: format == null ? undefined : format.schema ?? someObject,
        write: (generated, stamp) =>
          body.stream === true
            ? eventsOf(body.model, generated, stamp)
            : { _tag: "Whole", body: message(body.model, generated, stamp) }
      }
    })
  })
}

const stopReasons = { stop: "end_turn", length: "max_tokens", toolCalls: "tool_use" } as const

// What the model thought counts as output. https://platform.claude.com/docs/en/api/messages
const usageOf = (generated: Generated, inputTokens: number) => {
  const { answer, reasoning } = tokensOf(generated)
  return {
    input_tokens: inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    output_tokens: answer + reasoning,
    ...(reasoning > 0 && { output_tokens_details: { thinking_tokens: reasoning } })
  }
}

const blocksOf = (generated: Generated) => [
  ...(generated.reasoning === "" ? [] : [{ type: "thinking" as const, thinking: generated.reasoning, signature }]),
  ...(isSilent(generated) ? [] : [{ type: "text" as const, text: generated.text, citations: null }]),
  ...generated.toolCalls.map(({ arguments: input, id, name }) => ({
    type: "tool_use" as const,
    id,
    name,
    input,
    caller: { type: "direct" }
  }))
]

/** Stands for the seal of Anthropic on its model's thoughts. */
const signature = "c2ltdWxhdGVk"

const message = (model: string, generated: Generated, { inputTokens, number }: Stamp) => ({
  id: `msg_${number}`,
  type: "message",
  role: "assistant",
  model,
  content: blocksOf(generated),
  container: null,
  stop_reason: stopReasons[generated.finish],
  stop_sequence: null,
  stop_details: null,
  usage: usageOf(generated, inputTokens)
})

// https://platform.claude.com/docs/en/build-with-claude/streaming
const eventsOf = (model: string, generated: Generated, stamp: Stamp): Reply => {
  const events: Array<Event> = []
  const push = (type: string, fields: object = {}, isPiece = false) =>
    events.push({ text: event({ type, ...fields }, type), isPiece })
  const whole = message(model, generated, stamp)
  const begun = { ...usageOf({ ...generated, reasoning: "" }, stamp.inputTokens), output_tokens: 1 }

  push("message_start", { message: { ...whole, content: [], stop_reason: null, usage: begun } })
  for (const [index, block] of blocksOf(generated).entries()) {
    const start = (content_block: object) => push("content_block_start", { index, content_block })
    const delta = (delta: object, isPiece = true) => push("content_block_delta", { index, delta }, isPiece)
    switch (block.type) {
      case "thinking":
        start({ ...block, thinking: "", signature: "" })
        break
      case "text":
        start({ ...block, text: "" })
        break
      case "tool_use":
        start({ ...block, input: {} })
    }
    if (index === 0) push("ping")
    switch (block.type) {
      case "thinking":
        for (const thinking of pieces(block.thinking)) delta({ type: "thinking_delta", thinking })
        delta({ type: "signature_delta", signature }, false)
        break
      case "text":
        for (const text of pieces(block.text)) delta({ type: "text_delta", text })
        break
      case "tool_use":
        delta({ type: "input_json_delta", partial_json: "" }, false)
        for (const partial_json of pieces(JSON.stringify(block.input))) {
          delta({ type: "input_json_delta", partial_json })
        }
    }
    push("content_block_stop", { index })
  }
  push("message_delta", {
    delta: { stop_reason: whole.stop_reason, stop_sequence: null, stop_details: null },
    usage: whole.usage
  })
  return {
    _tag: "Events",
    events,
    end: event({ type: "message_stop" }, "message_stop"),
    failure: event({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "error")
  }
}

export const anthropic = { vendor, operations: [messages] }
