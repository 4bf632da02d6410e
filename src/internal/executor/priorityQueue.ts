/**
 * The order in which callings are admitted: a lower priority number first, first come first served within one number, and
 * round robin among the keys (tenants) of one number.
 *
 * The rank of a priority is the arrival time of its oldest calling plus `aging` for each step of the number; the lowest rank
 * is admitted. So an urgent calling overtakes only those that came less than that before it, and no calling starves.
 *
 * Every operation is O(log n) in the number of priorities and keys, and O(1) where there is one of each.
 */
import { Heap } from "../util/heap.ts"

export interface Entry<A> {
  readonly priority: number
  readonly key: string | undefined
  /** Milliseconds. It does not change while the entry is queued. */
  readonly arrivedAt: number
  /** The place in the queue; `undefined` while the entry is not queued. Written by the queue alone. */
  node: Node<A> | undefined
}

/** A place in a list: linked both ways, so that an entry is removed in O(1). */
export interface Node<A> {
  readonly list: List<A>
  before: A | undefined
  after: A | undefined
}

interface List<A> {
  /** `undefined` for the list of returning entries. */
  readonly tenant: Tenant<A> | undefined
  first: A | undefined
  last: A | undefined
}

/** The entries of one priority. */
interface Level<A> {
  readonly priority: number
  readonly tenants: Map<string | undefined, Tenant<A>>
  /** The tenants by the arrival of their first entries. */
  readonly oldest: Heap<Tenant<A>>
  /** The tenant whose turn it is. */
  turn: Tenant<A> | undefined
  /** The lowest is admitted first. */
  rank: number
  heapIndex: number
}

/** Entries in the order of their admission. */
export class PriorityQueue<A extends Entry<A>> {
  size = 0
  private readonly aging: number
  /** Entries that were admitted before: they go before all others. */
  private readonly returning: List<A> = { tenant: undefined, first: undefined, last: undefined }
  private readonly byPriority = new Map<number, Level<A>>()
  private readonly levels = new Heap<Level<A>>((a, b) =>
    a.rank < b.rank || (a.rank === b.rank && a.priority < b.priority)
  )

  /** @param aging milliseconds */
  constructor(aging: number) {
    this.aging = aging
  }

  add(entry: A): void {
    const level = this.levelOf(entry.priority)
    const known = level.tenants.get(entry.key)
    if (known !== undefined) return this.append(known, entry)
    const tenant = new Tenant(level, entry.key)
    this.append(tenant, entry)
    level.tenants.set(entry.key, tenant)
    level.oldest.add(tenant)
    tenant.join()
    this.updateRank(level)
  }

  /** Adds an entry that was admitted before and comes back. */
  addReturning(entry: A): void {
    this.append(this.returning, entry)
  }

  has(entry: A): boolean {
    return entry.node !== undefined
  }

  /** The entry to admit next. */
  head(): A | undefined {
    return this.returning.first ?? this.levels.top?.turn?.first
  }

  /** Removes an entry that leaves before its turn: the turns of the keys stay as they are. */
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
    if (list.tenant !== undefined && before === undefined) this.advance(list.tenant)
    return true
  }

  /** Removes an entry that is admitted: the next turn of its priority is that of another key. */
  shift(entry: A): void {
    const tenant = entry.node?.list.tenant
    this.remove(entry)
    if (tenant?.first === undefined) return
    tenant.leave()
    tenant.join()
  }

  /** All entries, in no particular order. Entries may be added and removed meanwhile. */
  [Symbol.iterator](): IterableIterator<A> {
    const entries: Array<A> = []
    collect(this.returning, entries)
    for (const { oldest } of this.levels) {
      for (const tenant of oldest) collect(tenant, entries)
    }
    return entries.values()
  }

  private levelOf(priority: number): Level<A> {
    const known = this.byPriority.get(priority)
    if (known !== undefined) return known
    const level: Level<A> = {
      priority,
      tenants: new Map(),
      oldest: new Heap((a, b) => arrivalOf(a) < arrivalOf(b)),
      turn: undefined,
      rank: Number.POSITIVE_INFINITY,
      heapIndex: -1
    }
    this.byPriority.set(priority, level)
    this.levels.add(level)
    return level
  }

  private append(list: List<A>, entry: A): void {
    entry.node = { list, before: list.last, after: undefined }
    if (list.last?.node === undefined) list.first = entry
    else list.last.node.after = entry
    list.last = entry
    this.size++
  }

  /** The first entry of a tenant has left. */
  private advance(tenant: Tenant<A>): void {
    const { level } = tenant
    if (tenant.first !== undefined) level.oldest.update(tenant)
    else {
      level.oldest.remove(tenant)
      level.tenants.delete(tenant.key)
      tenant.leave()
    }
    if (level.tenants.size > 0) return this.updateRank(level)
    this.byPriority.delete(level.priority)
    this.levels.remove(level)
  }

  private updateRank(level: Level<A>): void {
    const { top } = level.oldest
    if (top === undefined) return
    level.rank = arrivalOf(top) + level.priority * this.aging
    this.levels.update(level)
  }
}

/** The entries of one key and one priority, in order of arrival. The tenants of one priority are in a ring, by their turns. */
class Tenant<A> implements List<A> {
  first: A | undefined = undefined
  last: A | undefined = undefined
  heapIndex = -1
  readonly tenant = this
  readonly level: Level<A>
  readonly key: string | undefined
  private previous: Tenant<A> = this
  private next: Tenant<A> = this

  constructor(level: Level<A>, key: string | undefined) {
    this.level = level
    this.key = key
  }

  /** Gives it the last turn of its priority. */
  join(): void {
    const first = this.level.turn ??= this
    this.next = first
    this.previous = first.previous
    this.previous.next = this
    first.previous = this
  }

  leave(): void {
    const { level, next, previous } = this
    previous.next = next
    next.previous = previous
    this.next = this.previous = this
    if (level.turn === this) level.turn = next === this ? undefined : next
  }
}

const arrivalOf = <A extends Entry<A>>({ first }: Tenant<A>): number => first?.arrivedAt ?? Number.POSITIVE_INFINITY

const collect = <A extends Entry<A>>(list: List<A>, into: Array<A>): void => {
  for (let entry = list.first; entry !== undefined; entry = entry.node?.after) into.push(entry)
}
