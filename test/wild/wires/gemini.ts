/** Gemini's contents, and what its proxies and gateways make of them. */
import { Redacted } from "effect"
import { Gemini } from "effect-imodel"
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

const usageOf = ({ usage: { input, output } }: Answer) => ({
  promptTokenCount: input,
  candidatesTokenCount: output,
  totalTokenCount: input + output,
  promptTokensDetails: [{ modality: "TEXT", tokenCount: input }]
})

const chunk = (parts: ReadonlyArray<Json>, candidate: Json = {}, fields: Json = {}): Json => ({
  candidates: [{
    content: { role: "model", parts },
    index: 0,
    safetyRatings: [{ category: "C", probability: "LOW", blocked: false }],
    ...candidate
  }],
  modelVersion: "m",
  responseId: "r1",
  ...fields
})

const callOf = ({ name, params }: Answer["calls"][number], i: number): Json => ({
  functionCall: { id: `call_${i}`, name, args: params }
})

const thoughtOf = (text: string): Json => ({ text, thought: true })

const ending = {
  finishReason: "STOP",
  groundingMetadata: { groundingChunks: [], webSearchQueries: ["q"] },
  citationMetadata: { citationSources: [{ uri: "u" }] },
  avgLogprobs: -0.1
}

const wholeOf = (answer: Answer): Json =>
  chunk(
    [
      ...(answer.thoughts === "" ? [] : [thoughtOf(answer.thoughts)]),
      { text: answer.text },
      ...answer.calls.map(callOf)
    ],
    ending,
    { usageMetadata: usageOf(answer) }
  )

const eventsOf = (answer: Answer, size: number): ReadonlyArray<Json> => [
  ...piecesOf(answer.thoughts, size).map((text) => chunk([thoughtOf(text)])),
  ...piecesOf(answer.text, size).map((text) => chunk([{ text }])),
  ...answer.calls.map((call, i) => chunk([callOf(call, i)])),
  chunk([{ text: "" }], ending, { usageMetadata: usageOf(answer) })
]

// -----------------------------------------------------------------------------
// Deviations
// -----------------------------------------------------------------------------

const inObjects = (has: string, change: Change): Change => (json) =>
  mapObjects(json, (object) => has in object ? change(object) : object)

const inCandidates = (change: Change): Change => inObjects("content", change)

const inCalls = (change: Change): Change =>
  inObjects("functionCall", (part) => {
    const call = part["functionCall"]
    return { ...part, functionCall: change(typeof call === "object" && call !== null ? { ...call } : {}) }
  })

const isLast = (event: Json): boolean => /"finishReason":"/i.test(JSON.stringify(event))

const wrongShapes: ReadonlyArray<readonly [string, string, Change]> = [
  ["no id", "id", (json) => without(json, "responseId")],
  ["an id that is a number", "id", (json) => ({ ...json, responseId: 7 })],
  ["no model", "model", (json) => without(json, "modelVersion")],
  ["a model that is an object", "model", (json) => ({ ...json, modelVersion: { name: "m" } })],
  ["no role", "role", inObjects("role", (content) => without(content, "role"))],
  ["no index", "index", inCandidates((candidate) => without(candidate, "index"))],
  ["ratings of a wrong shape", "ratings", inCandidates((candidate) => ({ ...candidate, safetyRatings: "LOW" }))],
  ["grounding of a wrong shape", "grounding", inCandidates((candidate) => ({ ...candidate, groundingMetadata: [7] }))],
  ["citations of a wrong shape", "citations", inCandidates((candidate) => ({ ...candidate, citationMetadata: 7 }))],
  ["logprobs that are a text", "logprobs", inCandidates((candidate) => ({ ...candidate, avgLogprobs: "NaN" }))],
  ["fields that nobody knows", "more", (json) => ({ ...json, provider: "P", x: { y: [1] } })],
  [
    "a finish in lower case",
    "reason",
    inObjects("finishReason", (candidate) => ({ ...candidate, finishReason: "stop" }))
  ],
  ["no ids of calls", "call id", inCalls((call) => without(call, "id"))],
  ["empty ids of calls", "call id", inCalls((call) => ({ ...call, id: "" }))],
  ["the same id of all calls", "call id", inCalls((call) => ({ ...call, id: "call_0" }))],
  ["arguments that are a text", "arguments", inCalls((call) => ({ ...call, args: JSON.stringify(call["args"]) }))],
  [
    "a null among the parts",
    "parts",
    inObjects("parts", (content) => ({
      ...content,
      parts: [null, ...(Array.isArray(content["parts"]) ? content["parts"] : [])]
    }))
  ],
  [
    "usage with details of a wrong shape",
    "usage",
    inObjects("promptTokenCount", (usage) => ({ ...usage, promptTokensDetails: "none" }))
  ]
]

