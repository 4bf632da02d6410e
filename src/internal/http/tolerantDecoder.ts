/**
 * Decodes an answer whose fields have not all the shape that is documented. Providers, gateways and local servers get many
 * fields wrong that are not needed: such a field is left out and noted. A field that is part of the answer itself is never left out.
 */
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { deepestIssue, describeIssue } from "../util/schemaIssue.ts"
import { wireDecoder } from "./wireDecoder.ts"

/** What was left out of an answer, such as `usage.prompt_tokens: Expected number`, without duplicates. */
export class Notes {
  private readonly notes = new Set<string>()

  add(note: string): void {
    // The indices would make a note of each chunk of a stream.
    if (this.notes.size < maxNotes) this.notes.add(note.replace(/\[\d+\]/g, "[]"))
  }

  get all(): ReadonlyArray<string> {
    return [...this.notes]
  }
}

const maxNotes = 20

/** A field that is left out may be one that its object needs, which is left out then, and so on. */
const maxRounds = 100

export type TolerantDecoder<out A> = (json: unknown, notes: Notes) => Result.Result<A, Schema.SchemaError>

/** Which fields of a wrong shape do no harm. */
export interface Tolerance {
  /**
   * Names of the fields that are the answer itself, which are never left out. Such a name within a field of another name does not
   * count.
   */
  readonly essential: ReadonlySet<string>
  /** What stands for a field that is missing or has a wrong shape, by its name; `undefined` for nothing. @default none */
  readonly repairs?: Readonly<Record<string, Repair>> | undefined
}

type Repair = (value: unknown, owner: Readonly<Record<PropertyKey, unknown>>) => unknown

/**
 * Makes a decoder that repairs the fields of a wrong shape, or leaves them out unless they are essential.
 *
 * A schema of what is documented alone may be tried first: the smaller a schema is, the faster it decodes. It must refuse the
 * fields that only the other one has.
 */
export const tolerantDecoder = <S extends Schema.ConstraintDecoder<unknown>>(
  schema: S,
  tolerance: Tolerance,
  documented?: Schema.ConstraintDecoder<S["Type"]>
): TolerantDecoder<S["Type"]> => {
  const decode = wireDecoder(schema)
  const decodeDocumented = documented === undefined ? decode : wireDecoder(documented)
  return (json, notes) => {
    const first = decodeDocumented(json)
    if (Result.isSuccess(first)) return first
    const decoded = documented === undefined ? first : decode(json)
    if (Result.isSuccess(decoded)) return decoded
    const rest: unknown = structuredClone(json)
    for (let round = 0; round < maxRounds; round++) {
      const result = decode(rest)
      if (Result.isSuccess(result)) return result
      // One at a time: of the issues of a union, all but the deepest can be of a variant that was not meant.
      const { keys } = deepestIssue(result.failure)
      if (!amend(rest, keys, tolerance)) return decoded
      const { message, path } = describeIssue(result.failure)
      notes.add(`${path}: ${message}`)
    }
    return decoded
  }
}

/** Repairs or leaves out what is at a path, or what misses it. Answers whether that could be done. */
const amend = (root: unknown, keys: ReadonlyArray<PropertyKey>, { essential, repairs }: Tolerance): boolean => {
  const parents = [root]
  for (const key of keys) {
    const parent = parents.at(-1)
    if (!Predicate.isObjectOrArray(parent) || !Object.hasOwn(parent, key)) break
    parents.push(Reflect.get(parent, key))
  }
  const owner = parents[keys.length - 1]
  const last = keys.at(-1)
  if (typeof last === "string" && Predicate.isObject(owner) && repairs !== undefined && Object.hasOwn(repairs, last)) {
    const repaired = repairs[last]?.(owner[last], owner)
    if (repaired !== undefined) return Reflect.set(owner, last, repaired)
  }
  const depth = parents.length - 1
  const key = keys[depth - 1]
  const parent = parents[depth - 1]
  if (key === undefined) return false
  const isEssential = keys.slice(0, depth).every((key) => typeof key !== "string" || essential.has(key))
  // A `null` is the same as nothing.
  if (isEssential && parents[depth] !== null) return false
  if (Array.isArray(parent)) parent.splice(Number(key), 1)
  else if (Predicate.isObject(parent)) delete parent[key]
  return true
}
