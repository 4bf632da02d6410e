/** The form of a file as JSON Schema, which editors check it by and complete it with. */
import * as JsonSchema from "effect/JsonSchema"
import * as Schema from "effect/Schema"
import { File } from "./schema.ts"

// Of the drafts the one that editors know best: https://code.visualstudio.com/docs/languages/json
const { definitions, schema } = JsonSchema.toDocumentDraft07(
  Schema.toJsonSchemaDocument(File, { onExcessProperty: "error" })
)

export const jsonSchema: JsonSchema.JsonSchema = {
  $schema: JsonSchema.META_SCHEMA_URI_DRAFT_07,
  title: "imodel.json",
  ...schema,
  definitions
}
