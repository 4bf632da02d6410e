/** Has `effect-imodel` mean the sources of this repository, so that its programs run without a build. */
import { enableCompileCache, registerHooks } from "node:module"

const index = new URL("../../src/index.ts", import.meta.url).href

enableCompileCache() // The types of so many files take a second to strip.

registerHooks({
  resolve: (specifier, context, next) =>
    specifier === "effect-imodel" ? { url: index, shortCircuit: true } : next(specifier, context)
})
