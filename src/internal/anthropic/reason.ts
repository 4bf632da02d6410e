/**
 * Why Anthropic, or a gateway that speaks its protocol, refused a call.
 *
 * Source: https://platform.claude.com/docs/en/api/errors
 */
import { reasonReader } from "../errors/providerError.ts"

export const reasonOf = reasonReader({
  // For example `messages.0.content: Input should be a valid list`.
  parameterOf: (message) => /^([a-z_]{1,64}(\.\w{1,64}){0,16}): /.exec(message)?.[1]
})
