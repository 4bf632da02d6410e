/**
 * What is asked, as the one message that begins a run.
 *
 * Claude Code takes messages of the user alone. What was said before is told in the message, in tags, as in
 * https://docs.claude.com/en/docs/build-with-claude/prompt-engineering/use-xml-tags
 */
import * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import { Unsupported } from "../../Errors.ts"
import { promptOfMessages } from "../chat/schema.ts"
import type { Query } from "./request.ts"

type Block =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image" | "document"; readonly source: Source }

type Source =
  | { readonly type: "base64"; readonly media_type: string; readonly data: string }
  | { readonly type: "url"; readonly url: string }

interface Said {
  readonly role: "user" | "assistant"
  readonly content: ReadonlyArray<Block>
}

export interface Question {
  /** What the system messages say; `undefined` when there are none. */
  readonly system: string | undefined
  readonly content: ReadonlyArray<Block>
}

export const provider = "claude_code"

export const questionOf = Effect.fnUntraced(function*(
  { messages, prompt }: Pick<Query, "messages" | "prompt">
): Effect.fn.Return<Question, Unsupported> {
  const systems: Array<string> = []
  const said: Array<Said> = []
  for (const message of Prompt.make(prompt ?? promptOfMessages(messages ?? [])).content) {
    if (message.role === "system") systems.push(message.content)
    else if (message.role === "tool") return yield* unsupported("a result of the caller's tools")
    else {
      const parts: ReadonlyArray<Part> = message.content
      said.push({ role: message.role, content: yield* Effect.forEach(parts, blockOf) })
    }
  }
  const last = said.pop()
  if (last?.role !== "user") return yield* unsupported("a last message that is not the user's")
  return {
    system: systems.length === 0 ? undefined : systems.join("\n\n"),
    content: said.length === 0 ? last.content : [...conversationOf(said), ...last.content]
  }
})

const conversationOf = (said: ReadonlyArray<Said>): ReadonlyArray<Block> => [
  textBlock("<conversation>"),
  ...said.flatMap(({ content, role }) => [textBlock(`<${role}>`), ...content, textBlock(`</${role}>`)]),
  textBlock("</conversation>")
]

type Part = Prompt.UserMessagePart | Prompt.AssistantMessagePart

const blockOf = (part: Part): Effect.Effect<Block, Unsupported> => {
  switch (part.type) {
    case "text":
      return Effect.succeed(textBlock(part.text))
    case "file": {
      const type = part.mediaType.startsWith("image/")
        ? "image"
        : part.mediaType === "application/pdf"
        ? "document"
        : undefined
      return type === undefined
        ? unsupported(`a file of type ${part.mediaType}`)
        : Effect.succeed({ type, source: sourceOf(part) })
    }
    default:
      return unsupported(`a ${part.type} part`)
  }
}

const textBlock = (text: string): Block => ({ type: "text", text })

const sourceOf = ({ data, mediaType }: Prompt.FilePart): Source =>
  data instanceof URL
    ? { type: "url", url: data.href }
    : typeof data === "string" && /^https?:/.test(data)
    ? { type: "url", url: data }
    : {
      type: "base64",
      media_type: mediaType,
      data: typeof data === "string" ? data.replace(/^data:[^,]*,/, "") : Base64.encode(data)
    }

const unsupported = (what: string) => Effect.fail(new Unsupported({ provider, feature: `prompt: ${what}` }))
