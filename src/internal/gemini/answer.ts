/** A response of Gemini as the parts of an answer. */
import * as Response from "effect/ai/Response"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import type { Part } from "../../Calling.ts"
import { urlSource } from "../chat/partWriter.ts"
import { toolParams } from "../chat/arguments.ts"
import type { AnswerPart, GenerateContentChunk } from "./answerSchema.ts"

type Answer = typeof GenerateContentChunk.Type
type Candidate = NonNullable<Answer["candidates"]>[number]
type Usage = NonNullable<Answer["usageMetadata"]>
type WirePart = typeof AnswerPart.Type

export const contentOf = (data: Answer): ReadonlyArray<Part> => {
  const candidate = data.candidates?.[0]
  const parts: Array<WirePart> = []
  for (const part of candidate?.content?.parts ?? []) append(parts, part)
  const read = partReader(data.responseId)
  return [
    metadataOf(data),
    ...parts.flatMap((part) => read(part) ?? []),
    ...sourcesOf(candidate),
    finishOf(candidate, data.usageMetadata)
  ]
}

export const metadataOf = (data: Answer): Response.ResponseMetadataPart =>
  Response.makePart("response-metadata", { id: data.responseId, modelId: data.modelVersion, timestamp: undefined })

// -----------------------------------------------------------------------------
// Parts
// -----------------------------------------------------------------------------

/**
 * Appends a part as the next of an answer. Text that goes on is joined, but for parts that are signed: those must be sent
 * back as they came (https://ai.google.dev/gemini-api/docs/thought-signatures).
 */
export const append = (parts: Array<WirePart>, part: WirePart): void => {
  const last = parts.at(-1)
  if (!isUnsignedText(part)) parts.push(part)
  else if (last !== undefined && isUnsignedText(last) && isThought(last) === isThought(part)) {
    parts[parts.length - 1] = { ...last, text: last.text + part.text }
  } else if (part.text !== "") parts.push(part)
}

const isUnsignedText = (part: WirePart): part is WirePart & { readonly text: string } =>
  part.text !== undefined && part.thoughtSignature === undefined

const isThought = (part: WirePart): boolean => part.thought === true

/** What a tool that runs code at the provider is called there. */
export const codeExecution = "code_execution"

/**
 * Makes what reads the parts of one answer, one after the other; `undefined` for what `effect/ai` has no part for. Calls
 * without an id, which older models make, are given one.
 */
export const partReader = (responseId: string | undefined): (part: WirePart) => Part | undefined => {
  let calls = 0
  /** What ran last at the provider: results can be without an id, too. */
  let executed = ""
  const idOf = (id: string | undefined) => id || `${responseId ?? "call"}-${calls++}`

  return (part) => {
    const metadata = extrasOf(part)
    if (part.text !== undefined) return textOf(part, part.text, metadata)
    const { codeExecutionResult, executableCode, functionCall, inlineData, toolCall, toolResponse } = part
    const callOf = (id: string, name: string, params: unknown, providerExecuted = true) =>
      Response.makePart("tool-call", { id, name, params, providerExecuted, metadata })
    const resultOf = (id: string, name: string, result: object, isFailure = false) =>
      Response.makePart("tool-result", {
        id,
        name,
        result,
        encodedResult: result,
        isFailure,
        preliminary: false,
        providerExecuted: true,
        metadata
      })
    if (functionCall !== undefined) {
      const { args, id, name } = functionCall
      return callOf(idOf(id), name, toolParams(args), false)
    }
    if (executableCode !== undefined) {
      const { id, ...code } = executableCode
      return callOf(executed = idOf(id), codeExecution, code)
    }
    if (codeExecutionResult !== undefined) {
      const { id = executed, ...result } = codeExecutionResult
      return resultOf(id, codeExecution, result, result.outcome !== "OUTCOME_OK")
    }
    if (toolCall !== undefined) {
      const { args = {}, id, toolType = "" } = toolCall
      return callOf(executed = idOf(id), toolType, args)
    }
    if (toolResponse !== undefined) {
      const { id = executed, response = {}, toolType = "" } = toolResponse
      return resultOf(id, toolType, response)
    }
    if (inlineData !== undefined) {
      const data = Base64.decode(inlineData.data)
      if (Result.isFailure(data)) return undefined
      const { mimeType: mediaType } = inlineData
      return Response.makePart("file", { mediaType, data: data.success, metadata: extrasOf(part, isThought(part)) })
    }
    // A signature can come with nothing else.
    return part.thoughtSignature === undefined || part.fileData !== undefined ? undefined : textOf(part, "", metadata)
  }
}

const textOf = (part: WirePart, text: string, metadata: Response.ProviderMetadata) =>
  Response.makePart(isThought(part) ? "reasoning" : "text", { text, metadata })

