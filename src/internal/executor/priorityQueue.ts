/**
 * The order in which callings are admitted. A lower priority number goes first; within one, first come first served; and
 * where callings have keys (tenants), the keys of one priority take turns.
 *
 * A priority's place is the time of arrival of the calling in it that came first, plus `aging` for each step of the number.
 * So an urgent calling overtakes those that came before it, but only those that came less than that before: nobody is
 * overtaken for ever.
 */
export interface Entry<A> {
  readonly priority: number
  readonly key: string | undefined
  readonly arrivedAt: number
  /** Where it stands; `undefined` while it is in no line. */
  node: Node<A> | undefined
}

/** A place in a list: linked both ways, so that leaving from anywhere is cheap. */
export interface Node<A> {
  readonly list: List<A>
  before: A | undefined
  after: A | undefined
}

interface List<A> {
  readonly lane: Lane<A> | undefined
  first: A | undefined
  last: A | undefined
}

/** The callings of one priority: those of a key in their order, the key whose turn it is first. */
interface Lane<A> {
  readonly priority: number
  readonly lists: Map<string | undefined, List<A>>
}

export class Line<A extends Entry<A>> {
  size = 0
  private readonly aging: number
  /** Those that were admitted before and come back: they go before all others. */
  private readonly returning: List<A> = { lane: undefined, first: undefined, last: undefined }
  private readonly lanes = new Map<number, Lane<A>>()
  private cached: A | undefined = undefined

  /** @param aging milliseconds */
  constructor(aging: number) {
    this.aging = aging
  }

  add(entry: A): void {
    let lane = this.lanes.get(entry.priority)
    if (lane === undefined) this.lanes.set(entry.priority, lane = { priority: entry.priority, lists: new Map() })
    let list = lane.lists.get(entry.key)
    if (list === undefined) lane.lists.set(entry.key, list = { lane, first: undefined, last: undefined })
    this.append(list, entry)
    // What comes last within its priority can be the next one only ahead of other priorities.
    if (this.cached !== undefined && this.cached.node?.list.lane !== lane) this.cached = undefined
  }

  addReturning(entry: A): void {
    this.append(this.returning, entry)
    this.cached = undefined
  }

  has(entry: A): boolean {
    return entry.node !== undefined
  }

  /** The one whose turn it is. */
  head(): A | undefined {
    return this.cached ??= this.returning.first ?? this.headOfLanes()
  }

  /** Takes one out that leaves before its turn. */
  remove(entry: A): boolean {
    const node = entry.node
    if (node === undefined) return false
    const { after, before, list } = node
    if (before?.node === undefined) list.first = after
    else before.node.after = after
    if (after?.node === undefined) list.last = before
    else after.node.before = before
    entry.node = undefined
    this.size--
    this.cached = undefined
    if (list.first === undefined && list.lane !== undefined) {
      list.lane.lists.delete(entry.key)
      if (list.lane.lists.size === 0) this.lanes.delete(list.lane.priority)
    }
    return true
  }

  /** Takes one out whose turn it was: the next turn of its priority is another key's. */
  shift(entry: A): void {
    const list = entry.node?.list
    this.remove(entry)
    const lists = list?.lane?.lists
    if (list?.first === undefined || lists === undefined || lists.size === 1) return
    lists.delete(entry.key)
    lists.set(entry.key, list)
  }

  /** All of them; not in their order. */
  *[Symbol.iterator](): IterableIterator<A> {
    yield* entriesOf(this.returning)
    for (const lane of this.lanes.values()) {
      for (const list of lane.lists.values()) yield* entriesOf(list)
    }
  }

  private append(list: List<A>, entry: A): void {
    entry.node = { list, before: list.last, after: undefined }
    if (list.last?.node === undefined) list.first = entry
    else list.last.node.after = entry
    list.last = entry
    this.size++
  }

  private headOfLanes(): A | undefined {
    let best: Lane<A> | undefined
    let place = Number.POSITIVE_INFINITY
    for (const lane of this.lanes.values()) {
      let arrivedAt = Number.POSITIVE_INFINITY
      for (const { first } of lane.lists.values()) arrivedAt = Math.min(arrivedAt, first?.arrivedAt ?? arrivedAt)
      const at = arrivedAt + lane.priority * this.aging
      if (best === undefined || at < place || (at === place && lane.priority < best.priority)) {
        best = lane
        place = at
      }
    }
    return best?.lists.values().next().value?.first
  }
}

function* entriesOf<A extends Entry<A>>(list: List<A>): IterableIterator<A> {
  for (let entry = list.first; entry !== undefined;) {
    const after = entry.node?.after
    yield entry
    entry = after
  }
}
