/** What the arguments of a chat completion ask for, of that which not every model can do. */
import { areAny, type Demands, demandsOfPrompt } from "../chat/capabilities.ts"
import type { ChatMessage, ChatRequest } from "./schema.ts"

type Message = typeof ChatMessage.Type

export const demandsOf = ({ messages = [], prompt, tools }: ChatRequest["Type"]): Demands => ({
  tools: areAny(tools),
  ...(prompt === undefined
    ? { images: messages.some(hasImage), prefill: isPrefill(messages.at(-1)) }
    : demandsOfPrompt(prompt))
})

const hasImage = (message: Message): boolean =>
  message.role === "user" && typeof message.content !== "string" &&
  message.content.some(({ type }) => type === "image_url")

const isPrefill = (message: Message | undefined): boolean =>
  message?.role === "assistant" && (message.content ?? "").length > 0 && !areAny(message.tool_calls)
