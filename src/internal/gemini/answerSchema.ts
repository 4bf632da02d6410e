/**
 * The answers of Gemini, tolerant of new fields and of new words for old ones.
 *
 * Source: https://ai.google.dev/api/generate-content
 */
import * as Schema from "effect/Schema"
import { JsonObject, TokenCount } from "../chat/arguments.ts"
import type { Tolerance } from "../http/tolerantDecoder.ts"
import { Part } from "./content.ts"

const { optional } = Schema

const Count = optional(TokenCount)

const ModalityTokenCounts = optional(
  Schema.Array(Schema.Struct({ modality: optional(Schema.String), tokenCount: Count }))
)

export const UsageMetadata = Schema.Struct({
  promptTokenCount: Count,
  cachedContentTokenCount: Count,
  candidatesTokenCount: Count,
  toolUsePromptTokenCount: Count,
  thoughtsTokenCount: Count,
  totalTokenCount: Count,
  promptTokensDetails: ModalityTokenCounts,
  cacheTokensDetails: ModalityTokenCounts,
  candidatesTokensDetails: ModalityTokenCounts,
  toolUsePromptTokensDetails: ModalityTokenCounts,
  initialPromptTokenCount: Count,
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
