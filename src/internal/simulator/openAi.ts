/** OpenAI, https://platform.openai.com/docs/api-reference: chat completions, responses and embeddings. */
import * as Encoding from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Simulator from "../../Simulator.ts"
import { JsonObject, nullable, toolParams } from "../chat.ts"
import { ChatBody, type ChatMessage } from "../openAi/schema.ts"
import { formatReset, untilAvailable } from "../strictLimit.ts"
import {
  countTokens,
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
  strict,
  textOf,
  tokensOf,
  type Vendor
} from "./wire.ts"

const refusal = (status: number, message: string, fields: Readonly<Record<string, string>> = {}): Refused => ({
  status,
  body: { error: { message, type: "invalid_request_error", param: null, code: null, ...fields } }
})

// https://platform.openai.com/docs/guides/error-codes
const refuse = (reason: Refusal): Refused => {
  switch (reason._tag) {
    case "NotFound":
      return refusal(404, `Invalid URL (${reason.method} ${reason.url})`)
    case "NoKey":
      return refusal(401, "You didn't provide an API key.", { code: "invalid_api_key" })
    case "Invalid": {
      const { message, path } = reason.issue
      return refusal(400, message, path === "" ? {} : { param: path })
    }
    case "RateLimited": {
      const { kind, message, waitMillis } = reason
      return {
        ...refusal(429, message, { type: kind, code: "rate_limit_exceeded" }),
        ...(waitMillis !== undefined && {
          headers: {
            "retry-after": String(Math.ceil(waitMillis / 1000)),
            "retry-after-ms": String(Math.ceil(waitMillis))
          }
        })
      }
    }
    case "ServerError":
      return refusal(500, "The server had an error while processing your request.", { type: "server_error" })
    case "Overloaded":
      return refusal(503, "The engine is currently overloaded, please try again later.", { type: "server_error" })
    case "ContextTooLong":
      return refusal(
        400,
        `This model's maximum context length is exceeded: your messages resulted in ${reason.tokens} tokens.`,
        { param: "messages", code: "context_length_exceeded" }
      )
    case "ContentPolicy":
      return refusal(400, "Your request was rejected as a result of our safety system.", {
        code: "content_policy_violation"
      })
  }
}

const vendor: Vendor = {
  name: "openai",
  callPrefix: "call_",
  check: (headers) => /^Bearer .+/.test(headers["authorization"] ?? "") ? undefined : { _tag: "NoKey" },
  // https://platform.openai.com/docs/guides/rate-limits
  headers: ({ buckets, requestId }) => {
    const headers: Record<string, string> = { "x-request-id": requestId }
    for (const kind of ["requests", "tokens"] as const) {
      const bucket = buckets[kind]
      if (bucket === undefined) continue
      headers[`x-ratelimit-limit-${kind}`] = String(bucket.limit)
      headers[`x-ratelimit-remaining-${kind}`] = String(Math.max(0, Math.floor(bucket.level)))
      headers[`x-ratelimit-reset-${kind}`] = formatReset(untilAvailable(bucket, bucket.limit))
    }
    return headers
  },
  refuse
}

// -----------------------------------------------------------------------------
// Chat completions
// -----------------------------------------------------------------------------

const messagesOfChat = (all: ReadonlyArray<typeof ChatMessage.Type>): ReadonlyArray<Simulator.Message> => {
  const messages: Array<Simulator.Message> = []
  for (const message of all) {
    const text = textOf(message.content)
    switch (message.role) {
      case "system":
      case "developer":
        messages.push({ role: "system", text })
        break
      case "user":
        messages.push({ role: "user", text })
        break
      case "assistant": {
        const toolCalls = (message.tool_calls ?? []).map(({ function: { arguments: written, name }, id }) => ({
          id,
          name,
          arguments: toolParams(written)
        }))
        messages.push({ role: "assistant", text, toolCalls })
        break
      }
      case "tool":
        messages.push({
          role: "tool",
          id: message.tool_call_id,
          name: nameOfCall(messages, message.tool_call_id),
          text
        })
    }
  }
  return messages
}

const chat: Operation = {
  vendor,
  path: /\/chat\/completions$/,
  read: strict(
    ChatBody,
    reader(ChatBody, (body) => {
      const { messages: sent, response_format: format, stream_options: streamOptions, tool_choice: choice } = body
      const messages = messagesOfChat(sent)
      return Result.succeed({
        model: body.model,
        prompt: promptOf(messages),
        maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
        stream: body.stream === true,
        want: {
          _tag: "Generation",
          messages,
          tools: (body.tools ?? []).map(({ function: { description, name, parameters } }) => ({
            name,
            description,
            parameters: parameters ?? {}
          })),
          toolChoice: typeof choice === "object" ? { tool: choice.function.name } : choice ?? "auto",
          outputSchema: format?.type === "json_schema"
            ? format.json_schema.schema ?? someObject
            : format?.type === "json_object"
            ? someObject
            : undefined,
          write: (generated, stamp) =>
            body.stream === true
              ? chatEvents(body.model, generated, stamp, streamOptions?.include_usage === true)
              : { _tag: "Whole", body: chatCompletion(body.model, generated, stamp) }
        }
      })
    })
  )
}

