/**
 * The environment of a run, all of it: what a program needs of the system, what Claude Code is configured and logged in with, and
 * what the backend says. Nothing else is handed on, so that no other credential of the program reaches an agent that runs commands.
 */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
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
  for (const name of inherited) {
    const value = yield* Config.option(Config.String(name))
    if (value._tag === "Some") variables[name] = value.value
  }
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

/** With more variables, which win. */
export const extend = (
  { scrub, variables }: Environment,
  more: Readonly<Record<string, string | Redacted.Redacted>>
): Environment => {
  const scrubMore = scrubbingAll(Object.values(more))
  return { variables: { ...variables, ...more }, scrub: (text) => scrubMore(scrub(text)) }
}

const scrubbingAll = (values: ReadonlyArray<string | Redacted.Redacted>): Scrub =>
  makeScrub(values.flatMap((value) => Redacted.isRedacted(value) ? [Redacted.value(value)] : []))

const credentials = ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"]

const inherited = (
  // Where programs and their files are, and how they speak
  "PATH HOME USER LOGNAME SHELL TERM LANG LC_ALL LC_CTYPE TZ TMPDIR XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR " +
  "APPDATA COMSPEC LOCALAPPDATA PATHEXT PROGRAMDATA SYSTEMDRIVE SYSTEMROOT TEMP TMP USERNAME USERPROFILE " +
  // The way to the provider
  "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy NODE_EXTRA_CA_CERTS SSL_CERT_DIR SSL_CERT_FILE " +
  // https://docs.claude.com/en/docs/claude-code/settings#environment-variables
  "ANTHROPIC_BASE_URL CLAUDE_CONFIG_DIR CLAUDE_CODE_GIT_BASH_PATH"
).split(" ")
