/** What a fault does to an answer. */
import * as Duration from "effect/Duration"
import type * as Simulator from "./options.ts"
import type { Event, Refusal, Reply } from "./wire.ts"

/** The refusal that a fault is, if it is one. */
export const refusalOf = (fault: Simulator.Fault, inputTokens: number): Refusal | undefined => {
  switch (fault._tag) {
    case "RateLimited":
      return {
        _tag: "RateLimited",
        kind: "requests",
        message: "Rate limit reached.",
        waitMillis: fault.retryAfter === undefined
          ? undefined
          : Duration.toMillis(Duration.fromInputUnsafe(fault.retryAfter))
      }
    case "ServerError":
    case "Overloaded":
    case "ContentPolicy":
      return { _tag: fault._tag }
    case "ContextTooLong":
      return { _tag: "ContextTooLong", tokens: inputTokens }
    default:
      return undefined
  }
}

export interface Sent {
  readonly chunks: ReadonlyArray<string>
  /** Whether the body then ends, breaks off, or stays open and silent. */
  readonly ending: "end" | "break" | "silence"
}

/** What is sent of a reply. Of an answer that does not stream, the first half is its chunk. */
export const sentOf = (reply: Reply, fault: Simulator.Fault | undefined): Sent => {
  if (reply._tag === "Whole") {
    const whole = JSON.stringify(reply.body)
    const half = whole.slice(0, whole.length / 2)
    switch (fault?._tag) {
      case "Cut":
        return { chunks: [half], ending: "break" }
      case "Silence":
        return { chunks: [half], ending: "silence" }
      case "Malformed":
        return { chunks: [half], ending: "end" }
      default:
        return { chunks: [whole], ending: "end" }
    }
  }
  const { end, failure } = reply
  const events = reply.events.map(({ text }) => text)
  const all = end === undefined ? events : [...events, end]
  const at = fault !== undefined && "after" in fault ? indexOf(reply.events, fault.after) : all.length
  const before = all.slice(0, at)
  switch (fault?._tag) {
    case "Cut":
      return { chunks: before, ending: "break" }
    case "Silence":
      return { chunks: before, ending: "silence" }
    case "Malformed":
      return { chunks: all.map((event, i) => i === at ? halfOf(event) : event), ending: "end" }
    case "Garbage":
      return { chunks: [...before, "data: {garbage\n\n", ...all.slice(at)], ending: "end" }
    case "Failure":
      return { chunks: [...before, failure], ending: "end" }
    case "NoEnd":
      return { chunks: events, ending: "end" }
    default:
      return { chunks: all, ending: "end" }
  }
}

/** Where the pieces of the answer that come after the first `n` begin. */
const indexOf = (events: ReadonlyArray<Event>, n: number): number => {
  let pieces = 0
  const index = events.findIndex(({ isPiece }) => isPiece && pieces++ === n)
  return index === -1 ? events.length : index
}

/** An event whose data breaks off, and so is no JSON. */
const halfOf = (event: string): string => {
  const data = event.indexOf("data: ") + "data: ".length
  const blank = event.slice(event.trimEnd().length)
  return event.slice(0, data + (event.length - blank.length - data) / 2) + blank
}
