/**
 * Five thousand calls against providers that do everything wrong that the simulator knows, at random and for minutes, while some
 * callers leave and some have little time: every call is settled in its time, with the whole answer or an error that is typed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Array as Arr, Context, Duration, Effect, Exit, Fiber, Layer, Random, Redacted, Stream } from "effect"
import type { HttpClient } from "effect/http"
import { TestClock } from "effect/testing"
import { Anthropic, Errors, Gemini, iModel, OpenAi, ServiceBackend, Simulator } from "effect-imodel"

const calls = 5_000
const seed = "chaos"
const answer = Arr.range(1, 12).map((n) => `word ${n}`).join(", ")
const limitRequests = 2_400
const apiKey = Redacted.make("no key is needed")

const { Fault } = Simulator

const kinds: ReadonlyArray<(random: () => number) => Simulator.Fault> = [
  () => Fault.RateLimited({}),
  (random) => Fault.RateLimited({ retryAfter: Duration.seconds(Math.ceil(random() * 3)) }),
  () => Fault.ServerError(),
  () => Fault.Overloaded(),
  () => Fault.ContextTooLong(),
  () => Fault.ContentPolicy(),
  () => Fault.Reset(),
  () => Fault.NoResponse(),
  (random) => Fault.SlowStart({ delay: Duration.seconds(random() * 30) }),
  (random) => Fault.Cut({ after: Math.floor(random() * 12) }),
  (random) => Fault.Silence({ after: Math.floor(random() * 12) }),
  (random) => Fault.Malformed({ after: Math.floor(random() * 12) }),
  (random) => Fault.Garbage({ after: Math.floor(random() * 12) }),
  (random) => Fault.Failure({ after: Math.floor(random() * 12) }),
  () => Fault.NoEnd()
]

/** Numbers from 0 to 1, the same for the same seed: https://en.wikipedia.org/wiki/Linear_congruential_generator */
const generator = (seed: number) => () => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
  return seed / 2 ** 32
}

/** A provider with a strict limit, which fails one time in five, and for ten requests in a row from time to time. */
const provider = Effect.fnUntraced(function*<E>(
  seed: number,
  backend: Effect.Effect<ServiceBackend.ServiceBackend["Service"], E, HttpClient.HttpClient>
) {
  const random = generator(seed)
  let n = 0
  const context = yield* Layer.build(Simulator.layerHttpClient({
    answer: () => answer,
    limitRequests,
    faults: () => {
      const isOutage = n++ % 500 < 10
      const kind = kinds[Math.floor(random() * kinds.length)]
      return isOutage ? Fault.Overloaded() : random() < 0.2 ? kind?.(random) : undefined
    }
  }))
  const made = yield* Effect.provideContext(backend, context)
  const model = yield* iModel.make(made, { limitRequests, concurrency: 200, queueCapacity: 500 })
  return { model, seen: Context.get(context, Simulator.Simulator).seen }
})

const erased = <Args, Data, E>(backend: Effect.Effect<ServiceBackend.Backend<Args, Data>, E, HttpClient.HttpClient>) =>
  Effect.provide(ServiceBackend.ServiceBackend, ServiceBackend.layer(backend))

type Ended = "answered" | "TimeoutError" | "PermissionDenied" | "interrupted" | Errors.BackendErrorReason["_tag"]

const endOf = (exit: Exit.Exit<string, Errors.TimeoutError | Errors.PermissionDenied | Errors.BackendError>): Ended => {
  if (Exit.isSuccess(exit)) return exit.value === answer ? "answered" : assert.fail(`half an answer: ${exit.value}`)
  if (Exit.hasInterrupts(exit)) return "interrupted"
  const error = Exit.findErrorOption(exit)
  if (error._tag === "None") return assert.fail(`a defect: ${exit}`)
  return error.value._tag === "BackendError" ? error.value.reason._tag : error.value._tag
}

