/**
 * JSON that stands in a stream of events without `data:`. Proxies append the body of an error so, when the server behind them
 * fails in the middle of an answer.
 */
import * as Option from "effect/Option"
import { parseJson } from "./failure.ts"

/** In characters. Longer JSON is not looked for. */
const maxLength = 64 * 1024

export class BareJson {
  /** What came since a line began with a brace. */
  private begun: string | undefined
  private isAtLineStart = true

  /** Takes the next text of the body. Returns the JSON that is complete with it. None begins before the first event. */
  push(text: string, hasEvents = true): string | undefined {
    if (this.begun === undefined) {
      const start = this.isAtLineStart && text.startsWith("{") ? 0 : text.indexOf("\n{")
      this.isAtLineStart = text === "" ? this.isAtLineStart : text.endsWith("\n")
      if (start === -1 || !hasEvents) return undefined
      this.begun = text.slice(start)
    } else this.begun += text
    const json = (/^[^]*?(?=\n(?:data|event):)/.exec(this.begun)?.[0] ?? this.begun).trim()
    if (json.endsWith("}") && Option.isSome(parseJson(json))) {
      this.begun = undefined
      return json
    }
    if (this.begun.length > maxLength) this.begun = undefined
    return undefined
  }
}
