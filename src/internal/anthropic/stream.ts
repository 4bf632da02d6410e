/**
 * Assembles the events of a message.
 *
 * Source: https://platform.claude.com/docs/en/build-with-claude/streaming
 */
import * as Predicate from "effect/Predicate"
import * as Record from "effect/Record"
import * as Result from "effect/Result"
import type { Decoder, EventFailure } from "../http/decoder.ts"
import * as Struct from "effect/Struct"
import type { StreamPart } from "../../Calling.ts"
import { toolParams } from "../chat/arguments.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { Notes, tolerantDecoder } from "../http/tolerantDecoder.ts"
import { PartWriter } from "../chat/partWriter.ts"
import {
  type Block,
  BlockParts,
  callMetadata,
  finishOf,
  isProviderExecuted,
  isToolUse,
  metadataOf,
  textMetadata,
  thinkingMetadata,
  usageOf
} from "./answer.ts"
import type { JsonRecord } from "./blocks.ts"
import { type Answer, StreamEvent, tolerance } from "./schema.ts"

type Answer = typeof Answer.Type
type Event = typeof StreamEvent.Type
type Delta = Extract<Event, { readonly type: "content_block_delta" }>["delta"]

type JsonFields = typeof JsonRecord.Type

const eventTypes: ReadonlySet<unknown> = new Set<Event["type"]>([
  "message_start",
  "content_block_start",
  "content_block_delta",
  "content_block_stop",
  "message_delta",
  "message_stop"
])

const decodeEvent = tolerantDecoder(StreamEvent, tolerance)

export const makeDecoder = (): Decoder<Answer> => {
  const parts = new PartWriter()
  const blocks = new Map<number, BlockDraft>()
  const blockParts = new BlockParts()
  let message: Answer | undefined
  let isOver = false

  const notes = new Notes()
  /** The index of the block that began last, which is meant where an event has none. */
  let current = -1

  /** Updates the fields of the message. A later value replaces an earlier one; an absent one does not. */
  const update = ({ usage, ...fields }: Partial<Answer>) => {
    if (message === undefined) {
      message = { content: [], ...fields, usage }
      parts.write(metadataOf(message))
    } else message = { ...message, ...given(fields), usage: usageUntil(message.usage, usage) }
  }

  const begin = (index: number, block: Block) => {
    const draft = new BlockDraft(index, block, parts, blockParts)
    blocks.set(index, draft)
    current = index
    return draft
  }

  /** Reads an event. Returns why it is malformed, or `undefined`. */
  const read = (event: Event): string | undefined => {
    if (event.type === "message_start") {
      const { content = [], ...fields } = event.message ?? {}
      update(fields)
      for (const block of content) begin(current + 1, block).end()
      return undefined
    }
    // Some leave out the first event.
    if (message === undefined) update({})
    switch (event.type) {
      case "content_block_start": {
        blocks.get(current)?.end()
        begin(event.index ?? current + 1, event.content_block)
        return undefined
      }
      case "content_block_delta": {
        const index = event.index ?? current
        const known = blocks.get(index)
        const block = known === undefined ? blockOf(event.delta) : undefined
        const draft = block === undefined ? known : begin(Math.max(index, 0), block)
        if (draft === undefined) return `${event.type} of block ${index}, which has not begun`
        draft.add(event.delta)
        return undefined
      }
      case "content_block_stop": {
        blocks.get(event.index ?? current)?.end()
        return undefined
      }
      case "message_delta": {
        const { context_management, delta, usage } = event
        update({ ...delta, context_management, usage })
        return undefined
      }
      case "message_stop": {
        isOver = true
        return undefined
      }
    }
  }

  const usage = () => message?.usage == null ? undefined : usageOf(message.usage)

  return {
    push: (data, name) => {
      const type = Predicate.hasProperty(data, "type") ? data.type : name
      if (name === "error") {
        return Result.fail<EventFailure>({ _tag: "ErrorEvent", body: data })
      }
      const isWhole = type === "message" && Predicate.hasProperty(data, "content")
      // A `ping`, and kinds of events that are not known yet.
      if (!isWhole && !eventTypes.has(type)) return nothing
      const decoded = decodeEvent(eventOf(data, isWhole ? "message_start" : type), notes)
      if (Result.isFailure(decoded)) {
        const { message, path } = describeIssue(decoded.failure)
        return malformed(`${path}: ${message}`)
      }
      const wrong = read(decoded.success)
      return wrong === undefined ? Result.succeed(parts.take()) : malformed(wrong)
    },
    isOver: () => isOver,
    usage,
    skip: () => {
      // The stop reason comes after all blocks.
      if (message?.stop_reason == null) parts.leaveGap()
    },
    end: () => {
      if (message === undefined || (!isOver && message.stop_reason == null) || !parts.closeGap(usage())) {
        return undefined
      }
      for (const draft of blocks.values()) draft.end()
      const data = { ...message, content: Array.from(blocks.values(), (draft) => draft.block) }
      parts.write(finishOf(data))
      return { parts: parts.take(), data, notes: notes.all }
    }
  }
}

