/** The metrics of an executor. They are read when somebody looks, so keeping them costs a call next to nothing. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type * as Scope from "effect/Scope"
import { uuid } from "../util/identity.ts"

/** Where each number stands. */
export interface Sources {
  readonly queued: () => number
  readonly running: () => number
  readonly requests: () => number
  readonly tokens: () => number
  readonly denials: () => number
  readonly retries: () => number
  readonly pauses: () => number
  readonly storeAway: () => number
}

const gauges = {
  queued: Metric.gauge("imodel_queued", { description: "Callings that wait to be admitted" }),
  running: Metric.gauge("imodel_running", { description: "Callings that run" }),
  storeAway: Metric.gauge("imodel_store_away", { description: "1 while the store of the limits does not answer" })
}

const counters = {
  requests: Metric.counter("imodel_admitted_requests", { description: "Attempts that were admitted" }),
  tokens: Metric.counter("imodel_admitted_tokens", { description: "Tokens reserved for attempts that were admitted" }),
  denials: Metric.counter("imodel_denials", { description: "How often the limit or the full queue said no" }),
  retries: Metric.counter("imodel_retries", { description: "Failed attempts that are made again" }),
  pauses: Metric.counter("imodel_pauses", { description: "How often a provider asked to hold everything back" })
}

const waits = {
  description: "How long callings waited to be admitted, in milliseconds",
  boundaries: Metric.exponentialBoundaries({ start: 1, factor: 4, count: 12 })
}

/** Registers the metrics of one executor until the scope closes; answers how to note a wait. */
export const register = (
  names: { readonly executor: string; readonly model?: string },
  sources: Sources
): Effect.Effect<(millis: number) => void, never, Scope.Scope> =>
  Effect.contextWith((context) => {
    const inert = { update: () => {}, modify: () => {} }
    // Two executors may have one name; each has its own series.
    const attributes = { ...names, executor_id: uuid() }
    const registrations = [
      ...(["queued", "running", "storeAway"] as const).map((name) =>
        Metric.registerUnsafe(Metric.withAttributes(gauges[name], attributes), context, {
          get: () => ({ value: sources[name]() }),
          ...inert
        })
      ),
      ...(["requests", "tokens", "denials", "retries", "pauses"] as const).map((name) =>
        Metric.registerUnsafe(Metric.withAttributes(counters[name], attributes), context, {
          get: () => ({ count: sources[name](), incremental: true }),
          ...inert
        })
      )
    ]
    // It finds its series faster with the attributes from the beginning.
    const wait = Metric.histogram("imodel_wait_millis", { ...waits, attributes })
    return Effect.as(
      Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const registration of registrations) registration.remove()
          Metric.removeUnsafe(wait, context)
        })
      ),
      (millis: number) => wait.updateUnsafe(millis, context)
    )
  })
