/** Assembles the chunks of a chat completion. */
import * as Result from "effect/Result"
import type { Decoder } from "../http/decoder.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { PartWriter } from "../chat/partWriter.ts"
import { Notes, tolerantDecoder } from "../http/tolerantDecoder.ts"
import {
  type Asked,
  callIdsFor,
  extrasMetadata,
  finishOf,
  isOneAnswer,
  metadataOf,
  reasoningOf,
  sourcesOf
} from "./answer.ts"
import type { CallIds } from "../chat/callIds.ts"
import { contentOfThoughts, readContent } from "./messageContent.ts"
import { ChatChunk, type ChatCompletion, DocumentedChunk, tolerance } from "./schema.ts"
import { joinedExtras, type MessageExtras, type ReasoningField } from "./sentBack.ts"
import { ToolCallDrafts } from "./toolCalls.ts"
import { mergedUsage, reportedUsage, type Usage, usageOf } from "./usage.ts"

type Chunk = typeof ChatChunk.Type
type ChunkChoice = NonNullable<Chunk["choices"]>[number]
type Completion = typeof ChatCompletion.Type
type Choice = Completion["choices"][number]

const decodeChunk = tolerantDecoder(ChatChunk, tolerance, DocumentedChunk)

export const makeDecoder = (provider: string, asked: Asked): Decoder<Completion> => {
  const parts = new PartWriter()
  const notes = new Notes()
  const idOf = callIdsFor(provider, asked)
  const choices = new Map<number, ChoiceDraft>()
  let head: Chunk | undefined
  let usage: Usage | undefined
  /** Whether something came with a finish or after one. Such a provider may send a finish with every chunk. */
  let hasContinued = false

  const isFinished = () => {
    let finished = 0
    for (const { finishReason } of choices.values()) if (finishReason !== undefined) finished++
    return finished > 0 && (finished === choices.size || isOneAnswer(asked))
  }

  const used = () => usage === undefined ? undefined : usageOf(usage)

  const read = (chunk: Chunk) => {
    const reported = reportedUsage(chunk)
    if (reported !== undefined) usage = mergedUsage(usage, reported)
    if (chunk.choices == null) return
    if (head === undefined && chunk.choices.length > 0) {
      head = chunk
      parts.write(metadataOf(chunk))
    }
    for (let position = 0; position < chunk.choices.length; position++) {
      const choice = chunk.choices[position]
      if (choice !== undefined) readChoice(choice, choice.index ?? position)
    }
  }

  const readChoice = ({ delta, finish_reason, logprobs, message }: ChunkChoice, index: number) => {
    let choice = choices.get(index)
    if (choice === undefined) choices.set(index, choice = new ChoiceDraft(index, idOf, parts, asked))
    // Some send an empty reason until there is one.
    if (finish_reason) choice.finishReason = finish_reason
    const content = delta ?? message
    if (content != null && choice.add(content) && choice.finishReason !== undefined) hasContinued = true
    if (logprobs != null) choice.addLogprobs(logprobs)
  }

  return {
    push: (event) => {
      const decoded = decodeChunk(event, notes)
      if (Result.isSuccess(decoded)) {
        read(decoded.success)
        return Result.succeed(parts.take())
      }
      const { message, path } = describeIssue(decoded.failure)
      return Result.fail({ _tag: "MalformedEvent", description: `${path}: ${message}` })
    },
    // A finish is no end: others may follow, with more of the answer, and the usage.
    isOver: () => isFinished() && (hasContinued ? "doubtful" : "perhaps"),
    usage: used,
    skip: () => {
      // After the finish of all choices there is only the usage to come.
      if (!isFinished() || choices.size < (asked.n ?? 1)) parts.leaveGap()
    },
    end: (isBroken) => {
      if (head === undefined || !isFinished() || (isBroken && hasContinued) || !parts.closeGap(used())) return undefined
      const drafts = [...choices.values()].toSorted((one, other) => one.index - other.index)
      if (drafts.some((draft) => !draft.isWhole)) return undefined
      parts.endBlock()
      const whole = drafts.map((draft) => draft.end())
      parts.end()
      parts.write(finishOf(whole, usage))
      const { created, id, model, service_tier, system_fingerprint } = head
      const data = { id, model, created, service_tier, system_fingerprint, choices: whole, usage }
      return { parts: parts.take(), data, notes: notes.all }
    }
  }
}

