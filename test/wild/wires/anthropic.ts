/** Anthropic's messages, and what gateways and other servers make of them. */
import { Redacted } from "effect"
import { Anthropic } from "effect-imodel"
import {
  type Answer,
  type Change,
  type Deviation,
  everywhere,
  failing,
  inStream,
  type Json,
  mapObjects,
  modelsOf,
  piecesOf,
  type Wire,
  without
} from "../generator.ts"

const finishOf = ({ calls }: Answer) => calls.length > 0 ? "tool_use" : "end_turn"

const usageOf = ({ usage: { input, output } }: Answer) => ({ input_tokens: input, output_tokens: output })

const messageOf = (fields: Json): Json => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  stop_sequence: null,
  container: { id: "c", expires_at: "2026-01-01T00:00:00Z" },
  ...fields
})

const wholeOf = (answer: Answer): Json =>
  messageOf({
    content: [
      ...(answer.thoughts === "" ? [] : [{ type: "thinking", thinking: answer.thoughts, signature: "s" }]),
      { type: "text", text: answer.text, citations: null },
      ...answer.calls.map(({ name, params }, i) => ({ type: "tool_use", id: `toolu_${i}`, name, input: params }))
    ],
    stop_reason: finishOf(answer),
    usage: usageOf(answer)
  })

interface Block {
  readonly begins: Json
  readonly deltas: ReadonlyArray<Json>
}

const eventsOfBlock = ({ begins, deltas }: Block, index: number): ReadonlyArray<Json> => {
  const pieces = deltas.map((delta) => ({ type: "content_block_delta", index, delta }))
  return [
    { type: "content_block_start", index, content_block: begins },
    ...pieces,
    { type: "content_block_stop", index }
  ]
}

const eventsOf = (answer: Answer, size: number): ReadonlyArray<Json> => {
  const blocks: ReadonlyArray<Block> = [
    ...(answer.thoughts === "" ? [] : [{
      begins: { type: "thinking", thinking: "", signature: "" },
      deltas: [
        ...piecesOf(answer.thoughts, size).map((thinking) => ({ type: "thinking_delta", thinking })),
        { type: "signature_delta", signature: "s" }
      ]
    }]),
    {
      begins: { type: "text", text: "" },
      deltas: piecesOf(answer.text, size).map((text) => ({ type: "text_delta", text }))
    },
    ...answer.calls.map(({ name, params }, i) => ({
      begins: { type: "tool_use", id: `toolu_${i}`, name, input: {} },
      deltas: piecesOf(JSON.stringify(params), size).map((partial_json) => ({ type: "input_json_delta", partial_json }))
    }))
  ]
  const { input, output } = answer.usage
  return [
    {
      type: "message_start",
      message: messageOf({ content: [], stop_reason: null, usage: { input_tokens: input, output_tokens: 1 } })
    },
    ...blocks.flatMap(eventsOfBlock),
    {
      type: "message_delta",
      delta: { stop_reason: finishOf(answer), stop_sequence: null },
      usage: { input_tokens: input, output_tokens: output }
    },
    { type: "message_stop" }
  ]
}

// -----------------------------------------------------------------------------
// Deviations
// -----------------------------------------------------------------------------

const typed = (type: string, change: Change): Change => (json) =>
  mapObjects(json, (object) => object["type"] === type ? change(object) : object)

const isTyped = (event: Json, ...types: ReadonlyArray<string>): boolean => types.includes(String(event["type"]))

const isBlockOf = (event: Json, type: string): boolean =>
  isTyped(event, "content_block_start") && JSON.stringify(event["content_block"]).includes(`"type":"${type}"`)

const eachEvent = (change: Change) => (events: ReadonlyArray<Json>) => events.map(change)

const wrongShapes: ReadonlyArray<readonly [string, string, Change]> = [
  ["no id", "id", typed("message", (message) => without(message, "id"))],
  ["an id that is a number", "id", typed("message", (message) => ({ ...message, id: 7 }))],
  ["no model", "model", typed("message", (message) => without(message, "model"))],
  ["no role", "role", typed("message", (message) => without(message, "role"))],
  ["no stop sequence", "sequence", typed("message", (message) => without(message, "stop_sequence"))],
  ["a container that is a text", "container", typed("message", (message) => ({ ...message, container: "c" }))],
  ["fields that nobody knows", "more", (json) => ({ ...json, provider: "P", x: { y: [1] } })],
  ["no signature", "signature", typed("thinking", (block) => without(block, "signature"))],
  ["null for the signature", "signature", typed("thinking", (block) => ({ ...block, signature: null }))],
  ["citations of a wrong shape", "citations", typed("text", (block) => ({ ...block, citations: [{ type: 7 }] }))],
  ["no ids of calls", "call id", typed("tool_use", (block) => without(block, "id"))],
  ["empty ids of calls", "call id", typed("tool_use", (block) => ({ ...block, id: "" }))],
  ["the same id of all calls", "call id", typed("tool_use", (block) => ({ ...block, id: "call_0" }))],
  ["a caller of a wrong shape", "caller", typed("tool_use", (block) => ({ ...block, caller: 7 }))],
  [
    "usage with a detail of a wrong shape",
    "usage",
    (json) => mapObjects(json, (object) => "input_tokens" in object ? { ...object, cache_creation: "none" } : object)
  ]
]

