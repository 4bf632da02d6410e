/** The tools of an MCP server: one connection for all of them, made anew when it has broken. */
import type * as McpClient from "effect/ai/McpClient"
import type * as McpClientError from "effect/ai/McpClientError"
import type * as McpSchema from "effect/ai/McpSchema"
import * as Response from "effect/ai/Response"
import * as Tool from "effect/ai/Tool"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as RcRef from "effect/RcRef"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { makeResponse, type NormalizedResponse, type Part } from "../../Calling.ts"
import { ToolFailure } from "../../Errors.ts"
import { make } from "../../ServiceBackend.ts"
import { wellFormed } from "../http/jsonBody.ts"
import { isTooDeep, tooDeep } from "../util/depth.ts"
import { argumentsCheck } from "./argumentsCheck.ts"
import type { McpOptions, McpTool } from "./options.ts"

export const fromMcp = Effect.fnUntraced(function*<R>(
  connect: Effect.Effect<McpClient.McpClient, McpClientError.McpClientError, R>,
  { only, prefix = "" }: McpOptions = {}
): Effect.fn.Return<ReadonlyArray<McpTool>, McpClientError.McpClientError, R | Scope.Scope> {
  const connection = yield* RcRef.make({ acquire: connect, idleTimeToLive: Duration.infinity })
  const { descriptors, server } = yield* Effect.scoped(Effect.gen(function*() {
    const client = yield* RcRef.get(connection)
    return { descriptors: yield* client.listTools(), server: client.serverInfo }
  }))

  return yield* Effect.forEach(
    descriptors.filter(({ name }) => only === undefined || only.includes(name)),
    (descriptor) => {
      const name = `${prefix}${descriptor.name}`
      const mistakeIn = argumentsCheck(descriptor.inputSchema)
      const call = Effect.fnUntraced(
        function*(args: Readonly<Record<string, unknown>>) {
          const mistake = mistakeIn(args)
          if (mistake !== undefined) {
            return yield* new ToolFailure({ tool: name, description: `Its arguments do not fit: ${mistake}` })
          }
          const client = yield* RcRef.get(connection)
          return yield* client.callTool({ tool: descriptor, arguments: wellFormed(args) })
        },
        Effect.scoped,
        Effect.tapError((error) =>
          error._tag !== "ToolFailure" && isBroken(error.reason) ? RcRef.invalidate(connection) : Effect.void
        ),
        Effect.mapError((cause) =>
          cause._tag === "ToolFailure" ? cause : new ToolFailure({ tool: name, description: toldOf(cause), cause })
        ),
        Effect.filterOrFail(
          ({ isError }) => isError !== true,
          (result) => new ToolFailure({ tool: name, description: textOf(result) })
        ),
        Effect.filterOrFail(
          (result) => !isTooDeep(result.structuredContent),
          () => new ToolFailure({ tool: name, description: `its result is ${tooDeep}` })
        ),
        Effect.map(responseOf)
      )
      return make({
        provider: "mcp",
        name,
        version: server?.version,
        // The server's own name is no tag: it could be one that the program trusts.
        tags: ["tool", "mcp"],
        request: Schema.Record(Schema.String, Schema.Unknown),
        operation: { name: "execute_tool" },
        tool: Tool.dynamic(name, {
          parameters: descriptor.inputSchema,
          description: descriptor.description,
          success: Schema.Unknown
        }).annotate(Tool.Strict, false),
        call
      })
    }
  )
})

/** Whether nothing more comes of the connection: the server has ended, or does not know it any more. */
const isBroken = ({ _tag }: McpClientError.McpClientErrorReason): boolean =>
  _tag === "TransportError" || _tag === "ClosedError" || _tag === "HttpError"

/** What a server said at its end is for those who run it, and not for a model: it is in the cause alone. */
const toldOf = ({ message, reason }: McpClientError.McpClientError): string =>
  reason._tag === "TransportError" ? "the connection to its server is broken" : message

const textOf = ({ content, structuredContent }: McpSchema.CallToolResult): string => {
  const texts = content.flatMap((block) => {
    switch (block.type) {
      case "text":
        return [block.text]
      case "resource_link":
        return [`${block.title ?? block.name}: ${block.uri}`]
      case "resource":
        return "text" in block.resource ? [block.resource.text] : [block.resource.uri]
      default:
        return []
    }
  })
  return texts.length === 0 && structuredContent !== undefined ? JSON.stringify(structuredContent) : texts.join("\n")
}

const responseOf = (result: McpSchema.CallToolResult): NormalizedResponse<McpSchema.CallToolResult> => {
  const text = textOf(result)
  const files = result.content.flatMap((block): ReadonlyArray<Part> =>
    block.type === "image" || block.type === "audio"
      ? [Response.makePart("file", { data: block.data, mediaType: block.mimeType })]
      : []
  )
  const finish = Response.makePart("finish", {
    reason: "stop",
    usage: { inputTokens: {}, outputTokens: {} },
    response: undefined
  })
  return makeResponse({
    data: result,
    text,
    content: [...(text === "" ? [] : [Response.makePart("text", { text })]), ...files, finish]
  })
}
