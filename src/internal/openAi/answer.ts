/** A chat completion as the parts of an answer. */
import * as AiError from "effect/ai/AiError"
import * as Response from "effect/ai/Response"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Part } from "../../Calling.ts"
import { type CallIds, callIdsOfPrompt, uniqueCallIds } from "../chat/callIds.ts"
import { toolParams } from "../chat/arguments.ts"
import { urlSource } from "../chat/partWriter.ts"
import { finishReasonOf } from "./finishReasons.ts"
import { type Content, readContent } from "./messageContent.ts"
import type { ChatChunk, ChatCompletion, ChatRequest } from "./schema.ts"
import { type CallExtras, callExtrasOf, type MessageExtras, messageExtrasOf, type ReasoningField } from "./sentBack.ts"
import { reportedUsage, type Usage, usageOf } from "./usage.ts"

type Completion = typeof ChatCompletion.Type
type Choice = Completion["choices"][number]
type Message = Choice["message"]
type ToolCall = NonNullable<Message["tool_calls"]>[number]
type Annotations = NonNullable<Message["annotations"]>

/** The arguments of a call that its answer depends on. */
export type Asked = Pick<ChatRequest["Type"], "messages" | "n" | "prompt">

export const contentOf = (
  provider: string,
  data: Completion,
  asked: Asked
): Effect.Effect<ReadonlyArray<Part>, AiError.InvalidResponseError> => {
  const content: Array<Part> = [metadataOf(data)]
  const [choice] = data.choices
  const calls = callsOf(data.choices, asked)
  if (calls.some(isNameless)) {
    return Effect.fail(new AiError.InvalidResponseError({ description: "a call of a tool has no name" }))
  }
  if (choice !== undefined) {
    const { message } = choice
    const { metadata, text: thoughts } = reasoningOf(message, message.content_parts)
    if (thoughts !== "") content.push(Response.makePart("reasoning", { text: thoughts, metadata }))
    const extras = extrasMetadata(message)
    if (extras !== undefined) content.push(Response.makePart("reasoning", { text: "", metadata: extras }))
    const { text } = readContent(message.content)
    if (text !== "") content.push(Response.makePart("text", { text }))
    content.push(...sourcesOf(message.annotations ?? [], 0))
  }
  const idOf = callIdsFor(provider, asked)
  for (const call of calls) {
    const callId = idOf(call.id)
    content.push(Response.makePart("tool-call", {
      id: callId.id,
      name: call.function.name ?? "",
      params: toolParams(call.function.arguments),
      providerExecuted: false,
      metadata: { ...callMetadata(call), ...callId.metadata }
    }))
  }
  content.push(finishOf(data.choices, reportedUsage(data)))
  return Effect.succeed(content)
}

/** Whether all choices are one answer, and not alternatives: then some servers put each call of a tool into a choice of its own. */
export const isOneAnswer = ({ n }: Asked): boolean => n == null || n === 1

const callsOf = (choices: ReadonlyArray<Choice>, asked: Asked): ReadonlyArray<ToolCall> =>
  choices.slice(0, isOneAnswer(asked) ? undefined : 1).flatMap(({ message: { function_call, tool_calls } }) =>
    tool_calls != null && tool_calls.length > 0
      ? tool_calls.filter((call) => !isEmptyCall(call))
      : function_call == null
      ? []
      : [{ function: function_call }]
  )

/** A placeholder. */
const isEmptyCall = ({ function: { arguments: written, name } }: ToolCall): boolean => !name && !written

const isNameless = ({ function: { name } }: ToolCall): boolean => !name

/** Makes the ids of the calls. Those of the conversation until now are taken. */
export const callIdsFor = (provider: string, { messages, prompt }: Asked): CallIds =>
  uniqueCallIds(provider, () => [
    ...callIdsOfPrompt(prompt),
    ...(messages ?? []).flatMap((message) =>
      message.role === "assistant" ? (message.tool_calls ?? []).map(({ id }) => id) : []
    )
  ])

/** The model's thinking, and the field that it came in, in which it is to be sent back. */
export const reasoningOf = (
  { reasoning, reasoning_content }: Pick<Message, "reasoning" | "reasoning_content">,
  content: Content | null | undefined
): {
  readonly text: string
  /** `undefined` for thoughts among the content. */
  readonly reasoningField: ReasoningField | undefined
  readonly metadata: Response.ProviderMetadata
} => {
  const reasoningField: ReasoningField | undefined = reasoning_content
    ? "reasoning_content"
    : reasoning
    ? "reasoning"
    : undefined
  const text = reasoning_content || reasoning || (typeof content === "string" ? "" : readContent(content).thoughts)
  return { text, reasoningField, metadata: { openai: reasoningField === undefined ? {} : { reasoningField } } }
}

/** The metadata of a thought without words, which carries what a message must be sent back with. */
export const extrasMetadata = (message: MessageExtras): Response.ProviderMetadata | undefined => {
  const extras = messageExtrasOf(message)
  return extras && { openai: { message: extras } }
}

export const callMetadata = (call: CallExtras): Response.ProviderMetadata => {
  const extras = callExtrasOf(call)
  return extras === undefined ? {} : { openai: { call: extras } }
}

export const metadataOf = (data: Completion | typeof ChatChunk.Type): Response.ResponseMetadataPart =>
  Response.makePart("response-metadata", {
    id: data.id ?? undefined,
    modelId: data.model ?? undefined,
    timestamp: data.created == null
      ? undefined
      : Option.getOrUndefined(DateTime.make(data.created * 1000))
  })

/** Sources, numbered from `first` on. */
export const sourcesOf = (annotations: Annotations, first: number): ReadonlyArray<Response.UrlSourcePart> =>
  annotations.flatMap(({ url_citation }, i) => urlSource(String(first + i), url_citation?.url, url_citation?.title))

export const finishOf = (choices: ReadonlyArray<Choice>, usage: Usage | undefined): Response.FinishPart => {
  const refusal = choices[0]?.message.refusal
  return Response.makePart("finish", {
    reason: finishReasonOf(choices[0]?.finish_reason),
    usage: usageOf(usage),
    response: undefined,
    metadata: { openai: { ...(usage !== undefined && audioOf(usage)), ...(refusal != null && { refusal }) } }
  })
}

const audioOf = (usage: Usage) => {
  const input = usage.prompt_tokens_details?.audio_tokens ?? 0
  const output = usage.completion_tokens_details?.audio_tokens ?? 0
  return input + output > 0 ? { audioTokens: { input, output } } : {}
}
