/** Keeps directories inside a root, wherever symbolic links lead. */
import * as AiError from "effect/ai/AiError"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"

/** The real path of a directory inside the root, which is a real path itself. `parameter` is the argument that names it. */
export const confine = Effect.fnUntraced(function*(
  parameter: string,
  root: string,
  directory: string
): Effect.fn.Return<string, AiError.InvalidRequestError, FileSystem.FileSystem | Path.Path> {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const refuse = (description: string) => Effect.fail(new AiError.InvalidRequestError({ parameter, description }))
  const resolved = path.resolve(root, directory)
  const real = yield* Effect.catch(fs.realPath(resolved), () => refuse(`There is no directory ${resolved}`))
  const { type } = yield* Effect.catch(fs.stat(real), () => refuse(`There is no directory ${resolved}`))
  if (type !== "Directory") return yield* refuse(`${resolved} is no directory`)
  const inside = path.relative(root, real)
  return inside === ".." || inside.startsWith(`..${path.sep}`) || path.isAbsolute(inside)
    ? yield* refuse(`${resolved} is outside of the root ${root}`)
    : real
})