const nothing: Result.Result<ReadonlyArray<StreamPart>, EventFailure> = Result.succeed([])

const malformed = (description: string) => Result.fail<EventFailure>({ _tag: "MalformedEvent", description })

/** An event as it is documented. Some send the whole message as one, or name its type beside the data alone. */
const eventOf = (data: unknown, type: unknown): unknown =>
  type === "message_start" && Predicate.hasProperty(data, "content")
    ? { type, message: data }
    : Predicate.isObject(data)
    ? { ...data, type }
    : data

/** The fields that have a value. */
const given = <Fields extends object>(fields: Fields): Partial<Fields> => {
  const some: Partial<Fields> = {}
  for (const key in fields) if (fields[key] != null) some[key] = fields[key]
  return some
}

/** The counts are of the whole message, not of what came since. A zero is a placeholder where there was a count before. */
const usageUntil = (before: Answer["usage"], now: Answer["usage"]): Answer["usage"] => {
  if (before == null || now == null) return now ?? before
  const counts = given(now)
  const zeros = Struct.keys(counts).filter((key) => counts[key] === 0 && before[key] != null)
  return { ...before, ...Struct.omit(counts, zeros) }
}

/** The block that a delta belongs to which has not begun. */
const blockOf = (delta: Delta): Block | undefined =>
  delta.type === "text_delta"
    ? { type: "text", text: "" }
    : delta.type === "thinking_delta"
    ? { type: "thinking", thinking: "" }
    : undefined

/** A block, as far as it has come. */
class BlockDraft {
  block: Block
  private written = ""
  private isOpen = true
  private readonly index: number
  private readonly parts: PartWriter
  private readonly blockParts: BlockParts

  constructor(index: number, block: Block, parts: PartWriter, blockParts: BlockParts) {
    this.index = index
    this.block = block
    this.parts = parts
    this.blockParts = blockParts
    if (isToolUse(block)) {
      blockParts.call(block)
      parts.beginTool(index, { id: block.id, name: block.name }, isProviderExecuted(block))
    } else if (block.type === "text") {
      parts.text(block.text)
      for (const citation of block.citations ?? []) parts.write(blockParts.source(citation))
    } else if (block.type === "thinking") {
      parts.begin("reasoning")
      parts.reasoning(block.thinking)
    }
  }

  add(delta: Delta): void {
    const { block, parts } = this
    switch (delta.type) {
      case "text_delta": {
        if (block.type !== "text") return
        this.block = { ...block, text: block.text + delta.text }
        return parts.text(delta.text)
      }
      case "citations_delta": {
        if (block.type !== "text") return
        this.block = { ...block, citations: [...block.citations ?? [], delta.citation] }
        return parts.write(this.blockParts.source(delta.citation))
      }
      case "thinking_delta": {
        if (block.type !== "thinking") return
        this.block = { ...block, thinking: block.thinking + delta.thinking }
        return parts.reasoning(delta.thinking)
      }
      case "signature_delta": {
        if (block.type === "thinking") this.block = { ...block, signature: delta.signature }
        return
      }
      case "input_json_delta": {
        const written = typeof delta.partial_json === "string"
          ? delta.partial_json
          : JSON.stringify(delta.partial_json ?? "")
        this.written += written
        return parts.toolParams(this.index, written)
      }
      default:
        if (block.type === "other") this.block = { ...block, value: appended(block.value, delta.value) }
    }
  }

  end(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const { block, index, parts } = this
    if (isToolUse(block)) {
      // Arguments that do not come in pieces are in the beginning of the block.
      if (this.written === "") parts.toolParams(index, JSON.stringify(toolParams(block.input)))
      else this.block = { ...block, input: toolParams(this.written) }
      return parts.endTool(index, callMetadata(block))
    }
    switch (block.type) {
      case "text":
        return parts.endBlock(textMetadata(block))
      case "thinking":
        return parts.endBlock(thinkingMetadata(block))
      default:
        for (const part of this.blockParts.of(block)) {
          if (part.type === "text" || part.type === "reasoning") {
            parts.begin(part.type, part.metadata)
            parts.endBlock()
          } else parts.write(part)
        }
    }
  }
}

/** A block of an unknown kind with a delta of an unknown kind: as with the known ones, text is appended. */
const appended = (block: JsonFields, { type: _type, ...delta }: JsonFields): JsonFields => ({
  ...block,
  ...Record.map(delta, (value, key) => {
    const before = block[key]
    return typeof before === "string" && typeof value === "string" ? before + value : value
  })
})
