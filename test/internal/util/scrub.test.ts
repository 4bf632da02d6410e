/** Credentials are found in a text in whatever encoding they are quoted. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { makeScrub } from "../../../src/internal/util/scrub.ts"
import { suggest } from "../../../src/internal/util/suggest.ts"

const secret = `sk-proj/a+b="c"&<d>'e\\f%25?#@0123456789`
const scrub = makeScrub([secret, "short", "a-second-secret-0123"])

const html = (text: string) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("\"", "&quot;").replaceAll(
    "'",
    "&#39;"
  )
const json = (text: string) => JSON.stringify(text).slice(1, -1)
const percent = (text: string) => encodeURIComponent(text)

const encodings: Readonly<Record<string, (text: string) => string>> = {
  "as it is": (text) => text,
  "JSON": json,
  "JSON in JSON": (text) => json(json(text)),
  "JSON of PHP": (text) => json(text).replaceAll("/", "\\/"),
  "percent": percent,
  "percent, in lower case": (text) => percent(text).replaceAll(/%[\dA-F]{2}/g, (escape) => escape.toLowerCase()),
  "every character by percent": (text) =>
    Array.from(text, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, "0")}`).join(""),
  "percent twice": (text) => percent(percent(text)),
  "HTML": html,
  "HTML by numbers": (text) => Array.from(text, (char) => `&#${char.charCodeAt(0)};`).join(""),
  "HTML in hexadecimal": (text) => Array.from(text, (char) => `&#x${char.charCodeAt(0).toString(16)};`).join(""),
  "HTML in JSON": (text) => json(html(text)),
  "Unicode escapes": (text) =>
    Array.from(text, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`).join(""),
  "a shell": (text) => text.replaceAll(/[^\w]/g, (char) => `\\${char}`),
  "lines of 10": (text) => text.replaceAll(/.{10}/g, "$&\n"),
  "lines of 10 in JSON": (text) => json(text.replaceAll(/.{10}/g, "$&\n  ")),
  "Base64": (text) => btoa(text),
  "Base64 for addresses": (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", ""),
  "Base64 of a user": (text) => btoa(`user:${text}`),
  "Base64 of another user": (text) => btoa(`users:${text}:x`),
  "Base64 of a third user": (text) => btoa(`a user:${text}`),
  "Base64 in lines": (text) => btoa(`user:${text}`).replaceAll(/.{16}/g, "$&\r\n")
}

/** The longest piece of the secret that a text has, in any encoding. */
const rest = (text: string, encode: (text: string) => string): number => {
  for (let length = secret.length; length > 8; length--) {
    for (let i = 0; i + length <= secret.length; i++) {
      const piece = secret.slice(i, i + length)
      if (text.includes(piece) || text.includes(encode(piece))) return length
    }
  }
  return 0
}

describe("a secret", () => {
  it.effect.each(Object.entries(encodings))("is found in %s", ([, encode]) =>
    Effect.sync(() => {
      const text = `The key "${encode(secret)}" is wrong, ${encode(secret)} too. See http://localhost/a%20b?x=1&amp;y`
      const scrubbed = scrub(text)
      assert.strictEqual(rest(scrubbed, encode), 0, scrubbed)
      assert.match(scrubbed, /^The key "\S*<redacted>\S*" is wrong, \S*<redacted>\S* too\. See/)
      assert.isTrue(scrubbed.endsWith("too. See http://localhost/a%20b?x=1&amp;y"), scrubbed)
    }))

  it.effect("is found where a text was cut", () =>
    Effect.sync(() => {
      assert.strictEqual(scrub(`wrong key ${secret.slice(0, 20)}`), "wrong key <redacted>")
      assert.strictEqual(scrub(`${secret.slice(15)} is a wrong key`), "<redacted> is a wrong key")
    }))

  it.effect("is found beside others, and a short one is not looked for", () =>
    Effect.sync(() => {
      assert.strictEqual(
        scrub(`${secret} and a-second-secret-0123 and short`),
        "<redacted> and <redacted> and short"
      )
    }))

  it.effect.prop(
    "is found between any texts, which stay as they are",
    [Schema.String, Schema.String, Schema.Literals(Object.keys(encodings))],
    ([before, after, name]) =>
      Effect.sync(() => {
        const encode = encodings[name] ?? ((text: string) => text)
        const scrubbed = scrub(`${before} ${encode(secret)} ${after}`)
        assert.strictEqual(rest(scrubbed, encode), 0, scrubbed)
        assert.isTrue(scrubbed.includes("<redacted>"))
        assert.isTrue(scrubbed.startsWith(`${before} `))
        assert.isTrue(scrubbed.endsWith(` ${after}`))
      })
  )

  it.effect("is looked for in linear time", () =>
    Effect.sync(() => {
      for (const piece of ["sk-proj/", " ", "%", "\\", "&#", "%25", "&amp;", "s\n", secret.slice(0, -1)]) {
        const startedAt = performance.now()
        scrub(piece.repeat(Math.ceil(100_000 / piece.length)))
        assert.isBelow(performance.now() - startedAt, 5_000, piece)
      }
    }))
})

describe("a suggestion", () => {
  it.effect("takes no time for a name of a megabyte", () =>
    Effect.sync(() => {
      const startedAt = performance.now()
      assert.deepStrictEqual(suggest("a".repeat(1_000_000), ["temperature", "b".repeat(1_000_000)]), [])
      assert.deepStrictEqual(suggest("temprature", ["temperature", "b".repeat(1_000_000)]), ["temperature"])
      assert.isBelow(performance.now() - startedAt, 100)
    }))
})
