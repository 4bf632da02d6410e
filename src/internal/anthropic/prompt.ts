/** An `effect/ai` prompt as a system prompt and messages. What the wire cannot carry is refused. */
import type * as Prompt from "effect/ai/Prompt"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { paramsObject, resultText } from "../chat/arguments.ts"
import { withOwnCallIds } from "../chat/callIds.ts"
import { withoutForeign } from "../chat/origin.ts"
import type { Block, JsonRecord, Text } from "./blocks.ts"
import type { Message, System } from "./messages.ts"
import { type FileBlock, fileBlock, invalid, type Refused, unsupported } from "./promptFiles.ts"
import {
  answeredTextOptions,
  type CacheControl,
  caching,
  callOptions,
  messageOptions,
  reasoningOptions,
  resultOptions,
  type textFields,
  textOptions
} from "./promptOptions.ts"

type System = typeof System.Type
type Text = typeof Text.Type
type UserBlock = Text | FileBlock

/** A block of a kind that is known here, or one that came in an answer and is handed back. */
type SentBlock = typeof Block.Type | typeof JsonRecord.Type
export type SentMessage =
  | typeof Message.Type
  | { readonly role: "user" | "assistant"; readonly content: ReadonlyArray<SentBlock> }

interface Conversation {
  readonly system: System | undefined
  readonly messages: ReadonlyArray<SentMessage>
}

export const conversationOfPrompt = Effect.fnUntraced(function*(
  input: Prompt.RawInput
): Effect.fn.Return<Conversation, Refused> {
  if (typeof input === "string") return { system: undefined, messages: [{ role: "user", content: input }] }
  const messages = yield* Effect.forEach(
    withOwnCallIds(withoutForeign(input, "anthropic"), "anthropic").content,
    messageOf
  )
  return conversationOf(messages)
})

/** Lifts the system messages at the beginning. Those that come later stay where they are. */
export const conversationOf = (messages: ReadonlyArray<SentMessage>): Conversation => {
  const systems: Array<System> = []
  for (const message of messages) {
    if (message.role !== "system") break
    systems.push(message.content)
  }
  const [first, ...more] = systems
  return {
    system: more.length === 0 ? first : systems.flatMap(textsOf),
    messages: messages.slice(systems.length)
  }
}

const textsOf = (system: System): ReadonlyArray<Text> =>
  typeof system === "string" ? [{ type: "text", text: system }] : system

const messageOf = Effect.fnUntraced(function*(message: Prompt.Message): Effect.fn.Return<SentMessage, Refused> {
  const { cacheControl } = yield* messageOptions(message.options)
  switch (message.role) {
    case "system": {
      const text = message.content
      return {
        role: "system",
        content: cacheControl == null ? text : [{ type: "text", text, ...caching(cacheControl) }]
      }
    }
    case "user": {
      const blocks = cachedAtEnd(yield* Effect.forEach(message.content, userBlock), cacheControl)
      return { role: "user", content: shortened(blocks) }
    }
    case "assistant": {
      const parts = message.content.filter((part) => !isUnsigned(part))
      const blocks = (yield* Effect.forEach(parts, assistantBlock)).filter(isNotEmpty)
      if (cacheControl != null && message.content.at(-1)?.type === "reasoning") {
        return yield* unsupported("a cacheControl for a message that ends with a reasoning part")
      }
      return { role: "assistant", content: cachedAtEnd(blocks, cacheControl) }
    }
    case "tool": {
      const blocks = yield* Effect.forEach(
        message.content,
        (part) => part.type === "tool-result" ? resultBlock(part) : unsupported(`a ${part.type} part of a tool message`)
      )
      return { role: "user", content: cachedAtEnd(blocks, cacheControl) }
    }
  }
})

/** Nothing but a text is sent as a string, as people write it. */
const shortened = <B extends SentBlock>(blocks: ReadonlyArray<B | Text>): string | ReadonlyArray<B | Text> => {
  const [only] = blocks
  return blocks.length === 1 && only !== undefined && isPlainText(only) ? only.text : blocks
}

/** Anthropic refuses a text without a letter, which others answer beside the call of a tool. */
const isNotEmpty = (block: SentBlock): boolean => block.type !== "text" || block.text !== ""

