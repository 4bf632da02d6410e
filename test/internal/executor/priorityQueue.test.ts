import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { type Entry, PriorityQueue } from "../../../src/internal/executor/priorityQueue.ts"

interface Queued extends Entry<Queued> {}

const entry = (arrivedAt: number, priority = 0, key?: string): Queued => ({
  arrivedAt,
  priority,
  key,
  node: undefined
})

const drain = (queue: PriorityQueue<Queued>): Array<Queued> => {
  const order: Array<Queued> = []
  for (let head = queue.head(); head !== undefined; head = queue.head()) {
    order.push(head)
    queue.shift(head)
  }
  return order
}

const queueOf = (entries: ReadonlyArray<Queued>, aging = 1000) => {
  const queue = new PriorityQueue<Queued>(aging)
  for (const entry of entries) queue.add(entry)
  return queue
}

describe("PriorityQueue", () => {
  it("is first come, first served", () => {
    const entries = [entry(0), entry(0), entry(5), entry(9)]
    assert.deepStrictEqual(drain(queueOf(entries)), entries)
  })

  it("puts a lower priority number first", () => {
    const [low, high, middle] = [entry(0, 9), entry(1, -1), entry(2, 3)]
    assert.deepStrictEqual(drain(queueOf([low, high, middle])), [high, middle, low])
  })

  it("never starves an entry: a step of priority is worth the aging", () => {
    const patient = entry(0, 1)
    const urgent = [entry(500), entry(999), entry(1000), entry(1001)]
    assert.deepStrictEqual(drain(queueOf([patient, ...urgent])), [urgent[0], urgent[1], urgent[2], patient, urgent[3]])
  })

  it("serves the keys of one priority in turns", () => {
    const a = [entry(0, 0, "a"), entry(1, 0, "a"), entry(2, 0, "a")]
    const b = [entry(3, 0, "b")]
    const c = [entry(4, 0, "c"), entry(5, 0, "c")]
    assert.deepStrictEqual(drain(queueOf([...a, ...b, ...c])), [a[0], b[0], c[0], a[1], c[1], a[2]])
  })

  it("counts the turns of keys within one priority alone", () => {
    const [old, newer, urgent] = [entry(0, 1, "a"), entry(100_000, 1, "b"), entry(120_000, 0)]
    const queue = queueOf([entry(0, 1, "a"), old, newer, urgent], 30_000)
    const first = queue.head()
    if (first !== undefined) queue.shift(first)
    assert.deepStrictEqual(drain(queue), [newer, old, urgent])
  })

  it("puts returning entries before all others", () => {
    const [first, back] = [entry(0, -5), entry(9)]
    const queue = queueOf([first])
    queue.addReturning(back)
    assert.isTrue(queue.has(back))
    assert.deepStrictEqual(drain(queue), [back, first])
  })

  const Entries = Schema.Array(Schema.Struct({
    arrivedAt: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5000 })),
    priority: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
    key: Schema.UndefinedOr(Schema.Literals(["a", "b"])),
    leaves: Schema.Boolean
  })).check(Schema.isMaxLength(40))

  it.prop(
    "keeps every entry exactly once, and the entries of each priority and key in order",
    [Entries],
    ([entries]) => {
      interface Leaving extends Entry<Leaving> {
        readonly leaves: boolean
      }
      const arrived = entries.toSorted((a, b) => a.arrivedAt - b.arrivedAt)
        .map(({ arrivedAt, key, leaves, priority }): Leaving => ({ arrivedAt, key, leaves, priority, node: undefined }))
      const queue = new PriorityQueue<Leaving>(1000)
      for (const entry of arrived) queue.add(entry)
      for (const entry of arrived) if (entry.leaves) assert.isTrue(queue.remove(entry))
      const staying = arrived.filter((entry) => !entry.leaves)
      assert.strictEqual(queue.size, staying.length)
      assert.strictEqual([...queue].length, staying.length)
      const order: Array<Leaving> = []
      for (let head = queue.head(); head !== undefined; head = queue.head()) {
        order.push(head)
        queue.shift(head)
        assert.isFalse(queue.has(head))
      }
      assert.strictEqual(queue.size, 0)
      for (const priority of [-2, -1, 0, 1, 2]) {
        for (const key of [undefined, "a", "b"]) {
          const same = (entry: Leaving) => entry.priority === priority && entry.key === key
          assert.deepStrictEqual(order.filter(same), staying.filter(same))
        }
      }
    }
  )

  const Operations = Schema.Array(Schema.Struct({
    type: Schema.Literals(["add", "add", "add", "add", "addReturning", "admit", "admit", "admitAnother", "remove"]),
    after: Schema.Literals([0, 1, 500, 2500]),
    priority: Schema.Literals([0, 1, 2]),
    key: Schema.UndefinedOr(Schema.Literals(["a", "b"])),
    index: Schema.Natural
  })).check(Schema.isMinLength(30), Schema.isMaxLength(60))

  it.prop("admits in the same order as a model that searches all entries", [Operations], ([operations]) => {
    const aging = 1000
    const queue = new PriorityQueue<Queued>(aging)
    const model = new Model(aging)
    let now = 0
    for (const operation of operations) {
      switch (operation.type) {
        case "add": {
          now += operation.after
          const added = entry(now, operation.priority, operation.key)
          queue.add(added)
          model.add(added)
          break
        }
        case "addReturning": {
          const returned = entry(now, operation.priority)
          queue.addReturning(returned)
          model.returning.push(returned)
          break
        }
        default: {
          const all = model.all()
          const one = operation.type === "admit" ? queue.head() : all[operation.index % Math.max(1, all.length)]
          if (one === undefined) break
          if (operation.type === "remove") assert.isTrue(queue.remove(one))
          else queue.shift(one)
          assert.isFalse(queue.remove(one))
          model.remove(one, operation.type !== "remove")
        }
      }
      assert.strictEqual(queue.head(), model.head())
      assert.strictEqual(queue.size, model.all().length)
      assert.sameMembers([...queue], model.all())
    }
    assert.deepStrictEqual(drain(queue), model.drain())
  }, { arbitrary: { runs: 500 } })
})

