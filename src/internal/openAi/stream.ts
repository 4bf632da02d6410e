/** Puts the chunks of a chat completion together. */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Decoder } from "../http/decoder.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { PartWriter } from "../chat/partWriter.ts"
import { wireDecoder } from "../http/wireDecoder.ts"
import { finishOf, metadataOf, reasoningOf, sourcesOf, usageOf } from "./answer.ts"
import { ChatChunk, type ChatCompletion, type ChatRequest, ErrorBody, type ReasoningField } from "./schema.ts"

type Chunk = typeof ChatChunk.Type
type Completion = typeof ChatCompletion.Type
type Choice = Completion["choices"][number]
type ToolCall = NonNullable<Choice["message"]["tool_calls"]>[number]

const decodeChunk = wireDecoder(ChatChunk)
const isError = Schema.is(ErrorBody)

export const makeDecoder = ({ n }: Pick<ChatRequest["Type"], "n">): Decoder<Completion> => {
  const parts = new PartWriter()
  const choices = new Map<number, ChoiceDraft>()
  let head: Chunk | undefined
  let usage: Completion["usage"]

  const isFinished = () => {
    for (const choice of choices.values()) if (choice.finishReason === undefined) return false
    return choices.size > 0
  }

  const used = () => usage == null ? undefined : usageOf(usage)

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
    // The usage comes last, in a chunk of its own, from those who tell it.
    isOver: () => isFinished() && (usage != null || "perhaps"),
    usage: used,
    skip: () => {
      // After the finish of all choices there is only the usage to come.
      if (!isFinished() || choices.size < (n ?? 1)) parts.leaveGap()
    },
    end: () => {
      if (head === undefined || !isFinished() || !parts.closeGap(used())) return undefined
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

interface ToolCallDraft {
  readonly key: number
  readonly id: string
  readonly name: string
  written: string
}

/** A choice, as far as it has come. */
class ChoiceDraft {
  finishReason: string | undefined
  private readonly logprobs = new Map<string, Array<unknown>>()
  private content: string | null = null
  private refusal = ""
  private reasoning = ""
  private reasoningField: ReasoningField = "reasoning_content"
  private readonly annotations: Array<NonNullable<Choice["message"]["annotations"]>[number]> = []
  private readonly toolCalls: Array<ToolCallDraft> = []
  /** The last call of each number. */
  private readonly numbered = new Map<number, ToolCallDraft>()

  private readonly index: number
  private readonly parts: PartWriter | undefined

  constructor(index: number, parts: PartWriter | undefined) {
    this.index = index
    this.parts = parts
  }

  add(delta: NonNullable<Chunk["choices"][number]["delta"]>): void {
    const { metadata, reasoningField, text } = reasoningOf(delta)
    if (this.reasoning === "") this.reasoningField = reasoningField
    this.reasoning += text
    this.parts?.reasoning(text, metadata)
    if (delta.content != null) this.content = (this.content ?? "") + delta.content
    this.parts?.text(delta.content ?? "")
    this.refusal += delta.refusal ?? ""
    if (delta.annotations != null) {
      for (const source of sourcesOf(delta.annotations, this.annotations.length)) this.parts?.write(source)
      this.annotations.push(...delta.annotations)
    }
    for (const call of delta.tool_calls ?? []) {
      const { arguments: written, name } = call.function ?? {}
      // Some who speak the protocol do not number the calls, or give all the same number, and send each of them whole.
      const number = call.index ?? (call.id == null ? this.toolCalls.length - 1 : this.toolCalls.length)
      let draft = this.numbered.get(number)
      if (draft === undefined || (call.id && call.id !== draft.id && name)) {
        const key = this.toolCalls.length
        draft = { key, id: call.id || `call_${number}`, name: name ?? "", written: "" }
        this.toolCalls.push(draft)
        this.numbered.set(number, draft)
        this.parts?.beginTool(key, { id: draft.id, name: draft.name })
      }
      draft.written += written ?? ""
      this.parts?.toolParams(draft.key, written ?? "")
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
        ...(this.reasoning !== "" && { [this.reasoningField]: this.reasoning }),
        ...(this.annotations.length > 0 && { annotations: this.annotations }),
        ...(this.toolCalls.length > 0 && {
          tool_calls: this.toolCalls.map(({ id, name, written }): ToolCall => ({
            id,
            type: "function",
            function: { name, arguments: written }
          }))
        })
      }
    }
  }
}
