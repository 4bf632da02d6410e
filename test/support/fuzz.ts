/**
 * Seeded fuzzing: each run draws all of its choices from its seed, so that a failure is repeated by its number. A suite takes
 * seconds; `HOSTILE_MINUTES=5` runs each of its tests for five minutes, with other seeds every time.
 */
import { Cause, Effect, Exit, Random } from "effect"

export class Draw {
  private state: number

  constructor(seed: number) {
    this.state = seed
  }

  /** A number from 0 to 1: mulberry32. */
  next(): number {
    this.state = (this.state + 0x6D2B79F5) | 0
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }

  int(below: number): number {
    return Math.floor(this.next() * below)
  }

  bool(): boolean {
    return this.next() < 0.5
  }

  one<A>(items: readonly [A, ...ReadonlyArray<A>]): A {
    return items[this.int(items.length)] ?? items[0]
  }

  some<A>(most: number, make: () => A): ReadonlyArray<A> {
    return Array.from({ length: this.int(most + 1) }, make)
  }
}

const minutes = Number(process.env["HOSTILE_MINUTES"] ?? 0)

/** The longest time of one test, in milliseconds. */
export const testTimeout = 60_000 + minutes * 120_000

/** Runs a program with many seeds, and dies with the number of the seed that fails. */
export const fuzz = Effect.fnUntraced(
  function*<E, R>(runs: number, program: (draw: Draw) => Effect.Effect<void, E, R>) {
    const until = performance.now() + minutes * 60_000
    const from = minutes > 0 ? yield* Random.nextIntBetween(0, 2 ** 30) : 1
    for (let i = 0; i < runs || performance.now() < until; i++) {
      const exit = yield* Effect.exit(program(new Draw(from + i)))
      if (Exit.isFailure(exit)) {
        return yield* Effect.die(new Error(`seed ${from + i}`, { cause: Cause.squash(exit.cause) }))
      }
    }
  }
)

const throws = (): never => {
  throw new Error("trap")
}

/** Nested deep enough to overflow the stack of who walks it. */
const deep = (depth: number): unknown => {
  let value: unknown = "deep"
  for (let i = 0; i < depth; i++) value = i % 2 === 0 ? [value] : { value }
  return value
}

const cyclic = (): unknown => {
  const value: Record<string, unknown> = {}
  value["self"] = value
  return value
}

const hostileValues: readonly [() => unknown, ...ReadonlyArray<() => unknown>] = [
  () => undefined,
  () => null,
  () => "",
  () => "text",
  () => Number.NaN,
  () => -1,
  () => 1n,
  () => Symbol("symbol"),
  () => throws,
  () => [],
  () => [null],
  () => ({}),
  () => new Error("error"),
  () => Object.create(null),
  () => new Proxy({}, { get: throws, has: throws, ownKeys: throws, getPrototypeOf: throws }),
  () => Object.defineProperty({}, "message", { get: throws, enumerable: true }),
  () => ({ toJSON: throws, toString: throws }),
  () => JSON.parse(`{"__proto__":{"admin":true}}`),
  () => ({ _tag: "BackendError", reason: null }),
  () => ({ _tag: "RateLimitError" }),
  () => ({ type: "text-delta", id: "0", delta: 7 }),
  () => Promise.resolve(1),
  () => Effect.void,
  () => new Map([[1, 2]]),
  () => deep(10_000),
  cyclic
]

/** A value that nobody expects. */
export const hostile = (draw: Draw): unknown => draw.one(hostileValues)()
