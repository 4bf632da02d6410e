/**
 * The packed package is type-checked in the program of a user, who checks the declarations of libraries too and has a compiler
 * and options of their own. Where `CI` is set all combinations are checked, and otherwise three that differ most.
 */
import { NodeServices } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, FileSystem, Layer, Path } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** Runs a program, and answers with what it has printed. */
const run = Effect.fnUntraced(function*(cwd: string, command: string, ...args: ReadonlyArray<string>) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  return yield* spawner.string(ChildProcess.make(command, args, { cwd }), { includeStderr: true })
})

/** The folder of a program that has the package and `effect` installed. */
class Project extends Context.Service<Project, { readonly folder: string; readonly root: string }>()("test/Project") {
  static readonly layer = Layer.effect(
    Project,
    Effect.gen(function*() {
      const fs = yield* FileSystem.FileSystem
      const path = yield* Path.Path
      const root = path.resolve(import.meta.dirname, "..")
      const folder = yield* fs.makeTempDirectoryScoped()
      const source = path.join(folder, "source")
      const modules = path.join(folder, "node_modules")
      yield* fs.makeDirectory(source)
      yield* fs.makeDirectory(path.join(modules, "effect-imodel"), { recursive: true })
      yield* fs.symlink(path.join(root, "node_modules", "effect"), path.join(modules, "effect"))
      const manifest = yield* fs.readFileString(path.join(root, "package.json"))
      yield* fs.writeFileString(path.join(source, "package.json"), manifest)
      const tsc = compilerOf(root, "typescript")
      yield* run(root, process.execPath, tsc, "-p", "src/tsconfig.json", "--outDir", path.join(source, "dist"))
      const [packed] = JSON.parse(yield* run(source, "npm", "pack", "--ignore-scripts", "--json", "--silent"))
      yield* run(source, "tar", "-xzf", packed.filename, "-C", path.join(modules, "effect-imodel"), "--strip=1")
      const names = Object.keys(JSON.parse(manifest).exports)
      const files = yield* fs.readDirectory(path.join(modules, "effect-imodel", "dist"))
      const closed = new Set(names.filter((name) => JSON.parse(manifest).exports[name] === null))
      const subpaths = [
        ...names.flatMap((name) => /^\.\/[A-Z]\w+$/.test(name) ? [name.slice(2)] : []),
        ...files.flatMap((file) => file.endsWith(".d.ts") ? [path.basename(file, ".d.ts")] : [])
      ].filter((name) => !closed.has(`./${name}`))
      yield* fs.writeFileString(path.join(folder, "package.json"), JSON.stringify({ type: "module" }))
      yield* fs.writeFileString(path.join(folder, "main.ts"), program(subpaths))
      return { folder, root }
    })
  ).pipe(Layer.provideMerge(NodeServices.layer))
}

const compilerOf = (root: string, name: string) => `${root}/node_modules/${name}/bin/tsc`

const program = (subpaths: ReadonlyArray<string>) => `
import * as Effect from "effect/Effect"
import { iModel, OpenAi } from "effect-imodel"
${subpaths.map((name, i) => `import * as M${i} from "effect-imodel/${name}"`).join("\n")}

export const modules = [${subpaths.map((_, i) => `M${i}`).join(", ")}]

class Gpt extends iModel.Service<Gpt>()("app/Gpt", {
  backend: OpenAi.makeChat({ model: "gpt-4o-mini" }),
  limitRequests: 500
}) {}

export const text: Effect.Effect<string | null | undefined, unknown, Gpt> = Effect.flatMap(
  Gpt,
  (gpt) => gpt.respond({ prompt: "Hello" })
).pipe(Effect.map(({ data }) => data.choices[0]?.message.content))
`

const strictness = [[true, true], [true, false], [false, false]] as const

const all = ["typescript", "typescript-5.9"].flatMap((compiler) =>
  ["nodenext", "bundler"].flatMap((moduleResolution) =>
    strictness.map(([strict, exactOptionalPropertyTypes]) => ({
      compiler,
      moduleResolution,
      strict,
      exactOptionalPropertyTypes
    }))
  )
)

const checked = all.filter(({ compiler, exactOptionalPropertyTypes, moduleResolution, strict }) => {
  if (process.env["CI"]) return true
  if (compiler === "typescript-5.9") return moduleResolution === "bundler" && strict && !exactOptionalPropertyTypes
  return moduleResolution === "nodenext" ? strict && !exactOptionalPropertyTypes : !strict
})

layer(Project.layer, { excludeTestServices: true, timeout: "5 minutes" })("the packed package", (it) => {
  it.effect.each(checked)(
    "type-checks: $compiler, $moduleResolution, strict $strict, exact $exactOptionalPropertyTypes",
    Effect.fnUntraced(function*({ compiler, exactOptionalPropertyTypes, moduleResolution, strict }) {
      const { folder, root } = yield* Project
      const fs = yield* FileSystem.FileSystem
      const config = `${folder}/tsconfig.json`
      const compilerOptions = {
        noEmit: true,
        skipLibCheck: false,
        skipDefaultLibCheck: true,
        target: "es2023",
        lib: ["es2023", "dom", "dom.iterable", "esnext.disposable"],
        types: [],
        module: moduleResolution === "bundler" ? "esnext" : moduleResolution,
        moduleResolution,
        strict,
        exactOptionalPropertyTypes
      }
      yield* fs.writeFileString(config, JSON.stringify({ compilerOptions, files: ["main.ts"] }))
      const output = yield* run(folder, process.execPath, compilerOf(root, compiler), "-p", config, "--pretty", "false")
      assert.strictEqual(output, "")
    }),
    300_000
  )
})
