/** Chat completions: https://platform.openai.com/docs/api-reference/chat. */
import * as Result from "effect/Result"
import type * as Simulator from "./options.ts"
import { toolParams } from "../chat/arguments.ts"
import { ChatBody, type ChatMessage } from "../openAi/schema.ts"
import { refuse, vendor } from "./openAi.ts"
import {
  event,
  type Generated,
  isSilent,
  nameOfCall,
  type Operation,
  pieces,
  promptOf,
  reader,
  type Reply,
  someObject,
  type Stamp,
  strict,
  textOf,
  tokensOf
} from "./wire.ts"

const messagesOfChat = (all: ReadonlyArray<typeof ChatMessage.Type>): ReadonlyArray<Simulator.Message> => {
  const messages: Array<Simulator.Message> = []
  for (const message of all) {
    const text = textOf(message.content)
    switch (message.role) {
      case "system":
      case "developer":
        messages.push({ role: "system", text })
        break
      case "user":
        messages.push({ role: "user", text })
        break
      case "assistant": {
        const toolCalls = (message.tool_calls ?? []).map(({ function: { arguments: written, name }, id }) => ({
          id,
          name,
          arguments: toolParams(written)
        }))
        messages.push({ role: "assistant", text, toolCalls })
        break
      }
      case "tool":
        messages.push({
          role: "tool",
          id: message.tool_call_id,
          name: nameOfCall(messages, message.tool_call_id),
          text
        })
    }
  }
  return messages
}

export const chat: Operation = {
  vendor,
  path: /\/chat\/completions$/,
  read: strict(
    ChatBody,
    reader(ChatBody, (body) => {
      const { messages: sent, response_format: format, stream_options: streamOptions, tool_choice: choice } = body
      const messages = messagesOfChat(sent)
      return Result.succeed({
        model: body.model,
        prompt: promptOf(messages),
        maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
        stream: body.stream === true,
        want: {
          _tag: "Generation",
          messages,
          tools: (body.tools ?? []).map(({ function: { description, name, parameters } }) => ({
            name,
            description,
            parameters: parameters ?? {}
          })),
          toolChoice: typeof choice === "object" ? { tool: choice.function.name } : choice ?? "auto",
          outputSchema: format?.type === "json_schema"
            ? format.json_schema.schema ?? someObject
            : format?.type === "json_object"
            ? someObject
            : undefined,
          write: (generated, stamp) =>
            body.stream === true
              ? chatEvents(body.model, generated, stamp, streamOptions?.include_usage === true)
              : { _tag: "Whole", body: chatCompletion(body.model, generated, stamp) }
        }
      })
    })
  )
}

const chatFinish = { stop: "stop", length: "length", toolCalls: "tool_calls" } as const

const chatUsage = (generated: Generated, { inputTokens }: Stamp) => {
  const { answer, reasoning } = tokensOf(generated)
  return {
    prompt_tokens: inputTokens,
    completion_tokens: answer + reasoning,
    total_tokens: inputTokens + answer + reasoning,
    ...(reasoning > 0 && { completion_tokens_details: { reasoning_tokens: reasoning } })
  }
}

const chatCompletion = (model: string, generated: Generated, stamp: Stamp) => ({
  id: `chatcmpl-${stamp.number}`,
  object: "chat.completion",
  created: Math.floor(stamp.createdMillis / 1000),
  model,
  choices: [{
    index: 0,
    message: {
      role: "assistant",
      content: isSilent(generated) ? null : generated.text,
      refusal: null,
      annotations: [],
      // OpenAI keeps the thoughts of its models to itself; this is how others who speak its protocol tell of them.
      ...(generated.reasoning !== "" && { reasoning_content: generated.reasoning }),
      ...(generated.toolCalls.length > 0 && {
        tool_calls: generated.toolCalls.map(({ arguments: params, id, name }) => ({
          id,
          type: "function",
          function: { name, arguments: JSON.stringify(params) }
        }))
      })
    },
    logprobs: null,
    finish_reason: chatFinish[generated.finish]
  }],
  usage: chatUsage(generated, stamp)
})

const chatEvents = (model: string, generated: Generated, stamp: Stamp, includeUsage: boolean): Reply => {
  const chunk = (choices: ReadonlyArray<unknown>, usage: unknown) =>
    event({
      id: `chatcmpl-${stamp.number}`,
      object: "chat.completion.chunk",
      created: Math.floor(stamp.createdMillis / 1000),
      model,
      choices,
      ...(includeUsage && { usage })
    })
  const say = (delta: object, finish: string | null = null) =>
    chunk([{ index: 0, delta, logprobs: null, finish_reason: finish }], null)
  const piece = (delta: object) => ({ text: say(delta), isPiece: true })
  const mark = (text: string) => ({ text, isPiece: false })
  return {
    _tag: "Events",
    events: [
      mark(say({ role: "assistant", content: isSilent(generated) ? null : "", refusal: null })),
      ...pieces(generated.reasoning).map((text) => piece({ reasoning_content: text })),
      ...pieces(generated.text).map((text) => piece({ content: text })),
      ...generated.toolCalls.flatMap(({ arguments: params, id, name }, index) => [
        mark(say({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] })),
        ...pieces(JSON.stringify(params)).map((text) =>
          piece({ tool_calls: [{ index, function: { arguments: text } }] })
        )
      ]),
      mark(say({}, chatFinish[generated.finish])),
      ...(includeUsage ? [mark(chunk([], chatUsage(generated, stamp)))] : [])
    ],
    end: "data: [DONE]\n\n",
    failure: event(refuse({ _tag: "ServerError" }).body)
  }
}
