/** Refuses requests for what a model cannot do, before they are sent. */
import * as Prompt from "effect/ai/Prompt"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { Unsupported } from "../../Errors.ts"
import type { Capabilities } from "../../ServiceBackend.ts"
import { positiveInteger } from "../util/options.ts"

/** Features that the arguments of a call ask for, and not every model has. */
export interface Demands {
  readonly tools: boolean
  readonly images: boolean
  readonly prefill: boolean
}

const names = { tools: "tools", images: "images", prefill: "an assistant prefill" }

/** The capabilities of a model for its endpoint: the given ones, and the known ones for the rest. */
export const of = Effect.fnUntraced(function*<Payload extends { readonly model: string }>(
  { name, provider }: { readonly name: string; readonly provider: string },
  given: Capabilities | undefined,
  known: (model: string) => Capabilities,
  demandsOf: (payload: Payload) => Demands
): Effect.fn.Return<{
  readonly contextWindow: number | undefined
  readonly unsupported: (payload: Payload) => Unsupported | undefined
}, Cause.IllegalArgumentError> {
  if (given?.contextWindow !== undefined) yield* positiveInteger("capabilities.contextWindow", given.contextWindow)
  const byName = known(name)
  const own: Capabilities = {
    contextWindow: given?.contextWindow ?? byName.contextWindow,
    tools: given?.tools ?? byName.tools,
    images: given?.images ?? byName.images,
    prefill: given?.prefill ?? byName.prefill
  }
  return {
    contextWindow: own.contextWindow,
    unsupported: (payload) => {
      const { model } = payload
      const capabilities = model === name ? own : known(model)
      const feature = features.find((feature) => capabilities[feature] === false && demandsOf(payload)[feature])
      if (feature === undefined) return undefined
      const otherwise = `make its backend with capabilities: { ${feature}: true } if it can`
      return new Unsupported({
        provider,
        feature: `${names[feature]} with model "${model}": ask another model, or ${otherwise}`
      })
    }
  }
})

const features = ["tools", "images", "prefill"] as const

/** The features that a prompt asks for. */
export const demandsOfPrompt = (input: Prompt.RawInput): Omit<Demands, "tools"> => {
  if (typeof input === "string") return { images: false, prefill: false }
  const { content } = Prompt.make(input)
  const last = content.at(-1)
  return {
    images: content.some((message) => message.role !== "system" && message.content.some(hasImage)),
    // What ends with the call of a tool is no answer to be gone on with.
    prefill: last?.role === "assistant" && last.content.at(-1)?.type === "text"
  }
}

const hasImage = (part: Prompt.Part): boolean =>
  part.type === "file"
    ? isImageType(part.mediaType)
    : part.type === "tool-result" && (part.modelOutput?.some(hasImage) ?? false)

/** Whether a media type is of images. */
export const isImageType = (mediaType: string | undefined): boolean => mediaType?.startsWith("image/") ?? false

/** Whether there are any. */
export const areAny = (tools: ReadonlyArray<unknown> | undefined): boolean => tools !== undefined && tools.length > 0