const chatFinish = { stop: "stop", length: "length", toolCalls: "tool_calls" } as const

const chatUsage = (generated: Generated, { inputTokens }: Stamp) => {
  const { answer, reasoning } = tokensOf(generated)
  return {
    prompt_tokens: inputTokens,
    completion_tokens: answer + reasoning,
    total_tokens: inputTokens + answer + reasoning,
    ...(reasoning > 0 && { completion_tokens_details: { reasoning_tokens: reasoning } })
  }
}

const chatCompletion = (model: string, generated: Generated, stamp: Stamp) => ({
  id: `chatcmpl-${stamp.number}`,
  object: "chat.completion",
  created: Math.floor(stamp.createdMillis / 1000),
  model,
  choices: [{
    index: 0,
    message: {
      role: "assistant",
      content: isSilent(generated) ? null : generated.text,
      refusal: null,
      annotations: [],
      // OpenAI keeps the thoughts of its models to itself; this is how others who speak its protocol tell of them.
      ...(generated.reasoning !== "" && { reasoning_content: generated.reasoning }),
      ...(generated.toolCalls.length > 0 && {
        tool_calls: generated.toolCalls.map(({ arguments: params, id, name }) => ({
          id,
          type: "function",
          function: { name, arguments: JSON.stringify(params) }
        }))
      })
    },
    logprobs: null,
    finish_reason: chatFinish[generated.finish]
  }],
  usage: chatUsage(generated, stamp)
})

const chatEvents = (model: string, generated: Generated, stamp: Stamp, includeUsage: boolean): Reply => {
  const chunk = (choices: ReadonlyArray<unknown>, usage: unknown) =>
    event({
      id: `chatcmpl-${stamp.number}`,
      object: "chat.completion.chunk",
      created: Math.floor(stamp.createdMillis / 1000),
      model,
      choices,
      ...(includeUsage && { usage })
    })
  const say = (delta: object, finish: string | null = null) =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finish }], null)
  const piece = (delta: object) => ({ text: say(delta), isPiece: true })
  const mark = (text: string) => ({ text, isPiece: false })
  return {
    _tag: "Events",
    events: [
      mark(say({ role: "assistant", content: isSilent(generated) ? null : "", refusal: null })),
      ...pieces(generated.reasoning).map((text) => piece({ reasoning_content: text })),
      ...pieces(generated.text).map((text) => piece({ content: text })),
      ...generated.toolCalls.flatMap(({ arguments: params, id, name }, index) => [
        mark(say({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] })),
        ...pieces(JSON.stringify(params)).map((text) =>
          piece({ tool_calls: [{ index, function: { arguments: text } }] })
        )
      ]),
      mark(say({}, chatFinish[generated.finish])),
      ...(includeUsage ? [mark(chunk([], chatUsage(generated, stamp)))] : [])
    ],
    end: "data: [DONE]\n\n",
    failure: event(refuse({ _tag: "ServerError" }).body)
  }
}

// -----------------------------------------------------------------------------
// Responses
// -----------------------------------------------------------------------------

const Item = Schema.Struct({
  type: Schema.optional(Schema.String),
  role: Schema.optional(Schema.Literals(["system", "developer", "user", "assistant"])),
  content: Schema.optional(Schema.Unknown),
  call_id: Schema.optional(Schema.String),
  name: Schema.optional(Schema.String),
  arguments: Schema.optional(Schema.String),
  output: Schema.optional(Schema.Unknown)
})

