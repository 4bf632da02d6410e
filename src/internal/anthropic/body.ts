/** The arguments of a call as the body of a request, and as its headers. */
import { toCodecAnthropic } from "effect/ai/AnthropicStructuredOutput"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type BackendErrorReason, Unsupported } from "../../Errors.ts"
import { describeOutput, isOutputSchema } from "../chat/arguments.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { unsendable } from "../errors/neverSent.ts"
import { conversationOf, conversationOfPrompt, type SentMessage } from "./prompt.ts"
import { wireMessage } from "./messages.ts"
import type { MessagesBody, MessagesRequest } from "./schema.ts"
import { AnthropicTool, type ToolChoice, type WireTool } from "./tools.ts"

type Request = MessagesRequest["Type"]
type Body = Omit<typeof MessagesBody.Type, "messages"> & { readonly messages: ReadonlyArray<SentMessage> }

export const bodyOf = (maxTokens: number) =>
  Effect.fnUntraced(function*(
    {
      betas: _betas,
      max_tokens = maxTokens,
      messages: given,
      output_config,
      prompt,
      response_format,
      stop,
      system,
      tool_choice,
      tools,
      user_profile_id: _profile,
      workspace_id: _workspace,
      ...fields
    }: Request
  ): Effect.fn.Return<Body, BackendErrorReason> {
    const { messages, system: lifted } = prompt === undefined
      ? conversationOf((given ?? []).map(wireMessage))
      : yield* conversationOfPrompt(prompt)
    if (messages.length === 0) return yield* invalid("messages", "Give a message that is not of the system")
    if (lifted !== undefined && system !== undefined) {
      return yield* invalid("system", "Give either system or a system message at the beginning, not both")
    }
    const format = yield* formatOf(response_format)
    return {
      ...fields,
      max_tokens,
      messages,
      ...((lifted ?? system) !== undefined && { system: lifted ?? system }),
      ...((output_config ?? format) !== undefined && { output_config: { ...output_config, ...format } }),
      ...(stop !== undefined && { stop_sequences: typeof stop === "string" ? [stop] : stop }),
      ...(tools !== undefined && { tools: yield* Effect.forEach(tools, toolOf) }),
      ...(tool_choice !== undefined && { tool_choice: toolChoiceOf(tool_choice) })
    }
  })

/** https://platform.claude.com/docs/en/api/beta-headers; the names of the others are those of Anthropic's published SDK. */
export const headersOf = ({ betas = [], user_profile_id, workspace_id }: Request): Record<string, string> => ({
  ...(betas.length > 0 && { "anthropic-beta": betas.join(",") }),
  ...(user_profile_id !== undefined && { "anthropic-user-profile-id": user_profile_id }),
  ...(workspace_id !== undefined && { "anthropic-workspace-id": workspace_id })
})

const invalid = (parameter: string, description: string) => Effect.fail(unsendable(parameter, description))

// https://platform.claude.com/docs/en/build-with-claude/structured-outputs. A format has no name there, and is always strict.
const formatOf = Effect.fnUntraced(function*(format: Request["response_format"]) {
  if (format === undefined) return undefined
  const { json_schema } = isOutputSchema(format)
    ? yield* describeOutput(format, toCodecAnthropic)
    : format
  const { description, schema } = json_schema
  if (schema === undefined) {
    return yield* invalid("response_format.json_schema.schema", "Anthropic has no format without a schema")
  }
  return {
    format: { type: "json_schema" as const, schema: { ...(description !== undefined && { description }), ...schema } }
  }
})

const decodeTool = Schema.decodeUnknownResult(AnthropicTool, { onExcessProperty: "error" })

const toolOf = Effect.fnUntraced(function*(
  tool: NonNullable<Request["tools"]>[number]
): Effect.fn.Return<typeof WireTool.Type, BackendErrorReason> {
  if ("function" in tool) {
    const { description, name, parameters, strict } = tool.function
    return {
      name,
      ...(description !== undefined && { description }),
      input_schema: parameters ?? { type: "object" },
      ...(strict != null && { strict })
    }
  }
  if (tool.type !== "provider") return tool
  const [provider, ...type] = tool.id.split(".")
  if (provider !== "anthropic") {
    return yield* new Unsupported({ provider: "anthropic", feature: `tools: the provider's tool ${tool.id}` })
  }
  const args = Predicate.isObject(tool.args) ? tool.args : {}
  const decoded = decodeTool({ ...args, type: type.join("."), name: tool.name })
  if (Result.isSuccess(decoded)) return decoded.success
  const { message, path } = describeIssue(decoded.failure)
  return yield* invalid("tools", `${tool.id}: ${path === "" ? message : `${path}: ${message}`}`)
})

// https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools#forcing-tool-use
const toolChoiceOf = (choice: NonNullable<Request["tool_choice"]>): typeof ToolChoice.Type =>
  typeof choice === "string"
    ? { type: choice === "required" ? "any" : choice }
    : "tool" in choice
    ? { type: "tool", name: choice.tool }
    : choice
