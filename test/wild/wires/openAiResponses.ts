/** OpenAI's Responses, and what servers and gateways make of them. */
import { Redacted } from "effect"
import { OpenAi } from "effect-imodel"
import { answerOf, eventsOf, message, paint, text, thoughts } from "../../support/responses.ts"
import {
  type Answer,
  before,
  type Change,
  type Deviation,
  everywhere,
  inStream,
  type Json,
  mapObjects,
  modelsOf,
  type Wire,
  without
} from "../generator.ts"

const responseOf = (answer: Answer) =>
  answerOf([
    ...(answer.thoughts === "" ? [] : [thoughts("1", answer.thoughts)]),
    message("1", text(answer.text)),
    ...answer.calls.map(({ name, params }, i) => ({ ...paint(String(i), JSON.stringify(params)), name }))
  ], {
    usage: {
      input_tokens: answer.usage.input,
      output_tokens: answer.usage.output,
      total_tokens: answer.usage.input + answer.usage.output
    }
  })

// -----------------------------------------------------------------------------
// Deviations
// -----------------------------------------------------------------------------

const eachEvent = (change: Change) => (events: ReadonlyArray<Json>) => events.map(change)

/** Of the items that have this type. */
const inItems = (type: string, change: Change): Change => (json) =>
  mapObjects(json, (object) => object["type"] === type ? change(object) : object)

const inResponse = (change: Change): Change => (json) =>
  mapObjects(json, (object) => object["object"] === "response" ? change(object) : object)

const replaced = (object: Json, key: string, value: (value: unknown) => unknown): Json =>
  key in object ? { ...object, [key]: value(object[key]) } : object

const typeOf = (event: Json): string => String(event["type"])

const error = (code: string, words = "It failed.") => ({ code, message: words, param: null })

const failed = (code: string): Change => (json) => ({ ...json, status: "failed", error: error(code) })

