/**
 * Who is who: a fresh UUID, a time of creation and metadata. Two values of one `id` are equal.
 */
import * as DateTime from "effect/DateTime"
import * as Equal from "effect/Equal"
import * as Hash from "effect/Hash"
import * as Predicate from "effect/Predicate"

/** What a model is known by. */
export const ModelTypeId = "~effect-imodel/iModel"

/** A UUID (version 4), by the Web Crypto that every runtime of Effect has. */
export const uuid = (): string => globalThis.crypto.randomUUID()

export const noMetadata: Readonly<Record<string, unknown>> = Object.freeze({})

export const identify = (
  createdAtMillis: number,
  metadata: Readonly<Record<string, unknown>> = noMetadata
) => {
  const id = uuid()
  return {
    id,
    createdAt: DateTime.makeUnsafe(createdAtMillis),
    metadata,
    [Hash.symbol]: () => Hash.string(id),
    [Equal.symbol]: (that: Equal.Equal) => Predicate.hasProperty(that, "id") && that.id === id
  }
}
