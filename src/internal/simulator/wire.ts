/** What the simulator needs to know of a provider's wire: how it is asked, and in which words it answers and refuses. */
import type * as JsonSchema from "effect/JsonSchema"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Simulator from "./options.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import type { Bucket } from "./strictLimit.ts"

/** A provider: what all of its operations have in common. */
export interface Vendor {
  readonly name: Simulator.Request["provider"]
  /** What the ids of its tool calls begin with. */
  readonly callPrefix: string
  /** What the headers lack. */
  readonly check: (headers: Headers) => Refusal | undefined
  /** Those of every answer. */
  readonly headers: (standing: Standing) => Readonly<Record<string, string>>
  readonly refuse: (refusal: Refusal, requestId: string) => Refused
}

type Headers = Readonly<Record<string, string | undefined>>

/** The request, and how its limit stands. */
export interface Standing {
  readonly requestId: string
  readonly nowMillis: number
  readonly buckets: Readonly<Record<"requests" | "tokens", Bucket | undefined>>
}

export interface Refused {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Why a request is not answered; each vendor has its own words for it. */
export type Refusal =
  | { readonly _tag: "NotFound"; readonly method: string; readonly url: string }
  | { readonly _tag: "NoKey" }
  | { readonly _tag: "Invalid"; readonly issue: Issue }
  | {
    readonly _tag: "RateLimited"
    readonly message: string
    readonly kind: string
    readonly waitMillis: number | undefined
  }
  | { readonly _tag: "ServerError" }
  | { readonly _tag: "Overloaded" }
  | { readonly _tag: "ContextTooLong"; readonly tokens: number }
  | { readonly _tag: "ContentPolicy" }

export interface Issue {
  /** Such as `messages[0].content`, empty for the whole body. */
  readonly path: string
  readonly message: string
}

/** One operation of a vendor. */
export interface Operation {
  readonly vendor: Vendor
  /** The end of its path, with what it names. */
  readonly path: RegExp
  readonly read: (body: unknown, url: Url) => Result.Result<Asked, Issue>
}

export interface Url {
  /** What the groups of the operation's path matched. */
  readonly groups: Readonly<Record<string, string | undefined>>
  readonly query: URLSearchParams
}

/** A request as it was understood, and how its answer is written. */
export interface Asked {
  readonly model: string
  readonly prompt: string
  readonly maxTokens: number | undefined
  readonly stream: boolean
  readonly want: Generation | Embedding
}

interface Generation {
  readonly _tag: "Generation"
  readonly messages: ReadonlyArray<Simulator.Message>
  readonly tools: ReadonlyArray<Simulator.Tool>
  readonly toolChoice: Simulator.Request["toolChoice"]
  readonly outputSchema: JsonSchema.JsonSchema | undefined
  readonly write: (generated: Generated, stamp: Stamp) => Reply
}

interface Embedding {
  readonly _tag: "Embedding"
  readonly inputs: ReadonlyArray<string>
  readonly dimensions: number
  readonly write: (vectors: ReadonlyArray<ReadonlyArray<number>>, stamp: Stamp) => unknown
}

/** What the model is to have said. */
export interface Generated {
  readonly reasoning: string
  readonly text: string
  readonly toolCalls: ReadonlyArray<{ readonly id: string; readonly name: string; readonly arguments: unknown }>
  readonly finish: "stop" | "length" | "toolCalls"
}

/** What tells one answer from the next. */
export interface Stamp {
  readonly number: number
  readonly createdMillis: number
  readonly inputTokens: number
}

export type Reply =
  | { readonly _tag: "Whole"; readonly body: unknown }
  | {
    readonly _tag: "Events"
    readonly events: ReadonlyArray<Event>
    /** What comes after all is said, for a wire that has such a mark. */
    readonly end: string | undefined
    /** The event that tells of a failure. */
    readonly failure: string
  }

/** A server-sent event. */
export interface Event {
  /** As it is written. */
  readonly text: string
  /** Whether it brings a piece of the answer. */
  readonly isPiece: boolean
}

// -----------------------------------------------------------------------------
// What the wires share
// -----------------------------------------------------------------------------

/** Four characters a token, so that a test can tell the tokens of a text. */
export const countTokens = (text: string): number => Math.ceil(text.length / 4)

export const tokensOf = (generated: Generated) => {
  const calls = generated.toolCalls.map((call) => call.name + JSON.stringify(call.arguments)).join("")
  return { reasoning: countTokens(generated.reasoning), answer: countTokens(generated.text) + countTokens(calls) }
}

/** Calls tools and says nothing. */
export const isSilent = ({ text, toolCalls }: Generated): boolean => text === "" && toolCalls.length > 0

/** A text in the pieces that it streams in: words, and long words in parts. */
export const pieces = (text: string): ReadonlyArray<string> => text.match(/\s*\S{1,16}|\s+/gu) ?? []

/** The text of a content: itself, or that of its parts. */
export const textOf = (content: unknown): string =>
  typeof content === "string"
    ? content
    : Array.isArray(content)
    ? content.map((part) => Predicate.hasProperty(part, "text") && typeof part.text === "string" ? part.text : "").join(
      ""
    )
    : ""

/** The prompt is all the text there is, a line a message. */
export const promptOf = (messages: ReadonlyArray<Simulator.Message>): string =>
  messages.map(({ text }) => text).join("\n")

/** A result names its tool only by the call's id on most wires. */
export const nameOfCall = (messages: ReadonlyArray<Simulator.Message>, id: string): string => {
  for (const message of messages) {
    const call = message.role === "assistant" ? message.toolCalls.find((call) => call.id === id) : undefined
    if (call !== undefined) return call.name
  }
  return ""
}

/** Reads a body by its schema, and overlooks what that does not know. */
export const reader = <S extends Schema.ConstraintCodec<unknown, unknown>>(
  schema: S,
  read: (body: S["Type"], url: Url) => Result.Result<Asked, Issue>
): Operation["read"] => {
  const decode = Schema.decodeUnknownResult(schema)
  return (body, url) => Result.flatMap(Result.mapError(decode(body), describeIssue), (body) => read(body, url))
}

/** Refuses a field of the body that its schema does not know; within the fields, clients send back what they were sent. */
export const strict =
  (schema: { readonly fields: object }, read: Operation["read"]): Operation["read"] => (body, url) => {
    const unknown = Predicate.isObject(body) ? Object.keys(body).find((name) => !(name in schema.fields)) : undefined
    return unknown === undefined
      ? read(body, url)
      : Result.fail({ path: unknown, message: "There is no such parameter" })
  }

/** For a format that asks for JSON and does not say which. */
export const someObject: JsonSchema.JsonSchema = {
  type: "object",
  properties: { answer: { type: "string" } },
  required: ["answer"],
  additionalProperties: false
}

export const event = (data: unknown, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
