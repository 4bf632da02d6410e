/** Puts together what Claude Code says in one run, or in several that make one answer. */
import * as Response from "effect/ai/Response"
import type * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as ResultOf from "effect/Result"
import * as Schema from "effect/Schema"
import type { Part, StreamPart } from "../../Calling.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { PartWriter } from "../chat/partWriter.ts"
import { type Block, Event, eventTypes, type Increment, type Result, type Usage } from "./events.ts"

/** The use of a tool, as far as it has come. */
export interface ToolUse {
  readonly id: string
  readonly name: string
  readonly input: unknown
  /** What the tool answered; `undefined` when the run ended before. */
  readonly result: unknown
  readonly is_error: boolean
  /** The use that began the subagent whose use this is; `null` for one of the agent's own. */
  readonly parent_tool_use_id: string | null
}

const nothing = ResultOf.succeedNone

const decode = Schema.decodeUnknownResult(Event)

export class Reader {
  /** What the agent said and did, without its subagents. */
  readonly content: Array<Part> = []
  readonly toolUses = new Map<string, ToolUse>()
  /** The ends of the runs. */
  readonly results: Array<Result> = []
  /** The last of them as it came. */
  raw: unknown = undefined
  model = ""
  /** Why the model did not answer. */
  error: string | undefined = undefined
  private readonly parts = new PartWriter()
  private readonly streamed = new Set<string>()
  private readonly spent = new Map<string, Usage>()
  private current = ""

  /** Whether the agent has begun to work, so that a run that is made again repeats what was done. */
  get begun(): boolean {
    return this.content.some(({ type }) => type !== "response-metadata")
  }

  /** All that the agent said. */
  get text(): string {
    return this.content.map((part) => part.type === "text" ? part.text : "").join("")
  }

  get thinking(): string {
    return this.content.map((part) => part.type === "reasoning" ? part.text : "").join("")
  }

  get usage(): Response.Usage {
    return usageOf(this.results.length > 0 ? this.results.map(({ usage }) => usage) : [...this.spent.values()])
  }

  /** The parts since this was asked last. */
  take(): ReadonlyArray<StreamPart> {
    return this.parts.take()
  }

  /** Ends the parts of an answer. */
  end(finish: Response.FinishPart): void {
    this.parts.end()
    this.parts.write(finish)
    this.content.push(finish)
  }

  /** Reads an event: the result that ends a run, nothing of interest otherwise, or what is wrong with it. */
  push(event: unknown): ResultOf.Result<Option.Option<Result>, string> {
    if (!Predicate.hasProperty(event, "type") || !eventTypes.has(event.type)) return nothing
    const decoded = decode(event)
    if (ResultOf.isFailure(decoded)) {
      const { message, path } = describeIssue(decoded.failure)
      return ResultOf.fail(`${String(event.type)}.${path}: ${message}`)
    }
    if (decoded.success.type === "result") {
      this.results.push(decoded.success)
      this.raw = event
      return ResultOf.succeedSome(decoded.success)
    }
    this.read(decoded.success)
    return nothing
  }

  private read(event: Exclude<Event, Result>): void {
    switch (event.type) {
      case "system":
        return event.subtype === "init" ? this.readInit(event.session_id, event.model ?? "") : undefined
      case "stream_event":
        // What subagents say is theirs.
        return event.parent_tool_use_id == null ? this.readIncrement(event.event) : undefined
      case "assistant": {
        const { content, id, usage } = event.message
        // Its text tells of a failure, and is no answer.
        if (event.error != null) {
          if (event.parent_tool_use_id == null) this.error = event.error
          return
        }
        if (usage != null && !this.streamed.has(id)) this.spent.set(id, usage)
        for (const block of content) this.readBlock(block, event.parent_tool_use_id ?? null, this.streamed.has(id))
        return
      }
      case "user":
        if (typeof event.message.content === "string") return
        for (const block of event.message.content) this.readToolResult(block, event.parent_tool_use_id ?? null)
    }
  }

