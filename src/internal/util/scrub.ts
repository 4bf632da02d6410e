/**
 * Removes credentials from texts, in the encodings that providers, gateways and programs quote them in: as they are, escaped for
 * JSON, HTML, URLs or a shell (also several times), in Base64 (also within `user:secret`), wrapped into lines, and cut at the
 * beginning or the end of the text.
 */
import * as Base64 from "effect/encoding/Base64"

/** Removes credentials from a text. */
export type Scrub = (text: string) => string

const replacement = "<redacted>"

/** Shorter values are placeholders, which would be found in every word. */
const minLength = 8

/** How often escapes are undone: a JSON text may hold a JSON text that holds a URL. */
const maxLayers = 3

export const makeScrub = (secrets: Iterable<string>): Scrub => {
  const plain = Array.from(secrets).filter((secret) => secret.length >= minLength)
  const needles = Array.from(new Set([...plain, ...plain.flatMap(base64Of)])).toSorted((a, b) => b.length - a.length)
  if (needles.length === 0) return (text) => text
  // A secret may look like an escape itself, so that it is decoded as often as the text.
  const decoded = needles.map(layersOf)
  const layers = Array.from({ length: maxLayers }, (_, i) => decoded.flatMap((layers) => layers[i]?.text ?? []))
  return (text) => {
    if (text.length < minLength) return text
    const rest = needles.reduce(
      withoutCut,
      needles.reduce((text, needle) => text.replaceAll(needle, replacement), text)
    )
    if (!/[%&\\\s]/.test(rest)) return rest
    return withoutSpans(rest, layersOf(rest).flatMap((layer, i) => spansOf(layer, layers[i] ?? [])))
  }
}

// -----------------------------------------------------------------------------
// Base64
// -----------------------------------------------------------------------------

/** What the Base64 of any text with the secret in it has in common, by the three positions of its first byte. */
const base64Of = (secret: string): ReadonlyArray<string> => {
  const bytes = new TextEncoder().encode(secret)
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Base64.encode(new Uint8Array([...Array.from({ length: offset }, () => 0), ...bytes]))
    const whole = encoded.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6))
    return [whole, whole.replaceAll("+", "-").replaceAll("/", "_")]
  })
}

// -----------------------------------------------------------------------------
// Texts that were cut
// -----------------------------------------------------------------------------

/** Without the beginning of a secret at the end of the text, and without the end of one at its beginning. */
const withoutCut = (text: string, needle: string): string => {
  let rest = text
  for (let length = needle.length - 1; length >= minLength; length--) {
    if (!rest.endsWith(needle.slice(0, length))) continue
    rest = rest.slice(0, -length) + replacement
    break
  }
  for (let length = needle.length - 1; length >= minLength; length--) {
    if (!rest.startsWith(needle.slice(-length))) continue
    rest = replacement + rest.slice(length)
    break
  }
  return rest
}

// -----------------------------------------------------------------------------
// Escapes
// -----------------------------------------------------------------------------

/** A text without escapes and white space, and where each of its characters begins in the original, and where it ends. */
interface Decoded {
  readonly text: string
  readonly starts: ReadonlyArray<number>
  readonly ends: ReadonlyArray<number>
}

/** A text with its escapes undone once, twice and so on. */
const layersOf = (text: string): ReadonlyArray<Decoded> => {
  const first = decodeOnce(text)
  const layers = [first]
  for (let layer = first; layers.length < maxLayers;) {
    const { ends, starts, text } = layer
    const next = decodeOnce(text)
    layer = {
      text: next.text,
      starts: next.starts.map((start) => starts[start] ?? 0),
      ends: next.ends.map((end) => ends[end - 1] ?? 0)
    }
    layers.push(layer)
  }
  return layers
}

/** All alternatives have a bounded length. */
const escape = new RegExp(
  [
    String.raw`%(?<percent>[0-7][\da-f])`,
    String.raw`&#(?<decimal>0{0,5}\d{2,3});?`,
    String.raw`&#x(?<hex>0{0,5}[0-7][\da-f]);?`,
    String.raw`&(?<named>amp|lt|gt|quot|apos);`,
    String.raw`\\u00(?<unicode>[0-7][\da-f])`,
    String.raw`\\x(?<byte>[0-7][\da-f])`,
    String.raw`\\(?<space>[nrtfb])`,
    String.raw`\\(?<literal>[^a-z\d\s])`,
    String.raw`(?<blank>\s)`
  ].join("|"),
  "giy"
)

const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: "\"", apos: "'" }

const decodeOnce = (text: string): Decoded => {
  const starts: Array<number> = []
  const ends: Array<number> = []
  let result = ""
  for (let i = 0; i < text.length;) {
    const [character, length] = mayBeEscape(text, i) ? unescaped(text, i) : [text[i] ?? "", 1]
    if (character !== "") {
      result += character
      starts.push(i)
      ends.push(i + length)
    }
    i += length
  }
  return { text: result, starts, ends }
}

/** Spares the search where there is none. */
const mayBeEscape = (text: string, at: number): boolean => {
  const character = text.charAt(at)
  return character === "%"
    ? /[0-7]/.test(text.charAt(at + 1))
    : character === "&"
    ? /[#algq]/i.test(text.charAt(at + 1))
    : character === "\\" || character <= " " || character === "\u00a0"
}

const unescaped = (text: string, at: number): readonly [character: string, length: number] => {
  escape.lastIndex = at
  const match = escape.exec(text)
  if (match === null) return [text[at] ?? "", 1]
  const { blank, byte, decimal, hex, literal, named: name, percent, space, unicode } = match.groups ?? {}
  const code = percent ?? hex ?? unicode ?? byte
  const character = blank !== undefined || space !== undefined
    ? ""
    : code !== undefined
    ? String.fromCharCode(Number.parseInt(code, 16))
    : decimal === undefined
    ? literal ?? named[name?.toLowerCase() ?? ""] ?? ""
    : String.fromCharCode(Number(decimal))
  return [/\s/.test(character) ? "" : character, match[0].length]
}

// -----------------------------------------------------------------------------
// Spans
// -----------------------------------------------------------------------------

type Span = readonly [start: number, end: number]

/** Where the needles are in the original text. */
const spansOf = ({ ends, starts, text }: Decoded, needles: ReadonlyArray<string>): ReadonlyArray<Span> =>
  needles.flatMap((needle) => {
    const spans: Array<Span> = []
    if (needle.length < minLength) return spans
    for (let i = text.indexOf(needle); i !== -1; i = text.indexOf(needle, i + needle.length)) {
      spans.push([starts[i] ?? 0, ends[i + needle.length - 1] ?? 0])
    }
    return spans
  })

const withoutSpans = (text: string, spans: ReadonlyArray<Span>): string => {
  let result = ""
  let at = 0
  for (const [start, end] of spans.toSorted(([a], [b]) => a - b)) {
    if (start >= at) result += text.slice(at, start) + replacement
    at = Math.max(at, end)
  }
  return result + text.slice(at)
}
