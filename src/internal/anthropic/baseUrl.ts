/** The address of Anthropic's API. */
import * as Config from "effect/Config"
import { addressIn, type BaseUrl, completed, withoutEnd } from "../http/baseUrl.ts"

const service = { address: "https://api.anthropic.com/v1" }

// The variable is that of Anthropic's SDKs and of Claude Code, whose paths begin with the version.
export const defaultBaseUrl: Config.Config<string> = Config.map(
  addressIn(["ANTHROPIC_BASE_URL"], Config.succeed(service.address)),
  (url) => `${withoutEnd(url.trim()).replace(/\/v1$/, "")}/v1`
)

export const completeBaseUrl = (given: string): BaseUrl => completed(given, service)
