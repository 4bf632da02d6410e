/** The plain messages that every chat backend takes, in the form of OpenAI's chat wire. */
import type * as Prompt from "effect/ai/Prompt"
import * as Schema from "effect/Schema"
import { toolParams } from "./arguments.ts"

const ToolCall = Schema.Struct({
  id: Schema.String,
  type: Schema.Literal("function"),
  function: Schema.Struct({
    name: Schema.String,
    /** As JSON. */
    arguments: Schema.String
  })
})

export const AssistantMessage = Schema.Struct({
  role: Schema.Literal("assistant"),
  content: Schema.NullOr(Schema.String),
  tool_calls: Schema.optional(Schema.Array(ToolCall))
})

/** The result of a call that an earlier message of the assistant makes. */
export const ToolMessage = Schema.Struct({
  role: Schema.Literal("tool"),
  content: Schema.String,
  tool_call_id: Schema.String
})

export const Message = Schema.Union([
  Schema.Struct({ role: Schema.Literals(["system", "user"]), content: Schema.String }),
  AssistantMessage,
  ToolMessage
])

export type Message = typeof Message.Type

export const Messages = Schema.Array(Message).check(Schema.isMinLength(1))

/** Plain messages as a prompt. */
export const promptOfMessages = (messages: ReadonlyArray<Message>): ReadonlyArray<Prompt.MessageEncoded> => {
  const names = new Map<string, string>()
  return messages.map((message): Prompt.MessageEncoded => {
    switch (message.role) {
      case "system":
      case "user":
        return { role: message.role, content: message.content }
      case "assistant":
        for (const { function: { name }, id } of message.tool_calls ?? []) names.set(id, name)
        return { role: "assistant", content: assistantParts(message) }
      case "tool": {
        const { content: result, tool_call_id: id } = message
        return {
          role: "tool",
          content: [{ type: "tool-result", id, name: names.get(id) ?? id, isFailure: false, result }]
        }
      }
    }
  })
}

const assistantParts = (
  { content, tool_calls = [] }: typeof AssistantMessage.Type
): ReadonlyArray<Prompt.AssistantMessagePartEncoded> => [
  ...(content === null || (content === "" && tool_calls.length > 0) ? [] : [{ type: "text" as const, text: content }]),
  ...tool_calls.map(({ function: { arguments: written, name }, id }) => ({
    type: "tool-call" as const,
    id,
    name,
    params: toolParams(written)
  }))
]

interface WithCalls {
  readonly tool_calls?: ReadonlyArray<typeof ToolCall.Type> | undefined
}

const hasCalls = (message: object): message is WithCalls => "tool_calls" in message

/** The calls in messages, as far as these are plain. */
export const callsOfMessages = (
  messages: ReadonlyArray<object> | undefined
): ReadonlyArray<typeof ToolCall.Type> =>
  (messages ?? []).flatMap((message) => hasCalls(message) ? message.tool_calls ?? [] : [])

/** Messages whose calls, as far as these are plain, have other names. */
export const renameInMessages = <M extends object>(
  messages: ReadonlyArray<M>,
  rename: (name: string) => string
): ReadonlyArray<M> =>
  messages.map((message) =>
    hasCalls(message)
      ? {
        ...message,
        tool_calls: message.tool_calls?.map((call) => ({
          ...call,
          function: { ...call.function, name: rename(call.function.name) }
        }))
      }
      : message
  )
