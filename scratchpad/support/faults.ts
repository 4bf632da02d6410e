/**
 * Sixteen things that providers do, and what is right to make of them. Each is injected by the simulator, on any wire, plain and
 * streaming, with another model to turn to and without.
 */
import { Clock, Data, Effect, Fiber, Redacted, type Scope, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import {
  Anthropic,
  BackendError,
  type Calling,
  Gemini,
  iModel,
  OpenAi,
  type PermissionDenied,
  type Route,
  ServiceBackend,
  Simulator,
  type TimeoutError
} from "effect-imodel"

const { Fault } = Simulator

// -----------------------------------------------------------------------------
// The wires
// -----------------------------------------------------------------------------

const apiKey = Redacted.make("no key is needed")

type Capabilities = ServiceBackend.Capabilities

export const wires = {
  "OpenAI chat": (model: string, capabilities?: Capabilities) =>
    erased(OpenAi.makeChat({ model, apiKey, capabilities })),
  "OpenAI responses": (model: string, capabilities?: Capabilities) =>
    erased(OpenAi.makeResponses({ model, apiKey, capabilities })),
  Anthropic: (model: string, capabilities?: Capabilities) =>
    erased(Anthropic.makeMessages({ model, apiKey, capabilities })),
  Gemini: (model: string, capabilities?: Capabilities) =>
    erased(Gemini.makeGenerateContent({ model, apiKey, capabilities }))
}

export type Wire = keyof typeof wires

/** A backend of any type, as the program's. */
const erased = <Args, Answer, E>(
  backend: Effect.Effect<ServiceBackend.Backend<Args, Answer>, E, HttpClient.HttpClient>
) => Effect.provide(ServiceBackend.ServiceBackend, ServiceBackend.layer(Effect.orDie(backend)))

// -----------------------------------------------------------------------------
// The provider
// -----------------------------------------------------------------------------

/** Sixty words, and as many tokens by the simulator's count. */
const answer = Array.from({ length: 60 }, (_, i) => `w${String.fromCharCode(97 + i / 26, 97 + i % 26)}`).join(" ")

/** What goes wrong with the requests to the primary, the first of which is number one. */
export type Faulty = (attempt: number) => Simulator.Fault | undefined

/** A provider of models, of which the primary has the fault; and who was asked. */
const provider = (faulty: Faulty) => {
  const asked: Array<string> = []
  const state = { well: false, prefilled: false }
  const layer = Simulator.layerHttpClient({
    answer: () => answer,
    faults: ({ messages, model }) => {
      asked.push(model)
      state.prefilled ||= messages.at(-1)?.role === "assistant"
      return state.well || model !== "primary" ? undefined : faulty(asked.filter((other) => other === model).length)
    }
  })
  return { asked, state, layer }
}

// -----------------------------------------------------------------------------
// What came of a call
// -----------------------------------------------------------------------------

export type Outcome = Data.TaggedEnum<{
  /** The text is what was read: of a stream, its deltas. */
  Answer: {
    readonly text: string
    readonly model: unknown
    readonly outputTokens: number | undefined
    readonly finished: number
  }
  Failure: { readonly error: BackendError | TimeoutError | PermissionDenied; readonly text: string }
}>
const Outcome = Data.taggedEnum<Outcome>()

export interface Measured {
  readonly outcome: Outcome
  readonly millis: number
  /** The requests to each of the models. */
  readonly primary: number
  readonly between: number
  readonly secondary: number
  /** A call right afterwards, when all is well. */
  readonly after: Outcome
  readonly prefilled: boolean
}

const respond = (model: iModel.Model) =>
  Effect.match(model.respond({ prompt: "Say sixty words." }), {
    onFailure: (error): Outcome => Outcome.Failure({ error, text: "" }),
    onSuccess: ({ metadata, text, usage }) =>
      Outcome.Answer({ text, model: metadata["model"], outputTokens: usage.outputTokens.total, finished: 1 })
  })

const stream = (model: iModel.Model) =>
  Effect.suspend(() => {
    const parts: Array<Calling.StreamPart> = []
    const text = () => parts.flatMap((part) => part.type === "text-delta" ? [part.delta] : []).join("")
    return Effect.match(
      Stream.runForEach(model.stream({ prompt: "Say sixty words." }), (part) => Effect.sync(() => parts.push(part))),
      {
        onFailure: (error): Outcome => Outcome.Failure({ error, text: text() }),
        onSuccess: () => {
          const finishes = parts.flatMap((part) => part.type === "finish" ? [part] : [])
          const metadata = parts.find((part) => part.type === "response-metadata")
          return Outcome.Answer({
            text: text(),
            model: metadata?.modelId,
            outputTokens: finishes[0]?.usage.outputTokens.total,
            finished: finishes.length
          })
        }
      }
    )
  })

/** Lets virtual time pass until it is over. */
const pass = Effect.fnUntraced(function*<A, E>(effect: Effect.Effect<A, E>) {
  const fiber = yield* Effect.forkChild(effect)
  while (fiber.pollUnsafe() === undefined) yield* TestClock.adjust("50 millis")
  return yield* Fiber.join(fiber)
})

export type Mode = "plain" | "stream"

/** The budget of a call. */
const budget = 30_000

const limits = { timeout: budget, idleTimeout: "10 seconds" } as const

const modelOf = Effect.fnUntraced(function*(
  wire: Wire,
  withFallback: boolean,
  { between, primary, secondary }: Scenario["capabilities"] = {},
  options?: Route.CommonOptions
): Effect.fn.Return<iModel.Model, iModel.OptionsError, HttpClient.HttpClient | Scope.Scope> {
  const first = yield* wires[wire]("primary", primary)
  if (!withFallback) return yield* iModel.make(first, limits)
  return yield* iModel.fallback([
    yield* iModel.make(first),
    ...(between === undefined ? [] : [yield* iModel.make(yield* wires[wire]("between", between))]),
    yield* iModel.make(yield* wires[wire]("secondary", secondary))
  ], { ...limits, answerTimeout: "10 seconds", restart: true, ...options })
})

export const measure = (
  wire: Wire,
  mode: Mode,
  withFallback: boolean,
  { capabilities, faulty }: Pick<Scenario, "capabilities" | "faulty">,
  options?: Route.CommonOptions
) => {
  const { asked, layer, state } = provider(faulty)
  return Effect.gen(function*() {
    const model = yield* modelOf(wire, withFallback, capabilities, options)
    const ask = mode === "plain" ? respond(model) : stream(model)
    const startedAt = yield* Clock.currentTimeMillis
    const outcome = yield* pass(ask)
    const millis = (yield* Clock.currentTimeMillis) - startedAt
    const requests = (model: string) => asked.filter((other) => other === model).length
    const asking = { primary: requests("primary"), between: requests("between"), secondary: requests("secondary") }
    const { prefilled } = state
    state.well = true
    const measured: Measured = { outcome, millis, ...asking, prefilled, after: yield* pass(ask) }
    return measured
  }).pipe(Effect.scoped, Effect.provide(layer))
}

// -----------------------------------------------------------------------------
// The faults
// -----------------------------------------------------------------------------

export interface Scenario {
  /** The fifteenth, an outage, is a story of its own. */
  readonly n: number
  readonly name: string
  readonly right: string
  readonly faulty: Faulty
  /** What the models are known to be able to do, where that counts; there is one between the two if something is said of it. */
  readonly capabilities?: {
    readonly primary?: Capabilities
    readonly between?: Capabilities
    readonly secondary?: Capabilities
  }
  /** What is wrong with what came of it; empty when nothing is. */
  readonly wrong: (measured: Measured, withFallback: boolean, mode: Mode) => ReadonlyArray<string>
}

const check = (checks: Readonly<Record<string, boolean>>): ReadonlyArray<string> =>
  Object.entries(checks).flatMap(([what, holds]) => holds ? [] : [what])

const whole = (outcome: Outcome): boolean =>
  outcome._tag === "Answer" && outcome.text === answer && outcome.outputTokens === 60 && outcome.finished === 1

const by = (model: string, outcome: Outcome): boolean =>
  whole(outcome) && outcome._tag === "Answer" && outcome.model === model

export const failsWith = (outcome: Outcome, ...tags: ReadonlyArray<string>): boolean =>
  outcome._tag === "Failure" &&
  tags.includes(outcome.error._tag === "BackendError" ? outcome.error.reason._tag : outcome.error._tag)

/** With a fallback the secondary answers in the time; without one it fails for these reasons. */
const failsOver =
  (within: number, primary: number, ...tags: ReadonlyArray<string>): Scenario["wrong"] => (measured, withFallback) =>
    withFallback
      ? check({
        "the secondary answers": by("secondary", measured.outcome),
        [`within ${within} ms`]: measured.millis <= within,
        [`${primary} attempts at the primary`]: measured.primary === primary,
        "one at the secondary": measured.secondary === 1
      })
      : check({
        [`fails with ${tags.join(" or ")}`]: failsWith(measured.outcome, ...tags)
      })

/** The primary itself answers, after so many attempts. */
const answers =
  (from: number, to: number, attempts: number): Scenario["wrong"] => ({ millis, outcome, primary, secondary }) =>
    check({
      "the primary answers": by("primary", outcome),
      [`within ${from} to ${to} ms`]: from <= millis && millis <= to,
      [`${attempts} attempts`]: primary === attempts && secondary === 0
    })

export const scenarios: ReadonlyArray<Scenario> = [
  {
    n: 1,
    name: "429 with Retry-After: 2, once",
    right: "waits about 2 s, answers from the same model",
    faulty: (attempt) => attempt === 1 ? Fault.RateLimited({ retryAfter: "2 seconds" }) : undefined,
    wrong: answers(2_000, 3_000, 2)
  },
  {
    n: 2,
    name: "429 without it, for ever",
    right: "backs off with jitter, fails over",
    faulty: () => Fault.RateLimited({}),
    wrong: failsOver(3_000, 3, "RateLimitError")
  },
  {
    n: 3,
    name: "500 once",
    right: "one retry, same model",
    faulty: (attempt) => attempt === 1 ? Fault.ServerError() : undefined,
    wrong: answers(250, 1_500, 2)
  },
  {
    n: 4,
    name: "503 for ever",
    right: "fails over",
    faulty: () => Fault.Overloaded(),
    wrong: failsOver(3_000, 3, "InternalProviderError")
  },
  {
    n: 5,
    name: "connection reset before headers, once",
    right: "retries",
    faulty: (attempt) => attempt === 1 ? Fault.Reset() : undefined,
    wrong: answers(250, 1_500, 2)
  },
  {
    n: 6,
    name: "no response at all",
    right: "times out, goes elsewhere, not asked again",
    faulty: () => Fault.NoResponse(),
    wrong: failsOver(12_000, 1, "TimeoutError")
  },
  {
    n: 7,
    name: "first token after 20 s",
    right: "fails over inside 15 s; without a fallback answers",
    faulty: () => Fault.SlowStart({ delay: "20 seconds" }),
    wrong: (measured, withFallback, mode) =>
      withFallback
        ? failsOver(15_000, 1)(measured, withFallback, mode)
        : answers(20_000, 22_000, 1)(measured, withFallback, mode)
  },
  {
    n: 8,
    name: "cut after 40 of 60 tokens",
    right: "whole answer from the fallback, or an error",
    faulty: () => Fault.Cut({ after: 40 }),
    wrong: failsOver(3_000, 1, "StreamInterrupted")
  },
  {
    n: 9,
    name: "silent in the middle",
    right: "detected, as above",
    faulty: () => Fault.Silence({ after: 40 }),
    wrong: failsOver(13_000, 1, "StreamInterrupted", "TimeoutError")
  },
  {
    n: 10,
    name: "invalid JSON between two events",
    right: "the answer survives",
    faulty: () => Fault.Garbage({ after: 30 }),
    wrong: answers(0, 1_000, 1)
  },
  {
    n: 10,
    name: "invalid JSON in place of an event",
    right: "survives where the wire tells the whole at the end; else from the fallback, or an error",
    faulty: () => Fault.Malformed({ after: 30 }),
    wrong: (measured, withFallback, mode) =>
      by("primary", measured.outcome)
        ? []
        : failsOver(3_000, 1, "StreamInterrupted", "InvalidResponseError")(measured, withFallback, mode)
  },
  {
    n: 11,
    name: "no [DONE]",
    right: "finishes at once, with usage",
    faulty: () => Fault.NoEnd(),
    wrong: answers(0, 1_000, 1)
  },
  {
    n: 12,
    name: "400 context_length_exceeded",
    right: "one attempt, then the larger model",
    faulty: () => Fault.ContextTooLong(),
    capabilities: {
      primary: { contextWindow: 200_000 },
      between: { contextWindow: 100_000 },
      secondary: { contextWindow: 2_000_000 }
    },
    wrong: (measured, withFallback, mode) => [
      ...failsOver(1_000, 1, "ContextLengthExceeded")(measured, withFallback, mode),
      ...check({ "nobody smaller is asked": measured.between === 0 })
    ]
  },
  {
    n: 13,
    name: "400 content policy",
    right: "one attempt, the provider's reason, no way round",
    faulty: () => Fault.ContentPolicy(),
    wrong: ({ outcome, primary, secondary }) =>
      check({
        "fails with ContentPolicyError": failsWith(outcome, "ContentPolicyError"),
        "one attempt": primary === 1 && secondary === 0
      })
  },
  {
    n: 14,
    name: "cut, and no assistant prefill elsewhere",
    right: "clean restart",
    faulty: () => Fault.Cut({ after: 40 }),
    capabilities: { secondary: { prefill: false } },
    wrong: (measured, withFallback, mode) => [
      ...failsOver(3_000, 1, "StreamInterrupted")(measured, withFallback, mode),
      ...check({ "nobody is asked to go on": !measured.prefilled })
    ]
  },
  {
    n: 16,
    name: "503, fallback answers",
    right: "the fallback's model and usage reported",
    faulty: () => Fault.Overloaded(),
    wrong: failsOver(3_000, 3, "InternalProviderError")
  }
]

/** What is wrong with any call. */
export const wrongAnyway = ({ after, millis, outcome, primary, secondary }: Measured): ReadonlyArray<string> =>
  check({
    "within its budget": millis <= budget,
    "at most three attempts at one model, and four where there is no other": primary <= (secondary > 0 ? 3 : 4) &&
      secondary <= 3,
    "whole, if a success": outcome._tag === "Failure" || whole(outcome),
    "a healthy call right afterwards works": whole(after)
  })

// -----------------------------------------------------------------------------
// An outage
// -----------------------------------------------------------------------------

interface Outage {
  readonly served: number
  readonly calls: number
  /** When the primary answered for the first time after its recovery, in milliseconds from then. */
  readonly backAfter: number | undefined
  /** Requests to the primary after the call that found it down, and before its recovery. */
  readonly probes: number
}

/** The primary is down for a minute, with a call every four seconds for two. */
export const outage = (wire: Wire, mode: Mode) => {
  const { asked, layer, state } = provider(() => Fault.Overloaded())
  return Effect.gen(function*() {
    const model = yield* modelOf(wire, true)
    const ask = mode === "plain" ? respond(model) : stream(model)
    const startedAt = yield* Clock.currentTimeMillis
    let served = 0
    let backAfter: number | undefined
    let probes = 0
    let calls = 0
    for (; calls < 30; calls++) {
      const now = (yield* Clock.currentTimeMillis) - startedAt
      yield* TestClock.adjust(Math.max(0, calls * 4_000 - now))
      if (calls * 4_000 >= 60_000) state.well = true
      const before = asked.filter((name) => name === "primary").length
      const outcome = yield* pass(ask)
      if (whole(outcome)) served++
      if (!state.well && calls > 0) probes += asked.filter((name) => name === "primary").length - before
      if (state.well && by("primary", outcome)) backAfter ??= calls * 4_000 - 60_000
    }
    const seen: Outage = { served, calls, backAfter, probes }
    return seen
  }).pipe(Effect.scoped, Effect.provide(layer))
}
