/** Renames the calls of an answer whose ids are missing or taken. */
import type * as Prompt from "effect/ai/Prompt"
import type { Part, StreamPart } from "../../Calling.ts"
import { type CallId, type CallIds, callIdsOfPrompt, uniqueCallIds } from "./callIds.ts"
import { callsOfMessages } from "./schema.ts"

/** Makes what renames the calls in the parts of one answer, so that no two of a conversation have the same id. */
export const renamingCalls = (
  provider: string,
  { messages, prompt }: {
    readonly messages?: ReadonlyArray<object> | undefined
    readonly prompt?: Prompt.RawInput | undefined
  }
): <P extends Part | StreamPart>(part: P) => P => {
  const usedIds = () => [...callIdsOfPrompt(prompt), ...callsOfMessages(messages).map(({ id }) => id)]
  return new Renaming(uniqueCallIds(provider, usedIds)).rename
}

class Renaming {
  private readonly idOf: CallIds
  /** The new ids, by those of the provider. Only of calls that have not had their result. */
  private readonly renamed = new Map<string, CallId>()
  private readonly begun = new Set<string>()

  constructor(idOf: CallIds) {
    this.idOf = idOf
  }

  rename = <P extends Part | StreamPart>(part: P): P => {
    switch (part.type) {
      case "tool-params-start":
        this.begun.add(part.id)
        return { ...part, id: this.claim(part.id).id }
      case "tool-params-delta":
      case "tool-params-end":
        return { ...part, id: this.renamed.get(part.id)?.id ?? part.id }
      case "tool-call":
        return withId(part, this.begun.delete(part.id) ? this.renamed.get(part.id) : this.claim(part.id))
      case "tool-result":
        return withId(part, this.renamed.get(part.id))
      default:
        return part
    }
  }

  private claim(id: string): CallId {
    const unique = this.idOf(id)
    if (unique.id === id) this.renamed.delete(id)
    else this.renamed.set(id, unique)
    return unique
  }
}

const withId = <P extends Part | StreamPart>(part: P, callId: CallId | undefined): P =>
  callId === undefined || ("id" in part && callId.id === part.id)
    ? part
    : { ...part, id: callId.id, metadata: { ...part.metadata, ...callId.metadata } }
