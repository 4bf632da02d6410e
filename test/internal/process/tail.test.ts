import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Tail } from "../../../src/internal/process/tail.ts"
import { makeScrub } from "../../../src/internal/util/scrub.ts"

const secret = `sk-ant-api03-${"Zx9+/-_.".repeat(10)}`
const scrub = makeScrub([secret])

/** The longest part of the secret that is shown, white space left out. */
const shown = (text: string): number => {
  const compact = text.replace(/\s/g, "")
  for (let length = secret.length; length > 0; length--) {
    for (let from = 0; from + length <= secret.length; from++) {
      if (compact.includes(secret.slice(from, from + length))) return length
    }
  }
  return 0
}

const wrapped = (text: string, width: number) => text.replace(new RegExp(`.{${width}}`, "g"), "$&\n")

describe("the end of a standard error", () => {
  it("has no part of a key that is wrapped over lines", () => {
    for (const width of [1, 8, 50]) {
      const tail = new Tail(scrub)
      tail.push(`Error: the key is wrong:\n${wrapped(secret, width)}\n`)
      assert.include(tail.lines(200), "<redacted>")
      assert.isBelow(shown(tail.lines(200)), 8)
    }
  })

  it.prop("has no part of a key, wherever it is cut and in whatever pieces it arrives", [
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3_000 })),
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 })),
    Schema.Literals([7, 50, 1_000])
  ], ([size, padding, width]) => {
    const tail = new Tail(scrub)
    const text = wrapped(`${"p".repeat(padding)} ${`key ${secret} `.repeat(400)}`, width)
    for (let at = 0; at < text.length; at += size) tail.push(text.slice(at, at + size))
    assert.isBelow(shown(tail.lines(1_000)), 8)
  }, { arbitrary: { runs: 30 } })

  it("has the last lines", () => {
    const tail = new Tail(scrub)
    for (let i = 0; i < 20_000; i++) tail.push(`line ${i}\n`)
    assert.strictEqual(tail.lines(2), "line 19998\nline 19999")
    assert.isAtMost(tail.lines(10_000).length, 4_000)
  })
})
