/** The end of the standard error of a program, without credentials. */
import type { Scrub } from "../http/failure.ts"

/** Characters that are kept. */
const maxKept = 8_000

/** Characters that are shown. */
const maxShown = 4_000

/** The last lines of a text that arrives in pieces. */
export class Tail {
  private text = ""
  private readonly scrub: Scrub

  /** @param scrub takes the credentials out */
  constructor(scrub: Scrub) {
    this.scrub = scrub
  }

  push(text: string): void {
    this.text += text
    if (this.text.length <= 2 * maxKept) return
    // Before it is cut: half of a credential would not be found. One that has not arrived as a whole is at the end.
    this.text = this.scrub(this.text).slice(-maxKept)
  }

  lines(most: number): string {
    return this.scrub(this.text).trim().split("\n").slice(-most).join("\n").slice(-maxShown)
  }
}
