/**
 * The arguments that every chat backend takes, whatever its wire, as fields for its request schema: a prompt or plain
 * messages, tools and the choice of them, and the format of the answer.
 */
import * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaGetter from "effect/SchemaGetter"
import type { NormalizedResponse, Part } from "../../Calling.ts"
import { Unsupported } from "../../Errors.ts"
import { parseJson } from "../http/failure.ts"
import { isTooDeep, tooDeep } from "../util/depth.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { unsendable } from "../errors/neverSent.ts"
import { wellFormedJson } from "../http/jsonBody.ts"
import { jsonPieces } from "./jsonPieces.ts"

/** A field of a wire that may be `null`. */
export const nullable = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))

/**
 * A count of tokens that a provider reports. More than all contexts of a long loop of tools is not believed, nor less than none:
 * both would distort limits and budgets.
 */
export const TokenCount = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 }))

export const JsonObject = Schema.Record(Schema.String, Schema.Unknown)

// -----------------------------------------------------------------------------
// Prompts and messages
// -----------------------------------------------------------------------------

export const isRawPrompt = (u: unknown): u is Prompt.RawInput =>
  typeof u === "string" || Prompt.isPrompt(u) || isMessages(u)

const decodeMessages = Schema.decodeUnknownOption(Schema.NonEmptyArray(Prompt.Message))

const isMessages = (u: unknown): boolean => Predicate.isIterable(u) && Option.isSome(decodeMessages([...u]))

/** The field `prompt`. */
export const RawPrompt = Schema.declare(isRawPrompt, { expected: "a text or an effect/ai Prompt" })

/** A check of a request schema: there is either a `prompt` or `messages`. */
export const promptOrMessages = Schema.makeFilter((
  { messages, prompt }: { readonly messages?: unknown; readonly prompt?: unknown }
) =>
  messages === undefined && prompt === undefined
    ? { path: ["messages"], issue: "Give messages, or a prompt" }
    : messages !== undefined && prompt !== undefined
    ? { path: ["prompt"], issue: "Give either a prompt or messages, not both" }
    : undefined
)

/** The field `system`: instructions that precede the prompt or the messages. */
export const SystemPrompt = Schema.optional(Schema.String)

/** A check of a request schema: the system prompt is given in one place only. */
export const systemOnce = Schema.makeFilter((
  { messages, prompt, system }: { readonly messages?: unknown; readonly prompt?: unknown; readonly system?: unknown }
) =>
  system !== undefined && (beginsWithSystem(messages) || beginsWithSystem(prompt))
    ? { path: ["system"], issue: "Give either system or a system message at the beginning, not both" }
    : undefined
)

const beginsWithSystem = (messages: unknown): boolean => {
  const first: unknown = Prompt.isPrompt(messages)
    ? messages.content[0]
    : Array.isArray(messages)
    ? messages[0]
    : undefined
  return Predicate.hasProperty(first, "role") && (first.role === "system" || first.role === "developer")
}

/** The result of a tool as text for the model: the content made for it, or the result itself. */
export const resultText = (
  { modelOutput, result }: Prompt.ToolResultPart
): Effect.Effect<string, AiError.InvalidRequestError> =>
  modelOutput !== undefined
    ? Effect.succeed(Prompt.toolModelOutputToText(modelOutput))
    : textOrJson(result ?? null)

/**
 * The parameters of a call that is replayed: always an object. Models write malformed parameters, and providers refuse a
 * history that holds them; the result of that call describes the mistake to the model.
 */
export const paramsObject = ({ params }: Pick<Prompt.ToolCallPart, "params">): Readonly<Record<string, unknown>> => {
  const value = typeof params === "string" ? toolParams(params) : params
  return Predicate.isObject(value) ? value : {}
}

/** The parameters of a call that is replayed, as JSON. */
export const paramsText = (part: Prompt.ToolCallPart): Effect.Effect<string, AiError.InvalidRequestError> =>
  textOrJson(paramsObject(part))

const textOrJson = (value: unknown): Effect.Effect<string, AiError.InvalidRequestError> =>
  typeof value === "string" ? Effect.succeed(value) : Effect.try({
    try: () => wellFormedJson(value),
    catch: (error) => unsendable("prompt", String(error))
  })

// -----------------------------------------------------------------------------
// Tools
// -----------------------------------------------------------------------------

/** A tool that the caller runs, in the form of OpenAI's chat wire, which every chat backend understands. */
export const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  function: Schema.Struct({
    name: Schema.String,
    description: Schema.optional(Schema.String),
    parameters: Schema.optional(JsonObject),
    strict: nullable(Schema.Boolean)
  })
})

