/**
 * Sixteen things that providers do, on every wire, plain and streaming, with another model to turn to and without: what came of
 * the call, in how much time, with how many requests to the primary and to the secondary. The time is virtual.
 *
 *     npm run faults
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { TestClock } from "effect/testing"
import {
  measure,
  type Measured,
  type Mode,
  outage,
  scenarios,
  type Wire,
  wires,
  wrongAnyway
} from "./support/faults.ts"

const isWire = (name: string): name is Wire => name in wires
const modes: ReadonlyArray<Mode> = ["plain", "stream"]
const columns = Object.keys(wires).filter(isWire).flatMap((wire) => modes.map((mode) => ({ wire, mode })))

const shown = ({ millis, outcome, primary, secondary }: Measured): string => {
  const what = outcome._tag === "Answer"
    ? String(outcome.model)
    : outcome.error._tag === "BackendError"
    ? outcome.error.reason._tag
    : outcome.error._tag
  return `${what} ${(millis / 1_000).toFixed(1)}s ${primary}+${secondary}`
}

const row = (n: number, name: string, cells: ReadonlyArray<string>) =>
  `${String(n).padStart(2)} ${name.slice(0, 40).padEnd(40)} ${cells.map((cell) => cell.padEnd(34)).join("")}`

const onTestClock = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provide(effect, TestClock.layer(), { local: true })

let passed = 0
let failed = 0
const cell = (wrong: ReadonlyArray<string>, text: string): string => {
  if (wrong.length > 0) failed++
  else passed++
  return wrong.length > 0 ? `WRONG: ${wrong.join(", ")}; ${text}` : `ok ${text}`
}

const program = Effect.gen(function*() {
  for (const withFallback of [true, false]) {
    yield* Console.log(withFallback ? "\nwith a fallback" : "\nwithout a fallback")
    yield* Console.log(row(0, "fault", columns.map(({ mode, wire }) => `${wire}, ${mode}`)))
    for (const { n, name, wrong, ...scenario } of scenarios) {
      const cells = yield* Effect.forEach(columns, ({ mode, wire }) =>
        Effect.map(
          onTestClock(measure(wire, mode, withFallback, scenario)),
          (measured) => cell([...wrong(measured, withFallback, mode), ...wrongAnyway(measured)], shown(measured))
        ))
      yield* Console.log(row(n, name, cells))
    }
  }
  yield* Console.log("\n15, the primary down for a minute, a call every four seconds")
  for (const { mode, wire } of columns) {
    const { backAfter, calls, probes, served } = yield* onTestClock(outage(wire, mode))
    const wrong = served === calls && (backAfter ?? Number.POSITIVE_INFINITY) < 30_000
      ? []
      : ["not served, or not back"]
    const back = backAfter === undefined ? "never back" : `back on the primary after ${backAfter / 1_000} s`
    yield* Console.log(
      `   ${`${wire}, ${mode}`.padEnd(26)}${cell(wrong, `${served} of ${calls} served, ${probes} probes, ${back}`)}`
    )
  }
  yield* Console.log(`\n${passed} right, ${failed} wrong`)
})

NodeRuntime.runMain(program)
