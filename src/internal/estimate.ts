/**
 * The cost of a call before it is made, in tokens: what is sent, at four characters a token, and the output asked for.
 *
 * Four characters a token is OpenAI's rule of thumb for English text
 * (https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them). What an image or a file costs
 * depends on its size in pixels or pages, not in bytes: each counts as a thousand tokens.
 */
import * as Predicate from "effect/Predicate"

export const estimateTokens = (payload: Readonly<Record<string, unknown>>): number =>
  Math.ceil(characters(payload) / charactersPerToken) + outputLimit(payload)

const charactersPerToken = 4
const fileTokens = 1_000

const outputLimit = (payload: Readonly<Record<string, unknown>>): number => {
  const limit = payload["max_completion_tokens"] ?? payload["max_tokens"]
  return typeof limit === "number" ? limit : 0
}

const characters = (value: unknown): number => {
  if (typeof value === "string") return value.length
  if (!Predicate.isObjectOrArray(value)) return 0
  if ("type" in value && typeof value.type === "string" && fileTypes.has(value.type)) {
    return fileTokens * charactersPerToken
  }
  let sum = 0
  for (const part of Array.isArray(value) ? value : Object.values(value)) sum += characters(part)
  return sum
}

/** The parts of a prompt, and of OpenAI's messages, that hold a file. */
const fileTypes = new Set(["file", "image_url", "input_audio"])
