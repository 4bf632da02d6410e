/** What the arguments of a message ask for, of that which not every model can do. */
import { areAny, type Demands, demandsOfPrompt } from "../chat/capabilities.ts"
import type { Block } from "./blocks.ts"
import { type Message, wireMessage } from "./messages.ts"
import type { MessagesRequest } from "./schema.ts"

type SentBlock = typeof Block.Type
type Content = Extract<SentBlock, { readonly type: "tool_result" }>["content"]
type ResultBlock = Exclude<NonNullable<Content>, string>[number]

export const demandsOf = ({ messages: given = [], prompt, tools }: MessagesRequest["Type"]): Demands => {
  const messages = given.map(wireMessage)
  return {
    tools: areAny(tools),
    ...(prompt === undefined
      ? { images: messages.some(hasImage), prefill: isPrefill(messages.at(-1)) }
      : demandsOfPrompt(prompt))
  }
}

const hasImage = ({ content }: typeof Message.Type): boolean => typeof content !== "string" && content.some(isWithImage)

const isWithImage = (block: SentBlock | ResultBlock): boolean => {
  switch (block.type) {
    case "image":
      return true
    case "document":
      return block.source.type === "content" && typeof block.source.content !== "string" &&
        block.source.content.some(({ type }) => type === "image")
    case "tool_result":
      return typeof block.content === "object" && block.content.some(isWithImage)
    default:
      return false
  }
}

// What ends with the call of a tool, or with what Anthropic's own has answered, is a turn that goes on:
// https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons#pause-turn
const isPrefill = (message: typeof Message.Type | undefined): boolean =>
  message?.role === "assistant" &&
  (typeof message.content === "string" || message.content.at(-1)?.type === "text")
