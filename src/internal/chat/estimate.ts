/**
 * The cost of a call before it is made, in tokens: what is sent, and the output asked for.
 *
 * What is sent is counted by the model's tokenizer where there is one, and at four characters a token elsewhere, OpenAI's
 * rule of thumb for English text (https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them). What
 * an image or a file costs depends on its size in pixels or pages, not in bytes: each counts as a thousand tokens.
 */
import * as Predicate from "effect/Predicate"
import type { Tokens } from "../calling/tokens.ts"
import { maxDepth } from "../util/depth.ts"
import { describeTool, isTool } from "./arguments.ts"

/** Counts the tokens of a text. */
export type Tokenizer = (text: string) => number

export const charactersPerToken = 4

export const fourCharacters: Tokenizer = (text) => text.length / charactersPerToken

export const estimateTokens = (
  { model: _model, ...payload }: Readonly<Record<string, unknown>>,
  tokenizer: Tokenizer,
  expectedOutput: number
): Tokens => ({
  input: Math.ceil(count(payload, tokenizer, [])),
  output: outputLimit(payload) ?? expectedOutput
})

const outputLimit = (payload: Readonly<Record<string, unknown>>): number | undefined => {
  const { generationConfig } = payload
  const limit = payload["max_completion_tokens"] ?? payload["max_output_tokens"] ?? payload["max_tokens"] ??
    (Predicate.hasProperty(generationConfig, "maxOutputTokens") ? generationConfig.maxOutputTokens : undefined)
  return typeof limit === "number" ? limit : undefined
}

const fileTokens = 1_000

const count = (value: unknown, tokenizer: Tokenizer, above: ReadonlyArray<object>): number => {
  if (typeof value === "string") return tokenizer(value)
  if (!Predicate.isObjectOrArray(value)) return 0
  // A value that contains itself ends where it does.
  if (above.length > maxDepth || above.includes(value)) return 0
  const inner = [...above, value]
  if (isTool(value)) return count(describeTool(value), tokenizer, inner)
  if ("type" in value && typeof value.type === "string" && fileTypes.has(value.type)) return fileTokens
  // Parts of Gemini's contents.
  if ("inlineData" in value || "fileData" in value) return fileTokens
  let sum = 0
  for (const part of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof part === "string") sum += tokenizer(part)
    else if (typeof part === "object") sum += count(part, tokenizer, inner)
  }
  return sum
}

/** The parts of a prompt, of OpenAI's messages and items, and of Anthropic's messages that hold a file. */
const fileTypes = new Set([
  "file",
  "image_url",
  "input_audio",
  "input_image",
  "input_file",
  "image_generation_call",
  "computer_screenshot",
  "image",
  "base64"
])
