/**
 * The tools of Gemini's requests, and the choice of them.
 *
 * Source: https://ai.google.dev/api/caching#Tool
 */
import * as Schema from "effect/Schema"
import { JsonObject } from "../chat/arguments.ts"

const { optional } = Schema

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

export const ToolConfig = Schema.Struct({
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
