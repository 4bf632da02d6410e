/**
 * Telemetry: the trace of a batch of eight calls, four at once, with what OpenTelemetry's conventions for generative AI say of
 * each. A program of your own exports the same spans with Effect's `Otlp` layers.
 *
 *     npm run guide -- telemetry
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Layer, Option, Redacted, Tracer } from "effect"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const spans: Array<Tracer.NativeSpan> = []
const tracer = Tracer.make({
  span: (options) => {
    const span = new Tracer.NativeSpan(options)
    spans.push(span)
    return span
  }
})

const model = iModel.layer({ concurrency: 4, limitRequests: 600 }).pipe(
  Layer.provide(OpenAi.layerChat({ model: "gpt-4o-mini", apiKey: Redacted.make("no key is needed") })),
  Layer.provide(Simulator.layerHttpClient({ latency: "80 millis", limitRequests: 600 }))
)

const colours = ["red", "orange", "yellow", "green", "blue", "indigo", "violet", "black"]

const batch = iModel.invokeAll(colours.map((colour) => ({ prompt: `A fruit that is ${colour}`, max_tokens: 32 }))).pipe(
  Effect.withSpan("batch"),
  Effect.provide(model),
  Effect.provideService(Tracer.Tracer, tracer)
)

const millis = (nanos: bigint) => Number(nanos / 1_000n) / 1_000

const endOf = ({ status }: Tracer.NativeSpan) => status._tag === "Ended" ? status.endTime : status.startTime

const show = (span: Tracer.NativeSpan, origin: bigint, depth: number): ReadonlyArray<string> => {
  const from = millis(span.status.startTime - origin)
  const took = millis(endOf(span) - span.status.startTime)
  const told = [...span.attributes].flatMap(([name, value]) =>
    /^gen_ai\.(request\.max|response\.finish|usage)|^error/.test(name)
      ? [`${name.replace(/^gen_ai\.\w+\./, "")}=${String(value)}`]
      : []
  )
  const line = `${from.toFixed(1).padStart(8)} ms ${"  ".repeat(depth)}${span.name.padEnd(30 - 2 * depth)}` +
    `${took.toFixed(1).padStart(8)} ms  ${told.join(" ")}`
  const children = spans.filter(({ parent }) => Option.isSome(parent) && parent.value.spanId === span.spanId)
  return [line, ...children.flatMap((child) => show(child, origin, depth + 1))]
}

Effect.gen(function*() {
  yield* batch
  const [root] = spans
  if (root !== undefined) yield* Console.log(show(root, root.status.startTime, 0).join("\n"))
}).pipe(NodeRuntime.runMain)
