/**
 * The guide: programs of one subject each, which need no key and no network.
 *
 *     npm run guide            lists them
 *     npm run guide -- NAME    runs one
 */
import { spawnSync } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

const folder = join(import.meta.dirname, "guide")
const files = readdirSync(folder).filter((file) => /\.[jt]s$/.test(file))
const nameOf = (file: string) => file.replace(/(\.test)?\.[jt]s$/, "")

/** The first sentence of the docstring that a program begins with. */
const summaryOf = (file: string) => {
  const docstring = /\/\*\*(.+?)\*\//s.exec(readFileSync(join(folder, file), "utf8"))?.[1] ?? ""
  return docstring.replaceAll(/\s+\*?\s*/g, " ").split(/\.\s/)[0]?.trim()
}

const name = process.argv[2]
const file = files.find((file) => nameOf(file) === name)

if (name === undefined) {
  for (const file of files) console.log(`${nameOf(file).padEnd(18)} ${summaryOf(file)}`)
  console.log("\nnpm run guide -- NAME runs one of them.")
} else if (file === undefined) {
  console.error(`The guide has no program '${name}'. It has: ${files.map(nameOf).join(", ")}`)
  process.exitCode = 1
} else if (file.endsWith(".test.ts")) {
  const args = ["run", "--config", "test/vitest.config.ts", join(folder, file)]
  process.exitCode = spawnSync("vitest", args, { stdio: "inherit" }).status ?? 1
} else {
  await import(join(folder, file))
}
