/** Maps the texts of any value: of answers with their parts, of errors, of arguments. */
import * as Prompt from "effect/ai/Prompt"
import * as Response from "effect/ai/Response"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { isNormalizedResponse } from "../../Calling.ts"
import { isTool } from "../chat/arguments.ts"
import { maxDepth } from "../util/depth.ts"

/** Answers with the value itself where it has no text to change. Never throws. */
export type Redactor = <A>(value: A) => A

export interface RedactorOptions {
  readonly text: (text: string) => string
  /** Stands for what cannot be walked: it is nested too deep, or a getter throws. */
  readonly replacement: string
}

type MapItem = (item: unknown, isModelMade?: boolean) => unknown

export const makeRedactor = ({ replacement, text }: RedactorOptions): Redactor => {
  type Seen = Map<object, unknown>

  function redact<A>(value: A): A
  function redact(value: unknown): unknown {
    return walk(value, new Map(), 0, false)
  }

  // The keys of plain objects are mapped too where the model has made them up.
  const walk = (value: unknown, seen: Seen, depth: number, isModelMade: boolean): unknown => {
    if (typeof value === "string") return text(value)
    if (typeof value !== "object" || value === null) return value
    // A value that contains itself ends where it does.
    if (seen.has(value)) return seen.get(value)
    if (depth > maxDepth) return replacement
    seen.set(value, undefined)
    const mapped = attempt(() =>
      mapObject(value, (item, isMade = false) => walk(item, seen, depth + 1, isModelMade || isMade), isModelMade)
    )
    seen.set(value, mapped)
    return mapped
  }

  const attempt = (map: () => unknown): unknown => {
    try {
      return map()
    } catch {
      return replacement
    }
  }

  const mapObject = (value: object, map: MapItem, isModelMade: boolean): unknown => {
    if (isOpaque(value)) return value
    if (Array.isArray(value)) return mapItems(value, map) ?? value
    if (value instanceof Map) {
      const entries = mapItems([...value.entries()].flat(), map)
      return entries === undefined ? value : new Map(pairsOf(entries))
    }
    if (value instanceof Set) {
      const items = mapItems([...value], map)
      return items === undefined ? value : new Set(items)
    }
    if (value instanceof URL) {
      const href = text(value.href)
      return href === value.href ? value : URL.parse(href) ?? href
    }
    if (value instanceof URLSearchParams) {
      const entries = mapItems([...value.entries()].flat(), map)
      return entries === undefined
        ? value
        : new URLSearchParams(pairsOf(entries).map(([key, item]) => [String(key), String(item)]))
    }
    return mapFields(value, map, isModelMade)
  }

  const mapFields = (value: object, map: MapItem, isModelMade: boolean): object => {
    const fieldsOf = schemeOf(value)
    const mapsKeys = isModelMade && isPlain(value)
    let isChanged = false
    const fields = Reflect.ownKeys(value).map((key) => {
      const before: unknown = Reflect.get(value, key)
      const after = typeof key === "string" && (key.startsWith("~effect") || fieldsOf.kept.includes(key))
        ? before
        : key === "toolCalls" && isNormalizedResponse(value)
        ? mapItems(value.toolCalls, (call) => mapParams(call, map)) ?? before
        : map(before, typeof key === "string" && fieldsOf.modelMade.includes(key))
      const name = mapsKeys && typeof key === "string" ? text(key) : key
      if (after !== before || name !== key) isChanged = true
      return { name, value: after, enumerable: Object.getOwnPropertyDescriptor(value, key)?.enumerable ?? true }
    })
    return isChanged ? copyOf(value, fields) : value
  }

  return redact
}

interface Field {
  readonly name: PropertyKey
  readonly value: unknown
  readonly enumerable: boolean
}

/** An object of the same class with these fields. A field named `__proto__` is a field and no prototype. */
const copyOf = (value: object, fields: ReadonlyArray<Field>): object => {
  const prototype: object | null = Object.getPrototypeOf(value)
  // Only a constructed error is shown as one by the runtime.
  const copy: object = value instanceof Error
    ? Object.setPrototypeOf(new Error(), prototype)
    : Object.create(prototype)
  for (const { enumerable, name, value } of fields) {
    Object.defineProperty(copy, name, { value, enumerable, configurable: true, writable: true })
  }
  return copy
}

/** The mapped items, or `undefined` if none has changed. */
const mapItems = (items: ReadonlyArray<unknown>, map: MapItem): ReadonlyArray<unknown> | undefined => {
  const mapped = items.map((item) => map(item))
  return mapped.some((item, i) => item !== items[i]) ? mapped : undefined
}

const pairsOf = (items: ReadonlyArray<unknown>): ReadonlyArray<readonly [unknown, unknown]> =>
  items.flatMap((item, i) => i % 2 === 0 ? [[item, items[i + 1]] as const] : [])

const mapParams = (call: unknown, map: MapItem): unknown => {
  if (!Predicate.isObject(call) || !("params" in call)) return call
  const params = map(call.params, true)
  return params === call.params ? call : { ...call, params }
}

const isPlain = (value: object): boolean =>
  Object.getPrototypeOf(value) === Object.prototype || Object.getPrototypeOf(value) === null

/** Values without texts of their own, and definitions that belong to the program. */
const isOpaque = (value: object): boolean =>
  Redacted.isRedacted(value) || Schema.isSchema(value) || isTool(value) || value instanceof Date ||
  ArrayBuffer.isView(value) || value instanceof ArrayBuffer || value instanceof RegExp

interface Scheme {
  /** The fields that say what a value is, and not what it holds. */
  readonly kept: ReadonlyArray<string>
  /** The fields that hold what a model has written in a shape of its own. */
  readonly modelMade: ReadonlyArray<string>
}

const schemeOf = (value: object): Scheme => {
  if (isNormalizedResponse(value)) {
    return { kept: ["status", "usage", "finishReason"], modelMade: ["data", "rawResponse", "value"] }
  }
  if (Response.isPart(value) || Prompt.isPart(value)) {
    const kept = ["type", "id", "name", "sourceType", "mediaType", ...isBinary(value) ? ["data"] : []]
    return { kept, modelMade: ["params", "result", "encodedResult"] }
  }
  if (Prompt.isMessage(value)) return { kept: ["role"], modelMade: [] }
  return value instanceof Error ? { kept: ["_tag", "callingId"], modelMade: [] } : noScheme
}

const noScheme: Scheme = { kept: [], modelMade: [] }

/** A file whose data is Base64. */
const isBinary = (part: object): boolean =>
  "mediaType" in part && !String(part.mediaType).startsWith("text/") && "data" in part &&
  typeof part.data === "string" && !/^https?:/.test(part.data)
