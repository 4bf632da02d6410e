/**
 * The arguments of a run: those that every chat backend takes, and the options of Claude Code by the names that its SDK has for
 * them (https://docs.claude.com/en/api/agent-sdk/typescript).
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import {
  JsonObject,
  JsonSchemaFormat,
  OutputFormat,
  promptOrMessages,
  RawPrompt,
  systemOnce,
  SystemPrompt
} from "../chat/arguments.ts"
import { Messages } from "../chat/schema.ts"

const Names = Schema.Array(Schema.NonEmptyString)

const oneSession = Schema.makeFilter((
  { continue: latest, resume }: {
    readonly continue?: boolean | undefined
    readonly resume?: string | false | undefined
  }
) =>
  latest === true && resume !== undefined
    ? { path: ["resume"], issue: "Give either resume or continue, not both" }
    : undefined
)

const systemPromptOnce = Schema.makeFilter((
  { system, systemPrompt }: { readonly system?: unknown; readonly systemPrompt?: unknown }
) =>
  system !== undefined && systemPrompt !== undefined
    ? { path: ["system"], issue: "It is systemPrompt in other words: give one of them" }
    : undefined
)

const fields = {
  prompt: Schema.optional(RawPrompt),
  /** The `systemPrompt` in other words. */
  system: SystemPrompt,
  messages: Schema.optional(Messages),
  temperature: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  top_p: Schema.optional(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))),
  /** Of each message of the model, not of the whole run. */
  max_tokens: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
  stop: Schema.optional(Schema.Union([Schema.String, Schema.Array(Schema.String)])),
  response_format: Schema.optional(Schema.Union([OutputFormat, JsonSchemaFormat])),
  /** In place of Claude Code's own. */
  systemPrompt: Schema.optional(Schema.String),
  /** After Claude Code's own. */
  appendSystemPrompt: Schema.optional(Schema.String),
  maxTurns: Schema.optional(Schema.Int.check(Schema.isGreaterThan(0))),
  /** The tools that it may use unasked, for example `"Read"` or `"Bash(git *)"`. */
  allowedTools: Schema.optional(Names),
  disallowedTools: Schema.optional(Names),
  /** @default "default": what would have to be asked for is refused */
  permissionMode: Schema.optional(
    Schema.Literals(["acceptEdits", "auto", "bypassPermissions", "default", "dontAsk", "plan"])
  ),
  /** MCP servers by their names, as Claude Code configures them. `"${NAME}"` in it stands for a variable of the environment. */
  mcpServers: Schema.optional(Schema.Record(Schema.String, JsonObject)),
  /** More directories that its tools may use; inside the root. */
  additionalDirectories: Schema.optional(Names),
  /** The working directory, inside the root. @default the root */
  cwd: Schema.optional(Schema.NonEmptyString),
  /** Variables of the environment, beside those of the backend. */
  env: Schema.optional(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Redacted(Schema.String)]))),
  /** The session to go on with, or `false` for a new one. @default the one of the call before */
  resume: Schema.optional(Schema.Union([Schema.NonEmptyString, Schema.Literal(false)])),
  /** Whether to go on with the latest session of the working directory. */
  continue: Schema.optional(Schema.Boolean),
  /** Whether to ask for a final message, without tools, when the run has ended without one. */
  autoFinish: Schema.optional(Schema.Boolean),
  /** Whether to sum up in the answer what the tools did. */
  summary: Schema.optional(Schema.Boolean)
}

/** A default model is one of the arguments, so that whoever observes the call sees it. */
export const queryRequest = (model: string | undefined) =>
  Schema.Struct({
    ...fields,
    model: model === undefined
      ? Schema.optional(Schema.NonEmptyString)
      : Schema.NonEmptyString.pipe(Schema.withDecodingDefault(Effect.succeed(model)))
  }).check(promptOrMessages, systemOnce, systemPromptOnce, oneSession)

export type QueryRequest = ReturnType<typeof queryRequest>
export type Query = QueryRequest["Type"]
