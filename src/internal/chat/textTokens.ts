/**
 * Estimates the tokens of a text where the model's tokenizer is not public: a word of Latin letters is one token, and other
 * scripts have a rate for each character.
 *
 * The rates are the mean of the tokenizers of GPT-4o, Gemini and DeepSeek V3, measured on the Universal Declaration of Human
 * Rights, code and JSON. On such texts the estimate is within 15 % of that mean.
 */

/** The estimated tokens of a text, in linear time. */
export const estimateText = (text: string): number => {
  let tokens = 0
  for (const [run] of text.matchAll(runs)) tokens += costOf(run)
  return tokens
}

const latin = "a-z\\u00c0-\\u024f\\u1e00-\\u1eff"

/** Runs of one kind. The classes are disjoint, so that no character is tried twice. */
const runs = new RegExp(
  [
    `[A-Z]?[${latin}]+`,
    "[A-Z]+",
    "[0-9]+",
    "[\\r\\n]+",
    "[ \\t]+",
    "[!-/:-@[-`{-~]+",
    "[\\u0080-\\u00bf\\u0250-\\u1dff\\u1f00-\\uffff]+",
    "[^]"
  ].join("|"),
  "g"
)

const costOf = (run: string): number => {
  const code = run.charCodeAt(0)
  if (code === space || code === tab) return run.length > 1 ? 1 : 0
  if (code === lineFeed || code === carriageReturn) return 0.7
  if (code >= digit0 && code <= digit9) return Math.ceil(run.length / 3)
  if (code < capitalA) return costOfSigns(run)
  if (run.length > 1 && isCapital(code) && isCapital(run.charCodeAt(1))) return costOfCapitals(run)
  if (isCapital(code) || isSmall(code) || isMarked(code)) return costOfWord(run)
  return code < 0x80 ? costOfSigns(run) : costOfScript(run)
}

const [tab, lineFeed, carriageReturn, space] = [9, 10, 13, 32]
const [digit0, digit9, capitalA, capitalZ, smallA, smallZ] = [48, 57, 65, 90, 97, 122]

const isCapital = (code: number): boolean => code >= capitalA && code <= capitalZ

const isSmall = (code: number): boolean => code >= smallA && code <= smallZ

const isMarked = (code: number): boolean => (code >= 0xc0 && code < 0x250) || (code >= 0x1e00 && code < 0x1f00)

const costOfSigns = (run: string): number => Math.ceil(run.length / 3)

/** An abbreviation is one token, unlike random letters. */
const costOfCapitals = (run: string): number => run.length <= 4 ? 1 : run.length / 2.2

/** Words are one token up to seven letters. A letter with a diacritic often breaks them. */
const costOfWord = (run: string): number => {
  const { length } = run
  let tokens = length <= 7 ? 1 : length <= 12 ? 1 + (length - 7) / 3 : length / 4
  for (let i = 0; i < length; i++) {
    const code = run.charCodeAt(i)
    if (code >= 0x80) tokens += code < 0x100 ? 0.7 : code < 0x180 ? 1.6 : 0
  }
  return tokens
}

const costOfScript = (run: string): number => {
  let tokens = 0
  for (let i = 0; i < run.length; i++) tokens += rates[run.charCodeAt(i) >> 6] ?? otherRate
  return tokens
}

const otherRate = 0.75

/** Tokens for each UTF-16 unit of a script, from the block that begins with the first code to the one with the last. */
const scripts: ReadonlyArray<readonly [from: number, to: number, rate: number]> = [
  [0x0370, 0x03ff, 0.47], // Greek
  [0x0400, 0x052f, 0.30], // Cyrillic
  [0x0540, 0x058f, 0.50], // Armenian
  [0x0590, 0x05ff, 0.47], // Hebrew
  [0x0600, 0x06ff, 0.42], // Arabic
  [0x0900, 0x097f, 0.44], // Devanagari
  [0x0980, 0x0dff, 0.47], // Bengali to Sinhala
  [0x0e00, 0x0eff, 0.44], // Thai, Lao
  [0x1080, 0x10ff, 0.60], // Georgian
  [0x3040, 0x30ff, 0.62], // Hiragana, Katakana
  [0x3400, 0x9fff, 0.70], // Han
  [0xac00, 0xd7af, 0.79] // Hangul
]

/** The rates by blocks of 64 codes. */
const rates: ReadonlyArray<number> = Array.from(
  { length: 0x10000 >> 6 },
  (_, block) => scripts.find(([from, to]) => block >= from >> 6 && block <= to >> 6)?.[2] ?? otherRate
)
