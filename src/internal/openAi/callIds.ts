/** Ids of tool calls as a vendor takes them, for a conversation that another vendor has begun. */
import * as Hash from "effect/Hash"
import type { ChatMessage } from "./schema.ts"

type Message = typeof ChatMessage.Type

/** The messages with ids of so many letters and digits. An id that is not of this form is replaced by a hash of it. */
export const withCallIdsOfLength = (messages: ReadonlyArray<Message>, length: number): ReadonlyArray<Message> => {
  const accepted = new RegExp(`^[a-zA-Z0-9]{${length}}$`)
  const sent = new Map<string, string>()
  const taken = new Set<string>()
  const fit = (id: string): string => {
    const known = sent.get(id)
    if (known !== undefined) return known
    let fitted = accepted.test(id) ? id : hashOf(id, length)
    for (let salt = 1; taken.has(fitted); salt++) fitted = hashOf(`${id} ${salt}`, length)
    sent.set(id, fitted)
    taken.add(fitted)
    return fitted
  }
  return messages.map((message): Message => {
    switch (message.role) {
      case "assistant":
        return message.tool_calls === undefined
          ? message
          : { ...message, tool_calls: message.tool_calls.map((call) => ({ ...call, id: fit(call.id) })) }
      case "tool":
        return { ...message, tool_call_id: fit(message.tool_call_id) }
      default:
        return message
    }
  })
}

const hashOf = (text: string, length: number): string => {
  let hash = ""
  for (let n = 0; hash.length < length; n++) hash += (Hash.string(`${n}${text}`) >>> 0).toString(36)
  return hash.slice(0, length)
}
