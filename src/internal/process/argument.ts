/**
 * The arguments of a program. A value that is secret, or too long for the command line, is written to a file that the program is
 * given by its path: every user of the machine sees the command lines of all programs.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import type * as PlatformError from "effect/PlatformError"
import type * as Scope from "effect/Scope"

/** An argument as it is, or an option whose value is the path of a file with this content. */
export type Argument = string | { readonly option: string; readonly content: string }

/** Linux takes arguments of up to 128 KiB. Other systems take less in all, and no argument of such a length is common. */
const maxArgumentBytes = 32_768

export const isTooLong = (value: string): boolean => new TextEncoder().encode(value).length > maxArgumentBytes

/** Writes the files, which are readable for this user alone, and removed with the scope. */
export const writeArguments = Effect.fnUntraced(function*(
  args: ReadonlyArray<Argument>
): Effect.fn.Return<
  ReadonlyArray<string>,
  PlatformError.PlatformError,
  FileSystem.FileSystem | Path.Path | Scope.Scope
> {
  if (args.every((arg) => typeof arg === "string")) return args
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const directory = yield* fs.makeTempDirectoryScoped({ prefix: "effect-imodel-" })
  return yield* Effect.forEach(
    args,
    Effect.fnUntraced(function*(arg, index) {
      if (typeof arg === "string") return arg
      const file = path.join(directory, `argument-${index}`)
      yield* fs.writeFileString(file, arg.content, { mode: 0o600 })
      return `--${arg.option}=${file}`
    })
  )
})
