/** What a registry does: it finds models by name, and makes those lazily that it has as layers. */
import * as Tool from "effect/ai/Tool"
import * as Effect from "effect/Effect"
import { DuplicateModel, ModelNotFound, type ModelUnavailable } from "../../Errors.ts"
import type { Format, Registered, Registry, ToolSchema } from "./options.ts"
import { near } from "../util/suggest.ts"
import { once } from "../util/memoize.ts"
import { dialects, fitSchema } from "../tools/toolSchema.ts"

type Found = Effect.Effect<Registered, ModelUnavailable>

export const make = (layers: ReadonlyMap<string, Found>): Omit<Registry, "scope"> => {
  const entries = new Map<string, Found>()
  const ids = new Map<string, string>()
  const add = (name: string, model: Registered) => {
    ids.set(model.id, name)
    return Effect.succeed(model)
  }
  for (const [name, build] of layers) entries.set(name, once(Effect.tap(build, (model) => add(name, model))))

  const find = (nameOrId: string): Effect.Effect<{ readonly name: string; readonly model: Found }, ModelNotFound> =>
    Effect.suspend(() => {
      const name = entries.has(nameOrId) ? nameOrId : ids.get(nameOrId) ?? nameOrId
      const model = entries.get(name)
      if (model !== undefined) return Effect.succeed({ name, model })
      const names = [...entries.keys()]
      return Effect.fail(new ModelNotFound({ name, suggestions: near(name, names), names }))
    })

  const get = (nameOrId: string) => Effect.flatMap(find(nameOrId), ({ model }) => model)

  const remove = (name: string) => {
    entries.delete(name)
    for (const [id, named] of ids) if (named === name) ids.delete(id)
  }

  const all = Effect.suspend(() =>
    Effect.forEach([...entries.values()], (found) => found, { concurrency: "unbounded" })
  )

  return {
    register: (model, options) =>
      Effect.suspend(() => {
        const { name } = model
        if (entries.has(name) && options?.update !== true) return Effect.fail(new DuplicateModel({ name }))
        remove(name)
        entries.set(name, add(name, model))
        return Effect.void
      }),
    unregister: (nameOrId) => Effect.map(find(nameOrId), ({ name }) => remove(name)),
    get,
    has: (nameOrId) => Effect.isSuccess(find(nameOrId)),
    names: Effect.sync(() => [...entries.keys()]),
    size: Effect.sync(() => entries.size),
    byTag: (tag) => Effect.map(all, (models) => models.filter(({ tags }) => tags.has(tag))),
    toolSchemas: (format, names) =>
      Effect.map(
        names === undefined ? all : Effect.forEach(names, get),
        (models) => models.flatMap(({ tool }) => tool === undefined ? [] : [describe(format, tool)])
      )
  }
}

const describe = (format: Format, tool: Tool.Any): ToolSchema => {
  const { name } = tool
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
