/** Renames the calls of an answer whose ids are missing or taken. The provider gets its own ids back with the results. */
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Part, StreamPart } from "../../Calling.ts"
import { callsOfMessages } from "./schema.ts"
import { type CallIds, callIdsOfPrompt, uniqueCallIds } from "./callIds.ts"

const Renamed = Schema.Struct({ imodel: Schema.Struct({ toolCallId: Schema.String }) })

const decodeRenamed = Schema.decodeUnknownOption(Renamed)

/** Makes what renames the calls in the parts of one answer, so that no two of a conversation have the same. */
export const renamingCalls = (
  { messages, prompt }: {
    readonly messages?: ReadonlyArray<object> | undefined
    readonly prompt?: Prompt.RawInput | undefined
  }
): <P extends Part | StreamPart>(part: P) => P =>
  new Renaming(uniqueCallIds(() => [...callIdsOfPrompt(prompt), ...callsOfMessages(messages).map(({ id }) => id)]))
    .rename

class Renaming {
  private readonly idOf: CallIds
  /** The new ids, by the provider's. Only of calls that have not had their result. */
  private readonly renamed = new Map<string, string>()
  private readonly begun = new Set<string>()

  constructor(idOf: CallIds) {
    this.idOf = idOf
  }

  rename = <P extends Part | StreamPart>(part: P): P => {
    switch (part.type) {
      case "tool-params-start":
        this.begun.add(part.id)
        return { ...part, id: this.claim(part.id) }
      case "tool-params-delta":
      case "tool-params-end":
        return { ...part, id: this.renamed.get(part.id) ?? part.id }
      case "tool-call": {
        const id = this.begun.delete(part.id) ? this.renamed.get(part.id) ?? part.id : this.claim(part.id)
        if (id === part.id) return part
        const metadata: Response.ProviderMetadata = { ...part.metadata, imodel: { toolCallId: part.id } }
        return { ...part, id, metadata }
      }
      case "tool-result": {
        const id = this.renamed.get(part.id)
        if (id === undefined) return part
        const metadata: Response.ProviderMetadata = { ...part.metadata, imodel: { toolCallId: part.id } }
        return { ...part, id, metadata }
      }
      default:
        return part
    }
  }

  private claim(id: string): string {
    const unique = this.idOf(id)
    if (unique !== id) this.renamed.set(id, unique)
    else this.renamed.delete(id)
    return unique
  }
}

/** A prompt whose calls and results have the ids that the provider gave them. */
export const withOwnCallIds = (prompt: Prompt.Prompt): Prompt.Prompt => {
  const own = new Map<string, string>()
  for (const { content, role } of prompt.content) {
    if (role !== "assistant") continue
    for (const part of content) {
      const renamed = part.type === "tool-call" ? Option.getOrUndefined(decodeRenamed(part.options)) : undefined
      // One that had none keeps its new one: the provider needs some.
      if (part.type === "tool-call" && renamed && renamed.imodel.toolCallId !== "") {
        own.set(part.id, renamed.imodel.toolCallId)
      }
    }
  }
  if (own.size === 0) return prompt
  const restored = <P extends Prompt.Part>(part: P): P =>
    part.type === "tool-call" || part.type === "tool-result" ? { ...part, id: own.get(part.id) ?? part.id } : part
  return Prompt.fromMessages(prompt.content.map((message): Prompt.Message => {
    switch (message.role) {
      case "assistant":
        return { ...message, content: message.content.map(restored) }
      case "tool":
        return { ...message, content: message.content.map(restored) }
      default:
        return message
    }
  }))
}
