/** The hook that keeps to itself what nobody is to read. */
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import { type Calling, makeResponse, type NormalizedResponse, type Part, type StreamPart } from "../../Calling.ts"
import type { Hook } from "./hook.ts"
import type { Args, Way } from "./instance.ts"
import { TypeId } from "./hook.ts"

/**
 * Replaces what matches the pattern, in the texts of arguments before they are sent, and of answers before they are read: text,
 * reasoning and the parameters of tool calls. In a stream a text comes as a whole when it has ended, since what matches may
 * begin in one piece and end in another.
 *
 * **Gotchas**
 *
 * The provider's own `data` and `rawResponse` of an answer stay as they are.
 *
 * **Example** (No numbers of cards)
 *
 * ```ts
 * import { Hook, iModel } from "effect-imodel"
 *
 * const model = iModel.layer({ hooks: [Hook.redact(/\b(?:\d[ -]?){13,16}\b/, "[card]")] })
 * ```
 *
 * @category hooks
 * @since 0.1.0
 */
export const redact = (pattern: RegExp, replacement = "[redacted]"): Hook => {
  const everywhere = new RegExp(pattern.source, pattern.flags.includes("g") ? pattern.flags : `${pattern.flags}g`)
  const text = (text: string) => text.replace(everywhere, () => replacement)
  const deep = (value: unknown): unknown => mapTexts(value, text)

  const part = (part: Part): Part => {
    switch (part.type) {
      case "text":
        return { ...part, text: text(part.text) }
      case "reasoning":
        return { ...part, text: text(part.text) }
      case "tool-call":
        return { ...part, params: deep(part.params) }
      default:
        return part
    }
  }

  return {
    [TypeId]: () =>
      Effect.succeed({
        create: ({ model, ...args }: Args) =>
          Effect.sync(() => ({
            ...Object.fromEntries(Object.entries(args).map(([name, value]) => [name, deep(value)])),
            ...(model !== undefined && { model })
          })),
        around: <Data>(next: Way<Data>) => () => Effect.map(next, (response) => redactResponse(response, part)),
        parts: (_calling: Calling) => holdBack(text, part)
      })
  }
}

const redactResponse = <Data>(
  response: NormalizedResponse<Data>,
  redact: (part: Part) => Part
): NormalizedResponse<Data> => {
  const { data, finishReason, metadata, rawResponse, usage, value } = response
  return makeResponse({
    data,
    finishReason,
    metadata,
    rawResponse,
    usage,
    value,
    content: response.content.map(redact)
  })
}

/** Keeps the pieces of a text until it has ended. */
const holdBack = (text: (text: string) => string, redact: (part: Part) => Part) => {
  const held = new Map<string, string>()
  const hold = (kind: string, id: string, delta: string): ReadonlyArray<StreamPart> => {
    const key = `${kind} ${id}`
    held.set(key, (held.get(key) ?? "") + delta)
    return []
  }
  const take = (kind: string, id: string): string => {
    const key = `${kind} ${id}`
    const whole = held.get(key) ?? ""
    held.delete(key)
    return text(whole)
  }
  const change = (part: StreamPart): ReadonlyArray<StreamPart> => {
    switch (part.type) {
      case "text-delta":
        return hold("text", part.id, part.delta)
      case "text-end":
        return [Response.makePart("text-delta", { id: part.id, delta: take("text", part.id) }), part]
      case "reasoning-delta":
        return hold("reasoning", part.id, part.delta)
      case "reasoning-end":
        return [Response.makePart("reasoning-delta", { id: part.id, delta: take("reasoning", part.id) }), part]
      case "tool-params-delta":
        return hold("params", part.id, part.delta)
      case "tool-params-end":
        return [Response.makePart("tool-params-delta", { id: part.id, delta: take("params", part.id) }), part]
      case "tool-call":
        return [redact(part)].flatMap((call) => call.type === "tool-call" ? [call] : [])
      default:
        return [part]
    }
  }
  return (part: StreamPart) => Effect.sync(() => change(part))
}

/** The value with other texts, and everything else as it was. */
const mapTexts = (value: unknown, map: (text: string) => string): unknown => {
  if (typeof value === "string") return map(value)
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, map))
  if (!hasTexts(value)) return value
  const mapped = Object.entries(value).map(([key, item]) => [key, mapTexts(item, map)])
  return Object.assign(Object.create(Object.getPrototypeOf(value)), Object.fromEntries(mapped))
}

/** A plain object, or what a prompt is made of. */
const hasTexts = (value: unknown): value is object =>
  Prompt.isPrompt(value) || Prompt.isMessage(value) || Prompt.isPart(value) ||
  (Predicate.isObject(value) && (Object.getPrototypeOf(value) ?? Object.prototype) === Object.prototype)
