/**
 * Every example of the README and of the docstrings compiles, as a user's program against the package. Those with comments `// =>` are
 * run, and print what the comments say.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { formatWithOptions } from "node:util"
import { vi } from "vitest"
import packageJson from "../package.json" with { type: "json" }

const root = join(import.meta.dirname, "..")

interface Example {
  readonly file: string
  readonly line: number
  readonly code: string
}

/** The blocks that are fenced as `ts`, out of Markdown or out of a docstring. */
const examplesOf = (path: string): ReadonlyArray<Example> => {
  const examples: Array<Example> = []
  const file = relative(root, path)
  let open: { readonly line: number; readonly code: Array<string> } | undefined
  for (const [i, raw] of readFileSync(path, "utf8").split("\n").entries()) {
    const line = path.endsWith(".md") ? raw : raw.replace(/^\s*\* ?/, "")
    if (open === undefined && /^```ts\b/.test(line)) open = { line: i + 2, code: [] }
    else if (open !== undefined && line.startsWith("```")) {
      examples.push({ file, line: open.line, code: open.code.join("\n") })
      open = undefined
    } else open?.code.push(line)
  }
  return examples
}

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => join(root, "src", path))

const examples = [join(root, "README.md"), ...sources].flatMap(examplesOf)

mkdirSync(join(root, ".cache"), { recursive: true })
const folder = mkdtempSync(join(root, ".cache", "examples-"))
afterAll(() => rmSync(folder, { recursive: true }))

const fileOf = (i: number) => join(folder, `example${i}.ts`)
for (const [i, { code }] of examples.entries()) writeFileSync(fileOf(i), `${code}\nexport {}\n`)

/** The sources of what the package exports, by the names of its modules. */
const paths = Object.fromEntries(
  Object.entries(packageJson.exports).flatMap(([subpath, target]) =>
    target === null || typeof target === "string"
      ? []
      : [[
        `${packageJson.name}${subpath.slice(1)}`,
        [target.default.replace("./dist/", "../../src/").replace(/\.js$/, ".ts")]
      ]]
  )
)

describe("examples", () => {
  it("are found in the README and in the docstrings", () => {
    assert.isAbove(examples.filter(({ file }) => file === "README.md").length, 5)
    assert.isAbove(examples.filter(({ file }) => file.startsWith("src")).length, 10)
  })

  it("compile", () => {
    const compilerOptions = { noUnusedLocals: false, noUnusedParameters: false, paths }
    const config = { extends: "../../tsconfig.json", compilerOptions, include: ["."] }
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config))
    const tsc = join(root, "node_modules", "typescript", "bin", "tsc")
    const { status, stderr, stdout } = spawnSync(tsc, ["-p", folder, "--pretty", "false"], { encoding: "utf8" })
    const errors = stdout.split("\n").filter((line) => line.includes("error TS")).map((line) => {
      const [, i = "", row = "0", rest = ""] = /example(\d+)\.ts\((\d+),\d+\): (.*)/.exec(line) ?? []
      const example = examples[Number(i)]
      return i === "" || example === undefined ? line : `${example.file}:${example.line + Number(row) - 1}: ${rest}`
    })
    assert.deepStrictEqual(errors, [])
    assert.strictEqual(status, 0, `tsc ended without an error in an example:\n${stdout}\n${stderr}`)
  })
})

describe("examples print what they say:", () => {
  for (const [i, { code, file, line }] of examples.entries()) {
    const said = [...code.matchAll(/\/\/ => (.*)/g)].map(([, value]) => value)
    if (said.length === 0) continue
    it(`${file}:${line}`, async () => {
      const printed: Array<string> = []
      const log = vi.spyOn(console, "log").mockImplementation((...values: ReadonlyArray<unknown>) => {
        printed.push(formatWithOptions({ breakLength: Infinity }, ...values))
      })
      await import(fileOf(i)).finally(() => log.mockRestore())
      assert.deepStrictEqual(printed, said)
    })
  }
})
