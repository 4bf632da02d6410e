/**
 * What one call costs on its way through the executor, with a backend that answers at once, beside what people put in
 * front of an SDK today; how much memory a queued call takes; and how the queue grows with its keys and priorities.
 *
 *     npm run bench
 */
import Bottleneck from "bottleneck"
import { Effect, Exit, Fiber, Schema, Scope, Semaphore } from "effect"
import { Executor, iModel, ServiceBackend } from "effect-imodel"
import PQueue from "p-queue"

const calls = 20_000
const inFlight = 1_000
const rounds = 5
/** bottleneck waits for a timer of at least a millisecond in each call, so it gets fewer. */
const bottleneckCalls = 1_000

const args = { prompt: "Hello" }

const backend = ServiceBackend.make({
  provider: "bench",
  name: "nothing",
  request: Schema.Struct({ prompt: Schema.String }),
  call: () => Effect.succeed("done")
})

/** Microseconds a call: one after the other, and with many in flight. */
interface Subject {
  readonly name: string
  readonly calls: number
  readonly sequential: () => Promise<unknown>
  readonly concurrent: () => Promise<unknown>
}

const range = Array.from({ length: calls }, (_, i) => i)

const model = (name: string, options: iModel.Options<typeof args>): Subject => {
  const run = (concurrency: number) =>
    Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const model = yield* iModel.make(yield* backend, options)
      yield* Effect.forEach(range, () => model.invoke(args), { concurrency, discard: true })
    })))
  return { name, calls, sequential: () => run(1), concurrent: () => run(inFlight) }
}

const promises = (
  name: string,
  calls: number,
  make: () => (task: () => Promise<string>) => Promise<unknown>
): Subject => ({
  name,
  calls,
  sequential: async () => {
    const submit = make()
    for (let i = 0; i < calls; i++) await submit(async () => "done")
  },
  concurrent: async () => {
    const submit = make()
    for (let i = 0; i < calls; i += inFlight) {
      await Promise.all(range.slice(i, i + inFlight).map(() => submit(async () => "done")))
    }
  }
})

const semaphore = (): Subject => {
  const run = (concurrency: number) =>
    Effect.runPromise(Effect.suspend(() => {
      const permits = Semaphore.makeUnsafe(inFlight)
      return Effect.forEach(range, () => permits.withPermit(Effect.succeed("done")), { concurrency, discard: true })
    }))
  return { name: "a bare Semaphore", calls, sequential: () => run(1), concurrent: () => run(inFlight) }
}

const subjects = [
  model("iModel, no limit", {}),
  model("iModel, concurrency", { concurrency: inFlight }),
  model("iModel, requests and tokens", { concurrency: inFlight, limitRequests: 1e9, limitTokens: 1e12 }),
  promises("p-queue", calls, () => {
    const queue = new PQueue({ concurrency: inFlight })
    return (task) => queue.add(task)
  }),
  promises("p-queue, interval cap", calls, () => {
    const queue = new PQueue({ concurrency: inFlight, intervalCap: 1e9, interval: 60_000 })
    return (task) => queue.add(task)
  }),
  promises("bottleneck", bottleneckCalls, () => {
    const limiter = new Bottleneck({ maxConcurrent: inFlight, reservoir: 1e9 })
    return (task) => limiter.schedule(task)
  }),
  semaphore()
]

const time = async (calls: number, run: () => Promise<unknown>) => {
  const began = performance.now()
  await run()
  return ((performance.now() - began) / calls) * 1000
}

const best = new Map<string, { sequential: number; concurrent: number }>()
for (let round = 0; round <= rounds; round++) {
  for (const { calls, concurrent, name, sequential } of subjects) {
    const before = best.get(name) ?? { sequential: Number.POSITIVE_INFINITY, concurrent: Number.POSITIVE_INFINITY }
    best.set(name, {
      sequential: Math.min(before.sequential, await time(calls, sequential)),
      concurrent: Math.min(before.concurrent, await time(calls, concurrent))
    })
  }
}

console.log(`\n  µs a call, best of ${rounds + 1} rounds\n`)
console.log(`  ${"".padEnd(30)}${"sequential".padStart(12)}${`${inFlight} in flight`.padStart(18)}`)
for (const [name, { concurrent, sequential }] of best) {
  console.log(`  ${name.padEnd(30)}${sequential.toFixed(2).padStart(12)}${concurrent.toFixed(2).padStart(18)}`)
}

// -----------------------------------------------------------------------------
// Memory
// -----------------------------------------------------------------------------

const queued = 100_000