const isPlainText = (block: SentBlock): block is Text => block.type === "text" && Object.keys(block).length === 2

/** The cache control of a message is that of its last block, unless that has its own. */
const cachedAtEnd = <B extends SentBlock>(
  blocks: ReadonlyArray<B>,
  cacheControl: CacheControl | null | undefined
): ReadonlyArray<B> =>
  blocks.map((block, i) => i === blocks.length - 1 ? { ...caching(cacheControl), ...block } : block)

// -----------------------------------------------------------------------------
// Parts
// -----------------------------------------------------------------------------

const userBlock = (part: Prompt.UserMessagePart): Effect.Effect<UserBlock, Refused> =>
  part.type === "text"
    ? Effect.map(textOptions(part.options), (options) => textBlock(part, options))
    : fileBlock(part)

const textBlock = (
  { text }: Prompt.TextPart,
  { cacheControl, citations }: Schema.Struct.Type<typeof textFields>
): Text => ({ type: "text", text, ...(citations != null && { citations }), ...caching(cacheControl) })

/** A thought that came over this wire without a signature: nothing takes it back. */
const isUnsigned = (part: Prompt.AssistantMessagePart): boolean => {
  const own = part.type === "reasoning" ? part.options["anthropic"] : undefined
  return own != null && !Predicate.hasProperty(own, "signature") && !Predicate.hasProperty(own, "redactedData")
}

const assistantBlock = Effect.fnUntraced(function*(
  part: Prompt.AssistantMessagePart
): Effect.fn.Return<SentBlock, Refused> {
  switch (part.type) {
    case "text": {
      const { block, ...options } = yield* answeredTextOptions(part.options)
      return block == null ? textBlock(part, options) : { ...block, ...caching(options.cacheControl) }
    }
    case "reasoning": {
      const { redactedData, signature } = yield* reasoningOptions(part.options)
      if (redactedData != null) return { type: "redacted_thinking", data: redactedData }
      // Anthropic takes back only what it has signed.
      if (signature == null) return yield* unsupported("a reasoning part without a signature of Anthropic")
      return { type: "thinking", thinking: part.text, signature }
    }
    case "tool-call": {
      const { cacheControl, caller, serverName, toolsetName, type } = yield* callOptions(part.options)
      if (part.providerExecuted && type == null) return yield* unsupported("the call of another provider's tool")
      return {
        type: type ?? "tool_use",
        id: part.id,
        name: part.name,
        input: paramsObject(part),
        ...(serverName != null && { server_name: serverName }),
        ...(toolsetName != null && { toolset_name: toolsetName }),
        ...(caller != null && { caller }),
        ...caching(cacheControl)
      }
    }
    case "tool-result":
      return yield* resultBlock(part)
    default:
      return yield* unsupported(`a ${part.type} part of an assistant message`)
  }
})

const resultBlock = Effect.fnUntraced(function*(part: Prompt.ToolResultPart): Effect.fn.Return<SentBlock, Refused> {
  const { cacheControl, caller, isError, toolsetName, type } = yield* resultOptions(part.options)
  if (part.providerExecuted && type == null) return yield* unsupported("the result of another provider's tool")
  if (type != null) {
    return {
      type,
      tool_use_id: part.id,
      content: yield* jsonOf(part.result),
      ...(isError != null && { is_error: isError }),
      ...(caller != null && { caller }),
      ...caching(cacheControl)
    }
  }
  return {
    type: "tool_result",
    tool_use_id: part.id,
    content: part.modelOutput === undefined
      ? yield* resultText(part)
      : shortened(yield* Effect.forEach(part.modelOutput, userBlock)),
    ...(part.isFailure && { is_error: true }),
    ...(toolsetName != null && { toolset_name: toolsetName }),
    ...caching(cacheControl)
  }
})

const decodeJson = Schema.decodeUnknownResult(Schema.Json)

const jsonOf = (result: unknown) => {
  const decoded = decodeJson(result)
  return Result.isSuccess(decoded)
    ? Effect.succeed(decoded.success)
    : invalid("The result of a provider's tool is not JSON")
}
