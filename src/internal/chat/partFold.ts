/** Folds the parts of a stream into the content of the whole answer. */
import * as Response from "effect/ai/Response"
import type { Part, StreamPart } from "../../Calling.ts"

type BlockType = "text" | "reasoning"

/**
 * Texts and reasonings are put together from their pieces, where they began. The parameters of a call are in the call, which
 * follows them. A text or a reasoning that has neither words nor metadata is left out.
 */
export class PartFold {
  private readonly parts: Array<Part> = []
  /** Positions of texts and reasonings, by their types and ids. */
  private readonly positions = new Map<string, number>()

  get content(): ReadonlyArray<Part> {
    return this.parts.filter((part) =>
      (part.type !== "text" && part.type !== "reasoning") || part.text !== "" || Object.keys(part.metadata).length > 0
    )
  }

  add(part: StreamPart): void {
    switch (part.type) {
      case "text-start":
      case "text-delta":
      case "text-end":
        return this.append("text", part)
      case "reasoning-start":
      case "reasoning-delta":
      case "reasoning-end":
        return this.append("reasoning", part)
      case "tool-params-start":
      case "tool-params-delta":
      case "tool-params-end":
        return
      default:
        this.parts.push(part)
    }
  }

  private append(
    type: BlockType,
    { delta = "", id, metadata }: {
      readonly id: string
      readonly delta?: string
      readonly metadata: Response.ProviderMetadata
    }
  ): void {
    const key = `${type} ${id}`
    const position = this.positions.get(key) ?? this.parts.length
    const before = this.parts[position]
    this.positions.set(key, position)
    this.parts[position] = Response.makePart(type, {
      text: (before !== undefined && "text" in before ? before.text : "") + delta,
      metadata: { ...before?.metadata, ...metadata }
    })
  }
}

/** The content of parts that are all there. */
export const contentOfParts = (parts: Iterable<StreamPart>): ReadonlyArray<Part> => {
  const fold = new PartFold()
  for (const part of parts) fold.add(part)
  return fold.content
}