/** What must be sent back with the part. */
const extrasOf = ({ thoughtSignature }: WirePart, thought = false): Response.ProviderMetadata =>
  thoughtSignature === undefined && !thought
    ? {}
    : { gemini: { ...(thought && { thought }), ...(thoughtSignature !== undefined && { thoughtSignature }) } }

type SourcePart = Response.UrlSourcePart | Response.DocumentSourcePart

/** What the answer is grounded in. */
export const sourcesOf = (candidate: Candidate | undefined): ReadonlyArray<SourcePart> =>
  (candidate?.groundingMetadata?.groundingChunks ?? []).flatMap<SourcePart>(
    ({ image, maps, retrievedContext, web }, i) => {
      const id = String(i)
      const page = web ?? maps ?? (image && { uri: image.sourceUri, title: image.title }) ?? retrievedContext
      const source = urlSource(id, page?.uri, page?.title)
      return source.length > 0 || retrievedContext === undefined ? source : [
        Response.DocumentSourcePart.make({
          id,
          mediaType: "text/plain",
          title: retrievedContext.title ?? "",
          metadata: {}
        })
      ]
    }
  )

// -----------------------------------------------------------------------------
// The end
// -----------------------------------------------------------------------------

export const finishOf = (candidate: Candidate | undefined, usage: Usage | undefined): Response.FinishPart => {
  const { content, continuationToken, finishMessage, finishReason } = candidate ?? {}
  const calls = content?.parts?.some((part) => part.functionCall !== undefined) === true
  const reason = finishReasons.get(finishReason?.toUpperCase() ?? "") ?? "other"
  return Response.makePart("finish", {
    // A call of a tool is a stop like any other to Gemini.
    reason: reason === "stop" && calls ? "tool-calls" : reason,
    usage: usageOf(usage),
    response: undefined,
    metadata: {
      gemini: {
        ...(finishMessage !== undefined && { finishMessage }),
        ...(continuationToken !== undefined && { continuationToken }),
        ...(usage !== undefined && audioOf(usage))
      }
    }
  })
}

// https://ai.google.dev/api/generate-content#FinishReason
const finishReasons = new Map<string, Response.FinishReason>([
  ["", "unknown"],
  ["FINISH_REASON_UNSPECIFIED", "unknown"],
  ["STOP", "stop"],
  ["MAX_TOKENS", "length"],
  ["CONTINUATION", "length"],
  ["SAFETY", "content-filter"],
  ["RECITATION", "content-filter"],
  ["BLOCKLIST", "content-filter"],
  ["PROHIBITED_CONTENT", "content-filter"],
  ["SPII", "content-filter"],
  ["IMAGE_SAFETY", "content-filter"],
  ["IMAGE_PROHIBITED_CONTENT", "content-filter"],
  ["IMAGE_RECITATION", "content-filter"],
  ["MALFORMED_FUNCTION_CALL", "error"],
  ["MALFORMED_RESPONSE", "error"],
  ["UNEXPECTED_TOOL_CALL", "error"],
  ["TOO_MANY_TOOL_CALLS", "error"],
  ["MISSING_THOUGHT_SIGNATURE", "error"]
])

// Cached tokens are part of the prompt's. What the provider's tools put into the prompt, and what was thought, is not part of
// any other number. A number that is not there is zero. https://ai.google.dev/api/generate-content#UsageMetadata
export const usageOf = (usage: Usage | undefined): Response.Usage => {
  if (usage === undefined || Object.keys(usage).length === 0) return { inputTokens: {}, outputTokens: {} }
  const {
    cachedContentTokenCount: cacheRead,
    candidatesTokenCount: text,
    promptTokenCount: prompt,
    thoughtsTokenCount: reasoning
  } = usage
  const output = {
    total: (text ?? 0) + (reasoning ?? 0),
    ...(reasoning !== undefined && { reasoning, text: text ?? 0 })
  }
  if (prompt === undefined) {
    return { inputTokens: {}, outputTokens: text === undefined && reasoning === undefined ? {} : output }
  }
  const total = prompt + (usage.toolUsePromptTokenCount ?? 0)
  return {
    inputTokens: { total, ...(cacheRead !== undefined && { cacheRead, uncached: Math.max(0, total - cacheRead) }) },
    outputTokens: output
  }
}

const audioOf = ({ candidatesTokensDetails = [], promptTokensDetails = [] }: Usage) => {
  const input = audioIn(promptTokensDetails)
  const output = audioIn(candidatesTokensDetails)
  return input + output > 0 ? { audioTokens: { input, output } } : {}
}

const audioIn = (details: NonNullable<Usage["promptTokensDetails"]>): number =>
  details.find(({ modality }) => modality === "AUDIO")?.tokenCount ?? 0
