/** OpenAI's chat completions, and what servers that speak the protocol make of them. */
import { Redacted } from "effect"
import { OpenAi } from "effect-imodel"
import {
  type Answer,
  type Change,
  type Deviation,
  everywhere,
  failing,
  type Json,
  mapObjects,
  modelsOf,
  piecesOf,
  type Wire,
  without
} from "../generator.ts"

const head = { id: "chatcmpl-1", created: 1_700_000_000, model: "m" }

const usageOf = ({ usage: { input, output } }: Answer) => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output
})

const finishOf = ({ calls }: Answer) => calls.length > 0 ? "tool_calls" : "stop"

const callOf = ({ name, params }: Answer["calls"][number], i: number) => ({
  id: `call_${i}`,
  type: "function",
  function: { name, arguments: JSON.stringify(params) }
})

const wholeOf = (answer: Answer): Json => ({
  ...head,
  object: "chat.completion",
  choices: [{
    index: 0,
    message: {
      role: "assistant",
      content: answer.text,
      ...(answer.thoughts !== "" && { reasoning_content: answer.thoughts }),
      ...(answer.calls.length > 0 && { tool_calls: answer.calls.map(callOf) })
    },
    finish_reason: finishOf(answer)
  }],
  usage: usageOf(answer)
})

const chunk = (fields: Json): Json => ({ ...head, object: "chat.completion.chunk", ...fields })

const eventsOf = (answer: Answer, size: number): ReadonlyArray<Json> => {
  const deltas = [
    { role: "assistant", content: "" },
    ...piecesOf(answer.thoughts, size).map((reasoning_content) => ({ reasoning_content })),
    ...piecesOf(answer.text, size).map((content) => ({ content })),
    ...answer.calls.flatMap((call, index) => {
      const whole = callOf(call, index)
      return [
        { tool_calls: [{ index, ...whole, function: { name: call.name, arguments: "" } }] },
        ...piecesOf(whole.function.arguments, size).map((written) => ({
          tool_calls: [{ index, function: { arguments: written } }]
        }))
      ]
    })
  ]
  return [
    ...deltas.map((delta) => chunk({ choices: [{ index: 0, delta, finish_reason: null }] })),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: finishOf(answer) }] }),
    chunk({ choices: [], usage: usageOf(answer) })
  ]
}

// -----------------------------------------------------------------------------
// Deviations
// -----------------------------------------------------------------------------

const inObjects = (has: string, change: Change): Change => (json) =>
  mapObjects(json, (object) => has in object ? change(object) : object)

const inChoices = (change: Change): Change => inObjects("finish_reason", change)

/** Of the objects that are a call of a tool, or a piece of one. */
const inCalls = (change: Change): Change => (json) =>
  mapObjects(
    json,
    (object) =>
      Array.isArray(object["tool_calls"]) ? { ...object, tool_calls: object["tool_calls"].map(change) } : object
  )

const isFinish = (event: Json): boolean => /"finish_reason":"/.test(JSON.stringify(event))

const hasUsage = (event: Json): boolean => event["usage"] != null

/** Whether it is the chunk that has the usage alone. */
const isBare = ({ choices }: Json): boolean => choices == null || (Array.isArray(choices) && choices.length === 0)

const replaceUsage = (change: (usage: unknown) => Json): Change => (json) =>
  hasUsage(json) ? { ...without(json, "usage"), ...change(json["usage"]) } : json

const functionOf = (call: Json): Json => {
  const called = call["function"]
  return typeof called === "object" && called !== null ? { ...called } : {}
}

/** The calls of each event, with how many came before of the same call. */
const inStreamedCalls = (change: (call: Json, position: number) => Json) => (events: ReadonlyArray<Json>) => {
  let position = 0
  return events.map(inCalls((call) => {
    position = "name" in functionOf(call) ? 0 : position + 1
    return change(call, position)
  }))
}

const error = (code: unknown, message = "Provider returned error") => ({ error: { message, code } })

const wrongShapes: ReadonlyArray<readonly [string, string, Change]> = [
  ["an id that is a number", "id", (json) => ({ ...json, id: 7 })],
  ["a time that is a text", "created", (json) => ({ ...json, created: "2024-01-01" })],
  ["no model", "model", (json) => without(json, "model")],
  ["a model that is an object", "model", (json) => ({ ...json, model: { name: "m" } })],
  ["no head", "id", (json) => without(json, "id", "object", "created")],
  ["another kind of object", "object", (json) => ({ ...json, object: "" })],
  ["fields that nobody knows", "more", (json) => ({ ...json, provider: "P", x: { y: [1] } })],
  ["a fingerprint that is a number", "fingerprint", (json) => ({ ...json, system_fingerprint: 1 })],
  ["no index of the choice", "choice", inChoices((choice) => without(choice, "index"))],
  ["logprobs of a wrong shape", "logprobs", inChoices((choice) => ({ ...choice, logprobs: "none" }))],
  ["no role", "role", inObjects("role", (message) => without(message, "role"))],
  ["an empty role", "role", inObjects("role", (message) => ({ ...message, role: "" }))],
  ["annotations of a wrong shape", "notes", inObjects("content", (message) => ({ ...message, annotations: [7, {}] }))],
  ["a refusal that is none", "refusal", inObjects("content", (message) => ({ ...message, refusal: false }))],
  ["no usage", "usage", (json) => hasUsage(json) ? { ...json, usage: null } : json]
]