describe("five thousand calls in chaos", () => {
  it.effect(
    "are all settled in their time, whole or with a typed error, within the limits and without a trace",
    () =>
      Effect.gen(function*() {
        const first = yield* provider(1, erased(OpenAi.makeChat({ model: "first", apiKey })))
        const second = yield* provider(2, erased(OpenAi.makeResponses({ model: "second", apiKey })))
        const third = yield* provider(3, erased(Anthropic.makeMessages({ model: "third", apiKey })))
        const last = yield* provider(4, erased(Gemini.makeGenerateContent({ model: "last", apiKey })))
        const all = [first, second, third, last]
        const cooldown = "1 second"
        const options = {
          timeout: "40 seconds",
          idleTimeout: "5 seconds",
          answerTimeout: "8 seconds",
          cooldown
        } as const
        const model = yield* iModel.fallback([
          yield* iModel.balance([first.model, second.model], {
            answerTimeout: "4 seconds",
            cooldown,
            restart: true
          }),
          third.model,
          last.model
        ], { ...options, restart: true })
        const unbuffered = yield* iModel.fallback([first.model, third.model, last.model], options)

        const random = generator(5)
        const ended = new Map<Ended, number>()
        let late = 0

        const call = Effect.fnUntraced(function*(model: iModel.Model, n: number, timeoutMillis: number) {
          let text = ""
          const args = { prompt: `Question ${n}` }
          const asking = random() < 0.5
            ? Effect.map(model.respond(args, { timeout: timeoutMillis }), (response) => response.text)
            : Effect.map(
              Stream.runForEach(model.stream(args, { timeout: timeoutMillis }), (part) =>
                Effect.sync(() => {
                  if (part.type === "text-delta") text += part.delta
                })),
              () => text
            )
          const [duration, exit] = yield* Effect.timed(Effect.exit(asking))
          if (Duration.toMillis(duration) > timeoutMillis) late++
          assert.isTrue(answer.startsWith(text), "an answer that was begun again in the middle")
          const end = endOf(exit)
          ended.set(end, (ended.get(end) ?? 0) + 1)
        })

        const fibers: Array<Fiber.Fiber<void>> = []
        for (let n = 0; n < calls; n++) {
          const fiber = yield* Effect.forkChild(
            call(random() < 0.5 ? model : unbuffered, n, random() < 0.1 ? Math.ceil(random() * 5_000) : 40_000)
          )
          fibers.push(fiber)
          if (random() < 0.1) {
            yield* Effect.forkChild(Effect.delay(Fiber.interrupt(fiber), Math.floor(random() * 3_000)))
          }
          // Fifty a second.
          if (n % 25 === 24) yield* TestClock.adjust(500)
        }
        for (let i = 0; i < 100 && fibers.some((fiber) => fiber.pollUnsafe() === undefined); i++) {
          yield* TestClock.adjust(500)
        }
        assert.isTrue(fibers.every((fiber) => fiber.pollUnsafe() !== undefined), "some never settle")
        for (const fiber of fibers) {
          const exit = yield* Fiber.await(fiber)
          assert.isTrue(Exit.isSuccess(exit) || Exit.hasInterrupts(exit), String(exit))
        }
        assert.strictEqual(late, 0)
        assert.isAbove(ended.get("answered") ?? 0, 0.8 * calls)

        yield* TestClock.adjust("2 minutes")
        for (const { model, seen } of all) {
          const { admitted, rejected } = yield* seen
          assert.isAbove(admitted, 100)
          assert.strictEqual(rejected, 0)
          const executor = yield* Effect.fromNullishOr(model.executor)
          const { counts, limits, running, waiting } = yield* executor.snapshot
          assert.deepStrictEqual([counts.pending, counts.processing, running, waiting], [0, 0, 0, 0])
          assert.strictEqual(limits.requests?.available, limitRequests)
        }
      }).pipe(Random.withSeed(seed)),
    300_000
  )
})
