/** Those who wait for one calling. Each leaves in constant time. */
export interface Waiter {
  readonly notify: () => void
  before: Waiter | undefined
  after: Waiter | undefined
}

/** A list linked both ways, in the order of arrival. */
export class Waiters {
  private first: Waiter | undefined = undefined
  private last: Waiter | undefined = undefined

  get isEmpty(): boolean {
    return this.first === undefined
  }

  /** Whether at most one waits. */
  get isSole(): boolean {
    return this.first === this.last
  }

  add(notify: () => void): Waiter {
    const waiter: Waiter = { notify, before: this.last, after: undefined }
    if (this.last === undefined) this.first = waiter
    else this.last.after = waiter
    this.last = waiter
    return waiter
  }

  remove({ after, before }: Waiter): void {
    if (before === undefined) this.first = after
    else before.after = after
    if (after === undefined) this.last = before
    else after.before = before
  }

  /** Notifies all, the first one first, and forgets them. */
  notify(): void {
    let waiter = this.first
    this.first = undefined
    this.last = undefined
    for (; waiter !== undefined; waiter = waiter.after) waiter.notify()
  }
}
