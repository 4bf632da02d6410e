/**
 * Programs that a suite needs and a machine may lack: a Redis, MCP servers, the command line of Claude Code.
 *
 * Where the environment variable `CI` is set they are required. Elsewhere the suite is skipped, with a line that says why.
 */

/** For `describe.skipIf` and `it.skipIf`: whether there is a reason why the program is not available. */
export const unavailable = (program: string, reason: string | undefined): boolean => {
  if (reason === undefined) return false
  if (process.env["CI"]) throw new Error(`${program} is required where CI is set: ${reason}`)
  process.stdout.write(`Skipped, because ${program} is not available: ${reason}\n`)
  return true
}
