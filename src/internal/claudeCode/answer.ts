/** What the runs of one answer come to. */
import * as Response from "effect/ai/Response"
import * as Predicate from "effect/Predicate"
import type { Result } from "./events.ts"
import type { Reader, ToolUse } from "./reader.ts"
import { isUnfinished } from "./reason.ts"

/** The answer of Claude Code. What is numbered is of this call, and not of the whole session. */
export interface Answer {
  readonly session_id: string
  /** The model that answered. */
  readonly model: string
  /** The final message; of a run without one, the last that the agent said. */
  readonly text: string
  /** All that it thought and showed of it. */
  readonly thinking: string
  /** All uses of tools, in their order. */
  readonly tool_uses: ReadonlyArray<ToolUse>
  readonly usage: Response.Usage
  /** In US dollars, by list prices. */
  readonly cost_usd: number
  readonly num_turns: number
  readonly duration_ms: number
  /** The part of it that the API took. */
  readonly duration_api_ms: number
  /** Whether it stopped before it had a final message: `subtype` says why. */
  readonly is_error: boolean
  /** `"success"`, or for example `"error_max_turns"`. */
  readonly subtype: string
  /** What the permission mode refused. */
  readonly permission_denials: ReadonlyArray<{
    readonly tool_name: string
    readonly tool_use_id: string
    readonly tool_input: unknown
  }>
  /** The answer to a `response_format`; `undefined` when there is none. */
  readonly structured_output: unknown
  /** What the tools did, for a call that asked for a `summary`. */
  readonly summary: Summary | undefined
}

/** What the tools did, those of subagents too. A use that failed is only counted. */
interface Summary {
  /** How often each tool was used. */
  readonly tools: Readonly<Record<string, number>>
  readonly files_read: ReadonlyArray<string>
  readonly files_written: ReadonlyArray<string>
  readonly files_edited: ReadonlyArray<string>
  readonly commands: ReadonlyArray<string>
}

/** Ends what was read with the result of the last run. */
export const answerOf = (reader: Reader, last: Result, wantsSummary: boolean): Answer => {
  const sum = (count: (result: Result) => number) => reader.results.reduce((total, result) => total + count(result), 0)
  const toolUses = [...reader.toolUses.values()]
  const { usage } = reader
  reader.end(Response.makePart("finish", { reason: finishReasonOf(last), usage, response: undefined }))
  return {
    session_id: last.session_id,
    model: reader.model,
    text: last.result ?? reader.content.findLast((part) => part.type === "text")?.text ?? "",
    thinking: reader.thinking,
    tool_uses: toolUses,
    usage,
    cost_usd: sum(costOf),
    num_turns: sum((result) => result.num_turns),
    duration_ms: sum((result) => result.duration_ms),
    duration_api_ms: sum((result) => result.duration_api_ms),
    is_error: last.is_error,
    subtype: last.subtype,
    permission_denials: reader.results.flatMap((result) => result.permission_denials ?? []),
    structured_output: last.structured_output,
    summary: wantsSummary ? summaryOf(toolUses) : undefined
  }
}

/** Versions that do not tell the cost of a run tell only that of its session. */
const costOf = ({ model_usage_since_last_result: models, total_cost_usd }: Result): number =>
  models == null ? total_cost_usd ?? 0 : Object.values(models).reduce((total, { costUSD }) => total + costUSD, 0)

const finishReasonOf = (result: Result): Response.FinishReason =>
  isUnfinished(result) ? "other" : finishReasons.get(result.stop_reason ?? "") ?? "stop"

// A run may end with the use of a tool, of the one that gives its answer.
const finishReasons = new Map<string, Response.FinishReason>([
  ["max_tokens", "length"],
  ["model_context_window_exceeded", "length"],
  ["refusal", "content-filter"]
])

const summaryOf = (uses: ReadonlyArray<ToolUse>): Summary => {
  const tools: Record<string, number> = {}
  for (const { name } of uses) tools[name] = (tools[name] ?? 0) + 1
  const done = uses.filter((use) => use.result !== undefined && !use.is_error)
  const inputs = (field: string, ...names: ReadonlyArray<string>): ReadonlyArray<string> =>
    done.flatMap(({ input, name }) => names.includes(name) ? stringIn(input, field) : [])
  return {
    tools,
    files_read: [...new Set(inputs("file_path", "Read"))],
    files_written: [...new Set(inputs("file_path", "Write"))],
    files_edited: [
      ...new Set([...inputs("file_path", "Edit", "MultiEdit"), ...inputs("notebook_path", "NotebookEdit")])
    ],
    commands: inputs("command", "Bash")
  }
}

const stringIn = (input: unknown, field: string): ReadonlyArray<string> =>
  Predicate.hasProperty(input, field) && typeof input[field] === "string" ? [input[field]] : []
