/**
 * Fails when a regular expression of the sources takes more than linear time on any text: of those that are written as literals,
 * and of those that are put together when the modules are loaded.
 *
 *     npm run check:patterns
 */
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath, pathToFileURL } from "node:url"
import { check } from "recheck"
import { parseAst } from "rolldown/parseAst"

interface Found {
  readonly source: string
  readonly flags: string
  readonly file: string
}

const root = fileURLToPath(new URL("../../src/", import.meta.url))
const files = globSync("**/*.ts", { cwd: root })
const patterns = new Map<string, Found>()

const add = ({ flags, source }: RegExp, file: string) => patterns.set(`/${source}/${flags}`, { source, flags, file })

const addLiterals = (node: unknown, file: string): void => {
  if (typeof node !== "object" || node === null) return
  if ("value" in node && node.value instanceof RegExp) add(node.value, file)
  for (const part of Object.values(node)) addLiterals(part, file)
}

for (const file of files) addLiterals(parseAst(readFileSync(root + file, "utf8"), { lang: "ts" }), file)

globalThis.RegExp = new Proxy(RegExp, {
  construct(target, args: [string, string?]) {
    const pattern = new target(...args)
    const from = new Error().stack?.split("\n").find((line) => line.includes(root))
    if (from !== undefined) add(pattern, from.slice(from.indexOf(root) + root.length))
    return pattern
  }
})
for (const file of files) await import(pathToFileURL(root + file).href)

const failures: Array<string> = []
for (const [pattern, { file, flags, source }] of patterns) {
  const result = await check(source, flags, { timeout: 30_000 })
  if (result.status === "vulnerable") {
    failures.push(`${file}: ${pattern}\n  ${result.complexity.summary} time, for example on ${result.attack.pattern}`)
  }
  if (result.status === "unknown") failures.push(`${file}: ${pattern}\n  ${result.error.kind}`)
}
process.stdout.write(`${patterns.size} patterns, ${failures.length} of more than linear time\n`)
for (const failure of failures) process.stderr.write(`${failure}\n`)
// The checker keeps a process of its own.
process.exit(failures.length === 0 ? 0 : 1)
