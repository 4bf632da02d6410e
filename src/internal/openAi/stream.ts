/** Puts the chunks of a chat completion together. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Decoder } from "../../Endpoint.ts"
import { describeIssue } from "../invalidArgument.ts"
import { PartWriter } from "../parts.ts"
import { finishOf, metadataOf, sourcesOf, usageOf } from "./answer.ts"
import { ChatChunk, type ChatCompletion, ErrorBody } from "./schema.ts"

type Chunk = typeof ChatChunk.Type
type Completion = typeof ChatCompletion.Type
type Choice = Completion["choices"][number]
type ToolCall = NonNullable<Choice["message"]["tool_calls"]>[number]

const decodeChunk = Schema.decodeUnknownResult(ChatChunk)
const isError = Schema.is(ErrorBody)

export const makeDecoder = (): Decoder<Completion> => {
  const parts = new PartWriter()
  const choices = new Map<number, ChoiceDraft>()
  let head: Chunk | undefined
  let usage: Completion["usage"]

  const isFinished = () => {
    for (const choice of choices.values()) if (choice.finishReason === undefined) return false
    return choices.size > 0
  }

  const read = (chunk: Chunk) => {
    if (head === undefined && chunk.choices.length > 0) {
      head = chunk
      parts.write(metadataOf(chunk))
    }
    usage = chunk.usage ?? usage
    for (const { delta, finish_reason, index = 0, logprobs } of chunk.choices) {
      let choice = choices.get(index)
      // The parts are those of the first choice, as the content of a whole answer is.
      if (choice === undefined) choices.set(index, choice = new ChoiceDraft(index, index === 0 ? parts : undefined))
      if (delta != null) choice.add(delta)
      if (logprobs != null) choice.addLogprobs(logprobs)
      // Some send an empty reason until there is one.
      if (finish_reason) choice.finishReason = finish_reason
    }
  }

  return {
    push: (event) => {
      const decoded = decodeChunk(event)
      if (Result.isSuccess(decoded)) {
        read(decoded.success)
        return Result.succeed(parts.take())
      }
      if (isError(event)) return Result.fail({ _tag: "ErrorEvent", body: event })
      const { message, path } = describeIssue(decoded.failure)
      return Result.fail({ _tag: "MalformedEvent", description: `${path}: ${message}` })
    },
    // The usage comes last, in a chunk of its own.
    isOver: () => usage != null && isFinished(),
    usage: () => usage == null ? undefined : usageOf(usage),
    end: () => {
      if (head === undefined || !isFinished()) return undefined
      const data = {
        id: head.id ?? "",
        model: head.model ?? "",
        created: head.created ?? undefined,
        service_tier: head.service_tier,
        system_fingerprint: head.system_fingerprint,
        choices: [...choices.values()].map((choice) => choice.whole()).sort((one, other) => one.index - other.index),
        usage
      }
      const [first] = data.choices
      parts.end()
      parts.write(finishOf(first?.finish_reason, usage, first?.message.refusal))
      return { parts: parts.take(), data }
    }
  }
}

/** A choice, as far as it has come. */
class ChoiceDraft {
  finishReason: string | undefined
  private readonly logprobs = new Map<string, Array<unknown>>()
  private content: string | null = null
  private refusal = ""
  private reasoning = ""
  private readonly annotations: Array<NonNullable<Choice["message"]["annotations"]>[number]> = []
  private readonly toolCalls = new Map<number, { id: string; name: string; written: string }>()

  private readonly index: number
  private readonly parts: PartWriter | undefined

  constructor(index: number, parts: PartWriter | undefined) {
    this.index = index
    this.parts = parts
  }

  add(delta: NonNullable<Chunk["choices"][number]["delta"]>): void {
    const reasoning = delta.reasoning_content ?? delta.reasoning ?? ""
    this.reasoning += reasoning
    this.parts?.reasoning(reasoning)
    if (delta.content != null) this.content = (this.content ?? "") + delta.content
    this.parts?.text(delta.content ?? "")
    this.refusal += delta.refusal ?? ""
    const annotations = delta.annotations ?? []
    for (const source of sourcesOf(annotations, this.annotations.length)) this.parts?.write(source)
    this.annotations.push(...annotations)
    for (const call of delta.tool_calls ?? []) {
      // Some who speak the protocol do not number the calls, and send each of them whole.
      const index = call.index ?? (call.id == null ? this.toolCalls.size - 1 : this.toolCalls.size)
      let draft = this.toolCalls.get(index)
      if (draft === undefined) {
        draft = { id: call.id || `call_${index}`, name: call.function?.name ?? "", written: "" }
        this.toolCalls.set(index, draft)
        this.parts?.beginTool(index, { id: draft.id, name: draft.name })
      }
      const written = call.function?.arguments ?? ""
      draft.written += written
      this.parts?.toolParams(index, written)
    }
  }

  /** Those of the content, and those of a refusal. */
  addLogprobs(logprobs: NonNullable<Chunk["choices"][number]["logprobs"]>): void {
    for (const [of, tokens] of Object.entries(logprobs)) {
      if (!Array.isArray(tokens)) continue
      const known = this.logprobs.get(of)
      if (known === undefined) this.logprobs.set(of, [...tokens])
      else known.push(...tokens)
    }
  }

  whole(): Choice & { readonly index: number } {
    return {
      index: this.index,
      finish_reason: this.finishReason,
      ...(this.logprobs.size > 0 && { logprobs: Object.fromEntries(this.logprobs) }),
      message: {
        role: "assistant",
        content: this.content,
        ...(this.refusal !== "" && { refusal: this.refusal }),
        ...(this.reasoning !== "" && { reasoning_content: this.reasoning }),
        ...(this.annotations.length > 0 && { annotations: this.annotations }),
        ...(this.toolCalls.size > 0 && {
          tool_calls: [...this.toolCalls.values()].map(({ id, name, written }): ToolCall => ({
            id,
            type: "function",
            function: { name, arguments: written }
          }))
        })
      }
    }
  }
}
