/**
 * The wire of Gemini: requests strict and complete for the documented fields, responses tolerant of new fields and of new
 * words for old ones.
 *
 * Source: https://ai.google.dev/api/generate-content, https://ai.google.dev/api/caching#Content, and the types of Google's
 * SDK (https://github.com/googleapis/js-genai), as far as it sends them to this API.
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
  RawPrompt
} from "../chat/arguments.ts"
import { Messages } from "../chat/schema.ts"
import type { Tolerance } from "../http/tolerantDecoder.ts"

const { optional } = Schema

// -----------------------------------------------------------------------------
// Contents
// -----------------------------------------------------------------------------

/** What a part says of its data. */
const partExtras = {
  /** The part is of the model's thinking. */
  thought: optional(Schema.Boolean),
  /** Opaque, and to be sent back with the part that it came with. */
  thoughtSignature: optional(Schema.String),
  mediaResolution: optional(Schema.Struct({ level: optional(Schema.String), numTokens: optional(Schema.Int) })),
  mediaProcessing: optional(Schema.String),
  videoMetadata: optional(Schema.Struct({
    startOffset: optional(Schema.String),
    endOffset: optional(Schema.String),
    fps: optional(Schema.Finite)
  })),
  speechMetadata: optional(Schema.Struct({ speaker: optional(Schema.String), style: optional(Schema.String) })),
  partMetadata: optional(JsonObject)
}

/** What `options.gemini` of a part of a prompt may say. */
export const PartOptions = Schema.Struct(partExtras)

const Blob = Schema.Struct({
  mimeType: Schema.String,
  /** In Base64. */
  data: Schema.String,
  displayName: optional(Schema.String)
})

const FileData = Schema.Struct({
  mimeType: optional(Schema.String),
  fileUri: Schema.String,
  displayName: optional(Schema.String)
})

export const Part = Schema.Struct({
  ...partExtras,
  text: optional(Schema.String),
  inlineData: optional(Blob),
  fileData: optional(FileData),
  functionCall: optional(Schema.Struct({
    id: optional(Schema.String),
    name: Schema.String,
    args: optional(JsonObject)
  })),
  functionResponse: optional(Schema.Struct({
    id: optional(Schema.String),
    name: Schema.String,
    response: JsonObject,
    parts: optional(Schema.Array(Schema.Struct({
      inlineData: optional(Blob),
      fileData: optional(FileData),
      mediaProcessing: optional(Schema.String)
    }))),
    willContinue: optional(Schema.Boolean),
    scheduling: optional(Schema.String)
  })),
  executableCode: optional(Schema.Struct({
    id: optional(Schema.String),
    language: optional(Schema.String),
    code: Schema.String
  })),
  codeExecutionResult: optional(Schema.Struct({
    id: optional(Schema.String),
    outcome: optional(Schema.String),
    output: optional(Schema.String)
  })),
  /** The call of a tool that runs at the provider. */
  toolCall: optional(Schema.Struct({
    id: optional(Schema.String),
    toolType: optional(Schema.String),
    args: optional(JsonObject)
  })),
  toolResponse: optional(Schema.Struct({
    id: optional(Schema.String),
    toolType: optional(Schema.String),
    response: optional(JsonObject)
  })),
  audioTranscription: optional(JsonObject)
})

export const Content = Schema.Struct({
  role: optional(Schema.Literals(["user", "model"])),
  parts: Schema.Array(Part)
})

// -----------------------------------------------------------------------------
// Requests
// -----------------------------------------------------------------------------

