/**
 * Writes the items of a response as they come, and when they are done what was not written of them. Items are numbered, but
 * servers leave the number out, or give it twice, so that here they have numbers of their own.
 */
import type { Part } from "../../../Calling.ts"
import type { CallId, CallIds } from "../../chat/callIds.ts"
import type { PartWriter } from "../../chat/partWriter.ts"
import {
  itemOfCall,
  itemOfMessage,
  openAi,
  originOfThought,
  originOfThoughts,
  partsOfContent,
  partsOfItem,
  reasoning,
  thoughtsOf
} from "./parts.ts"
import type { OutputContent } from "./content.ts"
import type { OutputItem } from "./items.ts"

type Message = Extract<OutputItem, { readonly type: "message" }>

/** The fields of an event that name its item. */
interface Place {
  readonly output_index?: number | null | undefined
  readonly item_id?: string | null | undefined
}

export class ItemWriter {
  private readonly added = new Map<number, OutputItem>()
  private readonly finished = new Map<number, OutputItem>()
  /** The item that the provider's number meant last. */
  private readonly numbered = new Map<number, number>()
  private readonly identified = new Map<string, number>()
  private last: number | undefined
  private next = 0
  /** What was written of a text, a thought, or the arguments of a function, by where it is in the output. */
  private readonly written = new Map<string, string>()
  private readonly callIds = new Map<number, CallId>()
  private readonly doneContents = new Set<string>()
  /** Which text or thought is being written. */
  private open: string | undefined
  private readonly parts: PartWriter
  private readonly idOf: CallIds

  constructor(parts: PartWriter, idOf: CallIds) {
    this.parts = parts
    this.idOf = idOf
  }

  /** The items, for a last event without them: the finished ones, and drafts of the others. */
  get ended(): ReadonlyArray<OutputItem> {
    return [...this.added.keys(), ...this.finished.keys()].filter((index, i, all) => all.indexOf(index) === i)
      .toSorted((one, other) => one - other)
      .flatMap((index) => this.finished.get(index) ?? this.draftOf(index) ?? [])
  }

  add(place: Place, item: OutputItem): void {
    const index = this.enter(place, item)
    this.added.set(index, item)
    if (item.type === "function_call" && item.call_id !== "" && item.name !== "") {
      this.beginCall(index, item)
    }
  }

  delta(place: Place, type: "message" | "reasoning", at: string, delta: string): void {
    if (delta === "") return
    const index = this.indexOf(place, type)
    const item = this.added.get(index)
    const key = `${index}.${at}`
    if (type === "reasoning") {
      const kind = at.startsWith("summary") ? "summary_text" : "reasoning_text"
      const metadata = item?.type === "reasoning" ? openAi(originOfThought(item, kind)) : { openai: {} }
      this.begin(key, "reasoning", metadata)
      this.parts.reasoning(delta)
    } else {
      this.begin(key, "text", item?.type === "message" ? openAi({ item: itemOfMessage(item) }) : {})
      this.parts.text(delta)
    }
    this.keep(key, delta)
  }

  arguments(place: Place, delta: string): void {
    const index = this.indexOf(place, "function_call")
    if (!this.parts.hasTool(index)) return
    this.parts.toolParams(index, delta)
    this.keep(String(index), delta)
  }

  endContent(place: Place, contentIndex: number, content: typeof OutputContent.Type): void {
    const index = this.knownIndexOf(place)
    const item = index === undefined ? undefined : this.added.get(index)
    if (index !== undefined && item?.type === "message") this.writeContent(item, index, contentIndex, content)
  }

  done(place: Place, item: OutputItem): void {
    const id = idOfItem(item)
    const known = (id === undefined ? undefined : this.identified.get(id)) ??
      (place.output_index == null ? this.last : this.numbered.get(place.output_index))
    const isKnown = known !== undefined && !this.finished.has(known) && this.added.get(known)?.type === item.type
    this.end(isKnown ? known : this.enter(place, item), item)
  }

  /** Writes what was not written of the whole output. */
  settle(output: ReadonlyArray<OutputItem>): void {
    const rest = new Map([...this.added, ...this.finished])
    for (const [position, item] of output.entries()) {
      const id = idOfItem(item)
      const candidates = [id === undefined ? undefined : this.identified.get(id), position, ...rest.keys()]
      const index = candidates.find((index) => index !== undefined && rest.get(index)?.type === item.type) ??
        this.next++
      rest.delete(index)
      this.end(index, item)
    }
  }

