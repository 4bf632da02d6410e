/**
 * Names of tools that every provider accepts. OpenAI and Anthropic take letters, digits, `_` and `-`, Gemini wants no digit first,
 * and none takes more than 64 characters; MCP servers have dots, slashes and spaces in the names of their tools.
 */
import * as Prompt from "effect/ai/Prompt"
import * as Hash from "effect/Hash"

const accepted = /^[a-zA-Z_][a-zA-Z0-9_-]{0,63}$/

const maxLength = 64

/** Which name is sent for a tool, and which tool a name stands for that comes back. */
export interface ToolNames {
  readonly sent: (name: string) => string
  readonly own: (sent: string) => string
}

/** The names of tools that a call mentions, one to one; `undefined` where all are sent as they are. */
export const toolNames = (mentioned: Iterable<string>): ToolNames | undefined => {
  const names = new Set(mentioned)
  const misfits = [...names].filter((name) => !accepted.test(name))
  if (misfits.length === 0) return undefined
  const sent = new Map<string, string>()
  const own = new Map<string, string>()
  for (const name of misfits) {
    const fitted = fit(name, (candidate) => names.has(candidate) || own.has(candidate))
    sent.set(name, fitted)
    own.set(fitted, name)
  }
  return { sent: (name) => sent.get(name) ?? name, own: (name) => own.get(name) ?? name }
}

/** With a hash at its end where it is too long, or another tool has that name. */
const fit = (name: string, isTaken: (candidate: string) => boolean): string => {
  const plain = name.replace(/[^a-zA-Z0-9_-]+/g, "_").replace(/^(?![a-zA-Z_])/, "_")
  let candidate = plain
  for (let salt = 0; candidate.length > maxLength || isTaken(candidate); salt++) {
    const hash = (Hash.string(`${name}${salt === 0 ? "" : salt}`) >>> 0).toString(36)
    candidate = `${plain.slice(0, maxLength - 1 - hash.length)}_${hash}`
  }
  return candidate
}

/** The names of the tools that were called in a conversation, whether they are offered now or not. */
export const namesInPrompt = (prompt: Prompt.Prompt): ReadonlyArray<string> =>
  prompt.content.flatMap((message) =>
    message.role === "assistant" || message.role === "tool"
      ? message.content.flatMap((part) => isCallersTool(part) ? [part.name] : [])
      : []
  )

type MessagePart = Prompt.AssistantMessagePart | Prompt.ToolMessagePart

const isCallersTool = (part: MessagePart): part is Prompt.ToolCallPart | Prompt.ToolResultPart =>
  part.type === "tool-call" ? !part.providerExecuted : part.type === "tool-result" && !part.providerExecuted

/** The conversation with the names that are sent. */
export const renameInPrompt = (prompt: Prompt.Prompt, rename: (name: string) => string): Prompt.Prompt => {
  const renamed = <P extends MessagePart>(part: P): P =>
    isCallersTool(part) ? { ...part, name: rename(part.name) } : part
  return Prompt.fromMessages(prompt.content.map((message) => {
    switch (message.role) {
      case "assistant":
        return { ...message, content: message.content.map(renamed) }
      case "tool":
        return { ...message, content: message.content.map(renamed) }
      default:
        return message
    }
  }))
}
