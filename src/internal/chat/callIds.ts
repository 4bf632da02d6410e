/**
 * The ids of tool calls. They tell the calls of a conversation apart, but some servers send none, or begin with the same ones in
 * each turn.
 */
import * as Prompt from "effect/ai/Prompt"

/** Gives a call its id: the provider's own, unless another call has it already. */
export type CallIds = (own: string | null | undefined) => string

/** Makes what gives ids that no other call of the conversation has. The conversation is read when the first id is needed. */
export const uniqueCallIds = (usedIds: () => Iterable<string>): CallIds => {
  let used: Set<string> | undefined
  return (own) => {
    used ??= new Set(usedIds())
    let id = own || `call_${used.size}`
    for (let n = 2; used.has(id); n++) id = own ? `${own}_${n}` : `call_${used.size + n}`
    used.add(id)
    return id
  }
}

/** The ids of the calls in a prompt. */
export const callIdsOfPrompt = (input: Prompt.RawInput | undefined): ReadonlyArray<string> =>
  input === undefined || typeof input === "string"
    ? []
    : Prompt.make(input).content.flatMap((message) =>
      message.role === "assistant" ? message.content.flatMap((part) => part.type === "tool-call" ? [part.id] : []) : []
    )
