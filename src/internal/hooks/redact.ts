/** The hook that redacts texts. */
import * as Response from "effect/ai/Response"
import * as Effect from "effect/Effect"
import type { Calling, StreamPart } from "../../Calling.ts"
import { isTooDeep, tooDeep } from "../util/depth.ts"
import type { Hook } from "./hook.ts"
import { TypeId } from "./hook.ts"
import type { Answer, Args } from "./instance.ts"
import { rejecting } from "./runHook.ts"
import { makeRedactor, type Redactor } from "./redactor.ts"

/**
 * Replaces what matches the pattern in the texts of arguments before they are sent, and in everything that comes back: text,
 * reasoning, tool calls, sources, `value`, `data`, `rawResponse` and `metadata` of answers; parts of streams; errors, recorded
 * attempts, spans, and what other hooks see, log and cache.
 *
 * **Details**
 *
 * What comes back is redacted as it comes, whatever the place of this hook among the others. Arguments are
 * redacted in its place: hooks before it see them as they were. The `model` argument, names of tools and arguments, and binary
 * data are left as they are. In a stream a text comes as a whole when it has ended, since a match may begin in one part and
 * end in the next.
 *
 * **Gotchas**
 *
 * A pattern that matches what a schema requires, such as the name of a field or a literal, makes an answer that the schema does
 * not describe. Arguments that are nested more than 256 levels deep are rejected; deeper parts of an answer are replaced.
 *
 * **Example** (Redacting card numbers)
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
  const text = replacing(pattern, replacement)
  const redactor = makeRedactor({ text, replacement })

  return {
    [TypeId]: () =>
      Effect.succeed({
        create: (args: Args, callingId: string) =>
          Effect.try({
            try: () => {
              if (isTooDeep(args)) throw new TypeError(`The arguments are ${tooDeep}`)
              return Object.fromEntries(
                Object.entries(args).map(([name, value]) => [name, name === "model" ? value : redactor(value)])
              )
            },
            catch: rejecting("redact", "preEventCreate", callingId)
          }),
        // Another hook may answer or fail in place of the backend.
        around: <Data>(next: Answer<Data>) => () => Effect.mapBoth(next, { onSuccess: redactor, onFailure: redactor }),
        // Another hook may add texts of its own.
        parts: (_calling: Calling) => {
          const change = holdBack(text, redactor)
          return (part: StreamPart) => Effect.sync(() => change(part))
        },
        redaction: { value: redactor, parts: () => holdBack(text, redactor) }
      })
  }
}

/** Replaces all matches. A text that was redacted before is the same when it is redacted again. */
const replacing = (pattern: RegExp, replacement: string): (text: string) => string => {
  const everywhere = new RegExp(pattern.source, pattern.flags.includes("g") ? pattern.flags : `${pattern.flags}g`)
  const replace = (text: string) => text.replace(everywhere, () => replacement)
  return replacement === "" || replace(replacement) === replacement
    ? replace
    : (text) => text.split(replacement).map(replace).join(replacement)
}

type Block = "text" | "reasoning" | "params"

interface Held {
  readonly block: Block
  readonly id: string
  delta: string
}

/** Keeps the pieces of a text until the text has ended, or the answer has. */
const holdBack = (text: (text: string) => string, redactor: Redactor) => {
  const held = new Map<string, Held>()
  const hold = (block: Block, id: string, delta: string): ReadonlyArray<StreamPart> => {
    const key = `${block} ${id}`
    const before = held.get(key)
    if (before === undefined) held.set(key, { block, id, delta })
    else before.delta += delta
    return []
  }
  const take = (block: Block, id: string): ReadonlyArray<StreamPart> => {
    const key = `${block} ${id}`
    const { delta = "" } = held.get(key) ?? {}
    held.delete(key)
    return delta === "" ? [] : [deltaOf(block, id, text(delta))]
  }
  return (part: StreamPart): ReadonlyArray<StreamPart> => {
    switch (part.type) {
      case "text-delta":
        return hold("text", part.id, part.delta)
      case "text-end":
        return [...take("text", part.id), redactor(part)]
      case "reasoning-delta":
        return hold("reasoning", part.id, part.delta)
      case "reasoning-end":
        return [...take("reasoning", part.id), redactor(part)]
      case "tool-params-delta":
        return hold("params", part.id, part.delta)
      case "tool-params-end":
        return [...take("params", part.id), redactor(part)]
      case "finish":
        return [...[...held.values()].flatMap(({ block, id }) => take(block, id)), redactor(part)]
      default:
        return [redactor(part)]
    }
  }
}

const deltaOf = (block: Block, id: string, delta: string): StreamPart => {
  switch (block) {
    case "text":
      return Response.makePart("text-delta", { id, delta })
    case "reasoning":
      return Response.makePart("reasoning-delta", { id, delta })
    case "params":
      return Response.makePart("tool-params-delta", { id, delta })
  }
}
