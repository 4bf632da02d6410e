/** JSON inside a text: models put it into a Markdown fence, or write prose around it. */

interface Opened {
  readonly at: number
  readonly bracket: string
  /** How many pieces were found before it. */
  readonly before: number
}

const closing = new Map([["{", "}"], ["[", "]"]])

/** The outermost objects and arrays of a text that may be JSON, in order. Brackets inside their strings do not count. */
export const jsonPieces = (text: string): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  const opened: Array<Opened> = []
  const token = /["{}[\]]/g
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found] = match
    const { index: at } = match
    const last = opened.at(-1)
    if (closing.has(found)) opened.push({ at, bracket: found, before: pieces.length })
    // A quotation mark in prose begins no string of JSON.
    else if (found === "\"" && last !== undefined) token.lastIndex = endOfString(text, at)
    else if (last !== undefined && found === closing.get(last.bracket)) {
      opened.pop()
      // What was found within it is part of it.
      pieces.splice(last.before, pieces.length, text.slice(last.at, at + 1))
    }
  }
  return pieces
}

/** The end of the string that begins at a quotation mark: after the closing one, or at the end of the line without one. */
const endOfString = (text: string, begin: number): number => {
  const token = /\\.|["\n]/gs
  token.lastIndex = begin + 1
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    if (!match[0].startsWith("\\")) return token.lastIndex
  }
  return text.length
}
