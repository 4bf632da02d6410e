/** Assembles the chunks of an answer of Gemini. */
import * as Result from "effect/Result"
import type { Decoder } from "../http/decoder.ts"
import * as Struct from "effect/Struct"
import { describeIssue } from "../util/schemaIssue.ts"
import { Notes, tolerantDecoder } from "../http/tolerantDecoder.ts"
import { PartWriter } from "../chat/partWriter.ts"
import { append, finishOf, metadataOf, partReader, sourcesOf, usageOf } from "./answer.ts"
import { type AnswerPart, GenerateContentChunk, tolerance } from "./answerSchema.ts"

type Answer = typeof GenerateContentChunk.Type
type Candidate = NonNullable<Answer["candidates"]>[number]
type WirePart = typeof AnswerPart.Type

const decodeChunk = tolerantDecoder(GenerateContentChunk, tolerance)

export const makeDecoder = (): Decoder<Answer> => {
  const parts = new PartWriter()
  const candidates = new Map<number, CandidateDraft>()
  let readPart: ReturnType<typeof partReader> | undefined
  let whole: Answer = {}

  const notes = new Notes()

  /** Whether more came after a finish: some models finish with every chunk. */
  let hasContinued = false

  const isFinished = () => {
    for (const { last } of candidates.values()) if (last.finishReason == null) return false
    return candidates.size > 0 || isBlocked(whole)
  }

  const read = ({ candidates: drafts = [], usageMetadata, ...rest }: Answer) => {
    whole = {
      ...whole,
      ...rest,
      ...(usageMetadata && { usageMetadata: usageUntil(whole.usageMetadata, usageMetadata) })
    }
    for (const chunk of drafts) {
      if (readPart === undefined) {
        readPart = partReader(whole.responseId)
        parts.write(metadataOf(whole))
      }
      const { index = 0 } = chunk
      let candidate = candidates.get(index)
      hasContinued ||= candidate?.last.finishReason != null && chunk.content?.parts !== undefined
      if (candidate === undefined) candidates.set(index, candidate = new CandidateDraft())
      candidate.add(chunk)
      // The parts are those of the first candidate, as the content of a whole answer is.
      if (index === 0) { for (const part of chunk.content?.parts ?? []) writePart(parts, part, readPart) }
    }
  }

  const usage = () => whole.usageMetadata && usageOf(whole.usageMetadata)

  return {
    push: (event) => {
      const decoded = decodeChunk(event, notes)
      if (Result.isFailure(decoded)) {
        const { message, path } = describeIssue(decoded.failure)
        return Result.fail({ _tag: "MalformedEvent", description: `${path}: ${message}` })
      }
      read(decoded.success)
      return Result.succeed(parts.take())
    },
    // The wire does not mark the last chunk.
    isOver: () => !isFinished() ? false : hasContinued ? "doubtful" : "perhaps",
    usage,
    skip: () => parts.leaveGap(),
    end: (isBroken) => {
      if (isBroken || !isFinished() || !parts.closeGap(usage())) return undefined
      if (candidates.size === 0) return { parts: [], data: whole, notes: notes.all }
      const sorted = [...candidates].toSorted(([a], [b]) => a - b).map(([, candidate]) => candidate.whole())
      const data = { ...whole, candidates: sorted }
      parts.end()
      for (const source of sourcesOf(sorted[0])) parts.write(source)
      parts.write(finishOf(sorted[0], data.usageMetadata))
      return { parts: parts.take(), data, notes: notes.all }
    }
  }
}

/** The counts are of the whole answer. A zero is a placeholder where there was a count before. */
const usageUntil = (before: Answer["usageMetadata"], now: NonNullable<Answer["usageMetadata"]>) => {
  if (before === undefined) return now
  const zeros = Struct.keys(now).filter((key) => now[key] === 0 && before[key] !== undefined)
  return { ...before, ...Struct.omit(now, zeros) }
}

/** Whether the prompt was refused. Then there are no candidates. */
export const isBlocked = ({ candidates = [], promptFeedback }: Answer): boolean =>
  candidates.length === 0 && promptFeedback?.blockReason !== undefined

const writePart = (parts: PartWriter, part: WirePart, readPart: ReturnType<typeof partReader>): void => {
  const made = readPart(part)
  if (made === undefined) return parts.endBlock()
  switch (made.type) {
    case "text":
    case "reasoning": {
      if (part.thoughtSignature === undefined) return parts[made.type](made.text)
      parts.endBlock()
      parts.begin(made.type, made.metadata)
      parts[made.type](made.text)
      return parts.endBlock()
    }
    case "tool-call": {
      if (made.providerExecuted) break
      parts.beginTool(made.id, made)
      parts.toolParams(made.id, JSON.stringify(made.params))
      return parts.endTool(made.id, made.metadata)
    }
  }
  parts.endBlock()
  parts.write(made)
}

/** A candidate, as far as it has come. */
class CandidateDraft {
  /** The latest value of each field that is not appended to. */
  last: Candidate = {}
  private readonly parts: Array<WirePart> = []
  private readonly chosen: Array<unknown> = []
  private readonly top: Array<unknown> = []

  add({ content, groundingMetadata, logprobsResult, ...rest }: Candidate): void {
    this.last = {
      ...this.last,
      ...rest,
      finishReason: rest.finishReason ?? this.last.finishReason,
      ...(content && { content: { ...this.last.content, ...content } }),
      ...(groundingMetadata && { groundingMetadata: { ...this.last.groundingMetadata, ...groundingMetadata } }),
      ...(logprobsResult && { logprobsResult })
    }
    for (const part of content?.parts ?? []) append(this.parts, part)
    this.chosen.push(...logprobsResult?.chosenCandidates ?? [])
    this.top.push(...logprobsResult?.topCandidates ?? [])
  }

  whole(): Candidate {
    const { content, logprobsResult, ...last } = this.last
    return {
      ...last,
      ...(content && { content: { ...content, parts: this.parts } }),
      ...(logprobsResult && {
        logprobsResult: { ...logprobsResult, chosenCandidates: this.chosen, topCandidates: this.top }
      })
    }
  }
}
