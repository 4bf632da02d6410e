/** Parts of answers: as Effect AI's schemas encode them, and those of a stream put together to those of the whole. */
import * as Response from "effect/ai/Response"
import type { Part, StreamPart } from "../../Calling.ts"

/** Usage is of a class, where Effect AI encodes it. */
export const withUsage = <P extends Part | StreamPart>(part: P): P =>
  part.type === "finish" ? { ...part, usage: new Response.Usage(part.usage) } : part

export class PartReader {
  private readonly parts: Array<Part> = []
  /** Where a text or a reasoning is that has begun, by its type and its id. */
  private readonly begun = new Map<string, number>()

  get content(): ReadonlyArray<Part> {
    return this.parts
  }

  read(part: StreamPart): void {
    switch (part.type) {
      case "text-start":
      case "text-delta":
      case "text-end":
        return this.say("text", part)
      case "reasoning-start":
      case "reasoning-delta":
      case "reasoning-end":
        return this.say("reasoning", part)
      // They are in the call, which comes after them.
      case "tool-params-start":
      case "tool-params-delta":
      case "tool-params-end":
        return
      default:
        this.parts.push(part)
    }
  }

  private say(
    type: "text" | "reasoning",
    part: { readonly id: string; readonly delta?: string; readonly metadata: Response.ProviderMetadata }
  ): void {
    const key = `${type} ${part.id}`
    const at = this.begun.get(key) ?? this.parts.length
    const before = this.parts[at]
    this.begun.set(key, at)
    this.parts[at] = Response.makePart(type, {
      text: (before !== undefined && "text" in before ? before.text : "") + (part.delta ?? ""),
      metadata: { ...before?.metadata, ...part.metadata }
    })
  }
}