  private readInit(id: string | null | undefined, model: string): void {
    // Every run begins with one, and the answer is of the first.
    if (this.content.length > 0) return
    this.model = model
    const part = Response.makePart("response-metadata", { id: id ?? undefined, modelId: model, timestamp: undefined })
    this.content.push(part)
    this.parts.write(part)
  }

  private readIncrement(event: Increment): void {
    const { parts } = this
    switch (event.type) {
      case "message_start":
        this.current = event.message.id
        this.streamed.add(this.current)
        if (event.message.usage != null) this.spent.set(this.current, event.message.usage)
        return
      case "message_delta":
        if (event.usage != null) this.spent.set(this.current, { ...this.spent.get(this.current), ...event.usage })
        return
      case "content_block_start":
        if (event.content_block.type === "tool_use") {
          const { id, name } = event.content_block
          parts.beginTool(event.index, { id, name }, true)
        }
        return
      case "content_block_delta":
        switch (event.delta.type) {
          case "text_delta":
            return parts.text(event.delta.text)
          case "thinking_delta":
            return parts.reasoning(event.delta.thinking)
          case "input_json_delta":
            return parts.toolParams(event.index, event.delta.partial_json)
          default:
            return
        }
      case "content_block_stop":
        return parts.hasTool(event.index) ? parts.endTool(event.index) : parts.endBlock()
    }
  }

  private readBlock(block: Block, parent: string | null, streamed: boolean): void {
    const { parts } = this
    switch (block.type) {
      case "text":
        if (parent !== null || block.text === "") return
        this.content.push(Response.makePart("text", { text: block.text }))
        if (streamed) return
        parts.text(block.text)
        return parts.endBlock()
      case "thinking":
        if (parent !== null || block.thinking === "") return
        this.content.push(Response.makePart("reasoning", { text: block.thinking }))
        if (streamed) return
        parts.reasoning(block.thinking)
        return parts.endBlock()
      case "tool_use": {
        const { id, input, name } = block
        this.toolUses.set(id, { id, name, input, result: undefined, is_error: false, parent_tool_use_id: parent })
        if (parent !== null) return
        this.content.push(Response.makePart("tool-call", { id, name, params: input, providerExecuted: true }))
        if (streamed) return
        parts.beginTool(id, { id, name }, true)
        parts.toolParams(id, JSON.stringify(input))
        return parts.endTool(id)
      }
    }
  }

  private readToolResult(block: Block, parent: string | null): void {
    if (block.type !== "tool_result") return
    const id = block.tool_use_id
    const use = this.toolUses.get(id)
    if (use === undefined) return
    const isFailure = block.is_error ?? false
    this.toolUses.set(id, { ...use, result: block.content, is_error: isFailure })
    if (parent !== null) return
    const part = Response.makePart("tool-result", {
      id,
      name: use.name,
      result: block.content,
      encodedResult: block.content,
      isFailure,
      providerExecuted: true,
      preliminary: false
    })
    this.content.push(part)
    this.parts.write(part)
  }
}

/** https://docs.claude.com/en/docs/build-with-claude/prompt-caching: what is read from a cache or written to it counts apart. */
const usageOf = (usages: ReadonlyArray<Usage | null | undefined>): Response.Usage => {
  const known = usages.filter(Predicate.isNotNullish)
  if (known.length === 0) return { inputTokens: {}, outputTokens: {} }
  const sum = (count: (usage: Usage) => number | null | undefined) =>
    known.reduce((total, usage) => total + (count(usage) ?? 0), 0)
  const uncached = sum((usage) => usage.input_tokens)
  const cacheRead = sum((usage) => usage.cache_read_input_tokens)
  const cacheWrite = sum((usage) => usage.cache_creation_input_tokens)
  const reasoning = sum((usage) => usage.output_tokens_details?.thinking_tokens)
  const total = sum((usage) => usage.output_tokens)
  return {
    inputTokens: { total: uncached + cacheRead + cacheWrite, uncached, cacheRead, cacheWrite },
    outputTokens: { total, ...(reasoning > 0 && { reasoning, text: total - reasoning }) }
  }
}