/** The tools of a request: functions that the caller runs, and tools that the provider runs. */
export const Tool = Schema.Struct({
  functionDeclarations: optional(Schema.Array(Schema.Struct({
    name: Schema.String,
    description: optional(Schema.String),
    /** In the subset of OpenAPI that the wire began with. Either this or `parametersJsonSchema`. */
    parameters: optional(JsonObject),
    parametersJsonSchema: optional(Schema.Unknown),
    response: optional(JsonObject),
    responseJsonSchema: optional(Schema.Unknown),
    behavior: optional(Schema.Literals(["UNSPECIFIED", "BLOCKING", "NON_BLOCKING"]))
  }))),
  googleSearch: optional(Schema.Struct({
    searchTypes: optional(Schema.Struct({ webSearch: optional(JsonObject), imageSearch: optional(JsonObject) })),
    timeRangeFilter: optional(Schema.Struct({ startTime: optional(Schema.String), endTime: optional(Schema.String) }))
  })),
  googleSearchRetrieval: optional(Schema.Struct({
    dynamicRetrievalConfig: optional(
      Schema.Struct({ mode: optional(Schema.String), dynamicThreshold: optional(Schema.Finite) })
    )
  })),
  googleMaps: optional(Schema.Struct({ enableWidget: optional(Schema.Boolean), authConfig: optional(JsonObject) })),
  urlContext: optional(JsonObject),
  codeExecution: optional(JsonObject),
  fileSearch: optional(Schema.Struct({
    fileSearchStoreNames: Schema.Array(Schema.String),
    metadataFilter: optional(Schema.String),
    topK: optional(Schema.Int)
  })),
  computerUse: optional(Schema.Struct({
    environment: Schema.String,
    excludedPredefinedFunctions: optional(Schema.Array(Schema.String)),
    enablePromptInjectionDetection: optional(Schema.Boolean),
    disabledSafetyPolicies: optional(Schema.Array(Schema.String))
  })),
  mcpServers: optional(Schema.Array(Schema.Struct({
    name: optional(Schema.String),
    streamableHttpTransport: optional(Schema.Struct({
      url: optional(Schema.String),
      headers: optional(Schema.Record(Schema.String, Schema.String)),
      timeout: optional(Schema.String),
      sseReadTimeout: optional(Schema.String),
      terminateOnClose: optional(Schema.Boolean)
    }))
  })))
})

const ToolConfig = Schema.Struct({
  functionCallingConfig: optional(Schema.Struct({
    mode: optional(Schema.Literals(["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"])),
    allowedFunctionNames: optional(Schema.Array(Schema.String))
  })),
  retrievalConfig: optional(Schema.Struct({
    latLng: optional(Schema.Struct({ latitude: optional(Schema.Finite), longitude: optional(Schema.Finite) })),
    languageCode: optional(Schema.String)
  })),
  includeServerSideToolInvocations: optional(Schema.Boolean)
})

const VoiceConfig = Schema.Struct({
  prebuiltVoiceConfig: optional(Schema.Struct({ voiceName: optional(Schema.String) })),
  replicatedVoiceConfig: optional(JsonObject),
  voice: optional(Schema.String)
})

const temperature = optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 2 })))
const topP = optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })))
const positive = optional(Schema.Int.check(Schema.isGreaterThan(0)))

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

const modelOr = (model: string) =>
  Schema.String.pipe(
    Schema.decode({ decode: SchemaGetter.transform(bareModel), encode: SchemaGetter.passthrough() }),
    Schema.withDecodingDefault(Effect.succeed(model))
  )

const conflict = (parameter: string, issue: string) => ({ path: [parameter], issue })

