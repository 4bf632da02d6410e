/**
 * The environment of a run, all of it: what a program needs of the system, what Claude Code is configured and logged in with, and
 * what the backend says. Nothing else is handed on, so that no other credential of the program reaches an agent that runs commands.
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { readVariables, systemVariables } from "../process/systemEnvironment.ts"
import { type Credential, readCredential } from "../http/credential.ts"
import { makeScrub, type Scrub } from "../util/scrub.ts"

export interface Environment {
  readonly variables: Readonly<Record<string, string | Redacted.Redacted>>
  readonly scrub: Scrub
}

export const readEnvironment = Effect.fnUntraced(function*(options: {
  readonly apiKey?: Credential | undefined
  readonly baseUrl?: string | undefined
  readonly env?: Readonly<Record<string, string | Redacted.Redacted>> | undefined
}): Effect.fn.Return<Environment, Config.ConfigError | Cause.IllegalArgumentError> {
  const variables: Record<string, string | Redacted.Redacted> = {
    // What failed is made again here, where it passes the limits.
    CLAUDE_CODE_MAX_RETRIES: "0",
    DISABLE_AUTOUPDATER: "1"
  }
  Object.assign(variables, yield* readVariables(inherited))
  for (const name of credentials) {
    const value = yield* Config.option(Config.Redacted(name))
    if (value._tag === "Some") variables[name] = value.value
  }
  Object.assign(variables, options.env)
  if (options.baseUrl !== undefined) variables["ANTHROPIC_BASE_URL"] = options.baseUrl
  if (options.apiKey !== undefined) {
    variables["ANTHROPIC_API_KEY"] = Redacted.make(yield* readCredential(options.apiKey))
  }
  return { variables, scrub: scrubbingAll(Object.values(variables)) }
})

/** Adds variables, which replace those of the same names, and secrets that are scrubbed. */
export const extend = (
  { scrub, variables }: Environment,
  more: Readonly<Record<string, string | Redacted.Redacted>>,
  secrets: ReadonlyArray<string>
): Environment => {
  const scrubMore = scrubbingAll([...Object.values(more), ...secrets.map((secret) => Redacted.make(secret))])
  return { variables: { ...variables, ...more }, scrub: (text) => scrubMore(scrub(text)) }
}

const scrubbingAll = (values: ReadonlyArray<string | Redacted.Redacted>): Scrub =>
  makeScrub(values.flatMap((value) => Redacted.isRedacted(value) ? [Redacted.value(value)] : []))

const credentials = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"]

const inherited = [
  ...systemVariables,
  // https://docs.claude.com/en/docs/claude-code/settings#environment-variables
  "ANTHROPIC_BASE_URL",
  "CLAUDE_CONFIG_DIR",
  "CLAUDE_CODE_GIT_BASH_PATH"
]
