/** The message of a reason, with the words of the provider where the reason's class has no field for them. */
import * as Schema from "effect/Schema"

/** Metadata for the reasons of Effect AI that have no description. */
export const describedBy = (description: string) => ({ imodel: { description } })

const isDescribed = Schema.is(
  Schema.Struct({ metadata: Schema.Struct({ imodel: Schema.Struct({ description: Schema.String }) }) })
)

export const messageOf = (reason: { readonly message: string }): string =>
  isDescribed(reason) ? `${reason.message.replace(/\.$/, "")}. ${reason.metadata.imodel.description}` : reason.message
