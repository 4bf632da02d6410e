/** The tools of a request, and the choice of them. */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type BackendErrorReason, Unsupported } from "../../Errors.ts"
import type { FunctionTool, NeutralToolChoice, ProviderTool } from "../chat/arguments.ts"
import { describeIssue } from "../util/schemaIssue.ts"
import { unsendable } from "../errors/neverSent.ts"
import type { GenerateContentBody } from "./schema.ts"
import { Tool as ToolSchema } from "./toolSchema.ts"

type Tool = typeof ToolSchema.Type
type GivenTool = typeof FunctionTool.Type | typeof ProviderTool.Type | Tool
type FunctionDeclaration = NonNullable<Tool["functionDeclarations"]>[number]
type FunctionCallingConfig = NonNullable<
  NonNullable<typeof GenerateContentBody.Type["toolConfig"]>["functionCallingConfig"]
>

/** The functions are declared together, the tools that the provider runs come after them. */
export const toolsOf = Effect.fnUntraced(function*(
  provider: string,
  tools: ReadonlyArray<GivenTool>
): Effect.fn.Return<ReadonlyArray<Tool>, BackendErrorReason> {
  const declarations: Array<FunctionDeclaration> = []
  const others: Array<Tool> = []
  for (const tool of tools) {
    if (!("type" in tool)) others.push(tool)
    else if (tool.type === "provider") others.push(yield* providerTool(provider, tool))
    else {
      const { description, name, parameters } = tool.function
      declarations.push({
        name,
        ...(description !== undefined && { description }),
        ...(parameters !== undefined && { parametersJsonSchema: parameters })
      })
    }
  }
  return declarations.length === 0 ? others : [{ functionDeclarations: declarations }, ...others]
})

const decodeTool = Schema.decodeUnknownResult(ToolSchema, { onExcessProperty: "error" })

/** A tool such as `google.google_search`, whose arguments are those of the wire. */
const providerTool = (
  provider: string,
  { args, id, name }: typeof ProviderTool.Type
): Effect.Effect<Tool, BackendErrorReason> => {
  const field = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
  if (!/^(google|gemini)\./.test(id) || !Object.hasOwn(ToolSchema.fields, field)) {
    return Effect.fail(new Unsupported({ provider, feature: `tools: the provider's tool ${id}` }))
  }
  const decoded = decodeTool({ [field]: args ?? {} })
  if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
  const { message, path } = describeIssue(decoded.failure)
  const description = `The arguments of ${id} are wrong: ${path}: ${message}`
  return Effect.fail(unsendable("tools", description))
}

/**
 * Whether the model calls functions, and which. It is held to the schemas of functions that are strict, which it is anyway
 * when it must call one (https://ai.google.dev/gemini-api/docs/function-calling#function_calling_modes).
 */
export const callingOf = (
  choice: typeof NeutralToolChoice.Type | undefined,
  tools: ReadonlyArray<GivenTool>
): FunctionCallingConfig | undefined => {
  if (typeof choice === "object") return { mode: "ANY", allowedFunctionNames: [choice.tool] }
  if (choice === "none") return { mode: "NONE" }
  if (choice === "required") return { mode: "ANY" }
  const strict = tools.some((tool) => "type" in tool && tool.type === "function" && tool.function.strict === true)
  return strict ? { mode: "VALIDATED" } : choice && { mode: "AUTO" }
}
