/**
 * What a tracer and a meter see. Spans are made only in a program that traces: one for the wait of a calling and one for each
 * attempt. An attempt at a model follows the conventions of OpenTelemetry for generative AI, with metrics as well:
 * https://opentelemetry.io/docs/specs/semconv/gen-ai/
 */
import * as Prompt from "effect/ai/Prompt"
import * as Telemetry from "effect/ai/Telemetry"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Tracer from "effect/Tracer"
import { isNormalizedResponse, type NormalizedResponse } from "../../Calling.ts"
import { BackendError, type BackendErrorReason } from "../../Errors.ts"
import { CaptureContent } from "../executor/references.ts"

/** What an attempt is to an observer: the name of the operation, such as `"chat"`, and who carries it out. */
export interface Operation {
  readonly name: string
  readonly provider: string
  readonly server?: URL | undefined
}

type Payload = Readonly<Record<string, unknown>>

const isTraced = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer ||
  Context.getOption(context, Tracer.ParentSpan)._tag === "Some"

// -----------------------------------------------------------------------------
// Attempts
// -----------------------------------------------------------------------------

/** An attempt, with its span. */
export const traceAttempt = <A, E>(
  work: Effect.Effect<A, E>,
  context: Context.Context<never>,
  operation: Operation | undefined,
  payload: Payload,
  attributes: () => Record<string, unknown>
): Effect.Effect<A, E> => {
  if (!isTraced(context)) return work
  const model = stringOf(payload["model"])
  const name = operation === undefined
    ? "iModel.call"
    : [operation.name, model].filter(Predicate.isNotUndefined).join(" ")
  const annotated = operation === undefined ? work : annotate(work, operation, payload)
  return Effect.withSpan(annotated, name, { kind: "client", attributes: attributes() })
}

const annotate = <A, E>(work: Effect.Effect<A, E>, operation: Operation, payload: Payload): Effect.Effect<A, E> =>
  Effect.withFiber((fiber) => {
    const parent = Context.getOption(fiber.context, Tracer.ParentSpan)
    if (Option.isNone(parent) || parent.value._tag !== "Span") return work
    const span = parent.value
    const capture = Context.get(fiber.context, CaptureContent)
    Telemetry.addGenAIAnnotations(span, {
      provider: { name: operation.provider },
      operation: { name: operation.name },
      request: requestOf(payload)
    })
    if (operation.server !== undefined) {
      const { hostname, port, protocol } = operation.server
      span.attribute("server.address", hostname)
      span.attribute("server.port", Number(port) || (protocol === "https:" ? 443 : 80))
    }
    if (capture) {
      const { system } = payload
      if (system !== undefined) span.attribute("gen_ai.system_instructions", shown(partsOf(system)))
      span.attribute("gen_ai.input.messages", shown(inputMessages(payload)))
    }
    return Effect.onExit(work, (exit) =>
      Effect.sync(() => {
        if (Exit.isFailure(exit)) {
          const type = errorType(exit)
          if (type !== undefined) span.attribute("error.type", type)
        } else if (isNormalizedResponse(exit.value)) {
          Telemetry.addGenAIAnnotations(span, {
            response: responseOf(exit.value),
            usage: {
              inputTokens: exit.value.usage.inputTokens.total,
              outputTokens: exit.value.usage.outputTokens.total
            }
          })
          if (capture) span.attribute("gen_ai.output.messages", shown(outputMessages(exit.value)))
        }
      }))
  })

const requestOf = (payload: Payload): Telemetry.RequestAttributes => ({
  model: stringOf(payload["model"]),
  temperature: numberOf(payload["temperature"]),
  topK: numberOf(payload["top_k"]),
  topP: numberOf(payload["top_p"]),
  maxTokens: numberOf(payload["max_tokens"] ?? payload["max_completion_tokens"] ?? payload["max_output_tokens"]),
  frequencyPenalty: numberOf(payload["frequency_penalty"]),
  presencePenalty: numberOf(payload["presence_penalty"]),
  seed: numberOf(payload["seed"]),
  stopSequences: stringsOf(payload["stop"])
})

const responseOf = ({ content, finishReason }: NormalizedResponse): Telemetry.ResponseAttributes => {
  const metadata = content.find((part) => part.type === "response-metadata")
  return { id: metadata?.id, model: metadata?.modelId, finishReasons: [finishReason] }
}

const stringOf = (u: unknown): string | undefined => typeof u === "string" ? u : undefined
const numberOf = (u: unknown): number | undefined => typeof u === "number" ? u : undefined
const stringsOf = (u: unknown): ReadonlyArray<string> | undefined =>
  typeof u === "string" ? [u] : Array.isArray(u) ? u.filter(Predicate.isString) : undefined

const errorType = (exit: Exit.Failure<unknown, unknown>): string | undefined => {
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  const reason = error instanceof BackendError ? error.reason : error
  return Predicate.hasProperty(reason, "_tag") ? String(reason._tag) : undefined
}

// -----------------------------------------------------------------------------
// Content, for those who ask for it
// -----------------------------------------------------------------------------

const shown = (messages: ReadonlyArray<unknown>): string =>
  JSON.stringify(messages, (_, value: unknown) => typeof value === "bigint" ? String(value) : value)

