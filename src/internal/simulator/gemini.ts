/** Gemini, https://ai.google.dev/api: generated content, whole and streamed, and embeddings. */
import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Simulator from "./options.ts"
import { JsonObject } from "../chat/arguments.ts"
import {
  type Generated,
  nameOfCall,
  type Operation,
  pieces,
  promptOf,
  reader,
  type Refusal,
  type Refused,
  type Reply,
  someObject,
  type Stamp,
  textOf,
  tokensOf,
  type Url,
  type Vendor
} from "./wire.ts"

const refusal = (code: number, status: string, message: string, details?: ReadonlyArray<unknown>): Refused => ({
  status: code,
  body: { error: { code, message, status, ...(details && { details }) } }
})

const detail = (type: string, fields: object) => ({ "@type": `type.googleapis.com/google.rpc.${type}`, ...fields })

// https://ai.google.dev/gemini-api/docs/troubleshooting
const refuse = (reason: Refusal): Refused => {
  switch (reason._tag) {
    case "NotFound":
      return refusal(404, "NOT_FOUND", `There is no ${reason.method} ${reason.url}`)
    case "NoKey":
      // A key that is missing is no 401 here.
      return refusal(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other "
          + "form of API consumer identity to call this API."
      )
    case "Invalid": {
      const { message, path } = reason.issue
      const violation = { field: path, description: message }
      return refusal(400, "INVALID_ARGUMENT", path === "" ? message : `Invalid value at '${path}': ${message}`, [
        detail("BadRequest", { fieldViolations: [violation] })
      ])
    }
    case "RateLimited": {
      const { kind, message, waitMillis } = reason
      return refusal(429, "RESOURCE_EXHAUSTED", message, [
        detail("QuotaFailure", {
          violations: [{ quotaMetric: `generativelanguage.googleapis.com/generate_content_${kind}` }]
        }),
        ...(waitMillis === undefined ? [] : [detail("RetryInfo", { retryDelay: `${Math.ceil(waitMillis) / 1000}s` })])
      ])
    }
    case "ServerError":
      return refusal(500, "INTERNAL", "An internal error has occurred. Please retry.")
    case "Overloaded":
      return refusal(503, "UNAVAILABLE", "The model is overloaded. Please try again later.")
    case "ContextTooLong":
      return refusal(
        400,
        "INVALID_ARGUMENT",
        `The input token count (${reason.tokens}) exceeds the maximum number of tokens allowed (1048576).`
      )
    case "ContentPolicy":
      // Not a failure by its status: https://ai.google.dev/api/generate-content#BlockReason
      return {
        status: 200,
        body: { promptFeedback: { blockReason: "PROHIBITED_CONTENT" }, usageMetadata: { promptTokenCount: 0 } }
      }
  }
}

const vendor: Vendor = {
  name: "gemini",
  callPrefix: "call_",
  check: (headers) => (headers["x-goog-api-key"] ?? "") === "" ? { _tag: "NoKey" } : undefined,
  headers: () => ({}),
  refuse
}

const Part = Schema.Struct({
  text: Schema.optional(Schema.String),
  thought: Schema.optional(Schema.Boolean),
  functionCall: Schema.optional(Schema.Struct({
    id: Schema.optional(Schema.String),
    name: Schema.String,
    args: Schema.optional(Schema.Unknown)
  })),
  functionResponse: Schema.optional(Schema.Struct({
    id: Schema.optional(Schema.String),
    name: Schema.optional(Schema.String),
    response: Schema.optional(Schema.Unknown)
  }))
})

const Content = Schema.Struct({
  role: Schema.optional(Schema.Literals(["user", "model", "function"])),
  parts: Schema.Array(Part)
})

const GenerateBody = Schema.Struct({
  contents: Schema.Array(Content).check(Schema.isMinLength(1)),
  systemInstruction: Schema.optional(Schema.Struct({ parts: Schema.Array(Part) })),
  tools: Schema.optional(Schema.Array(Schema.Struct({
    functionDeclarations: Schema.optional(Schema.Array(Schema.Struct({
      name: Schema.String,
      description: Schema.optional(Schema.String),
      parameters: Schema.optional(JsonObject),
      parametersJsonSchema: Schema.optional(JsonObject)
    })))
  }))),
  toolConfig: Schema.optional(Schema.Struct({
    functionCallingConfig: Schema.optional(Schema.Struct({
      mode: Schema.optional(Schema.String),
      allowedFunctionNames: Schema.optional(Schema.Array(Schema.String))
    }))
  })),
  generationConfig: Schema.optional(Schema.Struct({
    maxOutputTokens: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
    temperature: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 }))),
    responseMimeType: Schema.optional(Schema.String),
    responseSchema: Schema.optional(JsonObject),
    responseJsonSchema: Schema.optional(JsonObject)
  }))
})

