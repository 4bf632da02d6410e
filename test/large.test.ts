/**
 * A large program, of fifty tools and of twenty models with hooks that need something: the compiler understands it, does little more
 * work over it than over the library alone, and the types that a hover shows can be read.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

mkdirSync(join(root, ".cache"), { recursive: true })
const folder = mkdtempSync(join(root, ".cache", "large-"))
afterAll(() => rmSync(folder, { recursive: true }))

const times = (n: number, write: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => write(i)).join("\n")

const imports = `
import { Context, Effect, Layer, Schema } from "effect"
import { Tool } from "effect/ai"
import { Hook, iModel, OpenAi, ServiceRegistry, ToolBackend } from "effect-imodel"
`

const program = (tools: number, models: number) =>
  `${imports}
${
    times(tools, (i) => `
const Tool${i} = Tool.make("tool${i}", {
  description: "Tool ${i}",
  parameters: Schema.Struct({
    id${i}: Schema.Int,
    list: Schema.Array(Schema.Struct({ n: Schema.Finite, kind: Schema.Literals(["a", "b"]) }))
  }),
  success: Schema.Struct({ answer${i}: Schema.String })
})`)
  }
${
    times(models, (i) => `
class Need${i} extends Context.Service<Need${i}, { readonly value: ${i} }>()("test/Need${i}") {}
class Model${i} extends iModel.Service<Model${i}>()("test/Model${i}", {
  backend: OpenAi.makeChat({ model: "model-${i}" }),
  limitRequests: ${i + 1},
  hooks: [Hook.make({ preInvocation: () => Need${i} }), Hook.logging()]
}) {}`)
  }
const program = Effect.gen(function*() {
  ${
    times(tools, (i) => `
  const tool${i} = yield* iModel.make(yield* ToolBackend.make(Tool${i}, ({ id${i} }) => ({ answer${i}: String(id${i}) })))
  const answer${i}: string = (yield* tool${i}.respond({ id${i}: ${i}, list: [{ n: 1, kind: "a" }] })).data.answer${i}`)
  }
  const tools = [${times(tools, (i) => `tool${i},`)}]
  const models = [${times(models, (i) => `yield* Model${i},`)}]
  const registry = yield* ServiceRegistry.ServiceRegistry
  yield* Effect.forEach([...tools, ...models], (model) => registry.register(model))
  const { response } = yield* iModel.converse("Use them all.", { tools, maxTurns: 10 })
  return response.text
}).pipe(Effect.provide(Layer.mergeAll(${times(models, (i) => `Model${i}.layer,`)} ServiceRegistry.layer({}))))
`

const compile = (name: string, code: string) => {
  writeFileSync(join(folder, `${name}.ts`), `${code}\nexport {}\n`)
  writeFileSync(
    join(folder, `${name}.json`),
    JSON.stringify({
      extends: "../../tsconfig.json",
      compilerOptions: {
        noUnusedLocals: false,
        paths: { "effect-imodel": ["../../src/index.ts"] }
      },
      include: [],
      files: [`${name}.ts`]
    })
  )
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
  const { stdout } = spawnSync(
    tsc,
    ["-p", join(folder, `${name}.json`), "--pretty", "false", "--extendedDiagnostics"],
    {
      encoding: "utf8"
    }
  )
  return {
    errors: stdout.split("\n").filter((line) => line.includes("error TS")),
    instantiations: Number(/Instantiations:\s*(\d+)/.exec(stdout)?.[1])
  }
}

describe("a large program", () => {
  it("compiles, and costs the compiler little more than the library alone", { timeout: 180_000 }, () => {
    const large = compile("large", program(50, 20))
    assert.deepStrictEqual(large.errors, [])
    const alone = compile("alone", imports)
    // Time differs from machine to machine; what is to be worked out does not.
    assert.isBelow(large.instantiations / alone.instantiations, 1.5)
  })

  it("has types that can be read", { timeout: 180_000 }, () => {
    const { errors } = compile(
      "hovers",
      `${program(1, 1)}
const wrong = [null]
const layer: typeof wrong = iModel.layer({ hooks: [Hook.make({ preInvocation: () => Need0 }), Hook.cache({ timeToLive: 1 })] })
const model: typeof wrong = Model0.layer
const get = (model: Model0["Service"]): typeof wrong => model
const tool: typeof wrong = ToolBackend.make(Tool0, () => Effect.succeed({ answer0: "" }))`
    )
    assert.deepStrictEqual(errors.map((error) => /Type '(.*?)' is (?:not assignable|missing)/.exec(error)?.[1]), [
      "Layer<iModel, OptionsError, Need0 | Persistence | ServiceBackend>",
      "Layer<Model0, ConfigError | OptionsError, HttpClient | Need0>",
      "Model<ChatRequest, ChatCompletion>",
      "Effect<Backend<{ readonly id0: number; readonly list: readonly { readonly n: number; readonly kind: \"a\" | \"b\"; }[]; }, { readonly answer0: string; }>, IllegalArgumentError, never>"
    ])
  })
})
