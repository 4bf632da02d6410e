/**
 * The order in which callings are admitted. A lower priority number goes first; within one, first come first served; and
 * where callings have keys (tenants), the keys of one priority take turns.
 *
 * A calling's place is its time of arrival plus `aging` for each step of its priority. So an urgent one overtakes those that
 * came before it, but only those that came less than that before: nobody is overtaken for ever.
 */
export interface Entry {
  readonly priority: number
  readonly key: string | undefined
  readonly arrivedAt: number
}

/** The callings of one priority: those of a key in their order, the key whose turn it is first. */
type Lane<A> = Map<string | undefined, Set<A>>

export class Line<A extends Entry> {
  size = 0
  private readonly aging: number
  /** Those that were admitted before and come back: they are older than all others. */
  private readonly returning = new Set<A>()
  private readonly lanes = new Map<number, Lane<A>>()

  /** @param aging milliseconds */
  constructor(aging: number) {
    this.aging = aging
  }

  add(entry: A): void {
    let lane = this.lanes.get(entry.priority)
    if (lane === undefined) this.lanes.set(entry.priority, lane = new Map())
    const entries = lane.get(entry.key)
    if (entries === undefined) lane.set(entry.key, new Set([entry]))
    else entries.add(entry)
    this.size++
  }

  addReturning(entry: A): void {
    this.returning.add(entry)
    this.size++
  }

  has(entry: A): boolean {
    return this.returning.has(entry) || (this.lanes.get(entry.priority)?.get(entry.key)?.has(entry) ?? false)
  }

  /** The one whose turn it is. */
  head(): A | undefined {
    if (this.returning.size > 0) return first(this.returning)
    let head: A | undefined
    let place = Number.POSITIVE_INFINITY
    for (const [priority, lane] of this.lanes) {
      const candidate = first(first(lane.values()) ?? [])
      if (candidate === undefined) continue
      const at = candidate.arrivedAt + priority * this.aging
      if (at < place || (at === place && head !== undefined && priority < head.priority)) {
        head = candidate
        place = at
      }
    }
    return head
  }

  /** Takes one out that leaves before its turn. */
  remove(entry: A): boolean {
    if (this.returning.delete(entry)) {
      this.size--
      return true
    }
    const lane = this.lanes.get(entry.priority)
    const entries = lane?.get(entry.key)
    if (lane === undefined || entries === undefined || !entries.delete(entry)) return false
    this.size--
    if (entries.size === 0) lane.delete(entry.key)
    if (lane.size === 0) this.lanes.delete(entry.priority)
    return true
  }

  /** Takes one out whose turn it was: the next turn of its priority is another key's. */
  shift(entry: A): void {
    const lane = this.lanes.get(entry.priority)
    if (!this.remove(entry) || lane === undefined) return
    const entries = lane.get(entry.key)
    if (entries === undefined || lane.size === 1) return
    lane.delete(entry.key)
    lane.set(entry.key, entries)
  }

  /** All of them; not in their order. */
  *[Symbol.iterator](): IterableIterator<A> {
    yield* this.returning
    for (const lane of this.lanes.values()) {
      for (const entries of lane.values()) yield* entries
    }
  }
}

const first = <A>(items: Iterable<A>): A | undefined => items[Symbol.iterator]().next().value
