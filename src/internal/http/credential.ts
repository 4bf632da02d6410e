/** Reads credentials. Variables of the operating system are refused. */
import type * as Cause from "effect/Cause"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { illegal } from "../util/options.ts"

/** A credential, a `Config` of it, or the name of the environment variable that holds it. */
export type Credential = Redacted.Redacted | Config.Config<Redacted.Redacted> | string

/** The secret, trimmed. It is neither empty nor has characters that a header cannot carry. */
export const readCredential = Effect.fnUntraced(function*(
  credential: Credential
): Effect.fn.Return<string, Config.ConfigError | Cause.IllegalArgumentError> {
  const value = Redacted.isRedacted(credential)
    ? credential
    : Config.isConfig(credential)
    ? yield* withoutSystem(credential)
    : yield* variable(yield* checkedName(credential))
  const secret = Redacted.value(value).trim()
  if (secret === "") return yield* illegal("credential must not be empty")
  if (!/^[\x20-\x7e]+$/.test(secret)) {
    return yield* illegal("credential must consist of printable ASCII characters, which headers can carry")
  }
  return secret
})

/** The names of environment variables. */
export const variableName = /^[A-Z][A-Z0-9_]*$/u

// A text that is no name of a variable may be the secret itself, so it is not shown.
const checkedName = (name: string): Effect.Effect<string, Cause.IllegalArgumentError> =>
  variableName.test(name)
    ? Effect.succeed(name)
    : illegal(
      "credential must be the name of an environment variable, such as \"OPENAI_API_KEY\". " +
        "To pass the credential itself, use Redacted.make"
    )

/** The value of an environment variable. Fails when it is not set. */
const variable = (name: string) =>
  Effect.mapError(withoutSystem(Config.Redacted(name)), (error) =>
    error.cause._tag === "SchemaError"
      ? new Config.ConfigError(
        new ConfigProvider.SourceError({
          message: `${name} is not set: set this environment variable, or pass another credential`
        })
      )
      : error)

const withoutSystem = (config: Config.Config<Redacted.Redacted>) =>
  Effect.updateService(config, ConfigProvider.ConfigProvider, (provider) =>
    ConfigProvider.make((path) => {
      const [name] = path
      return path.length === 1 && systemVariables.has(String(name))
        ? Effect.fail(
          new ConfigProvider.SourceError({
            message: `${name} is a variable of the operating system, and cannot be a credential`
          })
        )
        : provider.load(path)
    }))

/** Variables that the operating system, a shell or Node sets. Their values must not be sent to a provider by mistake. */
const systemVariables = new Set(
  (
    "APPDATA COMPUTERNAME COMSPEC DISPLAY EDITOR HOME HOMEDRIVE HOMEPATH HOSTNAME LANG LANGUAGE LC_ALL LD_LIBRARY_PATH " +
    "LOCALAPPDATA LOGNAME MAIL NODE_ENV NODE_OPTIONS NODE_PATH OLDPWD OS PAGER PATH PATHEXT PROGRAMDATA PROGRAMFILES PS1 " +
    "PWD SHELL SHLVL SSH_AUTH_SOCK SYSTEMDRIVE SYSTEMROOT TEMP TERM TMP TMPDIR TZ UID USER USERDOMAIN USERNAME " +
    "USERPROFILE VISUAL WINDIR XDG_CONFIG_HOME XDG_RUNTIME_DIR"
  ).split(" ")
)
