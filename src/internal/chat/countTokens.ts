/**
 * Counts the tokens of texts within 5 milliseconds, however long they are.
 *
 * The time of a tokenizer is quadratic in the length of a word, so long words are cut. Long texts are sampled: windows spread
 * evenly over them are counted, and the sum is scaled by the estimate of all windows and by the length of all texts.
 */
import * as Result from "effect/Result"
import { estimateText } from "./textTokens.ts"

/** Counts the tokens of a text. */
export type Tokenizer = (text: string) => number

/** Characters of a window. */
const windowLength = 256

/** Characters that are counted at once, without a look at the clock. */
const shortLength = 4_000

/** Characters of all windows together. Their estimates take about 2 milliseconds. */
const sampleLength = 20_000

/** For many short texts: each has a window of its own. */
const maxWindows = 1_000

/** Characters without a space, or spaces, that the tokenizer is given at once. */
const maxRun = 64

/** Work of the tokenizer, in about a microsecond each. */
const maxWork = 2_000

const maxMillis = 3

/**
 * The tokens of all texts together: exactly, by the tokenizer, up to about 2,500 words; as a sample beyond that. A text without a
 * tokenizer, or on which it fails, is estimated.
 *
 * @param now milliseconds of a clock, by which the tokenizer is stopped on a slow machine
 */
export const countTokens = (
  texts: ReadonlyArray<string>,
  tokenizer: Tokenizer | undefined,
  now: () => number = noClock
): number => {
  const total = texts.reduce((sum, text) => sum + text.length, 0)
  return (tokenizer && total <= shortLength ? countAll(texts, tokenizer) : undefined) ??
    countSample(texts, total, tokenizer, now)
}

/** The tokens of texts that are little work for the tokenizer; `undefined` for others. */
const countAll = (texts: ReadonlyArray<string>, tokenizer: Tokenizer): number | undefined => {
  const parts = texts.map(cut)
  if (parts.reduce((sum, { work }) => sum + work, 0) > maxWork) return undefined
  let counted = 0
  for (const { texts } of parts) for (const text of texts) counted += countText(text, tokenizer)
  return counted
}

/** The tokens of a text, estimated if the tokenizer fails on it. */
const countText = (text: string, tokenizer: Tokenizer): number =>
  Result.getOrElse(
    Result.filterOrFail(Result.try(() => tokenizer(text)), isCount, () => undefined),
    () => estimateText(text)
  )

const countSample = (
  texts: ReadonlyArray<string>,
  total: number,
  tokenizer: Tokenizer | undefined,
  now: () => number
): number => {
  const windows = windowsOf([...spread(texts, maxWindows)], total)
  const deadline = now() + maxMillis
  let length = 0
  let estimated = 0
  let counted = 0
  let estimatedOfCounted = 0
  let work = 0
  for (const window of spread(windows, maxWindows)) {
    const estimate = estimateText(window)
    length += window.length
    estimated += estimate
    if (tokenizer === undefined || work >= maxWork || now() > deadline) continue
    const parts = cut(window)
    for (const part of parts.texts) counted += countText(part, tokenizer)
    estimatedOfCounted += estimate
    work += parts.work
  }
  if (length === 0) return 0
  const ratio = estimatedOfCounted === 0 ? 1 : counted / estimatedOfCounted
  return (counted + (estimated - estimatedOfCounted) * ratio) * (total / length)
}

const noClock = () => 0

const isCount = (tokens: number): boolean => tokens >= 0 && Number.isFinite(tokens)

// -----------------------------------------------------------------------------
// Windows
// -----------------------------------------------------------------------------

/** Parts of all texts, evenly spread. Short texts are covered without gaps. */
const windowsOf = (texts: ReadonlyArray<string>, total: number): ReadonlyArray<string> => {
  const stride = total <= sampleLength ? windowLength : Math.ceil(total / sampleLength * windowLength)
  const windows: Array<string> = []
  for (const text of texts) {
    for (let at = 0; at < text.length; at += stride) {
      const to = at + windowLength
      windows.push(text.slice(at === 0 ? 0 : boundary(text, at), to >= text.length ? undefined : boundary(text, to)))
    }
  }
  return windows
}

/** The next place at which a cut makes no other tokens: before a space that belongs to the word after it. */
const boundary = (text: string, at: number): number => {
  const last = Math.min(at + maxRun, text.length - 1)
  for (let i = at; i < last; i++) {
    if (text[i] === " " && text[i - 1] !== " " && text[i + 1] !== " ") return i
  }
  return isWithinPair(text, at) ? at + 1 : at
}

const isWithinPair = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code < 0xe000
}

/** The first items of an order in which any number of them is spread over all: steps of the golden ratio. */
function* spread<A>(items: ReadonlyArray<A>, most: number): IterableIterator<A> {
  const { length } = items
  let step = Math.max(1, Math.round(length * 0.618))
  while (greatestCommonDivisor(step, length) > 1) step++
  for (let n = 0, at = 0; n < Math.min(length, most); n++, at = (at + step) % length) {
    const item = items[at]
    if (item !== undefined) yield item
  }
}

const greatestCommonDivisor = (a: number, b: number): number => b === 0 ? a : greatestCommonDivisor(b, a % b)

// -----------------------------------------------------------------------------
// Runs
// -----------------------------------------------------------------------------

/** A window in parts without long runs, and the work that they are for a tokenizer. */
const cut = (window: string): { readonly texts: ReadonlyArray<string>; readonly work: number } => {
  const texts: Array<string> = []
  let from = 0
  let runFrom = 0
  let wasSpace = false
  let work = 0
  for (let i = 0; i < window.length; i++) {
    const code = window.charCodeAt(i)
    const isSpace = code <= 32
    if (isSpace !== wasSpace) runFrom = i
    wasSpace = isSpace
    if (i - runFrom >= maxRun && !isWithinPair(window, i)) {
      texts.push(window.slice(from, i))
      from = runFrom = i
    }
    // What is no word of the vocabulary is merged byte by byte.
    work += code >= 0x80 ? 4 : i - runFrom >= 16 ? 2 : 0.1
  }
  texts.push(window.slice(from))
  return { texts, work }
}
