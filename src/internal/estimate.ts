/**
 * The cost of a call before it is made, in tokens: what is sent, at four characters a token, and the output asked for.
 *
 * Four characters a token is OpenAI's rule of thumb for English text
 * (https://help.openai.com/en/articles/4936856-what-are-tokens-and-how-to-count-them).
 */
export const estimateTokens = (payload: Readonly<Record<string, unknown>>): number =>
  Math.ceil(characters(payload) / 4) + outputLimit(payload)

const outputLimit = (payload: Readonly<Record<string, unknown>>): number => {
  const limit = payload["max_completion_tokens"] ?? payload["max_tokens"]
  return typeof limit === "number" ? limit : 0
}

const characters = (value: unknown): number => {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null) return 0
  let sum = 0
  for (const part of Array.isArray(value) ? value : Object.values(value)) sum += characters(part)
  return sum
}
