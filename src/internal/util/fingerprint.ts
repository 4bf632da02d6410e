/** What tells one account at one address from another, without its secret. */
import * as Effect from "effect/Effect"
import * as Hex from "effect/encoding/Hex"

const encoder = new TextEncoder()

/** A hash (HMAC with SHA-256) of values, keyed by the secret of the account: it gives away neither. */
export const fingerprintOf = (secret: string, values: ReadonlyArray<unknown>): Effect.Effect<string> =>
  Effect.promise(async () => {
    const { subtle } = globalThis.crypto
    const algorithm = { name: "HMAC", hash: "SHA-256" }
    // A key of no length is refused.
    const key = await subtle.importKey("raw", encoder.encode(`effect-imodel ${secret}`), algorithm, false, ["sign"])
    return Hex.encode(new Uint8Array(await subtle.sign("HMAC", key, encoder.encode(JSON.stringify(values)))))
  })
