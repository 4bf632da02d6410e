/** The messages of a request: those of the wire, and plain ones, which are written in the wire's form. */
import * as Schema from "effect/Schema"
import { paramsObject } from "../chat/arguments.ts"
import { AssistantMessage, ToolMessage } from "../chat/schema.ts"
import { Block, Text } from "./blocks.ts"

export const System = Schema.Union([Schema.String, Schema.Array(Text)])

const Turn = Schema.Struct({
  role: Schema.Literals(["user", "assistant"]),
  content: Schema.Union([Schema.String, Schema.Array(Block)])
})

export const Message = Schema.Union([
  Turn,
  // In the middle of a conversation, where a model takes it:
  // https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages
  Schema.Struct({ role: Schema.Literal("system"), content: System })
])

export const GivenMessage = Schema.Union([...Message.members, AssistantMessage, ToolMessage])

type Given = typeof GivenMessage.Type
type Plain = typeof AssistantMessage.Type | typeof ToolMessage.Type

const isPlain = (message: Given): message is Plain =>
  message.role === "tool" || message.content === null || "tool_calls" in message

/** A message in the form of the wire. */
export const wireMessage = (message: Given): typeof Message.Type => {
  if (!isPlain(message)) return message
  if (message.role === "tool") {
    const { content, tool_call_id: tool_use_id } = message
    return { role: "user", content: [{ type: "tool_result", tool_use_id, content }] }
  }
  const { content, tool_calls = [] } = message
  return {
    role: "assistant",
    content: [
      ...(content ? [{ type: "text" as const, text: content }] : []),
      ...tool_calls.map(({ function: { arguments: params, name }, id }) => ({
        type: "tool_use" as const,
        id,
        name,
        input: paramsObject({ params })
      }))
    ]
  }
}