/** The same order by the plainest means: lists that are searched from their beginning. */
class Model {
  readonly returning: Array<Queued> = []
  private turns: ReadonlyArray<{ readonly priority: number; readonly key: string | undefined }> = []
  private entries: ReadonlyArray<Queued> = []

  private readonly aging: number

  constructor(aging: number) {
    this.aging = aging
  }

  all(): Array<Queued> {
    return [...this.returning, ...this.entries]
  }

  add(entry: Queued): void {
    if (!this.entries.some(sameTenant(entry))) this.turns = [...this.turns, entry]
    this.entries = [...this.entries, entry]
  }

  head(): Queued | undefined {
    if (this.returning[0] !== undefined) return this.returning[0]
    const rank = (priority: number) =>
      Math.min(...this.entries.filter((entry) => entry.priority === priority).map(({ arrivedAt }) => arrivedAt)) +
      priority * this.aging
    const [priority] = this.entries.map((entry) => entry.priority).sort((a, b) => rank(a) - rank(b) || a - b)
    const turn = this.turns.find((turn) => turn.priority === priority)
    return turn && this.entries.find(sameTenant(turn))
  }

  remove(entry: Queued, isAdmitted: boolean): void {
    const index = this.returning.indexOf(entry)
    if (index >= 0) {
      this.returning.splice(index, 1)
      return
    }
    this.entries = this.entries.filter((other) => other !== entry)
    const remains = this.entries.some(sameTenant(entry))
    if (remains && !isAdmitted) return
    const others = this.turns.filter((turn) => !sameTenant(entry)(turn))
    this.turns = remains ? [...others, entry] : others
  }

  drain(): Array<Queued> {
    const order: Array<Queued> = []
    for (let head = this.head(); head !== undefined; head = this.head()) {
      order.push(head)
      this.remove(head, true)
    }
    return order
  }
}

type TenantOf = Pick<Queued, "priority" | "key">

const sameTenant = (a: TenantOf) => (b: TenantOf): boolean => a.priority === b.priority && a.key === b.key