const ResponsesBody = Schema.Struct({
  model: Schema.String,
  input: Schema.Union([Schema.String, Schema.Array(Item)]),
  instructions: nullable(Schema.String),
  max_output_tokens: nullable(Schema.Int.check(Schema.isGreaterThan(0))),
  previous_response_id: nullable(Schema.String),
  stream: nullable(Schema.Boolean),
  temperature: nullable(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
  text: Schema.optional(Schema.Struct({
    format: Schema.optional(Schema.Struct({ type: Schema.String, schema: Schema.optional(JsonObject) }))
  })),
  tool_choice: Schema.optional(Schema.Union([
    Schema.Literals(["none", "auto", "required"]),
    Schema.Struct({ type: Schema.String, name: Schema.optional(Schema.String) })
  ])),
  tools: Schema.optional(Schema.Array(Schema.Struct({
    type: Schema.String,
    name: Schema.optional(Schema.String),
    description: nullable(Schema.String),
    parameters: nullable(JsonObject)
  })))
})

const messagesOfItems = (body: typeof ResponsesBody.Type): ReadonlyArray<Simulator.Message> => {
  const messages: Array<Simulator.Message> = []
  if (body.instructions != null) messages.push({ role: "system", text: body.instructions })
  const items = typeof body.input === "string" ? [{ role: "user" as const, content: body.input }] : body.input
  for (const item of items) {
    const { role, type } = { type: "message", ...item }
    const id = item.call_id ?? ""
    if (type === "function_call") {
      const call = { id, name: item.name ?? "", arguments: toolParams(item.arguments ?? "") }
      messages.push({ role: "assistant", text: "", toolCalls: [call] })
    } else if (type === "function_call_output") {
      messages.push({ role: "tool", id, name: nameOfCall(messages, id), text: textOf(item.output) })
    } else if (role === "assistant") {
      messages.push({ role, text: textOf(item.content), toolCalls: [] })
    } else if (role !== undefined) {
      messages.push({ role: role === "user" ? "user" : "system", text: textOf(item.content) })
    }
  }
  return messages
}

const responses: Operation = {
  vendor,
  path: /\/responses$/,
  read: reader(ResponsesBody, (body) => {
    // Nothing is stored.
    if (body.previous_response_id != null) {
      const message = `Previous response with id '${body.previous_response_id}' not found.`
      return Result.fail({ path: "previous_response_id", message })
    }
    const messages = messagesOfItems(body)
    const { text, tool_choice: choice } = body
    return Result.succeed({
      model: body.model,
      prompt: promptOf(messages),
      maxTokens: body.max_output_tokens ?? undefined,
      stream: body.stream === true,
      want: {
        _tag: "Generation",
        messages,
        tools: (body.tools ?? []).flatMap(({ description, name, parameters, type }) =>
          type === "function" && name !== undefined
            ? [{ name, description: description ?? undefined, parameters: parameters ?? {} }]
            : []
        ),
        toolChoice: typeof choice !== "object" ? choice ?? "auto" : choice.name === undefined
          ? "required"
          : { tool: choice.name },
        outputSchema: text?.format?.type === "json_schema"
          ? text.format.schema ?? someObject
          : text?.format?.type === "json_object"
          ? someObject
          : undefined,
        write: (generated, stamp) =>
          body.stream === true
            ? responseEvents(body, generated, stamp)
            : { _tag: "Whole", body: response(body, stamp, outputOf(generated, stamp), generated) }
      }
    })
  })
}

const outputOf = (generated: Generated, { number }: Stamp) => {
  const status = generated.finish === "length" ? "incomplete" : "completed"
  return {
    reasoning: generated.reasoning === "" ? undefined : {
      id: `rs_${number}`,
      type: "reasoning" as const,
      summary: [{ type: "summary_text" as const, text: generated.reasoning }]
    },
    message: isSilent(generated) ? undefined : {
      id: `msg_${number}`,
      type: "message" as const,
      status,
      role: "assistant" as const,
      content: [{ type: "output_text" as const, text: generated.text, annotations: [], logprobs: [] }]
    },
    calls: generated.toolCalls.map(({ arguments: params, id, name }, i) => ({
      id: `fc_${number}_${i}`,
      type: "function_call" as const,
      status,
      call_id: id,
      name,
      arguments: JSON.stringify(params)
    }))
  }
}

type Output = ReturnType<typeof outputOf>

const response = (
  body: typeof ResponsesBody.Type,
  stamp: Stamp,
  output: Output | undefined,
  generated: Generated | undefined
) => {
  const incomplete = generated?.finish === "length"
  return {
    id: `resp_${stamp.number}`,
    object: "response",
    created_at: Math.floor(stamp.createdMillis / 1000),
    status: generated === undefined ? "in_progress" : incomplete ? "incomplete" : "completed",
    error: null,
    incomplete_details: incomplete ? { reason: "max_output_tokens" } : null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: {},
    model: body.model,
    output: output === undefined
      ? []
      : [output.reasoning, output.message, ...output.calls].filter((item) => item !== undefined),
    parallel_tool_calls: true,
    previous_response_id: null,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: 1,
    truncation: "disabled",
    usage: generated === undefined ? null : responseUsage(generated, stamp)
  }
}

const responseUsage = (generated: Generated, { inputTokens }: Stamp) => {
  const { answer, reasoning } = tokensOf(generated)
  return {
    input_tokens: inputTokens,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: answer + reasoning,
    output_tokens_details: { reasoning_tokens: reasoning },
    total_tokens: inputTokens + answer + reasoning
  }
}

// https://platform.openai.com/docs/api-reference/responses-streaming
const responseEvents = (body: typeof ResponsesBody.Type, generated: Generated, stamp: Stamp): Reply => {
  const events: Array<Event> = []
  const push = (type: string, fields: object) => {
    const text = event({ type, ...fields, sequence_number: events.length }, type)
    events.push({ text, isPiece: type.endsWith(".delta") })
  }
  const output = outputOf(generated, stamp)
  let output_index = 0

  push("response.created", { response: response(body, stamp, undefined, undefined) })
  push("response.in_progress", { response: response(body, stamp, undefined, undefined) })
  if (output.reasoning !== undefined) {
    const item = output.reasoning
    const at = { item_id: item.id, output_index, summary_index: 0 }
    push("response.output_item.added", { output_index, item: { ...item, summary: [] } })
    push("response.reasoning_summary_part.added", { ...at, part: { type: "summary_text", text: "" } })
    for (const delta of pieces(generated.reasoning)) push("response.reasoning_summary_text.delta", { ...at, delta })
    push("response.reasoning_summary_text.done", { ...at, text: generated.reasoning })
    push("response.reasoning_summary_part.done", { ...at, part: item.summary[0] })
    push("response.output_item.done", { output_index, item })
    output_index++
  }
  if (output.message !== undefined) {
    const item = output.message
    const at = { item_id: item.id, output_index, content_index: 0 }
    push("response.output_item.added", { output_index, item: { ...item, status: "in_progress", content: [] } })
    push("response.content_part.added", { ...at, part: { ...item.content[0], text: "" } })
    for (const delta of pieces(generated.text)) push("response.output_text.delta", { ...at, delta, logprobs: [] })
    push("response.output_text.done", { ...at, text: generated.text, logprobs: [] })
    push("response.content_part.done", { ...at, part: item.content[0] })
    push("response.output_item.done", { output_index, item })
    output_index++
  }
  for (const item of output.calls) {
    const at = { item_id: item.id, output_index }
    push("response.output_item.added", { output_index, item: { ...item, status: "in_progress", arguments: "" } })
    for (const delta of pieces(item.arguments)) push("response.function_call_arguments.delta", { ...at, delta })
    push("response.function_call_arguments.done", { ...at, name: item.name, arguments: item.arguments })
    push("response.output_item.done", { output_index, item })
    output_index++
  }
  push(generated.finish === "length" ? "response.incomplete" : "response.completed", {
    response: response(body, stamp, output, generated)
  })
  return {
    _tag: "Events",
    events,
    end: undefined,
    failure: event({
      type: "error",
      code: "server_error",
      message: "The server had an error while processing your request.",
      param: null,
      sequence_number: events.length
    }, "error")
  }
}

// -----------------------------------------------------------------------------
// Embeddings
// -----------------------------------------------------------------------------

const EmbeddingsBody = Schema.Struct({
  model: Schema.String,
  input: Schema.Union([
    Schema.NonEmptyString,
    Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(2048)),
    Schema.Array(Schema.Int).check(Schema.isMinLength(1), Schema.isMaxLength(2048)),
    Schema.Array(Schema.Array(Schema.Int)).check(Schema.isMinLength(1), Schema.isMaxLength(2048))
  ]),
  dimensions: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
  encoding_format: Schema.optional(Schema.Literals(["float", "base64"])),
  user: Schema.optional(Schema.String)
})

