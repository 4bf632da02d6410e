/** Answers of Anthropic's messages API, as it streams them. */
import { Schema } from "effect"
import type { Answer, Seen } from "./server.ts"

const Block = Schema.Struct({ type: Schema.String, text: Schema.optional(Schema.String) })
const Body = Schema.Struct({
  model: Schema.String,
  max_tokens: Schema.Int,
  temperature: Schema.optional(Schema.Finite),
  system: Schema.optional(Schema.Array(Block)),
  messages: Schema.Array(Schema.Struct({
    role: Schema.String,
    content: Schema.Union([Schema.String, Schema.Array(Block)])
  }))
})

export const bodyOf = (seen: Seen): typeof Body.Type => Schema.decodeUnknownSync(Body)(seen.body)

/** The texts of the messages of a role, the blocks of a message apart. */
export const textsOf = (seen: Seen, role: "user" | "assistant"): ReadonlyArray<string> =>
  bodyOf(seen).messages.flatMap((message) =>
    message.role !== role
      ? []
      : typeof message.content === "string"
      ? [message.content]
      : message.content.flatMap(({ text }) => text ?? [])
  )

/** Whether the tool that was asked for has been used. */
export const hasToolResult = (seen: Seen): boolean =>
  bodyOf(seen).messages.some(({ content }) =>
    typeof content !== "string" && content.some(({ type }) => type === "tool_result")
  )

interface Event {
  readonly type: string
  readonly [field: string]: unknown
}

const eventStream = (stopReason: string, blocks: ReadonlyArray<ReadonlyArray<Event>>): Answer => {
  const events: ReadonlyArray<Event> = [
    {
      type: "message_start",
      message: {
        id: "msg_1",
        type: "message",
        role: "assistant",
        model: "claude-test",
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: { input_tokens: 9, output_tokens: 1 }
      }
    },
    ...blocks.flatMap((events, index) => [
      ...events.map((event) => ({ ...event, index })),
      { type: "content_block_stop", index }
    ]),
    {
      type: "message_delta",
      delta: { stop_reason: stopReason, stop_sequence: null },
      usage: { output_tokens: 4 }
    },
    { type: "message_stop" }
  ]
  return {
    headers: { "content-type": "text/event-stream" },
    body: events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("")
  }
}

const textBlock = (deltas: ReadonlyArray<string>): ReadonlyArray<Event> => [
  { type: "content_block_start", content_block: { type: "text", text: "" } },
  ...deltas.map((text) => ({ type: "content_block_delta", delta: { type: "text_delta", text } }))
]

export const textAnswer = (...deltas: ReadonlyArray<string>): Answer => eventStream("end_turn", [textBlock(deltas)])

export const toolAnswer = (name: string, input: unknown): Answer =>
  eventStream("tool_use", [
    textBlock(["I look."]),
    [
      { type: "content_block_start", content_block: { type: "tool_use", id: "toolu_1", name, input: {} } },
      { type: "content_block_delta", delta: { type: "input_json_delta", partial_json: JSON.stringify(input) } }
    ]
  ])

export const errorAnswer = (status: number, type: string, message: string): Answer => ({
  status,
  body: { type: "error", error: { type, message } }
})
