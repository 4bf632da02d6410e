/** What the items of a response are made of: texts, images and files, as they are sent and as they come back. */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"

/** A field that may be missing, and is then absent: what has it is JSON, and can be sent back as it came. */
export const absent = <S extends Schema.Top>(schema: S) => Schema.optionalKey(schema)

/** A field that may be missing or `null`. */
export const nullish = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

export const Json = Schema.Record(Schema.String, Schema.Json)

/**
 * What has a `type` that is none of these: the kinds of tomorrow. It is let through as it is, but has no type here, as in
 * OpenAI's own SDK: a `switch` on the `type` has only the documented cases.
 */
export const ofTomorrow = (kinds: ReadonlyArray<string>) => {
  const known = new Set(kinds)
  return Schema.declare(
    (u): u is never => Predicate.isObject(u) && "type" in u && typeof u.type === "string" && !known.has(u.type),
    { expected: "an object with a type" }
  )
}

const CacheBreakpoint = nullish(Schema.Struct({ mode: Schema.Literal("explicit") }))

const InputText = Schema.Struct({
  type: Schema.Literal("input_text"),
  text: Schema.String,
  prompt_cache_breakpoint: CacheBreakpoint
})

const InputImage = Schema.Struct({
  type: Schema.Literal("input_image"),
  image_url: nullish(Schema.String),
  file_id: nullish(Schema.String),
  detail: nullish(Schema.Literals(["low", "high", "auto", "original"])),
  prompt_cache_breakpoint: CacheBreakpoint
})

const InputFile = Schema.Struct({
  type: Schema.Literal("input_file"),
  file_id: nullish(Schema.String),
  filename: nullish(Schema.String),
  file_data: nullish(Schema.String),
  file_url: nullish(Schema.String),
  detail: absent(Schema.Literals(["auto", "low", "high"])),
  prompt_cache_breakpoint: CacheBreakpoint
})

export const InputContent = Schema.Union([InputText, InputImage, InputFile])

/** The citation of a page, of a file, or of a file in a container. */
const Annotation = Schema.Struct({
  type: Schema.String,
  url: absent(Schema.String),
  title: nullish(Schema.String),
  file_id: absent(Schema.String),
  filename: nullish(Schema.String),
  container_id: absent(Schema.String),
  index: absent(Schema.Finite),
  start_index: absent(Schema.Finite),
  end_index: absent(Schema.Finite)
})

const TokenLogProb = {
  token: Schema.String,
  logprob: Schema.Finite,
  bytes: nullish(Schema.Array(Schema.Finite))
}

const LogProb = Schema.Struct({
  ...TokenLogProb,
  top_logprobs: absent(Schema.Array(Schema.Struct(TokenLogProb)))
})

const OutputText = Schema.Struct({
  type: Schema.Literal("output_text"),
  text: Schema.String,
  annotations: absent(Schema.Array(Annotation)),
  logprobs: nullish(Schema.Array(LogProb))
})

const Refusal = Schema.Struct({ type: Schema.Literal("refusal"), refusal: Schema.String })

export const OutputContent = Schema.Union([OutputText, Refusal, ofTomorrow(["output_text", "refusal"])])

export const SummaryText = Schema.Struct({ type: Schema.Literal("summary_text"), text: Schema.String })

export const ReasoningText = Schema.Struct({ type: Schema.Literal("reasoning_text"), text: Schema.String })