const messagesOf = ({ contents, systemInstruction }: typeof GenerateBody.Type): ReadonlyArray<Simulator.Message> => {
  const messages: Array<Simulator.Message> = []
  if (systemInstruction !== undefined) messages.push({ role: "system", text: textOf(systemInstruction.parts) })
  for (const { parts, role } of contents) {
    const text = textOf(parts.filter(({ thought }) => thought !== true))
    if (role === "model") {
      const toolCalls = parts.flatMap(({ functionCall: call }) =>
        call === undefined ? [] : [{ id: call.id ?? call.name, name: call.name, arguments: call.args ?? {} }]
      )
      messages.push({ role: "assistant", text, toolCalls })
      continue
    }
    const results = parts.flatMap(({ functionResponse }) => functionResponse ?? [])
    for (const { id, name, response } of results) {
      messages.push({
        role: "tool",
        id: id ?? name ?? "",
        name: name ?? nameOfCall(messages, id ?? ""),
        text: JSON.stringify(response ?? null)
      })
    }
    if (text !== "" || results.length === 0) messages.push({ role: "user", text })
  }
  return messages
}

/** Gemini's own schemas are OpenAPI's, with types in capitals: https://ai.google.dev/api/caching#Schema */
const jsonSchemaOf = (schema: JsonSchema.JsonSchema): JsonSchema.JsonSchema => {
  const plain: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(schema)) {
    if (key === "type" && typeof value === "string") plain[key] = value.toLowerCase()
    else if (key === "properties" && Predicate.isObject(value)) {
      plain[key] = Object.fromEntries(Object.entries(value).map(([name, value]) => [name, inner(value)]))
    } else if (counts.has(key)) plain[key] = Number(value)
    else if (key !== "nullable") plain[key] = inner(value)
  }
  return schema["nullable"] === true ? { anyOf: [plain, { type: "null" }] } : plain
}

const inner = (value: unknown): unknown =>
  Array.isArray(value) ? value.map(inner) : Predicate.isObject(value) ? jsonSchemaOf({ ...value }) : value

// 64-bit integers, which Google writes as text.
const counts = new Set(["minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"])

const toolChoiceOf = (config: typeof GenerateBody.Type["toolConfig"]): Simulator.Request["toolChoice"] => {
  const { allowedFunctionNames: [allowed] = [], mode } = config?.functionCallingConfig ?? {}
  return mode === "NONE"
    ? "none"
    : mode !== "ANY"
    ? "auto"
    : allowed === undefined
    ? "required"
    : { tool: allowed }
}

const generate: Operation = {
  vendor,
  path: /\/models\/(?<model>[^/:]+):(?<method>generateContent|streamGenerateContent)$/,
  read: reader(GenerateBody, (body, { groups, query }) => {
    const { generationConfig: config } = body
    const model = groups["model"] ?? ""
    const streamed = groups["method"] === "streamGenerateContent"
    // Without `alt=sse` the chunks come as one array.
    const stream = streamed && query.get("alt") === "sse"
    const messages = messagesOf(body)
    return Result.succeed({
      model,
      prompt: promptOf(messages),
      maxTokens: config?.maxOutputTokens,
      stream,
      want: {
        _tag: "Generation",
        messages,
        tools: (body.tools ?? []).flatMap(({ functionDeclarations = [] }) =>
          functionDeclarations.map(({ description, name, parameters, parametersJsonSchema }) => ({
            name,
            description,
            parameters: parametersJsonSchema ?? (parameters === undefined ? {} : jsonSchemaOf(parameters))
          }))
        ),
        toolChoice: toolChoiceOf(body.toolConfig),
        outputSchema: config?.responseJsonSchema
          ?? (config?.responseSchema === undefined ? undefined : jsonSchemaOf(config.responseSchema))
          ?? (config?.responseMimeType === "application/json" ? someObject : undefined),
        write: (generated, stamp) => {
          if (!streamed) return { _tag: "Whole", body: contentOf(model, partsOf(generated), generated, stamp) }
          const chunks = chunksOf(model, generated, stamp)
          return stream ? eventsOf(chunks) : { _tag: "Whole", body: chunks }
        }
      }
    })
  })
}

