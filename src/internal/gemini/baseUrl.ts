/** Where Gemini's API is, unless it is said. */
import * as Config from "effect/Config"
import { addressIn, completed, withoutEnd } from "../http/baseUrl.ts"

const service = { address: "https://generativelanguage.googleapis.com/v1beta" }

/** The address as it is meant. It has no query: that of a stream has one of its own. */
export const completeBaseUrl = (given: string): string => {
  const { baseUrl, query } = completed(given, service)
  return `${baseUrl}${query}`
}

// The variable is that of Google's SDKs and of Gemini CLI, whose paths begin with the version.
export const defaultBaseUrl: Config.Config<string> = Config.map(
  addressIn(["GOOGLE_GEMINI_BASE_URL"], Config.succeed(service.address)),
  (url) => withoutEnd(url.trim()).replace(/(\/v1(alpha|beta)?)?$/, (version) => version === "" ? "/v1beta" : version)
)
