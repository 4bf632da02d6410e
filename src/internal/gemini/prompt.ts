/** An `effect/ai` prompt as contents. What the wire cannot carry is refused. */
import type * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type BackendErrorReason, Unsupported } from "../../Errors.ts"
import { withOwnCallIds } from "../chat/callIds.ts"
import { paramsObject } from "../chat/arguments.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { withoutForeign } from "../chat/origin.ts"
import { unsendable } from "../errors/neverSent.ts"
import { codeExecution } from "./answer.ts"
import { type Content as ContentSchema, Part as PartSchema, PartOptions } from "./content.ts"

type Content = typeof ContentSchema.Type
type Part = typeof PartSchema.Type
type FunctionResponse = NonNullable<Part["functionResponse"]>

interface Conversation {
  readonly contents: ReadonlyArray<Content>
  /** What the system messages say, wherever they stand. */
  readonly systemInstruction: Content | undefined
}

export const conversationOf = Effect.fnUntraced(function*(
  provider: string,
  input: Prompt.RawInput
): Effect.fn.Return<Conversation, BackendErrorReason> {
  const system: Array<Part> = []
  const contents: Array<Content> = []
  let previous: Prompt.Message["role"] | undefined
  for (const message of withOwnCallIds(withoutForeign(input, "gemini"), provider).content) {
    if (message.role === "system") {
      system.push({ text: message.content })
      continue
    }
    const parts: Array<Part> = []
    for (const part of message.content) parts.push(yield* partOf(provider, message.role, part))
    const last = contents.at(-1)
    // The results of calls that were made together must come together.
    if (message.role === "tool" && previous === "tool" && last !== undefined) {
      contents[contents.length - 1] = { ...last, parts: [...last.parts, ...parts] }
    } else contents.push({ role: message.role === "assistant" ? "model" : "user", parts })
    previous = message.role
  }
  // The official SDK, too, gives the instruction a role, which is not looked at.
  return { contents, systemInstruction: system.length > 0 ? { role: "user", parts: system } : undefined }
})

const partOf = Effect.fnUntraced(function*(
  provider: string,
  role: "user" | "assistant" | "tool",
  part: Prompt.Part
): Effect.fn.Return<Part, BackendErrorReason> {
  const extras = yield* optionsOf(part)
  switch (part.type) {
    case "text":
      return { ...extras, text: part.text }
    case "reasoning":
      return { ...extras, text: part.text, thought: true }
    case "file":
      return { ...extras, ...(yield* fileOf(provider, part)) }
    case "tool-call": {
      if (part.providerExecuted) return { ...extras, ...(yield* executedOf(provider, part)) }
      const { id, name } = part
      return { ...extras, functionCall: { id, name, args: paramsObject(part) } }
    }
    case "tool-result":
      return part.providerExecuted
        ? { ...extras, ...(yield* executedOf(provider, part)) }
        : { ...extras, functionResponse: yield* responseOf(provider, part) }
    default: {
      const where = role === "assistant" ? "an assistant" : `a ${role}`
      return yield* new Unsupported({ provider, feature: `prompt: a ${part.type} part of ${where} message` })
    }
  }
})

const decodeOptions = Schema.decodeUnknownResult(PartOptions, { onExcessProperty: "error" })

/** The `options.gemini` of a part. */
const optionsOf = (
  { options, type }: Prompt.Part
): Effect.Effect<typeof PartOptions.Type, AiError.InvalidRequestError> => {
  const decoded = decodeOptions(options["gemini"] ?? {})
  if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
  const { message, path } = describeIssue(decoded.failure)
  const description = `The options of a ${type} part are wrong: gemini.${path}: ${message}`
  return Effect.fail(unsendable("prompt", description))
}

const fileOf = (
  provider: string,
  { data, mediaType: mimeType }: Prompt.FilePart
): Effect.Effect<Pick<Part, "inlineData" | "fileData">, Unsupported> => {
  if (data instanceof Uint8Array) return Effect.succeed({ inlineData: { mimeType, data: Base64.encode(data) } })
  const text = String(data)
  if (/^(https?|gs):/.test(text)) return Effect.succeed({ fileData: { mimeType, fileUri: text } })
  const [, embedded] = /^data:[^,]*;base64,(.*)$/s.exec(text) ?? []
  if (embedded !== undefined) return Effect.succeed({ inlineData: { mimeType, data: embedded } })
  return /^[\w.+-]+:/.test(text)
    ? Effect.fail(new Unsupported({ provider, feature: `prompt: a file at ${text.slice(0, 32)}` }))
    : Effect.succeed({ inlineData: { mimeType, data: text } })
}

/** https://ai.google.dev/api/caching#FunctionResponse */
const responseOf = Effect.fnUntraced(function*(
  provider: string,
  { id, isFailure, modelOutput, name, result }: Prompt.ToolResultPart
): Effect.fn.Return<FunctionResponse, Unsupported> {
  const texts: Array<string> = []
  const parts: Array<NonNullable<FunctionResponse["parts"]>[number]> = []
  for (const part of modelOutput ?? []) {
    if (part.type === "text") texts.push(part.text)
    else parts.push(yield* fileOf(provider, part))
  }
  const output = modelOutput === undefined ? result ?? null : texts.join("\n")
  return { id, name, response: isFailure ? { error: output } : { output }, ...(parts.length > 0 && { parts }) }
})

const decodePart = Schema.decodeUnknownResult(PartSchema, { onExcessProperty: "error" })

/** A tool that ran at the provider: its call, or its result, as it came. */
const executedOf = (
  provider: string,
  part: Prompt.ToolCallPart | Prompt.ToolResultPart
): Effect.Effect<Part, Unsupported> => {
  const { id, name } = part
  const isCall = part.type === "tool-call"
  const value = isCall ? part.params : part.result
  const fields = Predicate.isObject(value) ? value : {}
  const decoded = decodePart(
    name === codeExecution
      ? { [isCall ? "executableCode" : "codeExecutionResult"]: { ...fields, id } }
      : isCall
      ? { toolCall: { id, toolType: name, args: fields } }
      : { toolResponse: { id, toolType: name, response: fields } }
  )
  // Such as GOOGLE_SEARCH_WEB. What ran at another provider has other names.
  return Result.isSuccess(decoded) && (name === codeExecution || /^[A-Z_]+$/.test(name))
    ? Effect.succeed(decoded.success)
    : Effect.fail(new Unsupported({ provider, feature: `prompt: the tool ${name}, which another provider ran` }))
}
