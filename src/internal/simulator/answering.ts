/** What is answered: what the user's function says, or what is drawn from the seed. */
import * as Effect from "effect/Effect"
import type * as Simulator from "./options.ts"
import * as Draw from "./draw.ts"
import type { Asked, Generated, Issue, Reply, Stamp } from "./wire.ts"

/** Has the answer to a request ready, or says why there is none. */
export const make =
  ({ answer, seed = "simulator" }: Simulator.Options) =>
  (request: Simulator.Request, { maxTokens, want }: Asked, callPrefix: string): Effect.Effect<Answering, Issue> => {
    if (want._tag === "Embedding") {
      const drawn = Effect.forEach(want.inputs, (text) => Draw.vector(`${seed}\n${text}`, want.dimensions))
      return Effect.map(drawn, (vectors) => (stamp) => ({ _tag: "Whole", body: want.write(vectors, stamp) }))
    }
    const write = (answer: string | Simulator.Answer, stamp: Stamp) =>
      want.write(generated(answer, maxTokens, `${callPrefix}${stamp.number}`), stamp)
    return answer === undefined
      ? Effect.map(draw(request, `${seed}\n${request.prompt}`), (drawn) => (stamp) => write(drawn, stamp))
      : Effect.succeed((stamp) => write(answer(request.prompt, request), stamp))
  }

type Answering = (stamp: Stamp) => Reply

/** The text ends at the limit of tokens, and what would come after it does not come. */
const generated = (
  answer: string | Simulator.Answer,
  maxTokens = Number.POSITIVE_INFINITY,
  callId: string
): Generated => {
  const { reasoning = "", text = "", toolCalls = [] } = typeof answer === "string" ? { text: answer } : answer
  return text.length > maxTokens * 4
    ? { reasoning, text: text.slice(0, maxTokens * 4), toolCalls: [], finish: "length" }
    : {
      reasoning,
      text,
      toolCalls: toolCalls.map((call, i) => ({ ...call, id: call.id ?? `${callId}_${i}` })),
      finish: toolCalls.length === 0 ? "stop" : "toolCalls"
    }
}

const draw = Effect.fnUntraced(function*(
  { messages, outputSchema, toolChoice, tools }: Simulator.Request,
  seed: string
): Effect.fn.Return<Simulator.Answer, Issue> {
  const wanted = typeof toolChoice === "object" ? toolChoice.tool : undefined
  const tool = toolChoice === "required" ? tools[0] : tools.find(({ name }) => name === wanted)
  if (wanted !== undefined && tool === undefined) {
    return yield* Effect.fail({ path: "tool_choice", message: `There is no tool ${wanted}` })
  }
  const turn = messages.slice(messages.findLastIndex(({ role }) => role === "assistant") + 1)
  if (tool !== undefined && turn.every(({ role }) => role !== "tool")) {
    const params = yield* drawJson(seed, tool.parameters, `tools.${tool.name}`)
    return { toolCalls: [{ name: tool.name, arguments: params }] }
  }
  return outputSchema === undefined
    ? { text: yield* Draw.sentence(seed) }
    : { text: JSON.stringify(yield* drawJson(seed, outputSchema, "response_format")) }
})

const drawJson = (seed: string, schema: Simulator.Tool["parameters"], path: string) =>
  Effect.mapError(Draw.json(seed, schema), (message): Issue => ({ path, message: `Invalid schema: ${message}` }))
