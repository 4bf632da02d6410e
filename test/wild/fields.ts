/** Answers that deviate from their documentation in one place or several: a field is missing, `null`, or of a wrong shape. */
import { Schema } from "effect"

export type Json = Schema.Json
export type Path = ReadonlyArray<string | number>

/** A field that is changed: it is left out, or has another value. */
export interface Deviation {
  readonly path: Path
  readonly kind: (typeof kinds)[number]
}

const kinds = ["missing", "null", "a text", "a number", "a list", "an object", "a boolean"] as const

const values: Readonly<Record<(typeof kinds)[number], Json | undefined>> = {
  missing: undefined,
  null: null,
  "a text": "deviation",
  "a number": -7,
  "a list": [{ deviation: 1 }],
  "an object": { deviation: [1] },
  "a boolean": true
}

/** As it is sent. */
export const jsonOf = (value: unknown): Json => JSON.parse(JSON.stringify(value))

/** Picks up to three of a list, by their places in it. */
export const places = (all: ReadonlyArray<unknown>) =>
  Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: all.length - 1 }))).check(Schema.isMaxLength(3))

export const at = <A>(all: ReadonlyArray<A>, chosen: ReadonlyArray<number>): ReadonlyArray<A> =>
  chosen.flatMap((place) => all[place] ?? [])

const isList = (json: Json): json is Schema.JsonArray => Array.isArray(json)

/** All deviations of a value, but for those that change what is asked for. */
export const deviationsOf = (json: Json, isKept: (path: Path) => boolean): ReadonlyArray<Deviation> =>
  pathsOf(json).flatMap((path) =>
    isKept(path) ? [] : kinds.flatMap((kind) => kind !== shapeOf(valueAt(json, path)) ? [{ path, kind }] : [])
  )

export const deviating = (json: Json, deviations: ReadonlyArray<Deviation>): Json =>
  deviations.reduce<Json>((changed, { kind, path }) => replaced(changed, path, values[kind]), json)

const pathsOf = (json: Json): ReadonlyArray<Path> => {
  const paths: Array<Path> = []
  const visit = (value: Json, at: Path): void => {
    if (typeof value !== "object" || value === null) return
    for (const [key, item] of isList(value) ? value.entries() : Object.entries(value)) {
      const path = [...at, key]
      paths.push(path)
      visit(item, path)
    }
  }
  visit(json, [])
  return paths
}

const shapeOf = (json: Json | undefined): Deviation["kind"] =>
  json === undefined
    ? "missing"
    : json === null
    ? "null"
    : typeof json === "string"
    ? "a text"
    : typeof json === "number"
    ? "a number"
    : typeof json === "boolean"
    ? "a boolean"
    : isList(json)
    ? "a list"
    : "an object"

const childOf = (json: Json, key: string | number): Json | undefined =>
  isList(json)
    ? json[Number(key)]
    : typeof json === "object" && json !== null && !isList(json)
    ? Object.entries(json).find(([name]) => name === key)?.[1]
    : undefined

const valueAt = (json: Json, path: Path): Json | undefined =>
  path.reduce<Json | undefined>((value, key) => value === undefined ? undefined : childOf(value, key), json)

const replaced = (json: Json, [key, ...rest]: Path, value: Json | undefined): Json => {
  if (key === undefined) return value ?? null
  const child = childOf(json, key)
  if (child === undefined) return json
  const next = rest.length === 0 ? value : replaced(child, rest, value)
  if (isList(json)) {
    return next === undefined ? json.toSpliced(Number(key), 1) : json.with(Number(key), next)
  }
  if (typeof json !== "object" || json === null) return json
  return Object.fromEntries(
    Object.entries(json).flatMap(([name, old]) =>
      name !== key ? [[name, old]] : next === undefined ? [] : [[name, next]]
    )
  )
}
