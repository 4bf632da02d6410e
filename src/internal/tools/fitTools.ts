/** Tools in the words of a wire: names and schemas that it takes. What is answered has the names again that the caller knows. */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Part, StreamPart } from "../../Calling.ts"
import type * as Endpoint from "../../Endpoint.ts"
import { Unsupported } from "../../Errors.ts"
import type { RequestSchema } from "../../ServiceBackend.ts"
import type { FunctionTool } from "../chat/arguments.ts"
import { callsOfMessages, renameInMessages } from "../chat/schema.ts"
import { namesInPrompt, renameInPrompt, type ToolNames, toolNames } from "./toolNames.ts"
import { type Dialect, fitSchema } from "./toolSchema.ts"

/** The arguments of a call that may mention tools. */
interface Mentioning extends Readonly<Record<string, unknown>> {
  readonly messages?: ReadonlyArray<object> | undefined
  readonly prompt?: unknown
  readonly tools?: ReadonlyArray<object> | undefined
  readonly tool_choice?: unknown
}

interface MentioningRequest extends RequestSchema {
  readonly Type: Mentioning
}

/** The options of a chat endpoint, so that its tools are sent in a dialect. */
export const withFittingTools = <Request extends MentioningRequest, Answer extends Endpoint.ResponseSchema>(
  dialect: Dialect,
  options: Endpoint.Options<Request, Answer>
): Endpoint.Options<Request, Answer> => {
  const { body, normalize, provider, stream } = options
  const fitting =
    (bodyOf: (payload: Request["Type"]) => ReturnType<NonNullable<typeof body>>) => (payload: Request["Type"]) =>
      Effect.flatMap(fit(provider, dialect, payload), bodyOf)
  return {
    ...options,
    body: body && fitting(body),
    normalize: normalize && ((data, payload) =>
      Effect.map(normalize(data, payload), ({ content, ...fields }) => ({
        ...fields,
        ...(content !== undefined && { content: renamed(content, namesOf(payload)) })
      }))),
    stream: stream && {
      ...stream,
      body: stream.body && fitting(stream.body),
      decoder: (payload) => renaming(stream.decoder(payload), namesOf(payload))
    }
  }
}

const isFunctionTool = (tool: object): tool is typeof FunctionTool.Type =>
  Predicate.hasProperty(tool, "function") && Predicate.isObject(tool.function)

const isChoice = (choice: unknown): choice is { readonly tool: string } =>
  Predicate.hasProperty(choice, "tool") && typeof choice.tool === "string"

const isConversation = (prompt: unknown): prompt is Exclude<Prompt.RawInput, string> =>
  Prompt.isPrompt(prompt) || (Predicate.isIterable(prompt) && typeof prompt !== "string")

const namesOf = ({ messages, prompt, tools = [] }: Mentioning): ToolNames | undefined =>
  toolNames([
    ...tools.flatMap((tool) => isFunctionTool(tool) ? [tool.function.name] : []),
    ...callsOfMessages(messages).map((call) => call.function.name),
    ...(isConversation(prompt) ? namesInPrompt(Prompt.make(prompt)) : [])
  ])

const fit = Effect.fnUntraced(function*<Payload extends Mentioning>(
  provider: string,
  dialect: Dialect,
  payload: Payload
): Effect.fn.Return<Payload, Unsupported> {
  const { messages, prompt, tool_choice: choice, tools } = payload
  const names = namesOf(payload)
  return {
    ...payload,
    ...(tools !== undefined && {
      tools: yield* Effect.forEach(
        tools,
        (tool) => isFunctionTool(tool) ? fitTool(provider, dialect, tool, names) : Effect.succeed(tool)
      )
    }),
    ...(names !== undefined && isChoice(choice) && { tool_choice: { ...choice, tool: names.sent(choice.tool) } }),
    ...(names !== undefined && messages !== undefined && { messages: renameInMessages(messages, names.sent) }),
    ...(names !== undefined && isConversation(prompt) && { prompt: renameInPrompt(Prompt.make(prompt), names.sent) })
  }
})

const fitTool = (
  provider: string,
  dialect: Dialect,
  tool: typeof FunctionTool.Type,
  names: ToolNames | undefined
): Effect.Effect<typeof FunctionTool.Type, Unsupported> => {
  const { name, parameters } = tool.function
  const fitted = fitSchema(parameters, dialect)
  return "misfit" in fitted
    ? Effect.fail(new Unsupported({ provider, feature: `tools: ${fitted.misfit} of the tool ${name}` }))
    : Effect.succeed({
      ...tool,
      function: { ...tool.function, name: names?.sent(name) ?? name, parameters: fitted.schema }
    })
}

const renamed = <P extends Part | StreamPart>(
  parts: ReadonlyArray<P>,
  names: ToolNames | undefined
): ReadonlyArray<P> =>
  names === undefined ?
    parts :
    parts.map((part) =>
      part.type === "tool-call" || part.type === "tool-params-start" || part.type === "tool-result"
        ? { ...part, name: names.own(part.name) }
        : part
    )

const renaming = <Data>(decoder: Endpoint.Decoder<Data>, names: ToolNames | undefined): Endpoint.Decoder<Data> =>
  names === undefined ? decoder : {
    ...decoder,
    push: (data, event) => Result.map(decoder.push(data, event), (parts) => renamed(parts, names)),
    end: (isBroken) => {
      const end = decoder.end(isBroken)
      return end && { ...end, parts: renamed(end.parts, names) }
    }
  }
