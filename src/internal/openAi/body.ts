/** The body of a chat completion: the arguments of a call in the words of the wire. */
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import * as Effect from "effect/Effect"
import { type BackendErrorReason, Unsupported } from "../../Errors.ts"
import { describeOutput, functionTools, isOutputSchema } from "../chat/arguments.ts"
import { withCallIdsOfLength } from "./callIds.ts"
import { messagesOfPrompt } from "./prompt.ts"
import type { ChatBody, ChatRequest } from "./schema.ts"

type Payload = ChatRequest["Type"]

interface BodyOptions {
  /** Whether the model reasons before it answers. */
  readonly reasoning: boolean
  /** The length of the ids of tool calls, where the vendor prescribes it. */
  readonly callIdLength: number | undefined
}

export const toBody = Effect.fnUntraced(function*(
  provider: string,
  payload: Payload,
  { callIdLength, reasoning }: BodyOptions
): Effect.fn.Return<typeof ChatBody.Type, BackendErrorReason> {
  const { extra_body, max_tokens, messages, prompt, response_format, system, tool_choice, tools, ...fields } = payload
  if (reasoning) yield* refuseSampling(provider, payload)
  const conversation = prompt === undefined ? messages ?? [] : yield* messagesOfPrompt(provider, prompt)
  const messagesSent = system === undefined
    ? conversation
    : [{ role: "system" as const, content: system }, ...conversation]
  return {
    ...fields,
    messages: callIdLength === undefined ? messagesSent : withCallIdsOfLength(messagesSent, callIdLength),
    ...(max_tokens != null && (reasoning ? { max_completion_tokens: max_tokens } : { max_tokens })),
    ...(tools !== undefined && { tools: yield* functionTools(provider, tools) }),
    ...(tool_choice !== undefined && { tool_choice: toolChoiceOf(tool_choice) }),
    ...(response_format !== undefined && {
      response_format: isOutputSchema(response_format)
        ? yield* describeOutput(response_format, toCodecOpenAI)
        : response_format
    }),
    ...extra_body
  }
})

// https://platform.openai.com/docs/guides/reasoning: what chooses among words is fixed, unless the model does not reason.
const refuseSampling = (provider: string, payload: Payload): Effect.Effect<void, Unsupported> => {
  const neutral = { temperature: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0 }
  if (payload.reasoning_effort === "none") return Effect.void
  for (const name of ["temperature", "top_p", "presence_penalty", "frequency_penalty"] as const) {
    const value = payload[name] ?? neutral[name]
    if (value !== neutral[name]) {
      const feature = `${name}: ${value} with the reasoning model ${payload.model} (say reasoning: false if it is none)`
      return Effect.fail(new Unsupported({ provider, feature }))
    }
  }
  return Effect.void
}

const toolChoiceOf = (choice: NonNullable<Payload["tool_choice"]>) =>
  typeof choice === "object" && "tool" in choice
    ? { type: "function" as const, function: { name: choice.tool } }
    : choice
