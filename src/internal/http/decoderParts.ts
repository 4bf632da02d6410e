/** Decoders whose parts are changed on their way. */
import * as Result from "effect/Result"
import type { StreamPart } from "../../Calling.ts"
import type { Decoder } from "../../Endpoint.ts"

export const mapParts = <Data>(decoder: Decoder<Data>, f: (part: StreamPart) => StreamPart): Decoder<Data> => ({
  ...decoder,
  push: (data, event) => Result.map(decoder.push(data, event), (parts) => parts.map(f)),
  end: (isBroken) => {
    const end = decoder.end(isBroken)
    return end && { ...end, parts: end.parts.map(f) }
  }
})
