/** The body of a request: the arguments of a call in the words of the wire. */
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { type BackendErrorReason, Unsupported } from "../../../Errors.ts"
import { describeOutput, isOutputSchema } from "../../chat/arguments.ts"
import { promptOfMessages } from "../../chat/schema.ts"
import { describeIssue } from "../../util/schemaIssue.ts"
import { unsendable } from "../../errors/neverSent.ts"
import { type Item, itemsOfPrompt } from "./prompt.ts"
import { isTemplate, type ResponseRequest } from "./schema.ts"
import { Tool } from "./tools.ts"

type Payload = ResponseRequest["Type"]

/** The body of a call that is answered as a whole. */
export const toBody = (provider: string, { stream_options: _options, ...payload }: Payload) => bodyOf(provider, payload)

/** The body of a call that is streamed. */
export const toStreamedBody = (provider: string, payload: Payload) =>
  // A background response continues after its stream was interrupted.
  payload.background === true
    ? Effect.fail(new Unsupported({ provider, feature: "background, in a stream" }))
    : Effect.map(bodyOf(provider, payload), (body) => ({ ...body, stream: true }))

const bodyOf = Effect.fnUntraced(function*(
  provider: string,
  { max_tokens, messages, prompt, response_format, stop, system, text, tool_choice, tools, ...fields }: Payload
) {
  if (stop != null) return yield* new Unsupported({ provider, feature: "stop" })
  return {
    ...fields,
    ...(system !== undefined && { instructions: system }),
    ...(messages !== undefined && { input: yield* itemsOfPrompt(provider, promptOfMessages(messages)) }),
    ...(prompt != null && (isTemplate(prompt) ? { prompt } : { input: yield* inputOf(provider, prompt) })),
    ...(max_tokens != null && { max_output_tokens: max_tokens }),
    ...(text !== undefined && { text }),
    ...(response_format !== undefined && { text: { ...text, format: yield* formatOf(response_format) } }),
    ...(tools !== undefined && { tools: yield* Effect.forEach(tools, (tool) => toolOf(provider, tool)) }),
    ...(tool_choice !== undefined && { tool_choice: choiceOf(tool_choice) })
  }
})

const inputOf = (
  provider: string,
  prompt: Prompt.RawInput
): Effect.Effect<string | ReadonlyArray<Item>, BackendErrorReason> =>
  typeof prompt === "string" ? Effect.succeed(prompt) : itemsOfPrompt(provider, prompt)

const formatOf = Effect.fnUntraced(function*(format: NonNullable<Payload["response_format"]>) {
  const { json_schema, type } = isOutputSchema(format) ? yield* describeOutput(format, toCodecOpenAI) : format
  return { type, schema: {}, ...json_schema }
})

const toolOf = (
  provider: string,
  tool: NonNullable<Payload["tools"]>[number]
): Effect.Effect<typeof Tool.Type, BackendErrorReason> => {
  // Unlike chat completions, responses take a function for strict by default.
  // https://platform.openai.com/docs/guides/migrate-to-responses
  if ("function" in tool) {
    const { function: { parameters = null, strict = false, ...rest }, type } = tool
    return Effect.succeed({ type, ...rest, parameters, strict })
  }
  if (tool.type !== "provider") return Effect.succeed(tool)
  if (!tool.id.startsWith("openai.")) {
    return Effect.fail(new Unsupported({ provider, feature: `tools: the provider's tool ${tool.id}` }))
  }
  return Effect.mapError(decodeTool({ type: tool.name, ...(Predicate.isObject(tool.args) && tool.args) }), (error) => {
    const { message, path } = describeIssue(error)
    const description = `${tool.id}: ${path === "" ? message : `${path}: ${message}`}`
    return unsendable("tools", description)
  })
}

const decodeTool = Schema.decodeUnknownEffect(Tool, { onExcessProperty: "error" })

const choiceOf = (choice: NonNullable<Payload["tool_choice"]>) =>
  typeof choice === "object" && "tool" in choice ? { type: "function" as const, name: choice.tool } : choice
