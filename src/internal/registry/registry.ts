/** Finds models by name, and makes those lazily that are given as layers. */
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import { DuplicateModel, ModelNotFound, type ModelUnavailable, NotATool } from "../../Errors.ts"
import { release } from "./ownership.ts"
import type { Format, Registered, Registry, ToolSchema } from "./options.ts"
import { suggest } from "../util/suggest.ts"
import { memoize } from "../util/memoize.ts"
import { dialects, fitSchema } from "../tools/toolSchema.ts"

type Found = Effect.Effect<Registered, ModelUnavailable>

interface Entry {
  readonly name: string
  readonly found: Found
  /** `undefined` until it has been made. */
  model: Registered | undefined
}

export const make = (layers: ReadonlyMap<string, Found>): Omit<Registry, "scope"> => {
  const entries = new Map<string, Entry>()
  for (const [name, build] of layers) {
    const made = Effect.tap(build, (model) =>
      Effect.sync(() => {
        entry.model = model
      }))
    const entry: Entry = { name, found: memoize(made), model: undefined }
    entries.set(name, entry)
  }

  const find = (nameOrId: string): Effect.Effect<Entry, ModelNotFound> =>
    Effect.suspend(() => {
      const entry = entries.get(nameOrId) ?? [...entries.values()].find(({ model }) => model?.id === nameOrId)
      if (entry !== undefined) return Effect.succeed(entry)
      const names = [...entries.keys()]
      return Effect.fail(new ModelNotFound({ name: nameOrId, suggestions: suggest(nameOrId, names), names }))
    })

  const get = (nameOrId: string) => Effect.flatMap(find(nameOrId), ({ found }) => found)

  /** Removes an entry, and ends what was made for its model alone. */
  const remove = Effect.fnUntraced(function*({ model, name }: Entry) {
    entries.delete(name)
    if (model !== undefined && [...entries.values()].every((entry) => entry.model !== model)) yield* release(model)
    return model
  })

  const all = Effect.suspend(() =>
    Effect.forEach([...entries.values()], ({ found, name }) => Effect.map(found, (model) => ({ model, name })), {
      concurrency: "unbounded"
    })
  )

  const toolNamed = Effect.fnUntraced(function*(nameOrId: string) {
    const { found, name } = yield* find(nameOrId)
    const model = yield* found
    return model.tool === undefined ? yield* new NotATool({ name }) : { model, name }
  })

  return {
    register: Effect.fnUntraced(function*(model, options) {
      const { name } = model
      const replaced = entries.get(name)
      if (replaced !== undefined && options?.update !== true) return yield* new DuplicateModel({ name })
      if (replaced !== undefined) entries.delete(name)
      entries.set(name, { name, found: Effect.succeed(model), model })
      if (replaced?.model !== undefined && replaced.model !== model) yield* release(replaced.model)
    }),
    unregister: (nameOrId) => Effect.flatMap(find(nameOrId), remove),
    clear: Effect.suspend(() =>
      Effect.forEach([...entries.values()], remove, { concurrency: "unbounded", discard: true })
    ),
    get,
    has: (nameOrId) => Effect.isSuccess(find(nameOrId)),
    names: Effect.sync(() => [...entries.keys()]),
    size: Effect.sync(() => entries.size),
    byTag: (tag) => Effect.map(all, (found) => found.flatMap(({ model }) => model.tags.has(tag) ? [model] : [])),
    toolSchemas: (format, names) =>
      Effect.map(
        names === undefined ? all : Effect.forEach(names, toolNamed),
        (found) =>
          found.flatMap(({ model: { tool }, name }) => tool === undefined ? [] : [describe(format, tool, name)])
      )
  }
}

/** @param name under which the tool is registered */
const describe = (format: Format, tool: Tool.Any, name: string): ToolSchema => {
  const description = Tool.getDescription(tool)
  const said = description === undefined ? { name } : { name, description }
  const given = Tool.getJsonSchema(tool)
  const fitted = fitSchema(given, dialects[format])
  const schema = "schema" in fitted ? fitted.schema : given
  switch (format) {
    case "openai":
      return { type: "function", function: { ...said, parameters: schema } }
    case "anthropic":
      return { ...said, input_schema: schema }
    case "gemini":
      return { ...said, parametersJsonSchema: schema }
  }
}
