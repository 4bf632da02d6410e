/** What the arguments of `generateContent` ask for, of that which not every model can do. */
import { areAny, type Demands, demandsOfPrompt, isImageType } from "../chat/capabilities.ts"
import { promptOfMessages } from "../chat/schema.ts"
import type { Content, Part } from "./content.ts"
import type { GenerateContentRequest } from "./schema.ts"

export const demandsOf = ({ contents = [], messages, prompt, tools }: GenerateContentRequest["Type"]): Demands => {
  const input = prompt ?? (messages && promptOfMessages(messages))
  return {
    tools: areAny(tools),
    ...(input === undefined
      ? { images: contents.some(({ parts }) => parts.some(hasImage)), prefill: isPrefill(contents.at(-1)) }
      : demandsOfPrompt(input))
  }
}

type Data = Pick<typeof Part.Type, "inlineData" | "fileData">

const isImage = ({ fileData, inlineData }: Data): boolean =>
  isImageType(inlineData?.mimeType) || isImageType(fileData?.mimeType)

const hasImage = (part: typeof Part.Type): boolean =>
  isImage(part) || (part.functionResponse?.parts?.some(isImage) ?? false)

const isPrefill = (content: typeof Content.Type | undefined): boolean => {
  const last = content?.parts.at(-1)
  return content?.role === "model" && last?.text !== undefined && last.thought !== true
}
