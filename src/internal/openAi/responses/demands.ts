/** What the arguments of a response ask for, of that which not every model can do. */
import { areAny, type Demands, demandsOfPrompt } from "../../chat/capabilities.ts"
import { promptOfMessages } from "../../chat/schema.ts"
import type { InputItem } from "./items.ts"
import { isTemplate, type ResponseRequest } from "./schema.ts"

type Item = typeof InputItem.Type

export const demandsOf = ({ input, messages, prompt, tools }: ResponseRequest["Type"]): Demands => {
  const asked = messages === undefined ? prompt : promptOfMessages(messages)
  const items = typeof input === "string" ? [] : input ?? []
  return {
    tools: areAny(tools),
    ...(asked == null || isTemplate(asked)
      ? { images: items.some(hasImage), prefill: isPrefill(items.at(-1)) }
      : demandsOfPrompt(asked))
  }
}

const hasImage = (item: Item): boolean => {
  if ("role" in item && item.role !== "assistant" && "content" in item) return isWithImage(item.content)
  return (item.type === "function_call_output" || item.type === "custom_tool_call_output") && isWithImage(item.output)
}

const isWithImage = (content: string | ReadonlyArray<{ readonly type: string }>): boolean =>
  typeof content !== "string" && content.some(({ type }) => type === "input_image")

const isPrefill = (item: Item | undefined): boolean =>
  item !== undefined && "role" in item && item.role === "assistant" && "content" in item && item.content.length > 0
