/** Responses: https://platform.openai.com/docs/api-reference/responses. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Simulator from "./options.ts"
import { JsonObject, nullable, toolParams } from "../chat/arguments.ts"
import { vendor } from "./openAi.ts"
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
  type Reply,
  someObject,
  type Stamp,
  textOf,
  tokensOf
} from "./wire.ts"

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

export const responses: Operation = {
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
