/**
 * The arguments of a run, its standard input, and the part of its environment that the request decides.
 *
 * Every value is in one word with its option (`--model=opus`), so that none can be taken for an option itself. Long prompts, and MCP
 * servers with credentials, are in files.
 *
 * Source: https://docs.claude.com/en/docs/claude-code/cli-reference
 */
import * as Predicate from "effect/Predicate"
import { wellFormedJson } from "../http/jsonBody.ts"
import { type Argument, isTooLong } from "../process/argument.ts"
import type { Question } from "./prompt.ts"
import type { Query } from "./request.ts"

/** The session of a run: one by its id, the latest of its directory, or a new one. */
export type Session = { readonly id: string } | "latest" | "new"

export const argumentsOf = (
  query: Query,
  { system }: Question,
  additionalDirectories: ReadonlyArray<string>,
  session: Session,
  jsonSchema: string | undefined,
  isStreamed: boolean
): ReadonlyArray<Argument> => {
  const systemPrompt = [query.system, query.systemPrompt, system].filter((prompt) => prompt !== undefined).join("\n\n")
  return [
    ...talking(isStreamed),
    ...valueOf("model", query.model),
    ...promptOf("system-prompt", systemPrompt === "" ? undefined : systemPrompt),
    ...promptOf("append-system-prompt", query.appendSystemPrompt),
    ...valueOf("max-turns", query.maxTurns),
    ...valuesOf("allowedTools", query.allowedTools),
    ...valuesOf("disallowedTools", query.disallowedTools),
    ...valueOf("permission-mode", query.permissionMode),
    ...serversOf(query.mcpServers),
    ...valuesOf("add-dir", additionalDirectories),
    ...valueOf("json-schema", jsonSchema),
    ...sessionOf(session)
  ]
}

/** The run that asks for a final message: it has no tools but the one that its answer may have to be given with. */
export const finishingArgumentsOf = (
  { model }: Query,
  id: string,
  jsonSchema: string | undefined,
  isStreamed: boolean
): ReadonlyArray<string> => [
  ...talking(isStreamed),
  ...valueOf("model", model),
  "--tools=",
  "--strict-mcp-config",
  ...valueOf("json-schema", jsonSchema),
  ...sessionOf({ id })
]

export const finishingQuestion: Question = {
  system: undefined,
  content: [{
    type: "text",
    text:
      "The run has ended before you gave a final message. Give it now, from what you know by now, without using a tool."
  }]
}

export const inputOf = ({ content }: Question): string =>
  `${wellFormedJson({ type: "user", message: { role: "user", content } })}\n`

/**
 * What there are no options for. The body of the requests is documented nowhere but in the program; a model that thinks may
 * refuse to be sent a temperature.
 */
export const variablesOf = ({ max_tokens, stop, temperature, top_p }: Query): Record<string, string> => {
  const body = {
    ...(temperature !== undefined && { temperature }),
    ...(top_p !== undefined && { top_p }),
    ...(stop !== undefined && { stop_sequences: typeof stop === "string" ? [stop] : stop })
  }
  return {
    ...(max_tokens !== undefined && { CLAUDE_CODE_MAX_OUTPUT_TOKENS: String(max_tokens) }),
    ...(Object.keys(body).length > 0 && { CLAUDE_CODE_EXTRA_BODY: wellFormedJson(body) })
  }
}

const talking = (isStreamed: boolean): ReadonlyArray<string> => [
  "--print",
  "--input-format=stream-json",
  "--output-format=stream-json",
  // Without it a run with stream-json is refused.
  "--verbose",
  ...(isStreamed ? ["--include-partial-messages"] : [])
]

const sessionOf = (session: Session): ReadonlyArray<string> =>
  session === "new" ? [] : session === "latest" ? ["--continue"] : [`--resume=${session.id}`]

const valueOf = (option: string, value: string | number | undefined): ReadonlyArray<string> =>
  value === undefined ? [] : [`--${option}=${value}`]

const valuesOf = (option: string, values: ReadonlyArray<string> = []): ReadonlyArray<string> =>
  values.flatMap((value) => valueOf(option, value))

const promptOf = (option: string, prompt: string | undefined): ReadonlyArray<Argument> =>
  prompt !== undefined && isTooLong(prompt)
    ? [{ option: `${option}-file`, content: prompt }]
    : valueOf(option, prompt)

const serversOf = (mcpServers: Query["mcpServers"]): ReadonlyArray<Argument> => {
  if (mcpServers === undefined) return []
  const content = wellFormedJson({ mcpServers })
  return Object.values(mcpServers).every(isPublic) && !isTooLong(content)
    ? valueOf("mcp-config", content)
    : [{ option: "mcp-config", content }]
}

/** Whether all of a server is shown when it is started: its environment, its headers and its URL are not. */
const isPublic = (server: object): boolean => Object.keys(server).every((key) => publicKeys.has(key))

const publicKeys = new Set(["type", "command", "args"])

/** The values of the servers that may be credentials. */
export const secretsOf = ({ mcpServers = {} }: Query): ReadonlyArray<string> =>
  Object.values(mcpServers).flatMap(({ env, headers }) =>
    [env, headers].flatMap((values) =>
      Predicate.isObject(values) ? Object.values(values).filter(Predicate.isString) : []
    )
  )
