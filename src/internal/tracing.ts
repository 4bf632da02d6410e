/** Spans, for a program that traces: one for the wait of a calling and one for each attempt. Without a tracer they cost nothing. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Tracer from "effect/Tracer"

const isTraced = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer ||
  Context.getOption(context, Tracer.ParentSpan)._tag === "Some"

/** The span of an attempt, around its work. */
export const traceCall = <A, E>(
  work: Effect.Effect<A, E>,
  context: Context.Context<never>,
  attributes: () => Record<string, unknown>
): Effect.Effect<A, E> =>
  isTraced(context) ? Effect.withSpan(work, "iModel.call", { kind: "client", attributes: attributes() }) : work

/** The span of a wait that is over. */
export const traceWait = (
  context: Context.Context<never>,
  arrivedAtMillis: number,
  attributes: () => Record<string, unknown>
): void => {
  if (!isTraced(context)) return
  const span = Context.get(context, Tracer.Tracer).span({
    name: "iModel.wait",
    parent: Context.getOption(context, Tracer.ParentSpan),
    annotations: Context.empty(),
    links: [],
    startTime: BigInt(arrivedAtMillis) * 1_000_000n,
    kind: "internal",
    root: false,
    sampled: true
  })
  for (const [name, value] of Object.entries(attributes())) span.attribute(name, value)
  span.end(Context.get(context, Clock.Clock).currentTimeNanosUnsafe(), Exit.void)
}
