/** Models that share a resource, for example the process of an MCP server, which ends with the last of them. */
import * as Effect from "effect/Effect"
import type { Registered } from "./options.ts"

interface Owner {
  readonly models: Set<Registered>
  readonly close: Effect.Effect<void>
}

const owners = new WeakMap<Registered, Owner>()

/** Has the resource closed when the last of the models is released. */
export const own = (models: ReadonlyArray<Registered>, close: Effect.Effect<void>): void => {
  const owner: Owner = { models: new Set(models), close }
  for (const model of models) owners.set(model, owner)
}

/** A model is not used any more. */
export const release = (model: Registered): Effect.Effect<void> =>
  Effect.suspend(() => {
    const owner = owners.get(model)
    if (owner === undefined || !owner.models.delete(model)) return Effect.void
    return owner.models.size === 0 ? owner.close : Effect.void
  })
