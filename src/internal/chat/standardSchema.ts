/** Schemas of other libraries, by the Standard Schema that they implement, as schemas of Effect. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaRepresentation from "effect/SchemaRepresentation"
import type { StandardJSONSchemaV1, StandardSchemaV1 } from "effect/StandardSchema"
import { describe } from "../errors/describe.ts"

/**
 * A schema of another library that implements Standard Schema and Standard JSON Schema, such as Zod and ArkType do, and Valibot
 * with `toStandardJsonSchema` of `@valibot/to-json-schema`.
 *
 * @category models
 * @since 0.1.0
 */
export interface StandardSchema<out A = unknown> {
  readonly "~standard": StandardSchemaV1.Props<unknown, A> & StandardJSONSchemaV1.Props<unknown, A>
}

/** A schema of Effect, or of another library. */
export type AnySchema<A> = Schema.ConstraintCodec<A, unknown> | StandardSchema<A>

export const toSchema = <A>(schema: AnySchema<A>): Schema.ConstraintCodec<A, unknown> =>
  isSchema(schema) ? schema : fromStandard(schema)

const isSchema = <A>(schema: AnySchema<A>): schema is Schema.ConstraintCodec<A, unknown> => Schema.isSchema(schema)

interface JsonStructure extends Schema.Top {
  readonly Type: unknown
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/** What is made of a JSON schema needs no services. */
const isStructure = (schema: Schema.Top): schema is JsonStructure => Schema.isSchema(schema)

/** The JSON schema tells the provider what to answer, and the schema itself decodes the answer. */
export const fromStandard = <A>({ "~standard": standard }: StandardSchema<A>): Schema.Codec<A, unknown> => {
  if (!Predicate.hasProperty(standard, "jsonSchema")) {
    throw new Cause.IllegalArgumentError(
      "A schema must have a JSON schema: its library implements Standard Schema, but not Standard JSON Schema"
    )
  }
  const json = jsonSchemaOf(standard)
  const encoded = SchemaRepresentation.fromJsonSchemaDocument(JsonSchema.fromSchemaDraft2020_12(json), {
    // The schema is of the program itself.
    patterns: "apply",
    // Properties that it does not name are left out, as most libraries do, and the provider is not told of them.
    onEnter: (schema) => "properties" in schema ? { additionalProperties: false, ...schema } : schema
  })
  const structure = isStructure(encoded) ? encoded : Schema.Unknown
  // The values of it are those that `validate` answers with.
  const isDecoded = (value: unknown): value is A => !SchemaIssue.isIssue(value)
  return structure.pipe(Schema.decodeTo(Schema.declare(isDecoded), {
    decode: SchemaGetter.transformEffect((input: unknown, options) => {
      const result = validated(() => standard.validate(input))
      if (typeof result === "string") return Effect.fail(new SchemaIssue.InvalidValue({ message: result }, input))
      if (result.issues === undefined) return Effect.succeed(result.value)
      const [first] = result.issues
      const issue = new SchemaIssue.InvalidValue({ message: first?.message ?? "Invalid value" }, input, options)
      const path = (first?.path ?? []).map((segment) => typeof segment === "object" ? segment.key : segment)
      return Effect.fail(path.length === 0 ? issue : new SchemaIssue.Pointer(path, issue))
    }),
    encode: SchemaGetter.forbiddenEncoding
  }))
}

const jsonSchemaOf = (standard: StandardJSONSchemaV1.Props) => {
  try {
    return standard.jsonSchema.input({ target: "draft-2020-12" })
  } catch (error) {
    throw new Cause.IllegalArgumentError(`A schema must have a JSON schema: ${describe(error)}`)
  }
}

/** The result of a validation, or what is wrong with it. Zod returns a promise when a transformation throws. */
const validated = <A>(
  validate: () => StandardSchemaV1.Result<A> | Promise<StandardSchemaV1.Result<A>>
): StandardSchemaV1.Result<A> | string => {
  try {
    const result = validate()
    if (!(result instanceof Promise)) return result
    // It may reject, and nobody else handles that.
    result.catch(() => {})
    return "The validation of the schema has thrown, or is asynchronous, which is not supported"
  } catch (error) {
    return `The validation of the schema has thrown: ${describe(error)}`
  }
}
