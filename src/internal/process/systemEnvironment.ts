/** The variables of the environment that a program needs to run: no credentials of other programs are among them. */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

export const systemVariables: ReadonlyArray<string> = (
  // Where programs and their files are, and the language of their messages
  "PATH HOME USER LOGNAME SHELL TERM LANG LC_ALL LC_CTYPE TZ TMPDIR XDG_CONFIG_HOME XDG_DATA_HOME XDG_CACHE_HOME XDG_RUNTIME_DIR " +
  "APPDATA COMSPEC LOCALAPPDATA PATHEXT PROGRAMDATA SYSTEMDRIVE SYSTEMROOT TEMP TMP USERNAME USERPROFILE " +
  // The way to the network
  "HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy NODE_EXTRA_CA_CERTS SSL_CERT_DIR SSL_CERT_FILE"
).split(" ")

/** Those of the variables that are set, from the configuration of the program. */
export const readVariables = Effect.fnUntraced(function*(
  names: ReadonlyArray<string>
): Effect.fn.Return<Record<string, string>, Config.ConfigError> {
  const variables: Record<string, string> = {}
  for (const name of names) {
    const value = yield* Config.option(Config.String(name))
    if (Option.isSome(value)) variables[name] = value.value
  }
  return variables
})