/** Of `text-embedding-3-small`. */
const defaultDimensions = 1536

const embeddings: Operation = {
  vendor,
  path: /\/embeddings$/,
  read: strict(
    EmbeddingsBody,
    reader(EmbeddingsBody, ({ dimensions = defaultDimensions, encoding_format: format, input, model }) => {
      const inputs = typeof input === "string"
        ? [input]
        : input.every((item) => typeof item === "number")
        ? [input.join(" ")]
        : input.map((item) => typeof item === "string" ? item : String(item))
      return Result.succeed({
        model,
        prompt: inputs.join("\n"),
        maxTokens: undefined,
        stream: false,
        want: {
          _tag: "Embedding",
          inputs,
          dimensions,
          write: (vectors) => {
            const tokens = inputs.reduce((sum, text) => sum + countTokens(text), 0)
            return {
              object: "list",
              data: vectors.map((vector, index) => ({
                object: "embedding",
                index,
                embedding: format === "base64" ? base64Of(vector) : vector
              })),
              model,
              usage: { prompt_tokens: tokens, total_tokens: tokens }
            }
          }
        }
      })
    })
  )
}

/** Floats of 32 bits, the least significant byte first. */
const base64Of = (vector: ReadonlyArray<number>): string => {
  const view = new DataView(new ArrayBuffer(vector.length * 4))
  vector.forEach((x, i) => view.setFloat32(i * 4, x, true))
  return Encoding.encode(new Uint8Array(view.buffer))
}

export const openAi = { vendor, operations: [chat, responses, embeddings] }