/** The arguments of a call: the body, with a default model, and what every chat backend takes. */
export const generateContentRequest = (model: string) =>
  Schema.Struct({
    ...GenerateContentBody.fields,
    contents: optional(GenerateContentBody.fields.contents.check(Schema.isMinLength(1))),
    prompt: optional(RawPrompt),
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
    Schema.makeFilter(({ generationConfig: config = {}, toolConfig, ...args }) => {
      const twins = [
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
      for (const [parameter, given, [twin, own]] of twins) {
        if (given !== undefined && own !== undefined) {
          return conflict(parameter, `Give either this or ${twin}, not both`)
        }
      }
      return undefined
    })
  )

export type GenerateContentRequest = ReturnType<typeof generateContentRequest>

// -----------------------------------------------------------------------------
// Responses
// -----------------------------------------------------------------------------

const ModalityTokenCounts = optional(
  Schema.Array(Schema.Struct({ modality: optional(Schema.String), tokenCount: optional(Schema.Int) }))
)

const UsageMetadata = Schema.Struct({
  promptTokenCount: optional(Schema.Int),
  cachedContentTokenCount: optional(Schema.Int),
  candidatesTokenCount: optional(Schema.Int),
  toolUsePromptTokenCount: optional(Schema.Int),
  thoughtsTokenCount: optional(Schema.Int),
  totalTokenCount: optional(Schema.Int),
  promptTokensDetails: ModalityTokenCounts,
  cacheTokensDetails: ModalityTokenCounts,
  candidatesTokensDetails: ModalityTokenCounts,
  toolUsePromptTokensDetails: ModalityTokenCounts,
  initialPromptTokenCount: optional(Schema.Int),
  serviceTier: optional(Schema.String)
})

const SafetyRating = Schema.Struct({
  category: optional(Schema.String),
  probability: optional(Schema.String),
  blocked: optional(Schema.Boolean)
})

const Source = Schema.Struct({ uri: optional(Schema.String), title: optional(Schema.String) })

const GroundingMetadata = Schema.Struct({
  groundingChunks: optional(Schema.Array(Schema.Struct({
    web: optional(Schema.Struct({ ...Source.fields, domain: optional(Schema.String) })),
    maps: optional(
      Schema.Struct({ ...Source.fields, text: optional(Schema.String), placeId: optional(Schema.String) })
    ),
    image: optional(Schema.Struct({
      sourceUri: optional(Schema.String),
      imageUri: optional(Schema.String),
      title: optional(Schema.String),
      domain: optional(Schema.String)
    })),
    retrievedContext: optional(Schema.Struct({
      ...Source.fields,
      text: optional(Schema.String),
      fileSearchStore: optional(Schema.String),
      pageNumber: optional(Schema.Int)
    }))
  }))),
  groundingSupports: optional(Schema.Array(Schema.Struct({
    segment: optional(Schema.Struct({
      partIndex: optional(Schema.Int),
      startIndex: optional(Schema.Int),
      endIndex: optional(Schema.Int),
      text: optional(Schema.String)
    })),
    groundingChunkIndices: optional(Schema.Array(Schema.Int)),
    confidenceScores: optional(Schema.Array(Schema.Finite))
  }))),
  webSearchQueries: optional(Schema.Array(Schema.String)),
  imageSearchQueries: optional(Schema.Array(Schema.String)),
  searchEntryPoint: optional(
    Schema.Struct({ renderedContent: optional(Schema.String), sdkBlob: optional(Schema.String) })
  ),
  retrievalMetadata: optional(JsonObject),
  googleMapsWidgetContextToken: optional(Schema.String)
})

/** A part of an answer. The arguments of a call are as they came: an object, or its JSON as a text. */
export const AnswerPart = Schema.Struct({
  ...Part.fields,
  functionCall: optional(Schema.Struct({
    id: optional(Schema.String),
    name: Schema.String,
    args: optional(Schema.Unknown)
  }))
})

/** The fields that are the answer itself. */
export const tolerance: Tolerance = {
  essential: new Set(["candidates", "content", "parts", "text", "functionCall", "inlineData", "name"])
}

const Candidate = Schema.Struct({
  index: optional(Schema.Int),
  /** There is none when nothing was generated. */
  content: optional(Schema.Struct({ role: optional(Schema.String), parts: optional(Schema.Array(AnswerPart)) })),
  finishReason: optional(Schema.NullOr(Schema.String)),
  finishMessage: optional(Schema.String),
  continuationToken: optional(Schema.String),
  safetyRatings: optional(Schema.Array(SafetyRating)),
  citationMetadata: optional(JsonObject),
  tokenCount: optional(Schema.Int),
  groundingMetadata: optional(GroundingMetadata),
  groundingAttributions: optional(Schema.Array(JsonObject)),
  urlContextMetadata: optional(Schema.Struct({
    urlMetadata: optional(Schema.Array(Schema.Struct({
      retrievedUrl: optional(Schema.String),
      urlRetrievalStatus: optional(Schema.String)
    })))
  })),
  avgLogprobs: optional(Schema.Finite),
  logprobsResult: optional(Schema.Struct({
    chosenCandidates: optional(Schema.Array(Schema.Unknown)),
    topCandidates: optional(Schema.Array(Schema.Unknown)),
    logProbabilitySum: optional(Schema.Finite)
  }))
})

/** An event of a stream. */
export const GenerateContentChunk = Schema.Struct({
  candidates: optional(Schema.Array(Candidate)),
  promptFeedback: optional(Schema.Struct({
    blockReason: optional(Schema.String),
    blockReasonMessage: optional(Schema.String),
    safetyRatings: optional(Schema.Array(SafetyRating))
  })),
  usageMetadata: optional(UsageMetadata),
  modelVersion: optional(Schema.String),
  modelStatus: optional(JsonObject),
  responseId: optional(Schema.String)
})

export const GenerateContentResponse = GenerateContentChunk.check(
  Schema.makeFilter(({ candidates, promptFeedback }) =>
    (candidates ?? []).length === 0 && promptFeedback?.blockReason === undefined
      ? { path: ["candidates"], issue: "There are neither candidates nor promptFeedback.blockReason" }
      : undefined
  )
)

/** The body of a failure. It comes in an array when the answer was to be a stream. */
const Failure = Schema.Struct({
  error: Schema.Struct({
    code: optional(Schema.Finite),
    message: optional(Schema.String),
    status: optional(Schema.String),
    details: optional(Schema.Array(Schema.Unknown))
  })
})

export const ErrorBody = Schema.Union([Failure, Schema.NonEmptyArray(Failure)])

// -----------------------------------------------------------------------------
// Embeddings
// -----------------------------------------------------------------------------

const EmbeddedContent = Schema.Union([Schema.String, Content])

const contentOf = (content: typeof EmbeddedContent.Type): typeof Content.Type =>
  typeof content === "string" ? { role: "user", parts: [{ text: content }] } : content

const embedOptions = {
  taskType: optional(Schema.Literals([
    "TASK_TYPE_UNSPECIFIED",
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY"
  ])),
  title: optional(Schema.String),
  outputDimensionality: positive
}

/** The arguments of a call. One content has a method of its own, several have another. */
export const embedContentRequest = (model: string) =>
  Schema.Struct({
    ...embedOptions,
    model: modelOr(model),
    content: optional(EmbeddedContent),
    contents: optional(Schema.Array(EmbeddedContent).check(Schema.isMinLength(1))),
    /** One text or several, as every backend of embeddings takes them. */
    input: optional(Schema.Union([Schema.String, Schema.Array(Schema.String).check(Schema.isMinLength(1))]))
  }).check(
    Schema.makeFilter(({ content, contents, input }) => {
      const given = [content, contents, input].filter((argument) => argument !== undefined).length
      if (given === 0) return conflict("content", "Give a content, or several contents")
      return given > 1 ? conflict("content", "Give either a content or contents, not both") : undefined
    })
  ).pipe(
    Schema.decodeTo(
      Schema.Struct({
        ...embedOptions,
        model: Schema.String,
        contents: Schema.Array(Content),
        method: Schema.Literals(["embedContent", "batchEmbedContents"])
      }),
      {
        decode: SchemaGetter.transform(({ content, contents, input, ...options }) => {
          const [one, several = []] = typeof input === "string" ? [input] : [content, contents ?? input]
          return one === undefined
            ? { ...options, contents: several.map(contentOf), method: "batchEmbedContents" as const }
            : { ...options, contents: [contentOf(one)], method: "embedContent" as const }
        }),
        encode: SchemaGetter.forbidden(() => "A request is sent, and does not come back")
      }
    )
  )

export type EmbedContentRequest = ReturnType<typeof embedContentRequest>

const Embedding = Schema.Struct({ values: Schema.Array(Schema.Finite), shape: optional(Schema.Array(Schema.Int)) })

/** The embeddings in the order of the contents: the one of a single content, too. */
export const EmbedContentResponse = Schema.Struct({
  embedding: optional(Embedding),
  embeddings: optional(Schema.Array(Embedding)),
  usageMetadata: optional(UsageMetadata)
}).check(
  Schema.makeFilter(({ embedding, embeddings }) =>
    embedding === undefined && embeddings === undefined
      ? { path: ["embeddings"], issue: "There are none" }
      : undefined
  )
).pipe(
  Schema.decodeTo(
    Schema.Struct({ embeddings: Schema.Array(Embedding), usageMetadata: optional(UsageMetadata) }),
    {
      decode: SchemaGetter.transform((
        { embedding, embeddings = embedding === undefined ? [] : [embedding], ...rest }
      ) => ({
        ...rest,
        embeddings
      })),
      encode: SchemaGetter.transform((answer) => answer)
    }
  )
)
