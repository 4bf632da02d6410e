/** A binary heap whose items know their place, so that an item whose order has changed is moved in O(log n). */

/** An item of a heap. */
export interface Item {
  /** The place in the heap; `-1` while the item is in no heap. Written by the heap alone. */
  heapIndex: number
}

/** A heap with the smallest item on top. An item is in one heap at most. */
export class Heap<A extends Item> {
  private readonly items: Array<A> = []
  private readonly isBefore: (a: A, b: A) => boolean

  /** @param isBefore a strict order: whether `a` is smaller than `b` */
  constructor(isBefore: (a: A, b: A) => boolean) {
    this.isBefore = isBefore
  }

  get size(): number {
    return this.items.length
  }

  /** The smallest item, in O(1). */
  get top(): A | undefined {
    return this.items[0]
  }

  add(item: A): void {
    this.items.push(item)
    this.rise(item, this.items.length - 1)
  }

  /** Restores the order after the one of this item has changed. */
  update(item: A): void {
    this.rise(item, item.heapIndex)
    this.sink(item, item.heapIndex)
  }

  remove(item: A): void {
    const index = item.heapIndex
    const last = this.items.pop()
    item.heapIndex = -1
    if (last === undefined || last === item) return
    this.rise(last, index)
    this.sink(last, last.heapIndex)
  }

  [Symbol.iterator](): IterableIterator<A> {
    return this.items.values()
  }

  private place(item: A, index: number): void {
    this.items[index] = item
    item.heapIndex = index
  }

  private rise(item: A, from: number): void {
    let index = from
    while (index > 0) {
      const above = (index - 1) >> 1
      const parent = this.items[above]
      if (parent === undefined || !this.isBefore(item, parent)) break
      this.place(parent, index)
      index = above
    }
    this.place(item, index)
  }

  private sink(item: A, from: number): void {
    let index = from
    for (;;) {
      const left = this.items[2 * index + 1]
      const right = this.items[2 * index + 2]
      const child = left !== undefined && right !== undefined && this.isBefore(right, left) ? right : left
      if (child === undefined || !this.isBefore(child, item)) break
      const below = child.heapIndex
      this.place(child, index)
      index = below
    }
    this.place(item, index)
  }
}
