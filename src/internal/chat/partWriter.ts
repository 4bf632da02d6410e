/** Writes the parts of a stream: what begins is ended, in order, and the parameters of a tool end with its call. */
import * as Response from "effect/ai/Response"
import type { StreamPart } from "../../Calling.ts"
import { toolParams } from "./arguments.ts"

type Metadata = Response.ProviderMetadata

interface OpenTool {
  readonly id: string
  readonly name: string
  readonly providerExecuted: boolean
  params: string
}

export class PartWriter {
  private written: Array<StreamPart> = []
  private blocks = 0
  private block: { readonly type: "text" | "reasoning"; readonly id: string } | undefined
  private readonly tools = new Map<number | string, OpenTool>()
  private deltas = 0
  private thoughts = 0
  private hasGap = false
  /** Whether thoughts may be missing, which come before all else. */
  private gapIsFirst = false
  private hasNameless = false

  /** What was written since this was asked last; nothing while there is a gap. */
  take(): ReadonlyArray<StreamPart> {
    if (this.hasGap) return []
    const { written } = this
    this.written = []
    return written
  }

  write(part: StreamPart): void {
    this.written.push(part)
  }

  /** Something may be missing from here on: what is written is kept back until that is settled. */
  leaveGap(): void {
    this.hasGap = true
    this.gapIsFirst = this.deltas === 0
  }

  /**
   * Whether nothing is missing. Where there is a gap it takes a proof: most providers send a delta for each token, and then there
   * are as many as they count. Thoughts that are counted and did not come are hidden, unless they may have been in the gap.
   */
  closeGap(usage: Response.Usage | undefined): boolean {
    if (!this.hasGap) return true
    this.hasGap = false
    const { reasoning = 0, total } = usage?.outputTokens ?? {}
    const hidden = this.thoughts === 0 && !this.gapIsFirst ? reasoning : 0
    return !this.hasNameless && this.deltas > 0 && this.deltas === (total ?? 0) - hidden
  }

  text(delta: string, metadata: Metadata = {}): void {
    if (delta === "") return
    const id = this.begin("text", metadata)
    this.deltas++
    this.write(Response.makePart("text-delta", { id, delta }))
  }

  reasoning(delta: string, metadata: Metadata = {}): void {
    if (delta === "") return
    const id = this.begin("reasoning", metadata)
    this.deltas++
    this.thoughts++
    this.write(Response.makePart("reasoning-delta", { id, delta }))
  }

  /** Begins a text or a reasoning, unless one is open already. Answers with its id. */
  begin(type: "text" | "reasoning", metadata: Metadata = {}): string {
    if (this.block?.type === type) return this.block.id
    this.endBlock()
    const id = String(this.blocks++)
    this.block = { type, id }
    this.write(Response.makePart(type === "text" ? "text-start" : "reasoning-start", { id, metadata }))
    return id
  }

  /** Ends the text or the reasoning that is open. */
  endBlock(metadata: Metadata = {}): void {
    if (this.block === undefined) return
    const { id, type } = this.block
    this.block = undefined
    this.write(Response.makePart(type === "text" ? "text-end" : "reasoning-end", { id, metadata }))
  }

  /** Begins the call of a tool. The key identifies its parameters. */
  beginTool(
    key: number | string,
    tool: { readonly id: string; readonly name: string },
    providerExecuted = false
  ): void {
    this.endBlock()
    this.hasNameless ||= tool.name === ""
    this.tools.set(key, { ...tool, providerExecuted, params: "" })
    this.write(Response.makePart("tool-params-start", { ...tool, providerExecuted }))
  }

  hasTool(key: number | string): boolean {
    return this.tools.has(key)
  }

  toolParams(key: number | string, delta: string): void {
    const tool = this.tools.get(key)
    if (tool === undefined || delta === "") return
    tool.params += delta
    this.deltas++
    this.write(Response.makePart("tool-params-delta", { id: tool.id, delta }))
  }

  endTool(key: number | string, metadata: Metadata = {}): void {
    const tool = this.tools.get(key)
    if (tool === undefined) return
    this.tools.delete(key)
    const { id, name, params, providerExecuted } = tool
    this.write(Response.makePart("tool-params-end", { id }))
    this.write(Response.makePart("tool-call", { id, name, params: toolParams(params), providerExecuted, metadata }))
  }

  /** Ends all that is open. */
  end(): void {
    this.endBlock()
    for (const key of this.tools.keys()) this.endTool(key)
  }
}

/** A source that has an address; none if it is no address. */
export const urlSource = (
  id: string,
  address: string | undefined,
  title: string | null | undefined
): ReadonlyArray<Response.UrlSourcePart> => {
  const url = address === undefined ? null : URL.parse(address)
  return url === null ? [] : [Response.UrlSourcePart.make({ id, url, title: title ?? "", metadata: {} })]
}
