/**
 * The contents of Gemini's requests, and their parts.
 *
 * Source: https://ai.google.dev/api/caching#Content
 */
import * as Schema from "effect/Schema"
import { JsonObject } from "../chat/arguments.ts"

const { optional } = Schema

/** The fields of a part beside its data. */
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
