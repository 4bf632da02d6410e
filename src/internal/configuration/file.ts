/** Models of a file, by their names. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { ConfigurationError } from "../../Errors.ts"
import { memoize, wholly } from "../util/memoize.ts"
import { type Path, readModels, refused } from "./read.ts"
import { type Making, restore } from "./restore.ts"

/**
 * Reads all of a file, and answers with what makes its models: each once, also where others are made of it. They live in the scope
 * of the file, and not in that of another which asked for them first.
 */
export const readFile = Effect.fnUntraced(function*(
  file: string
): Effect.fn.Return<ReadonlyMap<string, Making>, ConfigurationError, FileSystem.FileSystem | Scope.Scope> {
  const inFile = ({ description, path }: ConfigurationError) => new ConfigurationError({ file, path, description })
  const scope = yield* Effect.scope
  const fileSystem = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fileSystem.readFileString(file),
    ({ message }) => inFile(refused([], message))
  )
  const configurations = yield* Effect.mapError(Effect.flatMap(parse(text), readModels), inFile)
  const models = new Map<string, Making>()
  for (const [name, configuration] of configurations) {
    const made = Effect.mapError(
      restore(configuration, ["models", name], models),
      (error) => error._tag === "ConfigurationError" ? inFile(error) : error
    )
    models.set(name, memoize(Scope.provide(wholly(made), scope)))
  }
  return models
})

const parse = (text: string): Effect.Effect<unknown, ConfigurationError> => {
  const json = Result.try((): unknown => JSON.parse(text))
  if (Result.isFailure(json)) {
    // The error may show what is around the place, which may be a secret.
    const [at = ""] = / \(line \d+ column \d+\)/.exec(String(json.failure)) ?? []
    return refused([], `It is not JSON${at}`)
  }
  const duplicate = duplicateIn(text)
  return duplicate === undefined
    ? Effect.succeed(json.success)
    : refused(duplicate, "It is there twice")
}

/** The first field that an object has twice, of which the last would stand for all. */
const duplicateIn = (json: string): Path | undefined => {
  const open: Array<{ readonly names: Set<string>; at: string | number }> = []
  let text = ""
  let from: number | undefined
  for (const { 0: token, index } of json.matchAll(/\\.|["{}[\],:]/gs)) {
    const around = open.at(-1)
    if (token === "\"" && from === undefined) from = index
    else if (token === "\"") {
      text = json.slice(from, index + 1)
      from = undefined
    } else if (from !== undefined) continue
    else if (token === "{" || token === "[") open.push({ names: new Set(), at: 0 })
    else if (token === "}" || token === "]") open.pop()
    else if (token === "," && typeof around?.at === "number") around.at++
    else if (token === ":" && around !== undefined) {
      around.at = String(JSON.parse(text))
      if (around.names.has(around.at)) return open.map(({ at }) => at)
      around.names.add(around.at)
    }
  }
  return undefined
}
