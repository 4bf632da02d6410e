/**
 * The embeddings of Gemini.
 *
 * Source: https://ai.google.dev/api/embeddings
 */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type { Tolerance } from "../http/tolerantDecoder.ts"
import { UsageMetadata } from "./answerSchema.ts"
import { Content } from "./content.ts"
import { conflict, modelOr, positive } from "./schema.ts"
import { tooManyInputs } from "../chat/embeddingLimits.ts"

const { optional } = Schema

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
      if (given > 1) return conflict("content", "Give either a content or contents, not both")
      const several = typeof input === "string" ? [input] : contents ?? input ?? []
      const issue = tooManyInputs("gemini", several.length)
      return issue === undefined ? undefined : conflict(contents === undefined ? "input" : "contents", issue)
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

/** The fields of embeddings that are the answer itself. */
export const tolerance: Tolerance = { essential: new Set(["embedding", "embeddings", "values"]) }

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
