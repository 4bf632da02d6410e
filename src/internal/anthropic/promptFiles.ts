/** The files of a prompt, as images and documents. */
import type * as AiError from "effect/ai/AiError"
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import { Unsupported } from "../../Errors.ts"
import { unsendable } from "../errors/neverSent.ts"
import { type Document, type Image, imageTypes } from "./blocks.ts"
import { caching, fileOptions } from "./promptOptions.ts"

export type FileBlock = typeof Image.Type | typeof Document.Type

/** What the wire cannot carry. */
export type Refused = Unsupported | AiError.InvalidRequestError

export const unsupported = (what: string) =>
  Effect.fail(new Unsupported({ provider: "anthropic", feature: `prompt: ${what}` }))

export const invalid = (description: string) => Effect.fail(unsendable("prompt", description))

export const fileBlock = Effect.fnUntraced(function*(part: Prompt.FilePart): Effect.fn.Return<FileBlock, Refused> {
  const { cacheControl, citations, documentContext, documentTitle } = yield* fileOptions(part.options)
  const { fileName, mediaType } = part
  const place = placeOf(part.data)
  const isDocument = mediaType === "application/pdf" || mediaType === "text/plain"
  if (!isDocument && (citations ?? documentContext ?? documentTitle) != null) {
    return yield* invalid(`options.anthropic: A file of type ${mediaType} is no document`)
  }
  const title = documentTitle ?? fileName
  const document = {
    type: "document" as const,
    ...(title !== undefined && { title }),
    ...(documentContext != null && { context: documentContext }),
    ...(citations != null && { citations }),
    ...caching(cacheControl)
  }
  switch (place.type) {
    case "url":
      if (mediaType === "application/pdf") return { ...document, source: place }
      if (/^image\/(jpeg|png|gif|webp|\*)$/.test(mediaType)) {
        return { type: "image", source: place, ...caching(cacheControl) }
      }
      return yield* unsupported(`a file of type ${mediaType}, given as a URL`)
    case "base64": {
      const { data } = place
      if (mediaType === "application/pdf") return { ...document, source: { ...place, media_type: mediaType } }
      if (mediaType === "text/plain") {
        const text = Base64.decodeString(data)
        if (Result.isFailure(text)) return yield* invalid("The data of a file of type text/plain is not base64")
        return { ...document, source: { type: "text", media_type: mediaType, data: text.success } }
      }
      const imageType = imageTypes.find((type) => type === mediaType)
      if (imageType === undefined) return yield* unsupported(`a file of type ${mediaType}`)
      return { type: "image", source: { type: "base64", media_type: imageType, data }, ...caching(cacheControl) }
    }
  }
})

/** Where the data of a file is: at an address, or here, as base64. */
const placeOf = (data: Prompt.FilePart["data"]) => {
  const text = data instanceof URL ? data.href : typeof data === "string" ? data : Base64.encode(data)
  const isAddress = data instanceof URL ? data.protocol !== "data:" : /^https?:/.test(text)
  return isAddress
    ? { type: "url" as const, url: text }
    : { type: "base64" as const, data: text.replace(/^data:[^,]*,/, "") }
}