const deviations: ReadonlyArray<Deviation> = [
  ...wrongShapes.map(([name, changes, change]) =>
    everywhere(name, changes, change, { hidesUsage: changes === "usage" })
  ),
  everywhere(
    "content in parts, with the thoughts among them",
    "content",
    inObjects("content", (message) => {
      const { content, reasoning_content } = message
      const thoughts = typeof reasoning_content === "string"
        ? [{ type: "thinking", thinking: [{ type: "text", text: reasoning_content }] }]
        : []
      return {
        ...without(message, "reasoning_content"),
        content: [...thoughts, { type: "text", text: content }]
      }
    })
  ),
  everywhere(
    "another field of thoughts",
    "thoughts",
    (json) =>
      mapObjects(json, (object) =>
        "reasoning_content" in object
          ? { ...without(object, "reasoning_content"), reasoning: object["reasoning_content"] }
          : object)
  ),
  everywhere(
    "the words of another provider for the end",
    "reason",
    inChoices((choice) => {
      const words: Json = { stop: "end_turn", tool_calls: "tool_use" }
      return { ...choice, finish_reason: words[String(choice["finish_reason"])] ?? choice["finish_reason"] }
    })
  ),
  // Usage
  everywhere("usage in the choice", "usage", (json) => json, {
    whole: (json) => {
      const { usage } = json
      return inChoices((choice) => ({ ...choice, usage }))(without(json, "usage"))
    },
    events: (events) => {
      const usage = events.find(hasUsage)?.["usage"]
      return events.filter((event) => !isBare(event)).map((event) =>
        isFinish(event) ? inChoices((choice) => ({ ...choice, usage }))(without(event, "usage")) : event
      )
    }
  }),
  everywhere("usage of Groq", "usage", replaceUsage((usage) => ({ x_groq: { usage } }))),
  everywhere(
    "half a usage, and the total",
    "usage",
    (json) => mapObjects(json, (object) => "total_tokens" in object ? without(object, "completion_tokens") : object)
  ),
  everywhere(
    "usage with a detail of a wrong shape",
    "usage",
    (json) =>
      mapObjects(json, (object) => "total_tokens" in object ? { ...object, prompt_tokens_details: "none" } : object)
  ),
  everywhere("zero usage as a placeholder", "usage", (json) => json, {
    events: (events) => {
      const zero = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }
      return events.map((event) => hasUsage(event) ? event : { ...event, usage: zero })
    }
  }),
  everywhere("usage in every chunk", "usage", (json) => json, {
    events: (events) => {
      const usage = events.find(hasUsage)?.["usage"]
      return events.map((event) => ({ ...event, usage }))
    }
  }),
  everywhere("usage without choices", "choices", (json) => json, {
    events: (events) => events.map((event) => isBare(event) ? without(event, "choices") : event)
  }),
  everywhere("no choices in chunks that say nothing", "choices", (json) => json, {
    events: (events) => [
      chunk({ choices: null }),
      ...events.map((event) => isBare(event) ? { ...event, choices: null } : event)
    ]
  }),
  everywhere("a finish in every chunk", "reason", (json) => json, {
    hidesEnd: true,
    events: (events) => {
      const reason = /"finish_reason":"(\w+)"/.exec(JSON.stringify(events))?.[1]
      return events.map(inChoices((choice) => ({ ...choice, finish_reason: reason })))
    }
  }),
  // Tool calls
  everywhere("no index of calls", "index", (json) => json, {
    events: (events) => events.map(inCalls((call) => without(call, "index")))
  }),
  everywhere("null for the index of calls", "index", (json) => json, {
    events: (events) => events.map(inCalls((call) => ({ ...call, index: null })))
  }),
  everywhere("the same index of all calls", "index", (json) => json, {
    events: (events) => events.map(inCalls((call) => ({ ...call, index: 0 })))
  }),
  everywhere("no ids of calls", "call id", inCalls((call) => without(call, "id"))),
  everywhere("empty ids of calls", "call id", inCalls((call) => ({ ...call, id: "" }))),
  everywhere("no type of calls", "type", inCalls((call) => without(call, "type"))),
  everywhere("null for the type of calls", "type", inCalls((call) => ({ ...call, type: null }))),
  {
    name: "an id in every piece of a call",
    changes: "call id",
    events: (events) => {
      let id: unknown
      return events.map(inCalls((call) => ({ ...call, id: id = call["id"] ?? id })))
    }
  },
  {
    name: "the name in the piece after the first",
    changes: "name",
    events: (events) => {
      let name: unknown
      return inStreamedCalls((call, position) => {
        const called = functionOf(call)
        if (position === 0 && called["arguments"] === "") {
          name = called["name"]
          return { ...call, function: without(called, "name") }
        }
        return position === 1 ? { ...call, function: { name, ...called } } : call
      })(events)
    }
  },
  everywhere("arguments encoded twice", "arguments", inCalls((call) => call), {
    whole: inCalls((call) => {
      const called = functionOf(call)
      return { ...call, function: { ...called, arguments: JSON.stringify(called["arguments"]) } }
    })
  }),
  everywhere("arguments that are an object", "arguments", inCalls((call) => call), {
    whole: inCalls((call) => {
      const called = functionOf(call)
      return { ...call, function: { ...called, arguments: JSON.parse(String(called["arguments"])) } }
    })
  }),
  everywhere("calls in a second choice", "choice", (json) => json, {
    whole: (json) => {
      const [choice] = Array.isArray(json["choices"]) ? json["choices"] : []
      const calls = choice?.message?.tool_calls
      if (calls === undefined) return json
      const second = { finish_reason: choice.finish_reason, message: { role: "assistant", tool_calls: calls } }
      return { ...json, choices: [{ ...choice, message: without(choice.message, "tool_calls") }, second] }
    }
  }),
  // A whole answer
  {
    name: "a whole answer as one event",
    changes: "stream",
    comesFirst: true,
    events: (events) => {
      const calls: Array<Json> = []
      let [content, thoughts, reason, usage]: [string, string, unknown, unknown] = ["", "", undefined, undefined]
      for (const event of events) {
        mapObjects(event, (object) => {
          if (typeof object["content"] === "string") content += object["content"]
          if (typeof object["reasoning_content"] === "string") thoughts += object["reasoning_content"]
          reason = object["finish_reason"] ?? reason
          usage = object["usage"] ?? usage
          return object
        })
        inCalls((call) => {
          if (typeof call["id"] === "string") calls.push(call)
          const last = calls.at(-1)
          if (last !== undefined && call !== last) {
            const written = String(functionOf(last)["arguments"]) + String(functionOf(call)["arguments"])
            calls.splice(-1, 1, { ...last, function: { ...functionOf(last), arguments: written } })
          }
          return call
        })(event)
      }
      const message = {
        role: "assistant",
        content,
        ...(thoughts !== "" && { reasoning_content: thoughts }),
        ...(calls.length > 0 && { tool_calls: calls })
      }
      return [{ ...head, choices: [{ index: 0, message, finish_reason: reason }], usage }]
    }
  },
  // Errors
  failing(
    "an error beside the choices",
    "RateLimitError",
    (json) => ({ ...json, ...error(429) }),
    chunk({ choices: [], ...error(429) })
  ),
  failing("an error without choices", "InternalProviderError", () => ({ ...error(502) }), error(502)),
  failing(
    "an error beside null choices",
    "InternalProviderError",
    (json) => ({ ...json, choices: null, ...error("502") }),
    chunk({ choices: null, ...error("502") })
  ),
  failing(
    "an error that is a text",
    "InternalProviderError",
    (json) => ({ ...json, error: "upstream failed" }),
    { error: "upstream failed" }
  ),
  failing(
    "an error in a choice",
    "RateLimitError",
    inChoices((choice) => ({ ...choice, ...error(429) })),
    chunk({ choices: [{ index: 0, delta: { content: "" }, finish_reason: null, ...error(429) }] })
  ),
  failing(
    "an error as the reason of the end",
    "InternalProviderError",
    inChoices((choice) => ({ ...choice, finish_reason: "error" })),
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: "error" }] })
  ),
  failing(
    "an object that is an error",
    "InternalProviderError",
    () => ({ object: "error", message: "It failed.", type: "internal_error", code: 500 }),
    { object: "error", message: "It failed.", type: "internal_error", code: 500 }
  )
]

export const openAiChat: Wire = {
  name: "chat completions",
  modelOn: modelsOf(
    OpenAi.makeChat({
      model: "m",
      apiKey: Redacted.make("sk-test-12345678"),
      baseUrl: "http://127.0.0.1/v1",
      retry: { times: 0 }
    })
  ),
  wholeOf,
  eventsOf,
  end: "[DONE]",
  deviations,
  isKept: (path) =>
    typeof path.at(-1) === "number" ||
    /^(choices|message|delta|content|reasoning_content|tool_calls|function|name|arguments|index|finish_reason)$/
      .test(String(path.at(-1)))
}
