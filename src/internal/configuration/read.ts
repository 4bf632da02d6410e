/** Reads what was written, and checks all of it. What is wrong is told by its place, and not shown: it may be a secret. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import { ConfigurationError } from "../../Errors.ts"
import { version } from "./json.ts"
import { deepestIssue } from "../util/schemaIssue.ts"
import { suggest } from "../util/suggest.ts"
import { File, type Model, Single } from "./schema.ts"

export type Path = ReadonlyArray<PropertyKey>

export const refused = (path: Path, description: string): ConfigurationError =>
  new ConfigurationError({ path: path.map(String).join("."), description })

/** Reads one model. */
export const readModel = Effect.fnUntraced(function*(json: unknown): Effect.fn.Return<Model, ConfigurationError> {
  const { version: _version, ...model } = yield* decoded(Schema.decodeUnknownEffect(Single, strictly), json)
  yield* checkNames(new Map(), referencesOf(model, []))
  return model
})

/** Reads several models, by their names. */
export const readModels = Effect.fnUntraced(function*(
  json: unknown
): Effect.fn.Return<ReadonlyMap<string, Model>, ConfigurationError> {
  const { models } = yield* decoded(Schema.decodeUnknownEffect(File, strictly), json)
  const references = new Map(
    Object.entries(models).map(([name, model]) => [name, referencesOf(model, ["models", name])])
  )
  yield* checkNames(references, [...references.values()].flat())
  yield* checkCircles(references)
  return new Map(Object.entries(models).map(([name, model]) => [name, { ...model, name }]))
})

// -----------------------------------------------------------------------------
// The form
// -----------------------------------------------------------------------------

const strictly = { onExcessProperty: "error" } as const

const decoded = <A>(
  decode: (json: unknown) => Effect.Effect<A, Schema.SchemaError>,
  json: unknown
): Effect.Effect<A, ConfigurationError> =>
  Predicate.hasProperty(json, "version") && json.version !== version
    ? Effect.fail(refused(["version"], `This is no version that is known: ${version} is`))
    : isDeeperThan(deepest, json)
    ? Effect.fail(refused([], `It is nested deeper than ${deepest} levels`))
    : Effect.mapError(decode(json), (error) => {
      const { isUnknown, keys, message } = deepestIssue(error)
      return refused(keys, isUnknown ? unknownField(keys.at(-1)) : message.replace(/^Missing key$/, "It is missing"))
    })

/** What is deeper than anybody writes is not left to the stack, nor what contains itself. */
const deepest = 100

const isDeeperThan = (levels: number, json: unknown): boolean =>
  Predicate.isObjectKeyword(json) &&
  (levels === 0 || Object.values(json).some((inner) => isDeeperThan(levels - 1, inner)))

const unknownField = (name: PropertyKey | undefined): string =>
  inCode.has(name) ? "It is given in code, and is no data" : "There is no such field"

const inCode = new Set<PropertyKey | undefined>([
  "cost",
  "executor",
  "headers",
  "hooks",
  "rateLimiter",
  "transformClient",
  "while"
])

// -----------------------------------------------------------------------------
// Names
// -----------------------------------------------------------------------------

/** Where a model is named as one of several. */
interface Reference {
  readonly name: string
  readonly path: Path
}

const referencesOf = ({ backend }: Pick<Model, "backend">, path: Path): ReadonlyArray<Reference> =>
  "models" in backend
    ? backend.models.flatMap((member, i) => {
      const at = [...path, "backend", "models", i]
      return typeof member === "string" ? [{ name: member, path: at }] : referencesOf(member, at)
    })
    : []

type References = ReadonlyMap<string, ReadonlyArray<Reference>>

const checkNames = (known: References, references: ReadonlyArray<Reference>): Effect.Effect<void, ConfigurationError> =>
  Effect.forEach(
    references,
    ({ name, path }) => known.has(name) ? Effect.void : refused(path, unknownName(name, known)),
    {
      discard: true
    }
  )

const unknownName = (name: string, known: References): string => {
  if (known.size === 0) return "There are no models to be named here: write it in place of its name"
  const meant = suggest(name, [...known.keys()])
  return meant.length > 0
    ? `There is no such model. Did you mean ${meant.join(" or ")}?`
    : `There is no such model. There are: ${[...known.keys()].join(", ")}`
}

/** No model asks itself, by whatever detour. */
const checkCircles = (references: References): Effect.Effect<void, ConfigurationError> => {
  const done = new Set<string>()
  const visit = (name: string, above: ReadonlyArray<string>): ConfigurationError | undefined => {
    if (done.has(name)) return undefined
    const way = [...above, name]
    for (const reference of references.get(name) ?? []) {
      const from = way.indexOf(reference.name)
      const circle = from === -1
        ? visit(reference.name, way)
        : refused(reference.path, `It asks itself: ${[...way.slice(from), reference.name].join(" → ")}`)
      if (circle !== undefined) return circle
    }
    done.add(name)
    return undefined
  }
  return Effect.forEach(references.keys(), (name) => visit(name, []) ?? Effect.void, { discard: true })
}
