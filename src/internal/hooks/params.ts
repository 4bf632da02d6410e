/** Parameters of a region of a program for the hooks of its calls. */
import * as Context from "effect/Context"

export const Params = Context.Reference<Readonly<Record<string, unknown>>>("effect-imodel/Hook/Params", {
  defaultValue: () => ({})
})
