/** Reads the content of a message, or of a piece of one: a text, or an array of parts as Mistral sends with thoughts. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** https://docs.mistral.ai/capabilities/reasoning */
export const Content = Schema.Union([
  Schema.String,
  Schema.Array(Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Unknown)])),
  Schema.Record(Schema.String, Schema.Unknown)
])

export type Content = typeof Content.Type

export interface ReadContent {
  readonly text: string
  readonly thoughts: string
}

export const readContent = (content: Content | null | undefined): ReadContent => {
  if (content == null) return { text: "", thoughts: "" }
  if (typeof content === "string") return { text: content, thoughts: "" }
  let text = ""
  let thoughts = ""
  for (const part of Array.isArray(content) ? content : [content]) {
    if (isThought(part)) thoughts += textOf(part)
    else text += textOf(part)
  }
  return { text, thoughts }
}

/** The content of a message of this text and these thoughts, as Mistral sends it. */
export const contentOfThoughts = (thoughts: string, text: string): Content => [
  { type: "thinking", thinking: [{ type: "text", text: thoughts }] },
  ...(text === "" ? [] : [{ type: "text", text }])
]

const isThought = (part: unknown): boolean =>
  Predicate.hasProperty(part, "type") && typeof part.type === "string" && /think|reason/.test(part.type)

const textOf = (part: unknown): string => {
  if (typeof part === "string") return part
  if (Array.isArray(part)) return part.map(textOf).join("")
  if (!Predicate.isObject(part)) return ""
  const inside = part["text"] ?? part["thinking"] ?? part["reasoning"] ?? part["content"]
  return inside === undefined ? "" : textOf(inside)
}
