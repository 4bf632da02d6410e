/**
 * The cost of a call before it is made, in tokens: the input that is sent, and the output limit of the request.
 *
 * The input is counted by the model's tokenizer where that is public, and estimated by script elsewhere. The cost of an image or
 * a file depends on its size in pixels or pages, not in bytes: each counts as a thousand tokens.
 */
import * as Predicate from "effect/Predicate"
import type { Tokens } from "../calling/tokens.ts"
import { describeTool, isTool } from "./arguments.ts"
import { countTokens, type Tokenizer } from "./countTokens.ts"

export const charactersPerToken = 4

/** @param now milliseconds of a clock, see `countTokens` */
export const estimateTokens = (
  { model: _model, ...payload }: Readonly<Record<string, unknown>>,
  tokenizer: Tokenizer | undefined,
  expectedOutput: number,
  now?: () => number
): Tokens => {
  const content: Content = { texts: [], files: 0 }
  collect(payload, content, new Set())
  return {
    input: Math.ceil(countTokens(content.texts, tokenizer, now) + content.files * fileTokens),
    output: outputLimit(payload) ?? expectedOutput
  }
}

const outputLimit = (payload: Readonly<Record<string, unknown>>): number | undefined => {
  const { generationConfig } = payload
  const limit = payload["max_completion_tokens"] ?? payload["max_output_tokens"] ?? payload["max_tokens"] ??
    (Predicate.hasProperty(generationConfig, "maxOutputTokens") ? generationConfig.maxOutputTokens : undefined)
  return typeof limit === "number" ? limit : undefined
}

const fileTokens = 1_000

/** The texts of a payload, and the number of its files. */
interface Content {
  readonly texts: Array<string>
  files: number
}

/** Deeper values are refused when the request is written, and not counted. */
const maxDepth = 500

/** @param within the objects that hold the value, so that a circle ends */
const collect = (value: unknown, into: Content, within: Set<object>): void => {
  if (typeof value === "string") into.texts.push(value)
  if (!Predicate.isObjectOrArray(value) || within.has(value) || within.size > maxDepth) return
  if (isFile(value)) {
    into.files++
    return
  }
  within.add(value)
  if (isTool(value)) collect(describeTool(value), into, within)
  else for (const part of Array.isArray(value) ? value : Object.values(value)) collect(part, into, within)
  within.delete(value)
}

const isFile = (value: object): boolean =>
  ("type" in value && typeof value.type === "string" && fileTypes.has(value.type)) ||
  // Parts of Gemini's contents.
  "inlineData" in value || "fileData" in value

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