const deviations: ReadonlyArray<Deviation> = [
  everywhere("no id of the response", "id", inResponse((response) => without(response, "id"))),
  everywhere("no model", "model", inResponse((response) => without(response, "model"))),
  everywhere("no time", "created", inResponse((response) => without(response, "created_at"))),
  everywhere("a time that is a text", "created", inResponse((response) => ({ ...response, created_at: "now" }))),
  everywhere("tools of a wrong shape", "tools", inResponse((response) => ({ ...response, tools: "auto" }))),
  everywhere("metadata of a wrong shape", "metadata", inResponse((response) => ({ ...response, metadata: [] }))),
  everywhere(
    "a temperature that is a text",
    "temperature",
    inResponse((response) => ({ ...response, temperature: "1" }))
  ),
  everywhere("fields that nobody knows", "more", (json) => ({ ...json, provider: "P" })),
  everywhere("no usage", "usage", inResponse((response) => ({ ...response, usage: null })), { hidesUsage: true }),
  everywhere(
    "half a usage, and the total",
    "usage",
    (json) => mapObjects(json, (object) => "total_tokens" in object ? without(object, "output_tokens") : object)
  ),
  // Items
  everywhere("no ids of items", "item id", inItems("message", (item) => without(item, "id"))),
  everywhere("empty ids of items", "item id", inItems("message", (item) => ({ ...item, id: "" }))),
  everywhere("no status of items", "status", inItems("message", (item) => without(item, "status"))),
  everywhere("no role", "role", inItems("message", (item) => without(item, "role"))),
  everywhere("no annotations", "annotations", inItems("output_text", (content) => without(content, "annotations"))),
  everywhere(
    "annotations of a wrong shape",
    "annotations",
    inItems("output_text", (content) => ({
      ...content,
      annotations: [{ type: 7 }]
    }))
  ),
  everywhere(
    "logprobs of a wrong shape",
    "logprobs",
    inItems("output_text", (content) => ({
      ...content,
      logprobs: [{ token: 1 }]
    }))
  ),
  everywhere(
    "content that is a text",
    "content",
    inItems("message", (item) =>
      replaced(item, "content", (content) =>
        Array.isArray(content)
          ? content.map((part: unknown) => textIn(part)).join("")
          : content))
  ),
  everywhere(
    "content in the words of chat completions",
    "content",
    inItems("output_text", ({ text }) => ({
      type: "text",
      text
    }))
  ),
  everywhere(
    "a summary that is a text",
    "summary",
    inItems("reasoning", (item) =>
      replaced(item, "summary", (summary) =>
        Array.isArray(summary)
          ? summary.map((part: unknown) => textIn(part)).join("")
          : summary))
  ),
  // Calls
  everywhere("no id of a call", "call id", inItems("function_call", (item) => without(item, "call_id"))),
  everywhere("no ids at all", "call id", inItems("function_call", (item) => without(item, "call_id", "id"))),
  everywhere(
    "arguments that are an object",
    "arguments",
    inItems(
      "function_call",
      (item) => replaced(item, "arguments", (written) => written === "" ? null : JSON.parse(String(written)))
    )
  ),
  // Events
  inStream("no summary index", "summary index", eachEvent((event) => without(event, "summary_index"))),
  inStream("no content index", "content index", eachEvent((event) => without(event, "content_index"))),
  inStream(
    "null for the content index",
    "content index",
    eachEvent((event) => replaced(event, "content_index", () => null))
  ),
  inStream("no item id in events", "item_id", eachEvent((event) => without(event, "item_id"))),
  inStream("no output index", "output index", eachEvent((event) => without(event, "output_index"))),
  inStream(
    "the same output index of all",
    "output index",
    eachEvent((event) => replaced(event, "output_index", () => 0))
  ),
  inStream("no sequence number", "sequence", eachEvent((event) => without(event, "sequence_number"))),
  inStream("null for an item", "null", (events) => [
    ...events.slice(0, 1),
    { type: "response.output_item.added", output_index: 7, item: null },
    ...events.slice(1)
  ]),
  inStream("no deltas", "events", (events) => events.filter((event) => !/delta|\.part\.|_part\./.test(typeOf(event)))),
  inStream("no announcements", "events", (events) => events.filter((event) => !/item\.added/.test(typeOf(event)))),
  inStream("nothing but the last event", "last", (events) => events.slice(-1)),
  inStream("no output in the last event", "last", (events) => [
    ...events.slice(0, -1),
    ...events.slice(-1).map(inResponse((response) => without(response, "output")))
  ]),
  inStream("another name for the last event", "last", (events) => [
    ...events.slice(0, -1),
    ...events.slice(-1).map(({ response }) => ({ type: "response.done", response }))
  ]),
  inStream(
    "a whole answer as one event",
    "last",
    (events) =>
      events.slice(-1).flatMap(({ response }) =>
        typeof response === "object" && response !== null ? [{ ...response }] : []
      )
  ),
  // Errors
  ...(["server_error", "rate_limit_exceeded"] as const).map((code): Deviation => ({
    name: `a response that has failed: ${code}`,
    changes: "error",
    fails: code === "server_error" ? "InternalProviderError" : "RateLimitError",
    whole: failed(code),
    events: (events) => [
      ...events.slice(0, -1),
      ...events.slice(-1).map((event): Json => ({
        type: "response.failed",
        response: inResponse(failed(code))("response" in event ? event : { response: event })["response"]
      }))
    ]
  })),
  {
    name: "an error beside the output",
    changes: "error",
    fails: "InternalProviderError",
    whole: (json) => ({ ...json, error: error("server_error") }),
    events: (events) =>
      events.map(
        inResponse((response) =>
          response["status"] === "completed" ? { ...response, error: error("server_error") } : response
        )
      )
  },
  {
    name: "the event of an error",
    changes: "error",
    fails: "RateLimitError",
    whole: () => ({ error: error("rate_limit_exceeded") }),
    events: before({ type: "error", ...error("rate_limit_exceeded") })
  },
  {
    name: "the event of an error in its own object",
    changes: "error",
    fails: "RateLimitError",
    whole: () => ({ type: "error", error: error("rate_limit_exceeded") }),
    events: before({ type: "error", error: error("rate_limit_exceeded") })
  }
]

const textIn = (part: unknown): string =>
  typeof part === "object" && part !== null && "text" in part ? String(part.text) : ""

export const openAiResponses: Wire = {
  name: "Responses",
  modelOn: modelsOf(
    OpenAi.makeResponses({
      model: "m",
      apiKey: Redacted.make("sk-test-12345678"),
      baseUrl: "http://127.0.0.1/v1",
      retry: { times: 0 }
    })
  ),
  wholeOf: responseOf,
  eventsOf: (answer, size) =>
    eventsOf(responseOf(answer), size).map((event) => Object.fromEntries(Object.entries(event))),
  deviations,
  isKept: (path) =>
    typeof path.at(-1) === "number" ||
    /^(error|response|output|item|part|delta|content|summary|text|type|name|arguments|status|.*_index)$/.test(
      String(path.at(-1))
    )
}
