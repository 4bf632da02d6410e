/** What providers do: each fault on every wire, plain and streaming, with another model to turn to and without. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import {
  failsWith,
  measure,
  type Mode,
  outage,
  scenarios,
  type Wire,
  wires,
  wrongAnyway
} from "../scratchpad/support/faults.ts"
import { Simulator } from "effect-imodel"

const isWire = (name: string): name is Wire => name in wires

for (const wire of Object.keys(wires).filter(isWire)) {
  for (const mode of ["plain", "stream"] satisfies ReadonlyArray<Mode>) {
    describe(`${wire}, ${mode}`, () => {
      for (const { n, name, right, wrong, ...scenario } of scenarios) {
        for (const withFallback of [true, false]) {
          it.effect(`${n}, ${withFallback ? "with" : "without"} a fallback: ${name}: ${right}`, () =>
            Effect.gen(function*() {
              const measured = yield* measure(wire, mode, withFallback, scenario)
              assert.deepStrictEqual([...wrong(measured, withFallback, mode), ...wrongAnyway(measured)], [])
            }))
        }
      }

      it.effect("15: serves throughout an outage of the primary, and is back on it soon", () =>
        Effect.gen(function*() {
          const { backAfter, calls, probes, served } = yield* outage(wire, mode)
          assert.strictEqual(served, calls)
          assert.isBelow(backAfter ?? Number.POSITIVE_INFINITY, 30_000)
          assert.isAtMost(probes, 6)
        }))
    })
  }

  describe(`${wire}, stream that is not to be begun again`, () => {
    const { Fault } = Simulator
    const breaks = [Fault.Cut({ after: 40 }), Fault.Silence({ after: 40 })]
    // The last event of this wire tells the whole answer.
    for (const fault of wire === "OpenAI responses" ? breaks : [...breaks, Fault.Malformed({ after: 40 })]) {
      it.effect(`has broken off when it has begun: ${fault._tag}`, () =>
        Effect.gen(function*() {
          const { outcome, secondary } = yield* measure(wire, "stream", true, { faulty: () => fault }, {
            restart: false
          })
          assert.isTrue(failsWith(outcome, "StreamInterrupted"))
          assert.strictEqual(outcome.text.split(" ").filter((word) => word !== "").length, 40)
          assert.strictEqual(secondary, 0)
        }))
    }
  })
}
