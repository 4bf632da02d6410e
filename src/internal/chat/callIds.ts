/**
 * The ids of tool calls. They tell the calls of a conversation apart, but some servers send none, or begin with the same ones in
 * each turn.
 */
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"

/** The id of a call. A call that was renamed has the provider's own id in its metadata. */
export interface CallId {
  readonly id: string
  readonly metadata: Response.ProviderMetadata
}

/** Gives a call its id: the provider's own, unless another call of the conversation has it. */
export type CallIds = (own: string | null | undefined) => CallId

/**
 * Makes the ids of the calls of one answer. The conversation is read when the first id is needed. An id that the answer has twice
 * is not kept for the second call: sent back, it would mean the first one.
 */
export const uniqueCallIds = (provider: string, usedIds: () => Iterable<string>): CallIds => {
  let used: Set<string> | undefined
  const ofAnswer = new Set<string>()
  return (own) => {
    used ??= new Set(usedIds())
    let id = own || `call_${used.size}`
    for (let n = 2; used.has(id); n++) id = own ? `${own}_${n}` : `call_${used.size + n}`
    used.add(id)
    const isKept = own && own !== id && !ofAnswer.has(own)
    if (own) ofAnswer.add(own)
    return { id, metadata: isKept ? { imodel: { toolCallId: own, provider } } : {} }
  }
}

/** The ids of the calls in a prompt. */
export const callIdsOfPrompt = (input: Prompt.RawInput | undefined): ReadonlyArray<string> =>
  input === undefined || typeof input === "string"
    ? []
    : Prompt.make(input).content.flatMap((message) =>
      message.role === "assistant" ? message.content.flatMap((part) => part.type === "tool-call" ? [part.id] : []) : []
    )

const decodeRenamed = Schema.decodeUnknownOption(Schema.Struct({
  imodel: Schema.Struct({ toolCallId: Schema.String, provider: Schema.optional(Schema.String) })
}))

/** A prompt whose calls and results have the ids that this provider gave them. */
export const withOwnCallIds = (prompt: Prompt.Prompt, provider: string): Prompt.Prompt => {
  const own = new Map<string, string>()
  for (const { content, role } of prompt.content) {
    if (role !== "assistant") continue
    for (const part of content) {
      if (part.type !== "tool-call") continue
      const renamed = Option.getOrUndefined(decodeRenamed(part.options))?.imodel
      if (renamed === undefined || (renamed.provider ?? provider) !== provider) continue
      if (renamed.toolCallId !== "") own.set(part.id, renamed.toolCallId)
    }
  }
  return own.size === 0 ? prompt : mapCallIds(prompt, (id) => own.get(id) ?? id)
}

/** A prompt whose calls and results have other ids. */
const mapCallIds = (prompt: Prompt.Prompt, f: (id: string) => string): Prompt.Prompt => {
  const renamed = <P extends Prompt.Part>(part: P): P =>
    part.type === "tool-call" || part.type === "tool-result" ? { ...part, id: f(part.id) } : part
  return Prompt.fromMessages(prompt.content.map((message): Prompt.Message => {
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
