/** Parts of answers as the schemas of Effect AI encode them. */
import * as Response from "effect/ai/Response"
import type { Part, StreamPart } from "../../Calling.ts"

/** Effect AI encodes usage as an instance of its class. */
export const withUsage = <P extends Part | StreamPart>(part: P): P =>
  part.type === "finish" ? { ...part, usage: new Response.Usage(part.usage) } : part
