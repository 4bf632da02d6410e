/**
 * Metadata that a provider requires back with the parts of its answers, such as signatures of thoughts, goes to that provider alone.
 * The parts carry it in their options, under a key of the wire, with the vendor where several speak the same protocol.
 */
import * as Prompt from "effect/ai/Prompt"
import type * as Response from "effect/ai/Response"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import type { Part, StreamPart } from "../../Calling.ts"

/** The vendor that is meant where none is named. */
const defaultVendor = "openai"

/**
 * A prompt without the thoughts of other providers, and without what they want back with their texts and calls. A thought that
 * names no provider is kept.
 */
export const withoutForeign = (input: Prompt.RawInput, key: string, vendor?: string): Prompt.Prompt => {
  const prompt = Prompt.make(input)
  const isForeign = ({ options }: Prompt.Part): boolean => {
    const own = options[key]
    return own == null ? Object.keys(options).length > 0 : vendor !== undefined && vendorOf(own) !== vendor
  }
  if (!prompt.content.some(({ content, role }) => role === "assistant" && content.some(isForeign))) return prompt
  return Prompt.fromMessages(prompt.content.flatMap((message): ReadonlyArray<Prompt.Message> => {
    if (message.role !== "assistant") return [message]
    const content = message.content.flatMap((part) =>
      !isForeign(part)
        ? [part]
        : part.type === "reasoning"
        ? []
        : [{ ...part, options: Struct.omit(part.options, [key]) }]
    )
    return content.length === 0 ? [] : [{ ...message, content }]
  }))
}

const vendorOf = (own: unknown): unknown => Predicate.hasProperty(own, "vendor") ? own.vendor : defaultVendor

const decodeFields = Schema.decodeUnknownOption(Schema.Record(Schema.String, Schema.Json))

/** Names the vendor in the metadata of a part of OpenAI's wires, so that it is sent to that vendor alone. */
export const markingVendor = (vendor: string) => <P extends Part | StreamPart>(part: P): P => {
  const own = vendor === defaultVendor ? undefined : Option.getOrUndefined(decodeFields(part.metadata["openai"]))
  if (own === undefined || part.type === "finish") return part
  const metadata: Response.ProviderMetadata = { ...part.metadata, openai: { ...own, vendor } }
  return { ...part, metadata }
}