/** A tool that the provider runs. */
export const ProviderTool = Schema.Struct({
  type: Schema.Literal("provider"),
  /** For example `"anthropic.web_search_20250305"`. */
  id: Schema.String,
  /** What the provider calls it. */
  name: Schema.String,
  args: Schema.Unknown
})

export const isTool = (u: unknown): u is Tool.Any => Predicate.hasProperty(u, Tool.TypeId)

/** The description of a tool for a model. */
export const describeTool = (tool: Tool.Any): typeof FunctionTool.Type | typeof ProviderTool.Type => {
  if (Tool.isProviderDefined(tool)) return { type: "provider", id: tool.id, name: tool.providerName, args: tool.args }
  const description = Tool.getDescription(tool)
  const strict = Tool.getStrictMode(tool)
  return {
    type: "function",
    function: {
      name: tool.name,
      ...(description !== undefined && { description }),
      parameters: Tool.getJsonSchema(tool),
      ...(strict !== undefined && { strict })
    }
  }
}

/** One of the `tools`: a `Tool` of `effect/ai`, decoded into its description, or that description itself. */
export const NeutralTool = Schema.Union([
  Schema.declare(isTool, { expected: "a Tool of effect/ai" }).pipe(
    Schema.decodeTo(Schema.Union([FunctionTool, ProviderTool]), {
      decode: SchemaGetter.transform(describeTool),
      encode: SchemaGetter.forbidden(() => "A description of a tool is no tool")
    })
  ),
  FunctionTool
])

/** The tools of a wire that has none of the provider's. */
export const functionTools = (
  provider: string,
  tools: ReadonlyArray<typeof NeutralTool.Type>
): Effect.Effect<ReadonlyArray<typeof FunctionTool.Type>, Unsupported> =>
  Effect.forEach(tools, (tool) =>
    tool.type === "function"
      ? Effect.succeed(tool)
      : Effect.fail(new Unsupported({ provider, feature: `tools: the provider's tool ${tool.id}` })))

/** The `tool_choice` in the words of `effect/ai`. */
export const NeutralToolChoice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  Schema.Struct({ tool: Schema.String })
])

// -----------------------------------------------------------------------------
// The format of the answer
// -----------------------------------------------------------------------------

/** A schema for the answer, decoded and encoded without services. */
export interface OutputSchema extends Schema.ConstraintCodec<unknown, unknown> {}

export const isOutputSchema = (u: unknown): u is OutputSchema => Schema.isSchema(u)

/** The `response_format` as a schema: the answer is JSON, and decoded by it into the `value` of the response. */
export const OutputFormat = Schema.declare(isOutputSchema, { expected: "a Schema" })

/** The `response_format` as JSON schema, in the form of OpenAI's chat wire, which every chat backend understands. */
export const JsonSchemaFormat = Schema.Struct({
  type: Schema.Literal("json_schema"),
  json_schema: Schema.Struct({
    name: Schema.String,
    description: Schema.optional(Schema.String),
    schema: Schema.optional(JsonObject),
    strict: nullable(Schema.Boolean)
  })
})

/** A schema for the answer as its provider understands it. */
export const describeOutput = (
  format: OutputSchema,
  transformer: LanguageModel.CodecTransformer
): Effect.Effect<typeof JsonSchemaFormat.Type, AiError.InvalidRequestError> =>
  Effect.try({
    try: () => ({
      type: "json_schema" as const,
      json_schema: {
        name: SchemaAST.resolveIdentifier(format.ast)?.replace(/[^\w-]/g, "_") ?? "output",
        schema: transformer(format).jsonSchema,
        strict: true
      }
    }),
    catch: (error) => unsendable("response_format", notDescribed(error))
  })

/** The part of a schema that a dialect cannot express; that of OpenAI has only objects at the root. */
const notDescribed = (error: unknown): string => {
  const message = error instanceof Error ? error.message : String(error)
  return message.includes("Root JSON Schema") ? `${message}. Make it a field of a Schema.Struct` : message
}

/** What the text of an answer decodes to. */
export const decodeOutput = <A>(
  format: Schema.ConstraintCodec<A, unknown>,
  transformer: LanguageModel.CodecTransformer,
  text: string
): Effect.Effect<A, AiError.InvalidOutputError> => {
  if (Option.exists(parseJson(text), isTooDeep)) {
    return Effect.fail(new AiError.InvalidOutputError({ description: `The JSON of the answer is ${tooDeep}` }))
  }
  const decode = Schema.decodeResult(Schema.fromJsonString(transformer(format).codec))
  const decoded = Result.orElse(decode(text), (failure) => onlyPiece(text, decode) ?? Result.fail(failure))
  if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
  const { message, path } = describeIssue(decoded.failure)
  return Effect.fail(
    new AiError.InvalidOutputError({ description: path === "" ? message : `${path}: ${message}` })
  )
}

