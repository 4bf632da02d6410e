/**
 * What does its work by a `LanguageModel` or an `EmbeddingModel` of Effect AI. The tools of a call are the caller's to run: what
 * the model asks of them is handed on as it is.
 */
import type * as EmbeddingModel from "effect/ai/EmbeddingModel"
import type * as LanguageModel from "effect/ai/LanguageModel"
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import type * as Toolkit from "effect/ai/Toolkit"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Stream from "effect/Stream"
import { makeResponse, type NormalizedResponse, type Part, type StreamPart } from "../../Calling.ts"
import type { BackendErrorReason } from "../../Errors.ts"
import {
  FunctionTool,
  NeutralToolChoice,
  promptOrMessages,
  RawPrompt,
  systemOnce,
  SystemPrompt
} from "../chat/arguments.ts"
import { Messages, promptOfMessages } from "../chat/schema.ts"
import { type Emit, streamPartsOf } from "../calling/streaming.ts"
import * as Reader from "../mock/reader.ts"
import { backendReasonOf, reasonOfPart } from "./errors.ts"
import { PartFold } from "../chat/partFold.ts"

// -----------------------------------------------------------------------------
// Requests
// -----------------------------------------------------------------------------

/** A tool that is described but not run, so that it needs no services. */
interface DescribedTool extends
  Tool.Tool<string, {
    readonly parameters: Schema.Codec<unknown>
    readonly success: Schema.Codec<unknown>
    readonly failure: Schema.Codec<unknown>
    readonly failureMode: Tool.FailureMode
  }>
{}

const isTool = (u: unknown): u is DescribedTool => Predicate.hasProperty(u, Tool.TypeId)

const AiTool = Schema.declare(isTool, { expected: "a Tool of effect/ai" })

const ToolOfFunction = FunctionTool.pipe(
  Schema.decodeTo(AiTool, {
    decode: SchemaGetter.transform(({ function: { description, name, parameters } }) =>
      Tool.dynamic(name, { description, parameters: parameters ?? { type: "object" } })
    ),
    encode: SchemaGetter.forbidden(() => "A tool is no description of one")
  })
)

/** A schema for an answer that is an object, decoded and encoded without services. */
interface ObjectSchema extends Schema.Codec<unknown, Readonly<Record<string, unknown>>> {}

const isObjectSchema = (u: unknown): u is ObjectSchema => Schema.isSchema(u)

/** What a language model of Effect AI can be asked. */
export const ChatRequest = Schema.Struct({
  prompt: Schema.optional(RawPrompt),
  system: SystemPrompt,
  messages: Schema.optional(Messages),
  tools: Schema.optional(Schema.Array(Schema.Union([AiTool, ToolOfFunction]))),
  tool_choice: Schema.optional(NeutralToolChoice),
  response_format: Schema.optional(Schema.declare(isObjectSchema, { expected: "a Schema of an object" }))
}).check(promptOrMessages, systemOnce)

type Payload = typeof ChatRequest.Type

const requestOf = ({ messages, prompt, system, tool_choice, tools = [] }: Payload) => ({
  prompt: Prompt.concat(
    system === undefined ? Prompt.empty : Prompt.make([{ role: "system", content: system }]),
    Prompt.make(prompt ?? promptOfMessages(messages ?? []))
  ),
  toolkit: toolkitOf(tools),
  toolChoice: tool_choice ?? "auto",
  disableToolCallResolution: true,
  toolCallValidation: "deferred"
} as const)

const toolkitOf = (tools: ReadonlyArray<DescribedTool>): Toolkit.WithHandler<Record<string, DescribedTool>> => ({
  tools: Object.fromEntries(tools.map((tool) => [tool.name, tool])),
  handle: () => Effect.die(new Error("The tools of a call are the caller's to run"))
})

// -----------------------------------------------------------------------------
// Answers
// -----------------------------------------------------------------------------

type Answer = NormalizedResponse<ReadonlyArray<Part>>

const answerOf = (content: ReadonlyArray<Part>, value?: unknown): Answer =>
  makeResponse({ data: content, content, value })

export const generate =
  (model: LanguageModel.LanguageModel) => (payload: Payload): Effect.Effect<Answer, BackendErrorReason> => {
    const { response_format: schema } = payload
    return Effect.mapError(
      schema === undefined
        ? Effect.map(model.generateText(requestOf(payload)), ({ content }) => answerOf(content))
        : Effect.map(
          model.generateObject({ ...requestOf(payload), schema }),
          ({ content, value }) => answerOf(content, value)
        ),
      backendReasonOf
    )
  }

/** An answer that a schema decodes does not come in parts. */
export const stream =
  (model: LanguageModel.LanguageModel) => (payload: Payload, emit: Emit): Effect.Effect<Answer, BackendErrorReason> => {
    if (payload.response_format !== undefined) {
      return Effect.tap(generate(model)(payload), ({ content }) => emit(streamPartsOf(content)))
    }
    return Effect.suspend(() => {
      const fold = new PartFold()
      return model.streamText(requestOf(payload)).pipe(
        Stream.mapError(backendReasonOf),
        Stream.runForEachArray(Effect.fnUntraced(function*(parts) {
          const said: Array<StreamPart> = []
          for (const part of parts) {
            if (part.type === "error") {
              yield* emit(said)
              return yield* reasonOfPart(part.error)
            }
            said.push(part)
            fold.add(part)
          }
          yield* emit(said)
        })),
        Effect.map(() => answerOf(fold.content))
      )
    })
  }

const isParts = (u: unknown): u is ReadonlyArray<Part> => Array.isArray(u) && u.every(Response.isPart)

/** Reads what a mock of it answers. Its value is left to `respondAs`. */
export const readParts = Reader.make(
  ChatRequest,
  Schema.declare(isParts, { expected: "parts of an answer" }),
  (content) => Effect.succeed({ content })
)

// -----------------------------------------------------------------------------
// Embeddings
// -----------------------------------------------------------------------------

/** What an embedding model of Effect AI can be asked. */
export const EmbeddingRequest = Schema.Struct({
  input: Schema.Union([Schema.String, Schema.Array(Schema.String).check(Schema.isMinLength(1))])
})

export const embed = (model: EmbeddingModel.EmbeddingModel) =>
(
  { input }: typeof EmbeddingRequest.Type
): Effect.Effect<NormalizedResponse<ReadonlyArray<ReadonlyArray<number>>>, BackendErrorReason> =>
  model.embedMany(typeof input === "string" ? [input] : input).pipe(
    Effect.mapError(backendReasonOf),
    Effect.map(({ embeddings, usage }) => {
      const vectors = embeddings.map(({ vector }) => vector)
      return makeResponse({
        data: vectors,
        value: vectors,
        usage: { inputTokens: { total: usage.inputTokens }, outputTokens: {} }
      })
    })
  )

/** Reads what a mock of it answers. */
export const readVectors = Reader.make(
  EmbeddingRequest,
  Schema.Array(Schema.Array(Schema.Finite)),
  (value) => Effect.succeed({ value })
)
