import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Entry, Line } from "../src/internal/executor/priorityQueue.ts"

interface Standing extends Entry<Standing> {}

const entry = (arrivedAt: number, priority = 0, key?: string): Standing => ({
  arrivedAt,
  priority,
  key,
  node: undefined
})

const drain = (line: Line<Standing>): Array<Standing> => {
  const order: Array<Standing> = []
  for (let head = line.head(); head !== undefined; head = line.head()) {
    order.push(head)
    line.shift(head)
  }
  return order
}

const lineOf = (entries: ReadonlyArray<Standing>, aging = 1000) => {
  const line = new Line<Standing>(aging)
  for (const entry of entries) line.add(entry)
  return line
}

describe("Line", () => {
  it("is first come, first served", () => {
    const entries = [entry(0), entry(0), entry(5), entry(9)]
    assert.deepStrictEqual(drain(lineOf(entries)), entries)
  })

  it("puts a lower priority number first", () => {
    const [low, high, middle] = [entry(0, 9), entry(1, -1), entry(2, 3)]
    assert.deepStrictEqual(drain(lineOf([low, high, middle])), [high, middle, low])
  })

  it("lets nobody be overtaken for ever: a step of priority is worth its aging", () => {
    const patient = entry(0, 1)
    const urgent = [entry(500), entry(999), entry(1000), entry(1001)]
    assert.deepStrictEqual(drain(lineOf([patient, ...urgent])), [urgent[0], urgent[1], urgent[2], patient, urgent[3]])
  })

  it("has the keys of one priority take turns", () => {
    const a = [entry(0, 0, "a"), entry(1, 0, "a"), entry(2, 0, "a")]
    const b = [entry(3, 0, "b")]
    const c = [entry(4, 0, "c"), entry(5, 0, "c")]
    assert.deepStrictEqual(drain(lineOf([...a, ...b, ...c])), [a[0], b[0], c[0], a[1], c[1], a[2]])
  })

  it("lets the turns of keys count within a priority alone", () => {
    const [old, newer, urgent] = [entry(0, 1, "a"), entry(100_000, 1, "b"), entry(120_000, 0)]
    const line = lineOf([entry(0, 1, "a"), old, newer, urgent], 30_000)
    const first = line.head()
    if (first !== undefined) line.shift(first)
    assert.deepStrictEqual(drain(line), [newer, old, urgent])
  })

  it("puts those who come back before all others", () => {
    const [first, back] = [entry(0, -5), entry(9)]
    const line = lineOf([first])
    line.addReturning(back)
    assert.isTrue(line.has(back))
    assert.deepStrictEqual(drain(line), [back, first])
  })

  const Entries = Schema.Array(Schema.Struct({
    arrivedAt: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 })),
    priority: Schema.Int.check(Schema.isBetween({ minimum: -2, maximum: 2 })),
    key: Schema.UndefinedOr(Schema.Literals(["a", "b"])),
    leaves: Schema.Boolean
  })).check(Schema.isMaxLength(40))

  it.prop("keeps everybody exactly once, and each priority and key in its order", [Entries], ([entries]) => {
    interface Leaving extends Entry<Leaving> {
      readonly leaves: boolean
    }
    const arrived = entries.toSorted((a, b) => a.arrivedAt - b.arrivedAt)
      .map(({ arrivedAt, key, leaves, priority }): Leaving => ({ arrivedAt, key, leaves, priority, node: undefined }))
    const line = new Line<Leaving>(1000)
    for (const entry of arrived) line.add(entry)
    for (const entry of arrived) if (entry.leaves) assert.isTrue(line.remove(entry))
    const staying = arrived.filter((entry) => !entry.leaves)
    assert.strictEqual(line.size, staying.length)
    assert.strictEqual([...line].length, staying.length)
    const order: Array<Leaving> = []
    for (let head = line.head(); head !== undefined; head = line.head()) {
      order.push(head)
      line.shift(head)
      assert.isFalse(line.has(head))
    }
    assert.strictEqual(line.size, 0)
    for (const priority of [-2, -1, 0, 1, 2]) {
      for (const key of [undefined, "a", "b"]) {
        const same = (entry: Leaving) => entry.priority === priority && entry.key === key
        assert.deepStrictEqual(order.filter(same), staying.filter(same))
      }
    }
  })
})
