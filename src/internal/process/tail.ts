/** The end of the standard error of a program, without credentials. */
import type { Scrub } from "../util/scrub.ts"

/** Characters that are kept. */
const maxKept = 16_000

/** Characters at the beginning of what is kept that are not shown: they may be the end of a credential that was cut. */
const unsafeLength = 2_000

/** Characters that are shown. */
const maxShown = 4_000

/** The last lines of a text that arrives in pieces. */
export class Tail {
  private text = ""
  private isCut = false
  private readonly scrub: Scrub

  /** @param scrub removes credentials */
  constructor(scrub: Scrub) {
    this.scrub = scrub
  }

  push(text: string): void {
    this.text += text
    if (this.text.length <= 2 * maxKept) return
    this.text = this.text.slice(-maxKept)
    this.isCut = true
  }

  lines(most: number): string {
    const scrubbed = this.scrub(this.text).slice(this.isCut ? unsafeLength : 0)
    return scrubbed.trim().split("\n").slice(-most).join("\n").slice(-maxShown)
  }
}
