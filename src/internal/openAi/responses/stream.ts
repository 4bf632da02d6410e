/**
 * Puts the events of a response together. The last event has the whole answer; until then texts, thoughts and the arguments of
 * functions are handed out as they come, and what else there is of an item when it is done.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type { Decoder } from "../../http/decoder.ts"
import { describeIssue } from "../../util/schemaIssue.ts"
import { PartWriter } from "../../chat/partWriter.ts"
import { Notes, tolerantDecoder } from "../../http/tolerantDecoder.ts"
import { type Asked, callIdsFor, finishOf, metadataOf, usageOf } from "./answer.ts"
import { Event } from "./events.ts"
import { ItemWriter } from "./itemWriter.ts"
import { type Response, tolerance } from "./schema.ts"

type Data = typeof Response.Type

const decodeEvent = tolerantDecoder(Event, tolerance)

export const makeDecoder = (provider: string, asked: Asked): Decoder<Data> => {
  const parts = new PartWriter()
  const notes = new Notes()
  const items = new ItemWriter(parts, callIdsFor(provider, asked))
  let hasBegun = false
  let hasGap = false
  let data: Data | undefined

  const read = (event: typeof Event.Type): void => {
    // The last event has what came after a gap, and what was in it.
    if (hasGap && !ending.has(event.type)) return
    switch (event.type) {
      case "response.queued":
      case "response.created":
      case "response.in_progress":
        if (!hasBegun) parts.write(metadataOf(event.response))
        hasBegun = true
        return
      case "response.output_item.added":
        return event.item === null ? undefined : items.add(event, event.item)
      case "response.output_text.delta":
        return items.delta(event, "message", `content.${event.content_index ?? 0}`, event.delta)
      case "response.reasoning_text.delta":
        return items.delta(event, "reasoning", `content.${event.content_index ?? 0}`, event.delta)
      case "response.reasoning_summary_text.delta":
        return items.delta(event, "reasoning", `summary.${event.summary_index ?? 0}`, event.delta)
      case "response.function_call_arguments.delta":
        return items.arguments(event, event.delta)
      case "response.content_part.done":
        return items.endContent(event, event.content_index ?? 0, event.part)
      case "response.output_item.done":
        return event.item === null ? undefined : items.done(event, event.item)
      case "response.completed":
      case "response.incomplete":
      case "response.done": {
        const { output } = event.response
        const hasOutput = output != null && output.length > 0
        if (hasGap && !hasOutput) return
        data = { ...event.response, output: hasOutput ? output : items.ended }
        if (!hasBegun) parts.write(metadataOf(data))
        items.settle(data.output)
      }
    }
  }

  return {
    push: (json, name) => {
      const decoded = decodeEvent(typed(json, name), notes)
      if (Result.isSuccess(decoded)) {
        read(decoded.success)
        return Result.succeed(parts.take())
      }
      const { message, path } = describeIssue(decoded.failure)
      return Result.fail({ _tag: "MalformedEvent", description: `${path}: ${message}` })
    },
    isOver: () => data !== undefined,
    skip: () => {
      hasGap = true
    },
    usage: () => data?.usage == null ? undefined : usageOf(data.usage),
    end: () => {
      if (data === undefined) return undefined
      parts.end()
      parts.write(finishOf(data))
      return { parts: parts.take(), data, notes: notes.all }
    }
  }
}

const ending: ReadonlySet<string> = new Set<(typeof Event.Type)["type"]>([
  "response.completed",
  "response.incomplete",
  "response.done"
])

/** An event whose type is only in its name, and a whole response that comes as an event. */
const typed = (json: unknown, name: string): unknown => {
  if (!Predicate.isObject(json) || "type" in json) return json
  return "output" in json ? { type: "response.completed", response: json } : { ...json, type: name }
}