/** What one piece of a text decodes to, if it is the only one that does. */
const onlyPiece = <A, E>(
  text: string,
  decode: (piece: string) => Result.Result<A, E>
): Result.Result<A, E> | undefined => {
  const [only, ...others] = jsonPieces(withoutThoughts(text)).map(decode).filter(Result.isSuccess)
  return others.length === 0 ? only : undefined
}

// Servers that do not know the template of a model leave its thoughts in the text, and their first tag may be in the prompt.
const withoutThoughts = (text: string): string => text.replace(/^.*?<\/think>/s, "")

// -----------------------------------------------------------------------------
// Answers
// -----------------------------------------------------------------------------

/** What a chat answer is in the normal shape: its parts, the model that gave it, and its value where there is to be one. */
export const normalizeChat = (
  content: ReadonlyArray<Part>,
  model: string | undefined,
  format: unknown,
  transformer: LanguageModel.CodecTransformer
): Effect.Effect<Partial<Pick<NormalizedResponse, "content" | "metadata" | "value">>, AiError.InvalidOutputError> => {
  const normalized = { content, metadata: { ...(model !== undefined && { model }) } }
  // A model that calls tools has not answered yet.
  if (!isOutputSchema(format) || content.some((part) => part.type === "tool-call" && !part.providerExecuted)) {
    return Effect.succeed(normalized)
  }
  let text = ""
  for (const part of content) if (part.type === "text") text += part.text
  const finish = content.findLast((part) => part.type === "finish")
  return Effect.map(decodeAnswer(format, transformer, text, finish), (value) => ({ ...normalized, value }))
}

/** The end of an answer, as far as it is known. */
type Finish = Pick<Response.FinishPart, "usage" | "reason" | "metadata">

/**
 * What the text of a whole answer decodes to. The error has the text and the usage of the answer, and whether the model may do
 * better when it is asked again: not where it refused, or was cut.
 */
export const decodeAnswer = <A>(
  format: Schema.ConstraintCodec<A, unknown>,
  transformer: LanguageModel.CodecTransformer,
  text: string,
  finish: Finish | undefined
): Effect.Effect<A, AiError.InvalidOutputError> =>
  Effect.mapError(decodeOutput(format, transformer, text), ({ description }) => {
    const why = withoutOutput(finish)
    return new AiError.InvalidOutputError({
      description: why === undefined ? description : `${why} (${description})`,
      metadata: { imodel: { text, isRepairable: why === undefined } },
      usage: { promptTokens: whole(finish?.usage.inputTokens), completionTokens: whole(finish?.usage.outputTokens) }
    })
  })

const whole = (tokens: { readonly total?: number | undefined } | undefined): number | undefined =>
  Number.isSafeInteger(tokens?.total) ? tokens?.total : undefined

/** Why an answer lacks the requested output, if its finish shows it. */
const withoutOutput = (finish: Finish | undefined): string | undefined => {
  const metadata = Object.values(finish?.metadata ?? {})
  const refusal = metadata.map((own) => Predicate.hasProperty(own, "refusal") && own.refusal).find(Predicate.isString)
  if (refusal !== undefined) return `The model has refused: ${refusal}`
  if (finish?.reason === "length") return "The answer has reached its token limit"
  return finish?.reason === "content-filter" ? "The answer was refused or filtered" : undefined
}

/**
 * The arguments of a tool: decoded from the JSON that the model wrote, or as they are when it is none. Without arguments, or with
 * `null` for them, they are an empty object. Some servers send an object in place of its JSON, or encode the JSON twice, or
 * put an empty object before it.
 */
export const toolParams = (written: unknown): unknown => {
  if (written == null) return {}
  if (typeof written !== "string") return written
  if (written.trim() === "") return {}
  const parsed = Option.orElse(parseJson(written), () => parseJson(written.replace(/^\{\}(?=\s*\{)/, "")))
  if (Option.isNone(parsed) || isTooDeep(parsed.value)) return written
  const { value } = parsed
  if (typeof value !== "string") return value ?? {}
  const inner = toolParams(value)
  return Predicate.isObject(inner) ? inner : value
}
