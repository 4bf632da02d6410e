/** Suggestions for a misspelt name. */

/** A longer name is nobody's misspelling, and takes long to compare. */
const maxNameLength = 100

/** The names that may have been meant, the nearest first. */
export const suggest = (name: string, names: ReadonlyArray<string>): ReadonlyArray<string> =>
  name.length > maxNameLength ? [] : names
    .filter((known) => known.length <= maxNameLength)
    .map((known) => ({ known, steps: distance(name.toLowerCase(), known.toLowerCase()) }))
    .filter(({ known, steps }) =>
      steps <= Math.max(2, name.length / 3) || known.toLowerCase().includes(name.toLowerCase()) ||
      (known.length > 3 && name.toLowerCase().includes(known.toLowerCase()))
    )
    .toSorted((a, b) => a.steps - b.steps)
    .slice(0, 3)
    .map(({ known }) => known)

/** A question to append to the message that a name is unknown, or an empty text when no name is near. */
export const didYouMean = (name: string, names: ReadonlyArray<string>): string => {
  const meant = suggest(name, names)
  return meant.length === 0 ? "" : `. Did you mean ${meant.join(" or ")}?`
}

/** The Levenshtein distance: how many letters to insert, delete or replace. */
const distance = (a: string, b: string): number => {
  let above = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const changed = (above[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      row.push(Math.min(changed, (above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1))
    }
    above = row
  }
  return above[b.length] ?? 0
}