const heap = () => {
  if (globalThis.gc === undefined) throw new Error("run with node --expose-gc")
  globalThis.gc()
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

const weigh = async (hold: () => Promise<() => Promise<unknown>>) => {
  const before = heap()
  const release = await hold()
  const bytes = (heap() - before) / queued
  await release()
  return bytes
}

const stuck = ServiceBackend.make({
  provider: "bench",
  name: "stuck",
  request: Schema.Struct({ prompt: Schema.String }),
  call: () => Effect.never
})

/** One calling runs for ever, all others wait behind it. */
const queuedModel = async () => {
  const scope = Scope.makeUnsafe()
  const model = await Effect.runPromise(
    Effect.flatMap(stuck, (backend) => iModel.make(backend, { concurrency: 1, queueCapacity: queued })).pipe(
      Scope.provide(scope)
    )
  )
  const fibers = Array.from({ length: queued }, () => Effect.runFork(model.invoke(args)))
  await Effect.runPromise(Effect.sleep(100))
  return () => Effect.runPromise(Effect.andThen(Fiber.interruptAll(fibers), Scope.close(scope, Exit.void)))
}

const fibersAlone = () => {
  const fibers = Array.from({ length: queued }, () => Effect.runFork(Effect.never))
  return Promise.resolve(() => Effect.runPromise(Fiber.interruptAll(fibers)))
}

const queuedPromises = () => {
  const queue = new PQueue({ concurrency: 1 })
  const stuck = new AbortController()
  const tasks = Array.from(
    { length: queued },
    () => queue.add(() => new Promise((resolve) => stuck.signal.addEventListener("abort", resolve)))
  )
  return Promise.resolve(() => {
    queue.clear()
    stuck.abort()
    return Promise.resolve(tasks.length)
  })
}

const queuedBottleneck = () => {
  const limiter = new Bottleneck({ maxConcurrent: 1 })
  const stuck = new AbortController()
  const tasks = Array.from(
    { length: queued },
    () =>
      limiter.schedule(() => new Promise((resolve) => stuck.signal.addEventListener("abort", resolve))).catch(() => {})
  )
  return Promise.resolve(async () => {
    const stopped = limiter.stop({ dropWaitingJobs: true })
    stuck.abort()
    await stopped
    return tasks.length
  })
}

console.log(`\n  bytes a call, ${queued} queued, the fiber or promise of the caller included\n`)
for (
  const [name, hold] of [
    ["iModel", queuedModel],
    ["of which the caller's fiber", fibersAlone],
    ["p-queue", queuedPromises],
    ["bottleneck", queuedBottleneck]
  ] as const
) {
  console.log(`  ${name.padEnd(30)}${(await weigh(hold)).toFixed(0).padStart(12)}`)
}
console.log("")

// -----------------------------------------------------------------------------
// Growth
// -----------------------------------------------------------------------------

/** Milliseconds to submit so many calls behind one that never ends, and to interrupt them all. */
const grow = async (size: number, submitOptions: (n: number) => Executor.SubmitOptions) => {
  const scope = Scope.makeUnsafe()
  const { executor, model } = await Effect.runPromise(
    Effect.gen(function*() {
      const executor = yield* Executor.make({ concurrency: 1, queueCapacity: size })
      const model = yield* iModel.make(yield* stuck, { executor })
      return { executor, model }
    }).pipe(Scope.provide(scope))
  )
  const callings = await Effect.runPromise(Effect.replicateEffect(model.createCalling(args), size + 1))
  const submitting = performance.now()
  const fibers = callings.map((calling, n) => Effect.runFork(executor.submit(calling, submitOptions(n))))
  await Effect.runPromise(Effect.yieldNow)
  const interrupting = performance.now()
  await Effect.runPromise(Fiber.interruptAll(fibers))
  const ended = performance.now()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return { submit: interrupting - submitting, interrupt: ended - interrupting }
}

console.log("\n  ms to submit so many calls, and to interrupt them: linear is ten times as long in the next row\n")
for (
  const [name, submitOptions] of [
    ["one key, one priority", () => ({})],
    ["each its own key", (n: number) => ({ key: String(n) })],
    ["each its own priority", (n: number) => ({ priority: n })]
  ] as const
) {
  console.log(`  ${name.padEnd(30)}${"submit".padStart(12)}${"interrupt".padStart(18)}`)
  for (const size of [1_000, 10_000, 100_000]) {
    const { interrupt, submit } = await grow(size, submitOptions)
    console.log(
      `  ${String(size).padStart(30)}${submit.toFixed(0).padStart(12)}${interrupt.toFixed(0).padStart(18)}`
    )
  }
}
console.log("")
