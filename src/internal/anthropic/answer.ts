/** A message as the parts of an answer. Their metadata holds what must be sent back with them. */
import * as Response from "effect/ai/Response"
import type { Part } from "../../Calling.ts"
import { toolParams } from "../chat/arguments.ts"
import type { AnswerBlock, Citation, JsonRecord } from "./blocks.ts"
import type { Answer } from "./schema.ts"

type Answer = typeof Answer.Type
type Citation = typeof Citation.Type
export type Block = typeof AnswerBlock.Type
type ToolUse = Extract<Block, { readonly type: "tool_use" | `${string}_tool_use` }>
type ToolResult = Extract<Block, { readonly type: `${string}_tool_result` }>

export const isToolUse = (block: Block): block is ToolUse => block.type.endsWith("tool_use")
const isToolResult = (block: Block): block is ToolResult => block.type.endsWith("_tool_result")

export const contentOf = (data: Answer): ReadonlyArray<Part> => {
  const parts = new BlockParts()
  const content: Array<Part> = [metadataOf(data)]
  for (const block of data.content) content.push(...parts.of(block))
  content.push(finishOf(data))
  return content
}

/** The parts of the blocks of one answer, which know of each other. */
export class BlockParts {
  private sources = 0
  /** The names of the tools, by their calls. */
  private readonly names = new Map<string, string>()

  of(block: Block): ReadonlyArray<Part> {
    if (isToolUse(block)) {
      const { id, input, name } = block
      this.call(block)
      const providerExecuted = isProviderExecuted(block)
      return [
        Response.makePart("tool-call", {
          id,
          name,
          params: toolParams(input),
          providerExecuted,
          metadata: callMetadata(block)
        })
      ]
    }
    if (isToolResult(block)) return [this.result(block)]
    switch (block.type) {
      case "text": {
        const sources = (block.citations ?? []).map((citation) => this.source(citation))
        const { text } = block
        return text === "" ? sources : [Response.makePart("text", { text, metadata: textMetadata(block) }), ...sources]
      }
      case "thinking":
        return [Response.makePart("reasoning", { text: block.thinking, metadata: thinkingMetadata(block) })]
      case "redacted_thinking":
        return [Response.makePart("reasoning", { text: "", metadata: { anthropic: { redactedData: block.data } } })]
      case "container_upload":
        return [carrier({ type: block.type, file_id: block.file_id })]
      case "other":
        return [carrier(block.value)]
    }
  }

  /** Takes note of a call, whose result may follow. */
  call({ id, name }: ToolUse): void {
    this.names.set(id, name)
  }

  source(citation: Citation): Response.UrlSourcePart | Response.DocumentSourcePart {
    const id = String(this.sources++)
    const metadata = { anthropic: citation }
    const title = citation.title ?? citation.document_title ?? ""
    const url = URL.parse(citation.url ?? citation.source ?? "")
    return url === null
      ? Response.DocumentSourcePart.make({ id, mediaType: mediaTypeOf(citation), title, metadata })
      : Response.UrlSourcePart.make({ id, url, title, metadata })
  }

  private result({ caller, content, is_error, tool_use_id, type }: ToolResult): Part {
    return Response.makePart("tool-result", {
      id: tool_use_id,
      name: this.names.get(tool_use_id) ?? type.replace(/_tool_result$/, ""),
      result: content,
      encodedResult: content,
      isFailure: is_error ?? isErrorContent(content),
      providerExecuted: true,
      preliminary: false,
      metadata: {
        anthropic: { type, ...(caller != null && { caller }), ...(is_error != null && { isError: is_error }) }
      }
    })
  }
}

/** A block that there is no part for is taken along by a text without a letter. */
const carrier = (block: typeof JsonRecord.Type) =>
  Response.makePart("text", { text: "", metadata: { anthropic: { block } } })

// A page of a document, or else characters or blocks of a text.
const mediaTypeOf = ({ type }: Citation) => type === "page_location" ? "application/pdf" : "text/plain"

const isErrorContent = (content: unknown): boolean =>
  typeof content === "object" && content !== null && "type" in content &&
  typeof content.type === "string" && content.type.endsWith("_error")

export const isProviderExecuted = ({ type }: ToolUse): boolean => type !== "tool_use"

export const textMetadata = (
  { citations }: { readonly citations?: ReadonlyArray<Citation> | null | undefined }
): Response.ProviderMetadata => citations == null || citations.length === 0 ? {} : { anthropic: { citations } }

export const thinkingMetadata = (
  { signature }: { readonly signature?: string | null | undefined }
): Response.ProviderMetadata => ({ anthropic: { ...(signature != null && { signature }) } })

export const callMetadata = (block: ToolUse): Response.ProviderMetadata => {
  const anthropic = {
    ...(block.type === "tool_use"
      ? block.toolset_name != null && { toolsetName: block.toolset_name }
      : { type: block.type, ...(block.server_name != null && { serverName: block.server_name }) }),
    ...(block.caller != null && { caller: block.caller })
  }
  return Object.keys(anthropic).length === 0 ? {} : { anthropic }
}

export const metadataOf = ({ id, model }: Answer): Response.ResponseMetadataPart =>
  Response.makePart("response-metadata", { id: id ?? undefined, modelId: model ?? undefined, timestamp: undefined })

export const finishOf = (data: Answer): Response.FinishPart => {
  const anthropic = {
    ...(data.stop_sequence != null && { stopSequence: data.stop_sequence }),
    ...(data.stop_details != null && { stopDetails: data.stop_details }),
    ...(data.container != null && { container: data.container })
  }
  return Response.makePart("finish", {
    reason: finishReasons.get(data.stop_reason ?? "") ?? "other",
    usage: usageOf(data.usage),
    response: undefined,
    metadata: Object.keys(anthropic).length === 0 ? {} : { anthropic }
  })
}

// https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons
const finishReasons = new Map<string, Response.FinishReason>([
  ["", "unknown"],
  ["end_turn", "stop"],
  ["stop_sequence", "stop"],
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["tool_use", "tool-calls"],
  ["pause_turn", "pause"],
  ["refusal", "content-filter"]
])

// Cached tokens are not among the input tokens, neither those written nor those read; thinking tokens are among the output's.
// https://platform.claude.com/docs/en/build-with-claude/prompt-caching#tracking-cache-performance
export const usageOf = (usage: Answer["usage"]): Response.Usage => {
  if (usage == null) return { inputTokens: {}, outputTokens: {} }
  const uncached = usage.input_tokens ?? undefined
  const cacheRead = usage.cache_read_input_tokens ?? undefined
  const cacheWrite = usage.cache_creation_input_tokens ?? undefined
  const total = usage.output_tokens ?? undefined
  const reasoning = usage.output_tokens_details?.thinking_tokens ?? undefined
  return {
    inputTokens: {
      ...(uncached !== undefined && { total: uncached + (cacheRead ?? 0) + (cacheWrite ?? 0), uncached }),
      ...(cacheRead !== undefined && { cacheRead }),
      ...(cacheWrite !== undefined && { cacheWrite })
    },
    outputTokens: {
      ...(total !== undefined && { total }),
      ...(reasoning !== undefined &&
        { reasoning, ...(total !== undefined && { text: Math.max(0, total - reasoning) }) })
    }
  }
}
