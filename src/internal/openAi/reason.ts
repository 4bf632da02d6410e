/**
 * Why OpenAI, or a provider that speaks its protocol, refused a call.
 *
 * Source: https://platform.openai.com/docs/guides/error-codes
 */
import { reasonReader } from "../errors/providerError.ts"

export const reasonOf = reasonReader({})
