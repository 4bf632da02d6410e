import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Heap } from "../../../src/internal/util/heap.ts"

interface Numbered {
  value: number
  heapIndex: number
}

describe("Heap", () => {
  const Value = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 20 }))
  const Operations = Schema.Array(Schema.Union([
    Schema.Struct({ type: Schema.Literals(["add", "addMore"]), value: Value }),
    Schema.Struct({ type: Schema.Literal("change"), value: Value, index: Schema.Natural }),
    Schema.Struct({ type: Schema.Literal("remove"), index: Schema.Natural })
  ])).check(Schema.isMaxLength(80))

  it.prop("has the smallest item on top, whatever is added, changed and removed", [Operations], ([operations]) => {
    const heap = new Heap<Numbered>((a, b) => a.value < b.value)
    const items: Array<Numbered> = []
    for (const operation of operations) {
      const index = "index" in operation ? operation.index % Math.max(1, items.length) : 0
      const item = items[index]
      if (operation.type === "add" || operation.type === "addMore") {
        const added = { value: operation.value, heapIndex: -1 }
        heap.add(added)
        items.push(added)
      } else if (item !== undefined && operation.type === "change") {
        item.value = operation.value
        heap.update(item)
      } else if (item !== undefined) {
        heap.remove(item)
        items.splice(index, 1)
        assert.strictEqual(item.heapIndex, -1)
      }
      assert.strictEqual(heap.size, items.length)
      assert.strictEqual(heap.top?.value, items.length === 0 ? undefined : Math.min(...items.map(({ value }) => value)))
    }
    assert.sameMembers([...heap], items)
    const order: Array<number> = []
    for (let top = heap.top; top !== undefined; top = heap.top) {
      order.push(top.value)
      heap.remove(top)
    }
    assert.deepStrictEqual(order, items.map(({ value }) => value).sort((a, b) => a - b))
  }, { arbitrary: { runs: 500 } })
})
