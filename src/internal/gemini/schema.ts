/**
 * The requests of Gemini: strict and complete for the documented fields.
 *
 * Source: https://ai.google.dev/api/generate-content, and the types of Google's SDK (https://github.com/googleapis/js-genai), as far
 * as it sends them to this API.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import {
  JsonObject,
  JsonSchemaFormat,
  NeutralTool,
  NeutralToolChoice,
  OutputFormat,
  RawPrompt,
  systemOnce,
  SystemPrompt
} from "../chat/arguments.ts"
import { Messages } from "../chat/schema.ts"
import { Content } from "./content.ts"
import { Tool, ToolConfig } from "./toolSchema.ts"

const { optional } = Schema

const VoiceConfig = Schema.Struct({
  prebuiltVoiceConfig: optional(Schema.Struct({ voiceName: optional(Schema.String) })),
  replicatedVoiceConfig: optional(JsonObject),
  voice: optional(Schema.String)
})

const temperature = optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 })))
const topP = optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
export const positive = optional(Schema.Int.check(Schema.isGreaterThan(0)))

const GenerationConfig = Schema.Struct({
  temperature,
  topP,
  topK: positive,
  candidateCount: positive,
  maxOutputTokens: positive,
  stopSequences: optional(Schema.Array(Schema.String)),
  presencePenalty: optional(Schema.Finite),
  frequencyPenalty: optional(Schema.Finite),
  seed: optional(Schema.Int),
  responseLogprobs: optional(Schema.Boolean),
  logprobs: optional(Schema.Int),
  responseMimeType: optional(Schema.String),
  /** In the subset of OpenAPI that the wire began with. */
  responseSchema: optional(JsonObject),
  responseJsonSchema: optional(Schema.Unknown),
  responseFormat: optional(Schema.Array(JsonObject)),
  responseModalities: optional(
    Schema.Array(Schema.Literals(["MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "AUDIO", "VIDEO"]))
  ),
  mediaResolution: optional(Schema.String),
  speechConfig: optional(Schema.Struct({
    voiceConfig: optional(VoiceConfig),
    multiSpeakerVoiceConfig: optional(Schema.Struct({
      speakerVoiceConfigs: Schema.Array(Schema.Struct({ speaker: Schema.String, voiceConfig: VoiceConfig }))
    })),
    languageCode: optional(Schema.String)
  })),
  thinkingConfig: optional(Schema.Struct({
    includeThoughts: optional(Schema.Boolean),
    thinkingBudget: optional(Schema.Int),
    thinkingLevel: optional(Schema.Literals(["THINKING_LEVEL_UNSPECIFIED", "MINIMAL", "LOW", "MEDIUM", "HIGH"]))
  })),
  imageConfig: optional(Schema.Struct({ aspectRatio: optional(Schema.String), imageSize: optional(Schema.String) })),
  audioTranscriptionConfig: optional(JsonObject),
  enableEnhancedCivicAnswers: optional(Schema.Boolean)
})

const SafetySetting = Schema.Struct({
  category: Schema.Literals([
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
    "HARM_CATEGORY_JAILBREAK"
  ]),
  threshold: Schema.Literals([
    "HARM_BLOCK_THRESHOLD_UNSPECIFIED",
    "BLOCK_LOW_AND_ABOVE",
    "BLOCK_MEDIUM_AND_ABOVE",
    "BLOCK_ONLY_HIGH",
    "BLOCK_NONE",
    "OFF"
  ])
})

/** The body of a request. */
export const GenerateContentBody = Schema.Struct({
  contents: Schema.Array(Content),
  systemInstruction: optional(Content),
  tools: optional(Schema.Array(Tool)),
  toolConfig: optional(ToolConfig),
  generationConfig: optional(GenerationConfig),
  safetySettings: optional(Schema.Array(SafetySetting)),
  cachedContent: optional(Schema.String),
  serviceTier: optional(Schema.String),
  labels: optional(Schema.Record(Schema.String, Schema.String)),
  store: optional(Schema.Boolean),
  /** What an answer that ended with `CONTINUATION` goes on with. */
  continuationToken: optional(Schema.String)
})

/** The name of a model without the collection that it is in, which is in the path. */
export const bareModel = (model: string): string => model.replace(/^models\//, "")

export const modelOr = (model: string) =>
  Schema.String.pipe(
    Schema.decode({ decode: SchemaGetter.transform(bareModel), encode: SchemaGetter.passthrough() }),
    Schema.withDecodingDefault(Effect.succeed(model))
  )

export const conflict = (parameter: string, issue: string) => ({ path: [parameter], issue })

/** The arguments of a call: the body, with a default model, and what every chat backend takes. */
export const generateContentRequest = (model: string) =>
  Schema.Struct({
    ...GenerateContentBody.fields,
    contents: optional(GenerateContentBody.fields.contents.check(Schema.isMinLength(1))),
    prompt: optional(RawPrompt),
    /** The `systemInstruction` in other words. */
    system: SystemPrompt,
    messages: optional(Messages),
    model: modelOr(model),
    temperature,
    top_p: topP,
    max_tokens: positive,
    stop: optional(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
    tools: optional(Schema.Array(Schema.Union([NeutralTool, Tool]))),
    tool_choice: optional(NeutralToolChoice),
    response_format: optional(Schema.Union([OutputFormat, JsonSchemaFormat]))
  }).check(
    Schema.makeFilter(({ contents, messages, prompt }) => {
      if (contents === undefined && messages === undefined && prompt === undefined) {
        return conflict("messages", "Give messages, or a prompt, or contents")
      }
      if (prompt !== undefined && messages !== undefined) {
        return conflict("prompt", "Give either a prompt or messages, not both")
      }
      return contents !== undefined && (prompt !== undefined || messages !== undefined)
        ? conflict(prompt !== undefined ? "prompt" : "messages", "Give either this or contents, not both")
        : undefined
    }),
    systemOnce,
    Schema.makeFilter(({ generationConfig: config = {}, systemInstruction, toolConfig, ...args }) => {
      const aliases = [
        ["system", args.system, ["systemInstruction", systemInstruction]],
        ["temperature", args.temperature, ["generationConfig.temperature", config.temperature]],
        ["top_p", args.top_p, ["generationConfig.topP", config.topP]],
        ["max_tokens", args.max_tokens, ["generationConfig.maxOutputTokens", config.maxOutputTokens]],
        ["stop", args.stop, ["generationConfig.stopSequences", config.stopSequences]],
        ["tool_choice", args.tool_choice, ["toolConfig.functionCallingConfig", toolConfig?.functionCallingConfig]],
        ["response_format", args.response_format, ["generationConfig.responseMimeType", config.responseMimeType]],
        ["response_format", args.response_format, ["generationConfig.responseSchema", config.responseSchema]],
        ["response_format", args.response_format, ["generationConfig.responseJsonSchema", config.responseJsonSchema]],
        ["response_format", args.response_format, ["generationConfig.responseFormat", config.responseFormat]]
      ] as const
      for (const [parameter, given, [alias, own]] of aliases) {
        if (given !== undefined && own !== undefined) {
          return conflict(parameter, `Give either this or ${alias}, not both`)
        }
      }
      return undefined
    })
  )

export type GenerateContentRequest = ReturnType<typeof generateContentRequest>