const finishReasons = { stop: "STOP", length: "MAX_TOKENS", toolCalls: "STOP" } as const

type AnswerPart = { readonly text: string; readonly thought?: true } | {
  readonly functionCall: { readonly id: string; readonly name: string; readonly args: unknown }
}

const partsOf = (generated: Generated, split = (text: string): ReadonlyArray<string> => [text]) => {
  const parts: Array<AnswerPart> = []
  if (generated.reasoning !== "") { for (const text of split(generated.reasoning)) parts.push({ text, thought: true }) }
  if (generated.text !== "") { for (const text of split(generated.text)) parts.push({ text }) }
  for (const { arguments: args, id, name } of generated.toolCalls) parts.push({ functionCall: { id, name, args } })
  return parts.length === 0 ? [{ text: "" }] : parts
}

/** An answer, or a part of one that goes on when it is not said how it was generated. */
const contentOf = (
  model: string,
  parts: ReadonlyArray<AnswerPart>,
  generated: Generated | undefined,
  { inputTokens, number }: Stamp
) => {
  const tokens = generated && tokensOf(generated)
  const { answer, reasoning } = tokens ?? { answer: 0, reasoning: 0 }
  return {
    candidates: [{
      content: { role: "model", parts },
      ...(generated && { finishReason: finishReasons[generated.finish] }),
      index: 0
    }],
    usageMetadata: {
      promptTokenCount: inputTokens,
      ...(tokens && { candidatesTokenCount: answer }),
      ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
      totalTokenCount: inputTokens + answer + reasoning
    },
    modelVersion: model,
    responseId: `response-${number}`
  }
}

const chunksOf = (model: string, generated: Generated, stamp: Stamp) => {
  const parts = partsOf(generated, pieces)
  return parts.map((part, i) => contentOf(model, [part], i === parts.length - 1 ? generated : undefined, stamp))
}

const eventsOf = (chunks: ReadonlyArray<unknown>): Reply => ({
  _tag: "Events",
  events: chunks.map((chunk) => ({ text: googleEvent(chunk), isPiece: true })),
  end: undefined,
  failure: googleEvent(refuse({ _tag: "Overloaded" }).body)
})

const googleEvent = (data: unknown): string => `data: ${JSON.stringify(data)}\r\n\r\n`

// -----------------------------------------------------------------------------
// Embeddings
// -----------------------------------------------------------------------------

/** Of `gemini-embedding-001`. */
const defaultDimensions = 3072

const EmbedBody = Schema.Struct({
  content: Content,
  outputDimensionality: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0)))
})

const BatchBody = Schema.Struct({ requests: Schema.Array(EmbedBody).check(Schema.isMinLength(1)) })

const embeddingOf = (
  requests: ReadonlyArray<typeof EmbedBody.Type>,
  { groups }: Url,
  write: (embeddings: ReadonlyArray<{ readonly values: ReadonlyArray<number> }>) => unknown
) => {
  const inputs = requests.map(({ content }) => textOf(content.parts))
  return Result.succeed({
    model: groups["model"] ?? "",
    prompt: inputs.join("\n"),
    maxTokens: undefined,
    stream: false,
    want: {
      _tag: "Embedding" as const,
      inputs,
      dimensions: requests[0]?.outputDimensionality ?? defaultDimensions,
      write: (vectors: ReadonlyArray<ReadonlyArray<number>>) => write(vectors.map((values) => ({ values })))
    }
  })
}

const embed: Operation = {
  vendor,
  path: /\/models\/(?<model>[^/:]+):embedContent$/,
  read: reader(EmbedBody, (body, url) => embeddingOf([body], url, ([embedding]) => ({ embedding })))
}

const batchEmbed: Operation = {
  vendor,
  path: /\/models\/(?<model>[^/:]+):batchEmbedContents$/,
  read: reader(BatchBody, ({ requests }, url) => embeddingOf(requests, url, (embeddings) => ({ embeddings })))
}

export const gemini = { vendor, operations: [generate, embed, batchEmbed] }
