/** Checks the arguments of a tool by the JSON schema that its server states, before they are sent. */
import * as JsonSchema from "effect/JsonSchema"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaRepresentation from "effect/SchemaRepresentation"

type Arguments = Readonly<Record<string, unknown>>

/**
 * What is wrong with arguments, or `undefined`. A schema that cannot be checked here, for example one with a pattern, which is
 * foreign and may take exponential time, is left to the server.
 */
export const argumentsCheck = (inputSchema: JsonSchema.JsonSchema): (args: Arguments) => string | undefined => {
  const decode = Option.getOrUndefined(decoderOf(inputSchema))
  if (decode === undefined) return () => undefined
  return (args) => {
    const checked = Result.try(() => decode(args))
    if (Result.isSuccess(checked)) return undefined
    return checked.failure instanceof Error ? checked.failure.message : String(checked.failure)
  }
}

const decoderOf = Option.liftThrowable((inputSchema: JsonSchema.JsonSchema) => {
  const schema = SchemaRepresentation.fromJsonSchemaDocument(JsonSchema.fromSchemaDraft2020_12(inputSchema))
  return Schema.decodeUnknownSync(Schema.toType(schema), { errors: "all" })
})
