/** The address of Gemini's API. */
import * as Config from "effect/Config"
import { addressIn, type BaseUrl, completed, withoutEnd } from "../http/baseUrl.ts"

const service = { address: "https://generativelanguage.googleapis.com/v1beta" }

export const completeBaseUrl = (given: string): BaseUrl => completed(given, service)

// The variable is that of Google's SDKs and of Gemini CLI, whose paths begin with the version.
export const defaultBaseUrl: Config.Config<string> = Config.map(
  addressIn(["GOOGLE_GEMINI_BASE_URL"], Config.succeed(service.address)),
  (url) => withoutEnd(url.trim()).replace(/(\/v1(alpha|beta)?)?$/, (version) => version === "" ? "/v1beta" : version)
)
