/**
 * Puts the events of a response together. The last event has the whole answer; until then texts, thoughts and the arguments of
 * functions are handed out as they come, and what else there is of an item when it is done.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Part } from "../../../Calling.ts"
import type { Decoder, EventFailure } from "../../http/decoder.ts"
import { describeIssue } from "../../util/schemaIssue.ts"
import { PartWriter } from "../../chat/partWriter.ts"
import { wireDecoder } from "../../http/wireDecoder.ts"
import { ErrorBody } from "../schema.ts"
import {
  finishOf,
  itemOfCall,
  itemOfMessage,
  metadataOf,
  openAi,
  originOfThought,
  originOfThoughts,
  partsOfContent,
  partsOfItem,
  reasoning,
  thoughtsOf,
  usageOf
} from "./answer.ts"
import type { OutputContent } from "./content.ts"
import { Event } from "./events.ts"
import type { OutputItem } from "./items.ts"
import type { Response } from "./schema.ts"

type Data = typeof Response.Type
type Message = Extract<OutputItem, { readonly type: "message" }>

const decodeEvent = wireDecoder(Event)
const isError = Schema.is(ErrorBody)

export const makeDecoder = (): Decoder<Data> => {
  const parts = new PartWriter()
  const items = new ItemWriter(parts)
  let hasBegun = false
  let hasGap = false
  let data: Data | undefined

  /** Answers with the error that the event tells of. */
  const read = (event: typeof Event.Type): unknown => {
    // The last event has what came after a gap, and what was in it.
    if (hasGap && !ending.has(event.type)) return undefined
    switch (event.type) {
      case "response.queued":
      case "response.created":
      case "response.in_progress":
        if (!hasBegun) parts.write(metadataOf(event.response))
        hasBegun = true
        return undefined
      case "response.output_item.added":
        return items.add(event.output_index, event.item)
      case "response.output_text.delta":
      case "response.reasoning_text.delta":
        return items.delta(event.output_index, `content.${event.content_index}`, event.delta)
      case "response.reasoning_summary_text.delta":
        return items.delta(event.output_index, `summary.${event.summary_index}`, event.delta)
      case "response.function_call_arguments.delta":
        return items.arguments(event.output_index, event.delta)
      case "response.content_part.done":
        return items.endContent(event.output_index, event.content_index, event.part)
      case "response.output_item.done":
        return items.end(event.output_index, event.item)
      case "response.completed":
      case "response.incomplete": {
        const { output } = event.response
        if (hasGap && (output == null || output.length === 0)) return undefined
        data = { ...event.response, output: output == null || output.length === 0 ? items.ended : output }
        if (!hasBegun) parts.write(metadataOf(data))
        for (const [index, item] of data.output.entries()) items.end(index, item)
        return undefined
      }
      case "response.failed":
        return event.response.error ?? { message: "The response has failed" }
      case "error": {
        const { code, message, param } = event
        return { code, message, param }
      }
    }
  }

  return {
    push: (event) => {
      const decoded = decodeEvent(event)
      if (Result.isSuccess(decoded)) {
        const error = read(decoded.success)
        return error === undefined ? Result.succeed(parts.take()) : errorEvent({ error })
      }
      if (isError(event)) return errorEvent(event)
      const { message, path } = describeIssue(decoded.failure)
      return Result.fail({ _tag: "MalformedEvent", description: `${path}: ${message}` })
    },
    isOver: () => data !== undefined,
    skip: () => {
      hasGap = true
    },
    usage: () => data?.usage == null ? undefined : usageOf(data.usage),
    end: () => {
      if (data === undefined) return undefined
      parts.end()
      parts.write(finishOf(data))
      return { parts: parts.take(), data }
    }
  }
}

const ending: ReadonlySet<string> = new Set<(typeof Event.Type)["type"]>([
  "response.completed",
  "response.incomplete",
  "response.failed",
  "error"
])

const errorEvent = (body: unknown) => Result.fail<EventFailure>({ _tag: "ErrorEvent", body })

/** Writes items as they come, and when they are done what was not written of them. */
class ItemWriter {
  private readonly added = new Map<number, OutputItem>()
  private readonly done = new Map<number, OutputItem>()
  /** How many characters were written of a text, a thought, or the arguments of a function, by where it is in the output. */
  private readonly written = new Map<string, number>()
  private readonly doneContents = new Set<string>()
  /** Which text or thought is being written. */
  private open: string | undefined
  private readonly parts: PartWriter

  constructor(parts: PartWriter) {
    this.parts = parts
  }

  get ended(): ReadonlyArray<OutputItem> {
    return [...this.done].sort(([one], [other]) => one - other).map(([, item]) => item)
  }

  add(index: number, item: OutputItem): void {
    this.added.set(index, item)
    if (item.type === "function_call") this.parts.beginTool(index, { id: item.call_id, name: item.name })
  }

  delta(index: number, at: string, delta: string): void {
    if (delta === "") return
    const item = this.added.get(index)
    const key = `${index}.${at}`
    if (item?.type === "reasoning") {
      const type = at.startsWith("summary") ? "summary_text" : "reasoning_text"
      this.begin(key, "reasoning", openAi(originOfThought(item, type)))
      this.parts.reasoning(delta)
    } else {
      this.begin(key, "text", item?.type === "message" ? openAi({ item: itemOfMessage(item) }) : {})
      this.parts.text(delta)
    }
    this.count(key, delta)
  }

  arguments(index: number, delta: string): void {
    this.parts.toolParams(index, delta)
    this.count(String(index), delta)
  }

  endContent(index: number, contentIndex: number, content: typeof OutputContent.Type): void {
    const item = this.added.get(index)
    if (item?.type === "message") this.writeContent(item, index, contentIndex, content)
  }

  end(index: number, item: OutputItem): void {
    if (this.done.has(index)) return
    this.done.set(index, item)
    switch (item.type) {
      case "message":
        return item.content.forEach((content, i) => this.writeContent(item, index, i, content))
      case "reasoning": {
        const keys = thoughtsOf(item).map(({ at }) => `${index}.${at}`)
        const last = keys.at(-1) ?? String(index)
        const isEnded = this.written.has(last) && this.open !== last
        partsOfItem(item, index).forEach((part, i) => this.write(keys[i] ?? last, part))
        // Thoughts that came in another order than they are kept in.
        if (isEnded) this.write(String(index), reasoning("", originOfThoughts(item)))
        return
      }
      case "function_call":
        if (!this.parts.hasTool(index)) this.parts.beginTool(index, { id: item.call_id, name: item.name })
        this.parts.toolParams(index, item.arguments.slice(this.written.get(String(index)) ?? 0))
        return this.parts.endTool(index, openAi({ item: itemOfCall(item) }))
      default:
        this.parts.endBlock()
        return partsOfItem(item, index).forEach((part) => this.write(String(index), part))
    }
  }

  private writeContent(item: Message, index: number, i: number, content: typeof OutputContent.Type): void {
    const key = `${index}.content.${i}`
    if (this.doneContents.has(key)) return
    this.doneContents.add(key)
    for (const part of partsOfContent(item, content, `${index}.${i}`)) this.write(key, part)
  }

  /** Writes what was not written of a part. */
  private write(key: string, part: Part): void {
    if (part.type !== "text" && part.type !== "reasoning") return this.parts.write(part)
    const written = this.written.get(key) ?? 0
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

  private count(key: string, delta: string): void {
    this.written.set(key, (this.written.get(key) ?? 0) + delta.length)
  }
}
