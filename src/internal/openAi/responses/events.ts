/**
 * The events of a response that is streamed, as far as they say something that the last of them is too late for.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses-streaming
 */
import * as Schema from "effect/Schema"
import { nullable } from "../../chat/arguments.ts"
import { ofTomorrow, OutputContent } from "./content.ts"
import { OutputItem } from "./items.ts"
import { answered } from "./schema.ts"

// One schema for each type: those of the other types need not be tried then.
const event = <const Type extends string, Fields extends Schema.Struct.Fields>(
  types: ReadonlyArray<Type>,
  fields: Fields
) => types.map((type) => Schema.Struct({ type: Schema.Literal(type), ...fields }))

// Some servers do not number what they send: then it belongs to the item that came last.
const inItem = { output_index: nullable(Schema.Int), item_id: nullable(Schema.String) }
const inContent = { ...inItem, content_index: nullable(Schema.Int) }

const kinds = [
  ...event(["response.queued", "response.created", "response.in_progress"], {
    response: Schema.Struct({ id: answered.id, model: answered.model, created_at: answered.created_at })
  }),
  ...event(["response.output_item.added", "response.output_item.done"], {
    ...inItem,
    item: Schema.NullOr(OutputItem)
  }),
  ...event(["response.content_part.done"], { ...inContent, part: OutputContent }),
  ...event(["response.output_text.delta", "response.reasoning_text.delta"], { ...inContent, delta: Schema.String }),
  ...event(["response.reasoning_summary_text.delta"], {
    ...inItem,
    summary_index: nullable(Schema.Int),
    delta: Schema.String
  }),
  ...event(["response.function_call_arguments.delta"], { ...inItem, delta: Schema.String }),
  ...event(["response.completed", "response.incomplete", "response.done"], {
    response: Schema.Struct({
      ...answered,
      error: Schema.optional(Schema.Null),
      // Some leave out what they have streamed.
      output: nullable(Schema.Array(OutputItem))
    })
  })
]

export const Event = Schema.Union([...kinds, ofTomorrow(kinds.map((kind) => kind.fields.type.literal))])