const unavailable = { error: { code: 503, message: "The model is overloaded", status: "UNAVAILABLE" } }

const deviations: ReadonlyArray<Deviation> = [
  ...wrongShapes.map(([name, changes, change]) => everywhere(name, changes, change)),
  everywhere("no usage", "usage", (json) => without(json, "usageMetadata"), { hidesUsage: true }),
  // Events
  inStream(
    "null for the finish until there is one",
    "reason",
    (events) =>
      events.map((event) =>
        isLast(event) ? event : inCandidates((candidate) => ({ ...candidate, finishReason: null }))(event)
      )
  ),
  inStream(
    "a finish in every chunk",
    "reason",
    (events) => events.map(inCandidates((candidate) => ({ ...candidate, finishReason: "STOP" }))),
    { hidesEnd: true }
  ),
  inStream("usage in every chunk", "usage", (events) => {
    const usageMetadata = events.at(-1)?.["usageMetadata"]
    return events.map((event) => ({ ...event, usageMetadata }))
  }),
  inStream("zero usage as a placeholder", "usage", (events) =>
    events.map((event) =>
      "usageMetadata" in event
        ? event
        : { ...event, usageMetadata: { promptTokenCount: 0, candidatesTokenCount: 0, totalTokenCount: 0 } }
    )),
  inStream(
    "an empty usage",
    "usage",
    (events) => events.map((event) => "usageMetadata" in event ? event : { ...event, usageMetadata: {} })
  ),
  inStream("usage after the finish, without candidates", "last", (events) => [
    ...events.slice(0, -1),
    ...events.slice(-1).flatMap((event) => [
      without(event, "usageMetadata"),
      { usageMetadata: event["usageMetadata"], responseId: event["responseId"] }
    ])
  ], { comesFirst: true }),
  inStream("a finish without a content", "last", (events) => [
    ...events.slice(0, -1),
    { ...events.at(-1), candidates: [{ finishReason: "STOP" }] }
  ], { comesFirst: true }),
  inStream("chunks that say nothing", "empty", (events) => [
    { candidates: [], responseId: "r1" },
    ...events.flatMap((event) => isLast(event) ? [event] : [event, chunk([])])
  ]),
  // Errors
  failing(
    "an error beside the candidates",
    "RateLimitError",
    (json) => ({ ...json, error: { code: 429, message: "Slow down" } }),
    chunk([], {}, { error: { code: 429, message: "Slow down" } })
  ),
  failing("an error in place of the candidates", "InternalProviderError", () => unavailable, unavailable),
  failing(
    "an error that is a text",
    "InternalProviderError",
    (json) => ({ ...json, error: "Upstream failed" }),
    { error: "Upstream failed" }
  ),
  failing(
    "an error that is known by its status",
    "InternalProviderError",
    () => ({ error: { status: "UNAVAILABLE" } }),
    { error: { status: "UNAVAILABLE" } }
  )
]

export const gemini: Wire = {
  name: "Gemini",
  modelOn: modelsOf(
    Gemini.makeGenerateContent({
      model: "m",
      apiKey: Redacted.make("AIza-test-12345678"),
      baseUrl: "http://127.0.0.1/v1beta",
      retry: { times: 0 }
    })
  ),
  wholeOf,
  eventsOf,
  deviations,
  isKept: (path) =>
    typeof path.at(-1) === "number" || path.includes("args") ||
    /^(candidates|content|parts|text|thought|functionCall|name|index|finishReason)$/.test(String(path.at(-1)))
}
