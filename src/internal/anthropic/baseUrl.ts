/** Where Anthropic's API is, unless it is said. */
import * as Config from "effect/Config"

// The variable is that of Anthropic's SDKs and of Claude Code, whose paths begin with the version.
export const defaultBaseUrl: Config.Config<string> = Config.String("ANTHROPIC_BASE_URL").pipe(
  Config.withDefault("https://api.anthropic.com"),
  Config.map((url) => url.replace(/(\/v1)?\/*$/, "/v1"))
)