/** A choice, as far as it has come. */
class ChoiceDraft {
  finishReason: string | undefined
  readonly index: number
  private readonly logprobs = new Map<string, Array<unknown>>()
  private content: string | null = null
  private refusal = ""
  private reasoning = ""
  private reasoningField: ReasoningField | undefined
  private readonly annotations: Array<NonNullable<Choice["message"]["annotations"]>[number]> = []
  private extras: MessageExtras = {}
  private readonly calls: ToolCallDrafts
  private readonly parts: PartWriter | undefined

  constructor(index: number, idOf: CallIds, parts: PartWriter, asked: Asked) {
    this.index = index
    // The parts are those of the first choice, as the content of a whole answer is, and all calls of one answer.
    this.parts = index === 0 ? parts : undefined
    this.calls = new ToolCallDrafts(index, idOf, index === 0 || isOneAnswer(asked) ? parts : undefined)
  }

  /** Returns whether the delta adds to the answer. */
  add(delta: NonNullable<ChunkChoice["delta"]>): boolean {
    const { metadata, reasoningField, text: thoughts } = reasoningOf(delta, delta.content)
    if (thoughts !== "") {
      if (this.reasoning === "") this.reasoningField = reasoningField
      this.reasoning += thoughts
      this.parts?.reasoning(thoughts, metadata)
    }
    if (delta.content != null) {
      const text = typeof delta.content === "string" ? delta.content : readContent(delta.content).text
      this.content = (this.content ?? "") + text
      this.parts?.text(text)
    }
    this.refusal += delta.refusal ?? ""
    this.extras = joinedExtras(this.extras, delta)
    if (delta.annotations != null) {
      for (const source of sourcesOf(delta.annotations, this.annotations.length)) this.parts?.write(source)
      this.annotations.push(...delta.annotations)
    }
    if (delta.tool_calls != null) this.calls.add(delta.tool_calls)
    else if (delta.function_call != null) this.calls.add([{ index: 0, function: delta.function_call }])
    return thoughts !== "" || (delta.content != null && delta.content !== "") ||
      (delta.tool_calls != null && delta.tool_calls.length > 0)
  }

  /** Those of the content, and those of a refusal. */
  addLogprobs(logprobs: NonNullable<ChunkChoice["logprobs"]>): void {
    for (const [of, tokens] of Object.entries(logprobs)) {
      if (!Array.isArray(tokens)) continue
      const known = this.logprobs.get(of)
      if (known === undefined) this.logprobs.set(of, [...tokens])
      else known.push(...tokens)
    }
  }

  get isWhole(): boolean {
    return this.calls.isWhole
  }

  /** Ends the parts, with the metadata that must be sent back, and returns the choice. */
  end(): Choice {
    const extras = extrasMetadata(this.extras)
    if (extras !== undefined) {
      this.parts?.endBlock()
      this.parts?.begin("reasoning", extras)
      this.parts?.endBlock()
    }
    const calls = this.calls.end()
    const { reasoning, reasoningField } = this
    return {
      index: this.index,
      finish_reason: this.finishReason,
      ...(this.logprobs.size > 0 && { logprobs: Object.fromEntries(this.logprobs) }),
      message: {
        role: "assistant",
        content: this.content,
        ...(reasoning !== "" && reasoningField === undefined && {
          content_parts: contentOfThoughts(reasoning, this.content ?? "")
        }),
        ...(this.refusal !== "" && { refusal: this.refusal }),
        ...(reasoning !== "" && reasoningField !== undefined && { [reasoningField]: reasoning }),
        ...this.extras,
        ...(this.annotations.length > 0 && { annotations: this.annotations }),
        ...(calls.length > 0 && { tool_calls: calls })
      }
    }
  }
}
