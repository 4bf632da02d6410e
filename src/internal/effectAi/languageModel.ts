/**
 * A model as a `LanguageModel` of Effect AI.
 *
 * What the answer is to satisfy reaches the backend as a schema of the plain JSON that the caller's own schema decodes. Each
 * backend says it in the dialect of its provider, and reads what comes in it; the text that is handed on is that JSON again. So
 * Effect AI decodes the same whoever answered, and services that its schema needs are its own affair.
 */
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import { CurrentSpanTransformer } from "effect/ai/Telemetry"
import * as Tool from "effect/ai/Tool"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import type { Part, StreamPart } from "../../Calling.ts"
import type { ChatArguments } from "../../ServiceBackend.ts"
import { CallArguments } from "../executor/references.ts"
import { type Answerer, continuing } from "./continuing.ts"
import { toAiError } from "./errors.ts"
import { withUsage } from "./parts.ts"

export const makeLanguageModel = (answerer: Answerer): Effect.Effect<LanguageModel.LanguageModel> => {
  const model = continuing(answerer)
  return LanguageModel.make({
    codecTransformer: (schema) => LanguageModel.defaultCodecTransformer(Schema.toCodecJson(schema)),
    generateText: Effect.fnUntraced(function*(options) {
      const names = new Tool.NameMapper(options.tools)
      const response = yield* model.respond(yield* argumentsOf(options, names)).pipe(
        Effect.mapError(toAiError("generateText")),
        Effect.updateContext(withoutTransformer)
      )
      const content = response.content.map((part) => encodable(part, names))
      return yield* encodeParts(
        options.responseFormat.type === "json" && response.value !== undefined
          ? withJson(content, response.value)
          : content
      )
    }, Effect.catchTag("SchemaError", (error) => unencodable("generateText", error))),
    streamText: (options) => {
      const names = new Tool.NameMapper(options.tools)
      return Stream.unwrap(
        Effect.map(argumentsOf(options, names), (args) => Stream.mapError(model.stream(args), toAiError("streamText")))
      ).pipe(
        Stream.updateContext(withoutTransformer),
        Stream.mapArrayEffect(([first, ...rest]) =>
          encodeStreamParts([encodable(first, names), ...rest.map((part) => encodable(part, names))])
        ),
        Stream.catchTag("SchemaError", (error) => Stream.fromEffect(unencodable("streamText", error))),
        // Of a stream, unlike of a text, Effect AI leaves it to us.
        Stream.provideService(Tracer.ParentSpan, options.span)
      )
    }
  })
}

// Effect AI tells it of this call when it is over. Who answers may be written in Effect AI too, and would tell it once more.
const withoutTransformer = (context: Context.Context<never>) => Context.omit(CurrentSpanTransformer)(context)

// -----------------------------------------------------------------------------
// What is asked
// -----------------------------------------------------------------------------

const argumentsOf = Effect.fnUntraced(function*(
  { prompt, responseFormat, toolChoice, tools }: LanguageModel.ProviderOptions,
  names: Names
): Effect.fn.Return<ChatArguments, AiError.AiError> {
  return {
    ...yield* CallArguments,
    prompt: withProviderNames(prompt, names),
    // Effect AI has left out already the tools that may not be called.
    ...(tools.length > 0 && {
      tools,
      tool_choice: typeof toolChoice === "object" && "oneOf" in toolChoice ? toolChoice.mode ?? "auto" : toolChoice
    }),
    ...(responseFormat.type === "json" && { response_format: yield* jsonOf(responseFormat) })
  }
})

const jsonOf = ({ objectName, schema }: Extract<LanguageModel.ProviderOptions["responseFormat"], { type: "json" }>) =>
  Effect.try({
    try: () => Schema.toEncoded(Schema.toCodecJson(schema)).annotate({ identifier: objectName }),
    catch: (error) =>
      AiError.make({
        module: "iModel",
        method: "generateObject",
        reason: new AiError.UnsupportedSchemaError({ description: String(error) })
      })
  })

// -----------------------------------------------------------------------------
// What is answered
// -----------------------------------------------------------------------------

const encodeParts = Schema.encodeEffect(Schema.mutable(Schema.Array(Response.Part())))
const encodeStreamParts = Schema.encodeEffect(Schema.NonEmptyArray(Response.StreamPart()))

const unencodable = (method: string, error: Schema.SchemaError) =>
  Effect.fail(AiError.make({ module: "iModel", method, reason: AiError.InvalidOutputError.fromSchemaError(error) }))

/** A part that the schemas of Effect AI encode. Its tool has the name that its user gave it. */
const encodable = <P extends Part | StreamPart>(part: P, names: Names): P =>
  part.type === "tool-call" || part.type === "tool-params-start" || part.type === "tool-result"
    ? { ...part, name: names.getCustomName(part.name) }
    : withUsage(part)

/** The value is the first text, and there is no other. */
const withJson = (content: ReadonlyArray<Part>, value: unknown): Array<Part> => {
  const at = Math.max(0, content.findIndex((part) => part.type === "text"))
  const text = Response.makePart("text", { text: JSON.stringify(value), metadata: content[at]?.metadata })
  const others: ReadonlyArray<Part> = content.filter((part) => part.type !== "text")
  return others.toSpliced(at, 0, text)
}

// -----------------------------------------------------------------------------
// Tools that the provider defines: it has a name for them, and who uses them has another
// -----------------------------------------------------------------------------

type Names = Tool.NameMapper<ReadonlyArray<Tool.Any>>

const withProviderNames = (prompt: Prompt.Prompt, names: Names): Prompt.Prompt => {
  if (names.customNames.length === 0) return prompt
  const renamed = <P extends Prompt.AssistantMessagePart | Prompt.ToolMessagePart>(part: P): P =>
    part.type === "tool-call" || part.type === "tool-result"
      ? { ...part, name: names.getProviderName(part.name) }
      : part
  return Prompt.fromMessages(prompt.content.map((message) => {
    switch (message.role) {
      case "assistant":
        return { ...message, content: message.content.map(renamed) }
      case "tool":
        return { ...message, content: message.content.map(renamed) }
      default:
        return message
    }
  }))
}