const inputMessages = ({ input, messages, prompt }: Payload): ReadonlyArray<unknown> => {
  const said = prompt === undefined ? messages ?? input : Prompt.isPrompt(prompt) ? prompt.content : prompt
  if (typeof said === "string") return [{ role: "user", parts: [{ type: "text", content: said }] }]
  if (!Array.isArray(said)) return []
  return said.map((message: unknown) =>
    Predicate.hasProperty(message, "role") && Predicate.hasProperty(message, "content")
      ? { role: message.role, parts: partsOf(message.content) }
      : message
  )
}

const outputMessages = ({ content, finishReason }: NormalizedResponse): ReadonlyArray<unknown> => [
  { role: "assistant", parts: partsOf(content), finish_reason: finishReason }
]

const partsOf = (content: unknown): ReadonlyArray<unknown> =>
  typeof content === "string"
    ? [{ type: "text", content }]
    : Array.isArray(content)
    ? content.flatMap((part: unknown): ReadonlyArray<unknown> => {
      if (!Predicate.isObject(part) || !("type" in part)) return []
      switch (part.type) {
        case "text":
        case "reasoning":
          return [{ type: part.type, content: "text" in part ? part.text : "" }]
        case "tool-call":
          return "params" in part && "name" in part
            ? [{ type: "tool_call", name: part.name, arguments: part.params }]
            : []
        case "finish":
        case "response-metadata":
          return []
        default:
          return [{ type: part.type }]
      }
    })
    : []

// -----------------------------------------------------------------------------
// Metrics
// -----------------------------------------------------------------------------

const durations = {
  id: "gen_ai.client.operation.duration",
  description: "How long attempts took, in seconds",
  boundaries: [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]
}

const tokens = {
  id: "gen_ai.client.token.usage",
  description: "Tokens of an answer, as the provider counts them",
  boundaries: [1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864]
}

interface Meter {
  readonly tokens: { readonly [Type in "input" | "output"]: Metric.Histogram<number> }
  /** Durations, by the type of the error; empty where there was none. */
  readonly durations: Map<string, Metric.Histogram<number>>
}

// A metric finds its series faster when it has its attributes from the beginning.
const meters = new WeakMap<Operation, Map<string, Meter>>()

const meterOf = (operation: Operation, model: string): Meter => {
  let ofModels = meters.get(operation)
  if (ofModels === undefined) meters.set(operation, ofModels = new Map())
  let meter = ofModels.get(model)
  if (meter === undefined) {
    const of = (type: string) => histogram(tokens, operation, model, { "gen_ai.token.type": type })
    meter = { tokens: { input: of("input"), output: of("output") }, durations: new Map() }
    ofModels.set(model, meter)
  }
  return meter
}

const histogram = (
  { boundaries, description, id }: typeof durations,
  { name, provider }: Operation,
  model: string,
  more: Record<string, string>
) =>
  Metric.histogram(id, {
    description,
    boundaries,
    attributes: {
      "gen_ai.operation.name": name,
      "gen_ai.provider.name": provider,
      "gen_ai.request.model": model,
      ...more
    }
  })

/** Notes an attempt that has ended, if it asked a model. */
export const measureAttempt = (
  operation: Operation | undefined,
  payload: Payload,
  exit: Exit.Exit<unknown, BackendErrorReason>,
  durationNanos: bigint,
  context: Context.Context<never>
): void => {
  if (operation === undefined) return
  const model = stringOf(payload["model"]) ?? ""
  const meter = meterOf(operation, model)
  const error = Exit.isFailure(exit) ? errorType(exit) ?? "interrupted" : ""
  let duration = meter.durations.get(error)
  if (duration === undefined) {
    duration = histogram(durations, operation, model, error === "" ? {} : { "error.type": error })
    meter.durations.set(error, duration)
  }
  duration.updateUnsafe(Number(durationNanos) / 1e9, context)
  if (Exit.isFailure(exit) || !isNormalizedResponse(exit.value)) return
  const { inputTokens, outputTokens } = exit.value.usage
  if (inputTokens.total !== undefined) meter.tokens.input.updateUnsafe(inputTokens.total, context)
  if (outputTokens.total !== undefined) meter.tokens.output.updateUnsafe(outputTokens.total, context)
}

// -----------------------------------------------------------------------------
// Waits
// -----------------------------------------------------------------------------

/** The span of a wait that is over. */
export const traceWait = (
  context: Context.Context<never>,
  waitedMillis: number,
  attributes: () => Record<string, unknown>
): void => {
  if (!isTraced(context)) return
  const endTime = Context.get(context, Clock.Clock).currentTimeNanosUnsafe()
  const span = Context.get(context, Tracer.Tracer).span({
    name: "iModel.wait",
    parent: Context.getOption(context, Tracer.ParentSpan),
    annotations: Context.empty(),
    links: [],
    startTime: endTime - BigInt(Math.round(waitedMillis * 1e6)),
    kind: "internal",
    root: false,
    sampled: true
  })
  for (const [name, value] of Object.entries(attributes())) span.attribute(name, value)
  span.end(endTime, Exit.void)
}
