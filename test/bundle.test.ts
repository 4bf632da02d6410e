/** The package in a bundle, where the optional `gpt-tokenizer` is not installed. */
import { NodeServices } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { Effect, FileSystem, Path } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { rolldown } from "rolldown"
import { build as vite } from "vite"

const entry = `
import { Effect, Layer } from "effect"
import { iModel, OpenAi, Simulator } from "effect-imodel"

const program = Effect.gen(function*() {
  const model = yield* iModel.make(
    yield* OpenAi.makeChat({ model: "gpt-4o-mini", apiKey: "OPENAI_API_KEY" }),
    { limitTokens: 1_000 }
  )
  const { text } = yield* model.respond({ prompt: "A colour?" })
  console.log(text)
})

Effect.runPromise(
  Effect.scoped(program).pipe(Effect.provide(Simulator.layerHttpClient({ latency: 0, answer: () => "Blue." })))
)
`

/** A program that uses the package, with `effect` and without `gpt-tokenizer`. */
const project = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const root = path.resolve(import.meta.dirname, "..")
  const folder = yield* fs.makeTempDirectoryScoped()
  const installed = path.join(folder, "node_modules", "effect-imodel")
  const { peerDependencies, peerDependenciesMeta, sideEffects } = JSON.parse(
    yield* fs.readFileString(path.join(root, "package.json"))
  )
  yield* fs.makeDirectory(installed, { recursive: true })
  yield* fs.copy(path.join(root, "src"), path.join(installed, "src"))
  yield* fs.writeFileString(
    path.join(installed, "package.json"),
    JSON.stringify({
      name: "effect-imodel",
      type: "module",
      exports: { ".": "./src/index.ts" },
      peerDependencies,
      peerDependenciesMeta,
      sideEffects
    })
  )
  yield* fs.symlink(path.join(root, "node_modules", "effect"), path.join(folder, "node_modules", "effect"))
  yield* fs.writeFileString(path.join(folder, "package.json"), JSON.stringify({ name: "program", type: "module" }))
  yield* fs.writeFileString(path.join(folder, "main.ts"), entry)
  return { folder, input: path.join(folder, "main.ts"), out: path.join(folder, "out") }
})

type Project = Effect.Success<typeof project>

const bundlers = [
  {
    name: "rolldown",
    bundle: ({ folder, input, out }: Project) =>
      Effect.promise(async () => {
        const bundle = await rolldown({ cwd: folder, input, platform: "node", logLevel: "silent" })
        await bundle.write({ dir: out, entryFileNames: "main.js" })
      })
  },
  {
    name: "vite",
    bundle: ({ folder, input, out }: Project) =>
      Effect.promise(() =>
        vite({
          root: folder,
          configFile: false,
          logLevel: "silent",
          ssr: { noExternal: true },
          build: { ssr: input, outDir: out, rolldownOptions: { output: { entryFileNames: "main.js" } } }
        })
      )
  }
]

it.live.each(bundlers)("is built and runs: $name", ({ bundle }) =>
  Effect.gen(function*() {
    const path = yield* Path.Path
    const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
    const made = yield* project
    yield* bundle(made)
    const program = ChildProcess.make(process.execPath, [path.join(made.out, "main.js")], {
      cwd: made.folder,
      env: { OPENAI_API_KEY: "sk-0123456789" }
    })
    assert.strictEqual((yield* spawner.string(program)).trim(), "Blue.")
  }).pipe(Effect.scoped, Effect.provide(NodeServices.layer)))
