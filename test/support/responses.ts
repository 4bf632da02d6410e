/** Answers of OpenAI's responses, as they come whole and as they come in the events of a stream. */

export interface Content {
  readonly type: string
  readonly text?: string
  readonly refusal?: string
  readonly annotations?: ReadonlyArray<unknown>
  readonly logprobs?: ReadonlyArray<unknown>
}

export interface Item {
  readonly type: string
  readonly id?: string
  readonly content?: ReadonlyArray<Content>
  readonly summary?: ReadonlyArray<{ readonly type: string; readonly text: string }>
  readonly arguments?: string
  readonly [field: string]: unknown
}

export interface Answer {
  readonly status: string
  readonly output: ReadonlyArray<Item>
  readonly [field: string]: unknown
}

export const text = (text: string, annotations: ReadonlyArray<object> = []): Content => ({
  type: "output_text",
  text,
  annotations,
  logprobs: []
})

export const message = (id: string, ...content: ReadonlyArray<Content>): Item => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  status: "completed",
  content
})

export const thoughts = (id: string, ...summary: ReadonlyArray<string>): Item => ({
  id: `rs_${id}`,
  type: "reasoning",
  summary: summary.map((text) => ({ type: "summary_text", text })),
  encrypted_content: `gAAAA${id}`
})

export const paint = (id: string, args: string): Item => ({
  id: `fc_${id}`,
  type: "function_call",
  status: "completed",
  call_id: `call_${id}`,
  name: "paint",
  arguments: args
})

export const search = (id: string): Item => ({
  id: `ws_${id}`,
  type: "web_search_call",
  status: "completed",
  action: { type: "search", query: "colours", queries: ["colours"] }
})

export const answerOf = (output: ReadonlyArray<Item>, fields: object = {}): Answer => ({
  id: "resp_1",
  object: "response",
  created_at: 1_700_000_000,
  status: "completed",
  background: false,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  model: "gpt-5-mini-2025-08-07",
  output,
  parallel_tool_calls: true,
  previous_response_id: null,
  reasoning: { effort: "medium", summary: null },
  service_tier: "default",
  store: true,
  temperature: 1,
  text: { format: { type: "text" }, verbosity: "medium" },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
  usage: {
    input_tokens: 9,
    input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
    output_tokens: 4,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 13
  },
  user: null,
  metadata: {},
  ...fields
})

/** The last event of an answer. */
export const endOf = (response: Answer) => ({ type: `response.${response.status}`, response })

/** The answer as the events of a stream, in the order in which OpenAI sends them, its texts in pieces of so many letters. */
export const eventsOf = (answer: Answer, size = 3): ReadonlyArray<{ readonly type: string }> => {
  const all: Array<{ readonly type: string }> = []
  const say = (type: string, fields: object) => {
    const event = { type, sequence_number: all.length, ...fields }
    all.push(event)
  }
  const response = { ...answer, status: "in_progress", output: [], usage: null, incomplete_details: null }
  say("response.created", { response })
  say("response.in_progress", { response })
  for (const [output_index, item] of answer.output.entries()) {
    const at = { output_index, item_id: item.id }
    say("response.output_item.added", { output_index, item: begun(item) })
    for (const [summary_index, part] of (item.summary ?? []).entries()) {
      const here = { ...at, summary_index }
      say("response.reasoning_summary_part.added", { ...here, part: { ...part, text: "" } })
      for (const delta of piecesOf(part.text, size)) say("response.reasoning_summary_text.delta", { ...here, delta })
      say("response.reasoning_summary_text.done", { ...here, text: part.text })
      say("response.reasoning_summary_part.done", { ...here, part })
    }
    for (const [content_index, part] of (item.content ?? []).entries()) {
      const here = { ...at, content_index }
      const empty = part.refusal === undefined ? { ...part, text: "" } : { ...part, refusal: "" }
      say("response.content_part.added", {
        ...here,
        part: "annotations" in part ? { ...empty, annotations: [] } : empty
      })
      const kind = part.type === "reasoning_text" || part.type === "refusal" ? part.type : "output_text"
      const logprobs = kind === "output_text" && { logprobs: [] }
      for (const delta of piecesOf(part.text ?? part.refusal ?? "", size)) {
        say(`response.${kind}.delta`, { ...here, delta, ...logprobs, obfuscation: "xyz" })
      }
      for (const [annotation_index, annotation] of (part.annotations ?? []).entries()) {
        say("response.output_text.annotation.added", { ...here, annotation_index, annotation })
      }
      const { refusal, text } = part
      say(`response.${kind}.done`, { ...here, ...logprobs, ...(refusal === undefined ? { text } : { refusal }) })
      say("response.content_part.done", { ...here, part })
    }
    if (item.type === "function_call") {
      const written = item.arguments ?? ""
      for (const delta of piecesOf(written, size)) say("response.function_call_arguments.delta", { ...at, delta })
      say("response.function_call_arguments.done", { ...at, name: item["name"], arguments: written })
    }
    if (item.type === "web_search_call") say("response.web_search_call.searching", at)
    say("response.output_item.done", { output_index, item })
  }
  all.push(endOf(answer))
  return all
}

/** An item as it is when it begins. */
const begun = (item: Item): Item => ({
  ...item,
  ...("status" in item && { status: "in_progress" }),
  ...(item.content && { content: [] }),
  ...(item.summary && { summary: [] }),
  ...("arguments" in item && { arguments: "" }),
  ...("encrypted_content" in item && { encrypted_content: "" })
})

const piecesOf = (text: string, size: number): ReadonlyArray<string> => {
  const letters = [...text]
  return Array.from(
    { length: Math.ceil(letters.length / size) },
    (_, i) => letters.slice(i * size, (i + 1) * size).join("")
  )
}