  private end(index: number, item: OutputItem): void {
    if (this.finished.has(index)) return
    this.finished.set(index, item)
    switch (item.type) {
      case "message":
        return item.content.forEach((content, i) => this.writeContent(item, index, i, content))
      case "reasoning": {
        const keys = thoughtsOf(item).map(({ at }) => `${index}.${at}`)
        const last = keys.at(-1) ?? String(index)
        const isEnded = this.written.has(last) && this.open !== last
        partsOfItem(item, index, this.idOf).forEach((part, i) => this.write(keys[i] ?? last, part))
        // Thoughts that came in another order than they are kept in.
        if (isEnded) this.write(String(index), reasoning("", originOfThoughts(item)))
        return
      }
      case "function_call":
        if (!this.parts.hasTool(index)) this.beginCall(index, item)
        this.parts.toolParams(index, item.arguments.slice(this.written.get(String(index))?.length ?? 0))
        return this.parts.endTool(index, {
          ...openAi({ item: itemOfCall(item) }),
          ...this.callIds.get(index)?.metadata
        })
      default:
        this.parts.endBlock()
        return partsOfItem(item, index, this.idOf).forEach((part) => this.write(String(index), part))
    }
  }

  private beginCall(index: number, { call_id, name }: { readonly call_id: string; readonly name: string }): void {
    const callId = this.idOf(call_id)
    this.callIds.set(index, callId)
    this.parts.beginTool(index, { id: callId.id, name })
  }

  /** Gives an item its number: the provider's own, unless another item has it. */
  private enter({ output_index }: Place, item: OutputItem): number {
    const isFree = output_index != null && !this.added.has(output_index) && !this.finished.has(output_index)
    const index = isFree ? output_index : this.next
    this.next = Math.max(this.next, index + 1)
    if (output_index != null) this.numbered.set(output_index, index)
    const id = idOfItem(item)
    if (id !== undefined) this.identified.set(id, index)
    this.last = index
    return index
  }

  private knownIndexOf({ item_id, output_index }: Place): number | undefined {
    return output_index == null
      ? (item_id ? this.identified.get(item_id) : undefined) ?? this.last
      : this.numbered.get(output_index)
  }

  /** The item that a piece of this type belongs to. One that was not announced is entered. */
  private indexOf(place: Place, type: OutputItem["type"]): number {
    const known = this.knownIndexOf(place)
    if (known !== undefined && this.added.get(known)?.type === type) return known
    if (type === "function_call") return known ?? this.next
    const item: OutputItem = type === "message"
      ? { type: "message", role: "assistant", content: [] }
      : { type: "reasoning", summary: [] }
    const index = this.enter(place, item)
    this.added.set(index, item)
    return index
  }

  /** An item that was not done, of what was written of it. */
  private draftOf(index: number): OutputItem | undefined {
    const item = this.added.get(index)
    const textsOf = (field: string) =>
      [...this.written].flatMap(([key, text]) => key.startsWith(`${index}.${field}.`) ? [text] : [])
    switch (item?.type) {
      case "message":
        return { ...item, content: textsOf("content").map((text) => ({ type: "output_text" as const, text })) }
      case "reasoning":
        return {
          ...item,
          summary: textsOf("summary").map((text) => ({ type: "summary_text" as const, text })),
          content: textsOf("content").map((text) => ({ type: "reasoning_text" as const, text }))
        }
      case "function_call":
        return { ...item, arguments: this.written.get(String(index)) ?? item.arguments }
      default:
        return item
    }
  }

  private writeContent(item: Message, index: number, i: number, content: typeof OutputContent.Type): void {
    const key = `${index}.content.${i}`
    if (this.doneContents.has(key)) return
    const parts = partsOfContent(item, content, `${index}.${i}`)
    if (parts.length > 0) this.doneContents.add(key)
    for (const part of parts) this.write(key, part)
  }

  /** Writes what was not written of a part. */
  private write(key: string, part: Part): void {
    if (part.type !== "text" && part.type !== "reasoning") return this.parts.write(part)
    const written = this.written.get(key)?.length ?? 0
    // It was ended when another began.
    if (written > 0 && this.open !== key) return
    this.begin(key, part.type, {})
    if (part.type === "text") this.parts.text(part.text.slice(written))
    else this.parts.reasoning(part.text.slice(written))
    this.parts.endBlock(part.metadata)
    this.open = undefined
  }

  private begin(key: string, type: "text" | "reasoning", metadata: Part["metadata"]): void {
    if (this.open === key) return
    this.parts.endBlock()
    this.parts.begin(type, metadata)
    this.open = key
  }

  private keep(key: string, delta: string): void {
    this.written.set(key, (this.written.get(key) ?? "") + delta)
  }
}

const idOfItem = (item: OutputItem): string | undefined =>
  "id" in item && typeof item.id === "string" && item.id !== "" ? item.id : undefined
