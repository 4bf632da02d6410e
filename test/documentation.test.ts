/**
 * Every example of the README and of the docstrings compiles, as a user's program against the package.
 */
import { afterAll, assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

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

describe("examples", () => {
  it("are found in the README and in the docstrings", () => {
    assert.isAbove(examples.filter(({ file }) => file === "README.md").length, 5)
    assert.isAbove(examples.filter(({ file }) => file.startsWith("src")).length, 10)
  })

  it("compile", () => {
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: "../../tsconfig.json",
        compilerOptions: {
          noUnusedLocals: false,
          noUnusedParameters: false,
          paths: {
            "effect-imodel": ["../../src/index.ts"],
            "effect-imodel/Anthropic": ["../../src/providers/Anthropic.ts"],
            "effect-imodel/ClaudeCode": ["../../src/providers/ClaudeCode.ts"],
            "effect-imodel/Gemini": ["../../src/providers/Gemini.ts"],
            "effect-imodel/OpenAi": ["../../src/providers/OpenAi.ts"],
            "effect-imodel/Provider": ["../../src/providers/Provider.ts"],
            "effect-imodel/testing": ["../../src/testing.ts"]
          }
        },
        include: ["."]
      })
    )
    const names = new Map<string, Example>()
    for (const [i, example] of examples.entries()) {
      names.set(`example${i}.ts`, example)
      writeFileSync(join(folder, `example${i}.ts`), `${example.code}\nexport {}\n`)
    }
    let output = ""
    try {
      execFileSync(join(root, "node_modules", ".bin", "tsc"), ["-p", folder, "--pretty", "false"], { encoding: "utf8" })
    } catch (error) {
      output = String((error as { readonly stdout?: unknown }).stdout)
    }
    const errors = output.split("\n").filter((line) => line.includes("error TS")).map((line) => {
      const [, name = "", row = "0", rest = ""] = /(example\d+\.ts)\((\d+),\d+\): (.*)/.exec(line) ?? []
      const example = names.get(name)
      return example === undefined ? line : `${example.file}:${example.line + Number(row) - 1}: ${rest}`
    })
    assert.deepStrictEqual(errors, [])
  })
})
