/**
 * One line before several buckets, in which time stands still: what each member takes, or how long it is until it could, if
 * all before it take what they want as soon as they can.
 */
export interface Waiting {
  readonly member: number
  readonly want: ReadonlyArray<number>
}

export class ReferenceLine {
  readonly capacities: ReadonlyArray<number>
  readonly windowMillis: number
  levels: Array<number>
  line: ReadonlyArray<Waiting> = []

  constructor(capacities: ReadonlyArray<number>, windowMillis: number) {
    this.capacities = capacities
    this.windowMillis = windowMillis
    this.levels = [...capacities]
  }

  /** Takes for the member and answers zero; or has it wait, in its old place if it has one, and answers how long. */
  ask(member: number, want: ReadonlyArray<number>, next: ReadonlyArray<number> | undefined): number {
    const waiting = { member, want }
    const place = this.line.findIndex((entry) => entry.member === member)
    this.line = place < 0 ? [...this.line, waiting] : this.line.with(place, waiting)
    const wait = this.waitOf(member)
    if (wait > 0) return wait
    this.leave(member)
    this.levels = this.levels.map((level, i) => level - (want[i] ?? 0))
    if (next !== undefined) this.line = [...this.line, { member, want: next }]
    return 0
  }

  leave(member: number): void {
    this.line = this.line.filter((entry) => entry.member !== member)
  }

  change(bucket: number, n: number): void {
    this.levels[bucket] = Math.min(this.capacities[bucket] ?? 0, (this.levels[bucket] ?? 0) + n)
  }

  waitOf(member: number): number {
    let levels: ReadonlyArray<number> = this.levels
    let at = 0
    for (const { member: other, want } of this.line) {
      const lacks = want.map((n, i) =>
        n === 0 ? 0 : ((n - (levels[i] ?? 0)) / (this.capacities[i] ?? 1)) * this.windowMillis
      )
      const wait = Math.max(0, ...lacks)
      at += wait
      if (other === member) return at
      levels = levels.map((level, i) => {
        const capacity = this.capacities[i] ?? 1
        return Math.min(capacity, level + (wait / this.windowMillis) * capacity) - (want[i] ?? 0)
      })
    }
    return 0
  }
}