const overloaded = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }

const deviations: ReadonlyArray<Deviation> = [
  ...wrongShapes.map(([name, changes, change]) => everywhere(name, changes, change)),
  everywhere("no usage", "usage", (json) => mapObjects(json, (object) => without(object, "usage")), {
    hidesUsage: true
  }),
  {
    name: "arguments that are a text",
    changes: "arguments",
    whole: typed("tool_use", (block) => ({ ...block, input: JSON.stringify(block["input"]) }))
  },
  {
    name: "content in a block of a kind that nobody knows",
    changes: "blocks",
    whole: (json) => ({
      ...json,
      content: [...(Array.isArray(json["content"]) ? json["content"] : []), { type: "hologram", data: [1] }]
    })
  },
  // Events
  inStream(
    "pings, and events that nobody knows",
    "events",
    (events) =>
      events.flatMap((event) => [event, { type: "ping" }, { type: "content_block_hint", index: 0, hint: "x" }]).slice(
        0,
        -2
      )
  ),
  inStream("no index", "index", eachEvent((event) => without(event, "index"))),
  inStream("null for the index", "index", eachEvent((event) => "index" in event ? { ...event, index: null } : event)),
  inStream("no beginnings of texts", "index", (events) => events.filter((event) => !isBlockOf(event, "text"))),
  inStream("no ends of blocks", "ends", (events) => events.filter((event) => !isTyped(event, "content_block_stop"))),
  inStream("no first event", "first", (events) => events.filter((event) => !isTyped(event, "message_start"))),
  inStream("the first event twice", "first", (events) => [...events.slice(0, 1), ...events]),
  inStream(
    "a first event without a message",
    "first",
    (events) => events.map((event) => isTyped(event, "message_start") ? without(event, "message") : event)
  ),
  inStream("no last event", "last", (events) => events.filter((event) => !isTyped(event, "message_stop"))),
  inStream(
    "the finish twice",
    "last",
    (events) => events.flatMap((event) => isTyped(event, "message_delta") ? [event, event] : [event])
  ),
  inStream("zero usage as a placeholder", "usage", (events) =>
    events.flatMap((event) =>
      isTyped(event, "message_delta")
        ? [event, { type: "message_delta", delta: {}, usage: { input_tokens: 0, output_tokens: 0 } }]
        : [event]
    )),
  inStream("arguments that are an object", "arguments", (events) => {
    const written = new Map<unknown, string>()
    return events.flatMap((event) => {
      const { delta, index } = event
      if (typeof delta === "object" && delta !== null && "partial_json" in delta) {
        written.set(index, `${written.get(index) ?? ""}${String(delta.partial_json)}`)
        return []
      }
      const partial_json = isTyped(event, "content_block_stop") ? written.get(index) : undefined
      return partial_json === undefined
        ? [event]
        : [
          {
            type: "content_block_delta",
            index,
            delta: { type: "input_json_delta", partial_json: JSON.parse(partial_json) }
          },
          event
        ]
    })
  }, { comesFirst: true }),
  // Errors
  failing(
    "an error beside the content",
    "RateLimitError",
    (json) => ({ ...json, error: { code: 429, message: "Slow down" } }),
    { type: "ping", error: { code: 429, message: "Slow down" } }
  ),
  failing("the event of an error", "InternalProviderError", () => overloaded, overloaded),
  failing(
    "an error that is a text",
    "InternalProviderError",
    (json) => ({ ...json, error: "Upstream failed" }),
    { error: "Upstream failed" }
  ),
  failing(
    "an error of a gateway",
    "InternalProviderError",
    () => ({ error: { message: "Provider disconnected", code: 502 } }),
    { error: { message: "Provider disconnected", code: 502 } }
  )
]

export const anthropic: Wire = {
  name: "Anthropic",
  modelOn: modelsOf(
    Anthropic.makeMessages({
      model: "m",
      apiKey: Redacted.make("sk-test-12345678"),
      baseUrl: "http://127.0.0.1/v1",
      retry: { times: 0 }
    })
  ),
  wholeOf,
  eventsOf,
  deviations,
  isKept: (path) =>
    typeof path.at(-1) === "number" || path.includes("input") ||
    /^(type|content|text|name|thinking|partial_json|delta|content_block|index)$/.test(String(path.at(-1)))
}
